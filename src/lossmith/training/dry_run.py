"""A trial step and a trial test, to refuse what cannot be trained before anything is written, and to time it."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import Module

from lossmith.core.devices import autocast, best_device, out_of_memory, synchronize
from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import describe_channels
from lossmith.core.resources import amount, free_memory
from lossmith.data import ImagePair, PatchDataset, PreparedData, TrainingImages
from lossmith.evaluation import Protocol, check_border, restore_images, score_row
from lossmith.evaluation.inference import FullImageInference
from lossmith.evaluation.parallel_scoring import cores
from lossmith.losses import Loss, Schedule
from lossmith.losses.share_loss import end_warm_up
from lossmith.networks import network, takes_channels
from lossmith.restoration.tiling.tiles import rounded_up
from lossmith.training.isolation import isolated_global_state
from lossmith.training.memory import explain_out_of_memory
from lossmith.training.recipe import Recipe
from lossmith.training.run_settings import RunSettings
from lossmith.training.supervised import set_loss_progress

logger = logging.getLogger(__name__)


@isolated_global_state()
def dry_run(losses: Sequence[Loss], recipe: Recipe, data: PreparedData, protocol: Protocol) -> None:
    """Take the first step of a run under every loss, and test the network, with copies that are thrown away.

    The step is that of the run: as many patches, in train mode, forward and backward, on the same device and in
    the same precision. A loss that changes during the run is tried at each of its stages.

    Parameters
    ----------
    losses
        All losses that the network is to be trained under.
    recipe
        The network, the patches and the precision; its batch is that of one device.
    data
        The images to train on and to test with.
    protocol
        Under which the test images are to be scored.

    Raises
    ------
    LossmithError
        In one sentence, for what does not fit together or into memory.
    """
    _try_training(losses, recipe, data.source)
    _try_test(str(recipe.network), data.test_pairs, protocol)


TIMED_SIDE = 192
"""Side, in pixels, of the part of a clean image by which scoring is timed; large enough for all metrics."""


@dataclass(frozen=True)
class Durations:
    """How long the parts of a run take, in seconds."""

    step: dict[str, float]
    """One step, by the loss's expression."""
    scoring: float
    """To restore and score the test images."""


@isolated_global_state()
def measure_durations(
    losses: Sequence[Loss], recipe: Recipe, data: PreparedData, settings: RunSettings
) -> Durations:
    """How long runs will take, from one more step under every loss; to be called after a dry run of the same.

    The step of the dry run itself is no measure: a first step compiles and allocates. The time to score images is
    taken to grow with their pixels.
    """
    with torch.enable_grad():
        start = _now()
        batch = PatchDataset(data.source, recipe.patch).batch(recipe.batch, recipe.batch)
        degraded, clean = map(_on_device, batch)
        restored = _check_network(recipe, degraded, clean)
        torch.autograd.backward(restored, torch.zeros_like(restored))
        network_seconds = _now() - start
        step = {str(loss): network_seconds + _loss_seconds(loss, recipe, restored, clean) for loss in losses}
    smallest = _smallest(data.test_pairs)
    part = _part(smallest, *[TIMED_SIDE // smallest.scale] * 2)
    protocol = replace(settings.protocol, border=0)  # which may be too wide for the part
    restorer = network(str(recipe.network), part.scale, len(part.clean)).eval().to(best_device())
    start = _now()
    (restored,) = restore_images(restorer, [part])
    restoring = _now() - start
    score_row(part.name, "untrained", restored, part.clean, protocol, settings.metrics)
    scoring = (_now() - start - restoring) / min(cores(), len(data.test_pairs))
    pixels = sum(pair.clean.numel() for pair in data.test_pairs)
    return Durations(step, (restoring + scoring) * pixels / part.clean.numel())


def _loss_seconds(loss: Loss, recipe: Recipe, restored: Tensor, clean: Tensor) -> float:
    """The time of a loss and its gradient; where it has stages, their mean over the run."""
    criterion = deepcopy(loss).to(restored.device)
    end_warm_up(criterion)  # the steps of which cost more, and are few
    starts, mean = _schedule_starts(criterion), 0.0
    for begin, end in zip(starts, [*starts[1:], 1.0], strict=True):
        set_loss_progress(criterion, begin)
        start = _now()
        _check_loss(criterion, recipe, restored.detach(), clean)
        mean += (end - begin) * (_now() - start)
    return mean


def _on_device(images: Tensor) -> Tensor:
    """Patches as a step gets them; pixels that do not count are 0."""
    return images.nan_to_num().to(best_device(), memory_format=torch.channels_last)


def _now() -> float:
    synchronize()
    return time.perf_counter()


def _smallest(pairs: Sequence[ImagePair]) -> ImagePair:
    return min(pairs, key=lambda pair: min(pair.clean.shape[1:]))


def _try_training(losses: Sequence[Loss], recipe: Recipe, source: TrainingImages) -> None:
    for loss in losses:
        if recipe.patch < loss.min_side:
            raise LossmithError(
                f"loss '{loss}' needs patches of at least {loss.min_side} pixels, not {recipe.patch}"
            )
    with explain_out_of_memory(recipe), torch.enable_grad():
        batch = PatchDataset(source, recipe.patch).batch(0, recipe.batch)
        degraded, clean = map(_on_device, batch)
        restored = _check_network(recipe, degraded, clean)
        for loss in losses:
            criterion = deepcopy(loss).to(restored.device)
            for start in _schedule_starts(criterion):
                set_loss_progress(criterion, start)
                gradient = _check_loss(criterion, recipe, restored.detach(), clean)
        with _attribute_errors_to(f"network '{recipe.network}'", degraded):
            torch.autograd.backward(restored, gradient)


def _check_network(recipe: Recipe, degraded: Tensor, clean: Tensor) -> Tensor:
    """The output of a fresh network for the patches, (N, C, H, W), with its graph."""
    name = f"network '{recipe.network}'"
    scale = clean.shape[-1] // degraded.shape[-1]
    restorer = network(str(recipe.network), scale, clean.shape[1])
    restorer.to(degraded.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    with autocast(recipe.precision), _attribute_errors_to(name, degraded):
        try:
            restored = restorer(degraded)
        except Exception as error:
            _refuse_patch_size(name, restorer, degraded, scale)
            _refuse_channels(name, recipe, degraded.shape[1], error)
            raise
    if not isinstance(restored, Tensor):
        raise LossmithError(f"{name} returned {type(restored).__name__} instead of a tensor")
    if restored.shape != clean.shape:
        _refuse_patch_size(name, restorer, degraded, scale)
    if restored.shape != clean.shape or not restored.is_floating_point():
        output, wanted, patches = (tuple(images.shape) for images in (restored, clean, degraded))
        raise LossmithError(
            f"{name} returned {restored.dtype} {output} for patches {patches}; expected floating point {wanted}"
        )
    if not restored.requires_grad:
        raise LossmithError(f"{name} has no parameters to train")
    return restored


def _refuse_channels(name: str, recipe: Recipe, channels: int, error: Exception) -> None:
    """Raise LossmithError for a network that fails and cannot be told that images are not RGB."""
    if channels != 3 and not takes_channels(str(recipe.network)) and not out_of_memory(error):
        raise LossmithError(
            f"{name} takes no argument 'channels', which would make it for {describe_channels(channels)}, and "
            f"fails on such patches: {error}"
        ) from error


def _refuse_patch_size(name: str, restorer: Module, degraded: Tensor, scale: int) -> None:
    """Raise LossmithError when the side of the patches is one that the network does not take."""
    inference, patch = FullImageInference(restorer, scale, degraded.shape[1]), scale * degraded.shape[-1]
    if inference.refuses(degraded):
        step, least = scale * inference.sizes.multiple_of, scale * inference.sizes.minimum
        raise LossmithError(
            f"{name} takes patches whose side is a multiple of {step}, at least {least}, and {patch} is not; set "
            f"patch to {max(least, rounded_up(patch, step))}"
        )


def _check_loss(loss: Loss, recipe: Recipe, restored: Tensor, clean: Tensor) -> Tensor:
    """The gradient of the loss with respect to the restored patches."""
    name = f"loss '{loss}'"
    restored.requires_grad_()
    with autocast(recipe.precision), _attribute_errors_to(name, restored):
        value = torch.stack(list(loss.terms(restored, clean).values())).sum(0)
    if value.ndim:
        raise LossmithError(f"{name} returned shape {tuple(value.shape)} instead of a scalar")
    gradient = None
    if value.requires_grad:
        with _attribute_errors_to(name, restored):
            (gradient,) = torch.autograd.grad(value, restored, allow_unused=True)
    if gradient is None:
        raise LossmithError(f"{name} gives no gradient to the prediction")
    return gradient


def _schedule_starts(loss: Loss) -> list[float]:
    """The progress, 0 to 1, at which each stage of the loss's schedules begins."""
    ends = {end for module in loss.modules() if isinstance(module, Schedule) for end in module.ends}
    return sorted({0.0, *ends})


@contextmanager
def _attribute_errors_to(name: str, patches: Tensor) -> Iterator[None]:
    """Turn an exception of the user's code into a LossmithError that names the network or loss."""
    try:
        yield
    except LossmithError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        kind = type(error).__name__
        raise LossmithError(f"{name} fails on patches {tuple(patches.shape)} with {kind}: {error}") from error


SCORING_BYTES_PER_PIXEL = 480
"""Memory that all metrics together take for an image; measured at 6 megapixels."""
MIN_PROXY_SIDE = 64
"""Least side, in pixels, of the crops that are restored in the place of large test images; below twice this, an
image is restored as it is."""


def _try_test(expression: str, test_pairs: Sequence[ImagePair], protocol: Protocol) -> None:
    """Restore an image of every tested size with an untrained network, and score the first.

    Crops are taken in the place of large images. Whether the largest fits into memory is estimated.
    """
    check_border(test_pairs, protocol)
    _check_memory(test_pairs)
    scale, channels = test_pairs[0].scale, len(test_pairs[0].clean)
    restorer = network(expression, scale, channels).eval().to(best_device())
    inference = FullImageInference(restorer, scale, channels)
    proxies: dict[tuple[int, int], ImagePair] = {}
    for pair in test_pairs:
        inference.rows_at_once(*pair.degraded.shape[1:])
        proxy = _proxy(pair)
        proxies.setdefault((proxy.degraded.shape[1], proxy.degraded.shape[2]), proxy)
    restored = list(restore_images(restorer, list(proxies.values())))
    first = next(iter(proxies.values()))
    score_row(first.name, "untrained", restored[0], first.clean, replace(protocol, border=0))
    if padded := [proxy.name for proxy in proxies.values() if inference.refuses(proxy.degraded[None])]:
        others = f" and {len(padded) - 1} more" if len(padded) > 1 else ""
        logger.warning(
            f"network '{expression}' takes sides that are multiples of {inference.sizes.multiple_of}, at least "
            f"{inference.sizes.minimum}; test images of other sizes are padded by reflection, and their results "
            f"cropped: '{padded[0]}'{others}"
        )


def _check_memory(test_pairs: Sequence[ImagePair]) -> None:
    free = free_memory()
    need, name = max((SCORING_BYTES_PER_PIXEL * pair.clean[0].numel(), pair.name) for pair in test_pairs)
    if free is not None and need > free:
        raise LossmithError(
            f"to score test image '{name}' takes about {amount(need)} of memory, and {amount(free)} are free; "
            "name smaller ones with `test`"
        )


def _proxy(pair: ImagePair) -> ImagePair:
    """A small crop, whose sides leave the same remainders as the image's, since networks are built of strides."""
    return _part(pair, *(_proxy_side(side) for side in pair.degraded.shape[1:]))


def _part(pair: ImagePair, height: int, width: int) -> ImagePair:
    """The top left corner of this size in degraded pixels, or what there is of it; all its pixels count."""
    clean = pair.clean[:, : height * pair.scale, : width * pair.scale].nan_to_num()
    return ImagePair(pair.name, pair.degraded[:, :height, :width], clean, pair.scale)


def _proxy_side(side: int) -> int:
    """A small side with the same remainder by any power of two up to `MIN_PROXY_SIDE`.

    >>> _proxy_side(100), _proxy_side(1003) % 64 == 1003 % 64
    (100, True)
    """
    return side if side < 2 * MIN_PROXY_SIDE else MIN_PROXY_SIDE + side % MIN_PROXY_SIDE

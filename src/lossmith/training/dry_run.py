"""One step before the first, to find out what cannot be trained before anything is written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import Module

from lossmith.core.devices import autocast, best_device, out_of_memory
from lossmith.core.errors import LossmithError, notify
from lossmith.core.resources import amount, free_memory
from lossmith.data import ImagePair, PatchDataset, TrainingImages
from lossmith.evaluation import Protocol, check_border, restore_images, score_row
from lossmith.evaluation.inference import Whole
from lossmith.losses import Loss, Schedule
from lossmith.networks import network
from lossmith.restoration.tiling.tiles import rounded_up
from lossmith.training.isolation import isolated_global_state
from lossmith.training.memory import explain_out_of_memory
from lossmith.training.recipe import Recipe
from lossmith.training.supervised import set_loss_progress


@isolated_global_state()
def dry_run(losses: Sequence[Loss], recipe: Recipe, source: TrainingImages) -> None:
    """Take the first step of a run under every loss, with a network and losses that are thrown away.

    It is the step of the run: as many patches, in train mode, forwards and backwards, on the same device and in
    the same precision. A loss that changes during the run is tried at each of its stages.

    Raises LossmithError, in one sentence, for what does not fit together.
    """
    for loss in losses:
        if recipe.patch < loss.min_side:
            raise LossmithError(
                f"loss '{loss}' needs patches of at least {loss.min_side} pixels, not {recipe.patch}"
            )
    with explain_out_of_memory(recipe), torch.enable_grad():
        batch = PatchDataset(source, recipe.patch).batch(0, recipe.batch)
        degraded, clean = (images.to(best_device(), memory_format=torch.channels_last) for images in batch)
        restored = _check_network(recipe, degraded, clean)
        for loss in losses:
            tried = deepcopy(loss).to(restored.device)
            for start in _schedule_starts(tried):
                set_loss_progress(tried, start)
                gradient = _check_loss(tried, recipe, restored.detach(), clean)
        with _attribute_errors_to(f"network '{recipe.network}'", degraded):
            torch.autograd.backward(restored, gradient)


def _check_network(recipe: Recipe, degraded: Tensor, clean: Tensor) -> Tensor:
    """What a fresh network makes of the patches."""
    name = f"network '{recipe.network}'"
    restorer = network(str(recipe.network), clean.shape[-1] // degraded.shape[-1])
    restorer.to(degraded.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    scale = clean.shape[-1] // degraded.shape[-1]
    with autocast(recipe.precision), _attribute_errors_to(name, degraded):
        try:
            restored = restorer(degraded)
        except Exception:
            _refuse_patch(name, restorer, degraded, scale)
            raise
    if not isinstance(restored, Tensor):
        raise LossmithError(f"{name} gives {type(restored).__name__} instead of a tensor")
    if restored.shape != clean.shape:
        _refuse_patch(name, restorer, degraded, scale)
    if restored.shape != clean.shape or not restored.is_floating_point():
        made, given, wanted = (tuple(images.shape) for images in (restored, degraded, clean))
        raise LossmithError(f"{name} makes {restored.dtype} {made} of patches {given}; floats {wanted} are needed")
    if not restored.requires_grad:
        raise LossmithError(f"{name} has nothing to train")
    return restored


def _refuse_patch(name: str, restorer: Module, degraded: Tensor, scale: int) -> None:
    """Raise LossmithError where the side of the patches is what the network does not take."""
    whole, patch = Whole(restorer, scale), scale * degraded.shape[-1]
    if whole.refuses(degraded):
        step, least = scale * whole.sizes.multiple, scale * whole.sizes.least
        raise LossmithError(
            f"{name} takes patches whose side is a multiple of {step}, from {least} on, and {patch} is not; let "
            f"patch be {max(least, rounded_up(patch, step))}"
        )


def _check_loss(loss: Loss, recipe: Recipe, restored: Tensor, clean: Tensor) -> Tensor:
    """The gradient that the network would get from the loss."""
    name = f"loss '{loss}'"
    restored.requires_grad_()
    with autocast(recipe.precision), _attribute_errors_to(name, restored):
        value = torch.stack(list(loss.terms(restored, clean).values())).sum(0)
    if value.ndim:
        raise LossmithError(f"{name} gives {tuple(value.shape)} instead of one number")
    gradient = None
    if value.requires_grad:
        with _attribute_errors_to(name, restored):
            (gradient,) = torch.autograd.grad(value, restored, allow_unused=True)
    if gradient is None:
        raise LossmithError(f"{name} gives no gradient to the prediction")
    return gradient


def _schedule_starts(loss: Loss) -> list[float]:
    """Where each part of the loss that changes during the run begins."""
    ends = {end for module in loss.modules() if isinstance(module, Schedule) for end in module.ends}
    return sorted({0.0, *ends})


@contextmanager
def _attribute_errors_to(what: str, patches: Tensor) -> Iterator[None]:
    """Say in one sentence whose code has failed."""
    try:
        yield
    except LossmithError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        kind = type(error).__name__
        raise LossmithError(f"{what} fails on patches {tuple(patches.shape)} with {kind}: {error}") from error


SCORING = 480
"""Bytes for each pixel of an image while it is scored by all metrics; measured at 6 megapixels."""
STAND_IN = 64
"""Pixels of the sides of the small images that stand for large ones: so many to twice as many, as much over a
multiple of it as theirs."""


def dry_run_test(expression: str, test_pairs: Sequence[ImagePair], protocol: Protocol) -> None:
    """Restore an image of every size that is tested, by a network that has not been trained; score the smallest.

    Large images are stood for by small parts of them. That the largest fits into memory is estimated.

    Raises LossmithError when the network takes no image of such a size, there is nothing to score, or too little
    memory to score it.
    """
    check_border(test_pairs, protocol)
    _check_memory(test_pairs)
    smallest = min(test_pairs, key=lambda pair: min(pair.clean.shape[1:]))
    fresh = network(expression, smallest.scale).eval().to(best_device())
    for restored in restore_images(fresh, [smallest]):
        score_row(smallest.name, "untrained", restored, smallest.clean, protocol)
    whole = Whole(fresh, smallest.scale)
    stood_for: dict[tuple[int, int], ImagePair] = {}
    for pair in test_pairs:
        whole.rows_at_once(*pair.degraded.shape[1:])
        part = _part(pair)
        stood_for.setdefault((part.degraded.shape[1], part.degraded.shape[2]), part)
    for _ in restore_images(fresh, list(stood_for.values())):
        pass
    if grown := [part.name for part in stood_for.values() if whole.refuses(part.degraded[None])]:
        others = f" and {len(grown) - 1} more" if len(grown) > 1 else ""
        notify(
            f"network '{expression}' takes sides that are multiples of {whole.sizes.multiple}, from "
            f"{whole.sizes.least} on; test images of other sizes are mirrored at their edges, and what is made "
            f"beyond them is cut off: '{grown[0]}'{others}"
        )


def _check_memory(tests: Sequence[ImagePair]) -> None:
    free = free_memory()
    need, name = max((SCORING * pair.clean[0].numel(), pair.name) for pair in tests)
    if free is not None and need > free:
        raise LossmithError(
            f"to score test image '{name}' takes about {amount(need)} of memory, and {amount(free)} are free; "
            "name smaller ones with --test"
        )


def _part(pair: ImagePair) -> ImagePair:
    height, width = (_short(side) for side in pair.degraded.shape[1:])
    clean = pair.clean[:, : height * pair.scale, : width * pair.scale]
    return ImagePair(pair.name, pair.degraded[:, :height, :width], clean, pair.scale)


def _short(side: int) -> int:
    """A small side that is as much over a multiple of whatever a network may ask for.

    >>> _short(100), _short(1003) % 64 == 1003 % 64
    (100, True)
    """
    return side if side < 2 * STAND_IN else STAND_IN + side % STAND_IN

"""One step before the first, to find out what cannot be trained before anything is written."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor
from torch.nn import Module

from lossmith.devices import autocast, best_device, out_of_memory
from lossmith.errors import LossmithError
from lossmith.evaluation.restoring import Whole
from lossmith.images import Patches, Source
from lossmith.losses import Loss, Schedule
from lossmith.networks import network
from lossmith.restoration.tiles import rounded_up
from lossmith.training.confined import confined
from lossmith.training.memory import enough_memory
from lossmith.training.recipe import Recipe
from lossmith.training.supervised import follow_schedule


@confined()
def rehearse(losses: Sequence[Loss], recipe: Recipe, source: Source) -> None:
    """Take the first step of a run under every loss, with a network and losses that are thrown away.

    It is the step of the run: as many patches, in train mode, forwards and backwards, on the same device and in
    the same precision. A loss that changes during the run is tried at each of its stages.

    Raises LossmithError, in one sentence, for what does not fit together.
    """
    for loss in losses:
        if recipe.patch < loss.least_side:
            raise LossmithError(
                f"loss '{loss}' needs patches of at least {loss.least_side} pixels, not {recipe.patch}"
            )
    with enough_memory(recipe), torch.enable_grad():
        batch = Patches(source, recipe.patch).batch(0, recipe.batch)
        degraded, clean = (pictures.to(best_device(), memory_format=torch.channels_last) for pictures in batch)
        restored = _restored(recipe, degraded, clean)
        for loss in losses:
            tried = deepcopy(loss).to(restored.device)
            for start in _stages(tried):
                follow_schedule(tried, start)
                gradient = _gradient(tried, recipe, restored.detach(), clean)
        with _blamed_on(f"network '{recipe.network}'", degraded):
            torch.autograd.backward(restored, gradient)


def _restored(recipe: Recipe, degraded: Tensor, clean: Tensor) -> Tensor:
    """What a fresh network makes of the patches."""
    name = f"network '{recipe.network}'"
    restorer = network(str(recipe.network), clean.shape[-1] // degraded.shape[-1])
    restorer.to(degraded.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    scale = clean.shape[-1] // degraded.shape[-1]
    with autocast(recipe.precision), _blamed_on(name, degraded):
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
        made, given, wanted = (tuple(pictures.shape) for pictures in (restored, degraded, clean))
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


def _gradient(loss: Loss, recipe: Recipe, restored: Tensor, clean: Tensor) -> Tensor:
    """The gradient that the network would get from the loss."""
    name = f"loss '{loss}'"
    restored.requires_grad_()
    with autocast(recipe.precision), _blamed_on(name, restored):
        value = torch.stack(list(loss.terms(restored, clean).values())).sum(0)
    if value.ndim:
        raise LossmithError(f"{name} gives {tuple(value.shape)} instead of one number")
    gradient = None
    if value.requires_grad:
        with _blamed_on(name, restored):
            (gradient,) = torch.autograd.grad(value, restored, allow_unused=True)
    if gradient is None:
        raise LossmithError(f"{name} gives no gradient to the prediction")
    return gradient


def _stages(loss: Loss) -> list[float]:
    """Where each part of the loss that changes during the run begins."""
    ends = {end for module in loss.modules() if isinstance(module, Schedule) for end in module.ends}
    return sorted({0.0, *ends})


@contextmanager
def _blamed_on(what: str, patches: Tensor) -> Iterator[None]:
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

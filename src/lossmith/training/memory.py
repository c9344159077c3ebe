"""Memory of a training step, disk space of a run, and what to do where there is too little."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from lossmith.core.devices import autocast, best_device, out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import ImagePair
from lossmith.data.loader import Batch
from lossmith.losses.share_loss import shares_kept
from lossmith.training.recipe import Recipe
from lossmith.training.supervised import SupervisedModule, set_loss_progress, to_channels_last
from lossmith.training.valid_pixels import zero_invalid


def saved_activation_bytes(module: SupervisedModule, batch: Batch) -> int:
    """Bytes that autograd saves for the backward pass of the last step, without the weights.

    Parameters
    ----------
    module
        The module; its loss is set to the end of its schedule.
    batch
        (degraded, clean), (N, C, h, w) and (N, C, H, W).
    """
    modules = module.modules.to(best_device()).train()
    weights = {tensor.untyped_storage().data_ptr() for tensor in (*modules.parameters(), *modules.buffers())}
    activations: dict[int, int] = {}

    def record(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            activations[storage.data_ptr()] = storage.nbytes()
        return tensor

    degraded, clean = (to_channels_last(images, best_device()) for images in batch)
    set_loss_progress(module.loss, 1.0)
    hooks = torch.autograd.graph.saved_tensors_hooks(record, lambda tensor: tensor)
    with torch.enable_grad(), autocast(module.recipe.precision), hooks:
        # the graph stays alive until all storages are summed, so that no address is reused by another
        restored = module.restorer(degraded)
        if module.masked:
            restored, clean = zero_invalid(restored, clean), zero_invalid(clean, clean)
        with shares_kept(module.loss):
            total = module.loss(restored, clean)
    del total, restored
    return sum(activations.values())


def bytes_to_write(
    restorer: nn.Module,
    discriminator: nn.Module | None,
    recipe: Recipe,
    test_pairs: Sequence[ImagePair],
    runs: int = 1,
    pixels: PixelFormat = RGB_8BIT,
) -> int:
    """Bytes that so many runs write, at least: checkpoints, models, and test images, packed to a third."""
    weights = _weight_bytes(restorer)
    checkpoint = weights * (3 + (recipe.ema > 0))  # the optimizer keeps two numbers for each weight
    images = sum(int(pair.clean.numel()) for pair in test_pairs) * np.dtype(pixels.dtype).itemsize // 3
    # a run keeps two checkpoints, and writes a third before it deletes the older
    need = runs * (2 * checkpoint + weights + images) + checkpoint
    return need if discriminator is None else need + 3 * 3 * _weight_bytes(discriminator)


def _weight_bytes(module: nn.Module) -> int:
    return sum(int(tensor.nbytes) for tensor in module.state_dict().values())


@contextmanager
def explain_out_of_memory(recipe: Recipe) -> Iterator[None]:
    """Turn an out-of-memory error within the block into a LossmithError that says what to lower."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LossmithError(
            f"{_not_enough_memory(recipe)}; lower `batch` or `patch`, or take a smaller network"
        ) from error


def out_of_memory_error(recipe: Recipe, saved_message: str) -> LossmithError:
    """The error for memory that runs out during a run; `saved_message` says which checkpoint there is."""
    return LossmithError(
        f"{_not_enough_memory(recipe)} any more; {saved_message}: end what else uses the device, and the same "
        "command goes on; or lower `batch` or `patch`, or take a smaller network, with another `out`"
    )


def _not_enough_memory(recipe: Recipe) -> str:
    return (
        f"there is not enough memory for steps of {recipe.batch} patches of {recipe.patch} pixels through network "
        f"'{recipe.network}'"
    )

"""How much memory a training step keeps, and what to do when there is not enough."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from lossmith.devices import autocast, best_device
from lossmith.errors import LossmithError
from lossmith.training.module import Restoration, follow_schedule
from lossmith.training.recipe import Recipe
from lossmith.training.stream import Batch


def kept_for_backward(module: Restoration, batch: Batch) -> int:
    """Bytes that autograd keeps between the forward and backward pass of the last step, weights not counted."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    degraded, clean = (pictures.to(best_device(), memory_format=torch.channels_last) for pictures in batch)
    module.to(best_device()).train()
    follow_schedule(module.loss, 1.0)
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with torch.enable_grad(), autocast(module.recipe.precision), hooks:
        # the graph lives until the sum below is done, so no storage is counted under a reused address
        total = module.loss(module.restorer(degraded), clean)
    del total
    return sum(kept.values())


@contextmanager
def enough_memory(recipe: Recipe) -> Iterator[None]:
    """Say what to lower when the block needs more memory than there is."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LossmithError(
            f"there is not enough memory for steps of {recipe.batch} patches of {recipe.patch} pixels through "
            f"network '{recipe.network}'; lower batch or patch, or take a smaller network"
        ) from error


def out_of_memory(error: Exception) -> bool:
    """Whether this is how Python, NumPy or torch says that something does not fit.

    Only CUDA and Python have a class for it; what does not fit into a number of bytes does not fit into memory.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return not isinstance(error, LossmithError) and any(words in str(error) for words in _TOO_LARGE)


_TOO_LARGE = (
    "not enough memory",
    "out of memory",
    "allocate memory",
    "ALLOC_FAILED",
    "Storage size calculation overflowed",
    "array is too big",
    "Maximum allowed dimension exceeded",
)

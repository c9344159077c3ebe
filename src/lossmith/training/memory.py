"""How much memory a training step keeps and how much of a disk a run, and what to do when there is not enough."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from lossmith.core.devices import autocast, best_device, out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.data import ImagePair
from lossmith.data.loader import Batch
from lossmith.training.recipe import Recipe
from lossmith.training.supervised import SupervisedModule, set_loss_progress, to_channels_last


def saved_activation_bytes(module: SupervisedModule, batch: Batch) -> int:
    """Bytes that autograd keeps between the forward and backward pass of the last step, weights not counted."""
    modules = module.modules.to(best_device()).train()
    own = {tensor.untyped_storage().data_ptr() for tensor in (*modules.parameters(), *modules.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    degraded, clean = (to_channels_last(images, best_device()) for images in batch)
    set_loss_progress(module.loss, 1.0)
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    with torch.enable_grad(), autocast(module.recipe.precision), hooks:
        # the graph lives until the sum below is done, so no storage is counted under a reused address
        total = module.loss(module.restorer(degraded), clean)
    del total
    return sum(kept.values())


def bytes_to_write(
    restorer: nn.Module,
    discriminator: nn.Module | None,
    recipe: Recipe,
    test_pairs: Sequence[ImagePair],
    runs: int = 1,
) -> int:
    """Bytes that so many runs write, at least: checkpoints, models, and the test images at a byte per pixel."""
    weights = _weight_bytes(restorer)
    checkpoint = weights * (3 + (recipe.ema > 0))  # the optimizer keeps two numbers for each weight
    images = sum(int(pair.clean[0].numel()) for pair in test_pairs)
    # a run keeps two checkpoints, and writes a third before it deletes the older
    need = runs * (2 * checkpoint + weights + images) + checkpoint
    return need if discriminator is None else need + 3 * 3 * _weight_bytes(discriminator)


def _weight_bytes(module: nn.Module) -> int:
    return sum(int(tensor.nbytes) for tensor in module.state_dict().values())


@contextmanager
def explain_out_of_memory(recipe: Recipe) -> Iterator[None]:
    """Say what to lower when the block needs more memory than there is."""
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LossmithError(f"{_too_little(recipe)}; lower batch or patch, or take a smaller network") from error


def out_of_memory_error(recipe: Recipe, saved_message: str) -> LossmithError:
    """What to say when there was enough memory for the steps before; `kept` says what is saved."""
    return LossmithError(
        f"{_too_little(recipe)} any more; {saved_message}: end what else uses the device, and the same command "
        "goes on; or "
        "lower batch or patch, or take a smaller network, with another --out"
    )


def _too_little(recipe: Recipe) -> str:
    return (
        f"there is not enough memory for steps of {recipe.batch} patches of {recipe.patch} pixels through network "
        f"'{recipe.network}'"
    )

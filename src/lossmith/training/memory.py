"""How much memory a training step keeps."""

import torch
from torch import Tensor

from lossmith.devices import arithmetic, best_device
from lossmith.training.module import Batch, Restoration


def kept_for_backward(module: Restoration, batch: Batch) -> int:
    """Bytes that autograd keeps between the forward and backward pass of the last step, weights not counted."""
    own = {tensor.untyped_storage().data_ptr() for tensor in (*module.parameters(), *module.buffers())}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    device = best_device()
    degraded, clean = (pictures.to(device, memory_format=torch.channels_last) for pictures in batch)
    module.to(device).train()
    module.follow_schedules(1.0)
    half = torch.autocast(device.type, torch.bfloat16, enabled=arithmetic(module.recipe.precision) == "bfloat16")
    with torch.enable_grad(), half, torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        # the graph lives until the sum below is done, so no storage is counted under a reused address
        total = module.loss(module.restorer(degraded), clean)
    del total
    return sum(kept.values())

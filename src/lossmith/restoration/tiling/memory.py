"""Memory that a network needs per pixel, measured on a small input."""

from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode

from lossmith.core import resources
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.tiling.receptive_field import Sizes
from lossmith.restoration.tiling.tiles import rounded_up

SAFETY_FACTOR = 1.25
"""Factor on the measured memory: convolutions take scratch memory that PyTorch does not report."""
MEMORY_FRACTION = 0.5
"""Fraction of the free memory that the network may take."""
ASSUMED_BYTES_PER_PIXEL = 2048
"""Bytes per pixel of input and output, assumed for engines other than PyTorch's."""


def bytes_per_pixel(engine: Engine, sizes: Sizes, probe: int = 96) -> float:
    """Peak memory in bytes per input pixel, measured on an input of about `probe` x `probe` pixels."""
    side = rounded_up(max(probe, sizes.minimum), sizes.multiple_of)
    image = torch.full((1, engine.channels, side, side), 0.5)
    if not isinstance(engine, TorchEngine):
        return ASSUMED_BYTES_PER_PIXEL * (1 + engine.scale**2)
    if engine.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(engine.device)
        before = torch.cuda.memory_allocated(engine.device)
        engine(image)
        return float(SAFETY_FACTOR * (torch.cuda.max_memory_allocated(engine.device) - before) / side**2)
    with PeakMemory() as peak:
        engine(image)
    return float(SAFETY_FACTOR * peak.bytes / side**2)


class PeakMemory(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The largest number of bytes held at one time by tensors that were created inside the block."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.bytes = 0
        self._live: dict[int, tuple[Any, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        arguments = torch.utils._pytree.tree_leaves((args, kwargs))
        inputs = {_storage(tensor)._cdata for tensor in arguments if _is_tensor(tensor)}
        for tensor in torch.utils._pytree.tree_leaves(result):
            if _is_tensor(tensor) and (storage := _storage(tensor))._cdata not in inputs:
                self._live[storage._cdata] = (StorageWeakRef(storage), storage.nbytes())  # type: ignore[no-untyped-call]
        self._live = {key: entry for key, entry in self._live.items() if not entry[0].expired()}
        self.bytes = max(self.bytes, sum(size for _, size in self._live.values()))
        return result


def _is_tensor(tensor: Any) -> bool:
    return isinstance(tensor, torch.Tensor)


def _storage(tensor: torch.Tensor) -> torch.UntypedStorage:
    return tensor.untyped_storage()


def free_memory(device: torch.device) -> int:
    """Free bytes of a GPU, or of this computer within the limits of the process's cgroup."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    if device.type == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    free = resources.free_memory()
    return 2 << 30 if free is None else free

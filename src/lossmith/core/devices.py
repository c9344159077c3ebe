"""The device: which one, its name, its precision, and its memory errors."""

from __future__ import annotations

import os
import re
from multiprocessing import current_process
from typing import TYPE_CHECKING, Literal

from lossmith.core.errors import LossmithError, counted
from lossmith.core.lazy import LazyModule

if TYPE_CHECKING:
    import torch
else:
    torch = LazyModule("torch")


DEVICE_VARIABLE = "LOSSMITH_DEVICE"
"""The environment variable by which child processes learn which device was chosen."""
MAIN_GUARD_HINT = "a script that trains on several devices must do so under `if __name__ == '__main__':`"
_MEMORY_MESSAGES = (
    "not enough memory",
    "out of memory",
    "allocate memory",
    "ALLOC_FAILED",
    "Storage size calculation overflowed",
    "array is too big",
    "Maximum allowed dimension exceeded",
)
"""Parts of the messages of errors that have no class of their own."""


def best_device() -> torch.device:
    """The device that `use_device` chose; by default CUDA if it is available, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    mps = torch.backends.mps.is_available() and os.environ.get(DEVICE_VARIABLE) != "cpu"
    return torch.device("mps" if mps else "cpu")


def use_device(name: str) -> None:
    """Choose the device: `cpu`, `mps`, `cuda` or `cuda:1`; to be called before CUDA is used.

    The other devices are hidden from this process and its child processes.

    Raises LossmithError for another name, and for a device that is not available.
    """
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise LossmithError(f"`device` must be cpu, mps, cuda or a certain one such as cuda:1, not '{name}'")
    kind, _, number = name.partition(":")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if kind != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif number:
        devices = visible.split(",") if visible else []
        index = int(number)
        os.environ["CUDA_VISIBLE_DEVICES"] = (
            (devices[index] if index < len(devices) else "") if devices else number
        )
    os.environ[DEVICE_VARIABLE] = kind
    if best_device().type != kind:
        hint = "; `nvidia-smi` lists CUDA devices, from cuda:0 on" if kind == "cuda" else ""
        raise LossmithError(f"device {name} is not there{hint}")


def device_name(devices: int = 1) -> str:
    """The name of the device, with the number of devices if there are several."""
    if devices > 1:
        name = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{best_device().type} process"
        return f"{devices} x {name}"
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{best_device().type}, {counted(torch.get_num_threads(), 'thread')}"


def check_devices(devices: int) -> None:
    """Raise LossmithError if this process cannot train on that many devices."""
    if devices == 1:
        return
    if getattr(current_process(), "_inheriting", False):  # as multiprocessing tests for it
        raise LossmithError(MAIN_GUARD_HINT)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        raise LossmithError("this program uses torch.distributed already, so `devices` must be 1")
    kind, available = best_device().type, torch.cuda.device_count()
    if kind == "cuda" and devices > available:
        verb = "is" if available == 1 else "are"
        raise LossmithError(f"`devices` is {devices}, and {available} {verb} there")
    if kind == "mps":
        raise LossmithError(f"`devices` is {devices}, and one is there")
    processes = max(int(os.environ.get(name) or 1) for name in ("SLURM_STEP_NUM_TASKS", "WORLD_SIZE"))
    if processes > 1:  # started by srun or torchrun
        raise LossmithError(
            f"this command was started {processes} times at once, and starts the processes of its {devices} "
            "devices itself; start it once, as `srun --ntasks=1` does"
        )


def resolve_precision(precision: str) -> Literal["float32", "bfloat16"]:
    """`precision`, with "auto" resolved: bfloat16 on a CUDA device that supports it, float32 elsewhere."""
    if precision == "auto":  # older devices only emulate bfloat16, many times slower
        use_bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        use_bfloat16 = precision == "bfloat16"
    return "bfloat16" if use_bfloat16 else "float32"


def autocast(precision: str) -> torch.autocast:
    """The autocast context in which a network computes in `precision`."""
    return torch.autocast(best_device().type, torch.bfloat16, enabled=resolve_precision(precision) == "bfloat16")


def synchronize() -> None:
    """Wait until the device has finished all its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


def out_of_memory(error: Exception) -> bool:
    """Whether an error of Python, NumPy or torch means that something does not fit into memory.

    Only Python and CUDA have a class for it. A size in bytes that overflows does not fit into memory, either.
    """
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return not isinstance(error, LossmithError) and any(text in str(error) for text in _MEMORY_MESSAGES)

"""Where the arithmetic happens."""

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


def best_device() -> torch.device:
    """The chosen one, see `use_device`; without it a CUDA device if there is one, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    mps = torch.backends.mps.is_available() and os.environ.get(DEVICE_VARIABLE) != "cpu"
    return torch.device("mps" if mps else "cpu")


DEVICE_VARIABLE = "LOSSMITH_DEVICE"
"""The variable that tells processes that are started later what was chosen."""


def use_device(name: str) -> None:
    """Compute on this device, `cpu`, `mps`, `cuda` or `cuda:1`, from now on; to be called before CUDA is used.

    The other devices are hidden from this process and from those that it starts: nothing can end up there.

    Raises LossmithError for another name, and for a device that is not there.
    """
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", name):
        raise LossmithError(f"`device` must be cpu, mps, cuda or a certain one such as cuda:1, not '{name}'")
    kind, _, number = name.partition(":")
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if kind != "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif number:
        seen = visible.split(",") if visible else []
        at = int(number)
        os.environ["CUDA_VISIBLE_DEVICES"] = (seen[at] if at < len(seen) else "") if seen else number
    os.environ[DEVICE_VARIABLE] = kind
    if best_device().type != kind:
        hint = "; `nvidia-smi` lists CUDA devices, from cuda:0 on" if kind == "cuda" else ""
        raise LossmithError(f"device {name} is not there{hint}")


def device_name(devices: int = 1) -> str:
    """The device in words, or that many of them."""
    if devices > 1:
        each = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{best_device().type} process"
        return f"{devices} x {each}"
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{best_device().type}, {counted(torch.get_num_threads(), 'thread')}"


def check_devices(devices: int) -> None:
    """Raise LossmithError where this process cannot train on that many devices."""
    if devices == 1:
        return
    if getattr(current_process(), "_inheriting", False):  # as multiprocessing itself asks
        raise LossmithError(MAIN_GUARD_HINT)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        raise LossmithError("this program uses torch.distributed already, so `devices` must be 1")
    kind, there = best_device().type, torch.cuda.device_count()
    if kind == "cuda" and devices > there:
        raise LossmithError(f"`devices` is {devices}, and {there} {'is' if there == 1 else 'are'} there")
    if kind == "mps":
        raise LossmithError(f"`devices` is {devices}, and one is there")
    started = max(int(os.environ.get(name) or 1) for name in ("SLURM_STEP_NUM_TASKS", "WORLD_SIZE"))
    if started > 1:  # by srun, or by torchrun
        raise LossmithError(
            f"this command was started {started} times at once, and starts the processes of its {devices} devices "
            "itself; start it once, as `srun --ntasks=1` does"
        )


MAIN_GUARD_HINT = "a script that trains on several devices must do so under `if __name__ == '__main__':`"


def resolve_precision(precision: str) -> Literal["float32", "bfloat16"]:
    """What "auto" means here: bfloat16 on a CUDA device that has it, float32 elsewhere."""
    if precision == "auto":  # older devices only emulate it, many times slower
        half = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        half = precision == "bfloat16"
    return "bfloat16" if half else "float32"


def autocast(precision: str) -> torch.autocast:
    """The context in which a network computes in that precision."""
    return torch.autocast(best_device().type, torch.bfloat16, enabled=resolve_precision(precision) == "bfloat16")


def synchronize() -> None:
    """Wait until the device has done all that it was given."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    elif torch.backends.mps.is_available():
        torch.mps.synchronize()


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

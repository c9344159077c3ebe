"""Where the arithmetic happens."""

from typing import Literal

import torch

from lossmith.errors import LossmithError


def best_device() -> torch.device:
    """A CUDA device if there is one, else Apple's, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def device_name() -> str:
    """The device in words."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{best_device().type}, {torch.get_num_threads()} threads"


def arithmetic(precision: str) -> Literal["float32", "bfloat16"]:
    """What "auto" means here: bfloat16 on a CUDA device that has it, float32 elsewhere."""
    if precision == "auto":  # older devices only emulate it, many times slower
        half = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        half = precision == "bfloat16"
    return "bfloat16" if half else "float32"


def autocast(precision: str) -> torch.autocast:
    """The context in which a network computes in that precision."""
    return torch.autocast(best_device().type, torch.bfloat16, enabled=arithmetic(precision) == "bfloat16")


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

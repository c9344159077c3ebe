"""Half precision, where it is faster and nobody can see it."""

import torch
from torch import Tensor

from lossmith.degradations import to_8bit
from lossmith.restoration.engine import Precision, TorchEngine

MIN_AGREEMENT = 0.99
"""Share of the values that must be the same 8-bit numbers as in float32 for half precision to be taken."""


def faster_precisions(device: torch.device) -> list[Precision]:
    """Half precisions that this device has circuits for; the more exact one first."""
    if device.type == "cuda":
        return ["float16", "bfloat16"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["float16"]
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return ["bfloat16"]
    return []


def agreement(first: Tensor, second: Tensor) -> float:
    """The share of values that are the same after rounding to 8 bits."""
    return float((to_8bit(first) == to_8bit(second)).float().mean())


def fastest_accurate(engine: TorchEngine, sample: Tensor) -> TorchEngine:
    """The engine in the half precision that changes next to nothing on a sample, or in float32.

    `sample` is (1, channels, h, w) of the image that is to be restored.
    """
    exact = engine(sample)
    for precision in faster_precisions(engine.device):
        candidate = engine.computing_in(precision)
        if agreement(candidate(sample), exact) >= MIN_AGREEMENT:
            return candidate
    return engine

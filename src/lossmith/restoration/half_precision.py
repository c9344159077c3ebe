"""Chooses half precision where it is faster and the difference is not visible."""

import torch
from torch import Tensor

from lossmith.degradations import to_8bit
from lossmith.restoration.engine import Precision, TorchEngine

MIN_AGREEMENT = 0.99
"""Fraction of 8-bit values that must equal those of float32 for half precision to be used."""


def faster_precisions(device: torch.device) -> list[Precision]:
    """The half precisions that a device computes natively, the more accurate one first."""
    if device.type == "cuda":
        return ["float16", "bfloat16"] if torch.cuda.is_bf16_supported(including_emulation=False) else ["float16"]
    if device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported():
        return ["bfloat16"]
    return []


def agreement(first: Tensor, second: Tensor) -> float:
    """The fraction of values that are equal after rounding to 8 bits."""
    return float((to_8bit(first) == to_8bit(second)).float().mean())


def fastest_accurate(engine: TorchEngine, sample: Tensor) -> TorchEngine:
    """The engine in the first half precision that agrees with float32 on a sample, else in float32.

    `sample` is (1, channels, h, w), from the image to restore.
    """
    reference = engine(sample)
    for precision in faster_precisions(engine.device):
        candidate = engine.computing_in(precision)
        if agreement(candidate(sample), reference) >= MIN_AGREEMENT:
            return candidate
    return engine

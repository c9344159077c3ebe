"""Pixels that do not count: they are NaN in clean images."""

from torch import Tensor


def zero_invalid(images: Tensor, clean: Tensor) -> Tensor:
    """Images, (N, C, H, W), that are 0 where the clean ones are NaN; no gradient passes there.

    >>> import torch
    >>> clean = torch.tensor([[[[0.5, torch.nan]]]])
    >>> zero_invalid(torch.ones(1, 1, 1, 2), clean).tolist(), zero_invalid(clean, clean).tolist()
    ([[[[1.0, 0.0]]]], [[[[0.5, 0.0]]]])
    """
    return images.where(clean.isfinite(), 0)

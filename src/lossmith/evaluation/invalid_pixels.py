"""Pixels of a target that do not count: those that are NaN."""

from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data.picture_reader import filled as fill


def filled(target: Tensor) -> tuple[Tensor, Tensor | None]:
    """A target with its invalid pixels filled, and where these are.

    Parameters
    ----------
    target
        (C, H, W) floats; a pixel is invalid if a channel of it is NaN.

    Returns
    -------
    complete
        (C, H, W): every invalid pixel is the nearest valid one. On the CPU where there are invalid ones.
    invalid
        (H, W) bool; None where all pixels are valid.

    Raises
    ------
    LossmithError
        Where no pixel is valid.

    >>> import torch
    >>> complete, invalid = filled(torch.tensor([[[1.0, torch.nan, torch.nan, torch.nan, 5.0]]]))
    >>> complete[0, 0, [1, 3]].tolist(), int(invalid.sum())
    ([1.0, 5.0], 3)
    """
    if not target.isnan().any():
        return target, None
    target = target.detach().cpu()
    invalid = target.isnan().any(0)
    if invalid.all():
        raise LossmithError("score: the target holds NaN alone; no pixel of it is valid")
    return fill(target), invalid


__all__ = ["filled"]

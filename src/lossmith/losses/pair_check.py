"""The conditions on a pair of images that a loss can compare."""

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
"""The data types that images may have."""


def check_pair(prediction: Tensor, target: Tensor, name: object, min_side: int = 1) -> None:
    """Refuse images that a loss cannot compare, without reading a pixel, which would synchronize a GPU.

    Parameters
    ----------
    prediction, target
        The images, (N, C, H, W).
    name
        Begins the sentence; it is formatted only when there is an error.
    min_side
        The smallest height and width, in pixels.

    Raises
    ------
    LossmithError
        One sentence that says which of the conditions on images is not met.
    """
    if not (isinstance(prediction, Tensor) and isinstance(target, Tensor)):
        types = f"{type(prediction).__name__} and {type(target).__name__}"
        raise LossmithError(f"{name}: images must be tensors (N, C, H, W), not {types}")
    if prediction.ndim != 4:
        raise LossmithError(f"{name}: images must be (N, C, H, W), not {tuple(prediction.shape)}")
    if prediction.shape != target.shape:
        raise LossmithError(
            f"{name}: prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape"
        )
    if prediction.dtype not in FLOATS or target.dtype not in FLOATS:
        raise LossmithError(
            f"{name}: images must be floating point in [0, 1], not {prediction.dtype} and {target.dtype}"
        )
    if prediction.layout != torch.strided or target.layout != torch.strided:
        raise LossmithError(f"{name}: images must be dense, not {prediction.layout} and {target.layout}")
    if prediction.device != target.device:
        devices = f"the prediction is on {prediction.device} and the target on {target.device}"
        raise LossmithError(f"{name}: {devices}; move one of them")
    if target.requires_grad and torch.is_grad_enabled():
        raise LossmithError(f"{name}: the gradient goes to the prediction, which comes first; detach the target")
    if prediction.shape[0] == 0:
        raise LossmithError(f"{name}: the batch is empty")
    if prediction.shape[1] == 0:
        raise LossmithError(f"{name}: the images have no channels")
    height, width = prediction.shape[-2:]
    if height < min_side or width < min_side:
        raise LossmithError(f"{name} needs at least {min_side} x {min_side} pixels, not {height} x {width}")


__all__ = ["FLOATS", "check_pair"]

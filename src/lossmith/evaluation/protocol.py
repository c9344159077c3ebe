"""The protocol of a score: color channels, cropped border and rounding."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.degradations import is_gray
from lossmith.metrics.luma import as_gray, studio_luma


@dataclass(frozen=True)
class Protocol:
    """How both images are prepared before they are compared; `str()` describes it.

    `color` is "rgb" or "y" (BT.601 studio swing, as super-resolution papers do); `border` pixels are cropped
    from each side. Both images are always clamped to [0, 1] and rounded to 8 bits first. `levels` are the
    degradations that each image is tested with, if there are several. Where the target is gray one channel is
    scored, for which the luma of a colored prediction is taken, as `lossmith restore` writes it; `gray` says that
    there are such targets.

    Raises LossmithError for another color or a negative border.

    >>> print(Protocol("y", 4))
    Y (BT.601 studio swing), 4 px cropped from each side, rounded to 8 bits
    >>> print(Protocol())
    RGB, no crop, rounded to 8 bits
    """

    color: Literal["rgb", "y"] = "rgb"
    border: int = 0
    levels: tuple[str, ...] = ()
    gray: bool = False
    pixels: PixelFormat = RGB_8BIT
    """The format of the images: those of 8 bits alone are clamped and rounded."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))  # a receipt holds a list
        if self.color not in ("rgb", "y"):
            raise LossmithError(f"protocol: color must be 'rgb' or 'y', not '{self.color}'")
        if not isinstance(self.border, int) or isinstance(self.border, bool) or self.border < 0:
            raise LossmithError(f"protocol: border must be a number of pixels, 0 or more, not {self.border}")

    def __str__(self) -> str:
        color = "RGB" if self.color == "rgb" else "Y (BT.601 studio swing)"
        crop = f"{self.border} px cropped from each side" if self.border else "no crop"
        levels = f"; each image after {', after '.join(self.levels)}" if self.levels else ""
        gray = "; of gray images one channel" if self.gray else ""
        return f"{color}, {crop}, rounded to 8 bits{gray}{levels}"


def protocol_for(scale: int, degradations: Iterable[str] = (), gray: bool = False) -> Protocol:
    """What the papers use: Y with `scale` pixels cropped for super-resolution, all of RGB for the rest.

    `degradations` are those of the test images; `gray` says whether some of the targets are gray.

    >>> print(protocol_for(scale=3))
    Y (BT.601 studio swing), 3 px cropped from each side, rounded to 8 bits
    >>> protocol_for(scale=1)
    Protocol(color='rgb', border=0, levels=(), gray=False)
    >>> print(protocol_for(1, ["noise(0)", "noise(50)", "noise(0)"]))
    RGB, no crop, rounded to 8 bits; each image after noise(0), after noise(50)
    """
    levels = tuple(dict.fromkeys(filter(None, degradations)))
    return Protocol("y", scale, levels, gray) if scale > 1 else Protocol(levels=levels, gray=gray)


def prepare(prediction: Tensor, target: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor]:
    """Prediction and target, prepared for comparison: float64 on the CPU, (3, H, W), or (1, H, W) for Y and gray.

    Both are (3, H, W) RGB floats in [0, 1] on any device. They are clamped, rounded to 8 bits (halves go up;
    a target that came from an 8-bit file stays as it was), cropped, and turned into Y, which is not rounded
    again. CPU and float64, so that a number does not depend on the machine. A prediction that holds NaN keeps
    it, and scores NaN.

    Raises LossmithError when the shapes differ or are not (3, H, W), when the tensors hold integers, when the
    border leaves nothing, or when the target holds NaN.

    >>> gray = torch.full((3, 8, 8), 0.5)
    >>> y, _ = prepare(gray, gray, Protocol("y", border=2))
    >>> tuple(y.shape), round(y[0, 0, 0].item() * 255, 3)
    ((1, 4, 4), 125.929)
    """
    check_pair(prediction, target, protocol.border)
    gray = is_gray(target)
    first, second = (in_color(rounded(image, gray, protocol.border), protocol) for image in (prediction, target))
    return first, second


def rounded(image: Tensor, gray: bool, border: int) -> Tensor:
    """One image of a pair as `prepare` does it, in RGB: (3, H, W) float64, or (1, H, W) if the target is gray."""
    exact = image.detach().cpu().to(torch.float64)
    height, width = image.shape[-2:]
    inner = (as_gray(exact) if gray else exact)[:, border : height - border, border : width - border]
    return (inner * 255 + 0.5).floor().clamp(0, 255) / 255


def in_color(image: Tensor, protocol: Protocol) -> Tensor:
    """A rounded image in the color of the protocol."""
    return image if protocol.color == "rgb" else studio_luma(image.expand(3, -1, -1))


def check_pair(prediction: Tensor, target: Tensor, border: int) -> None:
    """Raise LossmithError for what `prepare` refuses."""
    for name, image in (("prediction", prediction), ("target", target)):
        if not isinstance(image, Tensor) or image.is_meta:
            kind = "without numbers" if isinstance(image, Tensor) else f"a {type(image).__name__}"
            raise LossmithError(f"score: the {name} must be a tensor (3, H, W), not {kind}")
        if not image.is_floating_point():
            raise LossmithError(f"score: the {name} must hold floats in [0, 1], not {image.dtype}")
        if image.ndim != 3 or image.shape[0] != 3 or image.numel() == 0:
            raise LossmithError(f"score: the {name} must be (3, H, W), not {tuple(image.shape)}")
    height, width = target.shape[-2:]
    if prediction.shape != target.shape:
        sizes = f"{prediction.shape[1]}x{prediction.shape[2]} and {height}x{width}"
        raise LossmithError(f"score: prediction and target differ in size, {sizes} pixels")
    if 2 * border >= min(height, width):
        raise LossmithError(f"score: cropping {border} px from each side leaves nothing of {height}x{width}")
    if target.isnan().any():
        raise LossmithError("score: the target holds NaN")

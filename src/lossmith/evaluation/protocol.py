"""The protocol of a score: color channels, cropped border, rounding, and the format of the pixels."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat, describe_channels
from lossmith.degradations import is_gray
from lossmith.evaluation.invalid_pixels import filled
from lossmith.metrics.luma import as_gray, studio_luma


@dataclass(frozen=True)
class Protocol:
    """How both images are prepared before they are compared; `str()` describes it.

    `color` is "rgb", the channels as they are, or "y" (BT.601 studio swing, as super-resolution papers do);
    `border` pixels are cropped from each side. `levels` are the degradations that each image is tested with, if
    there are several. `pixels` is the format of the images: those of 8 bits are clamped to [0, 1] and rounded to 8
    bits first, all others are compared as they are. Where the target is a gray RGB image one channel is scored,
    for which the luma of a colored prediction is taken, as `lossmith restore` writes it; `gray` says that there
    are such targets, and `masked` that some hold NaN, pixels that do not count.

    Raises LossmithError for another color, "y" of images that are not RGB, or a negative border.

    >>> print(Protocol("y", 4))
    Y (BT.601 studio swing), 4 px cropped from each side, rounded to 8 bits
    >>> print(Protocol())
    RGB, no crop, rounded to 8 bits
    >>> print(Protocol(pixels=PixelFormat(1, "uint16", 0, 4095)))
    gray, 16 bits, 0 to 4095, no crop
    """

    color: Literal["rgb", "y"] = "rgb"
    border: int = 0
    levels: tuple[str, ...] = ()
    gray: bool = False
    pixels: PixelFormat = RGB_8BIT
    masked: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))  # a receipt holds a list
        if self.color not in ("rgb", "y"):
            raise LossmithError(f"protocol: color must be 'rgb' or 'y', not '{self.color}'")
        if self.color == "y" and self.pixels.channels != 3:
            raise LossmithError(
                f"`color='y'` is the luma of RGB images, and these are {describe_channels(self.pixels.channels)}"
            )
        if not isinstance(self.border, int) or isinstance(self.border, bool) or self.border < 0:
            raise LossmithError(f"protocol: border must be a number of pixels, 0 or more, not {self.border}")

    @classmethod
    def from_receipt(cls, entries: Mapping[str, Any]) -> Self:
        """The protocol that `receipt` wrote."""
        return cls(**{**entries, "pixels": PixelFormat.from_receipt(entries)})

    @property
    def receipt(self) -> dict[str, Any]:
        """The fields as a receipt holds them: format and masks only where they are not 8-bit RGB and none.

        >>> Protocol("y", 2).receipt
        {'color': 'y', 'border': 2, 'levels': (), 'gray': False}
        """
        fields = asdict(self)
        del fields["pixels"]
        if not self.masked:
            del fields["masked"]
        return fields | self.pixels.receipt_entries

    def __str__(self) -> str:
        channels = describe_channels(self.pixels.channels) if self.color == "rgb" else "Y (BT.601 studio swing)"
        crop = f"{self.border} px cropped from each side" if self.border else "no crop"
        levels = f"; each image after {', after '.join(self.levels)}" if self.levels else ""
        gray = "; of gray images one channel" if self.gray else ""
        masked = "; invalid pixels do not count" if self.masked else ""
        if self.pixels.is_8bit:
            return f"{channels}, {crop}, rounded to 8 bits{gray}{masked}{levels}"
        _, values = str(self.pixels).split(", ", 1)
        return f"{channels}, {values}, {crop}{gray}{masked}{levels}"


def protocol_for(
    scale: int,
    degradations: Iterable[str] = (),
    gray: bool = False,
    pixels: PixelFormat = RGB_8BIT,
    masked: bool = False,
) -> Protocol:
    """What the papers use: `scale` pixels cropped for super-resolution, of RGB images the Y; else all as it is.

    `degradations` are those of the test images; `gray` says whether some of the targets are gray images in RGB,
    and `masked` whether some hold NaN.

    >>> print(protocol_for(scale=3))
    Y (BT.601 studio swing), 3 px cropped from each side, rounded to 8 bits
    >>> print(protocol_for(scale=3, pixels=PixelFormat(1)))
    gray, 3 px cropped from each side, rounded to 8 bits
    >>> protocol_for(scale=1) == Protocol()
    True
    >>> print(protocol_for(1, ["noise(0)", "noise(50)", "noise(0)"]))
    RGB, no crop, rounded to 8 bits; each image after noise(0), after noise(50)
    """
    is_rgb = pixels.channels == 3
    return Protocol(
        "y" if scale > 1 and is_rgb else "rgb",
        scale if scale > 1 else 0,
        tuple(dict.fromkeys(filter(None, degradations))),
        gray and is_rgb,
        pixels,
        masked,
    )


def scores_one_channel(target: Tensor, pixels: PixelFormat) -> bool:
    """Whether one channel is scored of a target (C, H, W): of RGB images that are gray, invalid pixels aside."""
    if pixels.channels != 3:
        return False
    return is_gray(target) or (bool(target.isnan().any()) and is_gray(target.nan_to_num()))


def prepare(prediction: Tensor, target: Tensor, protocol: Protocol) -> tuple[Tensor, Tensor]:
    """Prediction and target, prepared for comparison: float64 on the CPU, (C, H, W), or (1, H, W) for Y and gray.

    Both are (C, H, W) floats on the scale of the range, on any device. Those of 8 bits are clamped to [0, 1] and
    rounded to 8 bits (halves go up; a target that came from an 8-bit file stays as it was). They are cropped, and
    turned into Y, which is not rounded again. CPU and float64, so that a number does not depend on the machine. A
    prediction that holds NaN keeps it, and scores NaN. Pixels where the target is NaN are invalid: there both
    become the nearest valid pixel of the target.

    Raises LossmithError when the shapes differ or have another number of channels than the protocol, when the
    tensors hold integers, when the border leaves nothing, or when no pixel of the target is valid.

    >>> gray = torch.full((3, 8, 8), 0.5)
    >>> y, _ = prepare(gray, gray, Protocol("y", border=2))
    >>> tuple(y.shape), round(y[0, 0, 0].item() * 255, 3)
    ((1, 4, 4), 125.929)
    """
    check_pair(prediction, target, protocol)
    complete, invalid = filled(target)
    if invalid is not None:
        prediction = torch.where(invalid, complete, prediction.to(complete))
    gray = scores_one_channel(complete, protocol.pixels)
    first, second = (in_color(in_range(image, gray, protocol), protocol) for image in (prediction, complete))
    return first, second


def in_range(image: Tensor, gray: bool, protocol: Protocol) -> Tensor:
    """One image of a pair as `prepare` does it, before Y: (C, H, W) float64, or (1, H, W) of a gray RGB target."""
    exact = image.detach().cpu().to(torch.float64)
    inner = cropped(as_gray(exact) if gray else exact, protocol.border)
    return (inner * 255 + 0.5).floor().clamp(0, 255) / 255 if protocol.pixels.is_8bit else inner


def cropped(image: Tensor, border: int) -> Tensor:
    """(..., H, W) without `border` pixels at each side."""
    height, width = image.shape[-2:]
    return image[..., border : height - border, border : width - border]


def in_color(image: Tensor, protocol: Protocol) -> Tensor:
    """An image of `in_range` in the color of the protocol."""
    return image if protocol.color == "rgb" else studio_luma(image.expand(3, -1, -1))


def check_pair(prediction: Tensor, target: Tensor, protocol: Protocol) -> None:
    """Raise LossmithError for what `prepare` refuses."""
    channels = protocol.pixels.channels
    for name, image in (("prediction", prediction), ("target", target)):
        if not isinstance(image, Tensor) or image.is_meta:
            kind = "without numbers" if isinstance(image, Tensor) else f"a {type(image).__name__}"
            raise LossmithError(f"score: the {name} must be a tensor ({channels}, H, W), not {kind}")
        if not image.is_floating_point():
            raise LossmithError(f"score: the {name} must hold floats in [0, 1], not {image.dtype}")
        if image.ndim != 3 or image.shape[0] != channels or image.numel() == 0:
            raise LossmithError(f"score: the {name} must be ({channels}, H, W), not {tuple(image.shape)}")
    height, width = target.shape[-2:]
    if prediction.shape != target.shape:
        sizes = f"{prediction.shape[1]}x{prediction.shape[2]} and {height}x{width}"
        raise LossmithError(f"score: prediction and target differ in size, {sizes} pixels")
    if 2 * protocol.border >= min(height, width):
        raise LossmithError(
            f"score: cropping {protocol.border} px from each side leaves nothing of {height}x{width}"
        )

"""Inference on full-size test images, in bands where memory is short."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import lcm

import torch
from torch import Tensor, nn

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.core.resources import amount
from lossmith.data import ImagePair
from lossmith.degradations import resize, resize_8bit
from lossmith.evaluation.protocol import Protocol, protocol_for, scores_one_channel
from lossmith.restoration.engine import TorchEngine
from lossmith.restoration.tiling.memory import bytes_per_pixel, free_memory
from lossmith.restoration.tiling.receptive_field import (
    ReceptiveField,
    Sizes,
    measure_receptive_field,
    sizes_of,
)
from lossmith.restoration.tiling.tiles import rounded_up

MAX_BYTES_PER_PIXEL = 64_000
"""Bytes per output pixel that no known network exceeds: an image that fits with this is not measured."""
MEMORY_SHARE = 0.5
"""Fraction of the free memory that the network may use."""


def restore_images(restorer: nn.Module, pairs: Sequence[ImagePair]) -> Iterator[Tensor]:
    """Yield each degraded image restored, (C, H, W) float32 on the CPU.

    An image whose size the network refuses is padded by reflection at the bottom and right, as `lossmith restore`
    does. One that does not fit into memory is restored in bands that overlap by the receptive field.

    Raises LossmithError when the network fails nevertheless, or returns another size than the target has.
    """
    inference: FullImageInference | None = None
    for pair in pairs:
        inference = inference or FullImageInference(restorer, pair.scale, len(pair.clean))
        try:
            restored = inference(pair.degraded[None])[0].float().cpu()
        except LossmithError:
            raise
        except Exception as error:  # a user's network may raise anything
            size, kind = f"{pair.degraded.shape[1]}x{pair.degraded.shape[2]}", type(error).__name__
            raise LossmithError(
                f"the network fails on '{pair.name}', {size} pixels, with {kind}: {error}"
            ) from error
        if restored.shape != pair.clean.shape:
            raise LossmithError(
                f"the network returns {tuple(restored.shape)} for '{pair.name}', whose target is "
                f"{tuple(pair.clean.shape)}; does it enlarge by {pair.scale}?"
            )
        yield restored


@dataclass
class FullImageInference:
    """A restorer for images of any size: (N, C, h, w) to (N, C, scale h, scale w), on its device."""

    restorer: nn.Module
    scale: int
    channels: int = 3

    def __call__(self, degraded: Tensor) -> Tensor:
        if rows := self.rows_at_once(*degraded.shape[-2:]):
            return self._in_bands(degraded, rows)
        try:
            restored = self._restored(degraded)
            if restored.shape[-2:] == self._enlarged(degraded) or not self.refuses(degraded):
                return restored
        except Exception as error:
            if out_of_memory(error):
                raise LossmithError(_too_large(degraded)) from error
            if not self.refuses(degraded):
                raise
        height, width = self._enlarged(degraded)
        return self._restored(self._grown(degraded))[..., :height, :width]

    def refuses(self, degraded: Tensor) -> bool:
        """Whether the network does not accept the size of this image, but would accept a larger one."""
        try:
            return self._grown(degraded).shape != degraded.shape
        except LossmithError:  # it fails at every size that was tried
            return False

    def rows_at_once(self, height: int, width: int) -> int:
        """Rows of a band if the full image would take too much memory, else 0.

        Raises LossmithError when even the smallest band would, or when the receptive field is the whole image.
        """
        free = MEMORY_SHARE * free_memory(self._device)
        if height * width * MAX_BYTES_PER_PIXEL * self.scale**2 <= free:
            return 0
        need = self._bytes_per_pixel
        if height * width * need <= free:
            return 0
        reach, size = self._reach, f"{height}x{width}"
        step = _step(reach)
        rows = (int(free / (need * rounded_up(width, step))) - 2 * _halo(reach)) // step * step
        if reach.pixels is None or rows < step:
            raise LossmithError(
                f"a test image of {size} pixels needs {amount(height * width * need)} of memory in the network, "
                f"and {amount(free)} are free for it; name smaller ones with `test`"
            )
        return rows

    @cached_property
    def sizes(self) -> Sizes:
        """The input sizes that the network accepts."""
        return sizes_of(self._engine)

    @cached_property
    def _bytes_per_pixel(self) -> float:
        try:
            return bytes_per_pixel(self._engine, Sizes(1, 1))
        except Exception:  # which sizes the network accepts takes ten times as long to find out
            return bytes_per_pixel(self._engine, self.sizes)

    @cached_property
    def _reach(self) -> ReceptiveField:
        return measure_receptive_field(self._engine)

    @property
    def _engine(self) -> TorchEngine:
        return TorchEngine(self.restorer, self.scale, channels=self.channels, device=self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.restorer.parameters()).device

    def _restored(self, degraded: Tensor) -> Tensor:
        with torch.inference_mode():
            # the layout in which convolutions are fastest, and give the same
            images = degraded.to(self._device, memory_format=torch.channels_last)
            restored: Tensor = self.restorer(images)
        return restored

    def _enlarged(self, degraded: Tensor) -> tuple[int, int]:
        return degraded.shape[-2] * self.scale, degraded.shape[-1] * self.scale

    def _grown(self, degraded: Tensor) -> Tensor:
        """Padded by reflection at the bottom and right to a size that the network accepts."""
        height, width = (
            max(rounded_up(side, self.sizes.multiple_of), self.sizes.minimum) for side in degraded.shape[-2:]
        )
        return mirrored(mirrored(degraded, height, -2), width, -1)

    def _in_bands(self, degraded: Tensor, rows: int) -> Tensor:
        """Restored in bands, each with the receptive field around it."""
        grown, halo, step = self._grown(degraded), _halo(self._reach), _step(self._reach)
        height, width = self._enlarged(degraded)
        # the last row at which a band of the minimum size fits
        last = max(0, grown.shape[-2] - self.sizes.minimum) // step * step
        bands = []
        for top in range(0, grown.shape[-2], rows):
            first = max(0, min(top - halo, last))
            band = self._restored(grown[..., first : top + rows + halo, :]).cpu()
            bands.append(band[..., (top - first) * self.scale : (top - first + rows) * self.scale, :])
        return torch.cat(bands, -2)[..., :height, :width]


def mirrored(image: Tensor, side: int, dim: int) -> Tensor:
    """An image padded along one dimension to `side` by reflection, without repeating the edge.

    >>> mirrored(torch.tensor([[1, 2, 3]]), 7, -1).tolist()
    [[1, 2, 3, 2, 1, 2, 3]]
    """
    length = image.shape[dim]
    period = max(1, 2 * (length - 1))
    places = torch.arange(side, device=image.device) % period
    return image.index_select(dim, torch.minimum(places, period - places))


def _step(reach: ReceptiveField) -> int:
    return lcm(reach.stride, reach.multiple_of)


def _halo(reach: ReceptiveField) -> int:
    return rounded_up(reach.pixels or 0, _step(reach))


def _too_large(degraded: Tensor) -> str:
    size = f"{degraded.shape[-2]}x{degraded.shape[-1]}"
    return f"a test image of {size} pixels needs more memory than there is; name smaller ones with `test`"


def protocol_of(pairs: Sequence[ImagePair], pixels: PixelFormat = RGB_8BIT) -> Protocol:
    """The protocol that papers use for these test images, whose files are of this format."""
    gray = masked = False
    degradations = []
    for pair in pairs:  # once, as it may read them from the disk
        degradations.append(pair.degradation)
        gray = gray or scores_one_channel(pair.clean, pixels)
        masked = masked or bool(pair.clean.isnan().any())
    return protocol_for(pairs[0].scale, degradations, gray, pixels, masked)


def check_border(pairs: Sequence[ImagePair], protocol: Protocol) -> None:
    """Raise LossmithError if cropping by the border leaves nothing of an image."""
    small = [pair.name for pair in pairs if min(pair.clean.shape[1:]) <= 2 * protocol.border]
    if small:
        others = f" and {len(small) - 1} more" if small[1:] else ""
        raise LossmithError(
            f"cropping {protocol.border} px from each side leaves nothing of '{small[0]}'{others}; test "
            "with larger images"
        )


def baseline(pair: ImagePair, pixels: PixelFormat = RGB_8BIT) -> Tensor:
    """The degraded input at the size of the target: enlarged by MATLAB's bicubic filter where it is smaller.

    Images whose format is of 8 bits are rounded to these, as by MATLAB; others are neither rounded nor clipped.
    """
    return pair.degraded if pair.scale == 1 else enlarged(pair.degraded, pair.scale, pixels)


def enlarged(image: Tensor, scale: int, pixels: PixelFormat = RGB_8BIT) -> Tensor:
    """An image (C, h, w) as (C, scale * h, scale * w), as `baseline` enlarges it."""
    return resize_8bit(image, scale) if pixels.is_8bit else resize(image, scale)

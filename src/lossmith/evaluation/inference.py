"""A restorer applied to whole test images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import lcm

import torch
from torch import Tensor, nn

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.core.resources import amount
from lossmith.data import ImagePair
from lossmith.degradations import resize_8bit
from lossmith.evaluation.protocol import Protocol, protocol_for
from lossmith.restoration.engine import TorchEngine
from lossmith.restoration.tiling.memory import bytes_per_pixel, free_memory
from lossmith.restoration.tiling.receptive_field import (
    ReceptiveField,
    Sizes,
    measure_receptive_field,
    sizes_of,
)
from lossmith.restoration.tiling.tiles import rounded_up

ALWAYS_FITS = 64_000
"""Bytes per pixel that no network here needs: what fits with so many is not looked into."""
SHARE = 0.5
"""Of the free memory, for the network."""


def restore_images(restorer: nn.Module, pairs: Sequence[ImagePair]) -> Iterator[Tensor]:
    """Each degraded image restored, (3, H, W) on the CPU, in float32, as the network makes it of the whole.

    Where the network refuses its size, the image is mirrored beyond its lower and right edge up to one that it
    takes, as `lossmith restore` does. Where it does not fit into memory, it goes through the network in bands that
    overlap by the receptive field.

    Raises LossmithError when the network fails all the same.
    """
    whole: AnySizeNetwork | None = None
    for pair in pairs:
        whole = whole or AnySizeNetwork(restorer, pair.scale)
        try:
            restored = whole(pair.degraded[None])[0].float().cpu()
        except LossmithError:
            raise
        except Exception as error:  # a user's network can raise anything
            size, kind = f"{pair.degraded.shape[1]}x{pair.degraded.shape[2]}", type(error).__name__
            raise LossmithError(
                f"the network fails on '{pair.name}', {size} pixels, with {kind}: {error}"
            ) from error
        if restored.shape != pair.clean.shape:
            raise LossmithError(
                f"the network makes {tuple(restored.shape)} of '{pair.name}', whose target is "
                f"{tuple(pair.clean.shape)}; does it enlarge by {pair.scale}?"
            )
        yield restored


@dataclass
class AnySizeNetwork:
    """A restorer that takes images of any size: (N, 3, h, w) to (N, 3, scale h, scale w), on its device."""

    restorer: nn.Module
    scale: int

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
        return self._restored(self._mirrored_to_grid(degraded))[..., :height, :width]

    def refuses(self, degraded: Tensor) -> bool:
        """Whether it is the size of an image that the network does not take, and another would do."""
        try:
            return self._mirrored_to_grid(degraded).shape != degraded.shape
        except LossmithError:  # it runs on none of the sizes tried
            return False

    def rows_at_once(self, height: int, width: int) -> int:
        """How many rows of an image go through the network at once where all would take too much memory, else 0.

        Raises LossmithError when a few would, too, or when each pixel of the result depends on all of the image.
        """
        free = SHARE * free_memory(self._device)
        if height * width * ALWAYS_FITS * self.scale**2 <= free:
            return 0
        need = bytes_per_pixel(self._engine, self.sizes)
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
        """Which sizes the network takes."""
        return sizes_of(self._engine)

    @cached_property
    def _reach(self) -> ReceptiveField:
        return measure_receptive_field(self._engine)

    @property
    def _engine(self) -> TorchEngine:
        return TorchEngine(self.restorer, self.scale, device=self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.restorer.parameters()).device

    def _restored(self, degraded: Tensor) -> Tensor:
        with torch.inference_mode():
            restored: Tensor = self.restorer(degraded.to(self._device))
        return restored

    def _enlarged(self, degraded: Tensor) -> tuple[int, int]:
        return degraded.shape[-2] * self.scale, degraded.shape[-1] * self.scale

    def _mirrored_to_grid(self, degraded: Tensor) -> Tensor:
        """Mirrored beyond the lower and right edge, up to a size that the network takes."""
        height, width = (
            max(rounded_up(side, self.sizes.multiple_of), self.sizes.minimum) for side in degraded.shape[-2:]
        )
        return mirrored(mirrored(degraded, height, -2), width, -1)

    def _in_bands(self, degraded: Tensor, rows: int) -> Tensor:
        """Band by band, each with as much around it as the network looks at."""
        grown, halo, step = self._mirrored_to_grid(degraded), _halo(self._reach), _step(self._reach)
        height, width = self._enlarged(degraded)
        last = max(0, grown.shape[-2] - self.sizes.minimum) // step * step  # where there is enough left for a band
        bands = []
        for top in range(0, grown.shape[-2], rows):
            first = max(0, min(top - halo, last))
            band = self._restored(grown[..., first : top + rows + halo, :]).cpu()
            bands.append(band[..., (top - first) * self.scale : (top - first + rows) * self.scale, :])
        return torch.cat(bands, -2)[..., :height, :width]


def mirrored(image: Tensor, side: int, dim: int) -> Tensor:
    """An image, continued along one dimension up to `side` by its mirror image, the last row not repeated.

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


def protocol_of(pairs: Sequence[ImagePair]) -> Protocol:
    """The protocol of papers for these images."""
    return protocol_for(pairs[0].scale, [pair.degradation for pair in pairs], any(pair.gray for pair in pairs))


def check_border(pairs: Sequence[ImagePair], protocol: Protocol) -> None:
    """Raise LossmithError for images of which nothing is left to score, before any is restored."""
    small = [pair.name for pair in pairs if min(pair.clean.shape[1:]) <= 2 * protocol.border]
    if small:
        others = f" and {len(small) - 1} more" if small[1:] else ""
        raise LossmithError(
            f"cropping {protocol.border} px from each side leaves nothing of '{small[0]}'{others}; name larger "
            "images with `test`"
        )


def baseline(pair: ImagePair) -> Tensor:
    """What one has without a network: the degraded image, enlarged as MATLAB does it where it is smaller."""
    return pair.degraded if pair.scale == 1 else resize_8bit(pair.degraded, pair.scale)

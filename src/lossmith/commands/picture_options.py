"""The format in which `evaluate` and `judge` read pictures, and which of their pixels count."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import check_pictures, choose_pixels, read_picture_headers
from lossmith.data.picture_headers import PictureHeaders
from lossmith.data.picture_reader import PictureReader
from lossmith.data.range_use import range_remarks
from lossmith.models import Model


@dataclass(frozen=True)
class PictureOptions:
    """Options as those of `Data`; the targets take the place of the training images."""

    channels: Literal["auto"] | int = "auto"
    range: str = "auto"
    mask: Path | None = None
    nan: Literal["refuse", "mask"] = "refuse"

    def reader_of_results(
        self, targets: Sequence[Path], results: Sequence[Path], headers: PictureHeaders | None = None
    ) -> tuple[PictureReader, tuple[str, ...]]:
        """How targets, and results of which the model is not known, are read, and remarks.

        Files whose header cannot be read are left to whoever reads them.

        Raises LossmithError for options that do not fit the files.
        """
        headers = headers or read_picture_headers([*targets, *results], strict=False)
        pixels, remarks = self._choose(headers, targets, results)
        return self._reader(pixels, targets, remarks)

    def reader_of_model(
        self, model: Model, clean: Sequence[Path], degraded: Sequence[Path] = ()
    ) -> tuple[PictureReader, tuple[str, ...]]:
        """How the images are read that a model is tested with, and remarks.

        A model that says what it undoes says by its receipt which format it is for. Of others the channels are
        known; a network for one channel gets those of other images one by one.

        Raises LossmithError for options and files that do not fit the model.
        """
        headers = read_picture_headers([*clean, *degraded])
        if "degradation" in model.receipt:
            pixels = model.pixels
            if self.range != "auto":
                ends = " to ".join(pixels.ends)
                raise LossmithError(f"the range of the model's images is {ends}; leave `range` out")
            if self.channels not in ("auto", pixels.channels):
                raise LossmithError(f"the model is for images of {pixels}, not for `channels={self.channels}`")
            remarks = check_pictures(headers, pixels, convert=self.channels != "auto")
            return PictureReader.with_masks(pixels, clean, self.mask, self.nan), remarks
        pixels, remarks = self._choose(headers, clean, degraded)
        if model.channels not in (1, pixels.channels):
            pixels = replace(pixels, channels=model.channels)
            remarks += check_pictures(headers, pixels, convert=False)
        return self._reader(pixels, clean, remarks)

    def _choose(
        self, headers: PictureHeaders, targets: Sequence[Path], others: Sequence[Path]
    ) -> tuple[PixelFormat, tuple[str, ...]]:
        """The format of the targets; where some images are gray and some RGB, the RGB that all can be read in."""
        targets, others = ([path for path in paths if path in headers.pictures] for paths in (targets, others))
        if not targets:
            return PixelFormat(), ()
        if self.channels != "auto":
            return choose_pixels(targets, self.channels, self.range, headers=headers, nan=self.nan, others=others)
        kinds = [headers.pictures[path].channels for path in (*targets, *others)]
        alike = [path for path, channels in zip(targets, kinds, strict=False) if channels == kinds[0]]
        pixels, remarks = choose_pixels(alike, "auto", self.range, headers=headers, nan=self.nan)
        return (replace(pixels, channels=3) if {*kinds} == {1, 3} else pixels), remarks

    def _reader(
        self, pixels: PixelFormat, targets: Sequence[Path], remarks: tuple[str, ...]
    ) -> tuple[PictureReader, tuple[str, ...]]:
        """How the images are read of a format that no model fixes, and a further remark where it does not suit."""
        reader = PictureReader.with_masks(pixels, targets, self.mask, self.nan)
        return reader, remarks + (range_remarks(targets, reader, chosen=False) if self.range == "auto" else ())


AUTOMATIC = PictureOptions()

__all__ = ["AUTOMATIC", "PictureOptions"]

"""`lossmith restore`: models applied to whole images."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from lossmith import report, restoration
from lossmith.commands.option_types import NetworkOption, PathOption, PathsOption, ProgressOption
from lossmith.commands.outcome import Outcome
from lossmith.commands.result_paths import format_for, is_one_file, result_paths, without_results
from lossmith.core.errors import LossmithError
from lossmith.core.files import path_list
from lossmith.core.progress import ProgressBar, progress_option
from lossmith.core.resources import amount, check_disk, free_disk
from lossmith.data.folders import find_image_places
from lossmith.restoration.tiling.halo import Halo

if TYPE_CHECKING:
    from lossmith.commands.restore_report import Rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Restored(Outcome):
    """The results of `restore`."""

    results: list[Path]
    """Files that were written."""
    skipped: list[Path]
    """Files that an earlier call had finished."""
    failures: list[str] = field(default_factory=list)
    """Why an image was not restored, one sentence each."""
    notes: list[str] = field(default_factory=list)
    """What the user should know about the results."""
    page: Path | None = None
    """The page on which images and results are shown side by side."""
    changes: list[str] = field(default_factory=list)
    """What of the images and their metadata the results do not keep unchanged, as it was reported beforehand."""

    @property
    def headline(self) -> str:
        return str(self).split("\n")[len(self.notes)]

    @property
    def status(self) -> int:
        """Exit status of the command: 1 when an image failed."""
        return 1 if self.failures else 0

    def __str__(self) -> str:
        summary = f"{len(self.results)} restored"
        summary += f", {len(self.skipped)} done before" if self.skipped else ""
        summary += f", {len(self.failures)} failed:" if self.failures else ""
        page = [f"side by side: {self.page}"] if self.page else []
        return "\n".join([*self.notes, summary, *(f"  {failure}" for failure in self.failures), *page])


@progress_option
def restore(
    images: PathsOption,
    *,
    model: PathsOption,
    out: PathOption,
    recursive: bool = False,
    format: Literal["png", "jpeg", "webp", "tiff"] | None = None,
    bits: Literal["auto", "8", "16"] = "auto",
    quality: int | None = None,
    alpha: Literal["resize", "restore"] = "resize",
    halo: Halo = "auto",
    memory: float | None = None,
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    network: NetworkOption = None,
    scale_to: float | None = None,
    size: int | str | None = None,
    verify: bool = False,
    page: bool = False,
    progress: ProgressOption = True,
) -> Restored:
    """Restore whole images with a model, tile by tile, without seams.

    The network sees each tile with its whole receptive field around it, so the result equals its output for the
    whole image; where that does not fit into memory, the error is measured and reported. Results keep bit depth,
    transparency and metadata of the images, with sizes and resolution corrected; what is not kept is reported
    before the work. A record of the restoration is written into every result.
    The same command skips finished results and resumes a stopped run.

    Parameters
    ----------
    images
        Files, folders, or patterns such as "photos/*.jpg".
    model
        Model files: of lossmith, any that spandrel knows, or ONNX. Several are shown side by side on one page.
    out
        Folder for the results: NAME.png; with several models MODEL/NAME.png. For one image and one model also the
        file to write, such as result.png.
    recursive
        Restore images in nested folders too; the results keep their folders.
    format
        Format of the results [default: png, or by the extension of OUT].
    bits
        Bits per value in PNG and TIFF; auto: those of the image.
    quality
        1 to 100, of JPEG and WebP [default: 95 for JPEG; lossless WebP].
    alpha
        Whether transparency is resized bicubically, or restored by the network like a gray image.
    halo
        Pixels around a tile that the network sees: exact, its receptive field; auto, fewer where that would be
        slow and makes no visible difference; or a number.
    memory
        Gigabytes that a tile may take in the network [default: half of what is free].
    precision
        auto uses half precision where it is faster on the device and 99 % of the 8-bit values stay the same.
    network
        The network of a model, where the file does not name it: an expression, or import.path:Class.
    scale_to
        Scale of the result, such as 2 with a model of scale 4; the output of the model is resampled
        [default: the scale of the model].
    size
        Size of the result in pixels instead: of the longer side, or WIDTHxHEIGHT.
    verify
        Compare the first result with the network on the whole image in float32, or on what fits into memory.
    page
        Write a page that shows each image beside its results; with several models it is always written.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For invalid arguments and anything else that is found before the first image. What is wrong with a single
        image is among the failures.
    """
    out = Path(out)
    options = restoration.RestoreOptions(
        format_for(out, format), bits, quality, alpha, halo, memory, precision, scale_to=scale_to, size=size
    )
    places = without_results(find_image_places(images, recursive), out)
    first_image = next(iter(places))
    restorers = [
        restoration.FileRestorer(restoration.load_engine(path, network), options) for path in path_list(model)
    ]
    if not restorers:
        raise LossmithError("restore needs a `model`")
    names = [restorer.reference.name for restorer in restorers]
    paths = result_paths(places, out, names, restoration.ENDINGS[options.format])
    jobs = [(restorer, image, paths[restorer.reference.name, image]) for restorer in restorers for image in places]
    page_path = _page_path(out) if page or len(restorers) > 1 else None
    results, skipped, failures = [], [], []
    verifications: list[str] = []
    changes = _report_changes(jobs, _folder(out), 0.1 if options.format == "jpeg" or quality else 0.5)
    with ProgressBar("restore") as bar, restoration.retained_buffers():
        meter = _PixelMeter(bar, [_pixels(image) for _, image, _ in jobs])
        for restorer, image, result in jobs:
            meter.start(image)
            try:
                if restorer.is_done(image, result):
                    skipped.append(result)
                else:
                    restorer.restore(image, result, meter.advance)
                    results.append(result)
                if verify and image == first_image:
                    verifications.append(str(restorer.verify(image, _folder(out) / ".verify")))
            except LossmithError as error:
                failures.append(_with_name(error, image))
            meter.finish()
    notes = [note for restorer in restorers for note in restorer.final_notes()] + verifications
    rows = _rows(places, jobs, [*results, *skipped]) if page_path else {}
    if page_path and rows:
        from lossmith.commands.restore_report import write_side_by_side

        write_side_by_side(page_path, rows)
    return Restored(results, skipped, failures, notes, page_path if rows else None, changes)


Job: TypeAlias = "tuple[restoration.FileRestorer, Path, Path]"


def _folder(out: Path) -> Path:
    return out.parent if is_one_file(out) else out


def _page_path(out: Path) -> Path:
    """The page beside the results; raises LossmithError where another program made the file of that name."""
    path = out.with_suffix(".html") if is_one_file(out) else out / "side-by-side.html"
    if path.exists() and not report.is_lossmith_page(path):
        raise LossmithError(f"'{path}' exists and is not a page of lossmith; move it, or change `out`")
    return path


def _report_changes(jobs: Sequence[Job], folder: Path, compression: float) -> list[str]:
    """Report, and return, what results will not keep of images and metadata, and a disk that is too full.

    `compression` is about the size of a compressed photograph relative to its pixels.

    Raises LossmithError when the disk has no room to work on the largest image.
    """
    sizes = []
    for restorer, image, result in jobs:
        if not os.path.exists(result):
            with suppress(LossmithError):  # reported when its turn comes
                sizes.append(restorer.inspect(image))
    check_disk(folder, max(map(sum, sizes), default=0), "the largest image and its result, unpacked,")
    sentences = list(dict.fromkeys(note for restorer, _, _ in jobs for note in restorer.change_notes()))
    if (need := compression * sum(output_bytes for _, output_bytes in sizes)) > (free := free_disk(folder)):
        sentences.append(
            f"the results may take about {amount(need)}, and {amount(free)} are free on the disk of {folder}"
        )
    for sentence in sentences:
        logger.warning(sentence)
    return sentences


def _pixels(image: Path) -> int:
    try:
        height, width = restoration.read_header(image).size
    except LossmithError:  # reported when its turn comes
        return 0
    return height * width


class _PixelMeter:
    """Shows the restored pixels of all images on a progress bar."""

    def __init__(self, bar: ProgressBar, pixels: Sequence[int]) -> None:
        self._bar, self._pixels = bar, pixels
        self._total, self._done, self._number, self._end = sum(pixels), 0, 0, 0

    def start(self, image: Path) -> None:
        self._end = self._done + self._pixels[self._number]
        self._number, self._bar.title = self._number + 1, image.name
        self._update()

    def advance(self, pixels: int) -> None:
        self._done += pixels
        self._update()

    def finish(self) -> None:
        """Take off the total what was not restored of an image that was skipped or failed."""
        self._total -= self._end - self._done
        self._update()

    def _update(self) -> None:
        self._bar.update(min(self._done / self._total, 1.0) if self._total else 1.0, self._status)

    def _status(self) -> str:
        digits = 1 if self._total > 1e6 else 3
        megapixels = f"{self._done / 1e6:.{digits}f} of {self._total / 1e6:.{digits}f} megapixels"
        return f"{self._number} of {len(self._pixels)}  {megapixels}"


def _with_name(error: LossmithError, image: Path) -> str:
    """The message of an error, with the image where it is not named."""
    return str(error) if image.name in str(error) else f"'{image}': {error}"


def _rows(places: Mapping[Path, Path], jobs: Sequence[Job], finished: Sequence[Path]) -> Rows:
    """The images on the page, with their results: those that all models have restored."""
    existing = set(finished)
    rows: Rows = {}
    for restorer, image, result in jobs:
        if result in existing:
            rows.setdefault(image, (places[image].as_posix(), {}))[1][restorer.reference.name] = result
    most = max((len(results) for _, results in rows.values()), default=0)
    return {image: row for image, row in rows.items() if len(row[1]) == most}

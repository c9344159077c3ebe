"""What `restore` and `stylize` share: many image files through one or several models."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeAlias, TypeVar

from lossmith import report, restoration
from lossmith.commands.outcome import Outcome
from lossmith.commands.result_paths import is_one_file, result_paths, without_results
from lossmith.core.errors import LossmithError
from lossmith.core.progress import ProgressBar
from lossmith.core.resources import amount, check_disk, free_disk
from lossmith.data.folders import find_image_places

if TYPE_CHECKING:
    from lossmith.commands.restore_report import Rows

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class ImageOutcome(Outcome):
    """The results of a model, or several, on image files."""

    command: ClassVar[str]
    verb: ClassVar[str]
    """What the command does to images, as a participle."""

    results: list[Path]
    """Files that were written."""
    skipped: list[Path]
    """Files that an earlier call had finished."""
    failures: list[str] = field(default_factory=list)
    """Why an image has no result, one sentence each."""
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
        summary = f"{len(self.results)} {self.verb}"
        summary += f", {len(self.skipped)} done before" if self.skipped else ""
        summary += f", {len(self.failures)} failed:" if self.failures else ""
        page = [f"side by side: {self.page}"] if self.page else []
        return "\n".join([*self.notes, summary, *(f"  {failure}" for failure in self.failures), *page])


AnOutcome = TypeVar("AnOutcome", bound=ImageOutcome)


def find_places(images: str | Path | Sequence[str | Path], out: Path, *, recursive: bool) -> dict[Path, Path]:
    """The images to make results of, each with its path below the folder that was searched."""
    return without_results(find_image_places(images, recursive), out)


def process_images(
    outcome: type[AnOutcome],
    places: Mapping[Path, Path],
    restorers: Sequence[restoration.FileRestorer],
    out: Path,
    *,
    verify: bool,
    page: bool,
) -> AnOutcome:
    """Make the results of the images of `find_places` under each of several models with the same options.

    Raises LossmithError for what is found before the first image; what is wrong with one is among the failures.
    """
    options = restorers[0].options
    first_image = next(iter(places))
    names = [restorer.reference.name for restorer in restorers]
    paths = result_paths(places, out, names, restoration.ENDINGS[options.format])
    jobs = [(restorer, image, paths[restorer.reference.name, image]) for restorer in restorers for image in places]
    page_path = _page_path(out) if page or len(restorers) > 1 else None
    results, skipped, failures = [], [], []
    verifications: list[str] = []
    changes = _report_changes(jobs, _folder(out), 0.1 if options.format == "jpeg" or options.quality else 0.5)
    with ProgressBar(outcome.command) as bar, restoration.retained_buffers():
        meter = _PixelMeter(bar, [_pixels(restorer, image) for restorer, image, _ in jobs])
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

        write_side_by_side(page_path, rows, outcome.verb, restorers[0].reference.pixels)
    return outcome(results, skipped, failures, notes, page_path if rows else None, changes)


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


def _pixels(restorer: restoration.FileRestorer, image: Path) -> int:
    try:
        height, width = restorer.codec.read_header(image).size
    except LossmithError:  # reported when its turn comes
        return 0
    return height * width


class _PixelMeter:
    """Shows the finished pixels of all images on a progress bar."""

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
        """Take off the total what was not made of an image that was skipped or failed."""
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

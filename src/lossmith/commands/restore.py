"""`lossmith restore`: models applied to whole images."""

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lossmith.commands.outcome import Outcome
from lossmith.commands.restore_report import Rows, write_side_by_side
from lossmith.commands.result_paths import format_for, is_one_file, result_paths, without_results
from lossmith.core.errors import LossmithError, notify
from lossmith.core.progress import ProgressBar, time_left
from lossmith.core.resources import amount, check_disk, free_disk
from lossmith.data.folders import find_image_places
from lossmith.report.templates import is_ours
from lossmith.restoration import (
    ENDINGS,
    FileRestorer,
    Halo,
    RestoreOptions,
    load_engine,
    look_at,
    retained_buffers,
)


@dataclass(frozen=True, repr=False)
class Restored(Outcome):
    """What has come of it."""

    results: list[Path]
    """Written now."""
    skipped: list[Path]
    """Finished before."""
    failures: list[str] = field(default_factory=list)
    """Why an image was not restored, in one sentence each."""
    remarks: list[str] = field(default_factory=list)
    page: Path | None = None
    foreseen: list[str] = field(default_factory=list)
    """What the results do not keep of what the images are and say, or not as it was; said before the work."""

    @property
    def headline(self) -> str:
        return str(self).split("\n")[len(self.remarks)]

    @property
    def status(self) -> int:
        """What the command ends with: 1 when an image failed."""
        return 1 if self.failures else 0

    def __str__(self) -> str:
        done = f"{len(self.results)} restored"
        done += f", {len(self.skipped)} done before" if self.skipped else ""
        done += f", {len(self.failures)} failed:" if self.failures else ""
        page = [f"side by side: {self.page}"] if self.page else []
        return "\n".join([*self.remarks, done, *(f"  {failure}" for failure in self.failures), *page])


def restore(
    images: list[Path],
    *,
    model: list[Path],
    out: Path,
    recursive: bool = False,
    format: Literal["png", "jpeg", "webp", "tiff"] | None = None,
    bits: Literal["auto", "8", "16"] = "auto",
    quality: int | None = None,
    alpha: Literal["resize", "restore"] = "resize",
    halo: Halo = "auto",
    memory: float | None = None,
    precision: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
    network: str | None = None,
    scale_to: float | None = None,
    size: int | str | None = None,
    verify: bool = False,
    page: bool = False,
) -> Restored:
    """Restore whole images with a model, tile by tile, without seams.

    A tile goes through the network with its whole receptive field around it, so what is made equals what the
    network makes of the whole image; where that does not fit, the error is measured and said. Images keep
    their bits, transparency, and what their files say beside the pixels, true for the result; what is not kept is
    said before the work. A record of what was done is written into them.
    What is finished is skipped, and a stopped run goes on, with the same command.

    Parameters
    ----------
    images
        Files, folders, or patterns such as "photos/*.jpg".
    model
        Model files: ours, any that spandrel knows, or ONNX. Several are shown side by side on one page.
    out
        Folder for the results: NAME.png; with several models MODEL/NAME.png. For one image and one model it may
        be the file to write, such as result.png.
    recursive
        Restore what is in folders within folders too; the results keep their folders.
    format
        What is written [default: png, or what the ending of OUT says].
    bits
        Bits per value in PNG and TIFF; auto: as the image has.
    quality
        1 to 100, of JPEG and WebP [default: 95 for JPEG; WebP without loss].
    alpha
        Whether transparency is enlarged bicubically, or restored by the network like a gray image.
    halo
        Pixels around a tile that the network sees: exact, its receptive field; auto, less where that would be
        dear and makes no visible difference; or a number.
    memory
        Gigabytes that a tile may take in the network [default: half of what is free].
    precision
        auto takes half precision where the device gains from it and 99 % of the 8-bit values stay the same.
    network
        The network of a model, where the file does not say it: an expression, or import.path:Class.
    scale_to
        How many times as large as the image the result is, such as 2 with a model for 4 times; what the model
        makes is resampled [default: as large as the model makes it].
    size
        The same in pixels: of the longer side, or WIDTHxHEIGHT.
    verify
        Compare the first image with the network on the whole of it in float32, or on what fits into memory.
    page
        Write a page that shows each image beside what the model made of it; several models always have one.

    Raises
    ------
    LossmithError
        For anything that the caller can mend before the first image, in one sentence. What is wrong with a
        single image is among the failures.
    """
    out = Path(out)
    options = RestoreOptions(
        format_for(out, format), bits, quality, alpha, halo, memory, precision, scale_to=scale_to, size=size
    )
    places = without_results(find_image_places(images, recursive), out)
    found = list(places)
    models = [model] if isinstance(model, str | Path) else model
    tools = [FileRestorer(load_engine(path, network), options) for path in map(Path, models)]
    if not tools:
        raise LossmithError("restore needs a --model")
    paths = result_paths(places, out, [tool.reference.name for tool in tools], ENDINGS[options.format])
    jobs = [(tool, image, paths[tool.reference.name, image]) for tool in tools for image in places]
    shown = _page_path(out) if page or len(tools) > 1 else None
    results, skipped, failures = [], [], []
    verified: list[str] = []
    foreseen = _foreseen(jobs, _folder(out), 0.1 if options.format == "jpeg" or quality else 0.5)
    with ProgressBar("restore") as bar, retained_buffers():
        meter = _Meter(bar, sum(_pixels(image) for _, image, _ in jobs), len(jobs))
        for tool, image, result in jobs:
            meter.begin(image)
            try:
                if tool.is_done(image, result):
                    skipped.append(result)
                else:
                    tool.restore(image, result, meter.advance)
                    results.append(result)
                if verify and image == found[0]:
                    verified.append(str(tool.verified(image, _folder(out) / ".verify")))
            except LossmithError as error:
                failures.append(_told(error, image))
    remarks = [remark for tool in tools for remark in tool.told()] + verified
    rows = _rows(places, jobs, [*results, *skipped]) if shown else {}
    if shown and rows:
        write_side_by_side(shown, rows)
    return Restored(results, skipped, failures, remarks, shown if rows else None, foreseen)


Job = tuple[FileRestorer, Path, Path]


def _folder(out: Path) -> Path:
    return out.parent if is_one_file(out) else out


def _page_path(out: Path) -> Path:
    """Beside the results; a page that somebody else has made is not overwritten."""
    path = out.with_suffix(".html") if is_one_file(out) else out / "side-by-side.html"
    if path.exists() and not is_ours(path):
        raise LossmithError(f"'{path}' exists and is no page of lossmith; move it, or change --out")
    return path


def _foreseen(jobs: Sequence[Job], folder: Path, packed: float) -> list[str]:
    """What results will not keep of what the images are and say: said now, before the work.

    `packed` is how many bytes of a file stand for one of a photograph in it, about.

    Raises LossmithError when the disk has no room to work on the largest image.
    """
    needs = []
    for tool, image, result in jobs:
        if not os.path.exists(result):
            with suppress(LossmithError):  # told when its turn comes
                needs.append(tool.foresee(image))
    check_disk(folder, max(map(sum, needs), default=0), "the largest image and its result, unpacked,")
    sentences = list(dict.fromkeys(sentence for tool, _, _ in jobs for sentence in tool.foreseen()))
    if (need := packed * sum(made for _, made in needs)) > (free := free_disk(folder)):
        sentences.append(
            f"the results may take about {amount(need)}, and {amount(free)} are free on the disk of {folder}"
        )
    for sentence in sentences:
        notify(sentence)
    return sentences


def _pixels(image: Path) -> int:
    try:
        height, width = look_at(image).size
    except LossmithError:  # told when its turn comes
        return 0
    return height * width


class _Meter:
    """Pixels done, on the bar."""

    def __init__(self, bar: ProgressBar, total: int, count: int) -> None:
        self._bar, self._total, self._count = bar, max(total, 1), count
        self._done, self._number, self._name = 0, 0, ""
        self._begun = time.monotonic()

    def begin(self, image: Path) -> None:
        self._number, self._name = self._number + 1, image.name

    def advance(self, pixels: int) -> None:
        self._done += pixels
        done = min(self._done / self._total, 1.0)
        if done and self._bar.due(done):
            left = time_left((time.monotonic() - self._begun) / done * (1 - done))
            digits = 1 if self._total > 1e6 else 3
            megapixels = f"{self._done / 1e6:.{digits}f} of {self._total / 1e6:.{digits}f} megapixels"
            self._bar.show(self._name, done, f"{self._number} of {self._count}  {megapixels}  {left}")


def _told(error: LossmithError, image: Path) -> str:
    return str(error) if image.name in str(error) else f"'{image}': {error}"


def _rows(places: Mapping[Path, Path], jobs: Sequence[Job], finished: Sequence[Path]) -> Rows:
    """What is shown: the images that all models have restored."""
    there = set(finished)
    rows: Rows = {}
    for tool, image, result in jobs:
        if result in there:
            rows.setdefault(image, (places[image].as_posix(), {}))[1][tool.reference.name] = result
    most = max((len(of) for _, of in rows.values()), default=0)
    return {image: row for image, row in rows.items() if len(row[1]) == most}

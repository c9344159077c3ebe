"""`lossmith evaluate`: scores of a model, or of a folder of results, against targets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lossmith import data, degradations, evaluation, models, restoration
from lossmith.commands.option_types import (
    DegradationOption,
    NetworkOption,
    PathOption,
    PathsOption,
    ProgressOption,
)
from lossmith.commands.outcome import ScoredOutcome, mean_scores
from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.core.files import path_list
from lossmith.core.progress import ProgressBar, progress_option
from lossmith.data.folders import SUFFIXES, is_pattern

if TYPE_CHECKING:
    from torch import Tensor

    from lossmith.commands.picture_options import PictureOptions
    from lossmith.commands.result_folder import ResultFolder
    from lossmith.core.pixel_format import PixelFormat
    from lossmith.data.picture_reader import PictureReader


@dataclass(frozen=True, repr=False)
class Evaluation(ScoredOutcome):
    """The scores of a model or of a folder of results, image by image."""

    rows: list[evaluation.Row]
    """One row per image and method; for a model, those of its degraded input come first."""
    protocol: evaluation.Protocol
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """Why an image was not scored, one sentence each; the means are those of the other images."""
    cropping: str = ""
    """Which rows and columns were cropped where target and result differ by less than the scale."""

    @property
    def scores(self) -> dict[str, dict[str, float]]:
        """Image to metric to score, of the model or the folder; those of the degraded input are in `rows`."""
        return {row.image: dict(row.scores) for row in self.rows if row.method == self._method}

    @property
    def means(self) -> dict[str, float]:
        """Metric to mean score over all images, of the model or the folder."""
        return mean_scores(self.rows, self._method)

    @property
    def _method(self) -> str:
        return self.rows[-1].method

    @property
    def protocol_text(self) -> str:
        return f"{self.protocol}{self.cropping}"

    @property
    def status(self) -> int:
        """Exit status of the command: 1 when an image was not scored."""
        return 1 if self.failures else 0

    @property
    def headline(self) -> str:
        return f"{len({row.image for row in self.rows})} images scored; {self.protocol_text}"

    def __str__(self) -> str:
        metrics = [evaluation.find_metric(name) for name in self.rows[0].scores]
        lines = [["image", "method", *(metric.label for metric in metrics)]]
        for method in dict.fromkeys(row.method for row in self.rows):
            rows = [row for row in self.rows if row.method == method]
            lines += [
                [row.image, method, *(f"{row.scores[m.name]:.{m.digits}f}" for m in metrics)]
                for row in [*rows, evaluation.Row("mean", method, 0, mean_scores(rows, method))]
            ]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        table = "\n".join(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)) for line in lines
        )
        failed = [f"{len(self.failures)} not scored, and in no mean:"] if self.failures else []
        notes = [
            *evaluation.why_nan(self.rows, self.protocol.masked),
            *self.notes,
            *failed,
            *(f"  {failure}" for failure in self.failures),
        ]
        return "\n".join([table, f"protocol: {self.protocol_text}", *notes])


@progress_option
def evaluate(
    subject: PathOption,
    *,
    test: PathsOption | None = None,
    degraded: PathOption | None = None,
    degradation: DegradationOption = None,
    pair: str | None = None,
    recursive: bool = False,
    network: NetworkOption = None,
    color: Literal["auto", "rgb", "y"] = "auto",
    border: int | None = None,
    channels: Literal["auto"] | int = "auto",
    range: str = "auto",
    mask: PathOption | None = None,
    nan: Literal["refuse", "mask"] = "refuse",
    match_histogram: bool = False,
    out: PathOption | None = None,
    progress: ProgressOption = True,
) -> Evaluation:
    """Score a model, or a folder of results, image by image.

    Parameters
    ----------
    subject
        A model of lossmith, any that spandrel knows, or ONNX; or a folder of restored images.
    test
        The targets: files, folders or patterns; results are matched to them by file name
        [default: the test photographs that scikit-image ships].
    degraded
        Folder of the degraded images that belong to one `test` folder, for a model; without it the targets are
        degraded anew.
    degradation
        How the targets are degraded for a model [default: as it was trained].
    pair
        Patterns of the names of pairs, where they are not recognized: target and result, such as "{}:{}_out", or
        target and degraded image, such as "{}_HR:{}_LR2".
    recursive
        Search nested folders too.
    network
        The network of a model, where the file does not name it: an expression, or import.path:Class.
    color
        Score on RGB, or on the Y channel of BT.601; auto for y with a model for super-resolution, rgb otherwise.
    border
        Pixels cropped at each side [default: the scale for a model for super-resolution, 0 otherwise].
    channels
        Channels of all images: auto for those of the model or of the targets; 1 makes gray of color, 3 color of
        gray.
    range
        The values that errors are relative to, such as 0:4095, or percentiles of the targets, such as p1:p99.9;
        auto for that of the model, or all that whole numbers of the files' type can hold. Of floats without a
        model it must be said.
    mask
        Folder of masks, by file name: black pixels of the targets, such as blind ones and clouds, do not count.
    nan
        Whether images with pixels that are NaN or infinite are refused, or these pixels do not count.
    match_histogram
        Give what a model makes the histograms of its enlarged input, as Johnson et al. do, before it is scored.
    out
        CSV file to write the rows to.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For invalid arguments, and images or models that cannot be read or do not fit together.
    """
    subject, tests = Path(subject), None if test is None else path_list(test)
    out = None if out is None else Path(out)
    if out is not None:
        evaluation.check_table(out)
    _check_subject(subject)
    from lossmith.commands.picture_options import PictureOptions

    options = PictureOptions(channels, range, None if mask is None else Path(mask), nan)
    results = None
    if subject.is_dir() or is_pattern(subject):
        if degraded is not None or degradation is not None:
            raise LossmithError("a folder of results is not degraded; leave `degraded` and `degradation` out")
        if match_histogram:
            raise LossmithError("`match_histogram` needs the input of a model, not a folder of results")
        from lossmith.commands.result_folder import match_results

        results = match_results(subject, tests, pair, recursive)
        targets, others = zip(*results.images.values(), strict=True)
        reader, _ = options.reader_of_results(targets, [path for path in others if path])
        protocol = evaluation.protocol_for(1, pixels=reader.pixels)
    else:
        model = restoration.open_restorer(subject, network)
        pairs, pixels = _pairs(subject, model, tests, degraded, degradation, pair, recursive, options)
        protocol = evaluation.protocol_of(pairs, pixels)
        if match_histogram and not pixels.is_8bit:
            raise LossmithError(f"`match_histogram` is for images of 8 bits, and these are {pixels}")
    protocol = replace(
        protocol,
        color=protocol.color if color == "auto" else color,
        border=protocol.border if border is None else border,
    )
    if results is not None:
        rows, protocol, failures = _score_folder(results, reader, protocol)
        result = Evaluation(rows, protocol, results.remarks, failures, results.cropping)
    else:
        name = str(model.receipt.get("loss", subject.stem)) + (", matched" if match_histogram else "")
        evaluation.check_border(pairs, protocol)
        result = Evaluation(_score_model(name, model, pairs, protocol, match_histogram), protocol)
    if out is not None:
        evaluation.write_csv(out, result.rows, result.protocol_text)
    return result


def _check_subject(subject: Path) -> None:
    """Raise LossmithError for an image, and for a folder that holds models instead of results."""
    if subject.is_file() and subject.suffix.lower() in SUFFIXES:
        raise LossmithError(f"'{subject}' is an image; evaluate takes a model, or a folder of results")
    if subject.is_dir():
        results = any(path.suffix.lower() in SUFFIXES for path in subject.iterdir())
        if (subject / models.MODEL_FILE).is_file() or (not results and models.models_in(subject)):
            models.check_file(subject)  # raises, naming the models in the folder


def _score_folder(
    folder: ResultFolder, reader: PictureReader, protocol: evaluation.Protocol
) -> tuple[list[evaluation.Row], evaluation.Protocol, list[str]]:
    """Rows of the images that can be scored, the protocol as it applies to them, and why the others failed."""
    failures: list[str] = []
    gray: list[str] = []
    masked: list[str] = []

    def read(name: str) -> tuple[Tensor, Tensor]:
        result, target = folder.read(name, reader)
        masked.extend([name] if target.isnan().any() else [])
        gray.extend([name] if evaluation.scores_one_channel(target, protocol.pixels) else [])
        return result, target

    items = [evaluation.Restored(name, folder.method, partial(read, name)) for name in folder.images]
    with ProgressBar("scoring") as bar:
        bar.count(0, len(items))
        rows = evaluation.score_images(
            items, protocol, progress=lambda done: bar.count(done, len(items)), on_error=failures.append
        )
    if not rows:
        others = f" (and {len(failures) - 1} more images)" if failures[1:] else ""
        raise LossmithError(failures[0] + others)
    names = {row.image for row in rows}
    protocol = replace(protocol, gray=bool(names.intersection(gray)), masked=bool(names.intersection(masked)))
    return rows, protocol, failures


def _score_model(
    name: str,
    model: models.Model,
    pairs: Sequence[data.ImagePair],
    protocol: evaluation.Protocol,
    match_histogram: bool,
) -> list[evaluation.Row]:
    """Rows of the degraded inputs, then of what the model makes of them."""
    with ProgressBar("scoring") as bar:
        bar.count(0, len(pairs))
        rows = evaluation.score_images(
            _restored(name, model, pairs, protocol.pixels, match_histogram),
            protocol,
            progress=lambda done: bar.count(done // 2, len(pairs)),
        )
    return rows[::2] + rows[1::2]


def _restored(
    name: str,
    model: models.Model,
    pairs: Sequence[data.ImagePair],
    pixels: PixelFormat,
    match_histogram: bool,
) -> Iterator[evaluation.Restored]:
    """Every degraded input at the size of its target, each followed by what the model makes of it."""
    for pair, image in zip(pairs, evaluation.restore_images(model.restorer.to(best_device()), pairs), strict=True):
        enlarged = evaluation.baseline(pair, pixels)
        if match_histogram:
            image = restoration.match_histogram(image, enlarged)
        yield evaluation.Restored(pair.name, evaluation.DEGRADED, (enlarged, pair.clean))
        yield evaluation.Restored(pair.name, name, (image, pair.clean))


def _pairs(
    subject: Path,
    model: models.Model,
    tests: list[Path] | None,
    degraded: str | Path | None,
    description: degradations.DegradationLike | None,
    pair: str | None,
    recursive: bool,
    options: PictureOptions,
) -> tuple[Sequence[data.ImagePair], PixelFormat]:
    if pair is not None and degraded is None:
        raise LossmithError("`pair` goes with `degraded`, or with a folder of results")
    if degraded is not None:
        if description is not None:
            raise LossmithError("give either `degraded` or `degradation`, not both")
        if not tests or len(tests) != 1:
            raise LossmithError("`degraded` goes with one `test` folder")
        files = data.pair_folders(tests[0], degraded, pair, recursive)
        reader, _ = options.reader_of_model(model, [clean for clean, _ in files], [other for _, other in files])
        pairs = data.prepare_test_pairs(files, Path(), reader)
    else:
        named = str(model.receipt.get("degradation", ""))
        if description is None and not named:
            such = f"bicubic({model.scale})" if model.scale > 1 else "noise(25)"
            advice = f"give a degradation, such as `degradation={such}`, or `test` and `degraded`"
            raise LossmithError(f"{subject} does not say what it undoes: {advice}")
        if description is None and (":" in named or named.startswith("pairs of")):
            raise LossmithError("what the model undoes is your own: give `degradation`, or `test` and `degraded`")
        kind = degradations.degradation(named if description is None else description)
        if not tests and not model.pixels.is_8bit:
            raise LossmithError(f"the model is for {model.pixels}; name such images with `test`")
        images = data.find_images(tests, recursive) if tests else data.sample_images("test")
        reader, _ = options.reader_of_model(model, images)
        pairs = data.prepare_test_images(images, kind, Path(), reader)
    if pairs[0].scale != model.scale:
        does = f"enlarges by {model.scale}" if model.scale > 1 else "keeps the size"
        sizes = f"{pairs[0].scale} times larger than" if pairs[0].scale > 1 else "as large as"
        raise LossmithError(f"the model {does}, but the clean images are {sizes} the degraded ones")
    return pairs, reader.pixels

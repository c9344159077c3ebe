"""`lossmith judge`: the verdict on results that are finished, whoever made them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from lossmith import evaluation
from lossmith.commands.command_line import command_line
from lossmith.commands.option_types import (
    MarginsOption,
    NamedFoldersOption,
    NamedLossesOption,
    PathOption,
    PathsOption,
    ProgressOption,
)
from lossmith.commands.outcome import ScoredOutcome
from lossmith.core.errors import LossmithError
from lossmith.core.files import check_folder, path_list
from lossmith.core.lock import folder_lock
from lossmith.core.progress import progress_option

if TYPE_CHECKING:
    from lossmith.commands.judge.matching import MatchedImages

SCORES = "scores.csv"
OUTPUTS = ("report.html", "results.csv", "results.json")


@dataclass(frozen=True, repr=False)
class Judgment(ScoredOutcome):
    """The verdict on finished results."""

    verdict: str
    """What to take for each goal, and how sure that is."""
    report: Path
    """The page."""
    rows: list[evaluation.Row]
    """The scores of every image, method and seed, those of the degraded input included."""
    protocol: evaluation.Protocol
    advice: evaluation.Advice
    """The same as values, goal by goal."""
    rankings: list[evaluation.Ranking] = field(default_factory=list)
    """One for each metric."""
    differences: list[evaluation.Difference] = field(default_factory=list)
    """Every pair of methods, in each metric."""
    notes: list[str] = field(default_factory=list)
    """Remarks, such as images that were left out."""

    @property
    def ranking(self) -> list[evaluation.RankedMethod]:
        """All methods in PSNR, best first, the degraded input among them."""
        main = evaluation.main_ranking(self.rankings)
        return evaluation.ranked_methods(main, self.differences) if main else []

    def __str__(self) -> str:
        notes = [note if note[-1:] in ".!?" else f"{note}." for note in self.notes]
        return "\n".join([self.verdict, *notes, f"report: {self.report}"])


@progress_option
def judge(
    results: NamedFoldersOption,
    *,
    test: PathsOption | None = None,
    degraded: PathOption | None = None,
    trained_on: NamedLossesOption = None,
    margins: Annotated[MarginsOption, Parameter("--margin")] = None,
    pair: str | None = None,
    recursive: bool = False,
    color: Literal["auto", "rgb", "y"] = "auto",
    border: int | None = None,
    channels: Literal["auto"] | int = "auto",
    range: str = "auto",
    mask: PathOption | None = None,
    nan: Literal["refuse", "mask"] = "refuse",
    show_bands: str | None = None,
    out: PathOption = Path("runs/judge"),
    progress: ProgressOption = True,
) -> Judgment:
    """Compare finished results of several methods, whoever made them, and report which one to take.

    Nothing is trained; statistics, advice and page are those of `compare`. Two folders, of the images that two
    models restored, answer whether the new one is better than the old one. It writes `report.html`, `results.csv`
    and `results.json`; scores are kept, so the same command with one more folder scores only that one.

    Parameters
    ----------
    results
        A folder of restored images for each method, or a folder of such folders, one for each seed; patterns in
        quotes; or NAME=FOLDER, several times for several seeds.
    test
        The targets: files, folders or patterns; results are matched to them by file name
        [default: the test photographs that scikit-image ships].
    degraded
        Folder of the degraded images, to be scored beside the results.
    trained_on
        What a method was trained on, such as new="l1 + 0.1*features(vgg19, relu2_2)": metrics that share its
        network do not judge it. A method that is called like a loss was trained on that.
    margins
        The largest difference in a metric that matters to nobody, such as psnr=0.05.
    pair
        Patterns of the names of target and result, where they are not recognized, such as "{}:{}_out".
    recursive
        Search nested folders too; folders within a folder are no seeds then.
    color
        Score on RGB, or on the Y channel of BT.601; auto for y where the degraded images are smaller than the
        targets, rgb otherwise.
    border
        Pixels cropped at each side [default: the scale where the degraded images are smaller, 0 otherwise].
    channels
        Channels of all images: auto for those of the targets; 1 makes gray of color, 3 color of gray.
    range
        The values that errors are relative to, such as 0:4095, or percentiles of the targets, such as p1:p99.9;
        auto for all that whole numbers of the files' type can hold. Of floats it must be said.
    mask
        Folder of masks, by file name: black pixels of the targets, such as blind ones and clouds, do not count.
    nan
        Whether images with pixels that are NaN or infinite are refused, or these pixels do not count.
    show_bands
        The channels that the report shows as red, green and blue, counted from 0, such as 4,2,0, or one that it
        shows in gray [default: 0,1,2, or 0 of one or two].
    out
        Folder of the report.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    from lossmith.commands.judge.contenders import common_seeds, find_contenders
    from lossmith.commands.judge.matching import match_all
    from lossmith.commands.judge.page import JudgedResults, make_page
    from lossmith.commands.judge.scoring import score_results
    from lossmith.commands.judge.training_losses import training_losses
    from lossmith.commands.picture_options import PictureOptions
    from lossmith.report import parse_bands

    out, tests = Path(out), None if test is None else path_list(test)
    degraded = None if degraded is None else Path(degraded)
    contenders = find_contenders(results, recursive)
    losses = training_losses([contender.name for contender in contenders], trained_on)
    criteria = evaluation.Criteria(evaluation.parse_margins(margins))
    _check_out(out, [path for contender in contenders for path in contender.results.values()] + (tests or []))
    seeds = common_seeds(contenders)
    options = PictureOptions(channels, range, None if mask is None else Path(mask), nan)
    images = match_all(contenders, seeds, tests, degraded, pair, recursive, options)
    protocol = evaluation.protocol_for(
        images.scale, gray=images.gray, pixels=images.reader.pixels, masked=images.masked
    )
    protocol = replace(
        protocol,
        color=protocol.color if color == "auto" else color,
        border=protocol.border if border is None else border,
    )
    _check_border(images, protocol)
    bands = parse_bands(show_bands, protocol.pixels.channels)
    command = command_line(
        "judge",
        _words(results),
        test=tests,
        degraded=degraded,
        trained_on=_words(trained_on or []) or None,
        margin=_words(margins or []) or None,
        pair=pair,
        recursive=recursive,
        color=None if color == "auto" else color,
        border=border,
        channels=None if channels == "auto" else channels,
        range=None if range == "auto" else range,
        mask=options.mask,
        nan=None if nan == "refuse" else nan,
        show_bands=show_bands,
        out=out,
    )
    with folder_lock(out):
        metrics = evaluation.tournament_metrics(list(losses.values()), images.scale, protocol.pixels)
        rows = score_results(images, protocol, metrics, out / SCORES)
        judged = JudgedResults(
            contenders, seeds, images, rows, protocol, criteria, losses, degraded, command, bands
        )
        evaluation.write_csv(out / "results.csv", rows, protocol)
        page = make_page(judged, out)
    return Judgment(
        page.verdict, out / "report.html", rows, protocol, page.advice, page.rankings, page.differences, page.notes
    )


def _words(values: Mapping[str, Any] | Iterable[Any]) -> list[str]:
    """A mapping or a list as words of the command line."""
    if isinstance(values, str | Path):
        return [str(values)]
    if not isinstance(values, Mapping):
        return [str(value) for value in values]
    pairs = [
        (name, each)
        for name, value in values.items()
        for each in (value if isinstance(value, list | tuple) else [value])
    ]
    return [f"{name}={value}" for name, value in pairs]


def _check_out(out: Path, inputs: Iterable[Path]) -> None:
    """Raise LossmithError for a folder within the inputs, and for one with a report of something else."""
    check_folder(out, "the report")
    for folder in inputs:
        if folder.is_dir() and out.resolve().is_relative_to(folder.resolve()):
            raise LossmithError(f"`out='{out}'` lies in '{folder}', which is judged; choose another `out`")
    if (report := next((out / name for name in OUTPUTS if (out / name).exists()), None)) and not (
        out / SCORES
    ).exists():
        raise LossmithError(f"'{report}' exists and is not of judge; choose another `out`")


def _check_border(images: MatchedImages, protocol: evaluation.Protocol) -> None:
    """Raise LossmithError if cropping by the border leaves nothing of an image."""
    if small := [name for name, size in images.sizes.items() if min(size) <= 2 * protocol.border]:
        others = f" and {len(small) - 1} more" if small[1:] else ""
        raise LossmithError(f"cropping {protocol.border} px from each side leaves nothing of '{small[0]}'{others}")

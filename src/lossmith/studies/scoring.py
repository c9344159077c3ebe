"""`lossmith evaluate`: a model, or a folder of results, against its targets."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Literal

from torch import Tensor

from lossmith.degradations import degradation as parse_degradation
from lossmith.degradations import from_8bit
from lossmith.devices import best_device
from lossmith.errors import LossmithError
from lossmith.evaluation import (
    DEGRADED,
    Protocol,
    Row,
    baseline,
    find_metric,
    protocol_for,
    restore_pictures,
    scored,
    write_csv,
)
from lossmith.images import (
    Pair,
    find_pictures,
    folder_pairs,
    pair_folders,
    picture_names,
    read_picture,
    sample_pictures,
    test_pairs,
)
from lossmith.models import Model, load_model
from lossmith.training import RunFolder


@dataclass(frozen=True)
class Evaluation:
    """The scores of every picture, and how they were taken."""

    rows: list[Row]
    protocol: Protocol

    def __str__(self) -> str:
        metrics = [find_metric(name) for name in self.rows[0].scores]
        lines = [["picture", "method", *(metric.label for metric in metrics)]]
        for method in dict.fromkeys(row.method for row in self.rows):
            rows = [row for row in self.rows if row.method == method]
            mean = {m.name: fmean(row.scores[m.name] for row in rows) for m in metrics}
            lines += [
                [row.picture, method, *(f"{row.scores[m.name]:.{m.digits}f}" for m in metrics)]
                for row in [*rows, Row("mean", method, 0, mean)]
            ]
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        table = "\n".join(
            "  ".join(f"{cell:<{w}}" for cell, w in zip(line, widths, strict=True)) for line in lines
        )
        return f"{table}\nprotocol: {self.protocol}"


def evaluate(
    subject: Path,
    *,
    test: list[Path] | None = None,
    degraded: Path | None = None,
    degradation: str | None = None,
    network: str | None = None,
    color: Literal["auto", "rgb", "y"] = "auto",
    border: int | None = None,
    out: Path | None = None,
) -> Evaluation:
    """Score a model, or a folder of results, picture by picture.

    Parameters
    ----------
    subject
        A model.safetensors of ours, or a folder of restored pictures.
    test
        The targets: files or folders; results belong to them by file name
        [default: the test photographs that scikit-image ships].
    degraded
        Folder of the degraded pictures that belong to one --test folder, for a model; without it the targets are
        degraded anew.
    degradation
        How the targets are degraded for a model [default: as it was trained].
    network
        The network of a model, where it is your own: import.path:Class [default: the one of ours that it names].
    color
        Score on RGB, or on the Y channel of BT.601 [default: y for a model for super-resolution, rgb otherwise].
    border
        Pixels left out at each side [default: the scale for a model for super-resolution, 0 otherwise].
    out
        CSV file to write the rows to.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    subject = Path(subject)
    if RunFolder(subject).model.is_file():
        raise LossmithError(f"'{subject}' is the folder of a run; name its model, {RunFolder(subject).model}")
    if subject.is_dir():
        if degraded is not None or degradation is not None:
            raise LossmithError("a folder of results is not degraded; leave --degraded and --degradation out")
        protocol, pictures = protocol_for(1), _of_folder(subject, test)
    else:
        model = load_model(subject, network)
        pairs = _pairs(model, test, degraded, degradation)
        protocol = protocol_for(model.scale, [pair.damage for pair in pairs])
        pictures = _of_model(model, pairs)
    protocol = replace(
        protocol,
        color=protocol.color if color == "auto" else color,
        border=protocol.border if border is None else border,
    )
    rows = [scored(name, method, result, target, protocol) for name, method, result, target in pictures]
    if out is not None:
        write_csv(out, rows, protocol)
    return Evaluation(rows, protocol)


Restored = Iterable[tuple[str, str, Tensor, Tensor]]
"""(picture, method, result, target)"""


def _of_folder(folder: Path, test: list[Path] | None) -> Restored:
    targets = find_pictures(test) if test else sample_pictures("test")
    results = {path.stem: path for path in find_pictures(folder)}
    if len(results) < len(find_pictures(folder)) or len({path.stem for path in targets}) < len(targets):
        raise LossmithError(f"results in '{folder}' belong to targets by name, but some share one")
    if missing := [path.name for path in targets if path.stem not in results]:
        raise LossmithError(f"'{folder}' holds no result for {', '.join(missing[:3])}")
    for name, path in zip(picture_names(targets), targets, strict=True):
        yield name, folder.name, from_8bit(read_picture(results[path.stem])), from_8bit(read_picture(path))


def _of_model(model: Model, pairs: list[Pair]) -> Restored:
    for pair in pairs:
        yield pair.name, DEGRADED, baseline(pair), pair.clean
    restored = restore_pictures(model.restorer.to(best_device()), pairs)
    for pair, picture in zip(pairs, restored, strict=True):
        yield pair.name, str(model.receipt.get("loss", "model")), picture, pair.clean


def _pairs(model: Model, test: list[Path] | None, degraded: Path | None, expression: str | None) -> list[Pair]:
    if degraded is not None:
        if expression is not None:
            raise LossmithError("give either --degraded or --degradation, not both")
        if not test or len(test) != 1:
            raise LossmithError("--degraded goes with one --test folder")
        pairs = folder_pairs(pair_folders(test[0], degraded))
    else:
        named = str(model.receipt.get("degradation", ""))
        if expression is None and (":" in named or not named or named.startswith("pairs of")):
            raise LossmithError("what the model undoes is your own: give --degradation, or --test and --degraded")
        kind = parse_degradation(named if expression is None else expression)
        pairs = test_pairs(find_pictures(test) if test else sample_pictures("test"), kind)
    if pairs[0].scale != model.scale:
        does = f"enlarges by {model.scale}" if model.scale > 1 else "keeps the size"
        sizes = f"{pairs[0].scale} times larger than" if pairs[0].scale > 1 else "as large as"
        raise LossmithError(f"the model {does}, but the clean pictures are {sizes} the degraded ones")
    return pairs

"""`lossmith export`: a model as files for other programs."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from lossmith import exporting, models
from lossmith.commands.option_types import NetworkOption, SizeOption
from lossmith.commands.outcome import Outcome
from lossmith.core.errors import LossmithError
from lossmith.core.files import refuse_existing, write_text

ENDINGS = (".safetensors", ".onnx", ".json")
"""The weights, the graph and the card, in the order in which they are written."""


@dataclass(frozen=True, repr=False)
class ExportResult(Outcome):
    """The files that were written, each with a remark."""

    files: dict[Path, str]

    def __str__(self) -> str:
        return "\n".join(f"{path}: {remark}" for path, remark in self.files.items())


def export(
    model: Path,
    *,
    out: Path,
    name: str | None = None,
    half: bool = False,
    opset: int | None = None,
    size: SizeOption = None,
    author: str | None = None,
    license: str | None = None,
    network: NetworkOption = None,
) -> ExportResult:
    """Write a model for other programs: as safetensors, ONNX or a card, by the suffix of OUT, or all in a folder.

    Parameters
    ----------
    model
        A model of lossmith, or any weights of an RRDBNet, an SRResNet, or a network that spandrel knows.
    out
        A .safetensors, .onnx or .json file whose name carries the scale, such as 4x-name.onnx; or a folder for
        all three.
    name
        Name of the files in a folder, without the scale [default: that of the model's file or run].
    half
        Store float16, half as large; the ONNX graph then also has float16 inputs and outputs.
    opset
        Version of ONNX's operators, for older runtimes [default: the newest that torch writes].
    size
        The one size of images that the ONNX graph takes, as WIDTHxHEIGHT in pixels [default: any].
    author
        Author of the model, for the card.
    license
        License of the model, for the card: an SPDX expression, such as CC-BY-4.0.
    network
        The network of the model, if the file does not name it: an expression, or import.path:Class.

    Raises
    ------
    LossmithError
        For a wrong name or an unknown model, for results that exist, and for a network that ONNX cannot express.
    """
    model, out = Path(model), Path(out)
    sides = None if size is None else parse_size(size)
    loaded = models.load_any_model(model, network)
    targets = _targets(out, exporting.model_name(model, loaded.scale, name))
    for path in targets:
        exporting.check_scale(path, loaded.scale)
    refuse_existing(*targets)
    if (opset or sides) and not any(path.suffix.lower() == ".onnx" for path in targets):
        raise LossmithError("`opset` and `size` are for an ONNX graph, and none is written")
    if name is not None and not _is_folder(out):
        raise LossmithError("`name` is for a folder; the name of a file is in `out`")
    files: dict[Path, str] = {}
    # the graph first: it is the one that can fail
    for path in sorted(targets, key=lambda path: path.suffix.lower() != ".onnx"):
        if path.suffix.lower() == ".onnx":
            files[path] = str(exporting.write_onnx(path, loaded, models.FORMAT, half, opset, sides))
        elif path.suffix.lower() == ".safetensors":
            models.save_model(path, loaded.restorer.half() if half else loaded.restorer, loaded.receipt)
            files[path] = exporting.compatibility(loaded)
        else:
            resources = [path.with_suffix(ending) for ending in ENDINGS[:2]]
            card = exporting.make_card(
                loaded, path.stem, [file for file in resources if file.is_file()], author, license
            )
            write_text(path, json.dumps(card, indent=2, ensure_ascii=False) + "\n")
            files[path] = "card for OpenModelDB, to be completed by hand"
    return ExportResult({path: files[path] for path in targets})


def parse_size(size: str | tuple[int, int]) -> tuple[int, int]:
    """(height, width) in pixels of "WIDTHxHEIGHT", of one side of a square, or of (width, height).

    >>> parse_size("320x256"), parse_size("64"), parse_size((320, 256))
    ((256, 320), (64, 64), (256, 320))
    """
    text = str(size) if isinstance(size, str | int) else "x".join(map(str, size))
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text.strip().lower())
    width, height = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if min(width, height) < 1:
        raise LossmithError(f"`size` must be WIDTHxHEIGHT, such as 320x256, not '{text}'")
    return height, width


def _targets(out: Path, stem: str) -> list[Path]:
    if _is_folder(out):
        return [out / f"{stem}{ending}" for ending in ENDINGS]
    if out.suffix.lower() not in ENDINGS:
        raise LossmithError(f"{out} must end in {', '.join(ENDINGS[:2])} or {ENDINGS[2]}, or name a folder")
    return [out]


def _is_folder(out: Path) -> bool:
    return out.is_dir() or not out.suffix

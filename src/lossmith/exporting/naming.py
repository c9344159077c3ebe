"""What a model file is called. Programs that enlarge read the scale from the name, so the name carries it."""

import re
from pathlib import Path

from lossmith.errors import LossmithError

SCALE = re.compile(r"(?<![A-Za-z0-9])(?:(\d+)x|x(\d+))(?![0-9])", re.IGNORECASE)
"""`4x` or `x4` at the beginning of a word."""


def model_name(source: Path, scale: int, name: str | None = None) -> str:
    """The stem for an exported model: `name`, or that of its file or its run, with the scale before it.

    >>> model_name(Path("runs/sharp/model.safetensors"), 4), model_name(Path("RRDB_ESRGAN_x4.pth"), 4)
    ('4x-sharp', '4x-RRDB-ESRGAN')
    """
    given = name or (source.resolve().parent.name if source.stem == "model" else source.stem)
    words = re.findall(r"[A-Za-z0-9]+", SCALE.sub(" ", given))
    return "-".join([f"{scale}x", *(words or ["model"])])


def check_scale(path: Path, scale: int) -> None:
    """Refuse a file whose name says no scale, or another one.

    >>> check_scale(Path("4x-sharp.onnx"), 4)
    >>> check_scale(Path("sharp.onnx"), 2)
    Traceback (most recent call last):
    lossmith.errors.LossmithError: programs read the scale from a model's name; call it 2x-sharp.onnx
    """
    said = {int(before or after) for before, after in SCALE.findall(path.stem)}
    if said != {scale}:
        raise LossmithError(
            f"programs read the scale from a model's name; call it {model_name(path, scale)}{path.suffix}"
        )

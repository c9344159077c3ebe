"""The card of a model: a JSON object as in OpenModelDB, with the loss, for which that has no field."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.core.pixel_format import RGB_8BIT
from lossmith.models.model_file import Model
from lossmith.models.spandrel import SpandrelModule
from lossmith.networks import RRDBNet, SRResNet

SCALE_PATTERN = re.compile(r"(?<![A-Za-z0-9])(?:(\d+)x|x(\d+))(?![0-9])", re.IGNORECASE)
"""A scale in a name: `4x` or `x4` at the beginning of a word."""


def model_name(source: Path, scale: int, name: str | None = None) -> str:
    """The stem for an exported model: `name`, or that of its file or its run, with the scale before it.

    >>> model_name(Path("runs/sharp/model.safetensors"), 4), model_name(Path("RRDB_ESRGAN_x4.pth"), 4)
    ('4x-sharp', '4x-RRDB-ESRGAN')
    """
    base_name = name or (source.resolve().parent.name if source.stem == "model" else source.stem)
    words = re.findall(r"[A-Za-z0-9]+", SCALE_PATTERN.sub(" ", base_name))
    return "-".join([f"{scale}x", *(words or ["model"])])


def check_scale(path: Path, scale: int) -> None:
    """Raise LossmithError for a file whose name does not contain the scale, or contains another one.

    >>> check_scale(Path("4x-sharp.onnx"), 4)
    >>> check_scale(Path("sharp.onnx"), 2)
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: programs read the scale from a model's name; call it 2x-sharp.onnx
    """
    scales = {int(before or after) for before, after in SCALE_PATTERN.findall(path.stem)}
    if scales != {scale}:
        raise LossmithError(
            f"programs read the scale from a model's name; call it {model_name(path, scale)}{path.suffix}"
        )


def compatibility(model: Model) -> str:
    """Which programs open the model, in one sentence; ComfyUI and chaiNNer load models by spandrel.

    Spandrel detects networks by their keys, and assumes for an RRDBNet a growth of 32 and upsampling by factors of
    2.

    >>> compatibility(Model(RRDBNet(4, blocks=1), {}))
    'opens in spandrel as ESRGAN, so in ComfyUI and chaiNNer'
    """
    restorer = model.restorer
    if model.pixels != RGB_8BIT:
        return f"opens in lossmith; its images are {model.pixels}, and those of other programs are 8-bit RGB"
    if isinstance(restorer, SpandrelModule):
        return f"opens in spandrel as {restorer.architecture}, so in ComfyUI and chaiNNer"
    if isinstance(restorer, RRDBNet):
        if restorer.growth == 32 and restorer.scale != 3:
            return "opens in spandrel as ESRGAN, so in ComfyUI and chaiNNer"
        return (
            "opens in lossmith; spandrel knows this network with a growth of 32 and a scale of 1, 2, 4 or 8 only"
        )
    if isinstance(restorer, SRResNet):
        return "opens in lossmith; its keys are those of BasicSR's MSRResNet, which spandrel does not know"
    return "opens in lossmith; spandrel does not know this network"


ARCHITECTURES = {"rrdbnet": "esrgan", "srresnet": "sr-res-net"}
"""OpenModelDB's names of networks; other networks keep theirs."""


def make_card(
    model: Model, name: str, files: Sequence[Path], author: str | None = None, license: str | None = None
) -> dict[str, Any]:
    """The card of a model with these files, .safetensors and .onnx.

    The format of images that are not 8-bit RGB is in `pixels`: channels, type, and the values that are 0 and 1.
    Fields that the receipt does not determine are left out. `license` is an SPDX expression, or None for no
    license.
    """
    receipt = model.receipt
    network = str(receipt["network"])
    images = receipt.get("training_images")
    known = {
        "loss": receipt.get("loss"),
        "degradation": receipt.get("degradation"),
        "trainingIterations": receipt.get("steps"),
        "trainingBatchSize": receipt.get("batch"),
        "trainingHRSize": receipt.get("patch"),
        "datasetSize": len(images) if isinstance(images, dict) else None,
    }
    kind = re.split(r"[(:]", network)[0]
    return {
        "name": name,
        "author": author or "unknown",
        "license": license,
        "tags": _tags(model.scale, str(receipt.get("degradation", ""))),
        "description": _description(model),
        "date": date.today().isoformat(),
        "architecture": ARCHITECTURES.get(kind, kind),
        "size": _size(model),
        "scale": model.scale,
        "inputChannels": model.channels,
        "outputChannels": model.channels,
        "resources": [_resource(path) for path in files],
        "images": [],
        **model.pixels.receipt_entries,
        **{key: value for key, value in known.items() if value is not None},
    }


def _description(model: Model) -> str:
    receipt = model.receipt
    parts = [f"`{receipt['network']}`"]
    if model.pixels.receipt_entries:
        parts.append(f"(images: {model.pixels})")
    if "loss" in receipt:
        parts.append(f"trained under the loss `{receipt['loss']}`")
    if receipt.get("degradation"):
        parts.append(f"to undo `{receipt['degradation']}`")
    if release := receipt.get("versions", {}).get("lossmith"):
        parts.append(f"with lossmith {release}")
    return " ".join(parts) + "."


def _tags(scale: int, degradation: str) -> list[str]:
    """Tags of OpenModelDB, at least one."""
    tags = ["general-upscaler"] if scale > 1 else []
    tags += ["jpeg"] if "jpeg" in degradation else []
    tags += ["denoise"] if "noise" in degradation else []
    return tags or ["restoration"]


def _size(model: Model) -> list[str] | None:
    restorer = model.restorer
    if isinstance(restorer, RRDBNet | SRResNet):
        return [f"{restorer.features}nf", f"{restorer.blocks}nb"]
    return None


def _resource(path: Path) -> dict[str, Any]:
    onnx = path.suffix == ".onnx"
    return {
        "platform": "onnx" if onnx else "pytorch",
        "type": "onnx" if onnx else "safetensors",
        "size": path.stat().st_size,
        "sha256": sha256_of(path),
        "urls": [],
    }

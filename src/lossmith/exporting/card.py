"""The card of a model: one JSON object as OpenModelDB keeps it, and the loss, for which that has no field."""

import re
from collections.abc import Sequence
from datetime import date
from hashlib import file_digest
from pathlib import Path
from typing import Any

from lossmith.models import Model
from lossmith.networks import RRDBNet, SRResNet

ARCHITECTURES = {"rrdbnet": "esrgan", "srresnet": "sr-res-net"}
"""The catalogue's names of our networks; others keep their own."""


def make_card(
    model: Model, name: str, files: Sequence[Path], author: str | None = None, license: str | None = None
) -> dict[str, Any]:
    """The card of a model whose files are `files`, .safetensors and .onnx.

    What the receipt does not say is left out. `license` is an SPDX expression; None says that none was given.
    """
    receipt = model.receipt
    network = str(receipt["network"])
    pictures = receipt.get("training_pictures")
    known = {
        "loss": receipt.get("loss"),
        "degradation": receipt.get("degradation"),
        "trainingIterations": receipt.get("steps"),
        "trainingBatchSize": receipt.get("batch"),
        "trainingHRSize": receipt.get("patch"),
        "datasetSize": len(pictures) if isinstance(pictures, dict) else None,
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
        **{key: value for key, value in known.items() if value is not None},
    }


def _description(model: Model) -> str:
    receipt = model.receipt
    parts = [f"`{receipt['network']}`"]
    if "loss" in receipt:
        parts.append(f"trained under the loss `{receipt['loss']}`")
    if receipt.get("degradation"):
        parts.append(f"to undo `{receipt['degradation']}`")
    if release := receipt.get("versions", {}).get("lossmith"):
        parts.append(f"with lossmith {release}")
    return " ".join(parts) + "."


def _tags(scale: int, degradation: str) -> list[str]:
    """Some of the catalogue's tags; it wants at least one."""
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
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    return {
        "platform": "onnx" if onnx else "pytorch",
        "type": "onnx" if onnx else "safetensors",
        "size": path.stat().st_size,
        "sha256": digest,
        "urls": [],
    }

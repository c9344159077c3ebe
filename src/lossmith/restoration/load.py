"""Model files of every kind, opened as engines; no code that a file brings is ever run."""

import json
from pathlib import Path
from typing import Any

from lossmith.core.devices import best_device
from lossmith.core.files import sha256_of
from lossmith.core.legacy import rename_entries
from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import FORMAT, Model, check_file
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.onnx_engine import OnnxEngine, open_onnx
from lossmith.restoration.rgb_module import Applied


def load_engine(path: Path, network_expression: str | None = None) -> Engine:
    """A model file as an engine on the CPU: one of ours, any that spandrel knows, or ONNX.

    `network_expression` is the expression of a network, for weights that do not say what they belong to. Pickles
    are read with `weights_only=True`, or not at all.

    Raises LossmithError, in one sentence, for what is no such file, and when spandrel or onnxruntime is needed
    and missing.
    """
    path = Path(path)
    check_file(path)
    about = {"model": path.name, "sha256": sha256_of(path)}
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, about)
    return engine_of(load_any_model(path, network_expression), path, about)


def open_restorer(path: Path, own_network: str | None = None) -> Model:
    """The same, as a module for images of any size, with the receipt that is in the file."""
    path = Path(path)
    check_file(path)
    if path.suffix.lower() == ".onnx":
        graph = open_onnx(path, {})
        return Model(Applied(graph), {"network": "ONNX", **_receipt_of(graph), "scale": graph.scale})
    model = load_any_model(path, own_network)
    if model.channels == 3:
        return model
    return Model(Applied(engine_of(model, path, {}).on(best_device())), model.receipt)


def _receipt_of(graph: OnnxEngine) -> dict[str, Any]:
    """What `lossmith export` has written into a graph; nothing in those of others."""
    try:
        receipt = json.loads(graph.session.get_modelmeta().custom_metadata_map.get(FORMAT, ""))
    except (ValueError, RecursionError):
        return {}
    return rename_entries(receipt) if isinstance(receipt, dict) else {}


def engine_of(model: Model, path: Path, about: dict[str, str]) -> TorchEngine:
    """An opened model as an engine."""
    # a run's model.safetensors is known by its folder
    name = path.resolve().parent.name if path.stem == "model" else path.stem
    network = str(model.receipt.get("network", type(model.restorer).__name__))
    return TorchEngine(
        model.restorer,
        model.scale,
        name,
        channels=model.channels,
        multiple_of=model.multiple_of,
        minimum=model.minimum,
        metadata={**about, "network": network},
    )

"""Loads model files of every kind as engines, without running code from them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.core.legacy import rename_entries
from lossmith.models.foreign import load_any_model
from lossmith.models.interpolation import interpolate_networks
from lossmith.models.model_file import FORMAT, Model, check_file
from lossmith.networks import NetworkLike
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.onnx_engine import OnnxEngine, open_onnx
from lossmith.restoration.rgb_module import RGBModule


def load_engine(path: str | Path, network: NetworkLike | None = None) -> Engine:
    """Load a model file as an engine on the CPU: a lossmith model, any that spandrel knows, or ONNX.

    `network` is the network of weights that do not name it. Pickles are read with
    `weights_only=True`, or not at all.

    Raises LossmithError where the file is not a model, and where spandrel or onnxruntime is needed and missing.
    """
    path = Path(path)
    check_file(path)
    metadata = {"model": path.name, "sha256": sha256_of(path)}
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, metadata)
    return engine_of(load_any_model(path, network), path, metadata)


def network_of(engine: Engine) -> str:
    """The expression of an engine's network; for a graph that does not tell it, ONNX."""
    return str(_receipt_of(engine).get("network", engine.metadata["network"]))


def is_style(engine: Engine) -> bool:
    """Whether a model paints: one learned from paintings, or a `transform_net` that undoes no degradation."""
    receipt = _receipt_of(engine)
    foreign = network_of(engine).startswith("transform_net") and not receipt.get("degradation")
    return engine.scale == 1 and engine.channels == 3 and (foreign or "style" in receipt)


def blend_engines(first: Engine, second: Engine, alpha: float) -> Engine:
    """The model between two of one architecture: (1 - alpha) first + alpha second.

    Raises LossmithError for two architectures, and for ONNX graphs.
    """
    if not (isinstance(first, TorchEngine) and isinstance(second, TorchEngine)):
        raise LossmithError("only models whose weights are known can be mixed, which ONNX graphs do not tell")
    module = interpolate_networks(first.module, second.module, alpha)
    digests = {f"{name} of the second": value for name, value in second.metadata.items()}
    metadata = {**first.metadata, **digests, "alpha": f"{alpha:g}"}
    return replace(first, module=module, name=f"{first.name}-{second.name}-{alpha:g}", metadata=metadata)


def open_restorer(path: str | Path, network: NetworkLike | None = None) -> Model:
    """Load a model file as a module for RGB images of any size, with the receipt from the file.

    Raises LossmithError as `load_engine` does.
    """
    path = Path(path)
    check_file(path)
    if path.suffix.lower() == ".onnx":
        graph = open_onnx(path, {})
        return Model(
            RGBModule(graph), {"network": "ONNX", **_receipt_of(graph), "scale": graph.scale}, graph.channels
        )
    model = load_any_model(path, network)
    if model.channels == 3:
        return model
    return Model(RGBModule(engine_of(model, path, {}).on(best_device())), model.receipt, model.channels)


def _receipt_of(engine: Engine) -> dict[str, Any]:
    """The receipt of a model, which `lossmith export` also writes into graphs; empty for those of others."""
    if not isinstance(engine, OnnxEngine):
        return engine.receipt if isinstance(engine, TorchEngine) else {}
    try:
        receipt = json.loads(engine.session.get_modelmeta().custom_metadata_map.get(FORMAT, ""))
    except (ValueError, RecursionError):
        return {}
    return rename_entries(receipt) if isinstance(receipt, dict) else {}


def engine_of(model: Model, path: Path, metadata: dict[str, str]) -> TorchEngine:
    """A loaded model as an engine on the CPU."""
    # the model.safetensors of a run is named after its folder
    name = path.resolve().parent.name if path.stem == "model" else path.stem
    network_name = str(model.receipt.get("network", type(model.restorer).__name__))
    return TorchEngine(
        model.restorer,
        model.scale,
        name,
        channels=model.channels,
        multiple_of=model.multiple_of,
        minimum=model.minimum,
        metadata={**metadata, "network": network_name},
        receipt=model.receipt,
    )

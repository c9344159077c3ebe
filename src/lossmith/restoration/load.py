"""Loads model files of every kind as engines, without running code from them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.core.pixel_format import RGB_8BIT
from lossmith.models.foreign import load_any_model
from lossmith.models.interpolation import check_formats, interpolate_networks
from lossmith.models.model_file import Model
from lossmith.models.shipped import find_model, shipped_models, shipped_name
from lossmith.models.tasks import Character, Task
from lossmith.networks import NetworkLike
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.engine_module import EngineModule
from lossmith.restoration.onnx_engine import open_onnx


def load_engine(path: str | Path, network: NetworkLike | None = None) -> Engine:
    """Load a model file as an engine on the CPU: a lossmith model, any that spandrel knows, or ONNX.

    `path` may be the name of a model that ships, such as x4-faithful, where no file is called so.
    `network` is the network of weights that do not name it. Pickles are read with
    `weights_only=True`, or not at all.

    Raises LossmithError where the file is not a model, and where spandrel or onnxruntime is needed and missing.
    """
    path = find_model(path)
    metadata = {"model": path.name, "sha256": sha256_of(path)}
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, metadata)
    return engine_of(load_any_model(path, network), path, metadata)


def load_task(task: Task, alpha: float = 0) -> Engine:
    """The model that ships for a task: faithful at alpha 0, sharp at 1, interpolated between the two in between.

    Raises LossmithError where lossmith has no such model.
    """
    faithful, sharp = (shipped_name(task, character) for character in get_args(Character))
    if alpha and sharp not in shipped_models():
        raise LossmithError(f"lossmith has no sharp model for {task} yet, so `alpha` cannot be above 0")
    if alpha in (0, 1):
        return load_engine(sharp if alpha else faithful)
    return replace(blend_engines(load_engine(faithful), load_engine(sharp), alpha), name=f"{task}-{alpha:g}")


def network_of(engine: Engine) -> str:
    """The expression of an engine's network; for a graph that does not tell it, ONNX."""
    return str(engine.receipt.get("network", engine.metadata["network"]))


def is_style(engine: Engine) -> bool:
    """Whether a model paints: one learned from paintings, or a `transform_net` that undoes no degradation."""
    foreign = network_of(engine).startswith("transform_net") and not engine.receipt.get("degradation")
    of_photos = engine.scale == 1 and engine.channels == 3 and engine.pixels == RGB_8BIT
    return of_photos and (foreign or "style" in engine.receipt)


def check_same_format(engines: Sequence[Engine]) -> None:
    """Raise LossmithError for models that are for images of two formats."""
    first = engines[0]
    if other := next((engine for engine in engines if engine.pixels != first.pixels), None):
        raise LossmithError(
            f"model '{first.name}' is for {first.pixels}, and '{other.name}' for {other.pixels}; take one of them"
        )


def blend_engines(first: Engine, second: Engine, alpha: float) -> TorchEngine:
    """The model between two of one architecture: (1 - alpha) first + alpha second.

    Raises LossmithError for two architectures or two formats of images, and for ONNX graphs.
    """
    if not (isinstance(first, TorchEngine) and isinstance(second, TorchEngine)):
        raise LossmithError("only models whose weights are known can be mixed, which ONNX graphs do not tell")
    check_formats(first.pixels, second.pixels)
    module = interpolate_networks(first.module, second.module, alpha)
    digests = {f"{name} of the second": value for name, value in second.metadata.items()}
    metadata = {**first.metadata, **digests, "alpha": f"{alpha:g}"}
    return replace(first, module=module, name=f"{first.name}-{second.name}-{alpha:g}", metadata=metadata)


def open_restorer(path: str | Path, network: NetworkLike | None = None) -> Model:
    """Load a model file, or a shipped model by its name, as a module for images of its format of any size, with
    the receipt from the file.

    A gray network of another program, whose format is 8-bit RGB, gets the colors one by one.

    Raises LossmithError as `load_engine` does.
    """
    path = find_model(path)
    if path.suffix.lower() == ".onnx":
        graph = open_onnx(path, {})
        receipt = {"network": "ONNX", **graph.receipt, "scale": graph.scale}
        return Model(EngineModule(graph), receipt, graph.channels)
    model = load_any_model(path, network)
    if model.channels == model.pixels.channels:
        return model
    return Model(EngineModule(engine_of(model, path, {}).on(best_device())), model.receipt, model.channels)


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

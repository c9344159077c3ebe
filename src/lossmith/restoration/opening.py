"""Model files of every kind, opened as engines; no code that a file brings is ever run."""

from pathlib import Path

from lossmith.checkpoints import open_model
from lossmith.files import digest_of
from lossmith.models import Model, check_file
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.onnx_engine import open_onnx


def open_engine(path: Path, own_network: str | None = None) -> Engine:
    """A model file as an engine on the CPU: one of ours, any that spandrel knows, or ONNX.

    `own_network` is the expression of a network, for weights that do not say what they belong to. Pickles are
    read with `weights_only=True`, or not at all.

    Raises LossmithError, in one sentence, for what is no such file, and when spandrel or onnxruntime is needed
    and missing.
    """
    path = Path(path)
    check_file(path)
    about = {"model": path.name, "sha256": digest_of(path)}
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, about)
    return engine_of(open_model(path, own_network), path, about)


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
        multiple=model.multiple,
        least=model.least,
        about={**about, "network": network},
    )

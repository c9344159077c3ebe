"""Model files of every kind, opened as engines; no code that a file brings is ever run."""

from collections.abc import Callable, Mapping
from hashlib import file_digest
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import Tensor, nn

from lossmith.checkpoints import open_model as open_known
from lossmith.checkpoints import read_weights
from lossmith.errors import LossmithError
from lossmith.networks import NETWORKS
from lossmith.networks.layouts import fault_of
from lossmith.restoration.engine import Engine, TorchEngine
from lossmith.restoration.onnx_engine import open_onnx

WRAPPERS = ("model_state_dict", "state_dict", "params_ema", "params-ema", "params", "model", "net")
"""Under which keys training programs keep the weights, the most wanted first."""


def open_engine(path: Path, own_network: str | None = None) -> Engine:
    """A model file as an engine on the CPU: one of ours, any that spandrel knows, or ONNX.

    `own_network` is the expression of a network, for weights that do not say what they belong to. Pickles are
    read with `weights_only=True`, or not at all.

    Raises LossmithError, in one sentence, for what is no such file, and when spandrel or onnxruntime is needed
    and missing.
    """
    path = Path(path)
    if not path.is_file():
        raise LossmithError(f"model '{path}' {'is a folder' if path.is_dir() else 'does not exist'}")
    about = {"model": path.name, "sha256": _digest(path)}
    if path.suffix.lower() == ".onnx":
        return open_onnx(path, about)
    try:
        model = open_known(path, own_network)
    except LossmithError as error:
        if own_network is not None or (weights := _foreign(path)) is None:
            raise
        return _by_spandrel(path, weights, about, error)
    about["network"] = str(model.receipt.get("network", type(model.restorer).__name__))
    # a run's model.safetensors is known by its folder
    name = path.resolve().parent.name if path.stem == "model" else path.stem
    return TorchEngine(model.restorer, model.scale, name, about=about)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _foreign(path: Path) -> dict[str, Tensor] | None:
    """The weights of a whole file that is not ours; None for what is refused anyway."""
    try:
        loaded: Any = read_weights(path)
    except (LossmithError, SafetensorError):
        return None
    while isinstance(loaded, Mapping) and (inner := next((key for key in WRAPPERS if key in loaded), None)):
        loaded = loaded[inner]
    if not isinstance(loaded, Mapping):
        return None
    weights = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    if any(fault_of(name, tensor) for name, tensor in weights.items()):
        return None
    for prefix in ("module.", "netG."):
        if all(name.startswith(prefix) for name in weights):
            weights = {name.removeprefix(prefix): value for name, value in weights.items()}
    return weights or None


def _by_spandrel(path: Path, weights: dict[str, Tensor], about: dict[str, str], unknown: LossmithError) -> Engine:
    try:
        from spandrel import ImageModelDescriptor, ModelLoader, UnsupportedModelError
    except ModuleNotFoundError as error:
        advice = 'spandrel may know it: pip install "lossmith[spandrel]"'
        raise LossmithError(f"{unknown}{_closest(weights)}; {advice}") from error
    try:
        found: Any = ModelLoader("cpu").load_from_state_dict(weights)
    except UnsupportedModelError as error:
        raise LossmithError(f"{unknown}, nor to spandrel{_closest(weights)}") from error
    except Exception as error:  # whatever a builder stumbles over when shapes do not fit
        kind = type(error).__name__
        raise LossmithError(f"model '{path}' cannot be built from its weights ({kind}: {error})") from error
    if not isinstance(found, ImageModelDescriptor):
        raise LossmithError(f"model '{path}' ({found.architecture.name}) needs a mask besides the picture")
    if found.input_channels != found.output_channels or found.input_channels not in (1, 3):
        channels = f"{found.input_channels} channels to {found.output_channels}"
        raise LossmithError(f"model '{path}' maps {channels}; only 1 to 1 and 3 to 3 are applied here")
    return TorchEngine(
        Described(found),
        found.scale,
        path.stem,
        channels=found.input_channels,
        multiple=found.size_requirements.multiple_of,
        least=max(found.size_requirements.minimum, 1),
        about={**about, "network": f"{found.architecture.name}, by spandrel"},
    )


class Described(nn.Module):
    """What spandrel has recognised, as a module; spandrel knows how each of its networks is called."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network = descriptor.model.eval().requires_grad_(False)
        self._call: Callable[[Tensor], Tensor] = descriptor

    def forward(self, pictures: Tensor) -> Tensor:
        return self._call(pictures)


def _closest(weights: Mapping[str, Tensor]) -> str:
    """Which of our networks has the most names of weights in common, and how to name it."""
    shares = {}
    for name, factory in NETWORKS.items():
        names = set(factory().state_dict())
        shares[name] = len(names & set(weights)) / len(names | set(weights))
    best = max(shares, key=lambda name: shares[name])
    if shares[best] < 0.25:
        return "; name your own network: --network my_package.nets:MyNet"
    return f"; closest is {best}, which {shares[best]:.0%} of the names fit: --network '{best}(scale=4)' names it"

"""Networks that spandrel detects by the names and shapes of their weights."""

from collections.abc import Callable, Sequence
from inspect import unwrap
from typing import Any

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.state_dicts import StateDict, choose, misfit
from lossmith.expressions import Call, format_call
from lossmith.models.model_file import Model, shapes
from lossmith.networks import network

SPANDREL_SUFFIX = ", by spandrel"
"""End of the network's entry in the receipts of such models."""
SPANDREL_MODULES = "spandrel.architectures."
"""Beginning of the import paths of spandrel's networks."""


class SpandrelModule(nn.Module):
    """A model descriptor of spandrel as a module (N, C, h, w) to (N, C, scale h, scale w).

    The descriptor knows how its network is called, and what it takes. State dicts have the names of the network
    itself, by which other programs know its weights.
    """

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model.eval().requires_grad_(False)
        self._descriptor = descriptor
        self.architecture = str(descriptor.architecture.name)
        # without the inference mode of the descriptor's call, in which nothing can be exported
        self._call: Callable[[Any, Tensor], Tensor] = unwrap(type(descriptor).__call__)

    def forward(self, images: Tensor) -> Tensor:
        return self._call(self._descriptor, images)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.network.load_state_dict(*args, **kwargs)

    @property
    def expression(self) -> str | None:
        """The expression of the network, for training; None if its options cannot be expressed."""
        factory = type(self.network)
        options = getattr(self.network, "hyperparameters", {})
        expression = format_call(Call(f"{factory.__module__}:{factory.__name__}", (), tuple(options.items())))
        try:
            rebuilt = network(expression)
        except LossmithError:
            return None
        return None if misfit(shapes(rebuilt.state_dict()), shapes(self.state_dict())) else expression


def is_spandrel_model(receipt: dict[str, Any]) -> bool:
    """Whether a receipt is of a network of spandrel, which is detected by its weights rather than the receipt."""
    expression = str(receipt.get("network", ""))
    return expression.endswith(SPANDREL_SUFFIX) or expression.startswith(SPANDREL_MODULES)


def load_by_spandrel(state_dicts: Sequence[StateDict]) -> tuple[StateDict, Model] | None:
    """The state dict of a network that spandrel knows, and its model; None if it knows none of them.

    Raises LossmithError for a network that does not restore RGB or gray images, or whose weights are incomplete,
    and ModuleNotFoundError if spandrel is not installed.
    """
    from spandrel import ModelLoader, UnsupportedModelError

    faults: list[str] = []

    def load(candidate: StateDict) -> Any:
        candidate.check()
        weights = {name: w.float() if w.is_floating_point() else w for name, w in candidate.weights.items()}
        try:
            return ModelLoader("cpu").load_from_state_dict(weights)
        except UnsupportedModelError:
            return None
        except Exception as error:  # networks raise anything for shapes that do not fit
            reason = " ".join(" ".join(str(error).splitlines()[:2]).split())
            faults.append(f"holds weights{candidate.place} of which no model can be built: {reason}")
            return None

    match = choose(state_dicts, load)
    if match is None and faults:
        raise LossmithError(faults[0])
    return match and (match[0], _model(match[1]))


def _model(descriptor: Any) -> Model:
    from spandrel import ImageModelDescriptor

    if not isinstance(descriptor, ImageModelDescriptor):
        name = descriptor.architecture.name
        raise LossmithError(f"holds a network ({name}) that needs a mask besides the image")
    if descriptor.input_channels != descriptor.output_channels or descriptor.input_channels not in (1, 3):
        channels = f"{descriptor.input_channels} channels to {descriptor.output_channels}"
        raise LossmithError(f"holds a network that maps {channels}; only 1 to 1 and 3 to 3 are applied here")
    return Model(
        SpandrelModule(descriptor),
        {"network": f"{descriptor.architecture.name}{SPANDREL_SUFFIX}", "scale": descriptor.scale},
        channels=descriptor.input_channels,
        multiple_of=descriptor.size_requirements.multiple_of,
        minimum=max(descriptor.size_requirements.minimum, 1),
    )

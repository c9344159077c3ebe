"""Other people's networks, by spandrel, which tells them by the names and shapes of their weights."""

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
"""How the networks of these models end in receipts."""
SPANDREL_MODULES = "spandrel.architectures."
"""What the classes of its networks begin with."""


class SpandrelModule(nn.Module):
    """What spandrel has recognized, as a module; it knows how its networks are called, and what they take."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network: nn.Module = descriptor.model.eval().requires_grad_(False)
        self._descriptor = descriptor
        self.architecture = str(descriptor.architecture.name)
        # without its inference mode, in which nothing can be exported
        self._call: Callable[[Any, Tensor], Tensor] = unwrap(type(descriptor).__call__)

    def forward(self, images: Tensor) -> Tensor:
        return self._call(self._descriptor, images)

    # under the names of the network itself, by which other programs know its weights

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, *args: Any, **kwargs: Any) -> Any:
        return self.network.load_state_dict(*args, **kwargs)

    @property
    def expression(self) -> str | None:
        """By which the network is made again, to be trained; None where its options cannot be written down."""
        kind = type(self.network)
        options = getattr(self.network, "hyperparameters", {})
        expression = format_call(Call(f"{kind.__module__}:{kind.__name__}", (), tuple(options.items())))
        try:
            again = network(expression)
        except LossmithError:
            return None
        return None if misfit(shapes(again.state_dict()), shapes(self.state_dict())) else expression


def is_spandrel_model(receipt: dict[str, Any]) -> bool:
    """Whether a file of ours holds a network of spandrel's, which is told by its weights, not by its receipt."""
    expression = str(receipt.get("network", ""))
    return expression.endswith(SPANDREL_SUFFIX) or expression.startswith(SPANDREL_MODULES)


def load_by_spandrel(found: Sequence[StateDict]) -> tuple[StateDict, Model] | None:
    """The weights of a network that spandrel knows, and the model; None where it knows none.

    Raises LossmithError for one that does not restore RGB or gray images, or whose weights are not whole, and
    ModuleNotFoundError where spandrel is not installed.
    """
    from spandrel import ModelLoader, UnsupportedModelError

    broken: list[str] = []

    def load(each: StateDict) -> Any:
        weights = {name: w.float() if w.is_floating_point() else w for name, w in each.checked().items()}
        try:
            return ModelLoader("cpu").load_from_state_dict(weights)
        except UnsupportedModelError:
            return None
        except Exception as error:  # whatever a builder stumbles over when shapes do not fit
            reason = " ".join(" ".join(str(error).splitlines()[:2]).split())
            broken.append(f"holds weights{each.place} of which no model can be built: {reason}")
            return None

    chosen = choose(found, load)
    if chosen is None and broken:
        raise LossmithError(broken[0])
    return chosen and (chosen[0], _model(chosen[1]))


def _model(found: Any) -> Model:
    from spandrel import ImageModelDescriptor

    if not isinstance(found, ImageModelDescriptor):
        raise LossmithError(f"holds a network ({found.architecture.name}) that needs a mask besides the image")
    if found.input_channels != found.output_channels or found.input_channels not in (1, 3):
        channels = f"{found.input_channels} channels to {found.output_channels}"
        raise LossmithError(f"holds a network that maps {channels}; only 1 to 1 and 3 to 3 are applied here")
    return Model(
        SpandrelModule(found),
        {"network": f"{found.architecture.name}{SPANDREL_SUFFIX}", "scale": found.scale},
        channels=found.input_channels,
        multiple_of=found.size_requirements.multiple_of,
        minimum=max(found.size_requirements.minimum, 1),
    )

"""Initial weights from a file, instead of fresh ones."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat, describe_channels
from lossmith.core.state_dicts import StateDict, quote_names, read_state_dicts
from lossmith.expressions import format_call, parse_call
from lossmith.models.foreign import canonical_weights, closest_state_dict, load_any_model, weights_for
from lossmith.models.model_file import Model, are_finite, load_weights
from lossmith.models.shipped import find_model
from lossmith.models.spandrel import SpandrelModule
from lossmith.networks import network
from lossmith.training.recipe import Recipe

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Init:
    """Initial weights, and the file that they come from; pickled with a run that another machine carries out."""

    weights: dict[str, Tensor]
    sha256: str
    partial: bool

    @property
    def identity(self) -> dict[str, Any]:
        """Entries of the configuration and the receipt that identify these weights."""
        return {"begins_with": self.sha256, **({"begins_with_part": True} if self.partial else {})}

    def load(self, restorer: nn.Module) -> None:
        load_weights(restorer, self.weights)


def open_init(recipe: Recipe, scale: int, pixels: PixelFormat = RGB_8BIT) -> tuple[Recipe, Init | None]:
    """The recipe with its network filled in, and the initial weights of `recipe.init`, if there are any.

    A recipe without a network gets that of the file. `scale` and `pixels` are those of the training images.

    Raises LossmithError for a file that cannot be read or trained, or does not fit the network.
    """
    if recipe.init is None:
        return recipe, None
    path = find_model(recipe.init)
    if path.suffix.lower() == ".onnx":
        raise LossmithError(f"{path} is an ONNX graph, which cannot be trained; `init` takes weights")
    if recipe.network is None:
        model = load_any_model(path)
        if model.channels != pixels.channels:
            kinds = [describe_channels(number) for number in (model.channels, pixels.channels)]
            raise LossmithError(
                f"{path} restores images of {kinds[0]}, and these are {kinds[1]}; leave `init` out"
            )
        recipe = replace(recipe, network=_expression(path, model))
        candidates = [StateDict(model.restorer.state_dict())]
    else:
        candidates = read_state_dicts(path)
    restorer = network(str(recipe.network), scale, pixels.channels)
    if recipe.init_partial:
        weights = _fitting_weights(path, restorer, closest_state_dict(restorer, candidates))
    else:
        try:
            _, weights = weights_for(path, restorer, candidates)
        except LossmithError as error:
            raise LossmithError(f"{error}; `init_partial` loads what fits") from error
    if not are_finite(weights):
        raise LossmithError(f"{path} holds weights that are not finite")
    return recipe, Init(weights, sha256_of(path), recipe.init_partial)


def _expression(path: Path, model: Model) -> str:
    """The expression of a file's network without its scale and its channels, which are those of the images."""
    if not isinstance(model.restorer, SpandrelModule):
        call = parse_call(str(model.receipt["network"]), "network")
        return format_call(
            replace(
                call,
                options=tuple((name, value) for name, value in call.options if name not in ("scale", "channels")),
            )
        )
    if (expression := model.restorer.expression) is None:
        raise LossmithError(
            f"{path} holds a network ({model.restorer.architecture}) whose options cannot be written down here; "
            f"to train it, make it in a function of your own, and name that: "
            f"`network='my_nets:make'`, `init='{path}'`"
        )
    return expression


def _fitting_weights(path: Path, restorer: nn.Module, weights: StateDict) -> dict[str, Tensor]:
    """The weights whose names and shapes the network has; the user is told how many."""
    expected, tensors = restorer.state_dict(), canonical_weights(restorer, weights)
    weights.check()
    fitting = {
        name: tensor
        for name, tensor in tensors.items()
        if name in expected and tensor.shape == expected[name].shape
    }
    if not fitting:
        raise LossmithError(f"{path} holds nothing that fits this network")
    new_names = [name for name in expected if name not in fitting]
    rest = f"; fresh are {quote_names(new_names)}" if new_names else ""
    logger.info(f"{len(fitting)} of the network's {len(expected)} weights come from {path}{rest}")
    return fitting


__all__ = ["Init", "open_init"]

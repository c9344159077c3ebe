"""Weights that training begins with, instead of fresh ones."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from lossmith.core.errors import LossmithError, notify
from lossmith.core.files import sha256_of
from lossmith.core.state_dicts import StateDict, quoted, read_state_dicts
from lossmith.expressions import format_call, parse_call
from lossmith.models.foreign import canonical_weights, closest_state_dict, load_any_model, weights_for
from lossmith.models.model_file import Model, are_finite, check_file, load_weights
from lossmith.models.spandrel import SpandrelModule
from lossmith.networks import network
from lossmith.training.recipe import Recipe


@dataclass(frozen=True, eq=False)
class Init:
    """The weights, and where they come from. They travel with a run, which may be carried out elsewhere."""

    weights: dict[str, Tensor]
    sha256: str
    partial: bool

    @property
    def identity(self) -> dict[str, Any]:
        """What a run is recognized by that begins with them."""
        return {"begins_with": self.sha256, **({"begins_with_part": True} if self.partial else {})}

    def load(self, restorer: nn.Module) -> None:
        load_weights(restorer, self.weights)


def open_init(recipe: Recipe, scale: int) -> tuple[Recipe, Init | None]:
    """The recipe with its network, which is that of the file where none is named, and what training begins with.

    Raises LossmithError, in one sentence, for what cannot be opened or trained, or does not fit the network.
    """
    if recipe.init is None:
        return recipe, None
    path = recipe.init
    check_file(path)
    if path.suffix.lower() == ".onnx":
        raise LossmithError(f"{path} is a graph, which is applied and not trained; --init takes weights")
    if recipe.network is None:
        model = load_any_model(path)
        recipe = replace(recipe, network=_expression(path, model))
        found = [StateDict(model.restorer.state_dict())]
    else:
        found = read_state_dicts(path)
    restorer = network(str(recipe.network), scale)
    if recipe.init_partial:
        weights = _what_fits(path, restorer, closest_state_dict(restorer, found))
    else:
        try:
            _, weights = weights_for(path, restorer, found)
        except LossmithError as error:
            raise LossmithError(f"{error}; --init-partial loads what fits") from error
    if not are_finite(weights):
        raise LossmithError(f"{path} holds weights that are not numbers")
    return recipe, Init(weights, sha256_of(path), recipe.init_partial)


def _expression(path: Path, model: Model) -> str:
    """The network of a file, to be trained at the scale of the images."""
    if not isinstance(model.restorer, SpandrelModule):
        call = parse_call(str(model.receipt["network"]), "network")
        return format_call(replace(call, options=tuple(each for each in call.options if each[0] != "scale")))
    if (expression := model.restorer.expression) is None:
        raise LossmithError(
            f"{path} holds a network ({model.restorer.architecture}) whose options cannot be written down here; "
            f"to train it, make it in a function of your own, and name that: --network my_nets:make --init {path}"
        )
    return expression


def _what_fits(path: Path, restorer: nn.Module, found: StateDict) -> dict[str, Tensor]:
    """Those of the weights that the network has in this shape; what they are is told."""
    wanted, given = restorer.state_dict(), canonical_weights(restorer, found)
    found.checked()
    fitting = {
        name: tensor for name, tensor in given.items() if name in wanted and tensor.shape == wanted[name].shape
    }
    if not fitting:
        raise LossmithError(f"{path} holds nothing that fits this network")
    fresh = [name for name in wanted if name not in fitting]
    rest = f"; fresh are {quoted(fresh)}" if fresh else ""
    notify(f"{len(fitting)} of the network's {len(wanted)} weights come from {path}{rest}")
    return fitting


__all__ = ["Init", "open_init"]

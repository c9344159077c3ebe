"""lossmith: choose, compose and compare the loss function of an image-restoration network.

    loss("mix")            a loss from an expression              (needs only torch)
    network("srresnet")    a restoration network                  (needs only torch)
    degradation("jpeg(10)")  the damage to undo                   (from here on: lossmith[workbench])
    train(...)             one training run, as a folder
    evaluate(...)          a model or a folder of results, scored picture by picture
    compare(...)           the loss tournament, with its report
    Data, Recipe           the pictures of a study; the damage, the network and the budget

Importing lossmith loads nothing; each name brings what it needs when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from lossmith.errors import LossmithError, missing_extra

if TYPE_CHECKING:
    from lossmith.degradations import degradation
    from lossmith.images import Data
    from lossmith.losses import loss
    from lossmith.networks import network
    from lossmith.studies import compare, evaluate, train
    from lossmith.training import Recipe

__version__ = "0.1.0"

_HOMES = {
    "Data": "images",
    "Recipe": "training",
    "loss": "losses",
    "network": "networks",
    "degradation": "degradations",
    "train": "studies",
    "evaluate": "studies",
    "compare": "studies",
}

__all__ = [
    "Data",
    "LossmithError",
    "Recipe",
    "__version__",
    "compare",
    "degradation",
    "evaluate",
    "loss",
    "network",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'lossmith' has no attribute '{name}'")
    try:
        return getattr(importlib.import_module(f"lossmith.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        raise missing_extra(f"lossmith.{name}", error) from error

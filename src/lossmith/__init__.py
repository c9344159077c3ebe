"""lossmith: choose, compose and compare the loss function of an image-restoration network.

    loss("mix")            a loss from an expression              (needs only torch)
    network("srresnet")    a restoration network                  (needs only torch)
    degradation("jpeg(10)")  the damage to undo                   (from here on: lossmith[workbench])
    train(...)             one training run, as a folder
    evaluate(...)          a model or a folder of results, scored picture by picture
    compare(...)           the loss tournament, with its report
    learn_loss(...)        a loss of your own, from one picture and its damage
    show_loss, convert_mdf what a loss file says of itself; the published MDF as a loss file
    export(...)            a model for other programs: safetensors, ONNX, a card
    blend(...)             what lies between two models
    restore(...)           a model applied to whole pictures
    reproduce(...)         a model or a loss made again from its receipt
    Data, Recipe           the pictures of a study; the damage, the network and the budget
    Contest                training against a critic, as ESRGAN's
    Machines               where the runs of a tournament are carried out
    named_recipe("esrgan") what `train` needs to train as a paper did
    LossRecipe             how a loss is learned

Importing lossmith loads nothing; each name brings what it needs when it is first used.
"""

import importlib
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from lossmith.errors import LossmithError, missing_extra

if TYPE_CHECKING:
    from lossmith.degradations import degradation
    from lossmith.images import Data
    from lossmith.learning import LossRecipe
    from lossmith.losses import loss
    from lossmith.networks import network
    from lossmith.studies import (
        Machines,
        blend,
        compare,
        convert_mdf,
        evaluate,
        export,
        learn_loss,
        named_recipe,
        reproduce,
        restore,
        show_loss,
        train,
    )
    from lossmith.training import Contest, Recipe

__version__ = "0.1.0"

_HOMES = {
    "Data": "images",
    "Recipe": "training",
    "Contest": "training",
    "loss": "losses",
    "network": "networks",
    "degradation": "degradations",
    "train": "studies",
    "evaluate": "studies",
    "compare": "studies",
    "LossRecipe": "learning",
    "learn_loss": "studies",
    "show_loss": "studies",
    "convert_mdf": "studies",
    "export": "studies",
    "blend": "studies",
    "restore": "studies",
    "reproduce": "studies",
    "named_recipe": "studies",
    "Machines": "studies",
}

_ROOMS = tuple(room.name for room in iter_modules(__path__) if room.ispkg)

__all__ = [
    "Contest",
    "Data",
    "LossRecipe",
    "LossmithError",
    "Machines",
    "Recipe",
    "__version__",
    "blend",
    "compare",
    "convert_mdf",
    "degradation",
    "evaluate",
    "export",
    "learn_loss",
    "loss",
    "named_recipe",
    "network",
    "reproduce",
    "restore",
    "show_loss",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES and name not in _ROOMS:
        raise AttributeError(f"module 'lossmith' has no attribute '{name}'")
    try:
        room = importlib.import_module(f"lossmith.{_HOMES.get(name, name)}")
    except ModuleNotFoundError as error:
        raise missing_extra(f"lossmith.{name}", error) from None
    return getattr(room, name) if name in _HOMES else room


def __dir__() -> list[str]:
    return sorted([*__all__, *_ROOMS])

"""The settings of a training: everything that is the same for every loss of a comparison."""

import math
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from lossmith import degradations, networks
from lossmith.core.errors import LossmithError, counted

if TYPE_CHECKING:
    from lossmith.degradations import DegradationLike
    from lossmith.networks import NetworkLike
else:  # a recipe keeps the expression of an object; the types of the objects would import torch
    DegradationLike = NetworkLike = str

Decay = Literal["cosine", "none", "fifths", "esrgan"]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The degradation, the network, the budget and the optimizer of a run: all but loss, seed and images."""

    degradation: DegradationLike | None = None
    """The degradation: sr, denoise, jpeg, demosaic, or an expression such as "bicubic(2) | noise(0..25)" [default:
    jpeg, which is jpeg(10)]."""
    network: NetworkLike | None = None
    """The network: srresnet_small, srresnet, rrdbnet, fcn, or your own as import.path:Class
    [default: that of `init`, or else srresnet_small]."""
    init: Path | None = None
    """A model file whose weights training begins with: of lossmith, or any other that fits the network."""
    init_partial: bool = False
    """Take those weights of `init` that fit the network, and fresh ones for the rest."""
    steps: int | None = None
    """Budget in optimizer steps [default: 400, unless `minutes` is given]."""
    minutes: float | None = None
    """Budget in minutes of training per run, instead of steps."""
    patch: int = 64
    """Side of the clean training patches, in pixels."""
    batch: int = 16
    """Patches per step."""
    learning_rate: float = 1e-3
    """Adam's peak learning rate."""
    decay: Decay = "cosine"
    """Decay of the learning rate: cosine, to a hundredth, or none, both after a warm-up over a twentieth of the
    budget; fifths, halved after every fifth of it; or esrgan, halved after 1/8, 1/4, 1/2 and 3/4."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights, such as 0.999; 0 for no averaging."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the network; auto is bfloat16 on a CUDA device that has it, and float32 elsewhere."""
    on_nan: Literal["stop", "skip"] = "stop"
    """When a loss or a gradient is NaN or infinite: stop, with the state before that step saved; or skip the step,
    at most 10 in a row and 100 in a run. A stopped run may continue with another choice."""

    def __post_init__(self) -> None:
        if self.steps is not None and self.minutes is not None:
            raise LossmithError("give the budget as `steps` or as `minutes`, not both")
        if self.steps is None and self.minutes is None:
            object.__setattr__(self, "steps", 400)
        if callable(self.degradation):  # an object or a function, from Python
            object.__setattr__(self, "degradation", str(degradations.degradation(self.degradation)))
        if callable(self.network):
            object.__setattr__(self, "network", networks.network_expression(self.network))
        if isinstance(self.init, str):
            object.__setattr__(self, "init", Path(self.init))
        if self.network is None and self.init is None:
            object.__setattr__(self, "network", "srresnet_small")
        if self.init_partial and self.init is None:
            raise LossmithError("`init_partial` goes with `init`, which names the weights to begin with")
        for field in fields(self):
            check_type(field.name, getattr(self, field.name), field.type)
        for name in ("steps", "minutes", "patch", "batch", "learning_rate"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise LossmithError(f"`{name}` must be above 0 and finite, not {value}")
        if not 0 <= self.ema < 1:
            raise LossmithError(f"`ema` must be from 0 to below 1, not {self.ema}")

    @property
    def resume_key(self) -> dict[str, Any]:
        """The settings that must be the same for a run to be resumed, without its initial weights."""
        others = ("on_nan", "init", "init_partial")
        return {name: value for name, value in asdict(self).items() if name not in others}

    def per_device(self, devices: int) -> "Recipe":
        """The recipe as each of the devices sees it: with its share of the batch.

        Raises LossmithError when the batch cannot be divided evenly.

        >>> Recipe(batch=16).per_device(2).batch
        8
        >>> Recipe(batch=16).per_device(3)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        lossmith.core.errors.LossmithError: a batch of 16 cannot be divided among 3 devices; ...
        """
        if not isinstance(devices, int) or devices < 1:
            raise LossmithError(f"`devices` must be a whole number, at least 1, not {devices!r}")
        if self.batch % devices:
            raise LossmithError(
                f"a batch of {self.batch} cannot be divided among {devices} devices; let it be a multiple of "
                f"{devices}"
            )
        return replace(self, batch=self.batch // devices)

    @property
    def budget(self) -> str:
        """The budget as text, such as '400 steps'."""
        return counted(self.steps, "step") if self.steps else f"{self.minutes:g} minutes"


def check_type(name: str, value: Any, annotation: Any) -> None:
    """Raise LossmithError for a value whose type is not that of its field's annotation."""
    if value is None and NoneType in get_args(annotation):
        return
    kind = annotation if get_origin(annotation) is Literal else (*get_args(annotation), annotation)[0]
    if get_origin(kind) is Literal:
        fits, wanted = value in get_args(kind), " or ".join(get_args(kind))
    else:
        same = isinstance(value, Path) if kind is Path else type(value) is kind
        fits, wanted = same or (type(value) is int and kind is float), _TYPE_NAMES[kind]
    if not fits:
        raise LossmithError(f"`{name}` must be {wanted}, not {value!r}")


_TYPE_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", Path: "a file"}


@dataclass(frozen=True, kw_only=True)
class AdversarialRecipe:
    """Adversarial training in two stages: first under a plain loss, then against a discriminator."""

    discriminator: str | None = None
    """The discriminator: vgg, vgg_any, unet, or your own as import.path:Class. Training then has two stages, psnr
    and gan; loss, steps, learning_rate and decay are those of the second."""
    adversarial: str = "ragan"
    """The adversarial loss: gan, lsgan, hinge, wgan, ragan, ragan_basicsr, ralsgan, rahinge."""
    adversarial_weight: float = 5e-3
    """Weight of the adversarial loss in the restorer's loss."""
    discriminator_learning_rate: float | None = None
    """Peak learning rate of the discriminator [default: the restorer's]."""
    psnr_loss: str = "l1"
    """The loss of the first stage."""
    psnr_steps: int | None = None
    """Steps of the first stage [default: the budget of the second]."""
    psnr_learning_rate: float | None = None
    """Peak learning rate of the first stage [default: that of the second]."""
    psnr_decay: Decay | None = None
    """Decay of the learning rate of the first stage [default: that of the second]."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_type(field.name, value := getattr(self, field.name), field.type)
            if self.discriminator is None and value != field.default:
                raise LossmithError(f"`{field.name}` is for training against a discriminator, and none is named")
            if isinstance(value, int | float) and not 0 < value < math.inf:
                raise LossmithError(f"`{field.name}` must be above 0 and finite, not {value}")

    def pretrain_recipe(self, recipe: Recipe) -> Recipe:
        """The recipe of the first stage; `recipe` is that of the second."""
        return replace(
            recipe,
            steps=self.psnr_steps or recipe.steps,
            minutes=None if self.psnr_steps else recipe.minutes,
            learning_rate=self.psnr_learning_rate or recipe.learning_rate,
            decay=self.psnr_decay or recipe.decay,
        )

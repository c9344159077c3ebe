"""The settings with which a style is learned, or an image painted in it, and those that have a name."""

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Literal

from lossmith import networks
from lossmith.core.errors import LossmithError
from lossmith.training.recipe import Decay, Recipe, check_type

if TYPE_CHECKING:
    from lossmith.networks import NetworkLike
else:  # see Recipe
    NetworkLike = str

SHARED = (
    "network",
    "steps",
    "minutes",
    "patch",
    "batch",
    "learning_rate",
    "decay",
    "ema",
    "precision",
    "on_nan",
)
"""The settings that a style has in common with other trainings."""


@dataclass(frozen=True, kw_only=True)
class StyleObjective:
    """By what a style is judged: features, weights, and the size of the example; by default as published."""

    loss_network: str | None = None
    """The network whose features tell content and style, such as vgg16 or timm/resnet18 [default: vgg16, or the
    nearest whose weights are at hand]."""
    content_layers: str | None = None
    """Its layers for the content [default: relu2_2]."""
    style_layers: str | None = None
    """Its layers for the style [default: relu1_2 + relu2_2 + relu3_3 + relu4_3]."""
    content_weight: float = 1.0
    """Weight of the content. All three are as published, and are converted to the size of the features."""
    style_weight: float = 5.0
    """Weight of the style: less leaves more of the photograph, more is more of the painting."""
    tv_weight: float = 1e-6
    """Weight of the total variation: more is smoother."""
    style_size: int = 256
    """The shorter side that larger paintings are reduced to: less gives finer strokes."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_type(field.name, value := getattr(self, field.name), field.type)
            if field.name.endswith("_weight") and not 0 <= value < math.inf:
                raise LossmithError(f"`{field.name}` must be from 0 up and finite, not {value}")
        if not any((self.content_weight, self.style_weight, self.tv_weight)):
            raise LossmithError("one of `content_weight`, `style_weight` and `tv_weight` must be above 0")
        if self.style_size < 1:
            raise LossmithError(f"`style_size` must be above 0, not {self.style_size}")


@dataclass(frozen=True, kw_only=True)
class PaintingRecipe(StyleObjective):
    """How an image is painted without a model: by optimizing its pixels under the objective of a style."""

    iterations: int = 100
    """Iterations of L-BFGS, without a model: at each of up to three sizes, every one twice the one before."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.iterations < 1:
            raise LossmithError(f"`iterations` must be at least 1, not {self.iterations}")


@dataclass(frozen=True, kw_only=True)
class StyleRecipe(StyleObjective):
    """The network, the objective, the budget and the optimizer; by default those of Johnson et al."""

    network: NetworkLike = "transform_net"
    """The network that paints."""
    photo_size: int | None = None
    """The shorter side that photographs are resized to before patches are cut [default: that of the patches]."""
    steps: int | None = None
    """Budget in optimizer steps [default: 40,000, unless `minutes` is given]."""
    minutes: float | None = None
    """Budget in minutes of training, instead of steps."""
    patch: int = 256
    """Side of the training patches, in pixels."""
    batch: int = 4
    """Patches per step."""
    learning_rate: float = 1e-3
    """Adam's peak learning rate."""
    decay: Decay = "none"
    """Decay of the learning rate, as of `train`."""
    ema: float = 0.0
    """Decay of the exponential moving average of the weights, such as 0.999; 0 for no averaging."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Precision of the network that paints; auto is bfloat16 on a CUDA device that has it, else float32."""
    on_nan: Literal["stop", "skip"] = "stop"
    """When a loss or a gradient is NaN or infinite: stop, or skip the step, as of `train`."""

    def __post_init__(self) -> None:
        if self.steps is None and self.minutes is None:
            object.__setattr__(self, "steps", 40_000)
        if callable(self.network):  # an object or a function, from Python
            object.__setattr__(self, "network", networks.network_expression(self.network))
        super().__post_init__()
        _ = self.training  # which checks the others
        if self.photo_size is not None and self.photo_size < 1:
            raise LossmithError(f"`photo_size` must be above 0, not {self.photo_size}")
        if self.photo_size is not None and self.photo_size < self.patch:
            raise LossmithError(
                f"photographs of `photo_size` {self.photo_size} are too small for patches of {self.patch}"
            )

    @property
    def training(self) -> Recipe:
        """The settings of the run."""
        return Recipe(**{name: getattr(self, name) for name in SHARED})


STYLE_PRESETS = {
    "johnson": StyleRecipe(),
    # for two CPU cores: with instance normalization single patches do, and more steps matter more; so few steps do
    # not find the photograph under the published weight of the style, nor the painting's colors under larger steps
    "johnson_small": StyleRecipe(
        network="transform_net(width=0.5, blocks=3)",
        style_weight=0.5,
        steps=3_000,
        patch=128,
        photo_size=256,
        batch=1,
        learning_rate=5e-4,
        decay="cosine",
    ),
}
"""Recipes of styles by name, as in `learn_style(photos, **preset("johnson"))`."""

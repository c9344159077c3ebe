"""The settings of loss learning: everything but the image and its degradation."""

from dataclasses import dataclass, fields
from typing import Literal, get_args, get_origin

from lossmith.core.errors import LossmithError
from lossmith.degradations.checks import check_int, check_nonnegative


@dataclass(frozen=True, kw_only=True)
class LossRecipe:
    """The image pyramid, the networks, and the WGAN-GP training at each scale.

    The defaults take minutes on a CPU; `PUBLISHED` is the published procedure.
    """

    iterations: int = 150
    """Training iterations at each scale."""
    critic_steps: int = 1
    """Steps of the discriminator in an iteration."""
    generator_steps: int = 1
    """Steps of the generator in an iteration."""
    factor: float = 0.5
    """Ratio of the sides of one scale and the next finer one."""
    min_side: int = 96
    """Shorter side of the coarsest scale, in pixels, approximately."""
    max_side: int = 1024
    """Longer side of the finest scale, in pixels; larger images are downscaled to it."""
    width: int = 32
    """Channels of the discriminator and the generator at the coarsest scale."""
    max_width: int = 32
    """Largest number of channels; up to it they double every fourth scale."""
    input_scale: Literal["scale", "full"] = "scale"
    """Input of a discriminator as a part of the loss: images downscaled to the scale it was trained on, or full
    ones. For training, the degraded image is downscaled, or the degradation applied to the downscaled image."""
    crop: int = 40
    """Side of the square training crops, in pixels; 0 for the whole image."""
    batch: int = 4
    """Crops per step."""
    learning_rate: float = 5e-4
    """Adam's learning rate, for both networks."""
    gradient_penalty: float = 10.0
    """Weight of the gradient penalty: the larger, the smoother the features."""
    reconstruction_weight: float = 10.0
    """Weight of the mean squared error in the generator's loss."""
    fake_samples: Literal["path", "restored"] = "path"
    """What the discriminator learns to tell from clean crops: random interpolations of the degraded and the
    restored crop, in one batch with the clean ones; or restored crops, in a batch of their own."""
    balance: Literal["layers", "none"] = "layers"
    """Scale the features, so that discriminators are weighted by their pixels, and in each the head ten times as
    much as the body, and the scores next to nothing; or do not."""

    def __post_init__(self) -> None:
        for name in ("iterations", "critic_steps", "generator_steps", "min_side", "max_side", "width", "batch"):
            check_int("learn-loss", name, getattr(self, name), 1)
        for name in ("crop", "max_width"):
            check_int("learn-loss", name, getattr(self, name), 0)
        for name in ("learning_rate", "gradient_penalty", "reconstruction_weight", "factor"):
            check_nonnegative("learn-loss", name, getattr(self, name))
        if not 0 < self.factor < 1:
            raise LossmithError(f"`factor` must be between 0 and 1, not {self.factor}")
        if self.crop and self.crop < RECEPTIVE_FIELD:
            raise LossmithError(f"`crop` must be 0 or at least {RECEPTIVE_FIELD}, not {self.crop}")
        if min(self.min_side, self.max_side) < RECEPTIVE_FIELD:
            raise LossmithError(f"`min_side` and `max_side` must be at least {RECEPTIVE_FIELD}")
        if self.max_width < self.width:
            raise LossmithError(f"`max_width` must be at least `width`, {self.width}, not {self.max_width}")
        for field in fields(self):
            choices = get_args(field.type) if get_origin(field.type) is Literal else None
            if choices and (value := getattr(self, field.name)) not in choices:
                raise LossmithError(f"`{field.name}` must be {' or '.join(choices)}, not '{value}'")

    def width_at(self, scale: int) -> int:
        """Channels at a scale; 0 is the coarsest.

        >>> [PUBLISHED.width_at(k) for k in (0, 3, 4, 8)]
        [32, 32, 64, 128]
        """
        return min(self.width << (scale // 4), self.max_width)


RECEPTIVE_FIELD = 11
"""Side of the receptive field of a discriminator, in pixels: five unpadded 3 x 3 convolutions."""

PUBLISHED = LossRecipe(
    iterations=1000,
    critic_steps=3,
    generator_steps=3,
    factor=0.75,
    min_side=25,
    max_side=250,
    width=32,
    max_width=128,
    input_scale="full",
    crop=0,
    batch=1,
    gradient_penalty=0.1,
    fake_samples="restored",
    balance="none",
)
"""The published procedure: SinGAN's pyramid on the whole image, 3 + 3 steps per iteration, nine scales."""

"""What adversarial training needs beyond a recipe."""

import math
from dataclasses import dataclass, fields, replace

from lossmith.errors import LossmithError
from lossmith.training.recipe import Decay, Recipe, check_kind


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Adversarial training, in two stages: first under a plain loss, then against a critic."""

    critic: str | None = None
    """Train against a critic: vgg, vgg_any, unet, or your own as import.path:Class. A first stage, psnr, comes
    before it; loss, steps, learning_rate and decay are those of the second, gan."""
    adversarial: str = "ragan"
    """The adversarial loss: gan, lsgan, hinge, wgan, ragan, ragan_basicsr, ralsgan, rahinge."""
    adversarial_weight: float = 5e-3
    """Its weight in the restorer's loss."""
    critic_learning_rate: float | None = None
    """Of the critic [default: the restorer's]."""
    psnr_loss: str = "l1"
    """The loss of the first stage."""
    psnr_steps: int | None = None
    """Steps of the first stage [default: the budget of the second]."""
    psnr_learning_rate: float | None = None
    """Of the first stage [default: that of the second]."""
    psnr_decay: Decay | None = None
    """How the learning rate of the first stage goes [default: as in the second]."""

    def __post_init__(self) -> None:
        for field in fields(self):
            check_kind(field.name, value := getattr(self, field.name), field.type)
            if self.critic is None and value != field.default:
                raise LossmithError(f"{field.name} is for training against a critic, and none is named")
            if isinstance(value, int | float) and not 0 < value < math.inf:
                raise LossmithError(f"{field.name} must be above 0 and finite, not {value}")

    def first(self, recipe: Recipe) -> Recipe:
        """The recipe of the first stage, where `recipe` is that of the second."""
        return replace(
            recipe,
            steps=self.psnr_steps or recipe.steps,
            minutes=None if self.psnr_steps else recipe.minutes,
            learning_rate=self.psnr_learning_rate or recipe.learning_rate,
            decay=self.psnr_decay or recipe.decay,
        )

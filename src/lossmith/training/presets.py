"""Recipes by name."""

from typing import Any

from lossmith.core.errors import unknown_name_error
from lossmith.training.recipe import AdversarialRecipe, Recipe

PRESETS = {
    # Wang et al., ECCVW 2018; the million steps and the average are those of its authors' later toolbox
    "esrgan": (
        Recipe(
            degradation="bicubic(4)",
            network="rrdbnet",
            patch=128,
            batch=16,
            steps=400_000,
            learning_rate=1e-4,
            decay="esrgan",
            ema=0.999,
        ),
        AdversarialRecipe(discriminator="vgg", psnr_steps=1_000_000, psnr_learning_rate=2e-4, psnr_decay="fifths"),
    ),
    # for two CPU cores; nearest neighbors enlarge without the weave that pixel shuffles learn against a
    # discriminator
    "esrgan_small": (
        Recipe(
            degradation="bicubic(4)",
            network="rrdbnet(features=32, blocks=2, growth=16)",
            patch=64,
            batch=8,
            steps=3_000,
            learning_rate=2e-4,
            ema=0.99,
        ),
        # a discriminator without spectral normalization wins at once over a network so small
        AdversarialRecipe(
            discriminator="unet(features=16)",
            discriminator_learning_rate=1e-4,
            psnr_steps=8_000,
            psnr_learning_rate=1e-3,
        ),
    ),
}


def preset(name: str) -> dict[str, Any]:
    """The arguments of `train` that the recipe of that name consists of: `recipe` and `adversarial`.

    Raises LossmithError for a name that nobody knows.

    >>> preset("esrgan")["adversarial"].discriminator
    'vgg'
    """
    if name not in PRESETS:
        raise unknown_name_error("recipe", name, PRESETS)
    recipe, adversarial = PRESETS[name]
    return {"recipe": recipe, "adversarial": adversarial}

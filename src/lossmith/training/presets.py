"""Recipes by name, as in `train(data, **preset("esrgan"))` and `learn_style(photos, **preset("johnson"))`."""

from typing import Any

from lossmith.core.errors import unknown_name_error
from lossmith.training.recipe import AdversarialRecipe, Recipe
from lossmith.training.style_recipe import STYLE_PRESETS

PRESETS = {
    # Wang et al., ECCVW 2018; the million steps and the averaged weights are those of BasicSR, their toolbox
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
    # for two CPU cores; rrdbnet upsamples by nearest neighbors, and pixel shuffles learn a checkerboard against a
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
        # a discriminator without spectral normalization dominates so small a network at once
        AdversarialRecipe(
            discriminator="unet(features=16)",
            discriminator_learning_rate=1e-4,
            psnr_steps=8_000,
            psnr_learning_rate=1e-3,
        ),
    ),
}


def preset(name: str) -> dict[str, Any]:
    """The arguments of `train` or `learn_style` that belong to this name: `recipe`, and for `train` `adversarial`.

    Raises LossmithError for an unknown name.

    >>> preset("esrgan")["adversarial"].discriminator
    'vgg'
    """
    if name in STYLE_PRESETS:
        return {"recipe": STYLE_PRESETS[name]}
    if name not in PRESETS:
        raise unknown_name_error("recipe", name, [*PRESETS, *STYLE_PRESETS])
    recipe, adversarial = PRESETS[name]
    return {"recipe": recipe, "adversarial": adversarial}

"""Recipes by name, as in `train(data, **preset("esrgan"))` and `learn_style(photos, **preset("johnson"))`."""

from dataclasses import replace
from typing import Any

from lossmith.core.errors import unknown_name_error
from lossmith.training.recipe import AdversarialRecipe, Recipe
from lossmith.training.style_recipe import STYLE_PRESETS


def johnson_sr(scale: int, **others: Any) -> dict[str, Any]:
    """Super-resolution by features as Johnson et al. trained it, but for other settings of the recipe."""
    published = Recipe(
        degradation=f"blur(1) | bicubic({scale})",
        network="transform_net(norm=batch)",
        patch=288,
        batch=4,
        steps=200_000,
        learning_rate=1e-3,
        decay="none",
    )
    return {"loss": "johnson_at_hand", "recipe": replace(published, **others)}


PRESETS: dict[str, dict[str, Any]] = {
    # Wang et al., ECCVW 2018; the million steps and the averaged weights are those of BasicSR, their toolbox
    "esrgan": {
        "recipe": Recipe(
            degradation="bicubic(4)",
            network="rrdbnet",
            patch=128,
            batch=16,
            steps=400_000,
            learning_rate=1e-4,
            decay="esrgan",
            ema=0.999,
        ),
        "adversarial": AdversarialRecipe(
            discriminator="vgg", psnr_steps=1_000_000, psnr_learning_rate=2e-4, psnr_decay="fifths"
        ),
    },
    # for two CPU cores; rrdbnet upsamples by nearest neighbors, and pixel shuffles learn a checkerboard against a
    # discriminator
    "esrgan_small": {
        "recipe": Recipe(
            degradation="bicubic(4)",
            network="rrdbnet(features=32, blocks=2, growth=16)",
            patch=64,
            batch=8,
            steps=3_000,
            learning_rate=2e-4,
            ema=0.99,
        ),
        # a discriminator without spectral normalization dominates so small a network at once
        "adversarial": AdversarialRecipe(
            discriminator="unet(features=16)",
            discriminator_learning_rate=1e-4,
            psnr_steps=8_000,
            psnr_learning_rate=1e-3,
        ),
    },
    "johnson_sr": johnson_sr(4),
    "johnson_sr_x8": johnson_sr(8),
    # for two CPU cores; so few steps do not learn what the normalization of each batch takes out of its patches
    "johnson_sr_small": johnson_sr(
        4, network="transform_net(width=0.5, norm=none)", patch=72, batch=8, steps=2_000, decay="cosine"
    ),
}


def preset(name: str) -> dict[str, Any]:
    """The arguments of `train` or `learn_style` that belong to this name: `recipe`, for `train` others beside it.

    Raises LossmithError for an unknown name.

    >>> preset("esrgan")["adversarial"].discriminator, preset("johnson_sr")["loss"]
    ('vgg', 'johnson_at_hand')
    """
    if name in STYLE_PRESETS:
        return {"recipe": STYLE_PRESETS[name]}
    if name not in PRESETS:
        raise unknown_name_error("recipe", name, [*PRESETS, *STYLE_PRESETS])
    return dict(PRESETS[name])

"""Degradations of your own: functions of a clean image (3, H, W) in [0, 1].

In this folder, or wherever Python finds this module:

    lossmith train photos/ --degradation "custom_degradation:scanlines(strength=0.4)" --out runs/scanlines
    lossmith train photos/ --degradation "custom_degradation:dust(grains=5..50) | jpeg(40)" --out runs/dust
"""

import numpy as np
import torch
from torch import Tensor


def scanlines(clean: Tensor, strength: float = 0.5) -> Tensor:
    """Darken every second row. Nothing is random, so the training images are degraded once."""
    degraded = clean.clone()
    degraded[:, ::2] *= 1 - strength
    return degraded


scanlines.margin = 0  # type: ignore[attr-defined]
"""How many pixels beside a cut edge a crop may differ in from the degraded whole: none."""
scanlines.alignment = 2  # type: ignore[attr-defined]
"""Crops start on even rows, so that every crop has the dark rows where the whole image has them."""


def dust(clean: Tensor, rng: np.random.Generator, grains: int = 20) -> Tensor:
    """White specks at random places. A parameter `rng` makes a degradation random: it is drawn for every patch."""
    _, height, width = clean.shape
    degraded = clean.clone()
    rows, columns = rng.integers(0, height, grains), rng.integers(0, width, grains)
    degraded[:, torch.from_numpy(rows), torch.from_numpy(columns)] = 1.0
    return degraded


dust.margin = 0  # type: ignore[attr-defined]

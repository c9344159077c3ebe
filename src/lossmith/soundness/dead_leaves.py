"""Pictures with the statistics of photographs that need no file: dead leaves."""

import torch
from torch import Tensor

PIXELS_PER_LEAF = 12
"""So that hardly any place is left bare."""
DARKEST, BRIGHTEST = 0.1, 0.9
"""Of the leaves' brightness."""
LEAST_RADIUS = 1.0
"""In pixels; the largest is half of the longer side."""
CHROMA = 0.12
"""Standard deviation of the colors of leaves around their brightness."""
SHADING = 0.15
"""How much brighter a leaf is at one side than at the other, at most."""
TEXTURE = 0.015
"""Standard deviation of the texture."""


def dead_leaves(shape: tuple[int, int, int, int], seed: int = 0) -> Tensor:
    """Pictures (N, C, H, W) in [0, 1], float32: disks and rectangles that cover one another.

    The density of the radii falls with their third power, so the pictures look alike at every scale, with edges,
    flat places and a spectrum as photographs have them. Leaves have a color and a shade from side to side; a
    little noise is their texture. The same seed gives the same pictures.

    Source: Lee et al., "Occlusion models for natural images: a statistical study of a scale-invariant dead leaves
    model", 2001.

    >>> dead_leaves((2, 3, 32, 48)).shape
    torch.Size([2, 3, 32, 48])
    """
    generator = torch.Generator().manual_seed(seed)
    return torch.stack([_picture(shape[1:], generator) for _ in range(shape[0])])


def _picture(shape: tuple[int, int, int], generator: torch.Generator) -> Tensor:
    channels, height, width = shape

    def places(start: int, end: int) -> Tensor:
        """The middles of pixels."""
        return torch.arange(start, end, dtype=torch.float32) + 0.5

    def uniform(*size: int) -> Tensor:
        return torch.rand(size, generator=generator, dtype=torch.float32)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float32)

    leaves = 1 + height * width // PIXELS_PER_LEAF
    radii = _radii(uniform(leaves), max(height, width) / 2)
    centers = uniform(leaves, 2) * torch.tensor([height, width])
    stretches = 0.5 + uniform(leaves)
    disks = uniform(leaves) < 0.5
    brightness = DARKEST + (BRIGHTEST - DARKEST) * uniform(leaves, 1)
    colors = brightness + CHROMA * normal(leaves, channels)
    slopes = SHADING * (uniform(leaves, 2) - 0.5)
    picture = colors[0, :, None, None].expand(shape).clone()
    for radius, center, stretch, disk, color, slope in zip(
        radii.tolist(), centers.tolist(), stretches.tolist(), disks.tolist(), colors, slopes.tolist(), strict=True
    ):
        sides = (radius * stretch, radius / stretch)
        (top, down), (left, right) = (
            (max(0, int(middle - half - 1)), min(side, int(middle + half + 2)))
            for middle, half, side in zip(center, sides, (height, width), strict=True)
        )
        rows = ((places(top, down) - center[0]) / sides[0])[:, None]
        columns = (places(left, right) - center[1]) / sides[1]
        far = (rows.square() + columns.square()).sqrt() if disk else torch.maximum(rows.abs(), columns.abs())
        cover = ((1 - far) * min(sides) + 0.5).clamp(0, 1)  # edges are one pixel wide
        leaf = color[:, None, None] + slope[0] * rows + slope[1] * columns
        picture[:, top:down, left:right].lerp_(leaf, cover.expand_as(leaf))
    return (picture + TEXTURE * normal(*shape)).clamp(0, 1)


def _radii(uniform: Tensor, largest: float) -> Tensor:
    """Numbers between the least radius and `largest` whose density falls with the third power."""
    least, most = LEAST_RADIUS**-2, max(largest, LEAST_RADIUS) ** -2
    return (least + uniform * (most - least)).rsqrt()


__all__ = ["dead_leaves"]

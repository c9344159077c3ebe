"""Chains of degradations."""

from collections.abc import Callable, Sequence
from math import lcm

import numpy as np
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.degradations.base import Degradation


class Chain(Degradation):
    """Degradations applied one after the other, written `a | b | c`; `a` is applied first.

    The scale is the product of the links' scales; a chain is random if any link is.

    Parameters
    ----------
    links
        The degradations in order, at least one; chains among them are flattened.

    Examples
    --------
    >>> from lossmith.degradations import degradation
    >>> chain = degradation("bicubic(2) | noise(5) | jpeg(50)")
    >>> chain.scale, chain.random, chain.margin, chain.alignment
    (2, True, 36, 32)
    >>> [str(part) for part in chain.split_deterministic()]
    ['bicubic(2)', 'noise(5) | jpeg(50)']
    """

    name = "chain"

    def __init__(self, links: Sequence[Degradation]) -> None:
        if not links:
            raise LossmithError("chain: needs at least one degradation")
        flat = (link.links if isinstance(link, Chain) else (link,) for link in links)
        self.links: tuple[Degradation, ...] = tuple(link for group in flat for link in group)
        self._scales = [1]
        for link in self.links:
            self._scales.append(self._scales[-1] * link.scale)
        self.scale = self._scales[-1]
        self.pixels = self.links[0].pixels

    @property
    def random(self) -> bool:
        return any(link.random for link in self.links)

    @property
    def has_ranges(self) -> bool:
        return any(link.has_ranges for link in self.links)

    def at(self, position: Callable[[], float]) -> "Chain":
        return Chain([link.at(position) for link in self.links])

    @property
    def margin(self) -> int:
        margin = sum(scale * link.margin for scale, link in zip(self._scales, self.links, strict=False))
        return -(-margin // self.scale) * self.scale

    @property
    def alignment(self) -> int:
        grids = (scale * link.alignment for scale, link in zip(self._scales, self.links, strict=False))
        return lcm(self.scale, *grids)

    def for_gray(self) -> "Chain":
        links, gray = [], True
        for link in self.links:
            links.append(link.for_gray() if gray else link)
            gray = gray and link.keeps_gray
        return Chain(links)

    def for_pixels(self, pixels: PixelFormat) -> "Chain":
        return Chain([link.for_pixels(pixels) for link in self.links])

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        for link in self.links:
            clean = link(clean, rng)
        return clean

    def split_deterministic(self) -> tuple[Degradation | None, Degradation | None]:
        """The links before the first random one, and the others; None for no links."""
        first = next((i for i, link in enumerate(self.links) if link.random), len(self.links))
        return compose(self.links[:first]), compose(self.links[first:])

    def __str__(self) -> str:
        return " | ".join(map(str, self.links))

    def __repr__(self) -> str:
        return f"Chain({list(self.links)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Chain) and self.links == other.links

    def __hash__(self) -> int:
        return hash(self.links)


def compose(links: Sequence[Degradation]) -> Degradation | None:
    """The chain of several links; the link itself if there is only one, None if there is none."""
    if len(links) < 2:
        return links[0] if links else None
    return Chain(links)

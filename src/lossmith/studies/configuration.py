"""What is compared in a study: one layer of one network, with its weights or with random ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lossmith.losses import perceptual

if TYPE_CHECKING:
    from lossmith.losses.perceptual import FeatureExtractor, PerceptualLoss

Weights = Literal["trained", "random", "both"]
"""Which weights the networks of a study have."""


@dataclass(frozen=True)
class Configuration:
    """A layer of a loss network; without a network, the baseline of a benchmark, which compares no features."""

    network: str | None = None
    """A name as in `features(...)`, such as squeezenet1_1, or None for the baseline."""
    layer: str = ""
    random: bool = False
    """Random weights in the place of trained ones."""

    @property
    def name(self) -> str:
        """What tables call it.

        >>> Configuration("squeezenet1_1", "fire2").name, Configuration("vgg11", "relu1_1", random=True).name
        ('squeezenet1_1:fire2', 'vgg11:relu1_1 (random)')
        >>> Configuration().name
        'baseline'
        """
        if self.network is None:
            return "baseline"
        return f"{self.network}:{self.layer}{' (random)' if self.random else ''}"

    @property
    def weights(self) -> str | None:
        """As losses take them."""
        return "random" if self.random else None

    def loss(self, normalize: str | None) -> PerceptualLoss:
        """The mean squared difference of the feature maps, as the paper trains with it."""
        with drawn_alike(self._network):
            return perceptual.PerceptualLoss(
                self._network, self.layer, "l2", weights=self.weights, normalize=normalize
            )

    def extractor(self, normalize: str | None) -> FeatureExtractor:
        """What gives the feature maps."""
        with drawn_alike(self._network):
            return perceptual.FeatureExtractor(self._network, [self.layer], self.weights, normalize)

    @property
    def _network(self) -> str:
        if self.network is None:
            raise ValueError("the baseline has no network")
        return self.network


@contextmanager
def drawn_alike(network: str) -> Iterator[None]:
    """Where a network is made: one of the user's that draws its weights then draws the same ones in every run."""
    if ":" not in network:
        yield
        return
    import torch

    with torch.random.fork_rng([]):
        torch.manual_seed(0)
        yield


__all__ = ["Configuration", "Weights", "drawn_alike"]

"""Weights of channels learned from people's choices, the form "lin" of LPIPS.

The network is frozen, and the distance is linear in the mean squared difference of each channel; so these are all
that training needs, and the network sees every patch once. Dropout, which LPIPS applies to the squared difference
at every position, changes these means by random amounts whose variances are known: they are drawn from normal
distributions.

Source: Zhang et al., The unreasonable effectiveness of deep features as a perceptual metric, CVPR 2018, and its
scripts: a network from both distances to the probability of a choice, cross entropy with what people chose, Adam
with betas (0.5, 0.999), the second half of the epochs with a learning rate that falls to 0.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lossmith.studies.fitting import batches, fit

EPSILON = 0.1
"""Added to the denominators of ratios of distances."""
HIDDEN = 32


@dataclass(frozen=True)
class Comparisons:
    """Two pictures compared with a reference, and the choice of people, for N triplets."""

    means: Tensor
    """Mean squared differences of the first and the second picture in C channels, (2, N, C)."""
    variances: Tensor
    """Of these under dropout, (2, N, C)."""
    choices: Tensor
    """The fraction of people for whom the second is nearer, (N,)."""


class ChoiceModel(nn.Module):
    """A distance with weights of channels, and a network that predicts choices from two distances.

    Parameters
    ----------
    channels
        How many.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weights = nn.Linear(channels, 1, bias=False)
        self.choice = nn.Sequential(
            *(nn.Linear(5, HIDDEN), nn.LeakyReLU(0.2)),
            *(nn.Linear(HIDDEN, HIDDEN), nn.LeakyReLU(0.2)),
            nn.Linear(HIDDEN, 1),
        )

    def distance(self, channels: Tensor) -> Tensor:
        """The weighted sum of mean squared differences, (N, C) to (N,)."""
        distance: Tensor = self.weights(channels)
        return distance[:, 0]

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """The logit of the probability that people find the second nearer, (N,), from (N, C) each."""
        a, b = self.distance(first), self.distance(second)
        logit: Tensor = self.choice(torch.stack([a, b, a - b, a / (b + EPSILON), b / (a + EPSILON)], 1))
        return logit[:, 0]

    @torch.no_grad()
    def clamp(self) -> None:
        """Make negative weights of channels zero."""
        self.weights.weight.clamp_(min=0)


def learn_weights(data: Comparisons, epochs: int, batch_size: int, seed: int, checkpoint: Path) -> Tensor:
    """Weights of channels, (C,), none negative, that agree best with people's choices; see `fit`."""
    _, count, channels = data.means.shape
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = ChoiceModel(channels)
    size = min(batch_size, count)
    batch = batches(count, size, seed)

    def objective(step: int) -> Tensor:
        model.clamp()  # after the step before
        index = torch.from_numpy(batch(step))
        noise = np.random.default_rng((seed, step)).standard_normal((2, size, channels), np.float32)
        noisy = data.means[:, index] + data.variances[:, index].sqrt() * torch.from_numpy(noise)
        logits = model(*noisy.clamp(min=0))
        return nn.functional.binary_cross_entropy_with_logits(logits, data.choices[index])

    steps = -(-epochs * count // size)
    fit(model, objective, steps, checkpoint, "weights of channels", betas=(0.5, 0.999), schedule=falling)
    model.clamp()
    return model.weights.weight.detach()[0]


def falling(progress: float) -> float:
    """The factor of the learning rate: 1 in the first half, then falling to 0.

    >>> falling(0.25), falling(0.75), falling(1.0)
    (1.0, 0.5, 0.0)
    """
    return min(1.0, 2 - 2 * progress)


__all__ = ["ChoiceModel", "Comparisons", "learn_weights"]

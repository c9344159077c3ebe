"""How distances agree with people's choices in BAPPS, before and after weights of channels are learned."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lossmith.core.progress import ProgressBar
from lossmith.metrics import Metric
from lossmith.studies.benchmark import Scale
from lossmith.studies.benchmarks.similarity.agreement import (
    JND,
    TWO_AFC,
    TWO_AFC_LIN,
    Array,
    Indices,
    average_precision,
    replicates,
    two_afc,
    with_interval,
)
from lossmith.studies.benchmarks.similarity.bapps import Bapps, Split
from lossmith.studies.benchmarks.similarity.distance import LayerDistance
from lossmith.studies.benchmarks.similarity.linear import Comparisons, learn_weights
from lossmith.studies.benchmarks.similarity.measurements import Measurements


class Effort(NamedTuple):
    """What is done at a scale."""

    patches: int | None
    """Items of each split; None for all."""
    epochs: int
    """In which weights of channels are learned."""
    batch: int
    """Triplets in a batch of these."""


EFFORTS: dict[Scale, Effort] = {
    "tiny": Effort(12, 10, 12),
    "small": Effort(300, 40, 50),
    "full": Effort(None, 10, 256),
}
"""The last as published: 5 epochs, and 5 more with a falling learning rate."""
PATCHES_AT_ONCE = 25
"""Items whose patches a network sees at once."""


class Statistic(NamedTuple):
    """A score of any items of a split, by their numbers."""

    items: int
    """How many there are."""
    value: Callable[[Indices], float]


def agreements(
    distance: LayerDistance, data: Bapps, scale: Scale, seed: int, measurements: Measurements
) -> dict[str, float]:
    """The scores that `Similarity` documents, of BAPPS."""

    def measured(split: Split) -> Tensor:
        return measurements.once(split.name, partial(channel_differences, distance, split))

    triplets = [(split, measured(split)) for split in data.two_afc]
    scores = _mean_over_kinds(TWO_AFC, {split.kind: _two_afc(split, channels) for split, channels in triplets})
    scores |= _mean_over_kinds(JND, {split.kind: _jnd(split, measured(split)) for split in data.jnd})
    if data.train and triplets:
        moments = [
            measurements.once(split.name, partial(dropout_moments, distance, split)) for split in data.train
        ]
        choices = torch.from_numpy(np.concatenate([split.judgements for split in data.train])).float()
        means, variances = torch.cat(moments, 2)
        comparisons = Comparisons(means, variances, choices)
        _, epochs, batch = EFFORTS[scale]
        weights = learn_weights(comparisons, epochs, batch, seed, measurements.path("weights"))
        learned = {split.kind: _two_afc(split, channels * weights) for split, channels in triplets}
        scores |= _mean_over_kinds(TWO_AFC_LIN, learned)
    return scores


def _two_afc(split: Split, channels: Tensor) -> Statistic:
    first, second = _distances(channels)
    agreement = two_afc(first, second, split.judgements)
    return Statistic(len(split), lambda items: float(agreement[items].mean()))


def _jnd(split: Split, channels: Tensor) -> Statistic:
    (distances,) = _distances(channels)
    return Statistic(len(split), lambda items: average_precision(distances[items], split.judgements[items]))


def _distances(channels: Tensor) -> Array:
    """(pictures, N, C) to (pictures, N)."""
    distances: Array = channels.double().sum(2).numpy()
    return distances


def _mean_over_kinds(metric: Metric, statistics: Mapping[str, Statistic]) -> dict[str, float]:
    """The mean of a statistic over kinds, with its interval, and its value for each kind; nothing for no kinds.

    The items of each kind are drawn for themselves.
    """
    if not statistics:
        return {}
    values = {kind: value(np.arange(items)) for kind, (items, value) in statistics.items()}
    draws = [
        replicates(value, [np.array([item]) for item in range(items)], seed)
        for seed, (items, value) in enumerate(statistics.values())
    ]
    fewest = min(items for items, _ in statistics.values())
    mean = float(np.mean([*values.values()]))
    kinds = {f"{metric.name}_{kind}": value for kind, value in values.items()}
    return with_interval(metric, mean, np.mean(draws, 0), fewest) | kinds


def channel_differences(distance: LayerDistance, split: Split) -> Tensor:
    """The mean squared differences between references and their one or two pictures, (pictures, N, C)."""
    return torch.cat([_compare(distance.channels, parts) for parts in _features(distance, split)], 1)


def dropout_moments(distance: LayerDistance, split: Split) -> Tensor:
    """Means and variances under dropout of squared differences between references and pictures, (2, 2, N, C)."""
    moments = [
        torch.stack([_compare(moment, parts) for moment in (distance.channels, distance.dropout_variances)])
        for parts in _features(distance, split)
    ]
    return torch.cat(moments, 2)


def _compare(comparison: Callable[[Tensor, Tensor], Tensor], features: list[Tensor]) -> Tensor:
    """All but the first compared with the first."""
    reference, *others = features
    return torch.stack([comparison(other, reference) for other in others]).cpu()


def _features(distance: LayerDistance, split: Split) -> Iterator[list[Tensor]]:
    """The features of the patches of a split, batch by batch, the reference first."""
    with ProgressBar(split.name) as bar:
        finished = 0
        for patches in split.batches(PATCHES_AT_ONCE):
            yield [distance.features(patch) for patch in patches]
            bar.count(finished := finished + len(patches[0]), len(split))


__all__ = ["EFFORTS", "Effort", "agreements", "channel_differences", "dropout_moments"]

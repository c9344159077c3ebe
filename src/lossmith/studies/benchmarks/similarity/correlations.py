"""How distances correlate with people's scores in a table."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby

import numpy as np
import torch

from lossmith.core.progress import ProgressBar
from lossmith.data import read_image
from lossmith.metrics import Metric
from lossmith.studies.benchmarks.similarity.agreement import (
    KENDALL,
    SPEARMAN,
    Array,
    Indices,
    kendall,
    replicates,
    spearman,
    with_interval,
)
from lossmith.studies.benchmarks.similarity.distance import LayerDistance
from lossmith.studies.benchmarks.similarity.table import RatedPictures

CORRELATIONS: tuple[tuple[Metric, Callable[[Array, Array], float]], ...] = (
    (SPEARMAN, spearman),
    (KENDALL, kendall),
)


def correlations(distance: LayerDistance, data: RatedPictures) -> dict[str, float]:
    """The scores that `Similarity` documents, of a table."""
    distances = picture_distances(distance, data)
    quality = np.array([picture.quality for picture in data.pictures])
    references = _groups([str(picture.reference) for picture in data.pictures])
    kinds = _groups([picture.kind for picture in data.pictures])

    def among(correlation: Callable[[Array, Array], float], items: Indices) -> float:
        return correlation(distances[items], quality[items])

    scores: dict[str, float] = {}
    for metric, correlation in CORRELATIONS:
        value = correlation(distances, quality)
        draws = replicates(partial(among, correlation), list(references.values()), seed=0)
        scores |= with_interval(metric, value, draws, len(references))
        scores |= {f"{metric.name}_{kind}": among(correlation, items) for kind, items in kinds.items() if kind}
    return scores


def picture_distances(distance: LayerDistance, data: RatedPictures) -> Array:
    """The distance of each picture to its reference, (N,). The features of a reference are computed once."""
    values = torch.zeros(len(data.pictures), dtype=torch.float64)
    order = sorted(range(len(values)), key=lambda index: data.pictures[index].reference)
    with ProgressBar("distances") as bar:
        finished = 0
        for path, indices in groupby(order, key=lambda index: data.pictures[index].reference):
            reference = distance.features(read_image(path)[None])
            for index in indices:
                distorted = distance.features(read_image(data.pictures[index].distorted)[None])
                values[index] = distance.channels(distorted, reference).sum()
                bar.count(finished := finished + 1, len(values))
    distances: Array = values.numpy()
    return distances


def _groups(names: Sequence[str]) -> dict[str, Indices]:
    """The numbers of the items of each name.

    >>> {name: items.tolist() for name, items in _groups(["a", "b", "a"]).items()}
    {'a': [0, 2], 'b': [1]}
    """
    return {name: np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)}


__all__ = ["correlations", "picture_distances"]

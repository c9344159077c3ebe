"""How distances correlate with people's scores in a table."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

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
from lossmith.studies.benchmarks.similarity.measurements import Measurements
from lossmith.studies.benchmarks.similarity.table import RatedPictures

CORRELATIONS: tuple[tuple[Metric, Callable[[Array, Array], float]], ...] = (
    (SPEARMAN, spearman),
    (KENDALL, kendall),
)


def correlations(distance: LayerDistance, data: RatedPictures, measurements: Measurements) -> dict[str, float]:
    """The scores that `Similarity` documents, of a table."""
    quality = np.array([picture.quality for picture in data.pictures])
    references = _groups([str(picture.reference) for picture in data.pictures])
    distances = np.empty_like(quality)
    with ProgressBar("distances") as bar:
        for number, (reference, items) in enumerate(references.items()):
            paths = [data.pictures[item].distorted for item in items]
            measure = partial(reference_distances, distance, Path(reference), paths)
            distances[items] = measurements.once(f"reference {number}", measure).numpy()
            bar.count(number + 1, len(references))
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


def reference_distances(distance: LayerDistance, reference: Path, distorted: Sequence[Path]) -> Tensor:
    """The distances of pictures to their reference, float64 (N,); its features are computed once."""
    features = distance.features(read_image(reference)[None])
    values = [distance.channels(distance.features(read_image(path)[None]), features).sum() for path in distorted]
    return torch.stack(values).double().cpu()


def _groups(names: Sequence[str]) -> dict[str, Indices]:
    """The numbers of the items of each name.

    >>> {name: items.tolist() for name, items in _groups(["a", "b", "a"]).items()}
    {'a': [0, 2], 'b': [1]}
    """
    return {name: np.flatnonzero(np.array(names) == name) for name in dict.fromkeys(names)}


__all__ = ["correlations", "reference_distances"]

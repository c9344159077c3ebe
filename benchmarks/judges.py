"""How far each metric agrees with people: the rank correlation of its scores with theirs, as a Markdown table.

    LOSSMITH_DATA=... LOSSMITH_WEIGHTS=... python benchmarks/judges.py  # 2 minutes
    python benchmarks/judges.py my/table.csv  # columns reference, distorted, score (or mos, or dmos), kind

Of every metric whose weights are at hand, under the protocol "RGB, no crop, rounded to 8 bits": Spearman's rank
correlation over all pictures and within each kind of distortion, 1 being people's own order, with 95 % intervals
from a bootstrap over the references. NIQE is taken with our statistics of pristine photographs, and with the
authors' where their file is in LOSSMITH_WEIGHTS; EfficientNet-Lite0 also stage by stage.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lossmith.data import read_image
from lossmith.losses.perceptual.efficientnet_lite import LAYERS
from lossmith.losses.perceptual.lpips import UnitFeatureDistance
from lossmith.losses.perceptual.weights import find_file
from lossmith.metrics import (
    METRICS,
    NO_REFERENCE_METRICS,
    available_deep_metrics,
    metric_function,
    niqe,
)
from lossmith.studies.benchmarks.similarity.agreement import interval, replicates, spearman
from lossmith.studies.benchmarks.similarity.table import RatedPicture, read_table

Judge = Callable[[Tensor, Tensor], float]
"""A score of (distorted, reference), both (1, 3, H, W) in [0, 1]; lower is better."""
AUTHORS_NIQE = ("modelparameters.mat", "niqe/matlab/modelparameters.mat")


def judges() -> dict[str, Judge]:
    """All that are at hand, by label."""
    metrics = {**METRICS, **available_deep_metrics(), **NO_REFERENCE_METRICS}
    of_label: dict[str, Judge] = {
        metric.label: partial(_score, metric_function(name), -1 if metric.higher_is_better else 1)
        for name, metric in metrics.items()
    }
    if file := find_file(AUTHORS_NIQE):
        of_label["NIQE, the authors' statistics"] = partial(_score, partial(niqe, model=str(file)), 1)
    if "efficientnet_lite0" in metrics:
        for layer in LAYERS:
            distance = UnitFeatureDistance("efficientnet_lite0", [layer])
            of_label[f"EfficientNet-Lite0, `{layer}` alone"] = partial(_distance, distance)
    return of_label


def _score(function: Callable[..., Tensor], sign: int, distorted: Tensor, reference: Tensor) -> float:
    return sign * function(distorted, reference, round_to_8bit=True).item()


def _distance(distance: UnitFeatureDistance, distorted: Tensor, reference: Tensor) -> float:
    return float(distance(distorted.float(), reference.float()))


def agreement(scores: NDArray[np.float64], pictures: Sequence[RatedPicture], kind: str | None) -> str:
    """The correlation of the pictures of a kind, or of all, with its interval."""
    chosen = [n for n, picture in enumerate(pictures) if kind in (None, picture.kind)]
    quality = np.array([picture.quality for picture in pictures])
    references = [str(pictures[n].reference) for n in chosen]
    groups = [
        np.array([n for n in chosen if str(pictures[n].reference) == name]) for name in dict.fromkeys(references)
    ]
    value = spearman(scores[chosen], quality[chosen])
    draws = replicates(lambda items: spearman(scores[items], quality[items]), groups, seed=0)
    low, high = interval(value, draws, len(groups))
    return f"{value:.3f} ({low:.2f} to {high:.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?", help="default: that of $LOSSMITH_DATA/iqa/LIVE_subset")
    options = parser.parse_args()
    table = options.table or Path(os.environ["LOSSMITH_DATA"]) / "iqa" / "LIVE_subset" / "dmos.csv"
    pictures = read_table(table).pictures
    candidates = judges()
    scores = {label: np.empty(len(pictures)) for label in candidates}
    with torch.no_grad():
        for number, picture in enumerate(pictures):
            pair = [read_image(path)[None].double() / 255 for path in (picture.distorted, picture.reference)]
            for label, judge in candidates.items():
                scores[label][number] = judge(*pair)
    kinds = [kind for kind in dict.fromkeys(picture.kind for picture in pictures) if kind]
    counts = [sum(picture.kind == kind for picture in pictures) for kind in kinds]
    heads = [f"all {len(pictures)}", *(f"{kind} ({count})" for kind, count in zip(kinds, counts, strict=True))]
    print("| metric |", " | ".join(heads), "|")
    print("| --- " * (len(heads) + 1) + "|")
    rank = {label: -spearman(scores[label], np.array([p.quality for p in pictures])) for label in candidates}
    for label in sorted(candidates, key=lambda label: rank[label]):
        cells = [agreement(scores[label], pictures, kind) for kind in (None, *kinds)]
        print(f"| {label} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()

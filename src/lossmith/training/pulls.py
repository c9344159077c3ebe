"""Which term of a loss pulls how much on the restored images, and against which: measured at looks in a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite, nan, sqrt
from typing import Any, Self

import torch
from torch import Tensor

from lossmith.losses.gradients import term_gradients
from lossmith.training.distributed.collectives import all_reduce_mean
from lossmith.training.module import StepMetrics

LOOKS_PER_RUN = 10
"""Looks in a run, at equal distances of its budget, beside what `LEAST_STEPS` leaves out."""
LEAST_STEPS = 100
"""Steps from one look to the next, so that all of them cost less than a hundredth of a run."""
SHARE, COSINE = "share of {}", "cosine of {} and {}"
"""The names of a look's metrics."""


def is_pull(name: str) -> bool:
    """Whether a metric of a step or a column of `metrics.csv` is a share or a cosine.

    >>> is_pull("share of 0.1*ssim"), is_pull("cosine of l1 and 0.1*ssim"), is_pull("0.1*ssim")
    (True, True, False)
    """
    return name.startswith((SHARE.format(""), COSINE.partition("{}")[0]))


@dataclass(frozen=True)
class Pulls:
    """What the looks of one run saw, each list in the order of `steps`; NaN where something has no value."""

    steps: list[int]
    shares: dict[str, list[float]]
    """By term, 0 to 1: the norm of its gradient to the restored images over the sum of the norms of all terms."""
    cosines: dict[tuple[str, str], list[float]]
    """Of the angles between the gradients of two terms, -1 (one undoes the other) to 1 (both want the same)."""

    @classmethod
    def read(cls, rows: Sequence[Mapping[str, str]]) -> Self:
        """What the rows of `metrics.csv` say; nothing of a loss of one term, or of a run of an earlier version."""
        names = [name for name in rows[0] if is_pull(name)] if rows else []
        looks = [row for row in rows if any(row[name] for name in names)]

        def column(name: str) -> list[float]:
            return [float(row[name] or nan) for row in looks]

        terms = [name.removeprefix(SHARE.format("")) for name in names if name.startswith(SHARE.format(""))]
        pairs = [pair for pair in combinations(terms, 2) if COSINE.format(*pair) in names]
        return cls(
            [int(row["step"]) for row in looks],
            {term: column(SHARE.format(term)) for term in terms},
            {pair: column(COSINE.format(*pair)) for pair in pairs},
        )


class GradientLooks:
    """Looks, at intervals of a run, at the gradients of a loss's terms to the restored images.

    The first look is at the first step; then one at the first step after each tenth of the budget, unless the look
    before is less than `LEAST_STEPS` ago. Both are known in every process, so all processes look together. A loss
    of one term, or a stage of a schedule that has one, is not looked at.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._latest: dict[str, int] | None = None  # the step and the tenth of the latest look
        self._is_looking = False

    def measure(self, terms: StepMetrics, restored: Tensor, progress: float) -> StepMetrics:
        """The shares and cosines of the terms of a step, if a look is due; else nothing.

        Values that are not finite are left out, and so is everything in a step whose gradients are not.

        Parameters
        ----------
        terms
            The terms of the loss, whose graph is kept.
        restored
            The images, (N, C, H, W), that the terms were computed from.
        progress
            The spent fraction of the budget, 0 to 1.
        """
        self._is_looking = len(terms) > 1 and self._is_due(progress)
        if not self._is_looking:
            return {}
        gradients = term_gradients(terms, restored)
        products = all_reduce_mean({"products": inner_products(list(gradients.values()))})["products"]
        values = shares_and_cosines(list(gradients), products.tolist())  # waits for the device, but at looks only
        return {name: torch.tensor(value, device=restored.device) for name, value in values.items()}

    def advance(self, progress: float) -> None:
        """Count the step; one that is undone is not to be counted, so that the next one looks in its place."""
        if self._is_looking:
            self._latest = {"step": self._steps, "tenth": int(LOOKS_PER_RUN * progress)}
        self._steps += 1

    def _is_due(self, progress: float) -> bool:
        if self._latest is None:
            return True
        is_later = int(LOOKS_PER_RUN * progress) > self._latest["tenth"]
        return is_later and self._steps - self._latest["step"] >= LEAST_STEPS

    def state_dict(self) -> dict[str, Any]:
        return {"steps": self._steps, "latest": self._latest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._steps, self._latest = state["steps"], state["latest"]


def inner_products(gradients: Sequence[Tensor]) -> Tensor:
    """The inner products of T gradients of one shape with each other, (T, T) in float64.

    Those of a part of a batch are a part of those of the whole, but for a factor that all of them share.
    """
    vectors = torch.stack([gradient.detach().flatten() for gradient in gradients]).double()
    return vectors @ vectors.T


def shares_and_cosines(terms: Sequence[str], products: Sequence[Sequence[float]]) -> dict[str, float]:
    """The metrics of a look from the inner products of the terms' gradients; none unless all are finite.

    >>> shares_and_cosines("ab", [[9.0, -3.0], [-3.0, 1.0]])
    {'share of a': 0.75, 'share of b': 0.25, 'cosine of a and b': -1.0}
    """
    norms = [sqrt(row[index]) for index, row in enumerate(products)]
    if not any(norms) or not all(isfinite(product) for row in products for product in row):
        return {}
    shares = {SHARE.format(term): norm / sum(norms) for term, norm in zip(terms, norms, strict=True)}
    cosines = {
        COSINE.format(terms[i], terms[j]): max(-1.0, min(1.0, products[i][j] / (norms[i] * norms[j])))
        for i, j in combinations(range(len(terms)), 2)
        if norms[i] and norms[j]
    }
    return shares | cosines


__all__ = ["GradientLooks", "Pulls", "is_pull"]

"""Which term of a loss pulls how much on the restored images, and against which: measured at looks in a run."""

from collections.abc import Sequence
from itertools import combinations
from math import isfinite, sqrt
from typing import Any

import torch
from torch import Tensor

from lossmith.evaluation.pulls import COSINE, SHARE
from lossmith.losses.gradients import term_gradients
from lossmith.training.distributed.collectives import all_reduce_mean
from lossmith.training.module import StepMetrics

LOOKS_PER_RUN = 10
"""Looks in a run, at equal distances of its budget, beside what `LEAST_STEPS` leaves out."""
LEAST_STEPS = 100
"""Steps from one look to the next, so that all of them cost less than a hundredth of a run."""


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


__all__ = ["GradientLooks"]

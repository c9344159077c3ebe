"""Which term of a loss pulled how much on the restored images, and against which: what runs logged of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, groupby
from math import isfinite, nan
from statistics import fmean
from typing import Self, TypeVar

Key = TypeVar("Key")

SHARE, COSINE = "share of {}", "cosine of {} and {}"
"""The names of these among the metrics of a run."""


def is_pull(name: str) -> bool:
    """Whether a metric of a step, or a column of `metrics.csv`, is a share or a cosine.

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

    def stages(self) -> "list[Pulls]":
        """The same in parts: looks in a row at the same terms, which those of a schedule are not all."""
        present = [frozenset(t for t, column in self.shares.items() if isfinite(column[i])) for i in self._looks]
        parts = [list(looks) for _, looks in groupby(self._looks, key=present.__getitem__)]
        return [
            Pulls(
                [self.steps[look] for look in looks],
                {
                    term: [self.shares[term][look] for look in looks]
                    for term in self.shares
                    if term in present[looks[0]]
                },
                {pair: [column[look] for look in looks] for pair, column in self.cosines.items()},
            )
            for looks in parts
        ]

    @property
    def _looks(self) -> range:
        return range(len(self.steps))


@dataclass(frozen=True)
class MeanPulls:
    """The means of `Pulls` over the looks and the runs of a loss."""

    shares: dict[str, float]
    cosines: dict[tuple[str, str], float]

    @classmethod
    def of(cls, runs: Sequence[Pulls]) -> Self:
        """The means of what has a value; of terms that a loss has for a part of a run only, over that part."""
        return cls(_means([run.shares for run in runs]), _means([run.cosines for run in runs]))


def _means(runs: Sequence[Mapping[Key, Sequence[float]]]) -> dict[Key, float]:
    """The mean over all runs of the finite values under each key."""
    values = {
        key: [value for run in runs for value in run.get(key, ()) if isfinite(value)] for key in chain(*runs)
    }
    return {key: fmean(several) for key, several in values.items() if several}


__all__ = ["COSINE", "SHARE", "MeanPulls", "Pulls", "is_pull"]

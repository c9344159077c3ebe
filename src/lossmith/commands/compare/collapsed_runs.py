"""Runs that destroyed the images instead of restoring them."""

from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean

from lossmith.evaluation import DEGRADED, Row

COLLAPSE = 3.0
"""Decibels of PSNR below the degraded input: further below it, a network has learned nothing of use."""


def collapsed_runs(rows: Sequence[Row]) -> list[str]:
    """A sentence on each run whose PSNR is far below that of the degraded input.

    >>> rows = [Row("a", "degraded", 0, {"psnr": 30.0}), Row("a", "l1", 3, {"psnr": 7.2})]
    >>> collapsed_runs(rows)
    ["l1 collapsed with seed 3: its PSNR is 7.2 dB, the degraded input's 30.0 dB; a lower learning rate may help"]
    """
    by_run: defaultdict[tuple[str, int], list[float]] = defaultdict(list)
    for row in rows:
        by_run[row.method, row.seed].append(row.scores.get("psnr", float("nan")))
    degraded = fmean(by_run.pop((DEGRADED, 0), [float("nan")]))
    return [
        f"{loss} collapsed with seed {seed}: its PSNR is {mean:.1f} dB, the degraded input's {degraded:.1f} dB; "
        "a lower learning rate may help"
        for (loss, seed), values in by_run.items()
        if (mean := fmean(values)) < degraded - COLLAPSE
    ]

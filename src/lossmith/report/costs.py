"""What each loss cost: time per step, time of a whole run, memory."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lossmith.report.data import ReportData
from lossmith.report.formatting import MISSING, duration, number, significant
from lossmith.report.methods import Method


@dataclass(frozen=True)
class Cost:
    """One row; `share` is the width of its bar, 1 for the dearest loss."""

    method: Method
    milliseconds: str
    share: float
    relative: str
    steps: str
    run_time: str
    memory: str


def costs_of(contents: ReportData, methods: Sequence[Method]) -> list[Cost]:
    """The losses that finished, the cheapest first; none where no time was taken."""
    methods_by_name = {method.name: method for method in methods}
    finished = [result for result in contents.results if result.failure is None]
    times = [c.milliseconds_per_step for c in finished if math.isfinite(c.milliseconds_per_step)]
    cheapest, dearest = min(times, default=math.nan), max(times, default=math.nan)
    if not times:
        return []
    finished.sort(key=lambda c: c.milliseconds_per_step if math.isfinite(c.milliseconds_per_step) else math.inf)
    return [
        Cost(
            method=methods_by_name[result.loss],
            milliseconds=significant(result.milliseconds_per_step),
            share=_ratio(result.milliseconds_per_step, dearest, missing=0),
            relative=f"{number(_ratio(result.milliseconds_per_step, cheapest), 2)}×",
            steps=f"{result.steps:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"),
            run_time=duration(result.steps * result.milliseconds_per_step / 1000),
            memory=MISSING if result.activation_mb is None else significant(result.activation_mb),
        )
        for result in finished
    ]


def _ratio(value: float, base: float, missing: float = math.nan) -> float:
    return value / base if math.isfinite(value) and base > 0 else missing

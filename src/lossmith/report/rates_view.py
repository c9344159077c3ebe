"""How the learning rates were chosen: what each loss took, and what another rate would have cost it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from lossmith.report.data import RateTrial, ReportData
from lossmith.report.formatting import number
from lossmith.report.methods import Method


@dataclass(frozen=True)
class RateCell:
    """One loss at one learning rate; `objective` is relative to the best, both are texts."""

    objective: str
    psnr: str
    is_chosen: bool
    is_diverged: bool


@dataclass(frozen=True)
class RateLine:
    """One loss: a cell for each rate, None where it was not tried."""

    method: Method
    cells: list[RateCell | None]
    cost: str
    """What another rate would have cost it."""


@dataclass(frozen=True)
class RatesView:
    """All trials, rate by rate."""

    rates: list[str]
    lines: list[RateLine]


def rates_view(contents: ReportData, methods: Sequence[Method]) -> RatesView | None:
    """None where all losses had the same rate."""
    if not contents.rates:
        return None
    rates = sorted({trial.learning_rate for trial in contents.rates})
    lines = []
    for method in methods:
        trials = {trial.learning_rate: trial for trial in contents.rates if trial.loss == method.name}
        if trials:
            best = _best_objective(list(trials.values()))
            cells = [_cell(trials[rate], best) if rate in trials else None for rate in rates]
            lines.append(RateLine(method, cells, _cost(list(trials.values()))))
    return RatesView([f"{rate:g}" for rate in rates], lines)


def _best_objective(trials: Sequence[RateTrial]) -> float:
    measured = (trial.objective for trial in trials if math.isfinite(trial.objective))
    chosen = (trial.objective for trial in trials if trial.chosen)
    return next(chosen, min(measured, default=math.nan))


def _cell(trial: RateTrial, best: float) -> RateCell:
    if not math.isfinite(trial.objective):
        return RateCell("", "", trial.chosen, is_diverged=True)
    change = 100 * (trial.objective - best) / abs(best) if best else math.nan
    objective = "best" if trial.chosen else f"{number(change, 1 if abs(change) < 9.95 else 0, signed=True)} %"
    return RateCell(objective, f"{number(trial.psnr, 2)} dB", trial.chosen, is_diverged=False)


def _cost(trials: Sequence[RateTrial]) -> str:
    """From the least to the greatest loss of PSNR, in words."""
    chosen = next((trial for trial in trials if trial.chosen), None)
    others = [trial for trial in trials if not trial.chosen]
    if chosen is None or not others:
        return ""
    costs = sorted(round(chosen.psnr - other.psnr, 2) for other in others if math.isfinite(other.objective))
    parts = []
    if costs:
        least, most = costs[0], costs[-1]
        if most <= 0:
            parts.append("no PSNR")
        elif least <= 0:
            parts.append(f"up to {number(most, 2)} dB")
        else:
            parts.append(f"{' to '.join(dict.fromkeys((number(least, 2), number(most, 2))))} dB")
    if len(costs) < len(others):
        parts.append("divergence")
    return " or ".join(parts)


__all__ = ["RateCell", "RateLine", "RatesView", "rates_view"]

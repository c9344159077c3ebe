"""Losses whose validation PSNR still rises at the end of the budget."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

import numpy as np

from lossmith.core.errors import counted
from lossmith.evaluation.advice.phrases import listed
from lossmith.report import Curve

PART = 1 / 3
"""Of the budget, at its end, in which the gain is measured."""
MIN_POINTS = 3
"""Validations within that part without which nothing is said."""


def rising_curves(curves: Mapping[str, Sequence[Curve]], margin: float) -> str:
    """A sentence on the losses whose PSNR still gains more than `margin` dB in the last third; empty if none does.

    >>> curve = Curve(0, [100, 120, 140, 150], {"psnr": [30.0, 30.1, 30.2, 30.25]})
    >>> rising_curves({"l1": [curve]}, 0.1)
    "at 150 steps l1's PSNR still gains 0.25 dB per 50 steps; give it more steps"
    """
    ends = [curve.steps[-1] for several in curves.values() for curve in several if curve.steps]
    gains = {loss: gain for loss, several in curves.items() if (gain := _gain(several)) > margin}
    if not gains:
        return ""
    end = round(fmean(ends))
    names, values = list(gains), [f"{gain:.2g}" for gain in sorted(gains.values())]
    amount = values[0] if values[0] == values[-1] else f"{values[0]} to {values[-1]}"
    whose, them = (f"the PSNR of {listed(names)}", "them") if names[1:] else (f"{names[0]}'s PSNR", "it")
    return (
        f"at {counted(end, 'step')} {whose} still gains {amount} dB per {counted(round(end * PART), 'step')}; "
        f"give {them} more steps"
    )


def _gain(curves: Sequence[Curve]) -> float:
    """In dB over the last third: the slope of a line through the means over seeds, which evens out their noise."""
    by_step: defaultdict[int, list[float]] = defaultdict(list)
    for curve in curves:
        for step, psnr in zip(curve.steps, curve.values.get("psnr", []), strict=False):
            if math.isfinite(psnr):
                by_step[step].append(psnr)
    end = max(by_step, default=0)
    late = [step for step in sorted(by_step) if step >= end * (1 - PART)]
    if len(late) < MIN_POINTS:
        return 0.0
    slope = np.polyfit(late, [fmean(by_step[step]) for step in late], 1)[0]
    return float(slope * end * PART)

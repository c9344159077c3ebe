"""By what criteria a difference is called better, equivalent or undecided."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from scipy import stats

from lossmith.core.errors import LossmithError
from lossmith.evaluation.results import Outcome
from lossmith.evaluation.statistics.intervals import Estimate
from lossmith.evaluation.statistics.studentized_range import studentized_range
from lossmith.metrics.registry import Metric, find_metric

ERROR = 0.05
"""The probability with which anything that is said of a metric may be wrong."""


@dataclass(frozen=True)
class Criteria:
    """The margins and the error of a comparison of several methods, looked at once or several times.

    Of all pairs of methods, in all looks, there is a false word on a metric with a probability of at most
    `ERROR`: for pairs by Games and Howell (Journal of Educational Statistics 1(2), 1976), who take Tukey's
    studentized range with each pair's own variance; for looks in equal parts as Pocock has them (Biometrika
    64(2), 1977), by Bonferroni's inequality, which holds however the looks depend on each other.
    """

    margins: Mapping[str, float] = field(default_factory=dict)
    """The largest difference that matters to nobody, by metric; for others that of the registry."""
    looks: int = 1
    """How many times, at most, the results are looked at before the comparison ends."""

    def __post_init__(self) -> None:
        for name, margin in self.margins.items():
            if not 0 <= margin < float("inf"):
                raise LossmithError(f"the margin of {name} must be 0 or more, not {margin:g}")

    def margin(self, metric: Metric) -> float:
        return self.margins.get(metric.name, metric.margin)

    def interval(self, difference: Estimate, methods: int) -> tuple[float, float]:
        """The interval of a difference of two among so many methods; (nan, nan) without an error.

        >>> from lossmith.evaluation.statistics.intervals import Part
        >>> difference = Estimate(1.0, (Part(0.25, 8.0),))
        >>> [round(end, 3) for end in Criteria().interval(difference, 2)]  # Student's t
        [-0.153, 2.153]
        """
        half_width = difference.half_width(partial(self.quantile, methods))
        return difference.mean - half_width, difference.mean + half_width

    def quantile(self, methods: int, freedom: float) -> float:
        """Half the width of an interval, in standard errors of the difference, by their degrees of freedom."""
        return studentized_range(1 - ERROR / self.looks, max(2, methods), freedom) / math.sqrt(2)

    def confidence(self, methods: int, freedom: float) -> float:
        """That of one interval alone, whose standard error has so many degrees of freedom.

        >>> round(Criteria().confidence(2, 7.0), 4), round(Criteria().confidence(5, 7.0), 4)
        (0.95, 0.991)
        """
        if math.isnan(freedom) or math.isinf(freedom):
            return 1 - ERROR / self.looks
        whole = max(1.0, round(freedom))  # so that few quantiles are computed
        return float(2 * stats.t.cdf(self.quantile(methods, whole), whole) - 1)


def outcome(low: float, high: float, margin: float, higher_is_better: bool) -> Outcome:
    """What an interval of `first` minus `second` says of the first.

    Equivalent if the whole interval lies within the margin: two one-sided tests (Schuirmann, Journal of
    Pharmacokinetics and Biopharmaceutics 15, 1987). This has precedence: a difference that is certain and
    matters to nobody makes no winner.

    >>> [outcome(low, high, 0.1, True) for low, high in ((0.02, 0.08), (0.02, 0.15), (-0.05, 0.15), (-0.3, -0.1))]
    ['equivalent', 'better', 'undecided', 'worse']
    """
    if -margin <= low <= high <= margin:
        return "equivalent"
    if low > 0 or high < 0:
        return "better" if (low > 0) == higher_is_better else "worse"
    return "undecided"


def parse_margins(margins: Mapping[str, float] | Sequence[str] | None) -> dict[str, float]:
    """Margins by metric, as `Criteria` takes them, from texts such as "psnr=0.05" or from a mapping.

    Raises LossmithError for texts of another form, metrics that are not known, and one that has two margins.

    >>> parse_margins(["psnr=0.05", "ssim=0.01"]), parse_margins(None)
    ({'psnr': 0.05, 'ssim': 0.01}, {})
    """
    if margins is None:
        return {}
    pairs: Iterable[tuple[str, object]]
    if isinstance(margins, Mapping):
        pairs = margins.items()
    else:
        pairs = map(_split_margin, margins if isinstance(margins, list | tuple) else [margins])
    parsed: dict[str, float] = {}
    for text, number in pairs:
        name = find_metric(text).name
        if name in parsed:
            raise LossmithError(f"the margin of {name} is given twice")
        parsed[name] = _margin(text, number)
    return parsed


def _split_margin(text: object) -> tuple[str, object]:
    name, equals, number = text.partition("=") if isinstance(text, str) else ("", "", "")
    if not equals or not name.strip():
        raise LossmithError(f"a margin is METRIC=NUMBER, such as psnr=0.05, not {text!r}")
    return name.strip(), number


def _margin(name: str, number: object) -> float:
    try:
        if isinstance(number, str | int | float) and not isinstance(number, bool):
            return float(number)
    except ValueError:
        pass
    raise LossmithError(f"the margin of {name} must be a number, not {number!r}")


__all__ = ["ERROR", "Criteria", "outcome", "parse_margins"]

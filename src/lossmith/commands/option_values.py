"""Values of options that have a form of their own: numbers of seeds, durations, the mix of two models."""

import math
import re
from collections.abc import Sequence

from lossmith.core.errors import LossmithError
from lossmith.core.legacy import ALPHA_WORDS

SECONDS_PER_UNIT = {"s": 1, "": 60, "m": 60, "h": 3600}


def parse_seeds(seeds: int | str | tuple[int, int]) -> tuple[int, int]:
    """The least and the greatest number of seeds: of 2, which is both, or of a range, (2, 8) or "2:8".

    Raises LossmithError for anything else.

    >>> parse_seeds("2:8"), parse_seeds(3)
    ((2, 8), (3, 3))
    """
    ends: Sequence[object]
    if isinstance(seeds, str):
        ends = [int(end) if re.fullmatch(r"-?\d{1,9}", end) else end for end in seeds.strip().split(":")]
    else:
        ends = seeds if isinstance(seeds, list | tuple) else [seeds]
    numbers = [end for end in ends if isinstance(end, int) and not isinstance(end, bool)]
    if len(numbers) != len(ends) or len(ends) not in (1, 2):
        raise LossmithError(f"`seeds` must be a whole number, or a range such as 2:8, not {_shown(seeds)}")
    if len(numbers) == 1 and numbers[0] < 1:
        raise LossmithError(f"`seeds` must be a whole number, at least 1, not {numbers[0]}")
    if not 1 <= numbers[0] <= numbers[-1]:
        raise LossmithError(
            f"`seeds` as a range goes from 1 or more up, such as 2:8, and not from {numbers[0]} to {numbers[-1]}"
        )
    return numbers[0], numbers[-1]


def parse_duration(name: str, duration: float | str | None) -> float:
    """Seconds: of a number of minutes, or of a text such as "90s", "30m" or "2h"; infinity for None.

    Raises LossmithError, which names the parameter, for anything else, and unless it is above 0 and finite.

    >>> parse_duration("at_most", "90s"), parse_duration("at_most", 1.5), parse_duration("at_most", "2h")
    (90.0, 90.0, 7200.0)
    """
    if duration is None:
        return math.inf
    match = re.fullmatch(r"(\d+\.?\d*|\.\d+) ?([smh]?)", str(duration).strip().lower())
    seconds = float(match[1]) * SECONDS_PER_UNIT[match[2]] if match else 0.0
    if isinstance(duration, bool) or not 0 < seconds < math.inf:
        raise LossmithError(f"`{name}` must be a time above 0, such as 90s, 30m or 2h, not {_shown(duration)}")
    return seconds


def parse_alpha(alpha: float | str) -> float:
    """Where between two models: a number from 0, the first, to 1, the second.

    Raises LossmithError for anything else; for words that `alpha` once took, it names the option that takes them.

    >>> parse_alpha("0.5"), parse_alpha(1)
    (0.5, 1.0)
    """
    if alpha in ALPHA_WORDS:
        raise LossmithError(f"`alpha` mixes two models; what becomes of transparency is `transparency='{alpha}'`")
    try:
        number = float(alpha)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:
        raise LossmithError(f"`alpha` must be a number from 0, faithful, to 1, sharp, not {_shown(alpha)}")
    return number


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else repr(value)

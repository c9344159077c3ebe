"""How long a tournament takes, what rises still, and the forms of its options."""

import math
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from lossmith.commands.compare import rising_curves as rising
from lossmith.commands.compare import timing
from lossmith.commands.compare.timing import Timetable, between, clock, span
from lossmith.commands.option_values import parse_duration, parse_seeds
from lossmith.core.errors import LossmithError
from lossmith.evaluation import Race
from lossmith.report import Curve


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def stopwatch(monkeypatch: pytest.MonkeyPatch) -> Clock:
    stopwatch = Clock()
    monkeypatch.setattr(timing, "time", stopwatch)
    monkeypatch.setattr(timing, "clock", lambda seconds: f"{seconds:.0f} s")
    return stopwatch


def test_a_tournament_is_forecast_from_its_runs_and_the_report(stopwatch: Clock) -> None:
    table = Timetable(Race(2, 2), {"l1": 60.0, "mix": 120.0}, set(), 30.0)
    assert table.announcement() == "4 runs, their scores and the report take about 6 minutes, until 390 s"
    left = Timetable(Race(2, 2), {"l1": 60.0, "mix": 120.0}, {("l1", 0)}, 30.0)
    assert left.announcement().startswith("the 3 of 4 runs that are left, their scores and the report")


def test_a_race_is_forecast_as_a_range_that_its_budget_ends(stopwatch: Clock) -> None:
    table = Timetable(Race(2, 8), {"l1": 60.0, "mix": 60.0}, set(), 0.0)
    assert table.announcement() == "2 to 8 seeds: between 4 and 16 minutes, until 960 s at the latest"
    hurried = Timetable(Race(2, 8), {"l1": 60.0, "mix": 60.0}, set(), 0.0, budget=600)
    assert hurried.announcement() == "2 to 8 seeds: between 4 and 10 minutes, until 600 s at the latest"


def test_titles_count_runs_and_follow_the_pace_of_those_that_are_done(stopwatch: Clock) -> None:
    table = Timetable(Race(2, 2), {"l1": 100.0, "l2": 100.0}, {("l1", 0)}, 10.0)
    assert table.title(("l1", 0)) == "run 1 of 4, about 310 s"
    assert table.title(("l2", 0)) == "run 2 of 4, about 310 s"
    stopwatch.now = 50.0  # half of what was forecast
    assert table.title(("l1", 1)) == "run 3 of 4, about 110 s"
    stopwatch.now = 150.0
    assert table.title(("l2", 1)) == "run 4 of 4, about 85 s"
    race = Timetable(Race(2, 8), {"l1": 100.0}, set(), 0.0)
    assert race.title(("l1", 0)) == "run 1 of 2 to 8, by 800 s at the latest"


def test_times_are_said_as_people_say_them() -> None:
    assert between(10, 10.2) == "about 10 seconds"
    assert span(7200) == "2 hours"
    assert re.fullmatch(r"(\w+day )?\d\d:\d\d", clock(60))
    then = datetime.now() + timedelta(days=2)
    assert clock(2 * 86400) in {f"{then + timedelta(seconds=s):%A %H:%M}" for s in (-1, 0, 1)}


def curves(*gains: float, end: int = 150) -> list[Curve]:
    """A seed for each gain in dB over the last third, which is steady; before that it was steeper."""
    steps = [end * tenth // 10 for tenth in range(11)]
    return [
        Curve(seed, steps, {"psnr": [30 + min(s - 2 * end / 3, 0) / 10 + gain * 3 * (s / end) for s in steps]})
        for seed, gain in enumerate(gains)
    ]


def test_curves_that_rise_still_are_said_in_one_sentence() -> None:
    assert rising.rising_curves({"l1": curves(0.3, 0.3), "l2": curves(0.05)}, 0.1) == (
        "at 150 steps l1's PSNR still gains 0.3 dB per 50 steps; give it more steps"
    )
    assert rising.rising_curves({"l1": curves(0.3), "l2": curves(0.2)}, 0.1) == (
        "at 150 steps the PSNR of l1 and l2 still gains 0.2 to 0.3 dB per 50 steps; give them more steps"
    )


@pytest.mark.parametrize(
    "quiet", [curves(0.05), curves(-0.5), curves(0.5, -0.5), [Curve(0, [1, 2], {"psnr": [1.0, 9.0]})], []]
)
def test_noise_and_short_curves_do_not_rise(quiet: list[Curve]) -> None:
    assert rising.rising_curves({"l1": quiet}, 0.1) == ""


def test_validations_that_were_not_made_are_left_out() -> None:
    (curve,) = curves(0.3)
    steps = sorted([*curve.steps, 149])
    psnr = dict(zip(curve.steps, curve.values["psnr"], strict=True))
    sparse = Curve(0, steps, {"psnr": [psnr.get(step, math.nan) for step in steps]})
    assert rising.rising_curves({"l1": [sparse]}, 0.1) == rising.rising_curves({"l1": [curve]}, 0.1) != ""


@pytest.mark.parametrize("seeds", [(2, 8), [2, 8], "2:8", " 2:8"])
def test_a_range_of_seeds_has_two_ends(seeds: Any) -> None:
    assert parse_seeds(seeds) == (2, 8)


@pytest.mark.parametrize(
    "seeds", [0, -1, True, 2.0, "2:", ":8", "8:2", "0:3", "1:2:3", "two", "", (2, 3, 4), None, ()]
)
def test_other_seeds_are_refused(seeds: Any) -> None:
    with pytest.raises(LossmithError, match=r"^`seeds` "):
        parse_seeds(seeds)


@pytest.mark.parametrize(
    ("duration", "seconds"),
    [("90s", 90), ("30m", 1800), ("2h", 7200), ("1.5 h", 5400), (2, 120), (0.5, 30), ("5", 300)],
)
def test_a_time_is_a_number_of_minutes_or_has_a_unit(duration: Any, seconds: float) -> None:
    assert parse_duration("at_most", duration) == seconds
    assert parse_duration("at_most", None) == math.inf


@pytest.mark.parametrize("duration", [0, -1, "0s", "h", "3 days", "", True, math.inf, math.nan, "1e3"])
def test_other_times_are_refused(duration: Any) -> None:
    with pytest.raises(LossmithError, match=r"^`at_most` must be a time above 0, such as 90s, 30m or 2h, not "):
        parse_duration("at_most", duration)

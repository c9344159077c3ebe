"""How long a tournament takes: said before its first step, and beside its progress bar."""

import math
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from lossmith.core.errors import counted
from lossmith.evaluation import Race

Place = tuple[str, int]
"""A loss and a seed."""


@dataclass
class Timetable:
    """When a tournament will be over: as a dry run forecasts it, and then as its own runs show."""

    race: Race
    run_seconds: Mapping[str, float]
    """The forecast for a run under each loss, with its scoring."""
    finished: Collection[Place]
    """The runs that need not be trained."""
    report_seconds: float
    budget: float = math.inf
    """Seconds that the training of all runs may take together."""
    trial_seconds: float = 0.0
    """The forecast for the choice of learning rates, before the first run."""
    _begun: list[Place] = field(default_factory=list)
    _started_at: float | None = None

    def announcement(self, at_once: bool = False) -> str:
        """How long it will take; `at_once` where runs are carried out in parallel."""
        least, most = (self._seconds(self._unfinished(seeds)) for seeds in (self.race.least, self.race.most))
        others = self.trial_seconds + self.report_seconds
        least, most = (min(seconds, self.budget) + others for seconds in (least, most))
        trials = "the choice of learning rates, " if self.trial_seconds else ""
        runs = counted(self.race.least * len(self.run_seconds), "run")
        if at_once:
            each = max(self.run_seconds.values())
            return (
                f"a run takes about {span(each)} on a machine like this, and as many are carried out at once as "
                "the cluster has room for"
            )
        left = f"the {len(self._unfinished(self.race.least))} of {runs} that are left" if self.finished else runs
        if self.race.least == self.race.most:
            return f"{trials}{left}, their scores and the report take about {span(most)}, until {clock(most)}"
        seeds = f"{self.race.least} to {self.race.most} seeds"
        return f"{trials}{seeds}: {between(least, most)}, until {clock(most)} at the latest"

    def title(self, place: Place) -> str:
        """Of the progress bar, as the run at this place begins."""
        now = time.monotonic()
        if self._started_at is None:
            self._started_at = now
        begun = [done for done in self._begun if done not in self.finished]
        forecast, elapsed = self._seconds(begun), now - self._started_at
        pace = elapsed / forecast if forecast > 0 else 1.0
        left = [p for p in self._unfinished(self.race.most) if p not in begun]
        seconds = min(pace * self._seconds(left), max(0.0, self.budget - elapsed)) + self.report_seconds
        self._begun.append(place)
        least, most = (seeds * len(self.run_seconds) for seeds in (self.race.least, self.race.most))
        if least == most:
            return f"run {len(self._begun)} of {most}, about {clock(seconds)}"
        return f"run {len(self._begun)} of {least} to {most}, by {clock(seconds)} at the latest"

    def _unfinished(self, seeds: int) -> list[Place]:
        places = [(loss, seed) for seed in range(seeds) for loss in self.run_seconds]
        return [place for place in places if place not in self.finished]

    def _seconds(self, places: Sequence[Place]) -> float:
        return sum(self.run_seconds[loss] for loss, _ in places)


def span(seconds: float) -> str:
    """A time as people say it.

    >>> span(1.2), span(43), span(100), span(3600), span(8000)
    ('1 second', '43 seconds', '2 minutes', '60 minutes', '2 hours 13 minutes')
    """
    if seconds < 90:
        return counted(max(1, round(seconds)), "second")
    minutes = round(seconds / 60)
    if minutes < 120:
        return counted(minutes, "minute")
    hours, minutes = divmod(minutes, 60)
    return counted(hours, "hour") + (f" {counted(minutes, 'minute')}" if minutes else "")


def between(least: float, most: float) -> str:
    """A range of times.

    >>> between(240, 960), between(50, 200)
    ('between 4 and 16 minutes', 'between 50 seconds and 3 minutes')
    """
    first, last = span(least), span(most)
    if first == last:
        return f"about {last}"
    number, _, unit = first.partition(" ")
    return f"between {number if unit == last.partition(' ')[2] else first} and {last}"


def clock(seconds: float) -> str:
    """The time of the day in so many seconds, with the day of the week where that is another."""
    now = datetime.now()
    then = now + timedelta(seconds=seconds)
    return f"{then:%H:%M}" if then.date() == now.date() else f"{then:%A %H:%M}"

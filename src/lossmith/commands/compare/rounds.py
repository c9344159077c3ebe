"""The rounds of a tournament: which runs are carried out, and what the results after each say."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Protocol

from lossmith.commands.compare.job import RunResult
from lossmith.commands.compare.timing import Place, span
from lossmith.core.errors import counted
from lossmith.evaluation import Advice, Race, RaceRound, next_seeds


class Runs(Protocol):
    """Where the results of runs come from."""

    def carry_out(self, places: Sequence[Place]) -> list[RunResult]:
        """The results of these runs, in this order, which are trained unless they are finished."""

    def finished(self, place: Place) -> RunResult | None:
        """The result of a run, if it is finished already."""

    def advise(self, runs: Sequence[RunResult], losses: Sequence[str]) -> Advice:
        """What the results say of these losses."""


@dataclass
class Rounds:
    """The rounds of a tournament, which are a function of its settings and the results of its runs.

    So one that was stopped, or whose runs are carried out elsewhere, ends the same. Runs that are finished beyond
    those that the race asks for, since they were trained under other settings, are looked at in the end, unless
    all looks are used that the intervals allow for.
    """

    race: Race
    losses: Sequence[str]
    runs: Runs
    budget: float = math.inf
    """Seconds that the training of all runs may take together."""
    results: list[RunResult] = field(default_factory=list)
    looks: list[RaceRound] = field(default_factory=list)
    ending: str = ""
    """Why no more runs are carried out, in one sentence; empty where all that were asked for are."""

    def carry_out(self) -> None:
        """Carry out all rounds."""
        advice = self._look()
        while True:
            places = self._next(advice)
            self.ending = self._why_over(advice) if not places else self._why_too_long(places)
            if not self.ending and places:
                self.results += self.runs.carry_out(places)
            elif len(self.looks) < self.race.looks and (extra := list(self._finished_beyond())):
                self.results += extra
            else:
                break
            advice = self._look()
        if self.looks:
            self.looks[-1] = replace(self.looks[-1], ending=self.ending)

    @property
    def alive(self) -> list[str]:
        """The losses that did not fail."""
        failed = {run.loss for run in self.results if run.failure}
        return [loss for loss in self.losses if loss not in failed]

    @property
    def seeds(self) -> dict[str, int]:
        """How many seeds of each loss that did not fail are finished."""
        return {loss: sum(run.loss == loss for run in self.results) for loss in self.alive}

    @property
    def seconds(self) -> float:
        """Of training, by all runs."""
        return sum(run.summary.seconds for run in self.results if run.summary)

    def _look(self) -> Advice | None:
        """What the results say, once every loss has the least number of seeds."""
        if not self.alive or min(self.seeds.values()) < self.race.least:
            return None
        advice = self.runs.advise(self.results, self.alive)
        self.looks.append(RaceRound(self.seeds, advice, self.seconds))
        return advice

    def _next(self, advice: Advice | None) -> list[Place]:
        """The runs of the next round.

        Until there is something to look at, it is one seed of each loss where there is a budget, and otherwise
        all. Later it ends with a seed that no loss had yet: those that were dropped and are needed again catch up
        within a round, so that there are no more looks than seeds.
        """
        seeds, places = self.seeds, list[Place]()
        highest = max(seeds.values(), default=0)
        while step := next_seeds(self.race, self.alive, seeds, advice, seen=self.seeds):
            places += step.items()
            for loss in step:
                seeds[loss] += 1
            if max(seeds.values()) > highest and (advice or self.budget < math.inf):
                break
        return places

    def _finished_beyond(self) -> Iterator[RunResult]:
        for loss, seeds in self.seeds.items():
            for seed in range(seeds, self.race.most):
                if result := self.runs.finished((loss, seed)):
                    yield result
                else:
                    break

    def _why_too_long(self, places: Sequence[Place]) -> str:
        """Why a round would take too long; empty if it would not, or if nothing is known."""
        spent = self.seconds
        forecast = sum(self._forecast(loss) for loss, _ in places)
        if spent + forecast <= self.budget or not self.results:
            return ""
        return (
            f"{self._after}, since {span(spent)} of {span(self.budget)} are spent and another round would take "
            f"about {span(forecast)}"
        )

    def _forecast(self, loss: str) -> float:
        """Seconds of a run, from those of this loss or else of all."""
        seconds = [run.summary.seconds for run in self.results if run.summary and run.loss == loss]
        return fmean(seconds or [run.summary.seconds for run in self.results if run.summary] or [0.0])

    def _why_over(self, advice: Advice | None) -> str:
        if self.race.least == self.race.most or advice is None:
            return ""
        if all(goal.decided for goal in advice.goals):
            return f"{self._after}, since everything is decided"
        if max(self.seeds.values()) < self.race.most:
            return f"{self._after}, since more seeds are unlikely to decide the rest"
        return f"{self._after}, the most that were allowed, with something undecided"

    @property
    def _after(self) -> str:
        most = max(self.seeds.values(), default=0)
        if most == self.race.most:
            return f"the race ended after {counted(most, 'seed')}"
        return f"it ended after {most} of at most {counted(self.race.most, 'seed')}"

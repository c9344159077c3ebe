"""The learning rate at which each loss plays: the best of several, by short runs before the tournament."""

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossmith.commands.compare.trial_job import VALIDATION, TrialJob, TrialResult
from lossmith.commands.executors.base import Executor
from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import safe_file_name
from lossmith.data import PreparedData, split_validation
from lossmith.degradations import degradation
from lossmith.evaluation import protocol_of
from lossmith.evaluation.advice.phrases import listed
from lossmith.losses import Loss
from lossmith.report import RateTrial
from lossmith.training import Init, Recipe, RunSettings

logger = logging.getLogger(__name__)

SEED = 2**32
"""Of all trials, which so share first weights and patches; no tournament has so many seeds."""
SHARE = 4
"""A trial has a quarter of the budget, with the whole schedule of its learning rate."""
MIN_STEPS = 20


@dataclass(frozen=True)
class RateChoice:
    """With which recipe each loss plays, and how its learning rate was chosen."""

    recipes: dict[str, Recipe]
    trials: list[RateTrial]
    """Empty where there was nothing to choose."""

    @property
    def notes(self) -> list[str]:
        """Sentences about rates that ought to be tried, too.

        >>> trials = [RateTrial("l2", rate, 1 / rate, 30.0, rate == 2e-3) for rate in (1e-3, 2e-3)]
        >>> RateChoice({}, trials).notes
        ['l2 took the greatest learning rate, 0.002; a greater one may be better still']
        """
        chosen = {trial.loss: trial for trial in self.trials if trial.chosen}
        stuck = [loss for loss, trial in chosen.items() if math.isnan(trial.objective)]
        sentences = [f"{loss} diverged at every learning rate that was tried; try smaller ones" for loss in stuck]
        rates = [trial.learning_rate for trial in self.trials]
        ends = (("smallest", "smaller", min), ("greatest", "greater", max)) if rates else ()
        for extreme, beyond, end in ends:
            rate = end(rates)
            if names := [t.loss for t in chosen.values() if t.learning_rate == rate and t.loss not in stuck]:
                sentences.append(
                    f"{listed(names)} took the {extreme} learning rate, {rate:g}; a {beyond} one may be better "
                    "still"
                )
        return sentences


def check_learning_rates(rates: Sequence[float] | None, recipe: Recipe) -> tuple[float, ...]:
    """The rates, smallest first; none where none are given.

    Raises LossmithError for numbers that are no learning rates, a rate that is given twice or alone, and rates
    beside a `learning_rate`.

    >>> check_learning_rates([2e-3, 1e-3], Recipe())
    (0.001, 0.002)
    """
    if rates is None:
        return ()
    numbers = list(rates) if isinstance(rates, Iterable) and not isinstance(rates, str) else [rates]
    for rate in numbers:
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < math.inf:
            raise LossmithError(f"`learning_rates` must be numbers above 0, not {rate!r}")
    if len(numbers) < 2 or len(set(numbers)) < len(numbers):
        raise LossmithError(
            "`learning_rates` are at least two different ones to choose from; one for all is `learning_rate`"
        )
    if recipe.learning_rate != Recipe().learning_rate:
        raise LossmithError("give either `learning_rate` or `learning_rates`, not both")
    return tuple(sorted(map(float, numbers)))


def rates_config(rates: Sequence[float]) -> dict[str, Any]:
    """What the folder of a tournament records.

    Other candidates are refused there: with another best rate the finished runs of a loss would be worth nothing,
    and with the old one they would not be what was asked for.
    """
    return {"learning_rates": list(rates)} if rates else {}


def relative_length(recipe: Recipe, short: Recipe) -> float:
    """How much of a run a short one takes.

    >>> relative_length(Recipe(steps=400), Recipe(steps=100))
    0.25
    """
    return (short.steps or short.minutes or 0) / (recipe.steps or recipe.minutes or 1)


def trial_recipe(recipe: Recipe, rate: float) -> Recipe:
    """The recipe of a short run: a quarter of the budget, but at least 20 steps where the budget has as many.

    >>> [trial_recipe(Recipe(steps=steps), 1e-3).steps for steps in (400, 60, 12)]
    [100, 20, 12]
    """
    if recipe.steps is None:
        return replace(recipe, learning_rate=rate, minutes=(recipe.minutes or 0) / SHARE)
    return replace(recipe, learning_rate=rate, steps=min(recipe.steps, max(MIN_STEPS, recipe.steps // SHARE)))


@dataclass(frozen=True)
class RateTrials:
    """The short runs by which learning rates are chosen, still to be carried out."""

    losses: Mapping[str, Loss]
    recipe: Recipe
    """Of every run of the tournament, but for the learning rate."""
    rates: Sequence[float]
    jobs: Mapping[tuple[str, float], TrialJob]
    """By loss and rate; empty where there is nothing to choose."""
    split: PreparedData | None
    """What they train on, and the crops that they are validated on."""

    @property
    def unfinished(self) -> dict[tuple[str, float], TrialJob]:
        """Those that are still to be carried out."""
        return {place: job for place, job in self.jobs.items() if job.load_result() is None}

    @property
    def lengths(self) -> dict[str, float]:
        """How many runs of the tournament those that are to be carried out are worth, by loss."""
        lengths = dict.fromkeys(self.losses, 0.0)
        for (loss, _), job in self.unfinished.items():
            lengths[loss] += relative_length(self.recipe, job.recipe)
        return lengths

    def choose(self, executor: Executor) -> RateChoice:
        """Carry out those that are not finished, and give each loss the best rate for it."""
        if self.split is None:
            return RateChoice(dict.fromkeys(self.losses, self.recipe), [])
        results = self._results(self.split, executor)
        trials = []
        for loss in self.losses:
            tried = {rate: results[self.jobs[loss, rate].folder] for rate in self.rates}
            best = best_rate({rate: result.objective for rate, result in tried.items()})
            trials += [RateTrial(loss, rate, r.objective, r.psnr, rate == best) for rate, r in tried.items()]
        best_rates = {trial.loss: trial.learning_rate for trial in trials if trial.chosen}
        logger.info("learning rates: " + ", ".join(f"{rate:g} for {loss}" for loss, rate in best_rates.items()))
        recipes = {loss: replace(self.recipe, learning_rate=rate) for loss, rate in best_rates.items()}
        return RateChoice(recipes, trials)

    def _results(self, split: PreparedData, executor: Executor) -> dict[Path, TrialResult]:
        """The results of all trials by folder."""
        results = {job.folder: result for job in self.jobs.values() if (result := job.load_result())}
        if unfinished := [job for job in self.jobs.values() if job.folder not in results]:
            runs, crops = counted(len(unfinished), "short run"), counted(len(split.test_pairs), "crop")
            logger.info(
                f"choosing learning rates by {runs} of {unfinished[0].recipe.budget}, validated on {crops} of the "
                "training images that these runs do not train on"
            )
            with closing(executor.run_jobs(unfinished, {**self.losses, VALIDATION: split})) as finished:
                results |= {result.folder: result for result in finished}
            for job in unfinished:
                if job.load_result() is None:  # it did not diverge, which would say something of the rate
                    raise LossmithError(
                        f"a short run of {job.loss} at learning rate {job.recipe.learning_rate:g} failed: "
                        f"{results[job.folder].failure}; the same command tries it again"
                    )
        return results


def plan_trials(
    losses: Mapping[str, Loss],
    recipe: Recipe,
    rates: Sequence[float],
    data: PreparedData,
    settings: RunSettings,
    out: Path,
    *,
    init: Init | None = None,
    given_pairs: bool = False,
) -> RateTrials:
    """The short runs by which each loss gets the best of these learning rates.

    The best is that of the least loss, by its own measure, on validation crops that are cut off the training
    images and not trained on in these runs. By PSNR, losses that differ from it would get rates that serve it and
    not them. A run that diverges loses; of equal rates the smaller is taken.

    Parameters
    ----------
    losses
        The contenders by their expressions.
    recipe
        Of every run of the tournament, but for the learning rate.
    rates
        The candidates; none of them leaves the recipe as it is.
    data
        The images of the tournament; its test images are not looked at.
    settings
        Those of the tournament's runs.
    out
        The tournament's folder; a trial is in `learning-rates/LOSS/RATE` of it, and is resumed or kept.
    init
        What training begins with instead of fresh weights.
    given_pairs
        Whether the images are pairs of the user's, and not degraded by the recipe's degradation.

    Raises
    ------
    LossmithError
        When no training image is large enough to be cut.
    """
    if not rates:
        return RateTrials(losses, recipe, rates, {}, None)
    kind = None if given_pairs else degradation(data.degradation)
    split = split_validation(data, kind, recipe.patch, max(loss.min_side for loss in losses.values()))
    protocol = protocol_of(split.test_pairs, data.pixels)
    own = replace(settings, seed=SEED, dry_run=False, protocol=protocol, metrics=("psnr",))
    folder = out / "learning-rates"
    jobs = {
        (loss, rate): TrialJob(
            loss, folder / safe_file_name(loss) / str(rate), trial_recipe(recipe, rate), own, init
        )
        for loss in losses
        for rate in rates
    }
    return RateTrials(losses, recipe, rates, jobs, split)


def best_rate(objectives: Mapping[float, float]) -> float:
    """The rate of the least objective, and of equal ones the smaller; NaN, of a run that diverged, is the worst.

    >>> best_rate({1e-3: 0.2, 2e-3: 0.1, 4e-3: 0.1, 8e-3: math.nan})
    0.002
    """
    return min(objectives, key=lambda r: (math.inf if math.isnan(objectives[r]) else objectives[r], r))

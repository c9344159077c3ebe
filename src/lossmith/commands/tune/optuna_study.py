"""The engine of a search: Optuna asks for the next trial, and keeps the record for its own tools.

A trial is asked for as a function of the trials that are over, by a sampler that is made anew with a seed of its
own. So a search that was stopped asks what one would that was not, and there is no state but the results
themselves; what is in Optuna's file follows from them, too.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lossmith.commands.tune.search_space import Interval
from lossmith.core.errors import LossmithError

try:
    import optuna
    from optuna.distributions import (
        BaseDistribution,
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )
    from optuna.trial import FrozenTrial, TrialState
except ModuleNotFoundError as error:
    raise LossmithError('a search needs Optuna, which comes with: pip install "lossmith[tune]"') from error

if TYPE_CHECKING:
    from lossmith.commands.tune.search_space import Dimension, SearchSpace, Value, Values
    from lossmith.commands.tune.trial import State, Trial
    from lossmith.evaluation import Metric

STUDY_NAME = "lossmith"
STATES: dict[State, TrialState] = {
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
}


def ask(
    space: SearchSpace,
    goals: Sequence[Metric],
    over: Sequence[Trial],
    running: Sequence[Values],
    *,
    number: int,
    seed: int,
) -> dict[str, Value]:
    """The values of a trial: those of `SearchSpace.first_points`, and then what Optuna's TPE sampler proposes.

    Parameters
    ----------
    space
        What may be tried.
    goals
        The metrics.
    over
        The trials that are over.
    running
        The values of those that are not, and are asked for before this one. Where there are any, TPE takes them
        for bad ones ("constant liar"), so that trials that run at once differ.
    number
        Of the trial, from 0.
    seed
        Of the search.
    """
    first = space.first_points()
    if number < len(first):
        return first[number]
    distributions = _distributions(space)
    with _quiet():
        sampler = optuna.samplers.TPESampler(seed=_seed(seed, number), constant_liar=bool(running))
        study = optuna.create_study(directions=_directions(goals), sampler=sampler)
        study.add_trials([_finished(trial, distributions, goals) for trial in over])
        study.add_trials(
            [
                optuna.trial.create_trial(state=TrialState.RUNNING, params=dict(v), distributions=distributions)
                for v in running
            ]
        )
        proposal = study.ask(distributions).params
    return {
        each.name: each.nearest(proposal[each.name]) if isinstance(each, Interval) else proposal[each.name]
        for each in space.dimensions
    }


def record(path: Path, space: SearchSpace, goals: Sequence[Metric], over: Sequence[Trial]) -> None:
    """Write the trials that are over into a SQLite file, for Optuna's own tools, where it lacks them.

    A file that cannot be continued, since it is damaged or holds something else, is written anew.

    Raises LossmithError when it cannot be written.
    """
    try:
        try:
            _append(path, space, goals, over)
        except Exception:  # a damaged file can make SQLAlchemy raise anything
            path.unlink(missing_ok=True)
            _append(path, space, goals, over)
    except Exception as error:
        raise LossmithError(f"cannot write {path}: {' '.join(str(error).split())}") from error


def _append(path: Path, space: SearchSpace, goals: Sequence[Metric], over: Sequence[Trial]) -> None:
    distributions = _distributions(space)
    with _quiet():
        storage = optuna.storages.RDBStorage(f"sqlite:///{path.absolute()}")
        try:
            study = optuna.create_study(
                storage=storage, study_name=STUDY_NAME, directions=_directions(goals), load_if_exists=True
            )
            stored = study.get_trials(deepcopy=False)
            if any(old.params != trial.values for old, trial in zip(stored, over, strict=False)):
                raise ValueError("these are other trials")
            if not stored:
                study.set_metric_names([goal.name for goal in goals])
            for trial in over[len(stored) :]:
                study.add_trial(_finished(trial, distributions, goals))
        finally:
            storage.engine.dispose()


def _finished(trial: Trial, distributions: dict[str, BaseDistribution], goals: Sequence[Metric]) -> FrozenTrial:
    complete = trial.state == "complete"
    return optuna.trial.create_trial(
        state=STATES[trial.state],
        params=dict(trial.values),
        distributions=distributions,
        values=[trial.scores[goal.name] for goal in goals] if complete else None,
        user_attrs={"loss": trial.loss, **({"note": trial.note} if trial.note else {})},
    )


def _distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    return {dimension.name: _distribution(dimension) for dimension in space.dimensions}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if not isinstance(dimension, Interval):
        return CategoricalDistribution(dimension.options)
    if dimension.whole:
        return IntDistribution(int(dimension.low), int(dimension.high), log=dimension.log)
    return FloatDistribution(dimension.low, dimension.high, log=dimension.log)


def _directions(goals: Sequence[Metric]) -> list[str]:
    return ["maximize" if goal.higher_is_better else "minimize" for goal in goals]


def _seed(seed: int, number: int) -> int:
    """The seed of the sampler of one trial."""
    return int(np.random.SeedSequence([seed, number]).generate_state(1)[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Without Optuna's remarks on every trial, and those on what it calls experimental."""
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(level)


__all__ = ["STUDY_NAME", "ask", "record"]

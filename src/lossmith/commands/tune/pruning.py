"""Trials that are stopped early, since a finished one was better at the same look in every goal.

Optuna prunes by one goal only. With several, a trial is hopeless when another dominates it: then it is not on
the front. It is looked at from half of the budget on, and a rival must be better by more than the margin of the
metric, so that a trial which is about as good may still win.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from lossmith import evaluation
from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text
from lossmith.training.validation import VALIDATIONS_PER_RUN, Validation

if TYPE_CHECKING:
    from torch import Tensor

FIRST_LOOK = VALIDATIONS_PER_RUN // 2
"""The validation of a run from which on it may be stopped."""


@dataclass(frozen=True)
class Look:
    """How far a run was, and how good."""

    scores: Mapping[str, float]
    """The goals, each the mean over crops of the validation images."""
    step: int
    seconds: float
    """Of training."""


Looks = Mapping[int, Look]
"""By the number of the validation."""


@dataclass(frozen=True)
class Rival:
    """A finished trial, as those after it see it."""

    number: int
    looks: Looks


class Pruned(Exception):
    """A run is stopped."""

    def __init__(self, look: Look, reason: str) -> None:
        super().__init__(reason)
        self.look, self.reason = look, reason


def better_rival(
    scores: Mapping[str, float],
    number: int,
    rivals: Sequence[Rival],
    goals: Sequence[evaluation.Metric],
) -> Rival | None:
    """The first rival that was better in every goal, by more than its margin, at the validation of this number.

    A score that is NaN, or that a rival does not have, is neither better nor worse.

    >>> psnr = evaluation.find_metric("psnr")
    >>> rivals = [Rival(3, {5: Look({"psnr": 30.0}, 50, 1.0)})]
    >>> [better_rival({"psnr": own}, 5, rivals, [psnr]) is not None for own in (29.8, 29.95)]
    [True, False]
    """
    for rival in rivals:
        look = rival.looks.get(number)
        if look and all(_gain(look.scores, scores, goal) > goal.margin for goal in goals):
            return rival
    return None


def _gain(rival: Mapping[str, float], own: Mapping[str, float], goal: evaluation.Metric) -> float:
    difference = rival[goal.name] - own[goal.name]
    return difference if goal.higher_is_better else -difference


class Pruner:
    """Measures the goals at the looks of a run, keeps them in a file, and stops the run that has no chance.

    The file is written before the state of the run is, and a look that is repeated after a kill gives the same: so
    a run that was killed goes on with the looks that it had.

    Parameters
    ----------
    file
        Where looks are kept.
    goals
        The metrics, all of which count.
    protocol
        Under which they are taken.
    rivals
        The trials that were complete when this one began; those that finish while it runs do not count, so that
        it makes no difference how many trials run at once.
    targets
        Where runs with the same images share what metrics see in them.
    """

    def __init__(
        self,
        file: Path,
        goals: Sequence[evaluation.Metric],
        protocol: evaluation.Protocol,
        rivals: Sequence[Rival] = (),
        targets: evaluation.Targets | None = None,
    ) -> None:
        self.file, self.goals, self.protocol, self.rivals, self.targets = file, goals, protocol, rivals, targets
        self._looks = dict(read_looks(file))

    @property
    def min_side(self) -> int:
        """What all goals can be measured on: on smaller crops some are NaN, and no trial would be stopped."""
        return max(goal.min_side for goal in self.goals) + 2 * self.protocol.border

    def observe(self, validation: Validation) -> None:
        """Look, if it is time; raises Pruned when a rival was better in every goal."""
        if not FIRST_LOOK <= validation.number < VALIDATIONS_PER_RUN:
            return
        look = Look(self._scores(validation), validation.step, validation.seconds)
        self._looks[validation.number] = look
        write_text(self.file, json.dumps({number: _plain(each) for number, each in self._looks.items()}) + "\n")
        if rival := better_rival(look.scores, validation.number, self.rivals, self.goals):
            share = validation.number / VALIDATIONS_PER_RUN
            where = "every goal" if len(self.goals) > 1 else self.goals[0].label
            raise Pruned(look, f"at {share:.0%} of its budget trial {rival.number} had been better in {where}")

    def _scores(self, validation: Validation) -> dict[str, float]:
        names = [goal.name for goal in self.goals]

        def pair(place: int) -> tuple[Tensor, Tensor]:
            return validation.restored[place], validation.clean[place]

        items = [
            evaluation.Restored(str(place), "trial", partial(pair, place))
            for place in range(len(validation.clean))
            if validation.clean[place].isfinite().any()
        ]
        rows = evaluation.score_images(items, self.protocol, names, targets=self.targets)
        return {name: fmean(row.scores[name] for row in rows) for name in names}


def read_looks(file: Path) -> Looks:
    """What a `Pruner` kept; nothing where there is no file.

    Raises LossmithError if it is damaged.
    """
    if not file.is_file():
        return {}
    try:
        stored = json.loads(file.read_text(encoding="utf-8"))
        return {int(number): _look(**look) for number, look in stored.items()}
    except (ValueError, TypeError, AttributeError) as error:
        raise LossmithError(f"{file} is damaged; delete it, and the same command goes on") from error


def _plain(look: Look) -> dict[str, Any]:
    """A look for JSON, which has no NaN."""
    return {
        **asdict(look),
        "scores": {n: None if math.isnan(score) else score for n, score in look.scores.items()},
    }


def _look(scores: Mapping[str, float | None], step: int, seconds: float) -> Look:
    return Look({name: math.nan if score is None else score for name, score in scores.items()}, step, seconds)


__all__ = ["FIRST_LOOK", "Look", "Looks", "Pruned", "Pruner", "Rival", "better_rival", "read_looks"]

"""What a run teaches."""

from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from lossmith.files import digest_of
from lossmith.images import Source
from lossmith.losses import Loss
from lossmith.losses.adversarial import adversarial
from lossmith.models import load_model
from lossmith.networks import critic, network
from lossmith.training.adversarial import Contested
from lossmith.training.contest import Contest
from lossmith.training.init import Init
from lossmith.training.judged import Judged
from lossmith.training.recipe import Recipe
from lossmith.training.rehearsal import rehearse
from lossmith.training.supervised import Supervised


@dataclass(frozen=True)
class Lesson:
    """A restorer is taught by a loss."""

    loss: Loss
    recipe: Recipe
    init: Init | None = field(default=None, kw_only=True)
    """What it begins with instead of fresh weights."""

    @property
    def configuration(self) -> dict[str, Any]:
        """All that sets it apart from other lessons under the same loss."""
        return {**self.recipe.identity, **(self.init.identity if self.init else {})}

    def rehearse(self, source: Source) -> None:
        """Raise LossmithError for what does not fit together."""
        rehearse([self.loss], self.recipe, source)

    def learner(self, scale: int) -> Supervised:
        """Ready for the first step; fresh weights are drawn from torch's generator."""
        # a loss may keep a state, which one run must not hand to the next
        return Supervised(self._restorer(scale), deepcopy(self.loss), self.recipe)

    def _restorer(self, scale: int) -> nn.Module:
        restorer = network(str(self.recipe.network), scale)
        if self.init:
            self.init.load(restorer)
        return restorer


@dataclass(frozen=True)
class Duel(Lesson):
    """A trained restorer is taught by a loss and by a critic."""

    contest: Contest
    trained: Path
    """The model that it begins with."""

    @property
    def configuration(self) -> dict[str, Any]:
        names = ("critic", "adversarial", "adversarial_weight", "critic_learning_rate")
        contest = {name: getattr(self.contest, name) for name in names}
        begins_with = digest_of(self.trained)
        return {**super().configuration, **contest, "begins_with": begins_with}

    def rehearse(self, source: Source) -> None:
        judged = Judged(critic(str(self.contest.critic), self.recipe.patch), adversarial(self.contest.adversarial))
        rehearse([self.loss + self.contest.adversarial_weight * judged], self.recipe, source)

    def learner(self, scale: int) -> Contested:
        restorer = self._restorer(scale)
        restorer.load_state_dict(load_model(self.trained, self.recipe.network).restorer.state_dict())
        return Contested(
            restorer,
            deepcopy(self.loss),
            critic(str(self.contest.critic), self.recipe.patch),
            adversarial(self.contest.adversarial),
            self.contest.adversarial_weight,
            self.recipe,
            self.contest.critic_learning_rate,
        )

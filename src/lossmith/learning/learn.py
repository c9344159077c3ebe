"""Phase 1: from a picture and its damage to the critics of a loss."""

from copy import deepcopy
from dataclasses import dataclass

from torch import Tensor

from lossmith.devices import best_device
from lossmith.learning.balance import balance, worth_as_l1
from lossmith.learning.diary import Diary
from lossmith.learning.game import Game
from lossmith.learning.progress import ScaleProgress, costs
from lossmith.learning.pyramid import Pyramid
from lossmith.losses.discriminative_network import Critic


@dataclass(frozen=True)
class Learned:
    """The critics of a loss, coarsest first, on the CPU, and what they have learned from."""

    critics: list[Critic]
    factors: list[float]
    """Of the sides that each critic sees, as a part of the loss, to those of the whole picture."""
    clean: list[Tensor]
    """The picture of each scale, (1, 3, H, W) in [-1, 1]."""
    damaged: list[Tensor]
    """The same, damaged."""


def learn(pyramid: Pyramid, diary: Diary) -> Learned:
    """Play the game of every scale, coarse to fine.

    What `diary` has kept is not played again; on a CPU the critics are then the same to the last bit.

    Raises Stopped, a KeyboardInterrupt, when told to stop, with the state saved.
    """
    recipe = pyramid.recipe
    learned = Learned([], pyramid.seen, [], [])
    former: Game | None = None
    results: Tensor | None = None
    with diary.open(), ScaleProgress(costs(pyramid, recipe), recipe.iterations) as progress:
        for number in range(len(pyramid.factors)):
            game, scale = Game(recipe, number, pyramid.seed, best_device()), pyramid.scale(number, results)
            if former:
                game.inherit(former)
            diary.resume(game)
            while game.round < recipe.iterations:
                diary.enter(game, game.play(scale), progress)
            learned.critics.append(deepcopy(game.critic).cpu().eval().requires_grad_(False))
            learned.clean.append(scale.clean[None])
            learned.damaged.append(scale.damaged[:1])
            results, former = game.results(scale), game
    if recipe.balance == "layers":
        worth = worth_as_l1(learned.clean[-1], learned.damaged[-1])
        balance(learned.critics, learned.factors, learned.clean, learned.damaged, worth)
    return learned


__all__ = ["Learned", "learn"]

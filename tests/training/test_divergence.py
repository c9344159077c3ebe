"""A loss that is no longer a number stops the run, and nothing of it is ever saved."""

import csv
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lossmith.errors import Diverged
from lossmith.losses import External, loss
from lossmith.training import Recipe, Summary
from lossmith.training.lookout import Lookout

Train = Callable[..., Summary]


class BreaksAt(torch.nn.Module):
    """An L1 that is not a number from its n-th call on."""

    def __init__(self, n: int, value: float = math.nan) -> None:
        super().__init__()
        self.left, self.value = n, value

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.left -= 1
        distance = (prediction - target).abs().mean()
        return distance if self.left > 0 else distance * self.value


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_the_step_the_term_and_what_is_saved_are_named(value: float, train: Train, tmp_path: Path) -> None:
    broken = External(BreaksAt(5, value), "my:BreaksAt") + loss("l2")
    with pytest.raises(Diverged) as stopped:
        train(tmp_path, broken, save_every=0.0)
    assert str(stopped.value) == (
        f"the loss became {value} at step 5, in its term 'my:BreaksAt'; "
        "the state after step 4 is saved, and a lower learning_rate usually helps"
    )
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["course"]["step"] == 4
    assert all(torch.isfinite(value).all() for value in saved["learner"]["modules"].values())
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3, 4]


def test_where_nothing_was_saved_nothing_is_said_to_be(train: Train, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"at step 5, .*; no state was saved before that, and"):
        train(tmp_path, External(BreaksAt(5), "my:BreaksAt"))
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "model.safetensors").exists()


def test_the_step_is_exact_though_nobody_looks_at_every_one(train: Train, small: Recipe, tmp_path: Path) -> None:
    """A row of the journal at every fourth step, no checkpoint before the end."""
    broken = External(BreaksAt(202), "my:BreaksAt")
    with pytest.raises(Diverged, match=r"became nan at step 202, in its term 'my:BreaksAt'"):
        train(tmp_path, broken, replace(small, steps=400, patch=8, batch=1))


class NanGradient(torch.nn.Module):
    """An L1 whose value stays finite and whose gradient does not."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        difference = prediction - target
        return difference.abs().mean() + 0 * (difference - difference).sqrt().sum()


def test_a_nan_in_the_gradient_never_reaches_a_checkpoint_or_a_model(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    broken = External(NanGradient(), "my:NanGradient")
    with pytest.raises(Diverged, match=r"^the weights are no longer numbers after step 1; no state was saved"):
        train(tmp_path, broken, replace(small, steps=1))
    assert not (tmp_path / "model.safetensors").exists()
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


# --- the lookout -----------------------------------------------------------------------------------------------


def values(**numbers: float) -> dict[str, Tensor]:
    return {name: torch.tensor(number) for name, number in numbers.items()}


def test_a_look_names_the_first_of_several_broken_steps_and_terms() -> None:
    lookout = Lookout(every_seconds=math.inf)
    for step, (a, b) in enumerate([(1.0, 2.0), (3.0, math.inf), (math.nan, math.nan)], 7):
        lookout.note(step, values(loss=a + b, a=a, b=b))
    with pytest.raises(Diverged, match=r"^the loss became inf at step 8, in its term 'b'$"):
        lookout.look()


def test_terms_that_are_finite_may_have_a_sum_that_is_not() -> None:
    lookout = Lookout(every_seconds=math.inf)
    big = torch.tensor(3e38)
    lookout.note(1, {"loss": big + big, "a": big, "b": big})
    with pytest.raises(Diverged, match="became inf at step 1, in its term 'sum'"):
        lookout.look()


def test_it_looks_by_itself_when_it_is_time() -> None:
    with pytest.raises(Diverged, match="at step 1"):
        Lookout(every_seconds=0.0).note(1, values(loss=math.nan, a=math.nan))


def test_what_has_been_seen_is_forgotten() -> None:
    lookout = Lookout(every_seconds=math.inf)
    lookout.look()
    lookout.note(1, values(loss=1.0, a=1.0))
    lookout.look()
    assert not lookout._unseen


def test_means_are_of_the_steps_that_had_a_value_since_they_were_asked_for() -> None:
    lookout = Lookout(every_seconds=math.inf)
    lookout.note(1, values(loss=1.0, a=1.0))
    lookout.look()
    lookout.note(2, values(loss=4.0, b=4.0))
    assert lookout.means() == {"loss": 2.5, "a": 1.0, "b": 4.0}
    assert lookout.means() == {}

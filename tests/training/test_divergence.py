"""A loss that is not finite stops the run, and nothing of it is ever saved."""

import csv
import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lossmith.core.errors import Diverged
from lossmith.data import PatchDataset, PreparedData
from lossmith.losses import CallableLoss, loss
from lossmith.losses.adversarial import adversarial
from lossmith.models.model_file import load_model
from lossmith.networks import discriminator
from lossmith.training import Recipe, RunSummary
from lossmith.training.adversarial import AdversarialModule
from lossmith.training.distributed.environment import single_process_fabric
from lossmith.training.loss_monitor import LossMonitor
from lossmith.training.state import TrainState
from lossmith.training.supervised import SKIPPED, SupervisedModule

from .sample_networks import NormalizedNetwork

Train = Callable[..., RunSummary]


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
def test_a_divergence_names_its_step_its_term_and_the_last_checkpoint(
    value: float, train: Train, tmp_path: Path
) -> None:
    failing_loss = CallableLoss(BreaksAt(5, value), "my:BreaksAt") + loss("l2")
    with pytest.raises(Diverged) as error:
        train(tmp_path, failing_loss, save_every=0.0)
    assert str(error.value) == (
        f"the loss became {value} at step 5, in its term 'my:BreaksAt'; "
        "the state after step 4 is saved, and a lower `learning_rate` usually helps"
    )
    state = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["train_state"]["step"] == 4
    assert all(torch.isfinite(value).all() for value in state["module"]["modules"].values())
    with (tmp_path / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [0, 1, 2, 3, 4]


def test_a_divergence_before_the_first_checkpoint_names_none(train: Train, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"at step 1, .*; no state was saved before that, and"):
        train(tmp_path, CallableLoss(BreaksAt(1), "my:BreaksAt"))
    assert not (tmp_path / "checkpoints").exists()
    assert not (tmp_path / "model.safetensors").exists()


def test_the_diverged_step_is_exact_though_steps_are_checked_in_batches(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    """A row of the journal at every fourth step, no checkpoint before the end."""
    failing_loss = CallableLoss(BreaksAt(202), "my:BreaksAt")
    with pytest.raises(Diverged, match=r"became nan at step 202, in its term 'my:BreaksAt'"):
        train(tmp_path, failing_loss, replace(small, steps=400, patch=8, batch=1))


class NanGradient(torch.nn.Module):
    """An L1 whose value stays finite and whose gradient does not."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        difference = prediction - target
        return difference.abs().mean() + 0 * (difference - difference).sqrt().sum()


def test_a_nan_in_the_gradient_never_reaches_a_checkpoint_or_a_model(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    failing_loss = CallableLoss(NanGradient(), "my:NanGradient")
    sentence = r"^the gradient is not finite at step 1, though the loss, 0\.\d+, is; no state was saved"
    with pytest.raises(Diverged, match=sentence):
        train(tmp_path, failing_loss, replace(small, steps=1))
    assert not (tmp_path / "model.safetensors").exists()
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


# --- skipping --------------------------------------------------------------------------------------------------


class BreaksOnSome(torch.nn.Module):
    """An L1 that is not a number on about a third of all batches, whichever those are."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        breaks = int(1e6 * float(target.sum())) % 3 == 0
        return (prediction - target).abs().mean() * (math.nan if breaks else 1.0)


def skipping(small: Recipe, **changes: Any) -> Recipe:
    return replace(small, on_nan="skip", **changes)


def metrics(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def module(recipe: Recipe, criterion: torch.nn.Module, is_adversarial: bool) -> SupervisedModule:
    torch.manual_seed(1)
    loss_term = CallableLoss(criterion, "my:loss")
    if not is_adversarial:
        return SupervisedModule(NormalizedNetwork(), loss_term, recipe)
    return AdversarialModule(
        NormalizedNetwork(), loss_term, discriminator("vgg_any(features=2)", 32), adversarial("ragan"), 0.1, recipe
    )


def serialize(state: Any) -> bytes:
    content = BytesIO()
    torch.save(state, content)
    return content.getvalue()


@pytest.mark.parametrize("is_adversarial", [False, True])
@pytest.mark.parametrize("criterion", [BreaksAt(2), BreaksAt(2, math.inf)])
def test_a_skipped_step_changes_nothing_at_all(
    criterion: torch.nn.Module, is_adversarial: bool, prepared_photos: PreparedData, small: Recipe
) -> None:
    """No weight, no average, no statistic, no momentum, and no random number."""
    taught = module(skipping(small, ema=0.5), deepcopy(criterion), is_adversarial)
    taught.setup(single_process_fabric(taught.recipe))
    patches = PatchDataset(prepared_photos.source, 32)
    assert SKIPPED not in taught.training_step(patches.batch(0, 2), 0.1)
    before, chance = serialize(taught.state_dict()), torch.get_rng_state()
    assert SKIPPED in taught.training_step(patches.batch(2, 2), 0.1)
    assert serialize(taught.state_dict()) == before
    assert torch.equal(torch.get_rng_state(), chance)


def test_a_step_that_raises_changes_nothing_either(prepared_photos: PreparedData, small: Recipe) -> None:
    class Fails(torch.nn.Module):
        def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
            raise torch.OutOfMemoryError

    taught = module(small, Fails(), is_adversarial=True)
    taught.setup(single_process_fabric(small))
    before, chance = serialize(taught.state_dict()["modules"]), torch.get_rng_state()
    with pytest.raises(torch.OutOfMemoryError):
        taught.training_step(PatchDataset(prepared_photos.source, 32).batch(0, 2), 0.1)
    assert serialize(taught.state_dict()["modules"]) == before
    assert torch.equal(torch.get_rng_state(), chance)


def test_skipped_steps_are_counted_in_log_summary_and_receipt(train: Train, small: Recipe, tmp_path: Path) -> None:
    summary = train(tmp_path, CallableLoss(BreaksOnSome(), "my:loss"), skipping(small, steps=40))
    rows = metrics(tmp_path)[1:]
    counts = [int(float(row["skipped"])) for row in rows]
    assert counts == sorted(counts)
    assert 0 < summary.skipped == counts[-1] < 40
    # every row stands for the steps since the one before: a step that was skipped has no loss to tell
    for before, after, row in zip([0, *counts], counts, rows, strict=False):
        assert (row["loss"] == "") == (after > before)
    assert load_model(tmp_path / "model.safetensors").receipt["skipped"] == summary.skipped


def test_skipping_resumes_exactly_and_a_stopped_run_may_go_on_with_it(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    failing_loss = CallableLoss(BreaksOnSome(), "my:loss")
    train(tmp_path / "whole", failing_loss, skipping(small, steps=40))
    with pytest.raises(Diverged, match=r"became nan at step (\d+), .*; the state after step \d+ is saved"):
        train(tmp_path / "stopped", failing_loss, replace(small, steps=40))
    train(tmp_path / "stopped", failing_loss, skipping(small, steps=40))
    reference_run, resumed_run = (tmp_path / name for name in ("whole", "stopped"))
    assert (reference_run / "model.safetensors").read_bytes() == (resumed_run / "model.safetensors").read_bytes()
    last = [{name: value or "0" for name, value in row.items()} for row in metrics(resumed_run)]
    assert [row["loss"] for row in last] == [row["loss"] or "0" for row in metrics(reference_run)]


@pytest.mark.parametrize(
    ("limit", "limit_name"), [("MAX_CONSECUTIVE_SKIPS", "in a row"), ("MAX_SKIPPED_STEPS", "of the run")]
)
def test_too_many_skipped_steps_end_the_run(
    limit: str, limit_name: str, train: Train, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"lossmith.training.loss_monitor.{limit}", 3)
    failing_loss = CallableLoss(BreaksAt(5), "my:BreaksAt")
    sentence = (
        f"the loss became nan at step 8, in its term 'my:BreaksAt', after 3 steps {limit_name} were skipped; "
        "the state after step 7 is saved, and a lower `learning_rate` usually helps"
    )
    for _ in range(2):  # and the state that is saved is such that the same command comes to the same end
        with pytest.raises(Diverged) as error:
            train(tmp_path, failing_loss, skipping(small))
        assert str(error.value) == sentence
        failing_loss = CallableLoss(BreaksAt(1), "my:BreaksAt")


# --- the lookout -----------------------------------------------------------------------------------------------


def values(**numbers: float) -> dict[str, Tensor]:
    return {name: torch.tensor(number) for name, number in numbers.items()}


def test_the_first_of_several_diverged_steps_and_terms_is_named() -> None:
    lookout = LossMonitor(TrainState(Recipe()), every_seconds=math.inf)
    for step, (a, b) in enumerate([(1.0, 2.0), (3.0, math.inf), (math.nan, math.nan)], 7):
        lookout.update(step, values(loss=a + b, a=a, b=b))
    with pytest.raises(Diverged, match=r"^the loss became inf at step 8, in its term 'b'$"):
        lookout.flush()
    with pytest.raises(Diverged):
        lookout.state_dict()  # what the steps after it did is in the weights, which are not to be saved


def test_terms_that_are_finite_may_have_a_sum_that_is_not() -> None:
    lookout = LossMonitor(TrainState(Recipe()), every_seconds=math.inf)
    big_value = torch.tensor(3e38)
    lookout.update(1, {"loss": big_value + big_value, "a": big_value, "b": big_value})
    with pytest.raises(Diverged, match="became inf at step 1, in its term 'sum'"):
        lookout.flush()


def test_the_loss_monitor_flushes_by_itself_after_its_interval() -> None:
    with pytest.raises(Diverged, match="at step 1"):
        LossMonitor(TrainState(Recipe()), every_seconds=0.0).update(1, values(loss=math.nan, a=math.nan))


def test_the_loss_monitor_forgets_flushed_steps() -> None:
    lookout = LossMonitor(TrainState(Recipe()), every_seconds=math.inf)
    lookout.flush()
    lookout.update(1, values(loss=1.0, a=1.0))
    lookout.flush()
    assert not lookout._pending


def test_means_cover_the_steps_with_a_value_since_the_last_call() -> None:
    lookout = LossMonitor(TrainState(Recipe()), every_seconds=math.inf)
    lookout.update(1, values(loss=1.0, a=1.0))
    lookout.flush()
    lookout.update(2, values(loss=4.0, b=4.0))
    assert lookout.pop_means() == {"loss": 2.5, "a": 1.0, "b": 4.0}
    assert lookout.pop_means() == {}

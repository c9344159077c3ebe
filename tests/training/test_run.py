"""What a run does and leaves behind."""

import csv
import errno
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

from lossmith.errors import LossmithError
from lossmith.images import Data, Gathered, Patches, gather
from lossmith.losses import loss
from lossmith.models import load_model, save_model
from lossmith.networks import network
from lossmith.training import Recipe, RunFolder, Summary
from lossmith.training.examiner import centre_crops
from lossmith.training.memory import kept_for_backward
from lossmith.training.module import Restoration, learning_rate
from lossmith.training.run import fit
from lossmith.training.stopwatch import Stopwatch

Train = Callable[..., Summary]


def journal(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_is_a_folder_with_everything_in_it(train: Train, gathered: Gathered, tmp_path: Path) -> None:
    summary = train(tmp_path)
    assert summary.steps == 12
    assert summary.milliseconds_per_step == pytest.approx(1000 * summary.seconds / 12)
    for name in ("run.yaml", "metrics.csv", "model.safetensors", "checkpoints/last.ckpt", "scores.csv"):
        assert (tmp_path / name).is_file(), name
    assert list((tmp_path / "tensorboard").glob("events*"))
    names = {pair.name for pair in gathered.tests}
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == names
    assert not list(tmp_path.rglob("*.part")), "a file was left half-written"


def test_the_journal_holds_named_terms_that_sum_to_the_loss(train: Train, tmp_path: Path) -> None:
    train(tmp_path, "l1 + 0.1*tv")
    rows = journal(tmp_path)
    assert [int(row["step"]) for row in rows] == list(range(13))
    for row in rows[1:]:
        assert float(row["l1"]) + float(row["0.1*tv"]) == pytest.approx(float(row["loss"]), rel=1e-6)
    assert float(rows[0]["psnr"]) > 0
    assert float(rows[-1]["psnr"]) > 0


def test_a_schedule_changes_the_loss_during_the_run(train: Train, tmp_path: Path) -> None:
    train(tmp_path, "l1 until 50% then l2")
    rows = journal(tmp_path)[1:]
    assert [bool(row["l1"]) for row in rows] == [True] * 6 + [False] * 6
    assert [bool(row["l2"]) for row in rows] == [False] * 6 + [True] * 6


def test_training_lowers_the_loss(train: Train, small: Recipe, tmp_path: Path) -> None:
    train(tmp_path, "l2", replace(small, steps=200, learning_rate=5e-3))
    values = [float(row["loss"]) for row in journal(tmp_path)[1:]]
    assert sum(values[-10:]) < 0.8 * sum(values[:10])


class Follows(Callback):
    """Averages the weights by hand."""

    def __init__(self, decay: float = 0.9) -> None:
        self.decay = decay
        self.average: list[Tensor] = []

    def on_train_start(self, trainer: Trainer, module: Any) -> None:
        self.average = [weight.detach().clone() for weight in module.restorer.parameters()]

    def on_train_batch_end(self, trainer: Trainer, module: Any, *_: Any) -> None:
        weights = [weight.detach() for weight in module.restorer.parameters()]
        self.average = [
            self.decay * average + (1 - self.decay) * weight
            for average, weight in zip(self.average, weights, strict=True)
        ]


def follow(gathered: Gathered, recipe: Recipe, out: Path, *extra: Callback) -> tuple[Restoration, Follows]:
    module = Restoration(network(recipe.network), loss("l1"), recipe)
    follows = Follows()
    patches = Patches(gathered.source, recipe.patch)
    fit(module, patches, gathered.tests, RunFolder(out), "followed", extra=[follows, *extra])
    return module, follows


def test_averaged_weights_are_the_exponential_average_of_the_weights(
    gathered: Gathered, small: Recipe, tmp_path: Path
) -> None:
    module, follows = follow(gathered, replace(small, ema=0.9), tmp_path)
    for kept, average in zip(module.result.parameters(), follows.average, strict=True):
        # twelve roundings of numbers around 0.1 in float32, in another order
        torch.testing.assert_close(kept, average, rtol=1e-5, atol=1e-7)
    moved = [weight - kept for weight, kept in zip(module.restorer.parameters(), follows.average, strict=True)]
    assert max(float(difference.detach().abs().max()) for difference in moved) > 1e-4, "it lags behind"


class SecondPerStep(Callback):
    """A clock that shows one second more at every step."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def on_train_batch_start(self, *_: Any) -> None:
        self.now += 1


@pytest.mark.parametrize("seconds", [4.5, 5.0])
def test_no_step_begins_after_the_minutes_are_spent(
    seconds: float, gathered: Gathered, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SecondPerStep()
    monkeypatch.setattr("lossmith.training.stopwatch.time", clock)
    module, _ = follow(gathered, replace(small, steps=None, minutes=seconds / 60), tmp_path, clock)
    assert module.global_step == 5
    assert module.stopwatch.elapsed == 5


def test_what_is_left_to_write_when_the_minutes_are_spent_needs_no_step(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    recipe = replace(small, steps=None, minutes=0.01)
    summary = train(tmp_path, recipe=recipe)
    weights = (tmp_path / "model.safetensors").read_bytes()
    for name in ("summary.json", "model.safetensors"):
        (tmp_path / name).unlink()
    assert train(tmp_path, recipe=recipe).steps == summary.steps
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_the_clock_stands_still_while_it_is_paused_or_stopped() -> None:
    watch = Stopwatch(elapsed=2.0)
    watch.start()
    with watch.paused():
        before = watch.elapsed
        time.sleep(0.05)
        assert watch.elapsed == before
    time.sleep(0.01)
    watch.stop()
    after = watch.elapsed
    time.sleep(0.05)
    assert watch.elapsed == after > before >= 2.0
    assert after - before >= 0.01


def test_the_learning_rate_rises_for_a_twentieth_and_falls_along_a_cosine() -> None:
    rates = [learning_rate(Recipe(learning_rate=0.5), i / 100) for i in range(101)]
    assert rates[0] == pytest.approx(0.005)
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(0.005)
    assert learning_rate(Recipe(learning_rate=0.5, decay="none"), 0.9) == 0.5


class Normalised(torch.nn.Module):
    """A network that counts the batches it learns from, and draws."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.drop = torch.nn.BatchNorm2d(3), torch.nn.Dropout(0.2)

    def forward(self, degraded: Tensor) -> Tensor:
        return self.drop(self.norm(self.conv(degraded)))


def test_test_pictures_are_only_looked_at(gathered: Gathered, small: Recipe, tmp_path: Path) -> None:
    module = Restoration(Normalised(), loss("l1"), small)
    fit(module, Patches(gathered.source, 32), gathered.tests, RunFolder(tmp_path), "normalised")
    assert int(module.restorer.norm.num_batches_tracked) == small.steps


class StopAt(Callback):
    """Presses Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            signal.raise_signal(signal.SIGINT)


def test_a_network_that_draws_resumes_exactly(gathered: Gathered, small: Recipe, tmp_path: Path) -> None:
    def go(out: Path, *extra: Callback) -> dict[str, Tensor]:
        torch.manual_seed(5)
        module = Restoration(Normalised(), loss("l1"), small)
        patches = Patches(gathered.source, 32)
        fit(module, patches, gathered.tests, RunFolder(out), "drawing", extra=extra)
        return module.restorer.state_dict()

    whole = go(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "stopped", StopAt(4))
    resumed = go(tmp_path / "stopped")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_signals_are_given_back_after_a_run(train: Train, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    train(tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


class StopWhileSettingUp(Callback):
    """Presses Ctrl-C before the first step, when Lightning is already at work."""

    def setup(self, trainer: Trainer, module: Any, stage: str) -> None:
        signal.raise_signal(signal.SIGINT)


def test_ctrl_c_before_the_first_step_is_obeyed_after_it(
    gathered: Gathered, small: Recipe, tmp_path: Path
) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    module = Restoration(network(small.network), loss("l1"), small)
    patches = Patches(gathered.source, 32)
    with pytest.raises(KeyboardInterrupt):
        fit(module, patches, gathered.tests, RunFolder(tmp_path), "stopped", extra=[StopWhileSettingUp()])
    assert torch.load(RunFolder(tmp_path).checkpoint, weights_only=True)["global_step"] == 1
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lightning.pytorch.trainer.trainer.Trainer.save_checkpoint", full)
        with pytest.raises(LossmithError, match=r"cannot write .*last\.ckpt: No space left on device"):
            train(tmp_path)
    assert train(tmp_path).steps == 12  # the same command, once there is room


class BreaksInSetUp(Callback):
    """Fails before the run begins."""

    def setup(self, trainer: Trainer, module: Any, stage: str) -> None:
        raise RuntimeError("no device")


def test_a_run_that_never_began_leaves_the_journal_alone(
    gathered: Gathered, small: Recipe, tmp_path: Path
) -> None:
    RunFolder(tmp_path).journal.write_text("from before")
    module = Restoration(network(small.network), loss("l1"), small)
    patches = Patches(gathered.source, 32)
    with pytest.raises(RuntimeError, match="no device"):
        fit(module, patches, gathered.tests, RunFolder(tmp_path), "failed", extra=[BreaksInSetUp()])
    assert RunFolder(tmp_path).journal.read_text() == "from before"


def test_memory_kept_for_backward_grows_with_the_batch(gathered: Gathered, small: Recipe) -> None:
    module = Restoration(network("fcn"), loss("l1"), small)
    patches = Patches(gathered.source, 32, seed=1)
    one, two = (kept_for_backward(module, patches.batch(0, n)) for n in (1, 2))
    assert one > 2 * 64 * 32 * 32 * 4, "at least the two inner activations"
    assert two == pytest.approx(2 * one, rel=0.01)


def test_crops_to_watch_are_aligned_in_both_sizes(photos: Path) -> None:
    pairs = gather(Data([photos]), "bicubic(2)").tests
    degraded, clean = centre_crops(pairs, side=33, most=8)
    assert clean.shape[-2:] == (32, 32)
    assert degraded.shape[-2:] == (16, 16)
    enlarged = torch.nn.functional.interpolate(degraded, scale_factor=2, mode="bicubic")
    assert (enlarged - clean).abs().mean() < 0.02  # the same place, since the pictures are smooth


def test_a_model_file_gives_the_network_back(tmp_path: Path) -> None:
    made = network("fcn", 2)
    save_model(tmp_path / "m.safetensors", made, {"network": "fcn", "scale": 2, "loss": "l1"})
    model = load_model(tmp_path / "m.safetensors")
    picture = torch.rand(1, 3, 9, 7)
    assert torch.equal(model.restorer(picture), made(picture))
    assert model.scale == 2
    assert model.receipt["loss"] == "l1"


def test_what_is_not_a_model_is_refused(tmp_path: Path) -> None:
    good = tmp_path / "m.safetensors"
    save_model(good, network("fcn"), {"network": "fcn", "scale": 1})
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(good.read_bytes()[:1000])
    foreign = tmp_path / "foreign.safetensors"
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, foreign)
    other = tmp_path / "other.safetensors"
    save_model(other, network("fcn"), {"network": "srresnet_small", "scale": 1})
    for path, sentence in {
        tmp_path / "none.safetensors": "is not a file",
        cut: "is not a whole safetensors file",
        foreign: "is no lossmith model file: its metadata has no entry 'lossmith-model-1'$",
        other: "does not hold the weights of srresnet_small",
    }.items():
        with pytest.raises(LossmithError, match=sentence):
            load_model(path)

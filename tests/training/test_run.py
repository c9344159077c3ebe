"""What a run does and leaves behind, and how it refuses."""

import csv
import errno
import math
import signal
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback, Trainer
from torch import Tensor

import lossmith
from lossmith.errors import Diverged, LossmithError
from lossmith.evaluation import protocol_for
from lossmith.images import Data, Gathered, Patches, gather
from lossmith.losses import External, loss
from lossmith.models import load_model, save_model
from lossmith.networks import network
from lossmith.training import Recipe, RunFolder, Summary
from lossmith.training.memory import kept_for_backward
from lossmith.training.module import Restoration, learning_rate
from lossmith.training.run import centre_crops, fit, run
from lossmith.training.stopwatch import Stopwatch
from lossmith.training.stream import BatchStream

SMALL = Recipe(network="srresnet_small(features=8, blocks=1)", steps=12, batch=2, patch=32)


@pytest.fixture(scope="module")
def gathered(photos: Path) -> Gathered:
    return gather(Data([photos]), "noise(25)")


def train(gathered: Gathered, out: Path, criterion: Any = "l1", recipe: Recipe = SMALL, **options: Any) -> Summary:
    chosen = loss(criterion) if isinstance(criterion, str) else criterion
    return run(RunFolder(out), chosen, recipe, gathered.source, gathered.tests, protocol_for(1), **options)


def journal(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_is_a_folder_with_everything_in_it(gathered: Gathered, tmp_path: Path) -> None:
    summary = train(gathered, tmp_path)
    assert summary.steps == 12
    assert summary.milliseconds_per_step == pytest.approx(1000 * summary.seconds / 12)
    for name in ("run.yaml", "metrics.csv", "model.safetensors", "checkpoints/last.ckpt", "scores.csv"):
        assert (tmp_path / name).is_file(), name
    assert list((tmp_path / "tensorboard").glob("events*"))
    names = {pair.name for pair in gathered.tests}
    assert {path.stem for path in (tmp_path / "pictures").iterdir()} == names
    assert not list(tmp_path.rglob("*.part")), "a file was left half-written"


def test_the_journal_holds_named_terms_that_sum_to_the_loss(gathered: Gathered, tmp_path: Path) -> None:
    train(gathered, tmp_path, "l1 + 0.1*tv")
    rows = journal(tmp_path)
    assert [int(row["step"]) for row in rows] == list(range(13))
    for row in rows[1:]:
        assert float(row["l1"]) + float(row["0.1*tv"]) == pytest.approx(float(row["loss"]), rel=1e-6)
    assert float(rows[0]["psnr"]) > 0
    assert float(rows[-1]["psnr"]) > 0


def test_a_schedule_changes_the_loss_during_the_run(gathered: Gathered, tmp_path: Path) -> None:
    train(gathered, tmp_path, "l1 until 50% then l2")
    rows = journal(tmp_path)[1:]
    assert [bool(row["l1"]) for row in rows] == [True] * 6 + [False] * 6
    assert [bool(row["l2"]) for row in rows] == [False] * 6 + [True] * 6


def test_training_lowers_the_loss(gathered: Gathered, tmp_path: Path) -> None:
    train(gathered, tmp_path, "l2", replace(SMALL, steps=200, learning_rate=5e-3))
    values = [float(row["loss"]) for row in journal(tmp_path)[1:]]
    assert sum(values[-10:]) < 0.8 * sum(values[:10])


def test_averaged_weights_are_the_exponential_average_of_the_weights(gathered: Gathered) -> None:
    module = Restoration(network("fcn"), loss("l1"), replace(SMALL, ema=0.75))
    assert module.averaged is not None
    weight = next(module.restorer.parameters())
    seen = []
    for value in (1.0, 2.0, 4.0):
        weight.data.fill_(value)
        module.averaged.update_parameters(module.restorer)
        seen.append(float(next(module.result.parameters()).detach().flatten()[0]))
    # the first update copies; then average = 0.75 average + 0.25 weight
    assert seen == pytest.approx([1.0, 1.25, 0.75 * 1.25 + 0.25 * 4.0])


def test_a_budget_in_minutes_ends_in_time(gathered: Gathered, tmp_path: Path) -> None:
    minutes = 0.02
    summary = train(gathered, tmp_path, recipe=replace(SMALL, steps=None, minutes=minutes))
    assert summary.steps > 1
    # it stops at the end of the step in which the time ran out, never before
    assert summary.seconds >= 60 * minutes

    # what is left to write when the time is spent is written without another step
    weights = (tmp_path / "model.safetensors").read_bytes()
    for name in ("summary.json", "model.safetensors"):
        (tmp_path / name).unlink()
    again = train(gathered, tmp_path, recipe=replace(SMALL, steps=None, minutes=minutes))
    assert again.steps == summary.steps
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


class NanAt(torch.nn.Module):
    """An L1 that breaks at its n-th call."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.left = n

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.left -= 1
        value = (prediction - target).abs().mean()
        return value * math.nan if self.left == 0 else value


def test_a_nan_stops_the_run_with_the_step_the_term_and_a_saved_state(gathered: Gathered, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"became nan at step 5, in its term 'my:NanAt'"):
        train(gathered, tmp_path, External(NanAt(5), "my:NanAt") + loss("l2"))
    saved = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert saved["global_step"] == 4
    assert all(torch.isfinite(value).all() for value in saved["state_dict"].values())


class NanGradient(torch.nn.Module):
    """An L1 whose value stays finite and whose gradient does not."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        difference = prediction - target
        return difference.abs().mean() + 0 * (difference - difference).sqrt().sum()


def test_a_nan_in_the_gradient_never_reaches_a_checkpoint_or_a_model(gathered: Gathered, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"weights are no longer numbers after step|the loss became nan"):
        train(gathered, tmp_path, External(NanGradient(), "my:NanGradient"), replace(SMALL, steps=1))
    assert not (tmp_path / "model.safetensors").exists()
    assert not (tmp_path / "checkpoints" / "last.ckpt").exists()


class Normalised(torch.nn.Module):
    """A network that counts the batches it learns from, and draws."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.norm, self.drop = torch.nn.BatchNorm2d(3), torch.nn.Dropout(0.2)

    def forward(self, degraded: Tensor) -> Tensor:
        return self.drop(self.norm(self.conv(degraded)))


def test_test_pictures_are_only_looked_at(gathered: Gathered, tmp_path: Path) -> None:
    module = Restoration(Normalised(), loss("l1"), SMALL)
    fit(module, Patches(gathered.source, 32), gathered.tests, RunFolder(tmp_path), "normalised")
    assert int(module.restorer.norm.num_batches_tracked) == SMALL.steps


class StopAt(Callback):
    """Presses Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == self.step:
            signal.raise_signal(signal.SIGINT)


def test_a_network_that_draws_resumes_exactly(gathered: Gathered, tmp_path: Path) -> None:
    def go(out: Path, *extra: Callback) -> dict[str, Tensor]:
        torch.manual_seed(5)
        module = Restoration(Normalised(), loss("l1"), SMALL)
        patches = Patches(gathered.source, 32)
        fit(module, patches, gathered.tests, RunFolder(out), "drawing", extra=extra)
        return module.restorer.state_dict()

    whole = go(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        go(tmp_path / "stopped", StopAt(4))
    resumed = go(tmp_path / "stopped")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_loss_or_network_that_fails_is_named_before_anything_is_written(
    gathered: Gathered, tmp_path: Path
) -> None:
    def misshapen(prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target[..., :-1]).abs().mean()

    with pytest.raises(LossmithError, match=r"loss 'my:misshapen' fails on patches .* with RuntimeError"):
        train(gathered, tmp_path / "run", External(misshapen, "my:misshapen"))
    with pytest.raises(LossmithError, match=r"loss 'my:constant' gives no gradient"):
        train(gathered, tmp_path / "run", External(lambda a, b: b.mean(), "my:constant"))
    assert not (tmp_path / "run").exists()


def test_a_folder_of_another_configuration_is_refused(gathered: Gathered, tmp_path: Path) -> None:
    train(gathered, tmp_path)
    before = (tmp_path / "run.yaml").read_bytes()
    with pytest.raises(LossmithError, match=r"another configuration: loss is 'l1' there and 'l2' here"):
        train(gathered, tmp_path, "l2")
    with pytest.raises(LossmithError, match=r"batch is 2 there and 3 here"):
        train(gathered, tmp_path, recipe=replace(SMALL, batch=3))
    assert (tmp_path / "run.yaml").read_bytes() == before


@pytest.mark.parametrize(
    ("recipe", "criterion", "sentence"),
    [
        (replace(SMALL, patch=50), "l1", r"too few for a patch of 50"),
        (SMALL, "ms_ssim", r"'ms_ssim' needs patches of at least 161 pixels, not 32"),
        (replace(SMALL, network="unett"), "l1", r"network 'unett' is not known"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_anything_is_written(
    gathered: Gathered, tmp_path: Path, recipe: Recipe, criterion: str, sentence: str
) -> None:
    with pytest.raises(LossmithError, match=sentence):
        train(gathered, tmp_path / "run", criterion, recipe)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["checkpoints/last.ckpt", "summary.json"])
def test_a_damaged_file_is_named(name: str, gathered: Gathered, tmp_path: Path) -> None:
    train(gathered, tmp_path)
    if name != "summary.json":
        (tmp_path / "summary.json").unlink()
    whole = (tmp_path / name).read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"[1]"):
        (tmp_path / name).write_bytes(damaged)
        with pytest.raises(LossmithError, match=rf"{name} is damaged; delete it"):
            train(gathered, tmp_path)
    (tmp_path / name).unlink()
    assert train(gathered, tmp_path).steps == 12


def test_signals_are_given_back_after_a_run(gathered: Gathered, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    train(gathered, tmp_path)
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_network_without_weights_is_refused(gathered: Gathered, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match="has nothing to train"):
        train(gathered, tmp_path, recipe=replace(SMALL, network="torch.nn:Identity"))


def test_a_full_disk_is_one_sentence_and_loses_nothing(
    gathered: Gathered, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lightning.pytorch.trainer.trainer.Trainer.save_checkpoint", full)
        with pytest.raises(LossmithError, match=r"cannot write .*last\.ckpt: No space left on device"):
            train(gathered, tmp_path)
    assert train(gathered, tmp_path).steps == 12  # the same command, once there is room


def test_batches_are_the_same_whoever_cuts_them(gathered: Gathered) -> None:
    patches = Patches(gathered.source, 32, seed=1)
    stream = iter(BatchStream(patches, 4, start=0))
    later = iter(BatchStream(patches, 4, start=2))
    batches = [next(stream) for _ in range(4)]
    for expected, batch in zip(batches[2:], later, strict=False):
        assert all(torch.equal(a, b) for a, b in zip(expected, batch, strict=True))


def test_memory_kept_for_backward_grows_with_the_batch(gathered: Gathered) -> None:
    module = Restoration(network("fcn"), loss("l1"), SMALL)
    patches = Patches(gathered.source, 32, seed=1)
    one, two = (kept_for_backward(module, patches.batch(0, n)) for n in (1, 2))
    assert one > 2 * 64 * 32 * 32 * 4, "at least the two inner activations"
    assert two == pytest.approx(2 * one, rel=0.01)


def test_crops_to_watch_are_aligned_in_both_sizes(photos: Path) -> None:
    pairs = gather(Data([photos]), "bicubic(2)").tests
    degraded, clean = centre_crops(pairs, side=33)
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
        foreign: "was not written by lossmith",
        other: "does not hold the weights of srresnet_small",
    }.items():
        with pytest.raises(LossmithError, match=sentence):
            load_model(path)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"steps": 1, "minutes": 1.0}, "in steps or in minutes, not both"),
        ({"steps": 0}, "steps must be above 0"),
        ({"minutes": -1.0}, "minutes must be above 0"),
        ({"batch": 0}, "batch must be above 0"),
        ({"learning_rate": -1e-3}, "learning_rate must be above 0"),
        ({"ema": 1.0}, "ema must be from 0 to below 1"),
        ({"decay": "linear"}, "decay must be cosine or none"),
        ({"precision": "fp8"}, "precision must be auto or float32 or bfloat16"),
    ],
)
def test_a_recipe_without_meaning_is_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        lossmith.Recipe(**options)

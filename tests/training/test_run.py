"""What a run does and leaves behind."""

import csv
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.signals import SIGNALS
from lossmith.core.timer import Timer
from lossmith.data import Data, PatchDataset, PreparedData, prepare_data
from lossmith.data.loader import Batch
from lossmith.losses import loss
from lossmith.models.model_file import load_model, save_model
from lossmith.networks import network
from lossmith.training import Recipe, RunFolder, RunSummary
from lossmith.training.fabric import Fabric
from lossmith.training.loop import fit
from lossmith.training.memory import saved_activation_bytes
from lossmith.training.module import StepMetrics
from lossmith.training.state import TrainState
from lossmith.training.supervised import SupervisedModule, learning_rate
from lossmith.training.validation import center_crops

from .sample_networks import NormalizedNetwork

Train = Callable[..., RunSummary]


def metrics(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def saved_step(out: Path) -> int:
    state = torch.load(RunFolder(out).checkpoint, weights_only=True)
    return int(state["train_state"]["step"])


def test_a_run_folder_holds_every_result(train: Train, prepared_photos: PreparedData, tmp_path: Path) -> None:
    summary = train(tmp_path)
    assert summary.steps == 12
    assert summary.milliseconds_per_step == pytest.approx(1000 * summary.seconds / 12)
    for name in ("run.yaml", "metrics.csv", "model.safetensors", "checkpoints/last.ckpt", "scores.csv"):
        assert (tmp_path / name).is_file(), name
    assert list((tmp_path / "tensorboard").glob("events*"))
    names = {pair.name for pair in prepared_photos.test_pairs}
    assert {path.stem for path in (tmp_path / "images").iterdir()} == names
    assert not list(tmp_path.rglob("*.part")), "a file was left half-written"


def test_the_log_holds_named_terms_that_sum_to_the_loss(train: Train, tmp_path: Path) -> None:
    train(tmp_path, "l1 + 0.1*tv")
    rows = metrics(tmp_path)
    assert [int(row["step"]) for row in rows] == list(range(13))
    for row in rows[1:]:
        assert float(row["l1"]) + float(row["0.1*tv"]) == pytest.approx(float(row["loss"]), rel=1e-6)
    assert float(rows[0]["psnr"]) > 0
    assert float(rows[-1]["psnr"]) > 0


def test_a_schedule_changes_the_loss_during_the_run(train: Train, tmp_path: Path) -> None:
    train(tmp_path, "l1 until 50% then l2")
    rows = metrics(tmp_path)[1:]
    assert [bool(row["l1"]) for row in rows] == [True] * 6 + [False] * 6
    assert [bool(row["l2"]) for row in rows] == [False] * 6 + [True] * 6


def test_training_lowers_the_loss(train: Train, small: Recipe, tmp_path: Path) -> None:
    train(tmp_path, "l2", replace(small, steps=200, learning_rate=5e-3))
    values = [float(row["loss"]) for row in metrics(tmp_path)[1:]]
    assert sum(values[-10:]) < 0.8 * sum(values[:10])


def run_fit(module: SupervisedModule, prepared_photos: PreparedData, out: Path) -> TrainState:
    patches = PatchDataset(prepared_photos.source, module.recipe.patch)
    return fit(module, patches, prepared_photos.test_pairs, RunFolder(out), "a run")


class Averages(SupervisedModule):
    """Averages the weights by hand."""

    def setup(self, fabric: Fabric) -> None:
        super().setup(fabric)
        self.by_hand = [weight.detach().clone() for weight in self.restorer.parameters()]

    def training_step(self, batch: Batch, progress: float) -> StepMetrics:
        values = super().training_step(batch, progress)
        weights = [weight.detach() for weight in self.restorer.parameters()]
        pairs = zip(self.by_hand, weights, strict=True)
        self.by_hand = [self.recipe.ema * average + (1 - self.recipe.ema) * weight for average, weight in pairs]
        return values


def test_averaged_weights_are_the_exponential_average_of_the_weights(
    prepared_photos: PreparedData, small: Recipe, tmp_path: Path
) -> None:
    module = Averages(network(small.network), loss("l1"), replace(small, ema=0.9))
    run_fit(module, prepared_photos, tmp_path)
    for weight, average in zip(module.trained_network.parameters(), module.by_hand, strict=True):
        # twelve roundings of numbers around 0.1 in float32, in another order
        torch.testing.assert_close(weight, average, rtol=1e-5, atol=1e-7)
    changes = [
        weight - average for weight, average in zip(module.restorer.parameters(), module.by_hand, strict=True)
    ]
    assert max(float(difference.detach().abs().max()) for difference in changes) > 1e-4, "it lags behind"


class SecondPerStep(SupervisedModule):
    """Its own clock, which shows one second more at every step."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def training_step(self, batch: Batch, progress: float) -> StepMetrics:
        self.now += 1
        return super().training_step(batch, progress)


@pytest.mark.parametrize("seconds", [4.5, 5.0])
def test_no_step_begins_after_the_minutes_are_spent(
    seconds: float, prepared_photos: PreparedData, small: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = SecondPerStep(network(small.network), loss("l1"), replace(small, steps=None, minutes=seconds / 60))
    monkeypatch.setattr("lossmith.core.timer.time", module)
    state = run_fit(module, prepared_photos, tmp_path)
    assert state.step == 5
    assert state.timer.elapsed == 5


def test_a_resumed_run_with_its_minutes_spent_writes_results_without_a_step(
    train: Train, small: Recipe, tmp_path: Path
) -> None:
    recipe = replace(small, steps=None, minutes=0.01)
    summary = train(tmp_path, recipe=recipe)
    weights = (tmp_path / "model.safetensors").read_bytes()
    for name in ("summary.json", "model.safetensors"):
        (tmp_path / name).unlink()
    assert train(tmp_path, recipe=recipe).steps == summary.steps
    assert (tmp_path / "model.safetensors").read_bytes() == weights


def test_the_timer_stands_still_while_paused_or_stopped() -> None:
    timer = Timer(elapsed=2.0)
    timer.start()
    with timer.paused():
        before = timer.elapsed
        time.sleep(0.05)
        assert timer.elapsed == before
    time.sleep(0.01)
    timer.stop()
    after = timer.elapsed
    time.sleep(0.05)
    assert timer.elapsed == after > before >= 2.0
    assert after - before >= 0.01


def test_the_learning_rate_warms_up_and_falls_along_a_cosine() -> None:
    rates = [learning_rate(Recipe(learning_rate=0.5), i / 100) for i in range(101)]
    assert rates[0] == pytest.approx(0.005)
    assert rates[:6] == sorted(rates[:6])
    assert rates[5:] == sorted(rates[5:], reverse=True)
    assert rates[-1] == pytest.approx(0.005)
    assert learning_rate(Recipe(learning_rate=0.5, decay="none"), 0.9) == 0.5


def test_validation_does_not_update_batch_normalization(
    prepared_photos: PreparedData, small: Recipe, tmp_path: Path
) -> None:
    restorer = NormalizedNetwork()
    run_fit(SupervisedModule(restorer, loss("l1"), small), prepared_photos, tmp_path)
    assert int(restorer.norm.num_batches_tracked) == small.steps


class StopsInStep(SupervisedModule):
    """Presses Ctrl-C during its fifth step."""

    steps = 0

    def training_step(self, batch: Batch, progress: float) -> StepMetrics:
        self.steps += 1
        if self.steps == 5:
            signal.raise_signal(signal.SIGINT)
        return super().training_step(batch, progress)


def test_a_network_with_dropout_resumes_exactly(
    prepared_photos: PreparedData, small: Recipe, tmp_path: Path
) -> None:
    def weights(kind: type[SupervisedModule], out: Path) -> dict[str, Tensor]:
        torch.manual_seed(5)
        module = kind(NormalizedNetwork(), loss("l1"), small)
        run_fit(module, prepared_photos, out)
        return module.restorer.state_dict()

    expected = weights(SupervisedModule, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        weights(StopsInStep, tmp_path / "stopped")
    assert saved_step(tmp_path / "stopped") == 5
    actual = weights(SupervisedModule, tmp_path / "stopped")
    assert all(torch.equal(tensor, actual[name]) for name, tensor in expected.items())


def test_signal_handlers_are_restored_after_a_run(train: Train, tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    train(tmp_path)
    assert [signal.getsignal(number) for number in SIGNALS] == before


class StopsInSetUp(SupervisedModule):
    """Presses Ctrl-C before the first step."""

    def setup(self, fabric: Fabric) -> None:
        signal.raise_signal(signal.SIGINT)
        super().setup(fabric)


def test_ctrl_c_before_the_first_step_ends_the_run_after_it(
    prepared_photos: PreparedData, small: Recipe, tmp_path: Path
) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(KeyboardInterrupt):
        run_fit(StopsInSetUp(network(small.network), loss("l1"), small), prepared_photos, tmp_path)
    assert saved_step(tmp_path) == 1
    assert [signal.getsignal(number) for number in SIGNALS] == before


class BreaksInSetUp(SupervisedModule):
    """Fails before the run begins."""

    def setup(self, fabric: Fabric) -> None:
        raise RuntimeError("no device")


def test_a_run_that_never_started_leaves_the_log_unchanged(
    prepared_photos: PreparedData, small: Recipe, tmp_path: Path
) -> None:
    RunFolder(tmp_path).metrics_csv.write_text("from before")
    with pytest.raises(RuntimeError, match="no device"):
        run_fit(BreaksInSetUp(network(small.network), loss("l1"), small), prepared_photos, tmp_path)
    assert RunFolder(tmp_path).metrics_csv.read_text() == "from before"


def test_activation_memory_grows_with_the_batch(prepared_photos: PreparedData, small: Recipe) -> None:
    module = SupervisedModule(network("fcn"), loss("l1"), small)
    patches = PatchDataset(prepared_photos.source, 32, seed=1)
    one_image, two_images = (saved_activation_bytes(module, patches.batch(0, n)) for n in (1, 2))
    assert one_image > 2 * 64 * 32 * 32 * 4, "at least the two inner activations"
    assert two_images == pytest.approx(2 * one_image, rel=0.01)


def test_sample_crops_are_aligned_in_input_and_target(photos: Path) -> None:
    pairs = prepare_data(Data([photos]), "bicubic(2)").test_pairs
    degraded, clean = center_crops(pairs, side=33, max_images=8)
    assert clean.shape[-2:] == (32, 32)
    assert degraded.shape[-2:] == (16, 16)
    upscaled = torch.nn.functional.interpolate(degraded, scale_factor=2, mode="bicubic")
    assert (upscaled - clean).abs().mean() < 0.02  # the same place, since the images are smooth


def test_a_model_file_gives_the_network_back(tmp_path: Path) -> None:
    restorer = network("fcn", 2)
    save_model(tmp_path / "m.safetensors", restorer, {"network": "fcn", "scale": 2, "loss": "l1"})
    model = load_model(tmp_path / "m.safetensors")
    image = torch.rand(1, 3, 9, 7)
    assert torch.equal(model.restorer(image), restorer(image))
    assert model.scale == 2
    assert model.receipt["loss"] == "l1"


def test_files_that_are_not_models_are_refused(tmp_path: Path) -> None:
    good = tmp_path / "m.safetensors"
    save_model(good, network("fcn"), {"network": "fcn", "scale": 1})
    truncated_file = tmp_path / "cut.safetensors"
    truncated_file.write_bytes(good.read_bytes()[:1000])
    foreign = tmp_path / "foreign.safetensors"
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, foreign)
    other = tmp_path / "other.safetensors"
    save_model(other, network("fcn"), {"network": "srresnet_small", "scale": 1})
    for path, sentence in {
        tmp_path / "none.safetensors": "does not exist",
        truncated_file: "is not a whole safetensors file",
        foreign: "is not a lossmith model file: its metadata has no entry 'lossmith-model-1'$",
        other: "does not hold the weights of srresnet_small",
    }.items():
        with pytest.raises(LossmithError, match=sentence):
            load_model(path)

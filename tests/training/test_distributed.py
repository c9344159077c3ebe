"""One run on two devices is the run on one: the same steps on the same batches, to float rounding."""

import csv
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lossmith.cli import run as command
from lossmith.core.devices import check_devices
from lossmith.core.errors import LossmithError
from lossmith.data import PatchDataset, PreparedData
from lossmith.data.loader import BatchDataset
from lossmith.evaluation import protocol_for
from lossmith.losses import loss
from lossmith.losses.adversarial import adversarial
from lossmith.networks import discriminator, network
from lossmith.training import Recipe, RunFolder, RunSettings, RunSummary
from lossmith.training.adversarial import AdversarialModule
from lossmith.training.loop import fit
from lossmith.training.run import SupervisedTask, train_run
from lossmith.training.validation import Observer, Validation

from .test_isolation import state_of_the_process

# A sum in another order differs by some units in the last of float32's 24 bits, and Adam, which divides a gradient
# by its own size, can make any step of that where the gradient itself is nothing but rounding. So weights are
# compared as a whole, with how far they have moved. Measured: 1e-5; with any one part left out, 5e-2 and more.
ROUNDING = 1e-4

RECIPE = Recipe(network="srresnet_small(features=8, blocks=1)", steps=12, batch=4, patch=32, ema=0.9)
LOSS = "l1 until 50% then mix"


def metrics(out: Path) -> list[dict[str, float]]:
    with (out / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [{key: float(value) for key, value in row.items() if value and key != "seconds"} for row in rows]


def relative_distance(
    weights: dict[str, Tensor], expected: dict[str, Tensor], initial: dict[str, Tensor]
) -> float:
    """The distance between two sets of weights, relative to how far the expected ones have moved."""

    def distance(a: dict[str, Tensor], b: dict[str, Tensor]) -> Tensor:
        return torch.cat([(a[name] - b[name]).double().flatten() for name in expected]).norm()

    return float(distance(weights, expected) / distance(expected, initial))


@pytest.fixture(scope="module")
def train_on(prepared_photos: PreparedData) -> Callable[..., RunSummary]:
    """`train_on(devices, out, observer)`: the run of these tests."""

    def train(devices: int, out: Path, observer: Observer | None = None) -> RunSummary:
        return train_run(
            RunFolder(out),
            SupervisedTask(loss(LOSS), RECIPE),
            prepared_photos,
            RunSettings(protocol=protocol_for(1), seed=3, devices=devices),
            observer=observer,
        )

    return train


@pytest.fixture(scope="module")
def one_device(train_on: Callable[..., RunSummary], tmp_path_factory: pytest.TempPathFactory) -> Path:
    train_on(1, out := tmp_path_factory.mktemp("one"))
    return out


@pytest.fixture(scope="module")
def two_devices(train_on: Callable[..., RunSummary], tmp_path_factory: pytest.TempPathFactory) -> Path:
    before = state_of_the_process()
    summary = train_on(2, out := tmp_path_factory.mktemp("two"))
    assert state_of_the_process() == before
    assert not multiprocessing.active_children()
    assert summary.device == "2 x cpu process"
    return out


def first_weights() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return network(RECIPE.network, 1).state_dict()


def weights(out: Path) -> dict[str, Tensor]:
    return load_file(out / "model.safetensors")


def test_two_devices_end_with_the_weights_of_one(one_device: Path, two_devices: Path) -> None:
    assert relative_distance(weights(two_devices), weights(one_device), first_weights()) < ROUNDING
    for row, expected in zip(metrics(two_devices), metrics(one_device), strict=True):
        assert row == pytest.approx(expected, rel=1e-4)  # printed values of the loss, its terms and PSNR


class StopsAt:
    """Does something to the run in the middle of it."""

    min_side = 1

    def __init__(self, step: int, action: Callable[[], None]) -> None:
        self.step, self.action = step, action

    def observe(self, validation: Validation) -> None:
        if validation.step == self.step:
            self.action()


STOPS = [
    signal.SIGTERM,
    *(pytest.param(number, marks=pytest.mark.slow) for number in (signal.SIGINT, signal.SIGUSR1)),
]


@pytest.mark.parametrize("number", STOPS)
def test_a_stopped_run_on_two_devices_resumes_exactly(
    number: signal.Signals, two_devices: Path, train_on: Callable[..., RunSummary], tmp_path: Path
) -> None:
    stop = StopsAt(5, lambda: os.kill(os.getpid(), number))
    with pytest.raises(KeyboardInterrupt):
        train_on(2, tmp_path, stop)
    assert not multiprocessing.active_children()
    assert not (tmp_path / "summary.json").exists()
    train_on(2, tmp_path)
    actual, expected = weights(tmp_path), weights(two_devices)
    assert all(torch.equal(actual[name], expected[name]) for name in expected)
    assert metrics(tmp_path) == metrics(two_devices)


def test_a_run_of_two_devices_can_be_finished_by_one(
    one_device: Path, train_on: Callable[..., RunSummary], tmp_path: Path
) -> None:
    """One of the two is killed; the error names it, and no process is left."""

    def kill() -> None:
        (worker,) = multiprocessing.active_children()
        assert worker.pid
        os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(LossmithError, match=r"process 2 of 2 ended with signal 9; the same command goes on"):
        train_on(2, tmp_path, StopsAt(5, kill))
    train_on(1, tmp_path)
    assert relative_distance(weights(tmp_path), weights(one_device), first_weights()) < ROUNDING


def test_adversarial_training_on_two_devices_equals_one(prepared_photos: PreparedData, tmp_path: Path) -> None:
    """Its batch normalization and its relativistic mean are over the whole batch; without either it would differ.

    The relativistic loss is invariant to a constant added to all logits, so the gradients of the discriminator's
    last biases are rounding errors.
    """
    free_biases = ("linear1.bias", "linear2.bias")
    recipe = replace(RECIPE, ema=0.0, steps=8)
    states = {}
    for devices in (1, 2):
        torch.manual_seed(0)
        module = AdversarialModule(
            network(recipe.network, 1),
            loss("l1"),
            discriminator("vgg_any(features=2)", recipe.patch),
            adversarial("ragan"),
            1.0,
            recipe,
        )
        initial = {name: value.detach().clone() for name, value in module.modules.named_parameters()}
        folder = RunFolder(tmp_path / str(devices))
        fit(
            module,
            PatchDataset(prepared_photos.source, recipe.patch),
            prepared_photos.test_pairs,
            folder,
            "",
            devices=devices,
        )
        states[devices] = module.modules.state_dict()
    for side in ("restorer.", "discriminator."):
        names = [name for name in initial if side in name and not name.endswith(free_biases)]
        assert names
        assert (
            relative_distance(
                *({name: state[name] for name in names} for state in (states[2], states[1], initial))
            )
            < ROUNDING
        )
    statistics = [name for name in states[1] if "running_" in name]
    assert statistics
    for name in statistics:
        torch.testing.assert_close(states[2][name], states[1][name], rtol=1e-3, atol=1e-5)
    last, expected = (metrics(tmp_path / str(devices))[-1] for devices in (2, 1))
    for row in (last, expected):
        row["discriminator_gap"] = row.pop("discriminator_real") - row.pop("discriminator_fake")
    assert last == pytest.approx(expected, rel=1e-3)
    looks = [RunFolder(tmp_path / str(devices)).pulls() for devices in (1, 2)]
    assert looks[0].steps == looks[1].steps == [1]
    for name, (share,) in looks[0].shares.items():
        assert looks[1].shares[name] == [pytest.approx(share, rel=ROUNDING)]
    for pair, (cosine,) in looks[0].cosines.items():
        assert looks[1].cosines[pair] == [pytest.approx(cosine, abs=ROUNDING)]


NORMALIZATION_PROGRAM = """
import sys
import torch
from torch import distributed, nn
from torch.multiprocessing import spawn
from lossmith.training import Recipe
from lossmith.training.distributed.environment import ddp_fabric, environments
from lossmith.training.distributed.collectives import sync_batch_norm, all_gather, distributed_context

torch.manual_seed(0)
IMAGES, WEIGHTS = torch.rand(2, 6, 3, 5, 4, dtype=torch.float64)
SCALE = torch.randn(3, dtype=torch.float64)

def norm():
    layer = nn.BatchNorm2d(3).double().train()
    layer.weight.data.copy_(SCALE)
    return layer

def outcome(layer, images, weights, gather):
    images = images.clone().requires_grad_()
    output = gather(layer(images))
    loss = (output * weights).exp().mean()  # not the mean of the losses of the shards
    loss.backward()
    return output, loss, images.grad, layer.weight.grad, layer.bias.grad, layer.running_mean, layer.running_var

def work(rank, processes):
    layer = norm()
    expected = outcome(norm(), IMAGES, WEIGHTS, lambda output: output)
    with ddp_fabric(Recipe(), processes[rank], 1) as fabric, distributed_context(fabric):
        sync_batch_norm(layer, fabric)
        share = slice(3 * rank, 3 * rank + 3)
        output, loss, images, weight, bias, mean, variance = outcome(layer, IMAGES[share], WEIGHTS, all_gather)
        for gradient in (weight, bias):
            distributed.all_reduce(gradient)
            gradient /= 2  # as DDP does
        actual = output, loss, images / 2, weight, bias, mean, variance
        for value, reference in zip(actual, (*expected[:2], expected[2][share], *expected[3:]), strict=True):
            torch.testing.assert_close(value, reference, rtol=1e-12, atol=1e-14)
        assert int(layer.num_batches_tracked) == 1

if __name__ == "__main__":
    spawn(work, (environments(2),), 2)
    print("the same")
"""


@pytest.mark.slow
def test_synchronized_batch_norm_and_all_gather_have_true_gradients(tmp_path: Path) -> None:
    """In float64, against torch's own layer on the whole batch."""
    (tmp_path / "program.py").write_text(NORMALIZATION_PROGRAM)
    process = subprocess.run(
        [sys.executable, tmp_path / "program.py"], capture_output=True, text=True, check=False
    )
    assert process.stdout.endswith("the same\n"), process.stderr


def test_each_batch_is_sharded_over_devices(prepared_photos: PreparedData) -> None:
    patches = PatchDataset(prepared_photos.source, 32, seed=1)
    batch = next(iter(BatchDataset(patches, 6, start=4)))
    shards: Any = [next(iter(BatchDataset(patches, 6, start=4, shard=(rank, 3)))) for rank in range(3)]
    for side, images in enumerate(batch):
        assert torch.equal(torch.cat([shard[side] for shard in shards]), images)


@pytest.mark.parametrize(
    ("batch", "devices", "sentence"),
    [
        (16, 3, "a batch of 16 cannot be divided among 3 devices; let it be a multiple of 3"),
        (2, 4, "a batch of 2 cannot be divided among 4 devices"),
        (16, 0, "`devices` must be a whole number, at least 1, not 0"),
        (16, 2.0, "`devices` must be a whole number, at least 1, not 2.0"),
    ],
)
def test_a_batch_that_cannot_be_sharded_is_refused(batch: int, devices: Any, sentence: str) -> None:
    with pytest.raises(LossmithError, match=f"^{sentence}"):
        Recipe(batch=batch).per_device(devices)


@pytest.mark.parametrize("variable", ["SLURM_STEP_NUM_TASKS", "WORLD_SIZE"])
def test_a_launcher_that_starts_several_is_refused(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "4")
    check_devices(1)
    with pytest.raises(LossmithError, match="this command was started 4 times at once, and starts the processes"):
        check_devices(2)


@pytest.mark.parametrize("name", ["train", "compare"])
def test_a_refused_distributed_run_writes_nothing(
    name: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [name, str(photos), "--devices", "3", "--batch", "4", "--out", str(tmp_path / "out")]
    assert command(words) == 2
    assert capsys.readouterr().err.startswith("lossmith: a batch of 4 cannot be divided among 3 devices")
    assert not (tmp_path / "out").exists()


QUICK = [
    "--degradation",
    "noise(25)",
    "--network",
    RECIPE.network,
    "--patch",
    "32",
    "--batch",
    "2",
    "--devices",
    "2",
]
SLURM = {
    "SLURM_JOB_ID": "1",
    "SLURM_NTASKS": "4",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_JOB_NAME": "job",
}


@pytest.mark.slow
@pytest.mark.parametrize(
    "program",
    [[sys.executable, "-m", "lossmith"], [str(Path(sys.executable).with_name("lossmith"))]],
    ids=["module", "script"],
)
def test_only_the_leader_prints_and_writes(program: list[str], photos: Path, tmp_path: Path) -> None:
    """As a command, in the script of a Slurm job, whose variables are about something else."""
    words = [*program, "train", str(photos), *QUICK, "--steps", "3", "--out", str(tmp_path)]
    process = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **SLURM}, check=True)
    assert process.stdout.count("3 steps in") == 1
    assert process.stderr.count("\n") == process.stderr.count("lossmith: training ") == 1, process.stderr
    assert len(list(tmp_path.glob("tensorboard/*"))) == 1


UNGUARDED_SCRIPT = """
import sys
from pathlib import Path
import lossmith
lossmith.train(lossmith.Data([Path(sys.argv[1])]), out=Path(sys.argv[2]), devices=2,
               recipe=lossmith.Recipe(network="srresnet_small(features=8, blocks=1)", steps=2, batch=2, patch=32))
"""


@pytest.mark.slow
def test_a_script_without_a_main_guard_is_told_so(photos: Path, tmp_path: Path) -> None:
    script, out = tmp_path / "script.py", tmp_path / "out"
    script.write_text(UNGUARDED_SCRIPT)
    process = subprocess.run([sys.executable, script, photos, out], capture_output=True, text=True, check=False)
    assert process.returncode == 1
    assert (
        "before it was ready; a script that trains on several devices must do so under `if __name__"
        in process.stderr
    )


@pytest.mark.slow
def test_when_the_leader_is_killed_the_others_end(photos: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "lossmith", "train", photos, *QUICK, "--minutes", "5", "--out", tmp_path]
    leader = subprocess.Popen(words, start_new_session=True)
    try:
        while not (tmp_path / "metrics.csv").exists():
            assert leader.poll() is None
            time.sleep(0.1)
        leader.kill()
        leader.wait()
        until = time.monotonic() + 30
        while time.monotonic() < until:
            try:
                os.killpg(leader.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.1)
        pytest.fail("a process was left behind")
    finally:
        with suppress(ProcessLookupError):
            os.killpg(leader.pid, signal.SIGKILL)

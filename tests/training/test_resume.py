"""A run that is stopped and started again ends where one that was never stopped ends, bit for bit."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

STEPS = 60
PROGRAM = """
import sys
from pathlib import Path
import lossmith
lossmith.train(
    lossmith.Data([Path(sys.argv[1])]), loss="l1 until 50% then mix + 0.01*mdf(jpeg)", seed=3,
    out=Path(sys.argv[2]), save_every=float(sys.argv[3]),
    recipe=lossmith.Recipe(degradation="noise(25) | jpeg(50)", network="srresnet_small(features=8, blocks=1)",
                           steps={steps}, batch=2, patch=44, ema=0.9),
)
"""


def start(photos: Path, out: Path, save_every: float = 60.0) -> subprocess.Popen[bytes]:
    program = PROGRAM.format(steps=STEPS)
    return subprocess.Popen([sys.executable, "-c", program, photos, out, str(save_every)], stderr=subprocess.PIPE)


def steps_done(out: Path) -> int:
    metrics = out / "metrics.csv"
    return len(metrics.read_text().splitlines()) - 2 if metrics.exists() else 0


def journal_without_time(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open(newline="") as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def uninterrupted_run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    assert start(photos, out).wait() == 0
    return out


@pytest.mark.parametrize(
    ("number", "save_every"),
    [
        (signal.SIGKILL, 0.0),
        (signal.SIGTERM, 0.1),
        pytest.param(signal.SIGKILL, 0.1, marks=pytest.mark.slow),
        pytest.param(signal.SIGINT, 0.1, marks=pytest.mark.slow),
    ],
)
def test_a_resumed_run_ends_with_exactly_the_weights_of_an_uninterrupted_one(
    number: signal.Signals, save_every: float, photos: Path, uninterrupted_run: Path, tmp_path: Path
) -> None:
    process = start(photos, tmp_path, save_every)
    checkpoint = tmp_path / "checkpoints" / "last.ckpt"
    while not (steps_done(tmp_path) >= STEPS // 3 and checkpoint.exists()) and process.poll() is None:
        time.sleep(0.005)
    assert process.poll() is None, f"it ended by itself: {process.communicate()[1].decode()}"
    os.kill(process.pid, number)
    process.wait()
    assert not (tmp_path / "summary.json").exists(), "the run was over before it could be stopped"
    assert 0 < torch.load(checkpoint, weights_only=True)["train_state"]["step"] < STEPS

    assert start(photos, tmp_path).wait() == 0

    expected, actual = (load_file(out / "model.safetensors") for out in (uninterrupted_run, tmp_path))
    assert expected.keys() == actual.keys()
    assert all(torch.equal(expected[name], actual[name]) for name in expected)
    assert (tmp_path / "model.safetensors").read_bytes() == (uninterrupted_run / "model.safetensors").read_bytes()
    assert journal_without_time(tmp_path) == journal_without_time(uninterrupted_run)
    assert (tmp_path / "scores.csv").read_bytes() == (uninterrupted_run / "scores.csv").read_bytes()


def test_a_finished_run_is_not_run_again(photos: Path, uninterrupted_run: Path) -> None:
    before = (uninterrupted_run / "model.safetensors").stat().st_mtime_ns
    assert start(photos, uninterrupted_run).wait() == 0
    assert (uninterrupted_run / "model.safetensors").stat().st_mtime_ns == before

"""A tournament has the same outcome wherever its runs are carried out, and whatever happens to them there."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import pytest

import lossmith
from lossmith import evaluation
from lossmith.cli import run as command
from lossmith.commands import Comparison, Execution
from lossmith.core.errors import LossmithError
from lossmith.core.lock import LOCK_NAME

RECIPE = lossmith.Recipe(
    degradation="noise(25)", network="srresnet_small(features=8, blocks=1)", steps=400, batch=2, patch=32
)
LOSSES = ["l1", "mix"]
LOCAL = Execution()


def compare(photos: Path, out: Path, machines: Execution = LOCAL) -> Comparison:
    return lossmith.compare(
        lossmith.Data([photos]),
        losses=LOSSES,
        seeds=2,
        recipe=RECIPE,
        out=out,
        save_every=0.2,
        execution=machines,
    )


def differing(out: Path, expected: Path) -> list[Path]:
    """Which weights, scores, images and tables are not the same to the last bit."""
    names = ("results.csv", "scores.csv", "model.safetensors", "run.yaml", "compare.yaml")
    files = [
        path.relative_to(expected) for path in expected.rglob("*") if path.name in names or path.suffix == ".png"
    ]
    assert len(files) >= 2 + 4 * (3 + 1)
    return [path for path in files if (out / path).read_bytes() != (expected / path).read_bytes()]


@pytest.fixture(scope="module")
def local_comparison(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare(photos, tmp_path_factory.mktemp("here"))


@pytest.fixture(scope="module")
def cluster() -> Iterator[object]:
    """Two nodes with a core each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = two.address
    yield two
    del os.environ["RAY_ADDRESS"]
    two.shutdown()


def worker_in(folder: Path) -> int | None:
    """Which process works in the folder of a run, once it has saved a state there."""
    try:
        return int((folder / LOCK_NAME).read_text().split()[1]) if any(folder.glob("checkpoints/*")) else None
    except (FileNotFoundError, IndexError):
        return None


def once(function: Callable[[], object], timeout: float = 120) -> object:
    """The first true result of calling it repeatedly, within some seconds."""
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        if result := function():
            return result
        time.sleep(0.02)
    raise TimeoutError


@pytest.mark.slow
def test_a_lost_ray_worker_on_one_of_two_nodes_is_replaced(
    local_comparison: Comparison, cluster: object, photos: Path, tmp_path: Path
) -> None:
    first = tmp_path / "runs" / LOSSES[0] / "seed-0"
    killed_pids = []

    def kill() -> None:
        worker = once(lambda: worker_in(first))
        assert isinstance(worker, int)
        os.kill(worker, signal.SIGKILL)
        killed_pids.append((worker, (first / "summary.json").exists()))

    killer = threading.Thread(target=kill)
    killer.start()
    outcome = compare(photos, tmp_path, Execution(executor="ray"))
    killer.join()
    ((worker, too_late),) = killed_pids
    assert worker != os.getpid()
    assert not too_late, "the run was over before its worker could be killed"
    assert len(list(first.glob("tensorboard/*"))) == 2, "it was resubmitted"
    assert differing(tmp_path, local_comparison.report.parent) == []
    assert outcome.verdict == local_comparison.verdict
    assert repr(outcome.rows) == repr(local_comparison.rows)
    assert [path.name for path in (tmp_path / "runs").iterdir() if path.name not in LOSSES] == []


@pytest.mark.slow
def test_a_race_on_a_cluster_goes_as_it_does_here(
    cluster: object, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Short runs at rates that are chosen by trials, and margins so narrow that nothing is decided by them."""
    monkeypatch.setattr(evaluation, "tournament_metrics", lambda losses, scale, pixels: ["psnr", "ssim"])

    def race(out: Path, machines: Execution) -> Comparison:
        return lossmith.compare(
            lossmith.Data([photos]),
            losses=["l1", "l2"],
            seeds=(2, 3),
            margins={"psnr": 1e-9, "ssim": 1e-9},
            learning_rates=(1e-5, 3e-3),
            recipe=replace(RECIPE, steps=8),
            out=out,
            execution=machines,
        )

    here, there = race(tmp_path / "here", LOCAL), race(tmp_path / "there", Execution(executor="ray"))
    assert len(here.race) == 2, "a second round"
    for look, other in zip(there.race, here.race, strict=True):
        assert (look.seeds, look.advice.goals, look.ending) == (other.seeds, other.advice.goals, other.ending)
    assert there.ending == here.ending
    assert repr(there.rows) == repr(here.rows)
    rates = [json.loads((tmp_path / place / "results.json").read_text())["rates"] for place in ("here", "there")]
    assert rates[0] == rates[1] != []


def words(photos: Path, out: Path) -> list[str]:
    options = {
        "--degradation": RECIPE.degradation,
        "--network": RECIPE.network,
        "--steps": RECIPE.steps,
        "--batch": RECIPE.batch,
        "--patch": RECIPE.patch,
        "--seeds": 2,
        "--save-every": 0.2,
        "--executor": "ray",
        "--out": out,
    }
    option_words = [str(word) for option in options.items() for word in option]
    return [sys.executable, "-m", "lossmith", "compare", str(photos), "--losses", *LOSSES, *option_words]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_tournament_on_a_cluster_resumes(
    number: signal.Signals, local_comparison: Comparison, cluster: object, photos: Path, tmp_path: Path
) -> None:
    runs = [tmp_path / "runs" / name / "seed-0" for name in LOSSES]
    driver = subprocess.Popen(words(photos, tmp_path), stderr=subprocess.PIPE, text=True)
    once(lambda: all(worker_in(run) for run in runs) or driver.poll() is not None)
    driver.send_signal(number)
    _, err = driver.communicate()
    assert driver.returncode == 128 + number, err
    assert "the same command goes on" in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob(LOCK_NAME)), "no worker is left"
    assert not any((run / "summary.json").exists() for run in runs)
    subprocess.run(words(photos, tmp_path), check=True)
    assert differing(tmp_path, local_comparison.report.parent) == []
    assert all(len(list(run.glob("tensorboard/*"))) == 2 for run in runs), "each went on once"


@pytest.mark.slow
def test_runs_of_a_lost_node_are_run_elsewhere(
    local_comparison: Comparison, cluster: object, photos: Path, tmp_path: Path
) -> None:
    node = cluster.add_node(num_cpus=1)  # type: ignore[attr-defined]
    runs = [tmp_path / "runs" / name / f"seed-{seed}" for name in LOSSES for seed in range(2)]

    def lose() -> None:
        once(lambda: sum(bool(worker_in(run)) for run in runs) >= 3)
        cluster.remove_node(node, allow_graceful=False)  # type: ignore[attr-defined]

    loser = threading.Thread(target=lose)
    loser.start()
    compare(photos, tmp_path, Execution(executor="ray"))
    loser.join()
    assert differing(tmp_path, local_comparison.report.parent) == []


@pytest.mark.slow
def test_two_runs_can_share_a_gpu(
    local_comparison: Comparison, cluster: object, photos: Path, tmp_path: Path
) -> None:
    """Ray trusts the number of GPUs that a node declares."""
    node = cluster.add_node(num_cpus=2, num_gpus=1)  # type: ignore[attr-defined]
    runs = [tmp_path / "runs" / name / f"seed-{seed}" for name in LOSSES for seed in range(2)]
    at_once = []

    def count() -> None:
        at_once.append(once(lambda: sum(bool(worker_in(run)) for run in runs) == 2))

    counter = threading.Thread(target=count)
    counter.start()
    compare(photos, tmp_path, Execution(executor="ray", gpus_per_run=0.5))
    counter.join()
    cluster.remove_node(node)  # type: ignore[attr-defined]
    assert at_once == [True]
    assert differing(tmp_path, local_comparison.report.parent) == []


@pytest.mark.slow
def test_a_cluster_that_does_not_see_the_folder_is_refused(
    local_comparison: Comparison, cluster: object, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lossmith.commands.executors import ray_executor

    monkeypatch.setattr(ray_executor, "_shared_folder_marker", lambda _: nullcontext(tmp_path / "elsewhere"))
    outcome = compare(photos, tmp_path, Execution(executor="ray"))
    assert not list(tmp_path.rglob("checkpoints")), "it was not worked in"
    assert differing(tmp_path, local_comparison.report.parent) == []
    assert repr(outcome.rows) == repr(local_comparison.rows)


def test_without_a_shared_folder_the_files_of_a_run_are_sent_back(
    local_comparison: Comparison, tmp_path: Path
) -> None:
    pytest.importorskip("ray")
    from lossmith.commands.executors.ray_executor import pack, unpack
    from lossmith.training import RunFolder

    run = local_comparison.report.parent / "runs" / "l1" / "seed-0"
    unpack(pack(run), tmp_path / "there")
    assert RunFolder(tmp_path / "there").load_summary() == RunFolder(run).load_summary() is not None
    remote_files = {
        path.relative_to(tmp_path / "there") for path in (tmp_path / "there").rglob("*") if path.is_file()
    }
    files = {path.relative_to(run) for path in run.rglob("*") if path.is_file()}
    assert remote_files == {path for path in files if path.parts[0] != "checkpoints"}


def test_a_finished_tournament_needs_no_cluster(local_comparison: Comparison, photos: Path) -> None:
    pytest.importorskip("ray")
    repeat = compare(photos, local_comparison.report.parent, Execution(executor="ray", gpus_per_run=0.25))
    assert repr(repeat.rows) == repr(local_comparison.rows)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--executor", "rey"], 'Invalid value "rey" for --executor. Choose from: "local", "ray".'),
        (["--gpus-per-run", "0.5"], "--gpus-per-run is for a Ray cluster; add --executor ray"),
        (
            ["--executor", "ray", "--gpus-per-run", "1.5"],
            "--gpus-per-run must be whole where it is above 1, not 1.5",
        ),
        (["--executor", "ray", "--gpus-per-run", "-1"], "--gpus-per-run must be a number, 0 or more, not -1"),
        (["--executor", "ray", "--cpus-per-run", "0"], "--cpus-per-run must be above 0"),
    ],
)
def test_invalid_execution_options_are_refused(
    options: list[str], sentence: str, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(["compare", str(photos), "--out", str(tmp_path / "out"), *options]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_ray_an_error_says_what_to_install(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "lossmith.commands.executors.ray_executor", raising=False)
    with pytest.raises(LossmithError, match=r'comes with: pip install "lossmith\[ray\]"'):
        compare(photos, tmp_path, Execution(executor="ray"))
    assert json.dumps(os.listdir(tmp_path)) == "[]"

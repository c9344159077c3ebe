"""A search is the same wherever its trials are carried out, and whatever happens to the process."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lossmith.commands import Execution

from .conftest import RECIPE, Tune


def results(out: Path) -> dict[str, Any]:
    """All that a search found, but for the time that it took, and the machine."""
    stored: dict[str, Any] = json.loads((out / "results.json").read_text())
    for entry in (*stored["trials"], *stored["front"]):
        entry |= {"seconds": None, "milliseconds_per_step": None}
    return {name: stored[name] for name in ("loss", "search", "goals", "trials", "front", "degraded")}


@pytest.fixture(scope="module")
def local(tune: Tune, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tune(tmp_path_factory.mktemp("here")).report.parent


@pytest.fixture
def cluster() -> Iterator[None]:
    """Two nodes with a core each."""
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    two = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    two.add_node(num_cpus=1)
    os.environ["RAY_ADDRESS"] = two.address
    yield
    del os.environ["RAY_ADDRESS"]
    two.shutdown()


@pytest.mark.slow
def test_on_a_cluster_one_by_one_it_goes_as_it_does_here(
    cluster: None, local: Path, tune: Tune, tmp_path: Path
) -> None:
    tune(tmp_path / "one", execution=Execution(executor="ray"), at_once=1)
    assert results(tmp_path / "one") == results(local)
    tune(tmp_path / "two", execution=Execution(executor="ray"))
    together = tune(tmp_path / "here", at_once=2)
    assert results(tmp_path / "two") == results(tmp_path / "here"), "a cluster of two cores runs two at once"
    assert len(together.trials) == 5


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_search_that_is_killed_again_and_again_comes_to_the_same_end(
    number: signal.Signals, local: Path, photos: Path, tmp_path: Path
) -> None:
    recipe = {name: value for name, value in vars(RECIPE).items() if name in ("steps", "batch", "patch")}
    options = [word for name, value in recipe.items() for word in (f"--{name}", str(value))]
    words = [
        *("tune", str(photos), "--loss", "l1 + W*tv", "--search", "W=0.001..1 log", "learning_rate=0.003|0.3"),
        *("--goals", "psnr", "gmsd", "--trials", "5", "--seeds", "1", "--out", str(tmp_path), *options),
        *("--degradation", str(RECIPE.degradation), "--network", str(RECIPE.network), "--save-every", "0"),
    ]
    command = [sys.executable, "-m", "lossmith", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    kills = 0
    for patience in (0.2, 0.7, 1.2, 1.7, 2.2, 3.0, 4.0, 600.0):
        process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        for line in process.stderr:  # the first steps are near when the time is told
            if "report take about" in line:
                break
        time.sleep(patience if patience < 600 else 0)
        if patience < 600 and process.poll() is None:
            process.send_signal(number)
            kills += 1
        errors = process.stderr.read()
        if process.wait() == 0:
            break
        assert process.returncode in (-number, 128 + number), errors  # -SIGTERM after its last line
    assert kills >= 3
    assert results(tmp_path) == results(local)

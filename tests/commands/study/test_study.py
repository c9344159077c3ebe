"""A study runs every configuration once, wherever it is carried out, whatever happens, and over several calls."""

import csv
import errno
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import lossmith
from lossmith.cli import run as command
from lossmith.commands import Execution
from lossmith.commands.study.job import OpenBenchmark
from lossmith.commands.study.pictures import pictures_of
from lossmith.core.errors import LossmithError
from lossmith.core.files import atomic_write

BENCHMARK, NETWORK, FRAGILE = (f"tiles_benchmark:{name}" for name in ("Sharpening", "TwoLayers", "Fragile"))
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here and in processes that are started."""
    monkeypatch.syspath_prepend(str(HERE))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_tiles(tmp_path / "data", seed=0)
    return tmp_path / "data"


def write_tiles(folder: Path, seed: int) -> None:
    tiles = np.random.default_rng(seed).random((4, 3, 16, 16), dtype=np.float32)
    (folder / "sharpening").mkdir(parents=True, exist_ok=True)
    np.save(folder / "sharpening" / "tiles.npy", tiles)


def study(data: Path, out: Path, **options: Any) -> lossmith.StudyResult:
    given = {"networks": [NETWORK], "layers": ["relu", "second"], "benchmarks": [BENCHMARK], "scale": "tiny"}
    return lossmith.study(data=data, out=out, **{**given, **options})


def scores(out: Path) -> dict[str, str]:
    """The scores of all runs, as text, by folder."""
    return {str(path.parent.relative_to(out)): path.read_text() for path in sorted(out.rglob("scores.csv"))}


def test_every_layer_is_run_trained_and_random_beside_the_baseline(data: Path, tmp_path: Path) -> None:
    result = study(data, tmp_path / "out", seeds=2)
    names = ["baseline", f"{NETWORK}:relu", f"{NETWORK}:second", f"{NETWORK}:relu (random)"]
    names.append(f"{NETWORK}:second (random)")
    assert {(run.configuration.name, run.seed) for run in result.runs} == {(n, s) for n in names for s in (0, 1)}
    assert result.status == 0
    assert all(len(run.rows) == 4 and run.milliseconds_per_step > 0 for run in result.runs)
    with result.table.open() as file:
        lines = list(csv.DictReader(file))
    by_place = {
        (line["network"], line["layer"], line["weights"], line["seed"], line["item"]): line for line in lines
    }
    assert len(by_place) == len(lines) == 5 * 2 * 4
    for run in result.runs:
        kind = "" if run.configuration.network is None else "random" if run.configuration.random else "trained"
        for row in run.rows:
            place = (
                run.configuration.network or "baseline",
                run.configuration.layer,
                kind,
                str(run.seed),
                row.image,
            )
            assert float(by_place[place]["score"]) == row.scores["error"]


def test_the_page_shows_pictures_beside_the_originals(data: Path, tmp_path: Path) -> None:
    from tiles_benchmark import Sharpening

    result = study(data, tmp_path / "out")
    source = OpenBenchmark(Sharpening(), Sharpening().open(data / "sharpening", "tiny"))
    pictures = pictures_of(result.runs, "sharpening", source)
    names = {run.configuration.name for run in result.runs}
    assert {item: set(images) for item, images in pictures.items()} == {
        f"tile {n}": {"original", *names} for n in range(3)
    }
    saved = next(run for run in result.runs if run.configuration.layer == "relu").images / "tile 1.png"
    np.testing.assert_array_equal(pictures["tile 1"][f"{NETWORK}:relu"], np.asarray(Image.open(saved)))
    assert f"{NETWORK}:relu" in result.report.read_text()


@pytest.mark.parametrize(("weights", "kinds"), [("trained", {False}), ("random", {True}), ("both", {False, True})])
def test_weights_can_be_trained_random_or_both(weights: str, kinds: set[bool], data: Path, tmp_path: Path) -> None:
    result = study(data, tmp_path / "out", weights=weights)
    assert {run.configuration.random for run in result.runs if run.configuration.network} == kinds


def test_what_is_added_later_is_run_alone_and_shown_with_the_rest(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    study(data, out, layers=["relu"])
    times = {path: path.stat().st_mtime_ns for path in out.rglob("summary.json")}
    result = study(data, out, layers=["second"])
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert {run.configuration.layer for run in result.runs} == {"", "relu", "second"}
    assert scores(out) == scores(study(data, tmp_path / "at once").table.parent)


def test_another_scale_or_other_data_is_refused(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    study(data, out)
    before = scores(out)
    with pytest.raises(LossmithError, match="`scale` is 'tiny' there and 'small' here; choose another `out`"):
        study(data, out, scale="small")
    write_tiles(data, seed=1)
    with pytest.raises(LossmithError, match="belongs to another configuration: the data differ"):
        study(data, out)
    assert scores(out) == before


def test_a_network_of_ones_own_that_changed_is_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiles_benchmark

    study(data, tmp_path / "out")
    monkeypatch.setattr(tiles_benchmark, "SEED", 2)
    with pytest.raises(LossmithError, match=r"`weights_file` is .* or delete this folder to run it again"):
        study(data, tmp_path / "out")


def test_a_run_is_known_by_what_it_was_made_of(data: Path, tmp_path: Path) -> None:
    study(data, tmp_path / "out", layers=["relu"], weights="trained")
    (folder,) = (tmp_path / "out").glob("runs/sharpening/tiles*/seed-0")
    receipt = yaml.safe_load((folder / "run.yaml").read_text())
    assert {key: receipt[key] for key in ("benchmark", "network", "layer", "random", "seed", "scale")} == {
        "benchmark": "sharpening",
        "network": NETWORK,
        "layer": "relu",
        "random": False,
        "seed": 0,
        "scale": "tiny",
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["versions"]["lossmith"] == lossmith.__version__


def test_damaged_scores_are_made_anew(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    study(data, out)
    before = scores(out)
    next(out.rglob("scores.csv")).write_text("image,method,seed,protocol,error\n")
    (out / "costs.json").write_text("{")
    study(data, out)
    assert scores(out) == before


def test_a_damaged_run_of_an_earlier_call_is_left_out(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = tmp_path / "out"
    study(data, out, layers=["relu"], weights="trained")
    (receipt,) = out.glob("runs/sharpening/tiles*/seed-0/run.yaml")
    for damaged in ("{", "", "network: vgg11"):
        receipt.write_text(damaged)
        result = study(data, out, layers=["second"], weights="trained")
        assert {run.configuration.layer for run in result.runs} == {"", "second"}
        assert f"{receipt} is damaged, so this run is left out" in caplog.text


def test_a_damaged_benchmark_of_an_earlier_call_is_told_before_the_runs(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for text, sentence in (("{", "is damaged; move"), ("benchmark: no_such:Thing\ndata: {}", "no_such")):
        (out / "runs" / "other").mkdir(parents=True, exist_ok=True)
        (out / "runs" / "other" / "benchmark.yaml").write_text(text)
        with pytest.raises(LossmithError, match=sentence):
            study(data, out)
    assert not list(out.rglob("run.yaml"))


def test_a_run_that_fails_is_told_and_the_others_go_on(
    data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    result = study(data, tmp_path / "out", networks=[FRAGILE, NETWORK], layers=["relu"], weights="trained")
    failed = [run for run in result.runs if run.failure]
    assert [run.configuration.network for run in failed] == [FRAGILE]
    assert f"sharpening, {FRAGILE}:relu, seed 0: RuntimeError: no room for the image" in caplog.text
    assert {run.configuration.network for run in result.runs if not run.failure} == {None, NETWORK}
    assert result.status == 1


def test_a_full_disk_stops_the_study_and_nothing_is_lost(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lossmith.core.state_file import CheckpointFile

    def no_space(file: CheckpointFile, state: dict[str, object]) -> None:
        with atomic_write(file.path):
            raise OSError(errno.ENOSPC, "No space left on device")

    whole = study(data, tmp_path / "whole", weights="trained")
    with monkeypatch.context() as full:
        full.setattr(CheckpointFile, "save", no_space)
        with pytest.raises(LossmithError, match=r"^cannot write .*; make room, and the same command goes on"):
            study(data, tmp_path / "out", weights="trained")
    assert not scores(tmp_path / "out")
    study(data, tmp_path / "out", weights="trained")
    assert scores(tmp_path / "out") == scores(whole.table.parent)


def words(data: Path, out: Path) -> list[str]:
    options = ["--networks", NETWORK, "--benchmarks", BENCHMARK, "--scale", "small", "--seeds", "20"]
    return [sys.executable, "-m", "lossmith", "study", "--data", str(data), "--out", str(out), *options]


def test_a_killed_study_goes_on_to_the_same_scores(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen(words(data, out), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list(out.rglob("summary.json")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_mtime_ns for path in out.rglob("summary.json")}
    assert 0 < len(finished) < 20 * 5
    study(data, out, layers=None, scale="small", seeds=20)
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    whole = tmp_path / "whole"
    study(data, whole, layers=None, scale="small", seeds=20)
    assert scores(out) == scores(whole)


def test_workers_find_data_named_by_a_relative_path(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tiles_benchmark import Sharpening

    opened, open_tiles = [], Sharpening.open
    monkeypatch.setattr(
        Sharpening, "open", lambda self, folder, scale: opened.append(folder) or open_tiles(self, folder, scale)
    )
    monkeypatch.chdir(tmp_path)
    study(Path(data.name), tmp_path / "out", weights="trained", layers=["relu"])
    assert opened == [data / "sharpening"]


def test_checkpoints_are_not_sent_back_from_a_cluster(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from lossmith.commands.executors.ray_executor import pack, unpack

    run = study(data, tmp_path / "out", weights="trained", layers=["relu"]).runs[0].folder
    unpack(pack(run), tmp_path / "there")
    sent, made = ({path.name for path in folder.rglob("*.*")} for folder in (tmp_path / "there", run))
    assert made - sent == {"it.ckpt"}


@pytest.mark.slow
def test_a_ray_cluster_gives_the_same_scores(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    here, there = (
        study(data, tmp_path / "here"),
        study(
            data,
            tmp_path / "there",
            networks=[NETWORK, FRAGILE],
            execution=Execution(executor="ray", cpus_per_run=1),
        ),
    )
    expected = scores(here.table.parent)
    assert {name: text for name, text in scores(there.table.parent).items() if name in expected} == expected
    assert {run.failure for run in there.runs if run.failure} == {"RuntimeError: no room for the image"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--networks", "vgg91"], "network 'vgg91' is not known; did you mean 'vgg19'?"),
        (["--layers", "relo"], "layer 'relo' is not known; did you mean 'relu'?"),
        (["--benchmarks", "delineations"], "benchmark 'delineations' is not known; did you mean 'delineation'?"),
        (["--seeds", "0"], "--seeds must be a whole number, at least 1, not 0"),
        (["--scale", "large"], 'Invalid value "large" for --scale. Choose from: "tiny", "small", "full".'),
        # before networks, whose weights are looked for
        (
            ["--data", "nowhere", "--networks", "vgg91"],
            "'nowhere' is not a folder; --data is a folder with a folder for each benchmark",
        ),
    ],
)
def test_what_cannot_be_studied_is_refused(
    options: list[str], sentence: str, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"--data": str(data), "--networks": NETWORK, "--benchmarks": BENCHMARK, "--out": str(tmp_path / "out")}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    assert command(["study", *(word for pair in given.items() for word in pair)]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_benchmarks_need_their_data_only_if_they_are_named(data: Path, tmp_path: Path) -> None:
    (data / "elsewhere").mkdir()
    with pytest.raises(LossmithError, match="holds no data of any benchmark; `data` is a folder"):
        study(data / "elsewhere", tmp_path / "out", benchmarks=None)
    with pytest.raises(LossmithError, match=r"is not a folder, and `benchmarks=.*` needs its data there"):
        study(data / "elsewhere", tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"run": None}, "lacks run, which lossmith.studies.Benchmark has"),
        ({"name": "a/b"}, "is called 'a/b', which is no name for a folder; take letters and digits"),
        (
            {"open": lambda self, folder, scale: 3},
            "the data that its method open returns needs an attribute fingerprint",
        ),
    ],
)
def test_a_benchmark_that_is_not_complete_is_refused(
    changes: dict[str, Any], sentence: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiles_benchmark

    members = {name: value for name, value in vars(tiles_benchmark.Sharpening).items() if name[0] != "_"}
    members = {name: value for name, value in (members | changes).items() if value}
    monkeypatch.setattr(tiles_benchmark, "Broken", type("Broken", (), members | {"image_note": ""}), raising=False)
    with pytest.raises(LossmithError, match=re.escape(sentence)):
        study(data, tmp_path / "out", benchmarks=["tiles_benchmark:Broken"])
    assert not (tmp_path / "out").exists()


def test_two_benchmarks_of_one_name_are_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiles_benchmark

    monkeypatch.setattr(tiles_benchmark, "Again", tiles_benchmark.Sharpening, raising=False)
    with pytest.raises(LossmithError, match=f"{BENCHMARK} and .*:Again have the same name, sharpening"):
        study(data, tmp_path / "out", benchmarks=[BENCHMARK, "tiles_benchmark:Again"])


def test_the_page_says_what_is_a_trial_and_what_earlier_commands_ran(data: Path, tmp_path: Path) -> None:
    earlier = "a part of this was run by earlier commands"
    first = study(data, tmp_path / "out", layers=["relu"], weights="trained").report.read_text()
    assert "the scale tiny only shows that everything works" in first
    assert earlier not in first
    assert earlier in study(data, tmp_path / "out", layers=["second"], weights="trained").report.read_text()

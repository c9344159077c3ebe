"""What may change in a tournament's folder: contenders, seeds, margins and metrics; and races of real runs."""

import json
import logging
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

import lossmith
from lossmith import evaluation
from lossmith.cli import run as command
from lossmith.commands import Comparison
from lossmith.evaluation import DEGRADED, read_csv
from lossmith.training import RunFolder

RECIPE = lossmith.Recipe(
    degradation="noise(25)", network="srresnet_small(features=8, blocks=1)", steps=3, batch=2, patch=32
)


def compare(photos: Path, out: Path, losses: Any = ("l1", "l2"), seeds: Any = 2, **options: Any) -> Comparison:
    data = lossmith.Data([photos])
    return lossmith.compare(data, losses=losses, seeds=seeds, recipe=RECIPE, out=out, **options)


def models(out: Path) -> dict[Path, int]:
    """When every model was written."""
    return {path.relative_to(out): path.stat().st_mtime_ns for path in out.rglob("model.safetensors")}


@pytest.fixture(scope="module")
def metrics() -> Any:
    """Few metrics, which cost little time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "tournament_metrics", lambda losses, scale, pixels: ["psnr", "ssim"])
        yield patch


@pytest.fixture(scope="module")
def finished(metrics: pytest.MonkeyPatch, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare(photos, tmp_path_factory.mktemp("tournament"))


@pytest.fixture
def out(finished: Comparison, tmp_path: Path) -> Path:
    """A copy of that tournament's folder."""
    return Path(shutil.copytree(finished.report.parent, tmp_path / "out"))


def test_contenders_and_seeds_are_added_to_a_finished_tournament(out: Path, photos: Path, tmp_path: Path) -> None:
    before = models(out)
    added = compare(photos, out, ["l1", "mix", "l2"], seeds=(2, 3), margins={"psnr": 0.5})
    assert {path: time for path, time in models(out).items() if path in before} == before
    assert {row.method for row in added.rows} == {DEGRADED, "l1", "mix", "l2"}
    fewer = compare(photos, out, ["mix"], seeds=1)
    assert {(row.method, row.seed) for row in fewer.rows} == {(DEGRADED, 0), ("mix", 0)}
    afresh = compare(photos, tmp_path / "afresh", ["mix"], seeds=1)
    assert repr(fewer.rows) == repr(afresh.rows)


def test_other_settings_are_refused_as_before(out: Path, photos: Path) -> None:
    with pytest.raises(lossmith.LossmithError, match="another configuration: `steps` is 3 there and 4 here"):
        lossmith.compare(lossmith.Data([photos]), recipe=replace(RECIPE, steps=4), out=out)


def test_a_folder_of_the_last_release_is_adopted(out: Path, finished: Comparison, photos: Path) -> None:
    """Its configuration held losses, seeds and metrics, and its tables one metric."""
    file = out / "compare.yaml"
    config = {"losses": ["l1", "l2"], "seeds": 2, "metrics": ["psnr"], **yaml.safe_load(file.read_text())}
    file.write_text(yaml.safe_dump(config, sort_keys=False))
    for scores in out.glob("runs/*/*/scores.csv"):
        rows = [replace(row, scores={"psnr": row.scores["psnr"]}) for row in read_csv(scores)]
        RunFolder(scores.parent).replace_scores(rows, evaluation.Protocol())
    (out / "degraded.csv").unlink()
    before = models(out)
    assert repr(compare(photos, out).rows) == repr(finished.rows), "stored images are what was scored"
    assert models(out) == before, "without training"


def test_scores_of_a_new_metric_are_added_from_stored_images(
    out: Path, photos: Path, finished: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation, "tournament_metrics", lambda losses, scale, pixels: ["psnr", "gmsd"])
    before = models(out)
    outcome = compare(photos, out)
    assert models(out) == before
    assert [list(row.scores) for row in outcome.rows] == [["psnr", "gmsd"]] * len(finished.rows)
    assert [r.scores["psnr"] for r in outcome.rows] == [r.scores["psnr"] for r in finished.rows]
    monkeypatch.setattr(import_module("lossmith.commands.compare.scores"), "score_images", None)
    assert repr(compare(photos, out).rows) == repr(outcome.rows), "they are kept"
    monkeypatch.undo()
    assert repr(compare(photos, out).rows) == repr(finished.rows), "as are those that are not wanted now"


def test_a_run_stays_finished_when_it_is_stopped_while_its_scores_change(
    out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder(out / "runs" / "l1" / "seed-0")
    shutil.rmtree(folder.path / "checkpoints")
    rows, summary = read_csv(folder.scores), folder.load_summary()

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lossmith.training.run_folder.write_csv", stop)
    with pytest.raises(KeyboardInterrupt):
        folder.replace_scores(rows, evaluation.Protocol())
    assert folder.load_summary() == summary is not None


def test_the_degraded_images_are_scored_once_unless_the_table_is_of_others(
    out: Path, finished: Comparison, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = out / "degraded.csv"
    text = table.read_text()
    table.write_text(text.replace(",1", ",2").replace(",3", ",4"))
    assert repr(compare(photos, out).rows) == repr(finished.rows)
    assert table.read_text() == text
    monkeypatch.setattr(import_module("lossmith.commands.compare.scores"), "score_images", None)
    assert repr(compare(photos, out).rows) == repr(finished.rows)


# --- races -------------------------------------------------------------------------------------------------------


def test_a_race_is_told_in_the_report_the_results_and_on_the_terminal(
    photos: Path, tmp_path: Path, metrics: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "race.yaml"
    config.write_text(
        "seeds: 2:3\nuntil: decided\nat-most: 30m\nmargin: [psnr=60, ssim=1]\n"
    )  # 2:3 is 123 in YAML
    words = [
        "compare",
        str(photos),
        "--losses",
        "l1",
        "l2",
        "--config",
        str(config),
        "--out",
        str(tmp_path / "out"),
    ]
    options = {"degradation": "noise(25)", "network": RECIPE.network, "steps": 3, "batch": 2, "patch": 32}
    words += [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    assert command(words) == 0
    printed = capsys.readouterr()
    ending = "it ended after 2 of at most 3 seeds, since everything is decided"
    assert f"I{ending[1:]}.\n" in printed.out
    assert "lossmith: 2 to 3 seeds: " in printed.err
    assert "lossmith: run 4 of 4 to 6, by " in printed.err
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [(look["seeds"], look["ending"]) for look in results["race"]] == [({"l1": 2, "l2": 2}, ending)]
    assert results["race"][0]["training_seconds"] > 0
    assert results["margins"]["psnr"] == 60
    assert "--seeds 2:3 --at-most 1800s --margins psnr=60 ssim=1" in results["command"]
    fidelity = results["advice"]["goals"]["fidelity"]
    assert {fidelity["best"], *fidelity["equivalent"]} == {"l1", "l2"}
    assert fidelity["undecided"] == fidelity["avoid"] == []
    assert {pair["outcome"] for pair in results["differences"] if DEGRADED not in pair.values()} == {"equivalent"}


def test_a_race_that_was_stopped_ends_with_the_same_advice(
    photos: Path, tmp_path: Path, metrics: pytest.MonkeyPatch
) -> None:
    def race(out: Path) -> Comparison:
        return compare(photos, out, seeds=(2, 3), margins={"psnr": 1e-9, "ssim": 1e-9})

    expected = race(tmp_path / "at once")
    compare(photos, tmp_path / "stopped", ["l1"], seeds=3)  # what a race leaves that dies among its runs
    resumed = race(tmp_path / "stopped")
    assert repr(resumed.rows) == repr(expected.rows)
    assert [look.seeds for look in resumed.race] == [look.seeds for look in expected.race]
    assert resumed.ending == expected.ending
    assert repr(resumed.rankings) == repr(expected.rankings)


def test_how_long_it_takes_is_said_before_the_first_step(
    photos: Path, tmp_path: Path, metrics: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "lossmith")
    compare(photos, tmp_path, seeds=1)
    compare(photos, tmp_path, seeds=2)
    compare(photos, tmp_path, seeds=2)
    told = [record.getMessage() for record in caplog.records if "report take about" in record.getMessage()]
    assert [line.partition(", their")[0] for line in told] == ["2 runs", "the 2 of 4 runs that are left"]

"""The tournament as a Python function: fairness, resuming, results and errors."""

import json
import math
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import lossmith
from lossmith.commands import Comparison
from lossmith.core.lock import LOCK_NAME
from lossmith.data import write_image
from lossmith.evaluation import DEGRADED, Row, advise, read_csv
from lossmith.losses import CallableLoss, Loss, loss

RECIPE = lossmith.Recipe(
    degradation="noise(25)", network="srresnet_small(features=8, blocks=1)", steps=3, batch=2, patch=32
)


class Breaks(torch.nn.Module):
    """Gives NaN from its second call on."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        self.calls += 1
        return (prediction - target).abs().mean() * (1 if self.calls == 1 else math.nan)


def compare(photos: Path, out: Path, losses: Any = ("l1", "l2"), seeds: int = 2) -> Comparison:
    return lossmith.compare(lossmith.Data([photos]), losses=losses, seeds=seeds, recipe=RECIPE, out=out)


@pytest.fixture(scope="module")
def outcome(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare(photos, tmp_path_factory.mktemp("tournament"))


def test_every_loss_and_seed_scores_every_image_and_so_does_the_degraded_input(outcome: Comparison) -> None:
    rows = {(row.image, row.method, row.seed) for row in outcome.rows}
    images = {row.image for row in outcome.rows}
    expected = {(p, m, s) for p in images for m in ("l1", "l2") for s in (0, 1)}
    assert rows == expected | {(p, DEGRADED, 0) for p in images}
    assert repr(read_csv(outcome.report.parent / "results.csv")) == repr(outcome.rows)  # nan is not equal to nan


def test_losses_share_initial_weights_and_patches_and_seeds_do_not(photos: Path, tmp_path: Path) -> None:
    twice = compare(photos, tmp_path / "a", ("l1", CallableLoss(loss("l1"), "l1 again")), seeds=2)
    runs = twice.report.parent / "runs"
    weights = {path.parent: load_file(path) for path in sorted(runs.rglob("model.safetensors"))}
    first, second, *others = (
        [w for folder, w in weights.items() if folder.name == seed][i]
        for seed in ("seed-0", "seed-1")
        for i in (0, 1)
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(torch.equal(first["conv_first.weight"], other["conv_first.weight"]) for other in others)


def test_results_json_holds_all_that_a_repetition_needs(outcome: Comparison) -> None:
    results = json.loads((outcome.report.parent / "results.json").read_text())
    assert results["verdict"] == outcome.verdict
    assert results["degradation"] == "noise(25)"
    assert results["protocol"] == "RGB, no crop, rounded to 8 bits"
    assert results["command"].startswith("lossmith compare")
    for word in ("--losses l1 l2", "--seeds 2", "--steps 3", "--degradation 'noise(25)'"):
        assert word in results["command"]
    assert {entry["loss"] for entry in results["losses"]} == {"l1", "l2"}
    assert len(results["rows"]) == len(outcome.rows)
    assert not {"channels", "needs_8bit"} & results["rankings"][0]["metric"].keys()


def test_the_same_call_again_trains_nothing_and_gives_the_same_verdict(outcome: Comparison, photos: Path) -> None:
    folder = outcome.report.parent
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("model.safetensors")}
    repeat = compare(photos, folder)
    assert repr(repeat.rows) == repr(outcome.rows)
    assert repeat.verdict == outcome.verdict
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_stopped_tournament_resumes(outcome: Comparison, photos: Path, tmp_path: Path) -> None:
    compare(photos, tmp_path)
    folder = tmp_path / "runs" / "l2" / "seed-1"
    for name in ("summary.json", "scores.csv", "model.safetensors"):
        (folder / name).unlink()
    repeat = compare(photos, tmp_path)
    assert repr(repeat.rows) == repr(outcome.rows)


def test_a_failing_loss_is_reported_and_the_others_are_trained(photos: Path, tmp_path: Path) -> None:
    failing_loss = CallableLoss(Breaks(), "my:Breaks")
    outcome = lossmith.compare(
        lossmith.Data([photos]), losses=[failing_loss, loss("l1")], seeds=1, recipe=RECIPE, out=tmp_path
    )
    assert {row.method for row in outcome.rows} == {DEGRADED, "l1"}
    results = json.loads((tmp_path / "results.json").read_text())
    failures = {entry["loss"]: entry["failure"] for entry in results["losses"]}
    assert failures["l1"] is None
    assert "became nan at step 2" in failures["my:Breaks"]
    assert "became nan at step 2" in outcome.report.read_text()


def test_a_tournament_where_every_loss_fails_says_so(photos: Path, tmp_path: Path) -> None:
    failing_loss = CallableLoss(Breaks(), "my:Breaks")
    with pytest.raises(lossmith.LossmithError, match="no run was finished"):
        lossmith.compare(lossmith.Data([photos]), losses=[failing_loss], seeds=1, recipe=RECIPE, out=tmp_path)


def test_super_resolution_is_scored_on_y_with_the_scale_cropped(photos: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, degradation="bicubic(2)")
    lossmith.compare(lossmith.Data([photos]), losses=["l1"], seeds=1, recipe=recipe, out=tmp_path)
    assert "Y (BT.601 studio swing), 2 px cropped" in (tmp_path / "results.csv").read_text()


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_precisions_train(precision: str, photos: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, precision=precision)
    run = lossmith.train(lossmith.Data([photos]), loss="mix", recipe=recipe, out=tmp_path)
    assert run.summary.precision == precision
    assert all(math.isfinite(row.scores["psnr"]) for row in run.rows)


@pytest.mark.parametrize("file_name", ["scores.csv", "metrics.csv", "model.safetensors"])
def test_lost_results_of_a_finished_run_are_computed_again(file_name: str, photos: Path, tmp_path: Path) -> None:
    outcome = compare(photos, tmp_path, ["l1"], seeds=1)
    file = tmp_path / "runs" / "l1" / "seed-0" / file_name
    file.write_bytes(file.read_bytes()[:20])
    assert repr(compare(photos, tmp_path, ["l1"], seeds=1).rows) == repr(outcome.rows)
    (tmp_path / "runs" / "l1" / "seed-0" / "checkpoints" / "last.ckpt").unlink()
    file.unlink()
    with pytest.raises(lossmith.LossmithError, match=rf"{file_name} is missing or damaged"):
        compare(photos, tmp_path, ["l1"], seeds=1)


def test_a_damaged_compare_configuration_is_reported(outcome: Comparison, photos: Path, tmp_path: Path) -> None:
    shutil.copytree(outcome.report.parent, tmp_path, dirs_exist_ok=True)
    config_text = (tmp_path / "compare.yaml").read_text()
    for text in ("", config_text[: len(config_text) // 2], "losses: [\n"):
        (tmp_path / "compare.yaml").write_text(text)
        with pytest.raises(lossmith.LossmithError, match=r"compare\.yaml is damaged"):
            compare(photos, tmp_path)


@pytest.mark.parametrize("losses", ["l1", loss("l1"), torch.nn.functional.l1_loss])
def test_one_loss_is_a_list_of_one(losses: Any, photos: Path, tmp_path: Path) -> None:
    outcome = compare(photos, tmp_path, losses, seeds=1)
    assert len({row.method for row in outcome.rows}) == 2


@pytest.mark.parametrize("twice", [["l1", "1*l1"], ["ssim", "ssim(sigma=1.5)"], [loss("l2"), "(l2)"]])
def test_a_loss_is_compared_once_however_it_is_written(twice: list[Any], photos: Path, tmp_path: Path) -> None:
    with pytest.raises(lossmith.LossmithError, match="is given twice; each may be given once"):
        compare(photos, tmp_path, twice)


@pytest.mark.parametrize("study", ["train", "compare"])
def test_unscorable_test_images_are_found_before_training(study: str, photos: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    write_image(small / "fine.png", torch.zeros(3, 16, 16))
    write_image(small / "speck.png", torch.zeros(3, 4, 4))
    data = lossmith.Data([photos], test=[small])
    recipe = replace(RECIPE, degradation="bicubic(2)")
    with pytest.raises(lossmith.LossmithError, match=r"^cropping 2 px from each side leaves nothing of 'speck'"):
        getattr(lossmith, study)(data, recipe=recipe, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("study", ["train", "compare"])
def test_all_losses_take_one_dry_run_together_and_only_before_anything_is_written(
    study: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def count(losses: list[Loss], *arguments: Any) -> None:
        assert [path.name for path in tmp_path.rglob("*") if path.name != LOCK_NAME] == ["out"]
        calls.append(len(losses))

    monkeypatch.setattr("lossmith.training.run.dry_run", count)
    options: Any = {"losses": ["l1", "l2"], "seeds": 2} if study == "compare" else {"loss": "l1"}
    getattr(lossmith, study)(lossmith.Data([photos]), recipe=RECIPE, out=tmp_path / "out", **options)
    assert calls == [2 if study == "compare" else 1]


class Stubborn(torch.nn.Conv2d):
    """Takes images of 32 x 32 only."""

    def __init__(self) -> None:
        super().__init__(3, 3, 1)

    def forward(self, degraded: Tensor) -> Tensor:
        return super().forward(degraded.view(-1, 3, 32, 32))


@pytest.mark.parametrize("study", ["train", "compare"])
def test_a_network_that_fails_on_whole_images_is_found_before_training(
    study: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "theirs", SimpleNamespace(Stubborn=Stubborn))
    recipe = replace(RECIPE, network="theirs:Stubborn")
    with pytest.raises(
        lossmith.LossmithError, match=r"^the network fails on '4', 56x64 pixels, with RuntimeError: "
    ):
        getattr(lossmith, study)(lossmith.Data([photos]), recipe=recipe, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_image_with_a_very_long_name_is_kept(photos: Path, tmp_path: Path) -> None:
    name = "n" * 250
    shutil.copy(photos / "1.png", tmp_path / f"{name}.png")
    data = lossmith.Data([photos / "2.png", photos / "3.png"], test=[tmp_path / f"{name}.png"])
    outcome = lossmith.compare(data, losses=["l1"], seeds=1, recipe=RECIPE, out=tmp_path / "out")
    assert {row.image for row in outcome.rows} == {name}


def test_a_run_without_its_configuration_is_not_adopted(photos: Path, tmp_path: Path) -> None:
    lossmith.train(lossmith.Data([photos]), recipe=RECIPE, out=tmp_path)
    (tmp_path / "run.yaml").unlink()
    with pytest.raises(lossmith.LossmithError, match=r"holds a run but no run\.yaml"):
        lossmith.train(lossmith.Data([photos]), loss="l2", recipe=RECIPE, out=tmp_path)


def test_the_result_names_the_winner_and_ranks_all_methods(outcome: Comparison) -> None:
    assert [line.rank for line in outcome.ranking] == [1, 2, 3]
    assert {line.name for line in outcome.ranking} == {"l1", "l2", DEGRADED}
    means = [line.mean for line in outcome.ranking]
    assert means == sorted(means, reverse=True), "PSNR, best first"
    assert {ranking.metric.name for ranking in outcome.rankings} >= {"psnr", "ssim"}
    for line, goal in zip(outcome.verdict.splitlines(), ("fidelity", "structure"), strict=False):
        assert goal in line


def psnr_rows(**values: tuple[float, ...]) -> list[Row]:
    """Two seeds, which differ a little, of three images."""
    return [
        Row(image, method, seed, {"psnr": value + place + 0.01 * seed * place})
        for method, by_seed in values.items()
        for seed, value in enumerate(by_seed)
        for place, image in enumerate("abc")
    ]


@pytest.mark.parametrize(
    ("scores", "winner"),
    [
        ({"l1": (30.0, 30.01), "mix": (32.0, 32.02)}, "mix"),
        ({"l1": (30.0, 30.01), "mix": (30.01, 30.02)}, None),  # equivalent
        ({"l1": (30.0, 32.0), "mix": (32.0, 32.02)}, None),  # undecided
        ({"l1": (30.0,), "mix": (32.0,)}, None),  # one seed crowns nobody
        ({"mix": (32.0, 32.02)}, None),
    ],
)
def test_the_winner_is_known_to_be_better_than_all_others_in_fidelity(
    scores: dict[str, tuple[float, ...]], winner: str | None
) -> None:
    rows = psnr_rows(degraded=(20.0,), **scores)
    assert Comparison("", Path(), rows, advice=advise(rows, list(scores))).winner == winner
    assert Comparison("", Path(), []).winner is None


def test_every_run_of_the_result_has_a_model_that_restores(outcome: Comparison) -> None:
    assert [(run.loss, run.seed) for run in outcome.runs] == [("l1", 0), ("l2", 0), ("l1", 1), ("l2", 1)]
    for run in outcome.runs:
        assert run.model_path == run.folder / "model.safetensors"
        assert not run.model.training
        state = load_file(run.model_path)
        assert all(torch.equal(state[name], tensor) for name, tensor in run.model.state_dict().items())
    assert outcome.runs[0].model(torch.rand(2, 3, 9, 7)).shape == (2, 3, 9, 7)


def test_the_data_frame_has_the_scores_of_every_row(outcome: Comparison) -> None:
    pytest.importorskip("pandas")
    frame = outcome.to_dataframe()
    assert len(frame) == len(outcome.rows)
    assert list(frame.columns[:4]) == ["image", "method", "seed", "psnr"]
    best = frame.groupby("method")["psnr"].mean()
    assert best["l1"] == pytest.approx(next(line.mean for line in outcome.ranking if line.name == "l1"))

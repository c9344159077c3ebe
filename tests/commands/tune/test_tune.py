"""A search for the weights of a loss, from its first trial to the front."""

import csv
import json
import math
import shutil
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml

import lossmith
from lossmith.cli import run as command
from lossmith.commands.executors.base import LocalExecutor
from lossmith.commands.tune import confirmation, search, trial
from lossmith.commands.tune.tune import Tuning
from lossmith.core.errors import LossmithError
from lossmith.evaluation import read_csv
from lossmith.models import load_model
from lossmith.training.supervised import SupervisedModule

from .conftest import RECIPE, Tune, folder


def trials_of(out: Path) -> list[dict[str, Any]]:
    """All that a search tried and how it ended, but for the time that it took."""
    trials = json.loads((out / "results.json").read_text())["trials"]
    looks = [(out / "trials" / str(t["number"]) / "looks.json") for t in trials]
    scores = [{n: look["scores"] for n, look in json.loads(path.read_text()).items()} for path in looks]
    return [{**t, "seconds": None, "looks": own} for t, own in zip(trials, scores, strict=True)]


def front_of(out: Path) -> list[dict[str, Any]]:
    front = json.loads((out / "results.json").read_text())["front"]
    return [{**member, "seconds": None, "milliseconds_per_step": None} for member in front]


def test_trials_share_first_weights_and_patches_and_differ_in_what_is_searched_for(outcome: Tuning) -> None:
    configs = [yaml.safe_load(path.read_text()) for path in folder(outcome).glob("trials/*/run.yaml")]
    assert len(configs) == 5
    searched = {"loss", "learning_rate"}
    assert len({json.dumps({k: v for k, v in c.items() if k not in searched}, default=str) for c in configs}) == 1
    by_loss = {config["loss"]: config["learning_rate"] for config in configs}
    assert len(by_loss) == 5
    for each in outcome.trials:
        assert each.loss == f"l1 + {each.values['W']}*tv"
        assert by_loss[each.loss] == float(each.values["learning_rate"])


def test_trials_are_judged_by_crops_that_are_neither_trained_nor_tested_on(outcome: Tuning) -> None:
    out = folder(outcome)
    config = yaml.safe_load((out / "trials" / "0" / "run.yaml").read_text())
    assert "test_images" not in config
    rows = read_csv(out / "trials" / "0" / "scores.csv")
    assert {row.image for row in rows} == set(config["validation_crops"])
    for goal in ("psnr", "gmsd"):
        mean = sum(row.scores[goal] for row in rows) / len(rows)
        assert outcome.trials[0].scores[goal] == pytest.approx(mean, rel=1e-12)


def test_a_trial_that_is_behind_is_stopped_and_is_not_on_the_front(outcome: Tuning) -> None:
    stopped = [each for each in outcome.trials if each.state == "pruned"]
    assert stopped, "a learning rate of 0.3 spoils the network"
    for each in stopped:
        assert each.values["learning_rate"] == "0.3"
        assert "had been better in every goal" in each.note
        run = folder(outcome) / "trials" / str(each.number)
        assert not (run / "model.safetensors").exists()
        assert not (run / "summary.json").exists()
    assert {member.trial for member in outcome.members} <= {
        t.number for t in outcome.trials if t.state == "complete"
    }


def test_looks_have_all_goals_where_patches_are_too_small_for_one(tune: Tune, tmp_path: Path) -> None:
    tune(tmp_path, goals=["psnr", "ssim"], recipe=replace(RECIPE, patch=8), trials=1)
    looks = json.loads((tmp_path / "trials" / "0" / "looks.json").read_text())
    assert all(look["scores"]["ssim"] is not None for look in looks.values())


def test_the_front_is_trained_with_fresh_seeds_and_decided_by_the_crops(outcome: Tuning) -> None:
    out = folder(outcome)
    for member in outcome.members:
        [run] = (out / "front" / f"trial-{member.trial}").iterdir()
        config = yaml.safe_load((run / "run.yaml").read_text())
        assert config["seed"] == 1
        assert yaml.safe_load((out / "trials" / "0" / "run.yaml").read_text())["seed"] == 0
        rows = read_csv(run / "scores.csv")
        crops = [row.scores for row in rows if row.image in config["validation_crops"]]
        tests = [row.scores for row in rows if row.image in config["test_images"]]
        assert len(crops) + len(tests) == len(rows)
        assert member.validation["psnr"].value == pytest.approx(sum(s["psnr"] for s in crops) / len(crops))
        assert member.test["psnr"].value == pytest.approx(sum(s["psnr"] for s in tests) / len(tests))
    means = [member.validation["psnr"].value for member in outcome.members]
    assert means == sorted(means, reverse=True)
    assert outcome.front == [member for member in outcome.members if member.on_front]
    assert outcome.expressions == [member.loss for member in outcome.front]


def test_everything_is_written(outcome: Tuning) -> None:
    out = folder(outcome)
    with (out / "trials.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    assert [row["loss"] for row in table] == [each.loss for each in outcome.trials]
    assert [row["state"] for row in table] == [each.state for each in outcome.trials]
    assert [float(row["W"]) for row in table] == [each.values["W"] for each in outcome.trials]
    assert float(table[0]["psnr"]) == outcome.trials[0].scores["psnr"]
    results = json.loads((out / "results.json").read_text(), parse_constant=pytest.fail)
    assert results["search"] == {"W": "0.001..1 log", "learning_rate": "0.003|0.3"}
    assert results["goals"][1] == {"name": "gmsd", "higher_is_better": False}
    assert "--search 'W=0.001..1 log' 'learning_rate=0.003|0.3' --goals psnr gmsd" in results["command"]
    page = outcome.report.read_text()
    assert all(expression in page for expression in outcome.expressions)
    study = optuna.load_study(study_name="lossmith", storage=f"sqlite:///{out / 'optuna.db'}")
    assert [each.user_attrs["loss"] for each in study.trials] == [each.loss for each in outcome.trials]
    load_model(out / "front" / f"trial-{outcome.front[0].trial}" / "seed-1" / "model.safetensors")


def test_what_is_printed_can_be_pasted(outcome: Tuning) -> None:
    first, *lines, last = str(outcome).splitlines()
    assert first.startswith("the front of PSNR and GMSD of 5 trials, by validation crops and 1 fresh seed:")
    assert last == f"report: {outcome.report}"
    for line, expression in zip(lines, outcome.expressions, strict=True):
        assert line.startswith(f"  {expression} at learning rate 0.003: PSNR ")
        assert str(lossmith.loss(expression)) == expression


def test_a_model_of_the_front_is_reproduced_from_its_receipt(
    outcome: Tuning, photos: Path, tmp_path: Path
) -> None:
    model = folder(outcome) / "front" / f"trial-{outcome.front[0].trial}" / "seed-1" / "model.safetensors"
    again = lossmith.reproduce(model, images=photos, out=tmp_path / "again")
    assert again.difference == 0


def test_it_is_not_reproduced_with_other_crops(
    outcome: Tuning, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = folder(outcome) / "front" / f"trial-{outcome.front[0].trial}" / "seed-1" / "model.safetensors"
    monkeypatch.setattr("lossmith.data.validation_split.MAX_CROPS", 1)
    with pytest.raises(LossmithError, match="was trained on other parts of its images than this lossmith"):
        lossmith.reproduce(model, images=photos, out=tmp_path / "again")


def refuse(*_: Any, **__: Any) -> None:
    raise AssertionError("nothing is left to be done")


def test_the_same_call_again_trains_nothing(
    outcome: Tuning, tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder(outcome), tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr("lossmith.training.run.fit", refuse)
    monkeypatch.setattr(search, "ask", refuse)
    again = tune(tmp_path)
    assert again.trials == outcome.trials
    assert repr(again.members) == repr(outcome.members), "NaN is not equal to itself"


def test_more_trials_continue_a_search_as_if_it_had_had_them_from_the_start(
    outcome: Tuning, tune: Tune, tmp_path: Path
) -> None:
    tune(tmp_path, trials=2)
    tune(tmp_path, trials=5)
    assert trials_of(tmp_path) == trials_of(folder(outcome))
    assert front_of(tmp_path) == front_of(folder(outcome))
    fewer = tune(tmp_path, trials=2)
    assert len(fewer.trials) == 2


class Stopped(BaseException):
    """As a kill: nothing catches it."""


def after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, which stops everything when it is called once more than so often."""
    count = 0

    def counting(*arguments: Any, **options: Any) -> Any:
        nonlocal count
        count += 1
        if count > calls:
            raise Stopped
        return function(*arguments, **options)

    return counting


MOMENTS = [
    (SupervisedModule, "training_step", 28, "after a look of the third trial"),
    (trial, "write_text", 1, "between a run and its result"),
    (search, "record", 2, "between a result and the record"),
]
MORE_MOMENTS = [
    (SupervisedModule, "training_step", 3, "in the first trial"),
    (SupervisedModule, "training_step", 16, "before the looks of the second"),
    (search, "ask", 2, "between two trials"),
    (search, "write_text", 1, "before the values of the second are written"),
    (confirmation, "outcomes", 0, "between the front and its verdict"),
]


@pytest.mark.parametrize(
    ("owner", "name", "calls"),
    [
        *(pytest.param(*moment[:3], id=moment[3]) for moment in MOMENTS),
        *(pytest.param(*moment[:3], id=moment[3], marks=pytest.mark.slow) for moment in MORE_MOMENTS),
    ],
)
def test_a_search_that_is_stopped_at_any_moment_goes_on_to_the_same_end(
    owner: Any, name: str, calls: int, outcome: Tuning, tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, after(calls, getattr(owner, name)))
        with pytest.raises(Stopped):
            tune(tmp_path, save_every=0)
    assert not (tmp_path / "results.json").exists()
    again = tune(tmp_path, save_every=0)
    assert trials_of(tmp_path) == trials_of(folder(outcome))
    assert front_of(tmp_path) == front_of(folder(outcome))
    study = optuna.load_study(study_name="lossmith", storage=f"sqlite:///{tmp_path / 'optuna.db'}")
    assert [each.user_attrs["loss"] for each in study.trials] == [each.loss for each in again.trials]


def test_a_trial_whose_files_are_lost_is_trained_again(outcome: Tuning, tune: Tune, tmp_path: Path) -> None:
    shutil.copytree(folder(outcome), tmp_path, dirs_exist_ok=True)
    (tmp_path / "trials" / "0" / "summary.json").unlink()
    tune(tmp_path, trials=1)
    assert (tmp_path / "trials" / "0" / "summary.json").is_file()
    assert trials_of(tmp_path) == trials_of(folder(outcome))[:1]


def test_a_trial_whose_worker_dies_says_nothing_of_its_values_and_is_tried_again(
    outcome: Tuning, tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dying(_: object, jobs: list[Any], *__: object) -> Generator[Any]:
        yield from (job.failed("its worker died 4 times") for job in jobs)

    with monkeypatch.context() as patch:
        patch.setattr(LocalExecutor, "run_jobs", dying)
        with pytest.raises(LossmithError, match=r"^trial 0 failed: its worker died .* the same command tries it"):
            tune(tmp_path, trials=1)
    tune(tmp_path, trials=1)
    assert trials_of(tmp_path) == trials_of(folder(outcome))[:1]


def test_trials_that_are_chosen_together_see_only_those_of_earlier_batches(
    tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, int, int]] = []

    def spy(space: Any, goals: Any, over: Any, running: Any, *, number: int, seed: int) -> Any:
        seen.append((number, len(over), len(running)))
        return {"W": 0.01 * (number + 1), "learning_rate": "0.003"}

    monkeypatch.setattr(search, "ask", spy)
    tune(tmp_path, at_once=2, trials=5)
    assert seen == [(0, 0, 0), (1, 0, 1), (2, 2, 0), (3, 2, 1), (4, 4, 0)]
    tune(tmp_path, at_once=2, trials=6)
    assert seen[5:] == [(5, 4, 1)], "the batch that was not full is filled"


def test_a_trial_that_diverges_is_told_as_failed_and_the_search_goes_on(tune: Tune, tmp_path: Path) -> None:
    outcome = tune(tmp_path, search=["W=1|2", "learning_rate=0.003|1e30"], trials=4)
    failed = [each for each in outcome.trials if each.state == "failed"]
    assert failed
    assert all(each.values["learning_rate"] == "1e30" and each.scores == {} for each in failed)
    assert "the loss became" in failed[0].note
    assert {member.values["learning_rate"] for member in outcome.members} == {"0.003"}


def test_a_trial_whose_score_is_no_number_fails(
    tune: Tune, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "fmean", lambda _: math.nan)
    with pytest.raises(LossmithError, match=r"no trial was finished: .*, psnr of its validation crops is nan"):
        tune(tmp_path, trials=1)


def test_where_every_trial_fails_that_is_said(tune: Tune, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"no trial was finished: l1, the loss became"):
        tune(tmp_path, loss="l1", search=["learning_rate=1e30|2e30"], trials=2)


def test_one_goal_names_one_loss(tune: Tune, tmp_path: Path) -> None:
    outcome = tune(tmp_path, loss="l1 + W*tv", search="W=0..2", goals="psnr", seeds=2)
    assert outcome.trials[0].loss == "l1", "what begins at 0 is left out first"
    assert len(outcome.members) == 3
    assert len(outcome.front) == 1
    [best] = outcome.front
    assert best.validation["psnr"].value == max(member.validation["psnr"].value for member in outcome.members)
    assert all(member.reason for member in outcome.members if not member.on_front)
    assert str(outcome).startswith("the best in PSNR of 5 trials, by validation crops and 2 fresh seeds:\n  l1 + ")


def test_a_race_gives_more_seeds_to_those_of_which_something_is_open(tune: Tune, tmp_path: Path) -> None:
    rates = ["learning_rate=0.003|0.015|0.3"]
    outcome = tune(tmp_path, loss="l1", search=rates, goals=["psnr"], seeds=(2, 3), trials=6, at_once=6)
    members = {member.values["learning_rate"]: member for member in outcome.members}
    assert set(members) == {"0.003", "0.015", "0.3"}, "of those that run at once none is stopped"
    assert {rate: len(member.seeds) for rate, member in members.items()} == {"0.003": 3, "0.015": 3, "0.3": 2}
    assert "is better in PSNR" in members["0.3"].reason
    assert len(outcome.front) == 1


def test_goals_that_the_loss_is_made_of_are_remarked_on(
    tune: Tune, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "lossmith"):
        outcome = tune(tmp_path, loss="l1 + W*ssim", search=["W=0.1..1"], goals=["ssim", "gmsd"], trials=2)
    remark = "the goal ssim measures what the loss itself is made of"
    assert remark in caplog.text
    assert remark[1:] in outcome.report.read_text()


def test_what_happens_is_announced_and_told(tune: Tune, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "lossmith"):
        outcome = tune(tmp_path, trials=3)
    text = caplog.text
    assert "under l1 + W*tv, 3 runs of 10 steps, to undo noise(25)" in text
    assert "3 trials, at most 5 runs of the front and the report take about" in text
    assert "run 3 of 3, " in text
    score = outcome.trials[0].scores["psnr"]
    assert f"trial 0, {outcome.trials[0].loss} at learning rate 0.3: PSNR {score:.2f} dB, GMSD 0." in text or (
        f"trial 0, {outcome.trials[0].loss} at learning rate 0.003: PSNR {score:.2f} dB, GMSD 0." in text
    )


def test_on_the_command_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = "--degradation noise(25) --network fcn --steps 2 --batch 2 --patch 32 --trials 1 --seeds 1"
    searches = ["--search", "W=0.1..1 log", "--search", "V=0..0.1"]
    loss = ["--loss", "l1 + W*l2 + V*tv"]
    assert (
        command(["tune", str(photos), *loss, *searches, "--goals", "psnr", *small.split(), "--out", str(tmp_path)])
        == 0
    )
    out, err = capsys.readouterr()
    assert "l1 + 0.316*l2" in out
    assert "trial 0, l1 + 0.316*l2: PSNR" in err
    assert command(["tune", str(photos), *loss, "--goals", "psnr"]) == 2
    assert "tune needs --search" in capsys.readouterr().err
    assert command(["tune", *loss, *searches, "--goals", "psnr", str(photos)]) == 2
    assert "is taken for a value of --goals; name images before the options" in capsys.readouterr().err

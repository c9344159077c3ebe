"""Optuna is asked as a function of results, and keeps a record that its own tools read."""

import json
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lossmith.commands.tune.optuna_study import STUDY_NAME, ask, record
from lossmith.commands.tune.search_space import SearchSpace, Value, space
from lossmith.commands.tune.trial import Trial
from lossmith.core.errors import LossmithError
from lossmith.evaluation import find_metric

from .conftest import MakeTrial

PSNR, GMSD = GOALS = [find_metric(name) for name in ("psnr", "gmsd")]
SPACE = space("l1 + W*tv + N*l2 + L", "W=0.001..1 log", "N=1..8 int", "L=tv|l2")


def history(make_trial: MakeTrial, count: int, searched: SearchSpace = SPACE, seed: int = 0) -> list[Trial]:
    """Trials as a search makes them, the better the nearer W is to 0.03."""
    trials: list[Trial] = []
    for number in range(count):
        values = ask(searched, GOALS, trials, [], number=number, seed=seed)
        miss = abs(math.log10(float(values["W"])) + 1.5)
        trials.append(make_trial(number, values, psnr=30 - miss, gmsd=0.1 + 0.01 * miss))
    return trials


def test_what_is_asked_is_a_function_of_results_number_and_seed(make_trial: MakeTrial) -> None:
    over = history(make_trial, 14)

    def proposal(trials: list[Trial], **options: int) -> dict[str, Value]:
        return ask(SPACE, GOALS, trials, [], **({"number": 14, "seed": 0} | options))

    assert proposal(over) == proposal(over)
    assert proposal(over) != proposal(over, seed=1)
    assert proposal(over) != proposal(over, number=15)
    assert proposal(over) != proposal(over[:-5])


def test_values_are_of_the_space_and_fit_to_be_pasted(make_trial: MakeTrial) -> None:
    for trial in history(make_trial, 14):
        weight, number, choice = (trial.values[name] for name in ("W", "N", "L"))
        assert isinstance(weight, float)
        assert 0.001 <= weight <= 1
        assert weight == float(f"{weight:.3g}")
        assert isinstance(number, int)
        assert 1 <= number <= 8
        assert choice in ("tv", "l2")
        assert json.loads(json.dumps(trial.values)) == trial.values


def test_the_sampler_learns_from_the_results(make_trial: MakeTrial) -> None:
    only = space("l1 + W*tv", "W=0.001..1 log")
    late = [trial.values["W"] for seed in range(4) for trial in history(make_trial, 30, only, seed)[15:]]
    misses = [abs(math.log10(float(weight)) + 1.5) for weight in late]
    assert sum(misses) / len(misses) < 0.6, "0.75 at random"


def test_trials_that_run_at_once_differ_and_the_unlucky_are_not_asked_again(make_trial: MakeTrial) -> None:
    over = history(make_trial, 14)
    running: list[dict[str, Any]] = []
    for number in range(14, 18):
        running.append(ask(SPACE, GOALS, over, running, number=number, seed=0))
    assert len({json.dumps(values) for values in running}) == 4
    alone = ask(SPACE, GOALS, over, [], number=15, seed=0)
    assert running[1] != alone, "it knows of the one that runs"


def test_stopped_and_failed_trials_count_as_what_they_are(make_trial: MakeTrial) -> None:
    over = history(make_trial, 12)
    stopped = [*over, make_trial(12, over[0].values, "pruned", psnr=20.0, gmsd=0.5)]
    failed = [*over, make_trial(12, over[0].values, "failed")]
    proposals = [ask(SPACE, GOALS, trials, [], number=13, seed=0) for trials in (over, stopped, failed)]
    assert proposals[0] == proposals[2], "nothing is learned of what diverged"
    assert {*proposals[1]} == {"W", "N", "L"}


def test_a_term_is_left_out_before_anything_is_asked() -> None:
    both = space("l1 + V*tv + W*l2", "V=0..0.1", "W=0..1")
    assert ask(both, GOALS, [], [], number=0, seed=0) == {"V": 0.0, "W": 0.5}
    assert ask(both, GOALS, [], [], number=1, seed=5) == {"V": 0.05, "W": 0.0}
    assert ask(both, GOALS, [], [], number=2, seed=0) != ask(both, GOALS, [], [], number=2, seed=1)


def stored(path: Path) -> optuna.Study:
    return optuna.load_study(study_name=STUDY_NAME, storage=f"sqlite:///{path}")


def test_optunas_own_tools_open_the_record(make_trial: MakeTrial, tmp_path: Path) -> None:
    over = history(make_trial, 3)
    over.append(make_trial(3, over[0].values, "pruned", psnr=20.0, gmsd=0.5))
    over.append(make_trial(4, over[1].values, "failed"))
    record(tmp_path / "optuna.db", SPACE, GOALS, over)
    study = stored(tmp_path / "optuna.db")
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert study.metric_names == ["psnr", "gmsd"]
    complete, pruned, failed = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
    assert [trial.state for trial in study.trials] == [complete, complete, complete, pruned, failed]
    assert [trial.params for trial in study.trials] == [trial.values for trial in over]
    assert study.trials[0].values == [over[0].scores["psnr"], over[0].scores["gmsd"]]
    assert study.trials[3].user_attrs == {"loss": "trial 3", "note": "it was behind"}
    assert len(study.best_trials) >= 1
    assert study.trials_dataframe().shape[0] == 5


def test_what_is_recorded_already_stays_and_the_rest_is_added(make_trial: MakeTrial, tmp_path: Path) -> None:
    path, over = tmp_path / "optuna.db", history(make_trial, 5)
    record(path, SPACE, GOALS, over[:2])
    first = stored(path).trials
    record(path, SPACE, GOALS, over)
    record(path, SPACE, GOALS, over[:3])
    trials = stored(path).trials
    assert [trial.params for trial in trials] == [trial.values for trial in over]
    assert trials[:2] == first


@pytest.mark.parametrize("damage", ["garbage", "others", "empty"])
def test_a_record_that_cannot_be_continued_is_written_anew(
    damage: str, make_trial: MakeTrial, tmp_path: Path
) -> None:
    path, over = tmp_path / "optuna.db", history(make_trial, 3)
    if damage == "others":
        record(path, SPACE, GOALS, over[::-1])
    else:
        path.write_bytes(b"garbage" * 1000 if damage == "garbage" else b"")
    record(path, SPACE, GOALS, over)
    assert [trial.params for trial in stored(path).trials] == [trial.values for trial in over]


def test_where_nothing_can_be_written_that_is_said(make_trial: MakeTrial, tmp_path: Path) -> None:
    (tmp_path / "optuna.db").mkdir()
    with pytest.raises(LossmithError, match=r"cannot write .*optuna.db"):
        record(tmp_path / "optuna.db", SPACE, GOALS, history(make_trial, 1))


def test_optuna_says_nothing(make_trial: MakeTrial, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    level = optuna.logging.get_verbosity()
    over = history(make_trial, 12)
    record(tmp_path / "optuna.db", SPACE, GOALS, over)
    ask(SPACE, GOALS, over, [over[0].values], number=12, seed=0)
    assert "".join(capfd.readouterr()) == ""
    assert optuna.logging.get_verbosity() == level

"""Each loss plays at its best learning rate."""

import json
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import lossmith
from lossmith.commands.compare.learning_rates import (
    SEED,
    RateChoice,
    best_rate,
    check_learning_rates,
    plan_trials,
    trial_recipe,
)
from lossmith.commands.compare.trial_job import TrialJob
from lossmith.commands.executors.base import LocalExecutor
from lossmith.core.errors import LossmithError
from lossmith.data import PreparedData, split_validation
from lossmith.degradations import degradation
from lossmith.evaluation import protocol_of
from lossmith.losses import CallableLoss, Loss, loss
from lossmith.models import load_model
from lossmith.report import RateTrial
from lossmith.training import Recipe, RunSettings

RECIPE = Recipe(
    degradation="noise(25)", network="srresnet_small(features=8, blocks=1)", steps=8, batch=2, patch=32
)
RATES = (1e-5, 3e-3)
LOSSES: dict[str, Loss] = {name: loss(name) for name in ("l1", "l2")}


class CountingExecutor(LocalExecutor):
    """Counts the jobs that it is given."""

    def __init__(self) -> None:
        self.jobs = 0

    def run_jobs(self, jobs: Sequence[Any], shared: Mapping[str, Any], *more: Any) -> Generator[Any]:
        self.jobs += len(jobs)
        yield from super().run_jobs(jobs, shared, *more)


def choose(
    data: PreparedData,
    out: Path,
    losses: Mapping[str, Loss] = LOSSES,
    rates: Sequence[float] = RATES,
    executor: LocalExecutor | None = None,
) -> RateChoice:
    settings = RunSettings(protocol=protocol_of(data.test_pairs))
    return plan_trials(losses, RECIPE, rates, data, settings, out).choose(executor or LocalExecutor())


@pytest.fixture(scope="module")
def tried(prepared_photos: PreparedData, tmp_path_factory: pytest.TempPathFactory) -> tuple[RateChoice, Path]:
    out = tmp_path_factory.mktemp("rates")
    return choose(prepared_photos, out), out


def test_a_rate_is_chosen_by_the_loss_itself_on_crops_that_were_not_trained_on(
    tried: tuple[RateChoice, Path], prepared_photos: PreparedData
) -> None:
    choice, out = tried
    crops = split_validation(prepared_photos, degradation("noise(25)"), 32).test_pairs
    measures = {"l1": torch.nn.functional.l1_loss, "l2": torch.nn.functional.mse_loss}
    assert [(trial.loss, trial.learning_rate) for trial in choice.trials] == [
        (name, rate) for name in LOSSES for rate in RATES
    ]
    for trial in choice.trials:
        model = load_model(out / "learning-rates" / trial.loss / str(trial.learning_rate) / "model.safetensors")
        with torch.no_grad():
            values = [measures[trial.loss](model.restorer(c.degraded[None])[0], c.clean) for c in crops]
        assert trial.objective == pytest.approx(float(sum(values)) / len(crops), rel=1e-5), "float32"
    for name in LOSSES:
        of_loss = [trial for trial in choice.trials if trial.loss == name]
        assert [trial.chosen for trial in of_loss] == [
            trial.objective == min(t.objective for t in of_loss) for trial in of_loss
        ]
        [best] = [trial.learning_rate for trial in of_loss if trial.chosen]
        assert choice.recipes[name] == lossmith.Recipe(**{**vars(RECIPE), "learning_rate": best})


def test_trials_share_a_seed_of_their_own_and_neither_test_nor_validation_images_are_trained_on(
    tried: tuple[RateChoice, Path], prepared_photos: PreparedData
) -> None:
    configs = [yaml.safe_load(path.read_text()) for path in tried[1].rglob("run.yaml")]
    assert len(configs) == 4
    for config in configs:
        assert config["seed"] == SEED
        assert config["training_images"] == prepared_photos.fingerprint["training_images"]
        assert config["validation_crops"]["0-crop1"] == "0, rows 0 to 47, columns 32 to 63"
    assert sorted(config["learning_rate"] for config in configs) == [1e-5, 1e-5, 3e-3, 3e-3]


def test_what_was_tried_is_not_tried_again_and_a_new_loss_is(
    tried: tuple[RateChoice, Path], prepared_photos: PreparedData
) -> None:
    choice, out = tried
    executor = CountingExecutor()
    assert choose(prepared_photos, out, executor=executor) == choice
    assert executor.jobs == 0
    losses = {**LOSSES, "ssim": loss("ssim")}
    more = choose(prepared_photos, out, losses, executor=executor)
    assert executor.jobs == len(RATES)
    assert more.trials[:4] == choice.trials


def test_a_stopped_trial_goes_on_to_the_same_result(
    tried: tuple[RateChoice, Path], prepared_photos: PreparedData, tmp_path: Path
) -> None:
    class Stopped(Exception):
        pass

    def stop(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        if calls == 9:  # after the last step, in the validation
            raise Stopped
        return torch.nn.functional.l1_loss(x, y)

    calls = 0
    with pytest.raises(Stopped):
        choose(prepared_photos, tmp_path, {"l1": CallableLoss(stop, "l1")})
    assert not list(tmp_path.rglob("trial.json"))
    executor = CountingExecutor()
    choice = choose(prepared_photos, tmp_path, {"l1": loss("l1")}, executor=executor)
    assert executor.jobs == len(RATES)
    assert choice.trials == tried[0].trials[:2]


def test_a_trial_whose_worker_died_says_nothing_of_its_rate_and_is_tried_again(
    prepared_photos: PreparedData, tmp_path: Path
) -> None:
    class Dying(LocalExecutor):
        def run_jobs(self, jobs: Sequence[Any], shared: Mapping[str, Any], *more: Any) -> Generator[Any]:
            yield jobs[0].failed("its worker died twice: killed")
            yield from super().run_jobs(jobs[1:], shared, *more)

    losses = {"l1": loss("l1")}
    with pytest.raises(
        LossmithError, match=r"of l1 at learning rate 1e-05 failed: its worker died twice: killed;"
    ):
        choose(prepared_photos, tmp_path, losses, executor=Dying())
    executor = CountingExecutor()
    assert all(
        math.isfinite(t.objective) for t in choose(prepared_photos, tmp_path, losses, executor=executor).trials
    )
    assert executor.jobs == 1


def test_a_rate_at_which_a_loss_diverges_is_not_taken_and_not_tried_again(
    prepared_photos: PreparedData, tmp_path: Path
) -> None:
    executor = CountingExecutor()
    for _ in range(2):
        choice = choose(prepared_photos, tmp_path, {"l1": loss("l1")}, (1e-3, 1e30), executor)
        assert [trial.chosen for trial in choice.trials] == [True, False]
        assert math.isnan(choice.trials[1].objective)
        assert math.isnan(choice.trials[1].psnr)
    assert executor.jobs == 2


def test_a_loss_that_always_diverges_takes_the_smallest_rate_and_that_is_said(
    prepared_photos: PreparedData, tmp_path: Path
) -> None:
    broken = CallableLoss(lambda x, y: (x - y).mean() * math.nan, "broken")
    choice = choose(prepared_photos, tmp_path, {"broken": broken})
    assert choice.recipes["broken"].learning_rate == RATES[0]
    assert choice.notes == ["broken diverged at every learning rate that was tried; try smaller ones"]


def test_a_damaged_result_is_named(prepared_photos: PreparedData, tmp_path: Path) -> None:
    job = TrialJob("l1", tmp_path, RECIPE, RunSettings(protocol=protocol_of(prepared_photos.test_pairs)))
    assert job.load_result() is None
    (tmp_path / "trial.json").write_text('{"objective": "0.1"}')
    with pytest.raises(LossmithError, match=r"trial.json is damaged; delete it"):
        job.load_result()


def test_without_candidates_all_recipes_are_the_same(prepared_photos: PreparedData, tmp_path: Path) -> None:
    choice = choose(prepared_photos, tmp_path, rates=())
    assert choice == RateChoice({"l1": RECIPE, "l2": RECIPE}, [])
    assert choice.notes == []
    assert not list(tmp_path.iterdir())


def test_images_that_are_too_small_to_be_cut_are_said_to_be(prepared_photos: PreparedData, tmp_path: Path) -> None:
    recipe, settings = Recipe(patch=48), RunSettings(protocol=protocol_of(prepared_photos.test_pairs))
    with pytest.raises(LossmithError, match=r"no training image .* 80 x 48 pixels is needed"):
        plan_trials(LOSSES, recipe, RATES, prepared_photos, settings, tmp_path)


@pytest.mark.parametrize(
    ("objectives", "best"),
    [
        ({1e-4: 0.3, 1e-3: 0.2, 1e-2: 0.4}, 1e-3),
        ({1e-2: 0.2, 1e-3: 0.2}, 1e-3),
        ({1e-3: math.nan, 1e-2: 0.4}, 1e-2),
        ({1e-2: math.nan, 1e-3: math.nan, 1e-4: math.nan}, 1e-4),
        ({1e-4: -3.0, 1e-3: -5.0}, 1e-3),
    ],
)
def test_the_least_objective_wins_then_the_smaller_rate(objectives: dict[float, float], best: float) -> None:
    assert best_rate(objectives) == best


def test_a_rate_at_an_end_of_the_list_is_remarked_on() -> None:
    chosen = {"l1": 1e-3, "l2": 2e-3, "mix": 2e-3, "ssim": 5e-4}
    trials = [
        RateTrial(name, rate, 0.1, 30.0, rate == best)
        for name, best in chosen.items()
        for rate in (5e-4, 1e-3, 2e-3)
    ]
    assert RateChoice({}, trials).notes == [
        "ssim took the smallest learning rate, 0.0005; a smaller one may be better still",
        "l2 and mix took the greatest learning rate, 0.002; a greater one may be better still",
    ]


@pytest.mark.parametrize(
    ("rates", "recipe", "sentence"),
    [
        ([1e-3], Recipe(), "at least two different ones"),
        ([1e-3, 1e-3], Recipe(), "at least two different ones"),
        ([], Recipe(), "at least two different ones"),
        (1e-3, Recipe(), "at least two different ones"),
        ([1e-3, 0], Recipe(), "numbers above 0, not 0"),
        ([1e-3, math.inf], Recipe(), "numbers above 0, not inf"),
        ([1e-3, math.nan], Recipe(), "numbers above 0, not nan"),
        (["a", 1e-3], Recipe(), "numbers above 0, not 'a'"),
        ("0.001", Recipe(), "numbers above 0, not '0.001'"),
        ([True, 1e-3], Recipe(), "numbers above 0, not True"),
        ([1e-3, 2e-3], Recipe(learning_rate=5e-4), "give either `learning_rate` or `learning_rates`, not both"),
    ],
)
def test_what_is_no_choice_of_rates_is_refused(rates: Any, recipe: Recipe, sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        check_learning_rates(rates, recipe)


def test_a_trial_has_a_quarter_of_the_budget() -> None:
    assert trial_recipe(Recipe(steps=2000, decay="fifths"), 0.01) == Recipe(
        steps=500, decay="fifths", learning_rate=0.01
    )
    assert trial_recipe(Recipe(minutes=2.0), 0.01) == Recipe(minutes=0.5, learning_rate=0.01)


@pytest.fixture(scope="module")
def tournament(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> lossmith.Comparison:
    return compare(photos, tmp_path_factory.mktemp("tournament"), RATES)


def compare(photos: Path, out: Path, rates: Sequence[float] | None, **others: Any) -> lossmith.Comparison:
    options: dict[str, Any] = {"losses": ("l1", "l2"), "seeds": 1, "recipe": RECIPE} | others
    return lossmith.compare(lossmith.Data([photos]), learning_rates=rates, out=out, **options)


def test_the_runs_of_a_tournament_take_the_rates_that_were_chosen_and_all_says_so(
    tournament: lossmith.Comparison,
) -> None:
    out = tournament.report.parent
    results = json.loads((out / "results.json").read_text())
    chosen = {trial["loss"]: trial["learning_rate"] for trial in results["rates"] if trial["chosen"]}
    assert len(results["rates"]) == 4
    for name in ("l1", "l2"):
        config = yaml.safe_load((out / "runs" / name / "seed-0" / "run.yaml").read_text())
        assert config["learning_rate"] == chosen[name]
        assert "learning_rates" not in config
    assert yaml.safe_load((out / "compare.yaml").read_text())["learning_rates"] == list(RATES)
    assert "learning rate chosen per loss" in results["environment"]["Optimizer"]
    assert "--learning-rates 1e-05 0.003" in results["command"]
    assert any("took the greatest learning rate, 0.003" in note for note in results["notes"])
    assert 'id="rates"' in tournament.report.read_text()


def test_the_same_call_again_tries_and_trains_nothing(
    tournament: lossmith.Comparison, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("nothing is left to be trained")

    monkeypatch.setattr("lossmith.training.run.fit", refuse)
    again = compare(photos, tournament.report.parent, RATES[::-1])
    assert again.verdict == tournament.verdict


@pytest.mark.parametrize("rates", [(1e-5, 1e-3, 3e-3), None])
def test_a_folder_keeps_its_candidates(
    rates: Sequence[float] | None, tournament: lossmith.Comparison, photos: Path
) -> None:
    here = "not given" if rates is None else r"\[1e-05, 0.001, 0.003\]"
    with pytest.raises(LossmithError, match=rf"`learning_rates` is \[1e-05, 0.003\] there and {here} here"):
        compare(photos, tournament.report.parent, rates)


def test_candidates_cannot_be_added_to_a_tournament_without_them(
    tournament: lossmith.Comparison, photos: Path, tmp_path: Path
) -> None:
    config = yaml.safe_load((tournament.report.parent / "compare.yaml").read_text())
    del config["learning_rates"]
    (tmp_path / "compare.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(LossmithError, match=r"`learning_rates` is not given there and \[1e-05, 0.003\] here"):
        compare(photos, tmp_path, RATES)


def test_it_is_refused_before_anything_is_written(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match="no training image is large enough"):
        compare(photos, tmp_path / "a", RATES, recipe=replace(RECIPE, patch=48))
    assert not (tmp_path / "a").exists()


def test_the_time_of_the_trials_is_told(photos: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "lossmith"):
        compare(photos, tmp_path, RATES, losses=("l1",))
    text = caplog.text
    assert "the choice of learning rates, 1 run, their scores and the report take about" in text
    assert "choosing learning rates by 2 short runs of 8 steps, validated on 5 crops" in text
    assert text.index("the choice of learning rates") < text.index("choosing learning rates by")


def test_on_the_command_line(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from lossmith.cli import run

    assert run(["compare", str(photos), "--learning-rates", "1e-3", "fast"]) == 2
    assert "--learning-rates must be numbers such as 5e-4 1e-3, not '1e-3 fast'" in capsys.readouterr().err
    assert run(["compare", str(photos), "--learning-rates", "1e-3", "--out", str(tmp_path)]) == 2
    assert "--learning-rates are at least two different ones" in capsys.readouterr().err

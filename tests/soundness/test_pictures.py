"""The checks on pictures: every fault is found by the checks that ask for it, and by no other."""

import io
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import piq
import pytest
import pytorch_msssim
import torch
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from lossmith.losses import loss
from lossmith.losses.base import LossLike
from lossmith.soundness import KINDS, Outcome, Subject
from lossmith.soundness.battery import conduct
from lossmith.soundness.cases import FLOAT32, PLAIN, Case
from lossmith.soundness.examine import BATCH_MIXED, DEAD, Verdict, examine
from lossmith.soundness.meaningless import CHECKS as MEANINGLESS
from lossmith.soundness.pictures import CHECKS as PICTURES
from lossmith.soundness.subjects import subject_of

from . import faulty, imitations

FAULTY = {
    faulty.edits_its_target: {"inputs untouched"},
    faulty.edits_its_prediction: {"inputs untouched"},
    faulty.not_a_number_in_float16: {"finite value"},
    faulty.infinite_slope: {"finite gradient"},
    faulty.constant: {"live gradient", "zero at identity"},
    faulty.nothing: {"live gradient"},
    faulty.detached: {"live gradient"},
    faulty.dead_where_anticorrelated: {"live gradient"},
    faulty.different_each_time: {"repeatable"},
    faulty.normalized_by_the_batch: {"batch mean"},
    faulty.requires_a_gradient_of_its_target: {"no gradient to the target"},
    faulty.weighs_channels: {"order of channels"},
    faulty.MixedScales(): {"order of channels"},
    faulty.strides_ignored: {"zero at identity", "precise value", "precise gradient"},
    faulty.rounds_in_half_precision: {"precise value"},
    faulty.broadcast: {"refusal of nonsense"},
    faulty.deaf_to_nan: {"NaN pixel"},
    faulty.silent_when_small: {"least side"},
    faulty.unclear: {"clear refusals"},
    faulty.Boastful(): {"declared range"},
    faulty.Contextual("sum before the absolute value"): {"zero at identity"},
    faulty.Contextual("rows for columns"): {"zero at identity", "batch mean", "clear refusals"},
}
SOUND = [faulty.sound, faulty.MixedScales(in_order=True), faulty.Contextual("l1"), faulty.Contextual("l2")]


def name(criterion: object) -> str:
    options = getattr(criterion, "distance", "") if isinstance(criterion, faulty.Contextual) else ""
    return " ".join(filter(None, [getattr(criterion, "__name__", type(criterion).__name__), options]))


def outcomes_of(criterion: LossLike, cases: int = 60) -> list[Outcome]:
    subject = replace(subject_of(criterion), cases=cases)
    return [conduct(check, subject) for check in (*PICTURES, *MEANINGLESS)]


@pytest.mark.parametrize("criterion", FAULTY, ids=name)
def test_a_fault_is_found_by_its_checks_and_by_no_other(criterion: object) -> None:
    failed = [outcome for outcome in outcomes_of(criterion) if outcome.status == "failed"]
    assert {outcome.check for outcome in failed} == FAULTY[criterion]
    for outcome in failed:
        assert 0 < outcome.faults <= outcome.inputs
        assert outcome.examples


@pytest.mark.parametrize("criterion", SOUND, ids=name)
def test_a_sound_loss_passes(criterion: object) -> None:
    assert {outcome.status for outcome in outcomes_of(criterion)} <= {"passed", "not run", "excused"}


@pytest.mark.parametrize("criterion", FAULTY, ids=name)
def test_the_line_of_an_example_prints_its_answer(criterion: object) -> None:
    """What is made anew for the line is the same loss; that of a random one is another number."""
    subject = subject_of(criterion)
    for outcome in outcomes_of(criterion):
        for example in outcome.examples:
            code = example.code.removeprefix(f"{subject.code}; ")
            assert "\n" not in example.code
            torch.manual_seed(0)
            try:
                with redirect_stdout(io.StringIO()) as output:
                    exec(code, {"criterion": subject.make()})
                printed = output.getvalue().strip()
            except Exception as error:
                printed = " ".join(f"{type(error).__name__}: {error}".split())
            if outcome.check != "repeatable":
                assert printed == example.answer


MINE = """
def half(x, y):
    if x.shape != y.shape or not len(x):
        raise ValueError("shapes differ, or the batch is empty")
    return (1 - 2 * x * y / (x * x + y * y)).mean()
"""


def test_a_line_runs_by_itself_wherever_lossmith_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)
    outcomes = outcomes_of("mine:half", cases=17)
    example = next(outcome.examples[0] for outcome in outcomes if outcome.check == "finite value")
    start = (
        "from lossmith import loss; criterion = loss('mine:half').function; from lossmith.testing import pair; "
    )
    assert example.code == start + "x, y = pair('both black', (1, 1, 1, 1)); print(criterion(x, y).item())"
    process = subprocess.run(
        [sys.executable, "-c", example.code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert process.stdout.strip() == example.answer == "nan"


def examples_of(criterion: object, check: str) -> list[str]:
    outcomes = outcomes_of(criterion)
    return [shown.input for outcome in outcomes if outcome.check == check for shown in outcome.examples]


def test_the_smallest_and_plainest_input_is_shown() -> None:
    assert examples_of(faulty.not_a_number_in_float16, "finite value") == ["both black, (1, 1, 1, 1), float16"]
    assert examples_of(faulty.weighs_channels, "order of channels") == ["noisy, (1, 2, 1, 1), float32"]
    assert examples_of(faulty.normalized_by_the_batch, "batch mean") == ["noisy, (2, 1, 1, 1), float32"]
    assert examples_of(faulty.infinite_slope, "finite gradient")[0] == "identical, (1, 1, 1, 1), float32"


def test_a_batch_in_another_order_is_asked_about() -> None:
    """Of these images the value of the batch is the mean of theirs, but not the other way round."""

    def adds_what_the_first_is_worse(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        errors = (x - y).square().flatten(1).mean(1)
        return errors.mean() + (errors[0] - errors[-1]).relu()

    def worst_comes_last(case: Case) -> bool:
        x, y = case.pair()
        errors = (x - y).square().flatten(1).mean(1)
        return bool(errors[-1] > errors[0] + 1e-3)

    cases = (Case((2, 3, 8, 8), "unrelated", FLOAT32, PLAIN, seed) for seed in range(20))
    case = next(filter(worst_comes_last, cases))
    subject = subject_of(adds_what_the_first_is_worse, channels=[3])
    assert examine(subject, subject.make(), case) == Verdict((BATCH_MIXED,))


def test_a_similarity_is_told_from_a_loss_that_is_not_0() -> None:
    outcome = conduct(PICTURES[0], replace(subject_of(imitations.similarity), cases=20))
    assert outcome.check == "zero at identity"
    assert outcome.says == "equal pictures give 1, and others less: this is a similarity, whose loss is 1 - it"
    outcome = conduct(PICTURES[0], replace(subject_of(faulty.constant), cases=20))
    assert "similarity" not in outcome.says


def test_a_kind_is_blamed_only_for_what_it_promises() -> None:
    faults = {"live gradient", "zero at identity"}
    for kind, blamed in {"distance": faults, "statistics": {"zero at identity"}, "prior": set()}.items():
        subject = replace(subject_of(faulty.constant, kind), cases=30)
        outcomes = [conduct(check, subject) for check in PICTURES]
        assert {outcome.check for outcome in outcomes if outcome.status == "failed"} == blamed
        assert {outcome.check for outcome in outcomes if outcome.status == "excused"} == faults - blamed


MS_SSIM = {
    "pytorch-msssim": lambda x, y: 1 - pytorch_msssim.ms_ssim(x, y, data_range=1),
    "piq": lambda x, y: 1 - piq.multi_scale_ssim(x, y, data_range=1.0),
    "torchmetrics": lambda x, y: 1 - multiscale_structural_similarity_index_measure(x, y, data_range=1.0),
}
NEGATIVE = Case((1, 1, 181, 181), "negative", FLOAT32, PLAIN, 0)


@pytest.mark.parametrize("package", MS_SSIM)
def test_the_gradient_of_ms_ssim_in_other_packages_dies_where_images_are_anticorrelated(package: str) -> None:
    criterion = MS_SSIM[package]
    subject = Subject(package, lambda: criterion, KINDS["distance"], "", min_side=176)
    assert DEAD in examine(subject, criterion, NEGATIVE).faults


def test_the_gradient_of_our_ms_ssim_lives_there() -> None:
    criterion = loss("ms_ssim")
    subject = Subject("ms_ssim", lambda: criterion, KINDS["distance"], "", min_side=161)
    assert examine(subject, criterion, NEGATIVE) == Verdict()

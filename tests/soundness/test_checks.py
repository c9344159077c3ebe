"""The checks of direction, symmetry, manners and tools: what is sound passes, and each fault is found by name."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from lossmith.soundness import compiling, copies, ddp, direction, modes, symmetry
from lossmith.soundness.battery import conduct
from lossmith.soundness.certificate import Outcome
from lossmith.soundness.check import Check, Subject
from lossmith.soundness.examine import in_words
from lossmith.soundness.process_state import process_state_kept
from lossmith.soundness.subjects import subject_of

from ..hostile.subjects import EXPRESSIONS
from . import imitations

QUICK_CHECKS = (*direction.CHECKS, *symmetry.CHECKS, *modes.CHECKS, *copies.CHECKS)
CHECKS = {check.name: check for check in (*QUICK_CHECKS, *compiling.CHECKS, *ddp.CHECKS)}
REPRESENTATIVES = (
    *("l1", "tv", "ssim", "mix", "mix(form=center)", "features(squeezenet1_1, fire3, weights=random)"),
    *("mdf(jpeg)", "contextual(layers=fire2, network=squeezenet1_1, weights=random)", "l1 until 50% then l2"),
)
subject_of_expression = cache(subject_of)


def outcomes_of(subject: Subject, checks: tuple[Check, ...] = QUICK_CHECKS) -> list[Outcome]:
    return [conduct(check, subject) for check in checks]


def names_of(outcomes: list[Outcome], status: str) -> set[str]:
    return {outcome.check for outcome in outcomes if outcome.status == status}


def assert_sound(expression: str, checks: tuple[Check, ...] = QUICK_CHECKS) -> None:
    outcomes = outcomes_of(subject_of_expression(expression), checks)
    assert [outcome for outcome in outcomes if outcome.status in ("failed", "not run")] == []


# --- what is sound passes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", REPRESENTATIVES)
def test_sound_losses_pass(expression: str) -> None:
    assert_sound(expression)


@pytest.mark.slow
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_loss_of_the_registry_passes(expression: str) -> None:
    assert_sound(expression, tuple(CHECKS.values()))


@pytest.mark.parametrize(
    "expression", [pytest.param("mix", marks=pytest.mark.slow), "lpips(squeeze, weights=random)"]
)
def test_sound_losses_pass_under_compile(expression: str) -> None:
    assert_sound(expression, compiling.CHECKS)


def test_sound_losses_pass_in_two_processes_that_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert_sound("mix", ddp.CHECKS)
    assert [*tmp_path.iterdir()] == []
    assert not torch.distributed.is_initialized()


@pytest.mark.parametrize("name", ["distance", "perceptual"])
def test_distances_keep_all_that_their_kind_promises(name: str) -> None:
    expression = {"distance": "ssim", "perceptual": "features(squeezenet1_1, fire3, weights=random)"}[name]
    excused = names_of(outcomes_of(subject_of_expression(expression)), "excused")
    assert excused <= {check.name for check in symmetry.CHECKS}
    assert name == "perceptual" or not excused


@pytest.mark.parametrize("sound", [imitations.WithLateNetwork, imitations.strict])
def test_what_others_do_for_good_reasons_is_no_fault(sound: Callable[..., Tensor] | type[nn.Module]) -> None:
    outcomes = outcomes_of(subject_of(made(sound)))
    assert names_of(outcomes, "failed") == set()
    assert names_of(outcomes, "not run") == set()


# --- each fault is found --------------------------------------------------------------------------------------

DAMAGES = {"noise", "blur", "JPEG", "shift", "color cast"}
TURNS = {"left to right", "upside down", "half turn", "quarter turn"}
FAULTY: dict[Callable[..., Tensor] | type[nn.Module], set[str]] = {
    imitations.similarity: {*DAMAGES, "way to the target"},
    imitations.backward_of_other_sign: {"descent", "way to the target"},
    imitations.capped: {"noise", "blur", "descent"},
    imitations.blind_to_casts: {"color cast", "way to the target"},
    imitations.more_to_the_right: {*TURNS} - {"upside down"},
    imitations.more_below: {*TURNS} - {"left to right"},
    imitations.along_rows: {"quarter turn"},
    imitations.more_in_the_middle: {"translation"},
    imitations.WithDropout: {"train and eval"},
    imitations.WithRunningMean: {"own state"},
    imitations.WithCache: {"no gradient"},
    imitations.without_tape: {*DAMAGES, "no gradient"},
    imitations.seeding: {"global state"},
    imitations.setting_dtype: {"global state"},
    imitations.WithLateBuffer: {"state_dict"},
    imitations.Sharing: {"deepcopy"},
    imitations.Remembering: {"deepcopy"},
    imitations.WithLambda: {"pickle"},
    imitations.WithConstant: {"double and half"},
    imitations.WithWeights: {"to a device"},
}


def made(faulty: Callable[..., Tensor] | type[nn.Module]) -> Callable[[Tensor, Tensor], Tensor]:
    return faulty() if isinstance(faulty, type) else faulty


@cache
def outcomes_of_faulty(faulty: Callable[..., Tensor] | type[nn.Module]) -> tuple[Subject, list[Outcome]]:
    with process_state_kept():
        subject = subject_of(made(faulty))
        return subject, outcomes_of(subject)


@pytest.mark.parametrize("faulty", FAULTY)
def test_a_fault_is_found_and_nothing_else(faulty: Callable[..., Tensor] | type[nn.Module]) -> None:
    _, outcomes = outcomes_of_faulty(faulty)
    assert names_of(outcomes, "failed") == FAULTY[faulty], outcomes


def test_a_wrong_sign_is_shown_by_the_smallest_pictures_and_a_line_that_repeats_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    outcome = conduct(CHECKS["noise"], subject_of(imitations.similarity))
    assert outcome.says == (
        "more noise costs less: from none to 0.2 of the range it costs 1, 0.943, 0.7904, 0.5965, 0.3696"
    )
    assert (outcome.inputs, outcome.faults) == (4, 4)
    (example,) = outcome.examples
    assert example.input == "noise of 0.02, (1, 1, 11, 11), float32"
    exec(example.code, {"criterion": imitations.similarity})
    assert capsys.readouterr().out.strip() == example.answer


@pytest.mark.parametrize("faulty", [*FAULTY])
def test_the_line_of_an_example_repeats_its_answer(
    faulty: Callable[..., Tensor] | type[nn.Module], capsys: pytest.CaptureFixture[str]
) -> None:
    subject, outcomes = outcomes_of_faulty(faulty)
    for example in (example for outcome in outcomes for example in outcome.examples):
        assert example.code.startswith(f"{subject.code}; ")
        with process_state_kept():
            try:
                exec(example.code.removeprefix(f"{subject.code}; "), {"criterion": subject.make()})
            except Exception as error:
                print(in_words(error))
        assert capsys.readouterr().out.strip() == example.answer


@pytest.mark.parametrize(
    ("check", "imitation"), [("torch.compile", "other_when_compiled"), ("several processes", "summed")]
)
def test_a_loss_that_a_tool_breaks_is_found(check: str, imitation: str) -> None:
    outcome = conduct(CHECKS[check], subject_of(getattr(imitations, imitation)))
    assert outcome.status == "failed"
    assert "instead of" in outcome.says or "of that of the whole batch" in outcome.says


def test_the_line_calls_a_loss_before_it_moves_it_as_the_check_does() -> None:
    outcome = conduct(CHECKS["double and half"], subject_of(imitations.WithKernelOfTheFirstCall()))
    assert outcome.status == "failed"
    assert "RuntimeError" in outcome.examples[0].answer


# --- what cannot be asked -------------------------------------------------------------------------------------


def test_what_cannot_be_sent_is_not_blamed() -> None:
    subject = subject_of(lambda x, y: (x - y).abs().mean())
    for name in ("pickle", "several processes"):
        outcome = conduct(CHECKS[name], subject)
        assert outcome.status == "not run"
        assert "another process" in outcome.says


def test_jpeg_is_not_asked_about_without_pillow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direction, "find_spec", lambda package: None if package == "PIL" else object())
    outcome = conduct(CHECKS["JPEG"], subject_of_expression("l1"))
    assert (outcome.status, outcome.says) == ("not run", "Pillow is not installed")


def test_a_loss_without_rest_is_not_blamed_for_what_follows() -> None:
    outcomes = outcomes_of(subject_of(imitations.Restless()))
    assert {"train and eval", "deepcopy", "pickle"} <= names_of(outcomes, "not run")


def test_an_error_is_an_outcome() -> None:
    def at_most_two(x: Tensor, y: Tensor) -> Tensor:
        if len(x) > 2:
            raise KeyError("more than two")
        return (x - y).abs().mean()

    outcome = conduct(CHECKS["noise"], subject_of(at_most_two))
    assert (outcome.status, outcome.says) == ("failed", "it raises KeyError: 'more than two'")

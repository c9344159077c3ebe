"""What a loss takes is found by trying, and what cannot be examined is refused in a sentence."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, mse_loss

import lossmith
from lossmith import LossmithError, check_loss
from lossmith.losses import L1Loss, loss
from lossmith.losses.kinds import KIND_NAMES
from lossmith.soundness import (
    KINDS,
    Measurements,
    Outcome,
    Subject,
    direction,
    examination,
    meaningless,
    pictures,
)
from lossmith.soundness.bounds import declared_bounds
from lossmith.soundness.subjects import subject_of
from lossmith.testing import assert_sound, gradient, pair

from . import faulty


@pytest.fixture(autouse=True)
def _checks_on_pictures_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Others take seconds, for a compiler and further processes, and have tests of their own."""
    monkeypatch.setattr(examination, "CHECKS", (*pictures.CHECKS, *meaningless.CHECKS, *direction.CHECKS))
    monkeypatch.setattr(examination, "measure", lambda subject: Measurements(), raising=False)


@pytest.mark.parametrize(
    ("expression", "min_side", "odd", "channels"),
    [
        ("l1", 1, False, (1, 2, 3, 4)),
        ("tv", 2, False, (1, 2, 3, 4)),
        ("ssim", 11, False, (1, 2, 3, 4)),
        ("ms_ssim", 161, False, (1, 2, 3, 4)),
        ("mix(form=center)", 1, True, (1, 2, 3, 4)),
        ("lpips(squeeze, weights=random)", 17, False, (3,)),
    ],
)
def test_least_side_and_channels_are_found(expression: str, min_side: int, odd: bool, channels: tuple) -> None:
    subject = subject_of(expression)
    assert (subject.min_side, subject.odd, subject.channels) == (min_side, odd, channels)
    assert min_side == loss(expression).min_side


def gray_and_at_least_7(x: Tensor, y: Tensor) -> Tensor:
    return conv2d(x - y, torch.ones(1, 1, 7, 7)).square().mean()


def test_those_of_others_too() -> None:
    subject = subject_of(gray_and_at_least_7)
    assert (subject.min_side, subject.odd, subject.channels) == (7, False, (1,))


class OfThree(nn.Module):
    def forward(self, x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
        return (mask * (x - y)).square().mean()


def of_one(x: Tensor) -> Tensor:
    return x.square().mean()


@pytest.mark.parametrize(
    ("criterion", "words"),
    [
        (OfThree(), "does not take (prediction, target): missing a required argument: 'mask'"),
        (of_one, "does not take (prediction, target): too many positional arguments"),
        (nn.L1Loss(reduction="none"), "a loss must return one number in a tensor, not a tensor (1, 3, 64, 64)"),
        (
            lambda x, y: (x - y).abs().mean(dim=(1, 2, 3)),
            "must return one number in a tensor, not one for each image",
        ),
        (lambda x, y: 0.5, "a loss must return one number in a tensor, not float"),
        (lambda x, y: (x - y).abs().mean() > 0.5, "a loss must return one number in a tensor"),
        (
            lambda x, y: 1 / 0,
            "no images of 64 x 64 or 65 x 65 or 192 x 192 or 193 x 193 pixels: ZeroDivision",
        ),
        (7, "a loss is a function of (prediction, target), not int"),
        ("nowhere:Loss", "cannot be imported"),
    ],
)
def test_what_cannot_be_examined_is_refused_in_a_sentence(criterion: object, words: str) -> None:
    with pytest.raises(LossmithError) as error:
        check_loss(criterion)
    assert words in str(error.value)
    assert "\n" not in str(error.value)


def says_nothing(x: Tensor, y: Tensor) -> Tensor:
    raise AssertionError


def ends_the_program(x: Tensor, y: Tensor) -> Tensor:
    raise SystemExit(3)


@pytest.mark.parametrize(
    ("criterion", "words"), [(says_nothing, "AssertionError"), (ends_the_program, "SystemExit: 3")]
)
def test_an_error_of_the_loss_comes_with_file_and_line(criterion: object, words: str) -> None:
    with pytest.raises(LossmithError, match=rf"pixels: {words} \(test_examination.py, line \d+\)$"):
        check_loss(criterion)


def talkative(x: Tensor, y: Tensor) -> Tensor:
    print("shapes:", x.shape)
    return (x - y).square().mean()


def test_what_a_loss_prints_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    check_loss(talkative, cases=1)
    assert capsys.readouterr().out == ""


def test_unknown_kinds_and_no_cases_are_refused() -> None:
    with pytest.raises(LossmithError, match="`kind` is one of distance, perceptual, statistics, prior, ad"):
        check_loss("l1", kind="metric")
    with pytest.raises(LossmithError, match="`cases` must be at least 1"):
        check_loss("l1", cases=0)


@pytest.mark.parametrize(
    ("expression", "kind"),
    [
        ("0.84*ms_ssim + 0.16*l1", "distance"),
        ("l1 + 0.1*lpips(squeeze, weights=random)", "perceptual"),
        ("l1 + style(squeezenet1_1, fire2, weights=random)", "statistics"),
        ("l1 + 0.1*tv", "prior"),
        ("l1 until 50% then l1 + 2*tv", "prior"),
        ("mdf(jpeg)", "perceptual"),
    ],
)
def test_a_sum_is_of_the_kind_that_promises_least(expression: str, kind: str) -> None:
    assert loss(expression).kind == kind


def test_the_names_of_kinds_are_those_of_the_kinds() -> None:
    assert tuple(KINDS) == KIND_NAMES


def test_the_kind_of_others_is_stated_by_an_attribute_or_the_call() -> None:
    assert subject_of(faulty.sound).kind.name == "distance"
    assert subject_of(faulty.Contextual("l1")).kind.name == "statistics"
    assert subject_of(faulty.Contextual("l1"), "prior").kind.name == "prior"


@pytest.mark.parametrize(
    ("expression", "bounds"),
    [
        ("ssim", (0, 2)),
        ("0.5*ssim + 0.25*ssim(window=5)", (0, 1.5)),
        ("-1*ssim", (-2, 0)),
        ("0*l1", (0, 0)),
        ("l1", (0, float("inf"))),
    ],
)
def test_the_range_of_a_sum_is_that_of_its_terms(expression: str, bounds: tuple[float, float]) -> None:
    assert declared_bounds(loss(expression)) == bounds


def test_a_loss_of_others_is_called_as_it_is() -> None:
    """Not as the loss that our expressions make of it, which computes half precision in float32."""
    for criterion in ("torch.nn:L1Loss", nn.L1Loss(), loss("torch.nn:L1Loss")):
        assert isinstance(subject_of(criterion).make(), nn.L1Loss)
    assert isinstance(subject_of("l1").make(), L1Loss)


@pytest.mark.parametrize("criterion", ["0.5*l1 + l2", "torch.nn:L1Loss", nn.SmoothL1Loss(), mse_loss, L1Loss()])
def test_the_code_of_a_loss_makes_it(criterion: object) -> None:
    subject, names = subject_of(criterion), {}
    exec(subject.code, names)
    x, y = pair("noisy", (1, 3, 8, 8))
    assert torch.equal(names["criterion"](x, y), subject.make()(x, y))


def test_a_certificate_is_a_function_of_the_seed_and_leaves_random_numbers_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, second = (check_loss(faulty.dead_where_anticorrelated, cases=30, seed=3) for _ in range(2))
    assert first.outcomes == second.outcomes
    assert torch.equal(before, torch.get_rng_state())
    assert first.seed == 3
    assert not first.sound


@pytest.mark.parametrize(("is_large", "cases"), [(False, 100), (True, examination.MAX_HEAVY_CASES)])
def test_a_loss_with_a_large_network_gets_fewer_pictures(
    is_large: bool, cases: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = []

    def run(subject: Subject) -> Outcome:
        drawn.append(subject.cases)
        return Outcome("finite value", "pictures", "passed", "the value is finite")

    monkeypatch.setattr(examination, "CHECKS", (replace(pictures.CHECKS[0], run=run),))
    examination.certify(replace(subject_of("l1"), small=is_large), cases=100)
    assert drawn == [cases]


def test_a_wrong_sign_is_noticed() -> None:
    certificate = check_loss(faulty.wrong_sign, cases=20)
    failed = {outcome.group for outcome in certificate.failures}
    assert "direction" in failed, certificate.failures


def test_assert_sound_says_what_is_wrong_and_how_to_see_it() -> None:
    assert_sound("l1", cases=20)
    with pytest.raises(AssertionError) as error:
        assert_sound(faulty.infinite_slope, cases=20)
    assert "finite gradient: the gradient is NaN or infinite" in str(error.value)
    assert "identical, (1, 1, 1, 1), float32: norm nan" in str(error.value)
    assert "x, y = pair('identical', (1, 1, 1, 1))" in str(error.value)


def test_pairs_are_made_by_name() -> None:
    x, y = pair("black for white", (2, 3, 4, 5), dtype=("float16", "float32"), layout="channels-last")
    assert (x.dtype, y.dtype, x.shape) == (torch.float16, torch.float32, (2, 3, 4, 5))
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert (x.max(), y.min()) == (0, 1)
    for arguments in ({"contents": "cats"}, {"dtype": "int8"}, {"layout": "upside down"}):
        with pytest.raises(LossmithError, match="is one of"):
            pair(**{"contents": "noisy", "shape": (1, 1, 2, 2), **arguments})


def test_the_gradient_of_what_has_none_is_0() -> None:
    x, y = pair("noisy", (1, 1, 2, 2))
    assert not gradient(faulty.detached, x, y).any()
    torch.testing.assert_close(gradient(faulty.sound, x, y), ((x - y) / 2).double())
    torch.testing.assert_close(gradient(faulty.sound, x, y, scale=8), ((x - y) / 2).double())


def test_check_loss_is_exported() -> None:
    assert lossmith.check_loss is check_loss

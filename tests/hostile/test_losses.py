"""Every loss with images of any shape, dtype, layout and contents; meaningless pairs are refused."""

from functools import cache

import pytest
import torch
from hypothesis import given, settings

from lossmith import LossmithError
from lossmith.losses import loss
from lossmith.losses.registry import ALIASES, CATALOGUE
from lossmith.soundness import Subject
from lossmith.soundness.cases import FLOAT32, Case, first_side
from lossmith.soundness.examine import answer, examine
from lossmith.soundness.meaningless import answer_to_a_nan, answers_to_nonsense, default_case

from .amounts import FEW, MANY, count_fuzzed
from .cases import cases
from .subjects import EXPRESSIONS, HEAVY, TV, excused_faults, subject

for_each_loss = pytest.mark.parametrize("expression", EXPRESSIONS)
subject = cache(subject)


def assert_no_fault(entry: Subject, case: Case) -> None:
    """All that the battery asks, and that nothing is refused."""
    verdict = examine(entry, entry.make(), case)
    assert not {*verdict.faults} - excused_faults(entry.name), (case, verdict)
    assert not verdict.refusal, (case, verdict)
    count_fuzzed(f"images: {entry.name}")


def test_every_loss_of_the_registry_is_fuzzed() -> None:
    assert {*CATALOGUE} - {*ALIASES} <= {expression.partition("(")[0] for expression in EXPRESSIONS}


def assert_no_fault_in_random_pairs(expression: str, count: int, small: bool = False) -> None:
    entry = subject(expression)

    @settings(max_examples=count, deadline=None, derandomize=True)
    @given(case=cases(entry, small))
    def test(case: Case) -> None:
        assert_no_fault(entry, case)

    test()


@for_each_loss
def test_fuzzed_pairs_give_correct_values_and_gradients(expression: str) -> None:
    heavy = expression in HEAVY
    assert_no_fault_in_random_pairs(expression, FEW // 4 if heavy else FEW // 2, small=heavy)


@for_each_loss
def test_equal_thin_images_give_zero_in_any_memory_layout(expression: str) -> None:
    """Where a side is one pixel long, two layouts are one, and sums may come in another order."""
    entry = subject(expression)
    side = first_side(entry.min_side, entry.odd)
    assert_no_fault(
        entry, Case((1, 3, side + 120, side), "identical", FLOAT32, ("plain", "channels-last"), seed=0)
    )


@pytest.mark.slow
@for_each_loss
def test_many_fuzzed_pairs_give_correct_values_and_gradients(expression: str) -> None:
    assert_no_fault_in_random_pairs(expression, MANY // 8 if expression in HEAVY else MANY)


@pytest.mark.slow
@for_each_loss
def test_a_large_pair_gives_correct_values_and_gradients(expression: str) -> None:
    slow = expression in HEAVY or "contextual" in expression
    sides = (255, 385) if slow else (511, 769)
    assert_no_fault(
        subject(expression), Case((1, 3, *sides), "noisy", FLOAT32, ("plain", "channels-last"), seed=0)
    )


@for_each_loss
def test_meaningless_pairs_are_refused_in_one_sentence(expression: str) -> None:
    entry = subject(expression)
    for says, (outcome, words) in answers_to_nonsense(entry, entry.make()).items():
        assert outcome == "refused", (says, words)
        assert words.startswith(LossmithError.__name__), (says, words)


@for_each_loss
def test_a_nan_pixel_makes_value_and_gradient_nan(expression: str) -> None:
    entry = subject(expression)
    assert answer_to_a_nan(entry, entry.make()) == "NaN"


@for_each_loss
def test_an_infinite_pixel_gives_no_finite_value(expression: str) -> None:
    """The value is infinite where the distance is, or NaN; it is never finite."""
    entry = subject(expression)
    prediction, target = default_case(entry).pair()
    for image in (prediction,) if expression in TV else (prediction, target):
        original_value = image[0, 1, 2, 3].item()
        image[0, 1, 2, 3] = torch.inf
        assert not answer(entry.make(), prediction, target).finite
        image[0, 1, 2, 3] = original_value


@for_each_loss
def test_a_nan_pixel_does_not_spread_to_other_images(expression: str) -> None:
    if ":" in expression:
        pytest.skip("others' losses give one number for all images")
    entry, criterion = subject(expression), loss(expression, reduction="none")
    prediction, target = default_case(entry).pair()
    expected = criterion(prediction, target)[1]
    prediction[0, 1, 2, 3] = torch.inf
    actual = criterion(prediction, target)
    assert not actual[0].isfinite()
    torch.testing.assert_close(actual[1], expected, rtol=1e-4, atol=1e-8)  # batches are computed in another order


# --- tensors that are none of the usual ones ------------------------------------------------------------------

UNUSUAL = {
    "complex": (lambda x: x.to(torch.complex64), "floating point"),
    "true or false": (lambda x: x > 0.5, "floating point"),
    "8-bit floats": (lambda x: x.to(torch.float8_e4m3fn), "floating point"),
    "sparse": (lambda x: x.to_sparse(), "images must be dense, not torch.sparse_coo"),
    "an array": (lambda x: x.numpy(), "images must be tensors (N, C, H, W), not ndarray"),
    "one image": (lambda x: x[0], "images must be (N, C, H, W)"),
    "no channels": (lambda x: x[:, :0], "the images have no channels"),
    "no height": (lambda x: x[:, :, :0], " needs at least "),
}


@for_each_loss
@pytest.mark.parametrize("kind", UNUSUAL)
def test_tensors_that_are_not_images_are_refused(expression: str, kind: str) -> None:
    change, words = UNUSUAL[kind]
    entry = subject(expression)
    image = torch.rand(2, 3, entry.min_side + 5 + entry.odd, entry.min_side + 5 + entry.odd)
    with pytest.raises(LossmithError) as error:
        entry.make()(change(image), change(image))
    assert words in str(error.value)


@for_each_loss
def test_images_on_two_devices_are_refused_by_name(expression: str) -> None:
    entry = subject(expression)
    image = torch.rand(2, 3, entry.min_side + 5 + entry.odd, entry.min_side + 5 + entry.odd)
    with pytest.raises(LossmithError, match="the prediction is on cpu and the target on meta; move one of them"):
        entry.make()(image, image.to("meta"))


@for_each_loss
def test_lazily_negated_tensors_are_resolved(expression: str) -> None:
    """As the imaginary part of a conjugate is."""
    entry = subject(expression)
    image = torch.rand(2, 3, entry.min_side + 5 + entry.odd, entry.min_side + 5 + entry.odd)
    lazy = torch._neg_view(-image)
    assert lazy.is_neg()
    assert torch.equal(entry.make()(lazy, image), entry.make()(image, image))


@for_each_loss
def test_a_target_gets_no_gradient(expression: str) -> None:
    entry = subject(expression)
    prediction, target = torch.rand(2, 2, 3, entry.min_side + 5 + entry.odd, entry.min_side + 5 + entry.odd)
    with pytest.raises(LossmithError, match="the gradient goes to the prediction, which comes first"):
        entry.make()(prediction, target.requires_grad_())
    entry.make()(prediction.requires_grad_(), target.detach()).backward()
    assert prediction.grad is not None
    assert target.grad is None

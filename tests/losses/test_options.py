"""Options of losses: accepted and refused types, and expressions that give the loss again."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError
from lossmith.losses import (
    CharbonnierLoss,
    ContextualLoss,
    L1Loss,
    Loss,
    MDFLoss,
    MixLoss,
    MSSSIMLoss,
    MSSSIMSigmasLoss,
    PerceptualLoss,
    Schedule,
    SSIMLoss,
    SumLoss,
    TVLoss,
    WeightedLoss,
    loss,
)

NUMBERS: list[Callable[[float], Any]] = [float, np.float32, np.float64, torch.tensor]
INTEGER_TYPES: list[Callable[[int], Any]] = [int, np.int64, np.uint8, torch.tensor]
ROWS: list[Callable[[Any], Any]] = [tuple, list, np.array, torch.tensor, lambda row: " ".join(map(str, row))]

number = st.builds(lambda kind, value: kind(value), st.sampled_from(NUMBERS), st.floats(0.01, 1.0))
integers = st.builds(lambda kind, value: kind(value), st.sampled_from(INTEGER_TYPES), st.integers(1, 5))
odd = st.builds(lambda kind, value: kind(2 * value + 1), st.sampled_from(INTEGER_TYPES), st.integers(1, 5))


@st.composite
def row(draw: st.DrawFn, size: int | None = None, rising: bool = False) -> Any:
    values = draw(st.lists(st.floats(0.1, 9), min_size=size or 1, max_size=size or 4, unique=True))
    return draw(st.sampled_from(ROWS))(sorted(values) if rising else values)


OPTION_EXPRESSIONS = st.one_of(
    st.builds(CharbonnierLoss, epsilon=number),
    st.builds(TVLoss, exponent=st.sampled_from([1, 1.5, np.float32(2), torch.tensor(2.0)])),
    st.builds(SSIMLoss, window=odd, sigma=number, k1=number, data_range=number, padding=st.just("same")),
    st.builds(MSSSIMLoss, levels=integers, window=odd, k2=number),
    st.integers(1, 4).flatmap(lambda levels: st.builds(MSSSIMLoss, levels=st.just(levels), weights=row(levels))),
    st.builds(MSSSIMSigmasLoss, sigmas=row(rising=True), window=odd),
    st.builds(MixLoss, alpha=number, sigmas=row(rising=True), data_range=number),
)


@given(
    criterion=st.one_of(
        OPTION_EXPRESSIONS,
        st.builds(lambda criterion, by: by * criterion + L1Loss(), OPTION_EXPRESSIONS, st.floats(0.1, 3)),
    )
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_loss_expressions_with_options_round_trip(criterion: Loss) -> None:
    reparsed = loss(str(criterion))
    assert type(reparsed) is type(criterion)
    assert str(reparsed) == str(criterion)
    target = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    if criterion.min_side <= 64:
        assert torch.equal(reparsed(1 - target, target), criterion(1 - target, target))
    assert str(copy.deepcopy(criterion)) == str(criterion)


LAYERS: list[tuple[Any, str]] = [
    ("relu1 + 0.5*fire3", "relu1 + 0.5*fire3"),
    (["relu1", "0.5*fire3"], "relu1 + 0.5*fire3"),
    (("relu1",), "relu1"),
    ({"relu1": 2, "fire3": np.float32(0.5)}, "2*relu1 + 0.5*fire3"),
]


@pytest.mark.parametrize(("layers", "text"), LAYERS)
@pytest.mark.parametrize("kind", [PerceptualLoss, ContextualLoss])
def test_layers_can_be_a_list_or_a_dict_of_weights(kind: type[Any], layers: Any, text: str) -> None:
    criterion = kind("squeezenet1_1", layers, weights="random")
    assert criterion.layers == text
    assert str(loss(str(criterion))) == str(criterion)


REFUSED_OPTIONS: list[tuple[Callable[[], Any], str]] = [
    (lambda: SSIMLoss(window=11.0), "ssim: window must be a whole number, not 11.0"),  # type: ignore[arg-type]
    (lambda: SSIMLoss(window="11"), "ssim: window must be a whole number, not '11'"),  # type: ignore[arg-type]
    (lambda: SSIMLoss(window=True), "ssim: window must be a whole number, not True"),
    (lambda: SSIMLoss(data_range=None), "ssim: data_range must be a number, not None"),  # type: ignore[arg-type]
    (lambda: SSIMLoss(sigma=[1.5, 2]), r"ssim: sigma must be a number, not \(1.5, 2\)"),  # type: ignore[arg-type]
    (lambda: SSIMLoss(padding=None), "ssim: padding must be text, not None"),  # type: ignore[arg-type]
    (lambda: SSIMLoss(reduction=None), "ssim: reduction must be text, not None"),  # type: ignore[arg-type]
    (lambda: MSSSIMLoss(levels="5"), "ms_ssim: levels must be a whole number, not '5'"),  # type: ignore[arg-type]
    (lambda: MSSSIMLoss(weights=5.0), "ms_ssim: weights must be numbers separated by spaces"),  # type: ignore[arg-type]
    (lambda: MixLoss(alpha="0.84"), "mix: alpha must be a number, not '0.84'"),  # type: ignore[arg-type]
    (lambda: MixLoss(sigmas=np.ones((2, 2))), "mix: sigmas must be numbers separated by spaces"),
    (lambda: TVLoss(exponent="2"), "tv: exponent must be a number, not '2'"),  # type: ignore[arg-type]
    (lambda: CharbonnierLoss(epsilon=None), "charbonnier: epsilon must be a number, not None"),  # type: ignore[arg-type]
    (lambda: MDFLoss("jpeg", scales=2.0), "mdf: scales must be a whole number or none, not 2.0"),  # type: ignore[arg-type]
    (lambda: MDFLoss("jpeg", gray="gray"), "mdf: gray must be 'refuse' or 'repeat', not 'gray'"),
    (lambda: PerceptualLoss("vgg16", [1]), "layers are written as 'relu1_2"),  # type: ignore[list-item]
    (lambda: PerceptualLoss("vgg16", None), "layers are written as 'relu1_2"),  # type: ignore[arg-type]
    (lambda: SumLoss([]), "a sum of losses needs at least one loss"),
    (lambda: Schedule([], []), "a schedule needs one rising fraction"),
    (lambda: Schedule([L1Loss(), TVLoss()], ["half"]), "a schedule needs one rising fraction"),  # type: ignore[list-item]
    (lambda: loss(5), "the expression of a loss is text"),  # type: ignore[arg-type]
    (lambda: loss(["l1", "tv"]), "the expression of a loss is text"),  # type: ignore[arg-type]
    (lambda: loss(L1Loss()), "the expression of a loss is text"),  # type: ignore[arg-type]
    (lambda: SSIMLoss().with_target(None), "ssim: images must be tensors"),  # type: ignore[arg-type]
    (
        lambda: L1Loss().with_target(torch.zeros(1, 3, 8, 8, dtype=torch.uint8)),
        "l1: images must be floating point",
    ),
    (lambda: PerceptualLoss(3, "relu1_2"), "a network is named, such as vgg19"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("make", "message"), REFUSED_OPTIONS)
def test_an_option_of_the_wrong_type_is_refused_in_one_sentence(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(LossmithError, match=f"^{message}"):
        make()


@pytest.mark.parametrize("half", [0.5, np.float32(0.5), np.float64(0.5)])
def test_numpy_numbers_can_be_weights_on_either_side(half: Any) -> None:
    for product in (half * L1Loss(), L1Loss() * half):
        assert isinstance(product, WeightedLoss)
        assert str(product) == "0.5*l1"


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("mse", "l2"),
        ("mae", "l1"),
        ("perceptual(squeezenet1_1, relu1, weights=random)", "features("),
        ("vgg(squeezenet1_1, relu1, weights=random)", "features("),
    ],
)
def test_aliases_are_formatted_under_the_canonical_name(alias: str, name: str) -> None:
    assert str(loss(alias)).startswith(name)

"""Losses and their expressions: one gives the other back."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.losses import (
    L1Loss,
    Loss,
    MixLoss,
    MSELoss,
    Schedule,
    SSIMLoss,
    TVLoss,
    loss,
)

from .samples import close, pair

CALLS = [
    "l1",
    "l2",
    "charbonnier",
    "charbonnier(epsilon=0.01)",
    "tv",
    "tv(exponent=1.5)",
    "ssim",
    "ssim(window=7)",
    "ssim(window=7, sigma=1.25)",
    "ms_ssim(levels=2)",
    "ms_ssim(levels=1, window=5, sigma=1)",
    "ms_ssim_sigmas(form=center)",
    "mix(alpha=0.025, form=center)",
    "mix(form=center)",
    "torch.nn:L1Loss",
    "torch.nn:SmoothL1Loss(beta=0.5)",
    "torch.nn.functional:huber_loss(delta=0.1)",
]
# Small enough in number of digits and size that sums of them stay comparable in float64
weights = st.floats(-100, 100).map(lambda weight: f"{weight:.3g}") | st.sampled_from(["1e-6", "0.1", ".5", "3."])


def products(factors: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.builds("{}*{}".format, weights, factors),
        st.builds("{} * {}".format, factors, weights),
        st.builds("{}*{}*{}".format, weights, factors, weights),
    )


def expressions() -> st.SearchStrategy[str]:
    def larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
        brackets = inner.map("({})".format)
        part = st.sampled_from(CALLS) | brackets | products(brackets) | products(st.sampled_from(CALLS))
        sums = st.lists(part, min_size=1, max_size=3).map(" + ".join)
        ends = st.sampled_from(["", " always"])
        turns = st.integers(1, 9999).map(lambda n: f"{n / 100:g}")
        first = st.integers(1, 99)
        shares = st.builds(
            lambda n, one, other, end: f"{n}%*{one} + {100 - n}%*{other}{end}", first, part, part, ends
        )
        return sums | shares | st.builds("{} until {}% then {}".format, sums | shares, turns, sums | shares)

    return st.recursive(st.sampled_from(CALLS), larger, max_leaves=6)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(expression=expressions(), progress=st.floats(0, 1))
def test_loss_expressions_round_trip(expression: str, progress: float) -> None:
    x, y = pair(1)
    original = loss(expression)
    copy = loss(str(original))
    assert str(copy) == str(original)
    assert copy.min_side == original.min_side
    for criterion in (original, copy):
        for module in criterion.modules():
            if isinstance(module, Schedule):
                module.progress = progress
    value = original(x, y)
    # Weights that are multiplied beforehand round differently; cancelling terms leave that behind.
    size = sum(term.abs().item() for term in original.terms(x, y).values())
    torch.testing.assert_close(copy(x, y), value, rtol=0, atol=1e-12 * size)
    total = sum(original.terms(x, y).values(), torch.zeros((), dtype=torch.float64))
    torch.testing.assert_close(total, value, rtol=0, atol=1e-12 * size)


@pytest.mark.parametrize(
    ("original", "expression"),
    [
        (2 * (3 * L1Loss()), "6*l1"),
        (2 * (L1Loss() + (MSELoss() + TVLoss())), "2*(l1 + l2 + tv)"),
        (2 * Schedule([L1Loss(), MSELoss()], [0.5]), "2*(l1 until 50% then l2)"),
        (Schedule([L1Loss(), MSELoss()], [0.5]) + TVLoss(), "(l1 until 50% then l2) + tv"),
        (Schedule([L1Loss() + TVLoss(), MSELoss()], [0.07]), "l1 + tv until 7% then l2"),
        (
            Schedule([Schedule([L1Loss(), MSELoss()], [0.5]), TVLoss()], [0.125]),
            "(l1 until 50% then l2) until 12.5% then tv",
        ),
        (
            Schedule([TVLoss(), Schedule([L1Loss(), MSELoss()], [0.5])], [0.29]),
            "tv until 29% then (l1 until 50% then l2)",
        ),
        (1e-7 * L1Loss() + -1 * MSELoss(), "1e-07*l1 + -1*l2"),
        (0.1 * 0.2 * L1Loss(), "0.020000000000000004*l1"),
        (SSIMLoss(window=7, sigma=2.0), "ssim(window=7, sigma=2)"),
        (MixLoss(), "mix"),
        (L1Loss("none"), 'l1(reduction="none")'),
        (2 * L1Loss("none") + TVLoss(2, "none"), '2*l1(reduction="none") + tv(exponent=2, reduction="none")'),
    ],
)
def test_losses_built_in_python_round_trip(original: Loss, expression: str) -> None:
    assert str(original) == expression
    copy = loss(expression)
    assert str(copy) == expression
    x, y = pair()
    assert close(copy(x, y), original(x, y))


@pytest.mark.parametrize("percent", [0.1, 1, 7, 14, 28, 29, 33.3, 55, 56, 57, 58, 99.99])
def test_percentages_round_trip(percent: float) -> None:
    assert str(loss(f"l1 until {percent:g}% then l2")) == f"l1 until {percent:g}% then l2"

"""Ranges of degradations: drawn anew at every call, evenly, from the generator alone; tested at stated levels."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from lossmith.core.errors import LossmithError
from lossmith.degradations import JPEG, Blur, Degradation, Noise, ShotNoise, degradation
from lossmith.expressions import Range, format_call, parse_call
from lossmith.losses import loss
from lossmith.networks import network

CHAIN = "blur(2) | bicubic(2) | noise(0..25) | jpeg(30..95)"


@given(st.floats(-1e9, 1e9), st.floats(1e-3, 1e9))
def test_ranges_round_trip(low: float, width: float) -> None:
    (call,) = parse_call(
        text := format_call(parse_call(f"f({Range(low, low + width)})", "test")), "test"
    ).arguments
    assert call == Range(low, low + width), text


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.floats(0, 1))
def test_a_range_includes_both_ends(low: float, width: float, share: float) -> None:
    interval = Range(low, low + width)
    assert (interval.at(0), interval.at(1)) == (low, low + width)
    assert low <= interval.at(share) <= low + width


@pytest.mark.parametrize(
    ("text", "equivalent"),
    [
        ("noise(0..50)", Noise(Range(0, 50))),
        ("noise( sigma = 0 .. 50 )", Noise(Range(0.0, 50.0))),
        ("jpeg(30..95, subsampling=4:4:4)", JPEG(Range(30, 95), "4:4:4")),
        ("blur(0.2..3)", Blur(Range(0.2, 3))),
        ("shot_noise(0.001..0.01)", ShotNoise(Range(1e-3, 1e-2))),
        (CHAIN, degradation(CHAIN)),
    ],
)
def test_text_and_objects_mean_the_same(text: str, equivalent: Degradation) -> None:
    parsed = degradation(text)
    assert parsed == equivalent == degradation(str(parsed))
    assert parsed.random
    assert parsed.has_ranges


@pytest.mark.parametrize(
    ("from_pair", "equivalent"),
    [
        (Noise((0, 50)), Noise(Range(0, 50))),
        (JPEG((30, 95)), JPEG(Range(30, 95))),
        (Blur((0.2, 3)), Blur(Range(0.2, 3))),
        (ShotNoise(a=(0.001, 0.01)), ShotNoise(Range(0.001, 0.01))),
    ],
)
def test_python_takes_a_pair_for_a_range(from_pair: Degradation, equivalent: Degradation) -> None:
    assert from_pair == equivalent
    assert str(from_pair) == str(equivalent)


def test_a_range_of_three_numbers_is_refused() -> None:
    with pytest.raises(LossmithError, match=r"^noise: sigma must be a number, or a range as \(low, high\), not"):
        Noise((1, 2, 3))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("noise(0,50)", r"too many positional arguments; a range is written noise\(0\.\.50\)$"),
        ("noise(50, 0)", r"a range is written noise\(0\.\.50\)$"),
        ("noise([0,50])", "a range is written noise"),
        ("jpeg(30, 95)", r"must be text, not 95; a range is written jpeg\(30\.\.95\)$"),
        ("noise(0-50)", "must be a number or a range such as 0..50, not '0-50'"),
        ("noise(0...50)", "must be a number or a range such as 0..50, not '0...50'"),
        ("noise(50..0)", "from a lower number to a higher one, not from 50 to 0"),
        ("noise(5..5)", "from a lower number to a higher one"),
        ("noise(0..1e999)", "from a lower number to a higher one"),
        ("noise(-5..5)", "noise: sigma must be a number, 0 or more, not -5"),
        ("jpeg(0..95)", "jpeg: quality must be 1 to 100, not 0"),
        ("jpeg(30.5..95)", "jpeg: quality must be 1 to 100, not 30.5"),
        ("bicubic(2..4)", "scale must be one value, not the range 2..4"),
        ("jpeg(10, subsampling=1..2)", "subsampling must be one of 4:4:4, .* not 1..2"),
    ],
)
def test_options_that_cannot_be_ranges_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        degradation(text)


def test_losses_and_networks_take_no_ranges() -> None:
    with pytest.raises(LossmithError, match="sigma must be one value"):
        loss("ssim(sigma=1..2)")
    with pytest.raises(LossmithError, match="blocks must be one value"):
        network("srresnet(blocks=1..2)")


def test_numbers_are_drawn_evenly_over_the_range() -> None:
    image, rng = torch.full((3, 40, 40), 0.5), np.random.default_rng(0)
    sigmas = [float((Noise(Range(10, 50))(image, rng) - image).std()) * 255 for _ in range(400)]
    assert kstest(sigmas, "uniform", args=(10, 40)).pvalue > 0.01


def test_whole_numbers_are_drawn_with_both_ends() -> None:
    rng = np.random.default_rng(0)
    expressions = {str(JPEG(Range(30, 32)).at(rng.random)) for _ in range(100)}
    assert expressions == {"jpeg(30)", "jpeg(31)", "jpeg(32)"}


def test_range_values_depend_on_the_generator_alone() -> None:
    degrade, clean = degradation(CHAIN), torch.rand(3, 32, 32)
    first, repeat, other = (degrade(clean, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, repeat)
    assert not torch.equal(first, other)
    with pytest.raises(LossmithError, match="needs rng"):
        degrade(clean)


def test_the_margin_of_a_range_is_the_widest() -> None:
    assert degradation("blur(0.2..3)").margin == degradation("blur(3)").margin == 12


def test_a_range_is_tested_at_its_ends_and_middle() -> None:
    levels = {name: str(degrade) for name, degrade in degradation(CHAIN).levels.items()}
    assert levels == {
        "low": "blur(2) | bicubic(2) | noise(0) | jpeg(30)",
        "middle": "blur(2) | bicubic(2) | noise(12.5) | jpeg(63)",
        "high": "blur(2) | bicubic(2) | noise(25) | jpeg(95)",
    }
    assert degradation("noise(5)").levels == {"": Noise(5)}


def test_fixed_parts_of_a_range_are_computed_once() -> None:
    assert tuple(map(str, degradation(CHAIN).split_deterministic())) == (
        "blur(2) | bicubic(2)",
        "noise(0..25) | jpeg(30..95)",
    )


def test_options_of_a_users_function_can_be_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    degrade = degradation("sample_degradations:needs_amount(amount=0.25..0.75)")
    assert str(degrade) == "sample_degradations:needs_amount(amount=0.25..0.75)"
    rng = np.random.default_rng(0)
    values = {float(degrade(torch.ones(3, 2, 2), rng).mean()) for _ in range(20)}
    assert len(values) == 20
    assert 0.25 <= min(values) < max(values) <= 0.75
    assert torch.equal(degrade.levels["high"](torch.ones(3, 2, 2)), torch.full((3, 2, 2), 0.75))

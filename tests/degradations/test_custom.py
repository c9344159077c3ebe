"""Anybody's function is a degradation, by its import path."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from lossmith.core.errors import LossmithError
from lossmith.degradations import Custom, degradation


@pytest.fixture(autouse=True)
def _importable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))
    return


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def test_a_function_of_the_image_is_deterministic() -> None:
    damage = degradation("sample_damage:darker(by=0.25)")
    assert isinstance(damage, Custom)
    assert (damage.random, damage.scale, damage.margin, damage.alignment) == (False, 1, 16, 1)
    assert torch.equal(damage(torch.ones(3, 4, 4)), torch.full((3, 4, 4), 0.25))


@pytest.mark.parametrize("name", ["speckle", "unnamed_generator"])
def test_a_function_that_wants_a_generator_is_random(name: str) -> None:
    damage = degradation(f"sample_damage:{name}")
    clean = torch.rand(3, 4, 4)
    assert damage.random
    assert torch.equal(damage(clean, rng()), damage(clean, rng()))
    assert damage(clean, rng()).dtype == torch.float32
    with pytest.raises(LossmithError, match="needs rng"):
        damage(clean)


def test_an_option_in_second_place_is_not_a_generator() -> None:
    assert not degradation("sample_damage:needs_amount(amount=0.5)").random


def test_a_users_function_can_downscale_and_declare_its_margin() -> None:
    damage = degradation("sample_damage:halved")
    assert (damage.scale, damage.margin, damage.alignment) == (2, 0, 2)
    assert damage(torch.rand(3, 6, 4)).shape == (3, 3, 2)
    chain = degradation("sample_damage:halved | noise(5)")
    assert (chain.scale, chain.random) == (2, True)


def test_the_input_image_is_unchanged() -> None:
    clean = torch.ones(3, 2, 2)
    assert degradation("sample_damage:in_place")(clean).sum() == 0
    assert clean.sum() == 12


@pytest.mark.parametrize(
    "text", ["sample_damage:darker", "sample_damage:darker(by=0.25)", "sample_damage:halved | jpeg(5)"]
)
def test_custom_degradations_round_trip(text: str) -> None:
    assert str(degradation(text)) == text
    assert degradation(text) == degradation(text)
    assert hash(degradation(text)) == hash(degradation(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_damage:nothing", "has no 'nothing'"),
        ("no_such_module:f", "cannot be imported"),
        ("sample_damage:darker(0.5)", "write its options with their names"),
        ("sample_damage:darker(too=0.5)", "unexpected keyword argument 'too'"),
        ("sample_damage:ready", "too many positional arguments"),
        ("sample_damage:Blur", "is a class; name a function"),
        ("sample_damage:bad_scale", "scale must be a whole number, 1 or more, not 0.5"),
    ],
)
def test_objects_that_cannot_be_called_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        degradation(text)


def test_a_name_without_a_module_is_refused() -> None:
    with pytest.raises(LossmithError, match="is not an import path"):
        Custom("darker")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("wrong_shape", r"gave torch.float32 of shape \(3, 3, 4\) instead of a float tensor \(3, 4, 4\)"),
        ("wrong_type", r"gave torch.uint8 of shape"),
        ("not_a_tensor", "gave ndarray instead of a tensor"),
        ("nothing_at_all", "gave NoneType instead of a tensor"),
        ("not_finite", "gave values that are not finite"),
        ("raises", r"^degradation 'sample_damage:raises' fails on an image \(3, 4, 4\) with KeyError: 'blur'$"),
    ],
)
def test_a_result_that_is_not_an_image_is_one_sentence(name: str, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        degradation(f"sample_damage:{name}")(torch.ones(3, 4, 4))

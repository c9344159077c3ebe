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
    degrade = degradation("sample_degradations:darker(by=0.25)")
    assert isinstance(degrade, Custom)
    assert (degrade.random, degrade.scale, degrade.margin, degrade.alignment) == (False, 1, 16, 1)
    assert torch.equal(degrade(torch.ones(3, 4, 4)), torch.full((3, 4, 4), 0.25))


def test_a_function_is_taken_in_the_place_of_its_import_path() -> None:
    from sample_degradations import darker, needs_amount

    assert degradation(darker) == degradation("sample_degradations:darker")
    degrade = Custom("sample_degradations:needs_amount", amount=(0.25, 0.75))
    assert str(degrade) == f"{needs_amount.__module__}:needs_amount(amount=0.25..0.75)"
    with pytest.raises(LossmithError, match="has no import path; define it at the top level of a module"):
        degradation(lambda clean: clean)


@pytest.mark.parametrize("name", ["speckle", "unnamed_generator"])
def test_a_function_that_wants_a_generator_is_random(name: str) -> None:
    degrade = degradation(f"sample_degradations:{name}")
    clean = torch.rand(3, 4, 4)
    assert degrade.random
    assert torch.equal(degrade(clean, rng()), degrade(clean, rng()))
    assert degrade(clean, rng()).dtype == torch.float32
    with pytest.raises(LossmithError, match="needs rng"):
        degrade(clean)


def test_an_option_in_second_place_is_not_a_generator() -> None:
    assert not degradation("sample_degradations:needs_amount(amount=0.5)").random


def test_a_users_function_can_downscale_and_declare_its_margin() -> None:
    degrade = degradation("sample_degradations:halve")
    assert (degrade.scale, degrade.margin, degrade.alignment) == (2, 0, 2)
    assert degrade(torch.rand(3, 6, 4)).shape == (3, 3, 2)
    chain = degradation("sample_degradations:halve | noise(5)")
    assert (chain.scale, chain.random) == (2, True)


def test_the_input_image_is_unchanged() -> None:
    clean = torch.ones(3, 2, 2)
    assert degradation("sample_degradations:in_place")(clean).sum() == 0
    assert clean.sum() == 12


@pytest.mark.parametrize(
    "text",
    ["sample_degradations:darker", "sample_degradations:darker(by=0.25)", "sample_degradations:halve | jpeg(5)"],
)
def test_custom_degradations_round_trip(text: str) -> None:
    assert str(degradation(text)) == text
    assert degradation(text) == degradation(text)
    assert hash(degradation(text)) == hash(degradation(text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sample_degradations:nothing", "has no 'nothing'"),
        ("no_such_module:f", "cannot be imported"),
        ("sample_degradations:darker(0.5)", "write its options with their names"),
        ("sample_degradations:darker(too=0.5)", "unexpected keyword argument 'too'"),
        ("sample_degradations:ready", "too many positional arguments"),
        ("sample_degradations:Blur", "is a class; name a function"),
        ("sample_degradations:bad_scale", "scale must be a whole number, 1 or more, not 0.5"),
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
        (
            "raises",
            r"^degradation 'sample_degradations:raises' fails on an image \(3, 4, 4\) with KeyError: 'blur'$",
        ),
    ],
)
def test_a_result_that_is_not_an_image_is_one_sentence(name: str, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        degradation(f"sample_degradations:{name}")(torch.ones(3, 4, 4))

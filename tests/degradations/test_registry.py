"""Degradations are written down, chained, and can be done patch by patch."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.degradations import (
    DEGRADATIONS,
    JPEG,
    TASKS,
    Bicubic,
    Chain,
    Degradation,
    Mosaic,
    Noise,
    degradation,
)

TEXTS = [
    "bicubic(4)",
    "blur(1.5)",
    "noise(25)",
    "noise(2.5)",
    "shot_noise",
    "shot_noise(a=0.01)",
    "jpeg(10)",
    "jpeg(40, subsampling=4:4:4)",
    "jpeg(40, subsampling=gray)",
    "mosaic",
    "mosaic(pattern=gbrg)",
    "bicubic(2) | noise(5) | jpeg(50)",
    "shot_noise | mosaic",
]


@pytest.mark.parametrize("text", TEXTS)
def test_degradation_expressions_round_trip(text: str) -> None:
    degrade = degradation(text)
    assert str(degrade) == text
    assert degradation(str(degrade)) == degrade
    assert hash(degradation(str(degrade))) == hash(degrade)


@pytest.mark.parametrize(("task", "meaning"), TASKS.items())
def test_a_task_is_short_for_a_degradation(task: str, meaning: str) -> None:
    assert str(degradation(task)) == meaning


def test_a_task_name_can_be_a_link_of_a_chain() -> None:
    assert str(degradation("sr | demosaic")) == "bicubic(4) | shot_noise | mosaic"


def test_jpeg_with_a_quality_is_not_the_task() -> None:
    assert degradation("jpeg(40)") == JPEG(40)
    assert degradation("jpeg(quality=40)") == JPEG(40)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("bicubik(2)", "degradation 'bicubik' is not known; did you mean 'bicubic'"),
        ("denoize", "did you mean 'denoise'"),
        ("", "the name of a degradation was expected"),
        ("noise(5) |", "the name of a degradation was expected"),
        ("noise(5) + noise(5)", "the end was expected"),
        ("noise", "degradation 'noise': missing a required argument: 'sigma'; `lossmith degradations` lists"),
        ("noise(sigmma=5)", "did you mean 'sigma'"),
        ("jpeg(0)", "jpeg: quality must be 1 to 100, not 0"),
        ("jpeg(subsampling=gray)", "missing a required argument: 'quality'"),
        ("sr(2)", r"degradation 'sr' is short for 'bicubic\(4\)' and takes no options"),
        ("bicubic(2, 3)", "too many positional arguments"),
    ],
)
def test_invalid_degradation_expressions_are_one_sentence(text: str, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        degradation(text)


def test_registry_names_are_the_degradations_own() -> None:
    assert {name: kind.name for name, kind in DEGRADATIONS.items()} == {name: name for name in DEGRADATIONS}


def test_a_chain_applies_its_links_in_order() -> None:
    clean = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(0))
    chain = degradation("bicubic(2) | noise(5) | jpeg(50)")
    noisy = Noise(5)(Bicubic(2)(clean), np.random.default_rng(1))
    assert torch.equal(chain(clean, np.random.default_rng(1)), JPEG(50)(noisy))
    assert chain.scale == 2
    assert chain.random


def test_chains_are_flattened_and_not_empty() -> None:
    inner = Chain([Noise(1), Mosaic()])
    assert Chain([Bicubic(2), inner]).links == (Bicubic(2), Noise(1), Mosaic())
    with pytest.raises(LossmithError, match="at least one"):
        Chain([])


@pytest.mark.parametrize(
    ("text", "prefix", "rest"),
    [
        ("bicubic(2)", "bicubic(2)", "None"),
        ("noise(5)", "None", "noise(5)"),
        ("bicubic(2) | jpeg(5)", "bicubic(2) | jpeg(5)", "None"),
        ("noise(5) | jpeg(5)", "None", "noise(5) | jpeg(5)"),
        ("bicubic(2) | jpeg(9) | noise(5) | jpeg(5)", "bicubic(2) | jpeg(9)", "noise(5) | jpeg(5)"),
        ("bicubic(2) | noise(5)", "bicubic(2)", "noise(5)"),
    ],
)
def test_a_chain_splits_at_its_first_random_link(text: str, prefix: str, rest: str) -> None:
    assert tuple(map(str, degradation(text).split_deterministic())) == (prefix, rest)


DETERMINISTIC = [
    "bicubic(2)",
    "bicubic(3)",
    "bicubic(4)",
    "jpeg(10)",
    "jpeg(10, subsampling=4:4:4)",
    "jpeg(10, subsampling=4:2:2)",
    "jpeg(10, subsampling=gray)",
    "blur(1.2)",
    "blur(2) | bicubic(2)",
    "mosaic",
    "mosaic(pattern=gbrg)",
    "bicubic(2) | jpeg(30)",
    "mosaic | bicubic(3)",
    "bicubic(2) | bicubic(2) | mosaic",
    "jpeg(20) | mosaic | jpeg(20)",
]


@settings(deadline=None, max_examples=15)
@given(data=st.data())
@pytest.mark.parametrize("text", DETERMINISTIC)
def test_a_degraded_aligned_crop_equals_the_degraded_image_away_from_its_edges(
    text: str, data: st.DataObject
) -> None:
    degrade = degradation(text)
    scale, margin, grid = degrade.scale, degrade.margin, degrade.alignment
    height, width = (-(-150 // scale) * scale for _ in range(2))
    clean = torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))

    def span(side: int) -> tuple[int, int]:
        start = data.draw(st.integers(0, (side - 1) // grid)) * grid
        return start, data.draw(st.integers(1, (side - start) // scale)) * scale + start

    (top, bottom), (left, right) = span(height), span(width)
    if min(bottom - top, right - left) < 2 * scale:
        return  # a mosaic needs 2x2 pixels
    rows = slice(top + margin * (top > 0), bottom - margin * (bottom < height))
    columns = slice(left + margin * (left > 0), right - margin * (right < width))
    if rows.start >= rows.stop or columns.start >= columns.stop:
        return

    def crop_valid(degraded: Tensor, top: int, left: int) -> Tensor:
        r = slice((rows.start - top) // scale, (rows.stop - top) // scale)
        c = slice((columns.start - left) // scale, (columns.stop - left) // scale)
        return degraded[:, r, c]

    crop = degrade(clean[:, top:bottom, left:right])
    torch.testing.assert_close(crop_valid(crop, top, left), crop_valid(degrade(clean), 0, 0), rtol=0, atol=1e-6)


@pytest.mark.parametrize("text", DETERMINISTIC)
def test_margins_are_whole_output_pixels(text: str) -> None:
    degrade = degradation(text)
    assert degrade.margin % degrade.scale == 0
    assert degrade.alignment % degrade.scale == 0


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("image", "message"),
    [
        (torch.zeros(3, 8, 8, dtype=torch.uint8), "must be a float tensor in .0, 1., not torch.uint8"),
        (np.zeros((3, 8, 8)), "must be a float tensor in .0, 1., not ndarray"),
        (torch.zeros(1, 8, 8), r"must be \(3, H, W\), not \(1, 8, 8\)"),
        (torch.zeros(1, 3, 8, 8), r"must be \(3, H, W\), not \(1, 3, 8, 8\)"),
        (torch.zeros(3, 0, 8), r"must be \(3, H, W\), not \(3, 0, 8\)"),
    ],
)
def test_inputs_that_are_not_images_are_refused(text: str, image: Tensor, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        degradation(text)(image, np.random.default_rng(0))


@pytest.mark.parametrize("text", ["bicubic(2)", "jpeg(10)", "mosaic", "noise(5)"])
def test_degradations_keep_the_dtype(text: str) -> None:
    degrade: Degradation = degradation(text)
    assert degrade(torch.rand(3, 8, 8, dtype=torch.float64), np.random.default_rng(0)).dtype == torch.float64

"""Spots are where the losses differ."""

import numpy as np
import pytest

from lossmith.report import ImageComparison, Pixels
from lossmith.report.crops import Crop, box_sum, find_crops
from lossmith.report.images import error_ceiling


def uniform(height: int = 200, width: int = 300, level: int = 100) -> Pixels:
    return np.full((height, width, 3), level, np.uint8)


def with_patch(x: int, y: int, level: int, side: int = 20) -> Pixels:
    image = uniform()
    image[y : y + side, x : x + side] = level
    return image


def test_box_sums_are_sums_over_windows() -> None:
    values = np.random.default_rng(0).random((7, 9))
    assert box_sum(values, 3).shape == (5, 7)
    assert box_sum(values, 3)[2, 4] == pytest.approx(values[2:5, 4:7].sum())


def test_crops_show_where_one_loss_fails() -> None:
    results = {"l1": with_patch(30, 40, 140), "l2": with_patch(200, 120, 160), "mix": uniform()}
    crops = find_crops(ImageComparison("p", uniform(), uniform(level=90), results))
    assert [crop.side for crop in crops][:2] == [64, 64]
    for crop, (x, y) in zip(crops, [(200, 120), (30, 40)], strict=False):
        assert crop.x <= x
        assert x + 20 <= crop.x + 64
        assert crop.y <= y
        assert y + 20 <= crop.y + 64


def test_crops_lie_inside_and_do_not_overlap() -> None:
    rng = np.random.default_rng(1)
    noisy = {name: rng.integers(0, 256, (150, 220, 3), dtype=np.uint8) for name in ("a", "b")}
    crops = find_crops(ImageComparison("p", uniform(150, 220), uniform(150, 220), noisy))
    assert len(crops) == 3
    for i, one in enumerate(crops):
        assert 0 <= one.x <= 220 - one.side
        assert 0 <= one.y <= 150 - one.side
        assert all(abs(one.x - other.x) >= 64 or abs(one.y - other.y) >= 64 for other in crops[:i])


def test_crops_of_one_loss_show_where_it_changed_its_input() -> None:
    [crop, *_] = find_crops(ImageComparison("p", uniform(), with_patch(200, 120, 160), {"l1": uniform()}))
    assert crop.x <= 200 <= crop.x + 44


def test_crops_of_equal_results_show_detail_in_the_target_or_the_middle() -> None:
    target = with_patch(30, 40, 140)
    [crop, *_] = find_crops(ImageComparison("p", target, target, {"l1": target, "l2": target}))
    assert crop.x <= 30 <= crop.x + 44
    assert find_crops(ImageComparison("p", uniform(), uniform(), {})) == [Crop(118, 68, 64)]


def test_a_tiny_image_is_one_crop() -> None:
    [crop] = find_crops(ImageComparison("p", uniform(30, 30), uniform(30, 30, 90), {"l1": uniform(30, 30, 95)}))
    assert crop == Crop(0, 0, 30)


def test_the_error_scale_ends_at_a_round_number() -> None:
    assert error_ceiling(ImageComparison("p", uniform(), uniform(level=10), {"l1": uniform(level=110)})) == 16
    assert error_ceiling(ImageComparison("p", uniform(), uniform(), {"l1": uniform()})) == 2
    assert error_ceiling(ImageComparison("p", uniform(level=0), uniform(level=255), {})) == 255


def test_flat_regions_are_cropped_last() -> None:
    """Losses differ most in a flat sky, and less where something is to be seen."""
    rng = np.random.default_rng(0)
    target = np.full((64, 192, 3), 128, np.uint8)
    target[:, 128:] = rng.integers(0, 255, (64, 64, 3))
    first, second = target.copy(), target.copy()
    first[:, :64] += 40
    second[:, 128:] ^= 8
    crops = find_crops(ImageComparison("sky", target, target, {"a": first, "b": second}))
    assert crops[0].x > 100
    assert any(crop.x < 64 for crop in crops[1:])

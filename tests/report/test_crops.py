"""Spots are where the losses differ to the eye."""

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lossmith.report import ImageComparison, Pixels
from lossmith.report.crops import (
    GRAIN,
    Crop,
    absolute_error,
    box_sum,
    find_crops,
    most_different,
    visible_difference,
)
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


def textured(seed: int = 0, height: int = 128, width: int = 320) -> Pixels:
    """A flat sky on the left; on the right a texture with detail of every size."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), 128, np.uint8)
    image[:, 128:] = rng.integers(60, 200, (height, width - 128, 1))
    return image


def blurred(image: Pixels, left: int, right: int) -> Pixels:
    """The image with a blur between two columns."""
    result = image.copy()
    soft = Image.fromarray(image).filter(ImageFilter.GaussianBlur(1))
    result[:, left:right] = np.asarray(soft)[:, left:right]
    return result


def test_blurred_texture_comes_before_a_cast_of_the_sky() -> None:
    """A cast that fades is the larger error by far, and no structure."""
    target = textured()
    cast = target.copy()
    cast[:, :120] += np.linspace(120, 0, 120).astype(np.uint8)[:, None]
    blur = blurred(target, 200, 264)
    assert absolute_error(cast, target).sum() > 3 * absolute_error(blur, target).sum()
    [first, *_] = find_crops(ImageComparison("sky", target, target, {"cast": cast, "blur": blur}))
    assert abs(first.x - 200) <= GRAIN


def test_a_shift_of_all_brightness_moves_no_window() -> None:
    target = textured()
    blur = blurred(target, 200, 264)
    pairs = ({"a": target, "b": blur}, {"a": target, "b": blur + np.uint8(20)})
    first, second = (find_crops(ImageComparison("p", target, target, restored))[0] for restored in pairs)
    assert first == second


def test_where_nothing_but_color_differs_the_windows_show_that() -> None:
    target = uniform()
    tinted = target.copy()
    tinted[100:140, 200:240, 2] += 30
    [crop, *_] = find_crops(ImageComparison("p", target, target, {"a": target, "b": tinted}))
    assert crop.x <= 200 <= 240 <= crop.x + 64
    assert crop.y <= 100 <= 140 <= crop.y + 64


def cast(image: Pixels, left: int, right: int) -> Pixels:
    """With 30 levels more of red and as much less of blue between two columns: its brightness hardly changes."""
    changed = image.astype(int)
    changed[:, left:right] += (30, -10, -30)
    return np.clip(changed, 0, 255).astype(np.uint8)


def test_colors_that_one_loss_has_wrong_in_some_place_are_shown() -> None:
    target = textured()
    right, wrong = target, cast(target, 200, 264)
    [first, *_] = find_crops(ImageComparison("p", target, target, {"l1": right, "ssim": wrong}))
    assert abs(first.x - 200) <= GRAIN


def test_a_cast_over_the_whole_image_is_no_difference_of_structure() -> None:
    gray = np.repeat(textured().mean(2, keepdims=True).astype(np.uint8) // 2 + 64, 3, axis=2)  # nothing is clipped
    everywhere = visible_difference(ImageComparison("p", gray, gray, {"l1": gray, "ssim": cast(gray, 0, 320)}))
    somewhere = visible_difference(ImageComparison("p", gray, gray, {"l1": gray, "ssim": cast(gray, 200, 264)}))
    assert somewhere > 10
    assert everywhere < 0.02 * somewhere


def test_the_same_difference_counts_more_where_less_hides_it() -> None:
    """A grid over everything: the window is where the target has structure, but not of such contrast."""
    rows, columns = np.mgrid[:128, :320]
    gentle = (128 + 30 * np.sin(columns / 12) * np.sin(rows / 12))[..., None].repeat(3, axis=2).astype(np.uint8)
    target = textured()
    target[:, :128] = gentle[:, :128]
    grid = target + (12 * ((rows + columns) % 2)).astype(np.uint8)[..., None]
    [crop, *_] = find_crops(ImageComparison("p", target, target, {"clean": target, "grid": grid}))
    assert crop.x + crop.side <= 128


def test_the_first_image_is_the_one_with_the_most_visible_difference() -> None:
    target = textured()
    cast = target.copy()
    cast[:, :120] += 60
    plain = ImageComparison("cast", target, target, {"a": target, "b": cast})
    slight = ImageComparison("slight", target, target, {"a": target, "b": blurred(target, 200, 210)})
    strong = ImageComparison("strong", target, target, {"a": target, "b": blurred(target, 200, 280)})
    alone = ImageComparison("alone", target, target, {"a": target})
    order = most_different([alone, slight, plain, strong], 3)
    assert order[0].image == "strong"
    assert visible_difference(strong) > visible_difference(slight) > visible_difference(alone) == 0
    assert visible_difference(ImageComparison("none", target, None, {})) == 0


def test_one_loss_is_compared_with_its_input() -> None:
    target = textured()
    restored = ImageComparison("one", target, blurred(target, 200, 264), {"a": target})
    assert visible_difference(restored) > 0
    assert visible_difference(ImageComparison("one", target, None, {"a": target})) == 0

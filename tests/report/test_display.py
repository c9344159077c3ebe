"""Pictures of any format are shown in one stated window, and their errors in the unit of the files."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import to_uint8_hwc
from lossmith.evaluation import DEGRADED
from lossmith.report import ImageComparison, ReportData, comparison_of, parse_bands, write_report
from lossmith.report.crops import error_of, find_crops
from lossmith.report.display import INVALID, Display, display_window, to_display
from lossmith.report.images import error_ceiling, view_of
from lossmith.report.methods import methods_of
from lossmith.report.templates import ASSETS

from .conftest import LOSSES, Builder

DEEP_GRAY = PixelFormat.full_range(1, "uint16")
FLOATS = PixelFormat(1, "float32", -1000.0, 3000.0)
EIGHT_CHANNELS = PixelFormat(8, "uint16", 0.0, 10000.0)


def random_image(pixels: PixelFormat, low: float = 0.0, high: float = 1.0, seed: int = 0) -> Tensor:
    """(C, 120, 150) on the scale of the range, at the values that files of whole numbers have."""
    values = torch.from_numpy(np.random.default_rng(seed).uniform(low, high, (pixels.channels, 120, 150)))
    return pixels.to_unit(pixels.to_stored(pixels.from_unit(values)))


def compared(pixels: PixelFormat, target: Tensor, errors: dict[str, float]) -> ImageComparison:
    """Results that are brighter than the target by so much, on the scale of the range."""
    restored = {name: target.nan_to_num(0.5) + error for name, error in errors.items()}
    return comparison_of("p", target, target.nan_to_num(0.5) + 0.5, restored, pixels)


@pytest.mark.parametrize("channels", [1, 3])
def test_gray_and_rgb_of_8_bits_are_shown_as_they_are(channels: int) -> None:
    pixels = replace(RGB_8BIT, channels=channels)
    stored = torch.randint(0, 256, (channels, 40, 50), dtype=torch.uint8)
    display = Display.of(pixels.to_unit(stored), pixels)
    assert display.window == (0.0, 1.0)
    shown = display.show(pixels.to_unit(stored))
    np.testing.assert_array_equal(shown, to_uint8_hwc(stored.expand(3, -1, -1)))
    assert display.caption == ("" if channels == 3 else "gray, 8 bits")


def test_the_window_is_percentiles_of_the_target_and_hot_pixels_do_not_darken_it() -> None:
    target = random_image(DEEP_GRAY, 0.01, 0.03)
    target[0, 0, :5] = 1.0  # 5 of 18000, fewer than one in a thousand
    low, high = (65535 * end for end in display_window(target, DEEP_GRAY))
    reference = np.percentile(DEEP_GRAY.from_unit(target), [0.1, 99.9])
    assert (low, high) == pytest.approx([np.floor(reference[0]), np.ceil(reference[1])], abs=1e-6)
    assert 655 <= low < 680
    assert 1940 < high <= 1967


def test_pixels_that_do_not_count_have_no_part_in_the_window() -> None:
    target = random_image(FLOATS, 0.2, 0.4)
    holes = target.clone()
    holes[:, :60] = torch.nan
    assert display_window(holes, FLOATS) == pytest.approx(display_window(target[:, 60:], FLOATS))
    assert display_window(torch.full((1, 4, 4), torch.nan), FLOATS) == (0.0, 1.0)


@pytest.mark.parametrize("pixels", [DEEP_GRAY, FLOATS, EIGHT_CHANNELS], ids=str)
def test_a_flat_target_is_shown_in_the_middle_of_a_window(pixels: PixelFormat) -> None:
    target = pixels.to_unit(pixels.to_stored(pixels.from_unit(torch.full((pixels.channels, 9, 9), 0.25))))
    assert np.ptp(Display.of(target, pixels).show(target)) == 0
    assert Display.of(target, pixels).show(target).mean() == pytest.approx(127.5, abs=2)


def test_all_versions_are_shown_in_the_window_of_the_target() -> None:
    target = random_image(DEEP_GRAY, 0.1, 0.2)
    comparison = compared(DEEP_GRAY, target, {"l1": 0.05})
    low, high = comparison.display.window
    for shown, image in ((comparison.target, target), (comparison.restored["l1"], target + 0.05)):
        reference = np.floor(255 * np.clip((image[0].double().numpy() - low) / (high - low), 0, 1) + 0.5)
        assert np.abs(shown[..., 0] - reference).max() <= 1  # which float32 may round otherwise
        assert (shown == shown[..., :1]).all()


def test_errors_are_those_of_the_files_and_not_of_what_is_shown() -> None:
    target = random_image(DEEP_GRAY, 0.1, 0.11)
    comparison = compared(DEEP_GRAY, target, {"l1": 0.5, "l2": 0.25})  # far beyond the window
    assert (comparison.restored["l1"] == 255).all()
    assert error_of(comparison, "l1").mean() == pytest.approx(0.5 * 65535, rel=1e-6)
    assert error_of(comparison, DEGRADED).mean() == pytest.approx(0.5 * 65535, rel=1e-6)
    assert error_ceiling(comparison) == 50000
    assert (comparison.display.unit, comparison.display.unit_of_errors) == ("counts", "in counts")


def test_errors_are_averaged_over_all_channels_also_those_that_are_not_shown() -> None:
    target = random_image(EIGHT_CHANNELS)
    restored = target.clone()
    restored[7] += 0.08
    comparison = comparison_of("p", target, None, {"l1": restored}, EIGHT_CHANNELS, (3, 1, 0))
    np.testing.assert_array_equal(comparison.target, comparison.restored["l1"])
    assert error_of(comparison, "l1").mean() == pytest.approx(0.08 * 10000 / 8, rel=1e-5)


def test_bands_are_the_first_ones_or_those_that_are_named() -> None:
    target = random_image(EIGHT_CHANNELS)
    for bands, expected in (((), (0, 1, 2)), ((3, 1, 0), (3, 1, 0)), ((5,), (5, 5, 5))):
        display = Display.of(target, EIGHT_CHANNELS, bands)
        shown = display.show(target)
        for color, band in enumerate(expected):
            np.testing.assert_array_equal(shown[..., color], to_display(target, display.window, (band,))[..., 0])


def test_captions_say_format_channels_and_window() -> None:
    window = (0.01, 0.09)
    captions = [
        Display(DEEP_GRAY, window, (0,)).caption,
        Display(FLOATS, window, (0,)).caption,
        Display(EIGHT_CHANNELS, window, (3, 1, 0)).caption,
        Display(EIGHT_CHANNELS, window, (4,)).caption,
        Display(RGB_8BIT, (0.0, 1.0), (2, 1, 0)).caption,
        Display(PixelFormat.full_range(3, "uint16"), window).caption,
    ]
    assert captions == [
        "gray, 16 bits, 0 to 65535; shown from 655 (black) to 5898 (white)",
        "gray, 32-bit floats, -1000 to 3000; shown from −960 (black) to −640 (white)",
        "8 channels, 16 bits, 0 to 10000; channels 3, 1, 0 (the first is 0) shown as red, green and blue, from "
        "100 (black) to 900 (white)",
        "8 channels, 16 bits, 0 to 10000; channel 4 (the first is 0) shown from 100 (black) to 900 (white)",
        "RGB, 8 bits; channels 2, 1, 0 (the first is 0) shown as red, green and blue",
        "RGB, 16 bits, 0 to 65535; shown from 655 (black) to 5898 (white)",
    ]


@pytest.mark.parametrize("pixels", [RGB_8BIT, DEEP_GRAY], ids=str)
def test_pixels_that_do_not_count_have_a_color_of_their_own_and_no_error(pixels: PixelFormat) -> None:
    target = random_image(pixels)
    target[:, 20:40, 30:60] = torch.nan
    comparison = compared(pixels, target, {"l1": 0.1, "l2": 0.2})
    assert comparison.has_invalid_pixels
    for image in (comparison.target, comparison.degraded, *comparison.restored.values()):
        assert image is not None
        assert (image[20:40, 30:60] == INVALID).all()
        assert not (image[50:] == INVALID).all(-1).any()
    assert np.isnan(error_of(comparison, "l1")[20:40, 30:60]).all()
    assert np.nanmean(error_of(comparison, "l1")) == pytest.approx(0.1 * pixels.span, rel=1e-4)


def test_spots_are_found_on_the_pixels_shown() -> None:
    target = random_image(DEEP_GRAY, 0.010, 0.011)
    spoiled = target.clone()
    spoiled[:, 30:60, 90:120] = spoiled[:, 30:60, 90:120].mean()  # below one level of 8 bits
    comparison = comparison_of("p", target, None, {"l1": target, "l2": spoiled}, DEEP_GRAY)
    crop = find_crops(comparison)[0]
    assert crop.x <= 90 < 120 <= crop.x + crop.side
    assert crop.y <= 30 < 60 <= crop.y + crop.side


def test_spots_of_pictures_in_a_window_are_where_there_is_light() -> None:
    target = torch.full((1, 120, 150), 0.01)  # black as most of the picture, but for one corner
    target[:, :40, :40] = random_image(DEEP_GRAY, 0.02, 0.1)[:, :40, :40]
    noisy = target + 0.0002 * torch.from_numpy(np.random.default_rng(2).normal(size=target.shape)).float()
    comparison = comparison_of("p", target, None, {"l1": target, "l2": noisy}, DEEP_GRAY)
    crop = find_crops(comparison)[0]
    assert crop.x < 10
    assert crop.y < 10


def test_the_page_says_format_window_and_unit_and_holds_the_errors(tournament: Builder, tmp_path: Path) -> None:
    target = random_image(DEEP_GRAY, 0.1, 0.2)
    target[:, :20] = torch.nan
    comparison = compared(DEEP_GRAY, target, dict.fromkeys(LOSSES, 0.01))
    contents = replace(tournament(images={}), comparisons=[comparison])
    write_report(tmp_path / "report.html", contents)
    page = " ".join((tmp_path / "report.html").read_text("utf-8").split())
    caption = comparison.display.caption
    assert page.count(caption[1:]) == 2  # with the opening picture and with the images
    assert "in this spot, in counts;" in page
    assert '<span>1,000+</span><span class="unit">counts</span>' in page
    assert "of 255" not in page
    assert page.count('class="measured-errors"') == len(LOSSES) + 1
    assert page.count("Pixels in this color do not count.") == 2


def test_a_page_of_8_bit_rgb_holds_no_error_maps_and_no_captions(report_data: ReportData) -> None:
    view = view_of(report_data.comparisons[0], report_data, methods_of(report_data), 256)
    assert (view.caption, view.unit, view.has_invalid_pixels) == ("", "of 255 levels", False)
    assert not any(frame.error_uri for frame in view.frames)


def test_python_scripts_and_styles_agree_on_the_color_of_pixels_that_do_not_count() -> None:
    script, style = (ASSETS / name for name in ("scripts/errors.js", "styles/images.css"))
    assert f"INVALID = [{', '.join(map(str, INVALID))}]" in script.read_text()
    assert re.search(rf"\.invalid {{[^}}]*rgb\({' '.join(map(str, INVALID))}\)", style.read_text())


@pytest.mark.parametrize("text", ["", "4,2", "a,b,c", "1,2,3,4", "-1", "1.5"])
def test_bands_are_one_number_or_three(text: str) -> None:
    with pytest.raises(LossmithError, match="`show_bands` is one channel, or three"):
        parse_bands(text)


def test_bands_that_images_do_not_have_are_refused_with_both_numbers() -> None:
    assert parse_bands("7, 0,1", 8) == (7, 0, 1)
    assert parse_bands("0", 1) == (0,)
    with pytest.raises(LossmithError, match="names channel 8 of images that have 8 channels, of which the first"):
        parse_bands("8,1,2", 8)
    with pytest.raises(LossmithError, match="names channel 1 of images that have 1 channel, of which"):
        parse_bands("1", 1)

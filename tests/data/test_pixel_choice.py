"""A study has the format of its pictures, or the one that its options say."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import check_pictures, choose_pixels, find_images, read_picture_headers

RNG = np.random.default_rng(0)


def write(folder: Path, name: str, dtype: str = "uint8", channels: int = 1, **options: object) -> np.ndarray:
    """Write a picture, (H, W, C), as TIFF or as PNG."""
    array = RNG.integers(0, 200, (20, 24, channels)).astype(dtype)
    if name.endswith(".png"):
        Image.fromarray(array if channels == 3 else array[..., 0]).save(folder / name)
    else:
        options |= {"photometric": "rgb" if channels == 3 else "minisblack"}
        planar = {"planarconfig": "contig"} if channels > 1 else {}
        tifffile.imwrite(folder / name, array if channels > 1 else array[..., 0], **options, **planar)
    return array


# --- channels and type -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [("uint8", 0, 255), ("uint16", 0, 65535), ("int16", -32768, 32767), ("uint32", 0, 4294967295)],
)
def test_whole_numbers_have_the_range_of_their_type(
    tmp_path: Path, dtype: str, low: float, high: float, channels: int
) -> None:
    for name in ("a.tif", "b.tif"):
        write(tmp_path, name, dtype, channels)
    assert choose_pixels(find_images(tmp_path)) == (PixelFormat(channels, dtype, low, high), ())


def test_photographs_are_8_bit_rgb(photos: Path) -> None:
    assert choose_pixels(find_images(photos)) == (RGB_8BIT, ())


def test_gray_and_color_in_one_study_need_a_word(tmp_path: Path) -> None:
    for name, channels in {"a.png": 1, "b.png": 3, "c.png": 3}.items():
        write(tmp_path, name, channels=channels)
    paths = find_images(tmp_path)
    both = f"'{paths[0]}' is gray and '{paths[1]}' is RGB; say `channels=1` or `channels=3` to convert them"
    with pytest.raises(LossmithError, match=both):
        choose_pixels(paths)


def test_conversions_are_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, channels in {"a.png": 1, "b.png": 3, "c.png": 3}.items():
        write(tmp_path, name, channels=channels)
    paths = find_images(tmp_path)
    gray = ("color becomes gray, by the luma of BT.601: 'b.png' and 1 more",)
    assert choose_pixels(paths, channels=1) == (PixelFormat(1), gray)
    color = ("gray becomes three equal channels: 'a.png'",)
    assert choose_pixels(paths, channels=3) == (RGB_8BIT, color)
    assert caplog.messages == [*gray, *color]


def test_others_are_converted_to_the_format_and_said_with_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name, channels in {"a.png": 1, "b.png": 1, "c.png": 3}.items():
        write(tmp_path, name, channels=channels)
    gray, other, color = find_images(tmp_path)
    remarks = ("gray becomes three equal channels: 'a.png' and 1 more",)
    assert choose_pixels([gray], channels=3, others=[other, color]) == (RGB_8BIT, remarks)
    assert caplog.messages == [*remarks]
    with pytest.raises(LossmithError, match=r"c.png' is RGB, and gray is asked for"):
        choose_pixels([gray], others=[other, color])


def test_other_channels_are_not_converted(tmp_path: Path) -> None:
    write(tmp_path, "a.tif", channels=5)
    write(tmp_path, "b.tif", channels=1)
    paths = find_images(tmp_path)
    with pytest.raises(LossmithError, match=r"a.tif' has 5 channels and '.*b.tif' is gray; take them apart"):
        choose_pixels(paths)
    for channels, other in ((5, "b.tif' is gray, and 5 channels are"), (1, "a.tif' has 5 channels, and gray is")):
        with pytest.raises(LossmithError, match=f"{other} asked for"):
            choose_pixels(paths, channels=channels)


def test_types_are_not_mixed(tmp_path: Path) -> None:
    write(tmp_path, "a.tif", "uint8")
    write(tmp_path, "b.tif", "uint16")
    paths = find_images(tmp_path)
    both = rf"'{paths[0]}' holds uint8 and '{paths[1]}' uint16; convert them to one"
    with pytest.raises(LossmithError, match=both):
        choose_pixels(paths)
    with pytest.raises(LossmithError, match=both):
        choose_pixels(paths, channels=3)


# --- pictures for a model, or to test with ---------------------------------------------------------------------


def test_gray_pictures_go_into_an_rgb_model_without_a_word(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    assert check_pictures(read_picture_headers(find_images(tmp_path)), RGB_8BIT, convert=False) == ()


def test_color_pictures_go_into_a_gray_model_if_asked(tmp_path: Path) -> None:
    write(tmp_path, "a.png", channels=3)
    headers = read_picture_headers(find_images(tmp_path))
    with pytest.raises(LossmithError, match=r"a.png' is RGB, and gray is asked for; `channels=1` makes"):
        check_pictures(headers, PixelFormat(1), convert=False)
    remarks = check_pictures(headers, PixelFormat(1), convert=True)
    assert remarks == ("color becomes gray, by the luma of BT.601: 'a.png'",)


def test_another_type_than_the_models_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.tif", "uint16")
    headers = read_picture_headers(find_images(tmp_path))
    with pytest.raises(LossmithError, match=r"a.tif' holds values of uint16, and uint8 is asked for; convert it"):
        check_pictures(headers, PixelFormat(1), convert=True)


# --- range -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "low", "high"), [("0:4095", 0, 4095), ("-1:1", -1, 1), ("1e3:2.5e4", 1000, 25000), (" 0 : 9 ", 0, 9)]
)
def test_numbers_are_taken_as_they_are(tmp_path: Path, text: str, low: float, high: float) -> None:
    write(tmp_path, "a.tif", "uint16")
    assert choose_pixels(find_images(tmp_path), range=text)[0] == PixelFormat(1, "uint16", low, high)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32"])
def test_percentiles_are_values_that_occur_in_all_pictures_together(tmp_path: Path, dtype: str) -> None:
    values = np.stack([write(tmp_path, f"{name}.tif", dtype, 5) for name in "abc"])
    for low, high in ((1, 99.9), (0, 100), (12.5, 50)):
        pixels, _ = choose_pixels(find_images(tmp_path), range=f"p{low}:p{high}")
        expected = np.percentile(values, [low, high], method="inverted_cdf")
        assert (pixels.low, pixels.high) == tuple(expected)
        assert pixels.dtype == dtype


def test_a_percentile_may_go_with_a_number(tmp_path: Path) -> None:
    array = write(tmp_path, "a.tif", "uint16")
    assert choose_pixels(find_images(tmp_path), range="0:p100")[0] == PixelFormat(1, "uint16", 0, array.max())


def test_percentiles_are_those_after_conversion(tmp_path: Path) -> None:
    write(tmp_path, "a.png", channels=3)
    gray = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    pixels, _ = choose_pixels(find_images(tmp_path), channels=1, range="p0:p100")
    assert abs(pixels.low - gray.min()) <= 1
    assert abs(pixels.high - gray.max()) <= 1


def test_percentiles_leave_invalid_pixels_out(tmp_path: Path) -> None:
    array = np.arange(480, dtype=np.float32).reshape(20, 24)
    array[0, 0], array[1, 1] = np.nan, np.inf
    np.save(tmp_path / "a.npy", array)
    assert choose_pixels(find_images(tmp_path), range="p0:p100", nan="mask")[0] == PixelFormat(
        1, "float32", 1, 479
    )
    with pytest.raises(LossmithError, match="2 pixels of NaN or infinity"):
        choose_pixels(find_images(tmp_path), range="p0:p100")


def test_percentiles_of_very_many_floats_are_taken_from_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossmith.data.pixel_choice.MAX_PERCENTILE_VALUES", 1000)
    for name in "ab":
        np.save(tmp_path / f"{name}.npy", RNG.uniform(0, 100, (200, 200)).astype(np.float32))
    pixels, _ = choose_pixels(find_images(tmp_path), range="p10:p90")
    assert (pixels.low, pixels.high) == pytest.approx((10, 90), abs=4)  # four standard errors of 1000 values


def test_floats_need_a_range_unless_they_state_it(tmp_path: Path) -> None:
    write(tmp_path, "a.tif", "float32")
    with pytest.raises(LossmithError, match=r"a.tif' holds floats, whose range must be said: `range=0:1`"):
        choose_pixels(find_images(tmp_path))
    for name in ("a.tif", "b.tif"):
        write(
            tmp_path, name, "float32", 3, extratags=[(340, 11, 3, (0, 0, 0), True), (341, 11, 3, (9, 9, 9), True)]
        )
    assert choose_pixels(find_images(tmp_path))[0] == PixelFormat(3, "float32", 0, 9)
    write(tmp_path, "b.tif", "float32", 3, extratags=[(340, 11, 1, 0, True), (341, 11, 1, 8, True)])
    with pytest.raises(LossmithError, match=r"a.tif' and '.*b.tif' state different ranges; say one for all"):
        choose_pixels(find_images(tmp_path))


@pytest.mark.parametrize(
    "text", ["", "1", "1:2:3", "a:b", "p1:pp2", "p-1:p50", "p0:p101", "nan:1", "0:inf", "p:1"]
)
def test_what_is_not_a_range_is_refused(tmp_path: Path, text: str) -> None:
    write(tmp_path, "a.tif")
    with pytest.raises(LossmithError, match=f"`range={text}` is not a range; write two numbers"):
        choose_pixels(find_images(tmp_path), range=text)


def test_empty_ranges_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "a.tif")
    with pytest.raises(LossmithError, match="`range` goes from a number to a larger one, not from 5 to 5"):
        choose_pixels(find_images(tmp_path), range="5:5")
    np.save(tmp_path / "a.npy", np.full((4, 5), 7, np.uint16))
    with pytest.raises(LossmithError, match="goes from 7 to 7 by these percentiles, which is empty; take others"):
        choose_pixels([tmp_path / "a.npy"], range="p1:p99")

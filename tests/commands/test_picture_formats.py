"""`evaluate` and `judge` on pictures that are not 8-bit RGB."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from skimage.metrics import peak_signal_noise_ratio
from torch import Tensor

import lossmith
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import write_picture
from lossmith.models.model_file import save_model
from lossmith.networks import network

Array = NDArray[Any]
GRAY_16BIT = PixelFormat(1, "uint16", 0, 65535)
FLOATS = PixelFormat(1, "float32", 0, 1000)
NAMES = ("a", "b", "c")
SIDE = 40


def waves(index: int, channels: int) -> Tensor:
    """(C, 40, 40), from 0.25 to 0.75."""
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    return torch.stack(
        [0.5 + 0.25 * torch.sin((rows * (index + c + 1) + columns * 3) / 9) for c in range(channels)]
    )


def write_folder(folder: Path, pixels: PixelFormat, noise: float = 0.0, suffix: str = ".tif") -> Path:
    """Three pictures in a format, with noise of a standard deviation on the scale of the range."""
    for index, name in enumerate(NAMES):
        picture = waves(index, pixels.channels)
        errors = noise * torch.randn(picture.shape, generator=torch.Generator().manual_seed(index))
        folder.mkdir(exist_ok=True)
        write_picture(folder / f"{name}{suffix}", picture + errors, pixels)
    return folder


def values(folder: Path, name: str) -> Array:
    return tifffile.imread(folder / f"{name}.tif").astype(np.float64)


def refusal(*arguments: Any, **options: Any) -> str:
    with pytest.raises(lossmith.LossmithError) as error:
        lossmith.evaluate(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("pixels", "range", "words"),
    [
        (GRAY_16BIT, "auto", "gray, 16 bits, 0 to 65535, no crop"),
        (GRAY_16BIT, "0:4095", "gray, 16 bits, 0 to 4095, no crop"),
        (PixelFormat(8, "uint16", 0, 65535), "auto", "8 channels, 16 bits, 0 to 65535, no crop"),
        (PixelFormat(3, "int16", -32768, 32767), "auto", "RGB, 16 bits, signed, -32768 to 32767, no crop"),
        (FLOATS, "0:1000", "gray, 32-bit floats, 0 to 1000, no crop"),
    ],
)
def test_results_are_scored_in_the_format_of_their_targets(
    pixels: PixelFormat, range: str, words: str, tmp_path: Path
) -> None:
    targets, results = write_folder(tmp_path / "targets", pixels), write_folder(tmp_path / "x", pixels, 0.01)
    evaluation = lossmith.evaluate(results, test=targets, range=range)
    assert str(evaluation.protocol) == words
    span = evaluation.protocol.pixels.span
    for name in NAMES:
        theirs = peak_signal_noise_ratio(values(targets, name), values(results, name), data_range=span)
        assert evaluation.scores[name]["psnr"] == pytest.approx(theirs, abs=1e-4)  # floats are scaled in float32


def test_a_picture_below_one_8_bit_level_is_told_from_another(tmp_path: Path) -> None:
    for folder, level in (("targets", 100), ("x", 120)):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", np.full((16, 16), level, np.uint16))
    evaluation = lossmith.evaluate(tmp_path / "x", test=tmp_path / "targets")
    assert evaluation.means["l1"] == pytest.approx(1000 * 20 / 65535)


def test_floats_need_a_range_which_may_be_percentiles_of_the_targets(tmp_path: Path) -> None:
    targets, results = write_folder(tmp_path / "targets", FLOATS), write_folder(tmp_path / "x", FLOATS, 0.01)
    assert lossmith.evaluate(results, test=targets).protocol.pixels == FLOATS  # which the files state
    for name in NAMES:
        tifffile.imwrite(targets / f"{name}.tif", values(targets, name).astype(np.float32))
    assert "holds floats, whose range must be said: `range=0:1`" in refusal(results, test=targets)
    pixels = lossmith.evaluate(results, test=targets, range="p0:p100").protocol.pixels
    every = np.stack([values(targets, name) for name in NAMES])
    assert (pixels.low, pixels.high) == (every.min(), every.max())


def test_gray_pictures_are_gray_unless_there_are_colors_among_them(tmp_path: Path) -> None:
    gray, rgb = (write_folder(tmp_path / str(n), PixelFormat(n), suffix=".png") for n in (1, 3))
    assert str(lossmith.evaluate(gray, test=gray).protocol) == "gray, no crop, rounded to 8 bits"
    assert str(lossmith.evaluate(rgb, test=rgb).protocol) == str(lossmith.evaluation.Protocol())
    # results in color are scored as ever: by their luma
    colored = lossmith.evaluate(rgb, test=gray).protocol
    assert str(colored) == "RGB, no crop, rounded to 8 bits; of gray images one channel"
    mixed = shutil.copytree(rgb, tmp_path / "mixed")
    shutil.copy(gray / "b.png", mixed)
    assert lossmith.evaluate(mixed, test=mixed).protocol.pixels == RGB_8BIT


def test_colors_are_converted_to_gray_when_asked_for_and_aloud(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gray, rgb = (write_folder(tmp_path / str(n), PixelFormat(n), suffix=".png") for n in (1, 3))
    evaluation = lossmith.evaluate(rgb, test=gray, channels=1)
    assert str(evaluation.protocol) == "gray, no crop, rounded to 8 bits"
    assert "color becomes gray, by the luma of BT.601" in caplog.text


def test_a_result_of_another_type_is_named(tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", GRAY_16BIT)
    results = write_folder(tmp_path / "x", GRAY_16BIT)
    write_picture(results / "b.tif", waves(1, 1), PixelFormat(1))
    evaluation = lossmith.evaluate(results, test=targets)
    assert evaluation.failures == [f"image '{results / 'b.tif'}' holds values of uint8, not of uint16"]
    assert [*evaluation.scores] == ["a", "c"]


def blacken(masks: Path, column: int) -> Path:
    """Masks that are black from a column on."""
    masks.mkdir(exist_ok=True)
    for name in NAMES:
        white = (torch.arange(SIDE) < column).expand(1, SIDE, -1)
        write_picture(masks / f"{name}.png", white.float(), PixelFormat(1))
    return masks


@pytest.mark.parametrize("pixels", [RGB_8BIT, GRAY_16BIT], ids=str)
def test_what_a_mask_leaves_out_does_not_count(pixels: PixelFormat, tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", pixels)
    results = write_folder(tmp_path / "x", pixels, 0.01)
    masks = blacken(tmp_path / "masks", 30)
    scores = lossmith.evaluate(results, test=targets, mask=masks).scores
    for name in NAMES:
        one, other = (values(folder, name)[:, :30] for folder in (results, targets))
        theirs = peak_signal_noise_ratio(other, one, data_range=pixels.span)
        assert scores[name]["psnr"] == pytest.approx(theirs, abs=1e-6)  # scaled in float32
        whole = values(results, name).astype(pixels.dtype)
        whole[:, 30:] = 0
        tifffile.imwrite(results / f"{name}.tif", whole)
    evaluation = lossmith.evaluate(results, test=targets, mask=masks)
    assert evaluation.scores == scores
    assert evaluation.protocol_text.endswith("; invalid pixels do not count")


def test_nan_in_a_target_is_refused_or_does_not_count(tmp_path: Path) -> None:
    targets, results = write_folder(tmp_path / "targets", FLOATS), write_folder(tmp_path / "x", FLOATS, 0.01)
    holes = values(targets, "b").astype(np.float32)
    holes[3:5, 7] = np.nan
    tifffile.imwrite(targets / "b.tif", holes)
    evaluation = lossmith.evaluate(results, test=targets, range="0:1000")
    assert "b.tif' has 2 pixels of NaN or infinity; `nan=mask` leaves them out" in evaluation.failures[0]
    evaluation = lossmith.evaluate(results, test=targets, range="0:1000", nan="mask")
    errors = (values(results, "b") - holes) / 1000
    assert evaluation.scores["b"]["l2"] == pytest.approx(1000 * np.nanmean(errors**2), rel=1e-5)
    assert not evaluation.failures


# --- models ----------------------------------------------------------------------------------------------------


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    net = network("fcn", 1, 1)
    receipt = {"network": str(net), "scale": 1, "degradation": "noise(0.02, of=range)", "loss": "l1"}
    save_model(path, net, receipt | GRAY_16BIT.receipt_entries)
    return path


def test_a_model_is_tested_on_pictures_of_its_format(model: Path, tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", GRAY_16BIT)
    evaluation = lossmith.evaluate(model, test=targets)
    assert str(evaluation.protocol) == "gray, 16 bits, 0 to 65535, no crop"
    degraded = [row.scores["psnr"] for row in evaluation.rows if row.method == "degraded"]
    assert degraded == pytest.approx([-20 * np.log10(0.02)] * 3, abs=0.3)  # 1600 pixels of noise
    assert [row.method for row in evaluation.rows[3:]] == ["l1"] * 3


def test_given_degraded_pictures_are_scored_in_the_models_format(model: Path, tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", GRAY_16BIT)
    degraded = write_folder(tmp_path / "degraded", GRAY_16BIT, 0.02)
    evaluation = lossmith.evaluate(model, test=targets, degraded=degraded, mask=blacken(tmp_path / "m", 30))
    for row in evaluation.rows[:3]:
        one, other = (values(folder, row.image)[:, :30] for folder in (degraded, targets))
        assert row.scores["psnr"] == pytest.approx(peak_signal_noise_ratio(other, one, data_range=65535), abs=1e-4)


@pytest.mark.parametrize(
    ("pixels", "options", "sentence"),
    [
        (PixelFormat(1), {}, "holds values of uint8, and uint16 is asked for"),
        (PixelFormat(3, "uint16", 0, 65535), {}, "is RGB, and gray is asked for; `channels=1` makes gray of it"),
        (GRAY_16BIT, {"range": "0:9"}, "the range of the model's images is 0 to 65535; leave `range` out"),
        (
            GRAY_16BIT,
            {"channels": 3},
            "the model is for images of gray, 16 bits, 0 to 65535, not for `channels=3`",
        ),
        (
            GRAY_16BIT,
            {"match_histogram": True},
            "`match_histogram` is for images of 8 bits, and these are gray",
        ),
    ],
)
def test_what_does_not_fit_a_model_is_refused(
    pixels: PixelFormat, options: dict[str, Any], sentence: str, model: Path, tmp_path: Path
) -> None:
    assert sentence in refusal(model, test=write_folder(tmp_path / "targets", pixels), **options)


def test_a_model_for_other_pictures_than_photographs_asks_for_them(model: Path) -> None:
    assert refusal(model) == "the model is for gray, 16 bits, 0 to 65535; name such images with `test`"


def test_colors_are_converted_for_a_gray_model_when_asked_for(model: Path, tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", PixelFormat(3, "uint16", 0, 65535))
    assert lossmith.evaluate(model, test=targets, channels=1).protocol.pixels == GRAY_16BIT


def test_gray_pictures_are_three_equal_channels_to_an_8_bit_rgb_model(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, network("fcn"), {"network": "fcn", "scale": 1, "degradation": "noise(25)"})
    evaluation = lossmith.evaluate(path, test=write_folder(tmp_path / "targets", PixelFormat(1)))
    assert str(evaluation.protocol) == "RGB, no crop, rounded to 8 bits; of gray images one channel"


def test_a_model_without_a_receipt_takes_any_type_in_its_channels(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(network("rrdbnet(features=8, growth=4, blocks=1, scale=1)").state_dict(), path)
    targets = write_folder(tmp_path / "targets", GRAY_16BIT)
    evaluation = lossmith.evaluate(path, test=targets, degradation="noise(0.02, of=range)")
    assert str(evaluation.protocol) == "RGB, 16 bits, 0 to 65535, no crop; of gray images one channel"


# --- judge -----------------------------------------------------------------------------------------------------


def test_16_bit_results_are_judged(tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", GRAY_16BIT)
    old, new = (write_folder(tmp_path / name, GRAY_16BIT, noise) for name, noise in (("old", 2e-4), ("new", 1e-4)))
    judgment = lossmith.judge([old, new], test=targets, out=tmp_path / "out")
    assert str(judgment.protocol) == "gray, 16 bits, 0 to 65535, no crop"
    means = {
        method: np.mean([r.scores["psnr"] for r in judgment.rows if r.method == method])
        for method in ("old", "new")
    }
    # below one level of 8 bits, where both would be the target itself
    assert means == pytest.approx({"old": -20 * np.log10(2e-4), "new": -20 * np.log10(1e-4)}, abs=0.3)
    assert "gray, 16 bits, 0 to 65535, no crop" in judgment.report.read_text()


def test_8_channels_are_judged_by_what_takes_them(tmp_path: Path) -> None:
    pixels = PixelFormat(8, "uint16", 0, 65535)
    targets = write_folder(tmp_path / "targets", pixels)
    old, new = (write_folder(tmp_path / name, pixels, noise) for name, noise in (("old", 0.02), ("new", 0.01)))
    judgment = lossmith.judge([old, new], test=targets, out=tmp_path / "out")
    assert [*judgment.rows[0].scores] == ["psnr", "ssim", "ms_ssim", "l1", "l2"]
    assert judgment.advice.of("perception") is None
    assert not any("perception" in note for note in judgment.notes)


def test_other_masks_are_other_scores(tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", RGB_8BIT)
    old, new = (write_folder(tmp_path / name, RGB_8BIT, noise) for name, noise in (("old", 0.02), ("new", 0.01)))
    out = tmp_path / "out"
    every = lossmith.judge([old, new], test=targets, out=out).rows
    first = lossmith.judge([old, new], test=targets, mask=blacken(tmp_path / "m", 30), out=out)
    second = lossmith.judge([old, new], test=targets, mask=blacken(tmp_path / "m", 20), out=out)
    assert len({rows[0].scores["l1"] for rows in (every, first.rows, second.rows)}) == 3
    assert str(first.protocol) == "RGB, no crop, rounded to 8 bits; invalid pixels do not count"
    assert "--mask" in (out / "report.html").read_text()


def test_the_degraded_input_of_16_bits_is_enlarged_without_rounding(tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", GRAY_16BIT)
    (tmp_path / "small").mkdir()
    for name in NAMES:
        image = torch.from_numpy(values(targets, name))[None] / 65535
        small = lossmith.degradations.resize(image, 0.5)
        write_picture(tmp_path / "small" / f"{name}.tif", small, GRAY_16BIT)
    old, new = (write_folder(tmp_path / name, GRAY_16BIT, noise) for name, noise in (("old", 0.02), ("new", 0.01)))
    judgment = lossmith.judge([old, new], test=targets, degraded=tmp_path / "small", out=tmp_path / "out")
    assert str(judgment.protocol) == "gray, 16 bits, 0 to 65535, 2 px cropped from each side"
    [row] = [row for row in judgment.rows if (row.image, row.method) == ("a", "degraded")]
    small = torch.from_numpy(values(tmp_path / "small", "a"))[None] / 65535
    error = lossmith.degradations.resize(small, 2)[0].numpy() - values(targets, "a") / 65535
    assert row.scores["l1"] == pytest.approx(1000 * np.abs(error[2:-2, 2:-2]).mean(), rel=1e-4)


def test_it_is_repeated_by_the_command_on_the_page(tmp_path: Path) -> None:
    targets = write_folder(tmp_path / "targets", FLOATS)
    old, new = (write_folder(tmp_path / name, FLOATS, noise) for name, noise in (("old", 0.02), ("new", 0.01)))
    lossmith.judge([old, new], test=targets, range="0:1000", nan="mask", channels=1, out=tmp_path / "out")
    assert "--channels 1 --range 0:1000 --nan mask" in (tmp_path / "out" / "results.json").read_text()

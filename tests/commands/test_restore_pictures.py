"""`lossmith restore` with models for images that are not 8-bit RGB: what goes in comes out, with its metadata."""

import json
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from lossmith import LossmithError, export, restore
from lossmith.core.pixel_format import PixelFormat
from lossmith.models.model_file import save_model
from lossmith.networks import network
from lossmith.restoration import read_record

Values = NDArray[Any]
EIGHT = PixelFormat(8, "uint16", 0, 4095)
GRAY16 = PixelFormat.full_range(1, "uint16")
SCAN = PixelFormat(1, "float32", -1000, 3000)


def model_for(pixels: PixelFormat, path: Path, scale: int = 1, **receipt: object) -> nn.Module:
    """A model file of a network that changes its images a little."""
    torch.manual_seed(0)
    restorer = network("srresnet_small(features=4, blocks=1)", scale, pixels.channels)
    save_model(path, restorer, {"network": str(restorer), "scale": scale, **pixels.receipt_entries, **receipt})
    return restorer.eval()


def expected(restorer: nn.Module, values: Values, pixels: PixelFormat) -> Values:
    """What a model makes of values (H, W, C): on the scale of the range, and back in float64."""
    unit = torch.from_numpy((values.astype(np.float64) - pixels.low) / (pixels.high - pixels.low)).float()
    with torch.no_grad():
        restored = restorer(unit.permute(2, 0, 1)[None])[0].permute(1, 2, 0)
    result: Values = restored.double().numpy() * (pixels.high - pixels.low) + pixels.low
    if pixels.holds_integers:
        limits = np.iinfo(pixels.dtype)
        return np.clip(result, limits.min, limits.max)
    return result


def noise(*shape: int, dtype: str, low: float, high: float) -> Values:
    return np.random.default_rng(0).uniform(low, high, shape).astype(dtype)


def write_tiff(path: Path, values: Values, **options: Any) -> None:
    """Values (H, W) or (H, W, C) in one page."""
    channels = values.shape[2] if values.ndim == 3 else 1
    layout: dict[str, Any] = {"photometric": "rgb" if channels == 3 else "minisblack"}
    tifffile.imwrite(path, values, **layout, **({"planarconfig": "contig"} if channels > 1 else {}), **options)


def tags_of(path: Path) -> dict[str, Any]:
    with tifffile.TiffFile(path) as tiff:
        return {tag.name: tag.value for tag in tiff.pages[0].tags}


# --- in and out ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pixels", "ending"),
    [
        (GRAY16, ".png"),
        (GRAY16, ".tif"),
        (PixelFormat(1, "uint16", 0, 4095), ".png"),
        (PixelFormat.full_range(3, "uint16"), ".tif"),
        (EIGHT, ".tif"),
        (EIGHT, ".npy"),
        (PixelFormat.full_range(2, "int16"), ".tif"),
        (PixelFormat(4, "uint8", 0, 200), ".tif"),
        (SCAN, ".tif"),
        (SCAN, ".npy"),
        (PixelFormat(5, "float64", 0, 1), ".tif"),
        (PixelFormat(1, "uint32", 0, 1e6), ".tif"),
    ],
    ids=str,
)
def test_a_result_has_the_type_and_the_range_of_its_image(
    pixels: PixelFormat, ending: str, tmp_path: Path
) -> None:
    restorer = model_for(pixels, tmp_path / "m.safetensors")
    values = noise(40, 30, pixels.channels, dtype=pixels.dtype, low=pixels.low, high=pixels.high)
    image = tmp_path / f"a{ending}"
    if ending == ".png":
        Image.fromarray(values[..., 0]).save(image)
    elif ending == ".npy":
        np.save(image, values.squeeze())
    else:
        write_tiff(image, values.squeeze())
    (result,) = restore(image, model=tmp_path / "m.safetensors", out=tmp_path / "out").results
    assert result.name == f"a{ending}"
    readers: Any = {".png": lambda path: np.asarray(Image.open(path)), ".npy": np.load, ".tif": tifffile.imread}
    restored = readers[ending](result)
    assert restored.dtype == pixels.dtype
    # float32 in the network, and a rounding of whole numbers
    tolerance = (0.5 if pixels.holds_integers else 0) + 2e-6 * (pixels.high - pixels.low)
    np.testing.assert_allclose(
        restored.reshape(values.shape).astype(np.float64), expected(restorer, values, pixels), atol=tolerance
    )


def test_values_outside_of_the_range_stay_outside(tmp_path: Path) -> None:
    restorer = model_for(SCAN, tmp_path / "m.safetensors")
    values = noise(20, 20, 1, dtype="float32", low=-5000, high=9000)
    write_tiff(tmp_path / "a.tif", values[..., 0])
    (result,) = restore(tmp_path / "a.tif", model=tmp_path / "m.safetensors", out=tmp_path / "out").results
    np.testing.assert_allclose(tifffile.imread(result)[..., None], expected(restorer, values, SCAN), atol=0.05)
    assert tifffile.imread(result).min() < -4000


def test_tiles_of_a_picture_equal_the_network_on_the_whole(tmp_path: Path) -> None:
    restorer = model_for(EIGHT, tmp_path / "m.safetensors", 2)
    values = noise(150, 130, 8, dtype="uint16", low=0, high=4095)
    write_tiff(tmp_path / "a.tif", values)
    options: dict[str, Any] = {"model": tmp_path / "m.safetensors", "out": tmp_path / "out"}
    outcome = restore(tmp_path / "a.tif", **options, memory=5e-3, verify=True)
    assert " tiles that see " in str(outcome)
    whole = expected(restorer, values, EIGHT)
    assert np.abs(tifffile.imread(tmp_path / "out" / "a.tif") - whole).max() <= 0.51
    assert restore(tmp_path / "a.tif", **options).skipped == [tmp_path / "out" / "a.tif"]


def test_a_result_may_be_resized(tmp_path: Path) -> None:
    model_for(EIGHT, tmp_path / "m.safetensors", 2)
    write_tiff(tmp_path / "a.tif", np.full((24, 32, 8), 1000, np.uint16))
    options: dict[str, Any] = {"model": tmp_path / "m.safetensors", "out": tmp_path / "out"}
    restore(tmp_path / "a.tif", **options, scale_to=1.5)
    assert tifffile.imread(tmp_path / "out" / "a.tif").shape == (36, 48, 8)


# --- metadata --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2])
def test_the_resolution_of_a_tiff_becomes_that_of_the_result_in_its_unit(scale: int, tmp_path: Path) -> None:
    model_for(GRAY16, tmp_path / "m.safetensors", scale)
    values = noise(20, 30, dtype="uint16", low=0, high=65535)
    tifffile.imwrite(tmp_path / "a.tif", values, imagej=True, resolution=(4.0, 5.0), metadata={"unit": "um"})
    outcome = restore(tmp_path / "a.tif", model=tmp_path / "m.safetensors", out=tmp_path / "out")
    with tifffile.TiffFile(outcome.results[0]) as tiff:
        page: Any = tiff.pages[0]
        assert (page.tags["ResolutionUnit"].value, page.shape) == (1, (20 * scale, 30 * scale))
        assert page.get_resolution() == (4.0 * scale, 5.0 * scale)
        assert dict(tiff.imagej_metadata or {})["unit"] == "um"
    assert not any("resolution" in note for note in outcome.changes)
    assert read_record(outcome.results[0])["image"] == "a.tif"  # type: ignore[index]


@pytest.mark.parametrize("scale", [1, 2])
def test_a_description_is_kept_beside_the_one_that_tifffile_adds(scale: int, tmp_path: Path) -> None:
    model_for(GRAY16, tmp_path / "model.safetensors", scale)
    write_tiff(tmp_path / "a.tif", noise(20, 24, dtype="uint16", low=0, high=9000), description="Sample 4, DAPI")
    restore(tmp_path / "a.tif", model=tmp_path / "model.safetensors", out=tmp_path / "out")
    assert tags_of(tmp_path / "out" / "a.tif")["ImageDescription"] == "Sample 4, DAPI"


@pytest.mark.parametrize("scale", [1, 2])
def test_ome_tiff_stays_ome_tiff(scale: int, tmp_path: Path) -> None:
    model_for(EIGHT, tmp_path / "m.safetensors", scale)
    planes = noise(8, 20, 30, dtype="uint16", low=0, high=4095)
    axes = {"axes": "CYX", "PhysicalSizeX": 0.5, "PhysicalSizeXUnit": "µm", "Channel": {"Name": [*"abcdefgh"]}}
    tifffile.imwrite(tmp_path / "a.ome.tif", planes, ome=True, photometric="minisblack", metadata=axes)
    (result,) = restore(tmp_path / "a.ome.tif", model=tmp_path / "m.safetensors", out=tmp_path / "out").results
    with tifffile.TiffFile(result) as tiff:
        assert len(tiff.pages) == 8
        (series,) = tiff.series
        assert (series.axes, series.shape, series.dtype) == ("CYX", (8, 20 * scale, 30 * scale), np.uint16)
        xml = str(tiff.ome_metadata)
        assert tiff.asarray().shape == (8, 20 * scale, 30 * scale)
    assert f'SizeX="{30 * scale}"' in xml
    assert f'PhysicalSizeX="{0.5 / scale}"' in xml
    assert 'Name="h"' in xml


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_a_stated_range_stays_stated(byteorder: Literal["<", ">"], tmp_path: Path) -> None:
    model_for(SCAN, tmp_path / "m.safetensors")
    values = noise(20, 30, dtype="float32", low=-1000, high=3000)
    stated = [(340, "f", 1, -1000.0, False), (341, "f", 1, 3000.0, False)]
    write_tiff(
        tmp_path / "a.tif",
        values,
        extratags=stated,
        description="slice of a scan",
        metadata=None,
        byteorder=byteorder,
    )
    (result,) = restore(tmp_path / "a.tif", model=tmp_path / "m.safetensors", out=tmp_path / "out").results
    tags = tags_of(result)
    assert (tags["SMinSampleValue"], tags["SMaxSampleValue"]) == (-1000.0, 3000.0)
    assert tags["ImageDescription"] == "slice of a scan"


def test_a_turned_picture_comes_out_upright(tmp_path: Path) -> None:
    restorer = model_for(EIGHT, tmp_path / "m.safetensors")
    values = noise(20, 30, 8, dtype="uint16", low=0, high=4095)
    turned = [(274, "H", 1, 6, False)]  # to be shown turned clockwise
    write_tiff(tmp_path / "a.tif", values, extratags=turned, resolution=(4.0, 5.0), metadata=None)
    (result,) = restore(tmp_path / "a.tif", model=tmp_path / "m.safetensors", out=tmp_path / "out").results
    upright = np.ascontiguousarray(np.rot90(values, -1))
    np.testing.assert_allclose(tifffile.imread(result), expected(restorer, upright, EIGHT), atol=0.51)
    with tifffile.TiffFile(result) as tiff:
        page: Any = tiff.pages[0]
        assert page.get_resolution() == (5.0, 4.0)
        assert 274 not in page.tags


def test_png_keeps_its_metadata(tmp_path: Path) -> None:
    model_for(GRAY16, tmp_path / "m.safetensors")
    exif = Image.Exif()
    exif[0x010F] = "A camera"
    values = noise(20, 30, dtype="uint16", low=0, high=65535)
    Image.fromarray(values).save(tmp_path / "a.png", exif=exif, dpi=(300, 300))
    (result,) = restore(tmp_path / "a.png", model=tmp_path / "m.safetensors", out=tmp_path / "out").results
    with Image.open(result) as image:
        assert (image.mode, image.getexif()[0x010F]) == ("I;16", "A camera")
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.01)


def test_the_record_of_an_array_stands_behind_it(tmp_path: Path) -> None:
    model_for(EIGHT, tmp_path / "m.safetensors")
    np.save(tmp_path / "a.npy", noise(20, 30, 8, dtype="uint16", low=0, high=4095))
    options: dict[str, Any] = {"model": tmp_path / "m.safetensors", "out": tmp_path / "out"}
    (result,) = restore(tmp_path / "a.npy", **options).results
    record = read_record(result)
    assert record is not None
    assert record["image"] == "a.npy"
    assert np.load(result, mmap_mode="r").shape == (20, 30, 8)
    assert restore(tmp_path / "a.npy", **options).skipped == [result]


# --- other models' images --------------------------------------------------------------------------------------


def refusal(tmp_path: Path, values: Values, pixels: PixelFormat, name: str = "a.tif") -> str:
    model_for(pixels, tmp_path / "m.safetensors")
    if name.endswith(".png"):
        Image.fromarray(values).save(tmp_path / name)
    else:
        write_tiff(tmp_path / name, values)
    outcome = restore(tmp_path / name, model=tmp_path / "m.safetensors", out=tmp_path / "out")
    assert not outcome.results
    assert not [*(tmp_path / "out").glob("*")]
    (failure,) = outcome.failures
    return failure.replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("values", "pixels", "both"),
    [
        (np.zeros((9, 9), np.uint8), GRAY16, "gray of uint8, and the model is for gray of uint16"),
        (np.zeros((9, 9), np.float32), GRAY16, "gray of float32, and the model is for gray of uint16"),
        (np.zeros((9, 9, 3), np.uint16), GRAY16, "RGB of uint16, and the model is for gray of uint16"),
        (np.zeros((9, 9, 5), np.uint16), EIGHT, "5 channels of uint16, and the model is for 8 channels of uint16"),
        (np.zeros((9, 9, 3), np.uint8), PixelFormat(1), "RGB of uint8, and the model is for gray of uint8"),
        (np.zeros((9, 9), np.uint16), PixelFormat(1), "gray of uint16, and the model is for gray of uint8"),
    ],
)
def test_images_of_other_channels_or_another_type_are_refused(
    values: Values, pixels: PixelFormat, both: str, tmp_path: Path
) -> None:
    advice = "; convert it, or take another model"
    assert refusal(tmp_path, values, pixels) == f"image '/a.tif' is {both}{advice}"


def test_a_gray_model_of_8_bits_takes_gray_images_with_transparency(tmp_path: Path) -> None:
    model_for(PixelFormat(1), tmp_path / "m.safetensors")
    Image.fromarray(noise(20, 30, 2, dtype="uint8", low=0, high=255), "LA").save(tmp_path / "a.png")
    (result,) = restore(tmp_path / "a.png", model=tmp_path / "m.safetensors", out=tmp_path / "out").results
    assert Image.open(result).mode == "LA"


def test_nan_pixels_are_refused(tmp_path: Path) -> None:
    values = np.zeros((9, 9), np.float32)
    values[2, 3:5] = np.nan
    assert "has 2 pixels of NaN or infinity; give them values first" in refusal(tmp_path, values, SCAN)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "png"}, r"^results of 8 channels, 16 bits, 0 to 4095 go into `format` tiff or npy, not png$"),
        ({"format": "jpeg"}, r"go into `format` tiff or npy, not jpeg$"),
        ({"bits": "8"}, r"^`bits` is for models of 8 bits; results of this one have uint16$"),
        (
            {"match_histogram": True},
            r"^`match_histogram` is for 8-bit gray and RGB, and the model is for 8",
        ),
    ],
)
def test_options_that_such_models_have_no_use_for_are_refused(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    model_for(EIGHT, tmp_path / "m.safetensors")
    np.save(tmp_path / "a.npy", np.zeros((20, 30, 8), np.uint16))
    with pytest.raises(LossmithError, match=message):
        restore(tmp_path / "a.npy", model=tmp_path / "m.safetensors", out=tmp_path / "out", **options)


def test_arrays_are_not_results_of_8_bit_models(tmp_path: Path) -> None:
    model_for(PixelFormat(), tmp_path / "m.safetensors")
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(LossmithError, match=r"^results of RGB, 8 bits go into `format` png or jpeg or"):
        restore(tmp_path / "a.png", model=tmp_path / "m.safetensors", out=tmp_path / "out", format="npy")


def test_models_of_two_formats_are_not_shown_side_by_side(tmp_path: Path) -> None:
    model_for(GRAY16, tmp_path / "a.safetensors")
    model_for(PixelFormat(1), tmp_path / "b.safetensors")
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(tmp_path / "a.png")
    models = [tmp_path / "a.safetensors", tmp_path / "b.safetensors"]
    with pytest.raises(LossmithError, match=r"^model 'a' is for gray, 16 bits, 0 to 65535, and 'b' for gray, 8"):
        restore(tmp_path / "a.png", model=models, out=tmp_path / "out")


# --- beside each other, and as a graph -------------------------------------------------------------------------


def test_the_page_shows_pictures_in_a_stated_window(tmp_path: Path) -> None:
    model_for(EIGHT, tmp_path / "m.safetensors")
    np.save(tmp_path / "a.npy", noise(40, 30, 8, dtype="uint16", low=100, high=300))
    outcome = restore(tmp_path / "a.npy", model=tmp_path / "m.safetensors", out=tmp_path / "out", page=True)
    assert outcome.page is not None
    text = outcome.page.read_text()
    assert "8 channels, 16 bits, 0 to 4095" in text
    assert "(black)" in text


def test_an_exported_graph_of_8_channels_restores_the_same(tmp_path: Path) -> None:
    model_for(EIGHT, tmp_path / "eight.safetensors")
    outcome = export(tmp_path / "eight.safetensors", out=tmp_path / "exported")
    graph = next(path for path in outcome.files if path.suffix == ".onnx")
    write_tiff(tmp_path / "a.tif", noise(40, 30, 8, dtype="uint16", low=0, high=4095))
    results = [
        restore(tmp_path / "a.tif", model=model, out=tmp_path / f"out-{n}").results[0]
        for n, model in enumerate((tmp_path / "eight.safetensors", graph))
    ]
    ours, theirs = (tifffile.imread(path).astype(int) for path in results)
    assert np.abs(ours - theirs).max() <= 1  # where a value lies between two
    gray = np.zeros((9, 9), np.uint16)
    tifffile.imwrite(tmp_path / "gray.tif", gray)
    refused = restore(tmp_path / "gray.tif", model=graph, out=tmp_path / "out-0").failures
    assert "is gray of uint16, and the model is for 8 channels of uint16" in refused[0]
    said = onnx.load(graph).doc_string
    assert said == "For images of 8 channels, 16 bits, 0 to 4095: 0 is 0 and 4095 is 1 in input and output."
    card = json.loads(next(path for path in outcome.files if path.suffix == ".json").read_text())
    assert (card["inputChannels"], card["outputChannels"]) == (8, 8)
    assert card["pixels"] == {"channels": 8, "dtype": "uint16", "low": 0, "high": 4095}
    assert "8 channels, 16 bits, 0 to 4095" in card["description"]

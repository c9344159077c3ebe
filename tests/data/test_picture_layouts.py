"""Layouts of files: axes, orientation, white that is zero, smaller copies; and what they say beside the pixels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import (
    PictureMetadata,
    read_picture,
    read_picture_header,
    read_picture_headers,
    read_picture_metadata,
    write_picture,
)

RNG = np.random.default_rng(0)
PLANES = RNG.integers(0, 65536, (5, 20, 24), dtype=np.uint16)
RGB16 = RNG.integers(0, 65536, (20, 24, 3), dtype=np.uint16)
GRAY16 = PixelFormat.full_range(1, "uint16")


def read(path: Path, channels: int, dtype: str = "uint16") -> np.ndarray:
    """The values of a file, (C, H, W)."""
    return read_picture(path, PixelFormat(channels, dtype, 0, 1)).numpy()


# --- axes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"},
        {"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack", "compression": "zlib"},
        {"imagej": True, "metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "CYX"}, "truncate": True},
        {"metadata": {"axes": "CYX"}, "photometric": "minisblack"},
        {"planarconfig": "separate", "photometric": "minisblack"},
    ],
)
def test_planes_that_are_said_to_be_channels_are(tmp_path: Path, options: dict[str, Any]) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PLANES, **options)
    header = read_picture_header(tmp_path / "a.tif")
    assert (header.size, header.channels, str(header)) == ((20, 24), 5, "5 channels of uint16")
    assert np.array_equal(read(tmp_path / "a.tif", 5), PLANES)


def test_axes_of_length_one_are_not_a_stack(tmp_path: Path) -> None:
    options = {"ome": True, "metadata": {"axes": "TZCYX"}, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", PLANES[None, None], **options)
    assert np.array_equal(read(tmp_path / "a.ome.tif", 5), PLANES)


def test_ome_with_colors_is_rgb(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.ome.tif", RGB16, ome=True, photometric="rgb")
    assert np.array_equal(read(tmp_path / "a.ome.tif", 3), RGB16.transpose(2, 0, 1))


def test_each_file_of_a_set_of_ome_is_a_picture(tmp_path: Path) -> None:
    names = ["urn:uuid:00000000-0000-0000-0000-00000000000" + digit for digit in "12"]
    parts = "".join(
        f'<TiffData FirstC="{c}" IFD="0" PlaneCount="1"><UUID FileName="{c}.ome.tif">{name}</UUID></TiffData>'
        for c, name in enumerate(names)
    )
    size = 'SizeX="24" SizeY="20" SizeC="2" SizeZ="1" SizeT="1"'
    for c, name in enumerate(names):
        xml = (
            f'<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" UUID="{name}"><Image ID="Image:0">'
            f'<Pixels ID="Pixels:0" DimensionOrder="XYCZT" Type="uint16" {size}><Channel ID="Channel:0:0"/>'
            f'<Channel ID="Channel:0:1"/>{parts}</Pixels></Image></OME>'
        )
        tifffile.imwrite(tmp_path / f"{c}.ome.tif", PLANES[c], metadata=None, description=xml)
    for c in range(2):
        assert np.array_equal(read(tmp_path / f"{c}.ome.tif", 1)[0], PLANES[c])


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1)])
def test_small_pictures(tmp_path: Path, shape: tuple[int, int]) -> None:
    array = RNG.integers(0, 65536, shape, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", array)
    np.save(tmp_path / "a.npy", array)
    for name in ("a.tif", "a.npy"):
        assert np.array_equal(read(tmp_path / name, 1)[0], array)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_the_orientation_of_a_deep_tiff_is_applied(
    tmp_path: Path, orientation: int, compression: str | None
) -> None:
    turn = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: np.rot90(np.fliplr(a)),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(np.fliplr(a), -1),
        8: np.rot90,
    }[orientation]
    tag = (274, 3, 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", RGB16, photometric="rgb", compression=compression, extratags=[tag])
    expected = turn(RGB16)
    assert read_picture_header(tmp_path / "a.tif").size == expected.shape[:2]
    assert np.array_equal(read(tmp_path / "a.tif", 3), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
def test_white_is_zero_is_inverted(tmp_path: Path, dtype: str) -> None:
    array = RNG.integers(0, 256, (20, 24)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="miniswhite")
    inverted = (np.iinfo(dtype).max - array).astype(np.float32 if dtype == "uint32" else dtype)
    assert np.array_equal(read(tmp_path / "a.tif", 1, dtype)[0], inverted)


def test_smaller_copies_of_a_picture_are_passed_over(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(PLANES[0], metadata=None)
        file.write(PLANES[0, ::2, ::2], subfiletype=1, metadata=None)
    headers = read_picture_headers([tmp_path / "a.tif"])
    assert "only the main one is read: 'a.tif'" in headers.remarks[0]
    assert np.array_equal(read(tmp_path / "a.tif", 1)[0], PLANES[0])


def test_fewer_than_8_bits_of_gray_are_8(tmp_path: Path) -> None:
    Image.fromarray(np.arange(16, dtype=np.uint8)[None] * 17).save(tmp_path / "a.png", bits=4)
    assert read_picture_header(tmp_path / "a.png").dtype == "uint8"


def test_16_bits_are_read_without_a_remark(tmp_path: Path) -> None:
    Image.fromarray(PLANES[0]).save(tmp_path / "a.png")
    assert read_picture_headers([tmp_path / "a.png"]).remarks == ()
    assert np.array_equal(read(tmp_path / "a.png", 1)[0], PLANES[0])


# --- channels --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_gray_becomes_three_equal_channels(tmp_path: Path, dtype: str) -> None:
    array = RNG.integers(0, 256, (20, 24)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", array)
    assert np.array_equal(read(tmp_path / "a.tif", 3, dtype), np.stack([array] * 3))


def test_color_becomes_luma_as_pillow_computes_it(tmp_path: Path) -> None:
    array = RNG.integers(0, 256, (200, 240, 3), dtype=np.uint8)
    image = Image.fromarray(array)
    image.save(tmp_path / "a.png")
    gray = read_picture(tmp_path / "a.png", PixelFormat(1)).numpy()[0].astype(int)
    difference = gray - np.asarray(image.convert("L"))
    assert abs(difference).max() <= 1  # Pillow's weights have 16 bits
    assert (difference != 0).mean() < 0.001


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_the_luma_of_gray_in_three_channels_is_that_gray(tmp_path: Path, dtype: str) -> None:
    array = np.arange(256).astype(dtype).reshape(16, 16)
    tifffile.imwrite(tmp_path / "a.tif", np.dstack([array] * 3), photometric="rgb")
    assert np.allclose(read(tmp_path / "a.tif", 1, dtype)[0], array, rtol=1e-7, atol=0)


# --- metadata --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_the_resolution_goes_from_file_to_file(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(PLANES[0]).save(tmp_path / f"a.{suffix}", dpi=(300, 150))
    metadata = read_picture_metadata(tmp_path / f"a.{suffix}")
    picture = GRAY16.to_unit(read_picture(tmp_path / f"a.{suffix}", GRAY16))
    for other in ("png", "tif"):
        write_picture(tmp_path / f"b.{other}", picture, GRAY16, metadata)
        with Image.open(tmp_path / f"b.{other}") as image:
            assert image.info["dpi"] == pytest.approx((300, 150), abs=0.02)  # PNG counts pixels per meter
    twice = picture.repeat_interleave(2, 1).repeat_interleave(2, 2)
    write_picture(tmp_path / "c.tif", twice, GRAY16, metadata)
    with Image.open(tmp_path / "c.tif") as image:
        assert image.info["dpi"] == pytest.approx((600, 300), abs=0.04)


def test_the_resolution_of_a_turned_picture_is_that_of_the_upright_one(tmp_path: Path) -> None:
    turned = [(274, "H", 1, 6, False)]
    tifffile.imwrite(tmp_path / "a.tif", PLANES[0], resolution=(300, 150), resolutionunit="INCH", extratags=turned)
    metadata = read_picture_metadata(tmp_path / "a.tif")
    assert (metadata.size, metadata.resolution) == ((24, 20), (150, 300))


def test_ome_goes_from_file_to_file(tmp_path: Path) -> None:
    names = ["DAPI", "GFP", "RFP", "Cy5", "µ"]
    said = {"axes": "CYX", "PhysicalSizeX": 0.25, "PhysicalSizeXUnit": "µm", "Channel": {"Name": names}}
    tifffile.imwrite(tmp_path / "a.ome.tif", PLANES, ome=True, metadata=said, photometric="minisblack")
    pixels = PixelFormat.full_range(5, "uint16")
    picture = pixels.to_unit(read_picture(tmp_path / "a.ome.tif", pixels))
    metadata = read_picture_metadata(tmp_path / "a.ome.tif")
    write_picture(tmp_path / "b.ome.tif", picture, pixels, metadata)
    twice = picture.repeat_interleave(2, 1).repeat_interleave(2, 2)
    write_picture(tmp_path / "c.ome.tif", twice, pixels, metadata)
    for name, size, step in (("b", (20, 24), 0.25), ("c", (40, 48), 0.125)):
        with tifffile.TiffFile(tmp_path / f"{name}.ome.tif") as file:
            assert (file.series[0].kind, file.series[0].axes, file.series[0].shape) == ("ome", "CYX", (5, *size))
            written = tifffile.xml2dict(file.ome_metadata)["OME"]["Image"]["Pixels"]
        assert [channel["Name"] for channel in written["Channel"]] == names
        assert (written["SizeY"], written["SizeX"], written["Type"]) == (*size, "uint16")
        assert (written["PhysicalSizeX"], written["PhysicalSizeXUnit"]) == (step, "µm")
    assert np.array_equal(tifffile.imread(tmp_path / "b.ome.tif"), PLANES)
    assert np.array_equal(read(tmp_path / "c.ome.tif", 5), np.kron(PLANES, np.ones((1, 2, 2), np.uint16)))


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_three_channels_of_a_microscope_stay_three_pages(tmp_path: Path, kind: str) -> None:
    options = {kind: True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.tif", PLANES[:3], **options)
    pixels = PixelFormat.full_range(3, "uint16")
    picture = pixels.to_unit(read_picture(tmp_path / "a.tif", pixels))
    write_picture(tmp_path / "b.tif", picture, pixels, read_picture_metadata(tmp_path / "a.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.series[0].kind, file.series[0].axes, len(file.pages)) == (kind, "CYX", 3)
        assert np.array_equal(file.asarray(), PLANES[:3])
    assert np.array_equal(read(tmp_path / "b.tif", 3), PLANES[:3])


@pytest.mark.parametrize("kind", ["ome", "imagej"])
def test_rgb_of_a_microscope_stays_rgb(tmp_path: Path, kind: str) -> None:
    array = (RGB16 >> 8).astype(np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", array, **{kind: True}, photometric="rgb")
    pixels = PixelFormat()
    picture = pixels.to_unit(read_picture(tmp_path / "a.tif", pixels))
    write_picture(tmp_path / "b.tif", picture, pixels, read_picture_metadata(tmp_path / "a.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert (file.series[0].kind, file.series[0].axes, len(file.pages)) == (kind, "YXS", 1)
    assert np.array_equal(read(tmp_path / "b.tif", 3, "uint8"), array.transpose(2, 0, 1))


def test_damaged_ome_is_left_out(tmp_path: Path) -> None:
    metadata = PictureMetadata((20, 24), description="<OME><Pixels></OME>", paged=True)
    write_picture(tmp_path / "a.tif", torch.rand(3, 20, 24), PixelFormat(), metadata)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (file.series[0].axes, file.pages[0].description) == ("YXS", "")


def test_ome_of_other_channels_is_left_out(tmp_path: Path) -> None:
    options = {"metadata": {"axes": "CYX"}, "photometric": "minisblack"}
    tifffile.imwrite(tmp_path / "a.ome.tif", PLANES, ome=True, **options)
    write_picture(tmp_path / "b.tif", torch.rand(1, 20, 24), GRAY16, read_picture_metadata(tmp_path / "a.ome.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert not file.is_ome
        assert file.pages[0].description == ""


@pytest.mark.parametrize("channels", [1, 5])
def test_imagejs_lines_go_from_file_to_file(tmp_path: Path, channels: int) -> None:
    said = {"axes": "CYX", "unit": "micron", "min": 3.0, "max": 900.0}
    options = {"resolution": (4, 4), "resolutionunit": "none"}
    tifffile.imwrite(tmp_path / "a.tif", PLANES[:channels], imagej=True, metadata=said, **options)
    pixels = PixelFormat.full_range(channels, "uint16")
    picture = pixels.to_unit(read_picture(tmp_path / "a.tif", pixels))
    write_picture(tmp_path / "b.tif", picture, pixels, read_picture_metadata(tmp_path / "a.tif"))
    with tifffile.TiffFile(tmp_path / "b.tif") as file:
        assert file.imagej_metadata["unit"] == "micron"
        assert (file.imagej_metadata["min"], file.imagej_metadata["max"]) == (3, 900)
        assert file.imagej_metadata.get("channels", 1) == channels
        assert file.pages[0].tags.valueof("XResolution") == (4, 1)
        assert file.pages[0].tags.valueof("ResolutionUnit") == 1
    assert np.array_equal(read(tmp_path / "b.tif", channels), PLANES[:channels])


def test_floats_state_their_range(tmp_path: Path) -> None:
    for channels in (1, 3, 5):
        pixels = PixelFormat(channels, "float32", -0.1, 2.7)
        write_picture(tmp_path / "a.tif", torch.rand(channels, 20, 24), pixels)
        assert read_picture_header(tmp_path / "a.tif").stated_range == (-0.1, 2.7)


def test_a_description_of_tifffile_about_shape_is_not_taken_along(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PLANES[0])
    assert read_picture_metadata(tmp_path / "a.tif") == PictureMetadata((20, 24), (1, 1), "none")


@pytest.mark.parametrize(
    ("name", "image", "pixels", "sentence"),
    [
        ("a.png", torch.rand(5, 4, 4), PixelFormat(5), r"must end in .tif or .tiff to hold 5 channels, 8 bits"),
        ("a.jpg", torch.rand(1, 4, 4), GRAY16, r"must end in .png or .tif or .tiff to hold gray, 16"),
        ("a.tif", torch.rand(3, 4, 4), GRAY16, r"must be \(1, H, W\), not \(3, 4, 4\)"),
        ("a.tif", torch.rand(1, 4), GRAY16, r"must be \(1, H, W\), not \(1, 4\)"),
        ("a.tif", torch.full((1, 4, 4), torch.nan), GRAY16, "was not written because it holds NaN"),
        (
            "a.tif",
            torch.zeros(1, 4, 4, dtype=torch.int16),
            GRAY16,
            "must be floats on the scale",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(
    tmp_path: Path, name: str, image: torch.Tensor, pixels: PixelFormat, sentence: str
) -> None:
    with pytest.raises(LossmithError, match=sentence):
        write_picture(tmp_path / name, image, pixels)
    assert not list(tmp_path.iterdir())

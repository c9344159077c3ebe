"""Pictures that are not read are refused in one sentence, by the header where it can tell."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import find_images, read_picture, read_picture_header, read_picture_headers

RNG = np.random.default_rng(0)
COLORS = RNG.integers(0, 256, (20, 24, 3), dtype=np.uint8)
GRAYS = COLORS[..., 0]
PLANES = RNG.integers(0, 65536, (5, 20, 24), dtype=np.uint16)
GRAY = {"photometric": "minisblack"}


def by_tifffile(array: np.ndarray, **options: Any) -> Callable[[Path], None]:
    return lambda path: tifffile.imwrite(path, array, **options)


def by_pillow(image: Image.Image, **options: Any) -> Callable[[Path], None]:
    return lambda path: image.save(path, **options)


def by_numpy(array: np.ndarray) -> Callable[[Path], None]:
    return lambda path: np.save(path, array)


FILES: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "pages": (
        "a.tif",
        by_tifffile(PLANES, **GRAY),
        r"a stack of 5 images \(pages\).*save them with .*CYX",
    ),
    "channels last, unsaid": (
        "a.tif",
        by_tifffile(PLANES.transpose(1, 2, 0), **GRAY),
        r"a stack of 20 images \(pages\).*save them with `planarconfig='contig'`",
    ),
    "depths of OME": ("a.tif", by_tifffile(PLANES, ome=True, metadata={"axes": "ZYX"}), r"5 images \(depths\)"),
    "times of ImageJ": (
        "a.tif",
        by_tifffile(PLANES, imagej=True, metadata={"axes": "TYX"}),
        r"5 images \(times\)",
    ),
    "times and channels": (
        "a.tif",
        by_tifffile(PLANES[None].repeat(2, 0), ome=True, metadata={"axes": "TCYX"}),
        r"2 images \(times\)",
    ),
    "a stack in one page": (
        "a.tif",
        by_tifffile(PLANES, imagej=True, truncate=True, metadata={"axes": "ZYX"}),
        "a stack of 5 images",
    ),
    "CMYK": ("a.tif", by_pillow(Image.fromarray(COLORS).convert("CMYK")), "is in CMYK, for print"),
    "CMYK in JPEG": ("a.jpg", by_pillow(Image.fromarray(COLORS).convert("CMYK")), "is in CMYK, for print"),
    "CIELab": (
        "a.tif",
        by_pillow(Image.fromarray(COLORS).convert("LAB")),
        "is a TIFF in CIELab; convert it",
    ),
    "1 bit": ("a.png", by_pillow(Image.fromarray(GRAYS > 99)), "is black and white, of 1 bit; convert it"),
    "1 bit in TIFF": (
        "a.tif",
        by_tifffile(GRAYS > 99),
        "is black and white, of 1 bit; convert it",
    ),
    "1 bit of NumPy": ("a.npy", by_numpy(GRAYS > 99), "is black and white, of 1 bit; convert it"),
    "64 bits": ("a.npy", by_numpy(GRAYS.astype("i8")), "holds values of int64; uint8, uint16, .* are read"),
    "complex": ("a.tif", by_tifffile(GRAYS.astype("c8")), "holds values of complex64; uint8, uint16,"),
    "a cube": (
        "a.npy",
        by_numpy(np.zeros((4, 5, 4))),
        "is an array of 4 x 5 x 4, which leaves open",
    ),
    "four axes": ("a.npy", by_numpy(np.zeros((1, 4, 5, 3))), r"is an array of 1 x 4 x 5 x 3; save \(H, W\), "),
    "objects": ("a.npy", by_numpy(np.array([{}])), "is truncated or damaged"),
    "white is zero, signed": (
        "a.tif",
        by_tifffile(GRAYS.astype("i2"), photometric="miniswhite"),
        "has 0 for white in values of int16; save it with 0 for black",
    ),
    "several pictures": (
        "a.gif",
        by_pillow(Image.fromarray(GRAYS), save_all=True, append_images=[Image.fromarray(255 - GRAYS)]),
        "holds several images",
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_headers_tell(tmp_path: Path, case: str) -> None:
    name, write, sentence = FILES[case]
    write(tmp_path / name)
    with pytest.raises(LossmithError, match=f"^image '{tmp_path / name}' .*{sentence}"):
        read_picture_header(tmp_path / name)
    with pytest.raises(LossmithError, match=sentence):
        read_picture(tmp_path / name, PixelFormat.full_range(1, "uint16"))


STACKS = [
    ("YX", (5,), "ZYX", {}),
    ("YX", (2, 3), "TZYX", {}),
    ("CYX", (3,), "TCYX", {}),
    ("CYX", (2, 3), "TZCYX", {}),
    ("YXS", (3,), "ZYXS", {"photometric": "rgb"}),
    ("YXS", (2,), "CYXS", {"photometric": "rgb"}),
]


@pytest.mark.parametrize(("picture_axes", "counts", "axes", "options"), STACKS)
def test_stacks_are_split_as_the_sentence_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    picture_axes: str,
    counts: tuple[int, ...],
    axes: str,
    options: dict[str, Any],
) -> None:
    sides = {"C": 4, "Y": 20, "X": 24, "S": 3}
    shape = (*counts, *(sides[axis] for axis in picture_axes))
    stack = RNG.integers(0, 65536, shape, dtype=np.uint16)
    monkeypatch.chdir(tmp_path)
    tifffile.imwrite("it's.tif", stack, ome=True, metadata={"axes": axes}, **({**GRAY, **options}))
    with pytest.raises(LossmithError, match=f"holds a stack of {np.prod(counts)} images") as refusal:
        read_picture_header("it's.tif")
    _, code, _ = str(refusal.value).split("`")
    exec(code)
    for i, expected in enumerate(stack.reshape(-1, *shape[len(counts) :])):
        planes = expected.transpose(2, 0, 1) if "S" in picture_axes else expected.reshape(-1, 20, 24)
        pixels = PixelFormat.full_range(len(planes), "uint16")
        assert np.array_equal(read_picture(f"it's-{i}.tif", pixels).numpy(), planes)


def test_channels_before_depths_are_refused_too(tmp_path: Path) -> None:
    options = {"ome": True, "metadata": {"axes": "CZYX"}, **GRAY}
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 5, 20, 24), np.uint16), **options)
    with pytest.raises(LossmithError, match=r"a stack of 5 images \(depths\); save the one you mean by itself"):
        read_picture_header(tmp_path / "a.tif")


def test_series_of_different_sizes_are_refused(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        file.write(GRAYS, metadata=None)
        file.write(GRAYS[:9], metadata=None)
    with pytest.raises(LossmithError, match="holds 2 images of different kinds; save the one you mean by itself"):
        read_picture_header(tmp_path / "a.tif")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_finite_are_counted(tmp_path: Path, value: float) -> None:
    array = np.zeros((20, 24, 3), np.float32)
    array[3, 4, 0] = array[3, 4, 1] = array[5, 6, 2] = value
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb")
    pixels = PixelFormat(3, "float32", 0, 1)
    with pytest.raises(LossmithError, match=r"a.tif' has 2 pixels of NaN or infinity; `nan=mask` leaves them out"):
        read_picture(tmp_path / "a.tif", pixels)
    picture = read_picture(tmp_path / "a.tif", pixels, nan="mask")
    invalid = np.zeros((20, 24), bool)
    invalid[3, 4] = invalid[5, 6] = True
    assert np.array_equal(picture.isnan().numpy(), np.broadcast_to(invalid, (3, 20, 24)))
    assert (picture.nan_to_num() == 0).all()


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_transparency_is_refused(tmp_path: Path, dtype: str) -> None:
    array = np.ones((20, 24, 4), dtype)
    if dtype != "float32":
        array[..., 3] = np.iinfo(dtype).max
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    assert read_picture(tmp_path / "a.tif", PixelFormat(3, dtype, 0, 1)).shape == (3, 20, 24)
    array[3, 4, 3] = 0
    tifffile.imwrite(tmp_path / "a.tif", array, photometric="rgb", extrasamples=["unassalpha"])
    with pytest.raises(LossmithError, match=r"a.tif' has transparent pixels; put it on a background first"):
        read_picture(tmp_path / "a.tif", PixelFormat(3, dtype, 0, 1))


def test_a_palette_with_transparency_is_refused(tmp_path: Path) -> None:
    Image.fromarray(COLORS).quantize(8).save(tmp_path / "a.png", transparency=0)
    with pytest.raises(LossmithError, match=r"a.png' has transparent pixels; put it on a background first"):
        read_picture(tmp_path / "a.png", PixelFormat())


@pytest.mark.parametrize("fraction", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("compression", [None, "zlib", "tiff_lzw"])
def test_damaged_tiff_is_refused(tmp_path: Path, fraction: float, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    if compression == "tiff_lzw":
        Image.fromarray(PLANES[0]).save(path, compression=compression)
    else:
        tifffile.imwrite(path, PLANES[0], compression=compression)
    content = path.read_bytes()
    path.write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(LossmithError, match=f"^image '{path}' is (truncated or )?damaged"):
        read_picture(path, PixelFormat.full_range(1, "uint16"))


def test_other_types_and_channels_than_those_of_the_study_are_refused(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", PLANES, metadata={"axes": "CYX"}, **GRAY)
    with pytest.raises(LossmithError, match=r"a.tif' holds values of uint16, not of uint8"):
        read_picture(tmp_path / "a.tif", PixelFormat(5))
    with pytest.raises(LossmithError, match=r"a.tif' has 5 channels, and RGB is asked for"):
        read_picture(tmp_path / "a.tif", PixelFormat.full_range(3, "uint16"))


def test_unreadable_files_are_counted(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        tifffile.imwrite(tmp_path / f"{name}.tif", PLANES, **GRAY)
    with pytest.raises(LossmithError, match=r"a.tif' holds a stack .* \(and 2 more cannot be read\)"):
        read_picture_headers(find_images(tmp_path))
    assert not read_picture_headers(find_images(tmp_path), strict=False).pictures


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.exr", b"v/1\x01" + bytes(200), "is an OpenEXR file; convert it to TIFF of floats, as"),
        (
            "a.dcm",
            bytes(128) + b"DICM" + bytes(9),
            r"is a DICOM file; save its values as TIFF, `tifffile",
        ),
        (
            "a.tif",
            bytes(128) + b"DICM" + bytes(9),
            r"is a DICOM file; save its values as TIFF, `tifffile",
        ),
    ],
)
def test_other_formats_are_named_with_the_way_out(
    tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LossmithError, match=rf"a\.\w+' .*{sentence}"):
        read_picture_headers(find_images(tmp_path))

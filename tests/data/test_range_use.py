"""Ranges that do not fit the images are remarked upon."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray

from lossmith.core.errors import LossmithError
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.data import Data, prepare_data, write_image
from lossmith.data.picture_reader import PictureReader
from lossmith.data.range_use import range_remarks

GRAY_16BIT = PixelFormat(1, "uint16", 0, 65535)


def dark(high: int = 2000) -> NDArray[np.uint16]:
    return np.rint(np.linspace(200, high, 64 * 64)).reshape(64, 64).astype(np.uint16)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in "abcdef":
        tifffile.imwrite(tmp_path / f"{name}.tif", np.roll(dark(), ord(name)))  # images of a study differ
    return tmp_path


def test_dark_images_are_told_from_those_that_use_their_range(folder: Path) -> None:
    paths = sorted(folder.iterdir())
    (remark,) = range_remarks(paths, PictureReader(GRAY_16BIT), chosen=False)
    # a thousandth of the values lies below 202 and above 1998
    assert remark == (
        "the images use 202 to 1998 of the range from 0 to 65535: to SSIM, and all that knows photographs, they "
        "are nearly flat; `range=p0.1:p99.9` fits the range to them"
    )
    assert not range_remarks(paths, PictureReader(PixelFormat(1, "uint16", 0, 4095)), chosen=False)
    tifffile.imwrite(paths[3], dark(50_000))
    assert not range_remarks(paths, PictureReader(GRAY_16BIT), chosen=False)


def test_no_range_is_advised_to_images_of_one_value(folder: Path) -> None:
    for path in folder.iterdir():
        tifffile.imwrite(path, np.full((64, 64), 700, np.uint16))
    assert not range_remarks(sorted(folder.iterdir()), PictureReader(GRAY_16BIT), chosen=False)


def test_a_chosen_range_has_pixels_within(folder: Path) -> None:
    paths = sorted(folder.iterdir())  # 200 to 2000
    assert not range_remarks(paths, PictureReader(PixelFormat(1, "uint16", 500, 1500)), chosen=True)
    (remark,) = range_remarks(paths, PictureReader(PixelFormat(1, "uint16", 1910, 5000)), chosen=True)
    assert remark == "94 % of the pixels of the images, which go from 200 to 2000, lie outside `range=1910:5000`"
    nowhere = PictureReader(PixelFormat(1, "uint16", 0, 100))
    with pytest.raises(LossmithError, match="go from 200 to 2000, and no pixel lies within `range=0:100`; say"):
        range_remarks(paths, nowhere, chosen=True)


def test_hot_pixels_and_those_that_do_not_count_are_not_looked_at(folder: Path) -> None:
    image = dark().astype(np.float32)
    image[0, 0] = 60_000
    image[30:] = np.nan
    tifffile.imwrite(folder / "a.tif", image)
    reader = PictureReader(PixelFormat(1, "float32", 0, 65535), "mask")
    assert range_remarks([folder / "a.tif"], reader, chosen=False)


def test_of_photographs_nothing_is_said(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", torch.zeros(3, 8, 8))
    assert not range_remarks([tmp_path / "a.png"], PictureReader(RGB_8BIT), chosen=False)


def test_a_study_says_so_unless_the_range_was_chosen(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    prepared = prepare_data(Data([folder]), "noise(0.01, of=range)")
    assert len(prepared.remarks) == 1
    assert prepared.remarks[0] in caplog.text
    assert not prepare_data(Data([folder], range="p0.1:p99.9"), "noise(0.01, of=range)").remarks

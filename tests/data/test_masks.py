"""Masks are black where pixels do not count, and belong to pictures by name."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.data import mask_of, read_mask

VALID = np.random.default_rng(0).random((20, 24)) < 0.7


@pytest.mark.parametrize("white", [1, 255, 7])
@pytest.mark.parametrize("suffix", ["png", "tif", "npy"])
def test_white_counts_whatever_its_number(tmp_path: Path, suffix: str, white: int) -> None:
    array = (VALID * white).astype(np.uint8)
    path = tmp_path / f"a.{suffix}"
    np.save(path, array) if suffix == "npy" else Image.fromarray(array).save(path)
    mask = read_mask(path)
    assert mask.shape == (1, 20, 24)
    assert np.array_equal(mask[0].numpy(), VALID)


def test_masks_of_other_types(tmp_path: Path) -> None:
    Image.fromarray(VALID).save(tmp_path / "1.png")
    Image.fromarray((VALID * 65535).astype(np.uint16)).save(tmp_path / "16.png")
    Image.fromarray(np.dstack([VALID * 255] * 3).astype(np.uint8)).save(tmp_path / "rgb.png")
    Image.fromarray((VALID * 255).astype(np.uint8)).convert("P").save(tmp_path / "palette.png")
    np.save(tmp_path / "bool.npy", VALID)
    np.save(tmp_path / "long.npy", VALID.astype(np.int64))
    tifffile.imwrite(tmp_path / "float.tif", VALID.astype(np.float32))
    tifffile.imwrite(tmp_path / "bits.tif", VALID, photometric="minisblack")
    tifffile.imwrite(tmp_path / "white-is-0.tif", ~VALID, photometric="miniswhite")
    Image.fromarray(VALID).save(tmp_path / "fax.tif", compression="group4")
    paths = sorted(tmp_path.iterdir())
    assert len(paths) == 10
    for path in paths:
        assert np.array_equal(read_mask(path)[0].numpy(), VALID), path.name


@pytest.mark.parametrize("value", [0, 255])
def test_masks_of_one_value(tmp_path: Path, value: int) -> None:
    Image.fromarray(np.full((4, 5), value, np.uint8)).save(tmp_path / "a.png")
    assert (read_mask(tmp_path / "a.png") == bool(value)).all()


def test_masks_are_black_and_white(tmp_path: Path) -> None:
    Image.fromarray(np.arange(20, dtype=np.uint8).reshape(4, 5)).save(tmp_path / "gray.png")
    Image.fromarray(np.array([[3, 200]], np.uint8)).save(tmp_path / "pale.png")
    with pytest.raises(LossmithError, match=r"gray.png' has 20 gray values; a mask is black"):
        read_mask(tmp_path / "gray.png")
    with pytest.raises(LossmithError, match=r"pale.png' has no black, 0; a mask is black"):
        read_mask(tmp_path / "pale.png")
    Image.fromarray(np.arange(60, dtype=np.uint8).reshape(4, 5, 3)).save(tmp_path / "color.png")
    with pytest.raises(LossmithError, match=r"color.png' has colors; a mask is black"):
        read_mask(tmp_path / "color.png")


def test_a_mask_is_found_by_the_name_of_its_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.tif", "b.txt", "a.b.png"):
        (tmp_path / name).touch()
    assert mask_of("photos/a.jpg", tmp_path) == tmp_path / "a.png"
    assert mask_of(Path("b.npy"), str(tmp_path)) == tmp_path / "b.tif"
    assert mask_of("a.b.tif", tmp_path) == tmp_path / "a.b.png"


def test_missing_and_double_masks_are_named(tmp_path: Path) -> None:
    for name in ("a.png", "a.tif"):
        (tmp_path / name).touch()
    with pytest.raises(LossmithError, match=r"holds several masks for 'a.jpg': 'a.png' and 1 more; remove one"):
        mask_of("a.jpg", tmp_path)
    with pytest.raises(LossmithError, match=r"holds no mask for 'c.jpg'; it would be called 'c.png'"):
        mask_of("c.jpg", tmp_path)
    with pytest.raises(LossmithError, match=r"`mask` is a folder of masks, and '.*none' is none"):
        mask_of("c.jpg", tmp_path / "none")

"""Parts of an input file that are not used are refused or reported."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from .conftest import QUICK, Lossmith


def test_broken_symlinks_are_named(lossmith: Lossmith, photos: Path) -> None:
    for index in range(4, 10):
        (photos / f"p{index}.png").symlink_to(f"/annex/{index}.png")
    output = lossmith("train", photos, "--degradation", "jpeg(10)", "--network", "fcn", *QUICK, "--out", "run")
    assert "p4.png" in output.refusal
    assert "/annex/4.png" in output.refusal
    assert not Path("run").exists()


@pytest.mark.parametrize("command", ["train", "restore"])
@pytest.mark.parametrize("kind", ["unmarked extra sample", "in 16 bits", "four times min-is-black"])
def test_an_unmarked_fourth_channel_is_not_taken_for_alpha(
    command: str, kind: str, lossmith: Lossmith, photos: Path, x1: Path, tmp_path: Path
) -> None:
    bands = np.dstack([np.asarray(Image.open(photos / "p0.png")), np.full((128, 128), 40, "u1")])
    folder = tmp_path / "bands"
    folder.mkdir()
    for index in range(2):
        rows = np.roll(bands, index, 0)
        if kind == "four times min-is-black":
            tifffile.imwrite(folder / f"{index}.tif", rows, photometric="minisblack", planarconfig="contig")
        else:
            values = rows.astype("u2") * 257 if kind == "in 16 bits" else rows
            tifffile.imwrite(folder / f"{index}.tif", values, photometric="rgb", extrasamples=["unspecified"])
    if command == "train":
        output = lossmith("train", folder, "--degradation", "jpeg(10)", "--network", "fcn", *QUICK).refusal
    else:
        outcome = lossmith("restore", folder, "--model", x1, "--out", "restored", "--format", "tiff")
        assert outcome.status == 1
        assert not list(Path("restored").glob("*.tif"))
        output = outcome.output
        assert "0.tif" in output
    assert "4 channels" in output


def test_16_bit_images_of_few_levels_are_kept_and_remarked_upon(lossmith: Lossmith, tmp_path: Path) -> None:
    for kind, low, high in (("clean", 400, 3100), ("noisy", 202, 4119)):
        (tmp_path / kind).mkdir()
        for index in range(3):
            values = np.random.default_rng(index).integers(low, high, (64, 64)).astype("u2")
            tifffile.imwrite(tmp_path / kind / f"{index}.tif", values)
    outcome = lossmith(
        *("train", "--clean", "clean", "--degraded", "noisy", "--network", "fcn", *QUICK, "--out", "run")
    )
    assert outcome.status == 0
    assert "the images use 401 to 3098 of the range from 0 to 65535" in outcome.output
    assert "gray, 16 bits, 0 to 65535" in outcome.output


def test_a_gray_image_gets_gray_noise_and_is_scored_in_one_channel(
    lossmith: Lossmith, photos: Path, tmp_path: Path
) -> None:
    gray = tmp_path / "gray"
    gray.mkdir()
    for path in photos.iterdir():
        Image.open(path).convert("L").save(gray / path.name)
    from lossmith.data import Data, prepare_data

    prepared_photos = prepare_data(Data([gray]), "noise(25)")
    assert all((pair.degraded == pair.degraded[:1]).all() for pair in prepared_photos.test_pairs)

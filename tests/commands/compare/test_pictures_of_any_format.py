"""The report of a tournament on pictures that are not 8-bit RGB says what it shows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

import lossmith
from lossmith.core.pixel_format import PixelFormat

QUICK = lossmith.Recipe(
    degradation="noise(0.05, of=range)", network="srresnet_small(features=8, blocks=1)", steps=2, batch=2, patch=32
)


@pytest.fixture
def satellite(tmp_path: Path) -> Path:
    """Four pictures of five channels, 12 bits of 16."""
    folder, rng = tmp_path / "tiles", np.random.default_rng(0)
    folder.mkdir()
    for number in range(4):
        counts = rng.integers(200, 3000, (48, 56, 5), dtype=np.uint16)
        tifffile.imwrite(folder / f"{number}.tif", counts, photometric="minisblack", planarconfig="contig")
    return folder


def test_the_page_shows_the_bands_that_are_asked_for_in_one_stated_window(satellite: Path, tmp_path: Path) -> None:
    data = lossmith.Data([satellite], range="0:4095")
    out = tmp_path / "out"
    comparison = lossmith.compare(
        data, losses=["l1", "l2"], seeds=1, recipe=QUICK, out=out, show_bands="4,2,0", progress=False
    )
    page = " ".join(comparison.report.read_text("utf-8").split())
    assert f"{PixelFormat(5, 'uint16', 0, 4095)}; channels 4, 2, 0 (the first is 0) shown as red, green" in page
    assert "in this spot, in counts;" in page
    assert "--show-bands 4,2,0" in page
    assert "rounded to 8 bits" not in page
    same = lossmith.compare(data, losses=["l1", "l2"], seeds=1, recipe=QUICK, out=out, progress=False)
    assert "channels 0, 1, 2 (the first is 0)" in " ".join(same.report.read_text("utf-8").split())


def test_bands_that_the_pictures_lack_are_refused_before_anything_is_written(
    satellite: Path, tmp_path: Path
) -> None:
    with pytest.raises(lossmith.LossmithError, match="names channel 5 of images that have 5 channels"):
        lossmith.compare(
            lossmith.Data([satellite]), losses="l1", recipe=QUICK, out=tmp_path / "out", show_bands="5,1,0"
        )
    assert not (tmp_path / "out").exists()


def test_losses_on_networks_for_rgb_see_gray_as_three_channels_and_say_so(tmp_path: Path) -> None:
    folder, rng = tmp_path / "gray", np.random.default_rng(0)
    folder.mkdir()
    for number in range(3):
        tifffile.imwrite(folder / f"{number}.tif", rng.integers(0, 65536, (96, 96), dtype=np.uint16))
    data, recipe = lossmith.Data([folder]), replace(QUICK, patch=48)
    comparison = lossmith.compare(
        data, losses=["l1", "mdf(jpeg)"], seeds=1, recipe=recipe, out=tmp_path / "out", progress=False
    )
    assert {row.method for row in comparison.rows} == {"degraded", "l1", "mdf(jpeg, gray=repeat)"}


def test_losses_on_networks_for_rgb_refuse_five_channels_before_anything_is_written(
    satellite: Path, tmp_path: Path
) -> None:
    for command in (lossmith.train, lossmith.compare):
        option = "loss" if command is lossmith.train else "losses"
        with pytest.raises(lossmith.LossmithError, match="takes images of 3 channels, not 5; name those"):
            command(lossmith.Data([satellite]), **{option: "mdf(jpeg)"}, recipe=QUICK, out=tmp_path / "out")
        assert not (tmp_path / "out").exists()

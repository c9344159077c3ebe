"""The pairs of the example on microscopy are what its page says."""

from pathlib import Path

import numpy as np
import pytest
import tifffile

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(EXAMPLES)
    import microscopy

    microscopy.main(tmp_path)
    return tmp_path


def test_the_pairs_are_gray_pictures_of_16_bits_with_photon_noise(pairs: Path) -> None:
    from microscopy import GAIN, OFFSET, PHOTONS, READ_NOISE

    for part, size in (("train", (256, 320)), ("test", (256, 192))):
        names = sorted(path.name for path in (pairs / part / "clean").iterdir())
        assert names == ["membranes-0.tif", "membranes-1.tif", "nuclei-0.tif", "nuclei-1.tif"]
        for name in names:
            clean, noisy = (tifffile.imread(pairs / part / kind / name) for kind in ("clean", "noisy"))
            assert clean.shape == noisy.shape == size
            assert clean.dtype == noisy.dtype == np.uint16
            assert (clean.min(), clean.max()) == (OFFSET, pytest.approx(OFFSET + GAIN * PHOTONS, rel=0.3))
            bright = clean > OFFSET + GAIN * PHOTONS / 4
            electrons = (clean[bright].astype(float) - OFFSET) / GAIN
            noise = (noisy[bright] - clean[bright].astype(float)) / GAIN
            # photons vary by their number, the amplifier by its own noise
            assert noise.var() == pytest.approx((electrons + READ_NOISE**2).mean(), rel=0.1)
            assert abs(noise.mean()) < 0.2


def test_the_files_say_how_large_a_pixel_is(pairs: Path) -> None:
    from microscopy import MICROMETERS

    with tifffile.TiffFile(pairs / "test" / "noisy" / "nuclei-0.tif") as file:
        number, denominator = file.pages[0].tags["XResolution"].value
        assert file.pages[0].tags["ResolutionUnit"].value == 3
    assert denominator / number * 10000 == pytest.approx(MICROMETERS)


def test_the_same_pairs_are_made_again(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    from microscopy import main

    again = tmp_path_factory.mktemp("again")
    main(again)
    for path in pairs.rglob("*.tif"):
        assert path.read_bytes() == (again / path.relative_to(pairs)).read_bytes()

"""Whole images to test with, and images in memory to train on."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from lossmith.core.errors import LossmithError
from lossmith.data import degraded_images, load_test_pairs, pair_folders, paired_images, read_image
from lossmith.data import make_test_pairs as make_pairs
from lossmith.data.test_pairs import image_names
from lossmith.degradations import JPEG, Bicubic, Mosaic, Noise, degradation, from_8bit


def photos(folder: Path, *names: str, size: tuple[int, int] = (30, 21)) -> list[Path]:
    """Random images of (width, height)."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    for name in names:
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(folder / name)
    return [folder / name for name in names]


def test_whole_images_are_degraded(tmp_path: Path) -> None:
    (pair,) = make_pairs(photos(tmp_path, "a.png"), Bicubic(4))
    assert (pair.name, pair.scale) == ("a", 4)
    assert pair.clean.shape == (3, 20, 28)
    assert torch.equal(pair.clean, from_8bit(read_image(tmp_path / "a.png")[:, :20, :28]))
    assert torch.equal(pair.degraded, Bicubic(4)(pair.clean))


def test_noise_depends_on_seed_and_name_alone(tmp_path: Path) -> None:
    paths = photos(tmp_path, "a.png", "b.png", "c.png")
    everything = {pair.name: pair for pair in make_pairs(paths, Noise(25), seed=7)}
    (single_pair,) = make_pairs([tmp_path / "c.png"], Noise(25), seed=7)
    assert torch.equal(single_pair.degraded, everything["c"].degraded)
    (other,) = make_pairs([tmp_path / "c.png"], Noise(25), seed=8)
    assert not torch.equal(single_pair.degraded, other.degraded)
    noises = [(pair.degraded - pair.clean) for pair in everything.values()]
    assert not torch.allclose(noises[0], noises[1])


def test_pairs_from_folders_are_read(tmp_path: Path) -> None:
    photos(tmp_path / "clean", "a.png", "b.png", size=(31, 21))
    photos(tmp_path / "small", "ax3.png", "bx3.png", size=(10, 7))
    matches = pair_folders(tmp_path / "clean", tmp_path / "small")
    pairs = load_test_pairs(matches)
    assert [(pair.name, pair.scale, tuple(pair.clean.shape)) for pair in pairs] == [
        ("a", 3, (3, 21, 30)),
        ("b", 3, (3, 21, 30)),
    ]
    source = paired_images(matches)
    assert (source.names, source.scale, source.random_degradation) == (("a", "b"), 3, None)
    for i, pair in enumerate(pairs):
        assert torch.equal(from_8bit(source.clean[i]), pair.clean)
        assert torch.equal(from_8bit(source.predegraded[i]), pair.degraded)


def test_degraded_images_may_have_been_rounded_up(tmp_path: Path) -> None:
    photos(tmp_path / "clean", "a.png", "b.png", size=(31, 21))
    photos(tmp_path / "small", "a.png", "b.png", size=(11, 7))
    pairs = pair_folders(tmp_path / "clean", tmp_path / "small")
    source = paired_images(pairs)
    for pair, clean, degraded in zip(load_test_pairs(pairs), source.clean, source.predegraded, strict=True):
        assert (tuple(pair.degraded.shape), tuple(pair.clean.shape)) == ((3, 7, 10), (3, 21, 30))
        assert (degraded.shape, clean.shape) == (pair.degraded.shape, pair.clean.shape)


def test_deterministic_degradations_are_computed_once(tmp_path: Path) -> None:
    source = degraded_images(photos(tmp_path, "a.png"), degradation("bicubic(2) | jpeg(30) | noise(5) | jpeg(50)"))
    clean = from_8bit(read_image(tmp_path / "a.png")[:, :20, :30])
    assert torch.equal(from_8bit(source.clean[0]), clean)
    assert torch.equal(from_8bit(source.predegraded[0]), JPEG(30)(Bicubic(2)(clean)))
    assert str(source.random_degradation) == "noise(5) | jpeg(50)"
    assert source.scale == 2


@pytest.mark.parametrize(
    ("text", "dtype"), [("jpeg(5)", torch.uint8), ("bicubic(3)", torch.uint8), ("mosaic", torch.float32)]
)
def test_pairs_are_kept_in_8_bits_where_that_is_exact(tmp_path: Path, text: str, dtype: torch.dtype) -> None:
    source = degraded_images(photos(tmp_path, "a.png"), degradation(text))
    assert source.predegraded[0].dtype == dtype
    assert source.random_degradation is None


def test_mosaics_are_kept_exactly(tmp_path: Path) -> None:
    source = degraded_images(photos(tmp_path, "a.png"), Mosaic())
    assert torch.equal(source.predegraded[0], Mosaic()(from_8bit(source.clean[0])))


def test_a_random_degradation_starts_from_the_clean_image_itself(tmp_path: Path) -> None:
    source = degraded_images(photos(tmp_path, "a.png"), Noise(5))
    assert source.predegraded[0] is source.clean[0]


def test_progress_is_reported(tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    paths = photos(tmp_path, "a.png", "b.png")
    degraded_images(paths, Noise(5), progress=lambda done, total: reports.append((done, total)))
    assert reports == [(1, 2), (2, 2)]


def test_the_first_bad_image_is_the_one_reported(tmp_path: Path) -> None:
    paths = photos(tmp_path, "a.png", "b.png", "c.png")
    paths[1].write_bytes(b"no image")
    for load in (degraded_images, make_pairs):
        with pytest.raises(LossmithError, match=r"b.png' is not an image"):
            load(paths, Noise(5))


def test_no_images_and_tiny_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match="no images were given"):
        degraded_images([], Noise(5))
    with pytest.raises(LossmithError, match="has 3x9 pixels, too few to be downscaled by 4"):
        make_pairs(photos(tmp_path, "a.png", size=(9, 3)), Bicubic(4))


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["x/a.png", "x/b.png"], ["a", "b"]),
        (["x/a.png", "y/a.png", "y/b.png"], ["x-a", "y-a", "b"]),
        (["x/a.png", "x/a.jpg"], ["x-a.png", "x-a.jpg"]),
        (["/p/x/a.png", "/q/x/a.png"], ["p-x-a", "q-x-a"]),
        ([], []),
    ],
)
def test_pair_names_are_short_unique_and_valid_file_names(paths: list[str], names: list[str]) -> None:
    assert image_names([Path(path) for path in paths]) == names


def test_a_range_of_degradation_is_tested_at_three_levels_under_the_same_noise(tmp_path: Path) -> None:
    pairs = make_pairs(photos(tmp_path, "a.png", "b.png"), degradation("noise(10..50)"))
    assert [pair.name for pair in pairs] == [f"{n}@{level}" for n in "ab" for level in ("low", "middle", "high")]
    assert [pair.degradation for pair in pairs[:3]] == ["noise(10)", "noise(30)", "noise(50)"]
    low, middle, high = (pair.degraded - pair.clean for pair in pairs[:3])
    torch.testing.assert_close(3 * low, middle, rtol=0, atol=1e-6)
    torch.testing.assert_close(5 * low, high, rtol=0, atol=1e-6)


def test_the_end_of_a_range_that_is_the_identity_is_not_tested(tmp_path: Path) -> None:
    pairs = make_pairs(photos(tmp_path, "a.png"), degradation("noise(0..50)"))
    assert [pair.degradation for pair in pairs] == ["noise(25)", "noise(50)"]
    assert len(make_pairs([tmp_path / "a.png"], degradation("noise(0..0.01)"))) == 3
    assert len(make_pairs([tmp_path / "a.png"], degradation("bicubic(2) | noise(0..50)"))) == 3

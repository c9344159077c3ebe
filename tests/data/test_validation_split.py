"""Validation crops: pixels of the training images that short runs do not train on."""

from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.data import Data, PatchDataset, PreparedData, prepare_data, write_image
from lossmith.data.disk_cache import DiskCache
from lossmith.data.prepare import _fingerprint
from lossmith.data.storage import IN_MEMORY, Storage
from lossmith.data.training_images import degraded_images, paired_images
from lossmith.data.validation_split import (
    MAX_CROPS,
    MAX_SIDE,
    MIN_SIDE,
    Region,
    Splitter,
    split_validation,
    with_tests,
)
from lossmith.degradations import degradation, from_8bit

KINDS = ["jpeg(10)", "blur(1.5)", "bicubic(4)", "mosaic", "noise(25)", "bicubic(2) | jpeg(40)", "noise(5..25)"]
PATCH = 32


def random_image(seed: int, height: int, width: int) -> Tensor:
    return torch.randint(256, (3, height, width), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def prepared(folder: Path, kind: str, images: list[Tensor], storage: Storage = IN_MEMORY) -> PreparedData:
    paths = [folder / f"{number}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        write_image(path, from_8bit(image))
    fingerprint = _fingerprint(paths, [])
    return PreparedData(degraded_images(paths, degradation(kind), storage=storage), [], kind, fingerprint)


def split(data: PreparedData, min_side: int = 1) -> PreparedData:
    return split_validation(data, degradation(data.degradation), PATCH, min_side)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("size", "kept"), [((96, 200), (96, 160)), ((230, 96), (184, 96))])
def test_what_is_trained_on_does_not_depend_on_what_is_validated_on(
    kind: str, size: tuple[int, int], kept: tuple[int, int], tmp_path: Path
) -> None:
    image = random_image(0, *size)
    first = split(prepared(tmp_path, kind, [image]))
    other = random_image(1, *size)  # in the last fifth of the longer side it is another picture
    other[:, : kept[0], : kept[1]] = image[:, : kept[0], : kept[1]]
    second = split(prepared(tmp_path, kind, [other]))
    for one, two in zip(*(PatchDataset(s.source, PATCH).batch(0, 40) for s in (first, second)), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(first.test_pairs[0].clean, second.test_pairs[0].clean)


@pytest.mark.parametrize("kind", KINDS)
def test_crops_are_degraded_as_images_of_their_own(kind: str, tmp_path: Path) -> None:
    image = random_image(0, 96, 200)
    first = split(prepared(tmp_path, kind, [image]))
    image[:, :, :160] = random_image(2, 96, 160)
    second = split(prepared(tmp_path, kind, [image]))
    for one, two in zip(first.test_pairs, second.test_pairs, strict=True):
        assert torch.equal(one.clean, two.clean)
        assert torch.equal(one.degraded, two.degraded)


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(st.integers(1, 700), st.integers(1, 700)),
    st.sampled_from([1, 2, 3, 4, 8]),
    st.sampled_from([24, 48, 96, 192]),
    st.sampled_from([0, 16, 24]),
    st.sampled_from([32, 161]),
)
def test_the_parts_and_the_crops_do_not_overlap_and_are_large_enough(
    size: tuple[int, int], scale: int, patch: int, gap: int, least: int
) -> None:
    height, width = (side // scale * scale for side in size)
    least, gap = (-(-number // scale) * scale for number in (least, gap))
    splitter = Splitter(scale, patch, least, gap)
    strip = splitter.strip(0, height, width)
    if strip is None:
        assert max(height, width) < patch + gap + least + scale or min(height, width) < max(patch, least)
        return
    trained = splitter.trained_size(strip)
    assert min(trained) >= patch
    assert trained[0] + gap == strip.top or trained[1] + gap == strip.left
    pixels = torch.zeros(height, width, dtype=torch.int)
    pixels[: trained[0], : trained[1]] += 1
    for crop in splitter.crops(strip):
        pixels[crop.top : crop.bottom, crop.left : crop.right] += 1
        sides = crop.bottom - crop.top, crop.right - crop.left
        assert all(least <= side <= max(MAX_SIDE, least) and side % scale == 0 for side in sides)
        assert crop.top % scale == crop.left % scale == 0
    assert splitter.crops(strip)
    assert pixels.max() == 1


def test_a_fifth_of_the_longer_side_is_cut_off() -> None:
    splitter = Splitter(scale=1, patch=48, least=32, gap=16)
    assert splitter.strip(7, 300, 500) == Region(7, 0, 300, 400, 500)
    assert splitter.strip(7, 500, 300) == Region(7, 400, 500, 0, 300)
    assert splitter.crops(Region(7, 0, 300, 400, 500)) == [Region(7, top, top + 128, 400, 500) for top in (0, 128)]


def test_small_images_are_trained_on_whole(tmp_path: Path) -> None:
    data = split(prepared(tmp_path, "jpeg(10)", [random_image(0, 40, 60), random_image(1, 60, 200)]))
    assert data.source.clean[0].shape == (3, 40, 60)
    assert data.source.clean[1].shape == (3, 60, 200 - 40 - 16)
    assert [pair.name for pair in data.test_pairs] == ["1-crop1"]
    assert data.fingerprint["validation_crops"] == {"1-crop1": "1, rows 0 to 59, columns 160 to 199"}


def test_it_is_said_when_no_image_can_be_cut(tmp_path: Path) -> None:
    data = prepared(tmp_path, "jpeg(10)", [random_image(0, 40, 60)])
    with pytest.raises(LossmithError, match=r"no training image .* patches of 32 pixels one of 80 x 32 pixels"):
        split(data)


def test_a_loss_that_needs_large_images_gets_large_crops(tmp_path: Path) -> None:
    data = split(prepared(tmp_path, "bicubic(2)", [random_image(0, 300, 500)]), min_side=161)
    assert {tuple(pair.clean.shape) for pair in data.test_pairs} == {(3, 162, 162)}


def test_crops_of_many_images_are_at_most_16_and_of_as_many_images(tmp_path: Path) -> None:
    images = [random_image(seed, 40, 100 + seed) for seed in range(40)]
    names = [pair.name for pair in split(prepared(tmp_path, "jpeg(10)", images)).test_pairs]
    assert len(names) == len({name.partition("-")[0] for name in names}) == MAX_CROPS
    assert {int(name.partition("-")[0]) // 10 for name in names} == {0, 1, 2, 3}


@pytest.mark.parametrize("kind", ["jpeg(10)", "bicubic(4)", "bicubic(2) | noise(5) | jpeg(50)"])
def test_images_on_the_disk_are_split_as_those_in_memory(kind: str, tmp_path: Path) -> None:
    images = [random_image(0, 96, 200), random_image(1, 200, 90)]
    memory, disk = (
        split(prepared(tmp_path, kind, images, storage)) for storage in (IN_MEMORY, Storage(DiskCache(tmp_path)))
    )
    assert PatchDataset(disk.source, PATCH).on_disk
    for one, two in zip(*(PatchDataset(s.source, PATCH).batch(0, 40) for s in (memory, disk)), strict=True):
        assert torch.equal(one, two)
    for in_memory, on_disk in zip(memory.test_pairs, disk.test_pairs, strict=True):
        assert in_memory.name == on_disk.name
        assert torch.equal(in_memory.clean, on_disk.clean)
        assert torch.equal(in_memory.degraded, on_disk.degraded)


def test_given_pairs_are_cut_at_the_same_place(tmp_path: Path) -> None:
    small = random_image(0, 30, 64)
    large = small.repeat_interleave(4, 1).repeat_interleave(4, 2)
    for name, image in (("small", small), ("large", large)):
        write_image(tmp_path / f"{name}.png", from_8bit(image))
    pairs = paired_images([(tmp_path / "large.png", tmp_path / "small.png")])
    data = split_validation(PreparedData(pairs, [], "pairs of x", {"training_images": {}}), None, PATCH)
    assert data.source.predegraded[0].shape[2] == (256 - 256 // 5) // 4 - 16, "a JPEG block is between them"
    degraded, clean = PatchDataset(data.source, PATCH).batch(0, 20)
    for one, other in [(degraded, clean), *((p.degraded[None], p.clean[None]) for p in data.test_pairs)]:
        assert torch.equal(one.repeat_interleave(4, 2).repeat_interleave(4, 3), other)
    assert data.test_pairs[0].scale == 4
    assert min(data.test_pairs[0].clean.shape[1:]) >= MIN_SIDE


def test_the_sample_photographs_give_16_crops() -> None:
    data = prepare_data(Data(test_limit=1), "jpeg(10)")
    crops = split_validation(data, degradation("jpeg(10)"), 64).test_pairs
    assert len(crops) == MAX_CROPS
    assert {pair.name.partition("-")[0] for pair in crops} == set(data.source.names)


def test_test_images_may_stand_behind_the_crops(prepared_photos: PreparedData) -> None:
    parts = split(prepared_photos)
    both = with_tests(parts, prepared_photos, 1)
    pairs = [*parts.test_pairs, *prepared_photos.test_pairs]
    assert len(both.test_pairs) == len(pairs)
    assert [pair.name for pair in both.test_pairs] == [pair.name for pair in pairs]
    assert both.test_pairs[-1] is prepared_photos.test_pairs[-1]
    assert [pair.name for pair in both.test_pairs[1:-1:2]] == [pair.name for pair in pairs[1:-1:2]]
    with pytest.raises(IndexError):
        both.test_pairs[len(pairs)]
    assert both.source is parts.source
    for entry in ("training_images", "test_images"):
        assert both.fingerprint[entry] == prepared_photos.fingerprint[entry]
    assert both.fingerprint["validation_crops"] == parts.fingerprint["validation_crops"]

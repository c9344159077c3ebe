"""A patch is a pure function of (seed, index), and is degraded as the whole image would be."""

import pickle
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from lossmith.core.errors import LossmithError
from lossmith.data import PatchDataset, TrainingImages
from lossmith.degradations import Degradation, compact, degradation, from_8bit


def noise_image(height: int, width: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def source(expression: str, *sizes: tuple[int, int]) -> TrainingImages:
    """What `degraded_images` would make of random images in files."""
    chain = degradation(expression)
    first, rest = chain.split_deterministic()
    clean = tuple(noise_image(*size, seed) for seed, size in enumerate(sizes))
    inputs = tuple(image if first is None else compact(first(from_8bit(image))) for image in clean)
    return TrainingImages(tuple(map(str, range(len(sizes)))), clean, inputs, chain.scale, rest)


def eight_turns(image: Tensor) -> list[Tensor]:
    return [torch.rot90(side, k, (1, 2)) for side in (image, image.flip(2)) for k in range(4)]


def places(patch: Tensor, image: Tensor) -> list[tuple[int, int, int]]:
    """Where, and turned which way, `patch` occurs in `whole`."""
    side = patch.shape[1]
    windows = image.unfold(1, side, 1).unfold(2, side, 1)
    positions = []
    for turn, view in enumerate(eight_turns(patch)):
        is_equal = (windows == view[:, None, None]).all(-1).all(-1).all(0)
        positions += [(turn, *place) for place in is_equal.nonzero().tolist()]
    return positions


@pytest.mark.parametrize("expression", ["bicubic(2)", "jpeg(10)", "mosaic", "bicubic(4)"])
def test_both_patches_have_the_same_place_and_augmentation(expression: str) -> None:
    images = source(expression, (44, 36))
    patches = PatchDataset(images, patch=16, seed=1)
    clean = from_8bit(images.clean[0])
    degraded = degradation(expression)(clean)
    for index in range(8):
        small, large = patches[index]
        assert small.shape == (3, 16 // images.scale, 16 // images.scale)
        ((turn, top, left),) = places(large, clean)
        assert (turn, top // images.scale, left // images.scale) in places(small, degraded)
        assert top % images.scale == left % images.scale == 0


class Constant(Degradation):
    """Random by name only: nothing is done before the patch is cut, and the result can be foretold."""

    random = True

    def __init__(self, expression: str) -> None:
        self.degradation = degradation(expression)
        self.name, self.scale = expression, self.degradation.scale  # type: ignore[misc]

    @property
    def margin(self) -> int:
        return self.degradation.margin

    @property
    def alignment(self) -> int:
        return self.degradation.alignment

    def degrade(self, clean: Tensor, rng: np.random.Generator | None) -> Tensor:
        return self.degradation(clean)


@pytest.mark.parametrize(
    "degradation",
    ["bicubic(2)", "bicubic(3)", "jpeg(10)", "mosaic", "mosaic | bicubic(3)", "bicubic(2) | jpeg(20)"],
)
@pytest.mark.parametrize("size", [(150, 138), (126, 24)])
def test_degrading_a_patch_equals_cropping_the_degraded_image(degradation: str, size: tuple[int, int]) -> None:
    images = source(degradation, size)
    late_images = TrainingImages(
        images.names,
        images.clean,
        images.clean,
        images.scale,
        Constant(degradation),
    )
    whole_image, patchwise = PatchDataset(images, 24, seed=3), PatchDataset(late_images, 24, seed=3)
    for index in range(25):
        for expected, actual in zip(whole_image[index], patchwise[index], strict=True):
            torch.testing.assert_close(actual, expected, rtol=0, atol=1e-6)


def test_a_degradation_split_in_two_is_cropped_at_the_right_place() -> None:
    clean = source("bicubic(2) | noise(0) | bicubic(2)", (96, 80))
    assert str(clean.random_degradation) == "noise(0) | bicubic(2)"
    patches = PatchDataset(clean, patch=32, seed=0)
    once = PatchDataset(source("bicubic(2) | bicubic(2)", (96, 80)), patch=32, seed=0)
    for index in range(20):
        assert torch.equal(patches[index][0], once[index][0])


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**40), st.integers(0, 2**60))
def test_a_patch_is_a_pure_function_of_seed_and_index(seed: int, index: int) -> None:
    images = source("bicubic(2) | noise(5)", (40, 50), (60, 34))
    first, second = PatchDataset(images, 16, seed), PatchDataset(images, 16, seed)
    second[index + 3]
    assert all(torch.equal(a, b) for a, b in zip(first[index], second[index], strict=True))
    assert not torch.equal(first[index][0], first[index + 1][0])
    assert not torch.equal(first[index][0], PatchDataset(images, 16, seed + 1)[index][0])


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000), st.integers(1, 9))
def test_a_batch_stacks_its_patches(start: int, count: int) -> None:
    patches = PatchDataset(source("bicubic(2) | noise(5)", (40, 50)), 16, seed=0)
    degraded, clean = patches.batch(start, count)
    assert degraded.shape == (count, 3, 8, 8)
    assert clean.shape == (count, 3, 16, 16)
    assert degraded.dtype == clean.dtype == torch.float32
    for i in range(count):
        assert torch.equal(degraded[i], patches[start + i][0])
        assert torch.equal(clean[i], patches[start + i][1])


def test_workers_make_the_same_patches() -> None:
    patches = PatchDataset(source("noise(5)", (40, 50)), 16, seed=0)
    loader = DataLoader(Subset(patches, range(5, 13)), batch_size=4, num_workers=2)
    degraded = torch.cat([batch[0] for batch in loader])
    assert torch.equal(degraded, patches.batch(5, 8)[0])
    copy = pickle.loads(pickle.dumps(patches))
    assert torch.equal(copy[3][0], patches[3][0])


def test_larger_images_are_sampled_more_often() -> None:
    sizes = [(16, 16), (32, 16), (64, 64)]
    flat_images = tuple(torch.full((3, *size), value, dtype=torch.uint8) for value, size in enumerate(sizes))
    patches = PatchDataset(TrainingImages(("a", "b", "c"), flat_images, flat_images, 1), 8, seed=0)
    _, clean = patches.batch(0, 4000)
    met = Counter((clean[:, 0, 0, 0] * 255).round().int().tolist())
    area = sum(h * w for h, w in sizes)
    for value, (h, w) in enumerate(sizes):
        share = h * w / area
        assert met[value] / 4000 == pytest.approx(share, abs=4 * (share * (1 - share) / 4000) ** 0.5)


def test_every_crop_and_augmentation_is_equally_likely() -> None:
    images = source("mosaic", (9, 10))
    patches = PatchDataset(images, patch=8, seed=0)
    clean = from_8bit(images.clean[0])
    met = Counter(places(patches[index][1], clean)[0] for index in range(2400))
    assert len(met) == 2 * 3 * 8
    assert 20 < min(met.values()) <= max(met.values()) < 90


def test_noise_differs_from_patch_to_patch_with_the_right_strength() -> None:
    flat_images = (torch.full((3, 30, 30), 128, dtype=torch.uint8),)
    patches = PatchDataset(
        TrainingImages(("flat",), flat_images, flat_images, 1, degradation("noise(25)")), 16, seed=0
    )
    degraded, clean = patches.batch(0, 50)
    noise = (degraded - clean) * 255
    assert float(noise.std()) == pytest.approx(25, rel=0.02)
    correlation = np.corrcoef(noise.reshape(50, -1).numpy())
    assert np.abs(correlation - np.eye(50)).max() < 0.2


def test_a_patch_can_be_the_whole_image() -> None:
    images = source("noise(5) | jpeg(50)", (16, 16))
    assert places(PatchDataset(images, 16, seed=0)[0][1], from_8bit(images.clean[0]))


@pytest.mark.parametrize(
    ("patch", "seed", "message"),
    [
        (15, 0, "patch must be a multiple of the scale 2, not 15"),
        (50, 0, "image '1' has 20x90 pixels, too few for a patch of 50"),
        (0, 0, "patch must be a whole number, 1 or more, not 0"),
        (16, -1, "seed must be a whole number, 0 or more, not -1"),
    ],
)
def test_patches_that_do_not_fit_the_images_are_one_sentence(patch: int, seed: int, message: str) -> None:
    with pytest.raises(LossmithError, match=message):
        PatchDataset(source("bicubic(2)", (60, 60), (20, 90)), patch, seed)


def test_negative_patch_indices_are_refused() -> None:
    with pytest.raises(IndexError, match="counted from 0"):
        PatchDataset(source("noise(5)", (20, 20)), 8)[-1]

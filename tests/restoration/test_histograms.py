"""Matching of histograms: as scikit-image does it, exactly, on 8 bits."""

import numpy as np
import pytest
import torch
from skimage.data import astronaut, chelsea
from skimage.exposure import match_histograms
from torch import Tensor

from lossmith.degradations import from_8bit, to_8bit
from lossmith.restoration.histograms import _matched, match_histogram


def image_of(pixels: np.ndarray) -> Tensor:
    return from_8bit(torch.from_numpy(pixels).permute(2, 0, 1))


PAIRS = {
    "two photographs": (astronaut()[:200, :300], chelsea()),
    "few levels": (astronaut()[:64, :64], chelsea()[:64, :64] // 64 * 64),
    "one level": (astronaut()[:64, :64], np.full((8, 8, 3), 77, np.uint8)),
    "from one level": (np.full((8, 8, 3), 77, np.uint8), chelsea()[:64, :64]),
}


@pytest.mark.parametrize(("source", "reference"), PAIRS.values(), ids=PAIRS)
def test_equals_scikit_image_where_levels_are_not_rounded(source: np.ndarray, reference: np.ndarray) -> None:
    expected = match_histograms(source, reference, channel_axis=-1)  # rounds down, to the dtype of its input
    ours = np.stack([_matched(source[..., c], reference[..., c]) for c in range(3)], axis=-1)
    np.testing.assert_array_equal(ours.astype(np.uint8), expected)
    rounded = to_8bit(match_histogram(image_of(source), image_of(reference))).permute(1, 2, 0).numpy()
    np.testing.assert_array_equal(rounded, np.floor(ours + 0.5).astype(np.uint8))


def test_an_image_matched_to_itself_is_itself() -> None:
    image = image_of(astronaut()[:64, :64])
    assert torch.equal(match_histogram(image, image), image)


def test_a_change_of_brightness_is_undone() -> None:
    image = image_of(chelsea()[:64, :64] // 2)
    brighter = image + 40 / 255
    torch.testing.assert_close(match_histogram(brighter, image), image, atol=1e-6, rtol=0)  # float32

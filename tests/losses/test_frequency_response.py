"""The frequency response of losses for which it is known."""

from math import isnan

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lossmith.losses import MSELoss
from lossmith.losses.frequency_response import COLORS, band_names, frequency_response

image = torch.full((3, 160, 128), 0.5)


def test_l2_is_equally_sensitive_to_all_bands_whatever_its_weight() -> None:
    for distance in (MSELoss(), 7 * MSELoss()):
        actual = frequency_response(distance, [image])
        assert list(actual) == list(COLORS)
        for row in actual.values():
            assert row == pytest.approx([1.0] * len(band_names()), rel=1e-4)


def test_a_loss_of_downscaled_images_is_sensitive_to_low_frequencies() -> None:
    def downscaled_l1(prediction: Tensor, target: Tensor) -> Tensor:
        return (avg_pool2d(prediction, 4) - avg_pool2d(target, 4)).square().mean()

    for row in frequency_response(downscaled_l1, [image]).values():
        assert row == sorted(row, reverse=True)
        assert row[-1] < 0.01 * row[0]


def test_a_loss_of_one_color_is_sensitive_to_it() -> None:
    def blue(prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target)[:, 2].square().mean()

    actual = frequency_response(blue, [image])
    # blue's share of the directions: 1/3 of gray, 2/3 of blue to yellow, nothing of red to green
    assert actual["gray"] == pytest.approx([1.0] * len(band_names()), rel=1e-3)
    assert actual["blue to yellow"] == pytest.approx([2.0] * len(band_names()), rel=1e-3)
    assert actual["red to green"] == pytest.approx([0.0] * len(band_names()), abs=1e-3)


def test_a_band_that_a_small_image_cannot_hold_is_left_out() -> None:
    row = frequency_response(MSELoss(), [torch.full((3, 32, 40), 0.5)])["gray"]
    assert [isnan(value) for value in row] == [True] + [False] * 6
    assert row[1:] == pytest.approx([1.0] * 6, rel=1e-4)


def test_a_constant_loss_is_sensitive_to_nothing() -> None:
    assert frequency_response(lambda x, y: x.new_zeros(()), [image])["gray"] == [0.0] * len(band_names())


@pytest.mark.parametrize(("channels", "axis"), [(1, "gray"), (2, "all channels"), (8, "all channels")])
def test_images_of_other_channels_have_errors_that_are_alike_in_all(channels: int, axis: str) -> None:
    image = torch.rand(channels, 120, 128, generator=torch.Generator().manual_seed(0))
    response = frequency_response(MSELoss(), [image])
    assert list(response) == [axis]
    assert response[axis] == pytest.approx([1.0] * len(band_names()), rel=1e-3)
    of_first = frequency_response(lambda x, y: (x - y)[:, 0].square().mean(), [image])
    assert of_first[axis] == pytest.approx([1.0] * len(band_names()), rel=1e-3)

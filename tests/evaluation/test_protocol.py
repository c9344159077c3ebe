"""What is done to two images before they are compared."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2ycbcr

from lossmith.core.errors import LossmithError
from lossmith.evaluation.protocol import Protocol, prepare, protocol_for


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (1, "RGB, no crop, rounded to 8 bits"),
        (2, "Y (BT.601 studio swing), 2 px cropped from each side, rounded to 8 bits"),
        (4, "Y (BT.601 studio swing), 4 px cropped from each side, rounded to 8 bits"),
    ],
)
def test_super_resolution_is_scored_on_y_and_the_rest_on_rgb(scale, words):
    assert str(protocol_for(scale)) == words


def test_the_prediction_is_clamped_and_rounded_half_up():
    values = torch.tensor([-0.2, 0.4 / 255, 0.5 / 255, 1.5 / 255, 2.4 / 255, 1.3], dtype=torch.float64)
    prediction = values.expand(3, 1, 6)
    actual, _ = prepare(prediction, torch.zeros_like(prediction), Protocol())
    assert (actual[0, 0] * 255).tolist() == pytest.approx([0, 0, 1, 2, 2, 255], abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_an_8_bit_image_stays_as_it_is_in_every_precision_that_can_hold_it(dtype):
    # bfloat16 has 8 bits of fraction, too few for the bright levels
    levels = torch.arange(100.0) if dtype == torch.bfloat16 else torch.arange(256.0)
    image = (levels.to(torch.float64) / 255).expand(3, 2, -1)
    actual, _ = prepare(image.to(dtype), image, Protocol())
    assert actual.dtype == torch.float64
    assert torch.equal(actual, image[:1])  # one channel, as the image is gray


def test_y_equals_matlabs_and_is_not_rounded_again(photo):
    image = photo(20, 30)
    y, _ = prepare(image, image, Protocol("y", 0))
    independent = rgb2ycbcr(image.permute(1, 2, 0).numpy())[..., 0] / 255
    # scikit-image has the same coefficients; only the order of additions differs
    np.testing.assert_allclose(y[0].numpy(), independent, atol=1e-14)


def test_the_border_is_cropped_from_each_side(photo):
    image = photo(20, 30)
    actual, target = prepare(image, image, Protocol("rgb", 4))
    assert torch.equal(actual, image[:, 4:16, 4:26])
    assert torch.equal(target, actual)


def test_scoring_leaves_inputs_unchanged_and_keeps_no_gradient(photo):
    prediction = (photo(8, 8) * 1.2).requires_grad_()
    before = prediction.detach().clone()
    actual, _ = prepare(prediction, photo(8, 8), Protocol())
    assert torch.equal(prediction.detach(), before)
    assert not actual.requires_grad


GRAY = torch.zeros(3, 8, 8)


@pytest.mark.parametrize(
    ("prediction", "target", "protocol", "complaint"),
    [
        (torch.zeros(3, 8, 9), GRAY, Protocol(), "differ in size, 8x9 and 8x8"),
        (torch.zeros(1, 8, 8), GRAY, Protocol(), r"the prediction must be \(3, H, W\), not \(1, 8, 8\)"),
        (GRAY[None], GRAY, Protocol(), r"the prediction must be \(3, H, W\)"),
        (GRAY, torch.zeros(3, 0, 8), Protocol(), "the target must be"),
        (GRAY.numpy(), GRAY, Protocol(), "the prediction must be a tensor .3, H, W., not a ndarray"),
        (GRAY, GRAY.to("meta"), Protocol(), "the target must be a tensor .3, H, W., not without numbers"),
        (GRAY.byte(), GRAY, Protocol(), "the prediction must hold floats in .0, 1., not torch.uint8"),
        (GRAY, GRAY, Protocol("y", 4), "cropping 4 px from each side leaves nothing of 8x8"),
        (GRAY, GRAY * torch.nan, Protocol(), "the target holds NaN"),
    ],
)
def test_images_that_cannot_be_compared_are_refused(prediction, target, protocol, complaint):
    with pytest.raises(LossmithError, match=complaint):
        prepare(prediction, target, protocol)


@pytest.mark.parametrize(
    ("color", "border", "complaint"),
    [
        ("lab", 0, "color must be 'rgb' or 'y', not 'lab'"),
        ("y", -1, "border must be"),
        ("y", 1.5, "border must be"),
    ],
)
def test_invalid_protocols_are_refused(color, border, complaint):
    with pytest.raises(LossmithError, match=complaint):
        Protocol(color, border)

"""Borders, constants, level weights and loss maps of the structural losses."""

from collections.abc import Callable

import pytest
import torch

from lossmith.losses import MSSSIMLoss, SSIMLoss, loss

from .samples import planes


@pytest.mark.parametrize("height", [6, 11, 30])
def test_padding_reflect_equals_ssim_of_reflected_images(height: int) -> None:
    x, y = (image[None] for image in planes(3, height, 17, 1.0))
    mirrored = [torch.nn.functional.pad(image, (5, 5, 5, 5), mode="reflect") for image in (x, y)]
    assert SSIMLoss(padding="reflect")(x, y).item() == pytest.approx(SSIMLoss()(*mirrored).item(), rel=1e-14)
    assert SSIMLoss(padding="reflect").loss_map(x, y).shape == x.shape


def test_all_paddings_agree_away_from_the_border() -> None:
    x, y = (image[None] for image in planes(2, 40, 30, 1.0))
    valid = SSIMLoss().loss_map(x, y)
    for padding in ("same", "reflect"):
        interior = SSIMLoss(padding=padding).loss_map(x, y)[..., 5:-5, 5:-5]
        torch.testing.assert_close(interior, valid, rtol=0, atol=1e-12)


def test_data_range_255_equals_data_range_1() -> None:
    x, y = (image[None] for image in planes(3, 64, 64, 1.0))
    for name in ("ssim", "ms_ssim(levels=2)", "ms_ssim_sigmas", "mix"):
        inner = name.removesuffix(")") + (", " if name.endswith(")") else "(")
        bytes_ = loss(f"{inner}data_range=255)")
        assert bytes_(255 * x, 255 * y).item() == pytest.approx(loss(name)(x, y).item(), rel=1e-10)


@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda: SSIMLoss(), (30, 22)),
        (lambda: SSIMLoss(padding="same"), (40, 32)),
        (lambda: loss("ms_ssim_sigmas"), (40, 32)),
        (lambda: loss("ms_ssim_sigmas(form=center)"), (1, 1)),
        (lambda: loss("mix"), (40, 32)),
        (lambda: loss("mix(form=center)"), (1, 1)),
    ],
)
def test_the_loss_is_the_mean_of_its_map(make: Callable[[], SSIMLoss], shape: tuple[int, int]) -> None:
    x, y = (image[None] for image in planes(3, 40, 32, 1.0))
    if shape == (1, 1):
        x, y = x[..., :39, :31], y[..., :39, :31]
    actual = make().loss_map(x, y)
    assert actual.shape == (1, 3, *shape)
    assert make()(x, y).item() == pytest.approx(actual.mean().item(), rel=1e-12)
    with pytest.raises(ValueError, match="differ in shape"):
        make().loss_map(x, y[..., 1:])


def test_custom_level_weights_are_used() -> None:
    x, y = (image[None] for image in planes(3, 64, 64, 1.0))
    from_numbers, from_text = MSSSIMLoss(2, weights=(0.4, 0.6)), loss('ms_ssim(2, weights="0.4 0.6")')
    assert from_numbers(x, y) == from_text(x, y) != MSSSIMLoss(2)(x, y)
    assert loss(str(from_text))(x, y) == from_text(x, y)
    six = MSSSIMLoss(6, window=3, weights="1 1 1 1 1 1")
    assert six.min_side == 65
    single_sigma = loss('ms_ssim_sigmas(sigmas="1.5", window=11)')
    assert single_sigma(x, y).item() == pytest.approx(SSIMLoss(padding="same")(x, y).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("ssim(padding=full)", "ssim: padding must be one of valid, same, reflect, not 'full'"),
        ("ssim(k1=0)", "ssim: k1 must be above 0, not 0"),
        ("mix(data_range=-1)", "mix: data_range must be above 0, not -1"),
        ('ms_ssim(weights="1 2")', "ms_ssim: 5 levels need 5 weights, not 2"),
        (
            'ms_ssim(weights="a b")',
            "ms_ssim: weights must be numbers separated by spaces, such as \"1 2 4\", not 'a b'",
        ),
        ('ms_ssim(weights="1 -2")', "ms_ssim: weights must be above 0, not -2.0"),
        ('mix(sigmas="2 1")', "mix: sigmas must rise, not (2.0, 1.0)"),
    ],
)
def test_structural_options_out_of_range_are_refused(expression: str, message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (its text is compared)
        loss(expression)
    assert str(error.value) == message

"""Mistakes in the use of a loss raise one sentence that says what to do."""

import pytest
import torch
from torch import Tensor

from lossmith import LossmithError
from lossmith.losses import loss

IMAGES = torch.rand(2, 3, 23, 23)


@pytest.mark.parametrize(
    "expression", ["l1", "ssim", "mix", "2*l1 + ssim", "l1 until 5% then l2", "torch.nn:L1Loss"]
)
@pytest.mark.parametrize(
    ("prediction", "target", "message"),
    [
        (IMAGES[0], IMAGES[0], "images must be (N, C, H, W), not (3, 23, 23)"),
        (IMAGES[None], IMAGES[None], "images must be (N, C, H, W), not (1, 2, 3, 23, 23)"),
        (IMAGES, IMAGES[:1], "prediction (2, 3, 23, 23) and target (1, 3, 23, 23) differ in shape"),
        (IMAGES, IMAGES[:, :1], "prediction (2, 3, 23, 23) and target (2, 1, 23, 23) differ in shape"),
        (IMAGES, IMAGES[0], "prediction (2, 3, 23, 23) and target (3, 23, 23) differ in shape"),
        (IMAGES, IMAGES.byte(), "images must be floating point in [0, 1], not torch.float32 and torch.uint8"),
        (IMAGES.long(), IMAGES, "images must be floating point in [0, 1], not torch.int64 and torch.float32"),
        (IMAGES.bool(), IMAGES.bool(), "images must be floating point in [0, 1], not torch.bool and torch.bool"),
        (IMAGES[:0], IMAGES[:0], "the batch is empty"),
        (IMAGES[:, :0], IMAGES[:, :0], "the images have no channels"),
    ],
)
def test_tensors_that_are_not_images_are_refused(
    expression: str, prediction: Tensor, target: Tensor, message: str
) -> None:
    with pytest.raises(LossmithError) as error:
        loss(expression)(prediction, target)
    assert str(error.value).endswith(f": {message}")


@pytest.mark.parametrize(
    ("expression", "min_side"),
    [
        ("l1", 1),
        ("tv", 2),
        ("ssim", 11),
        ("ssim(window=5)", 5),
        ("ms_ssim", 161),
        ("ms_ssim(levels=3)", 41),
        ("ms_ssim(levels=2, window=5)", 9),
        ("mix", 1),
        ("texture", 36),
        ("texture(levels=2, window=1, period=1)", 4),
    ],
)
def test_images_that_are_too_small_are_refused(expression: str, min_side: int) -> None:
    criterion = loss(expression)
    least_image = torch.rand(1, 1, min_side, min_side)
    assert criterion(least_image, least_image).isfinite()
    for height, width in [(min_side - 1, min_side), (min_side, min_side - 1)]:
        small = least_image[:, :, :height, :width]
        with pytest.raises(LossmithError) as error:
            criterion(small, small)
        sentence = f"{expression} needs at least {min_side} x {min_side} pixels, not {height} x {width}"
        assert str(error.value) == sentence


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("mixx", "loss 'mixx' is not known; did you mean 'mix'?"),
        ("SSIM", "loss 'SSIM' is not known; did you mean 'ssim'?"),
        ("l1 + 0.1*charbonier", "loss 'charbonier' is not known; did you mean 'charbonnier'?"),
        (
            "wxyz",
            "loss 'wxyz' is not known; known are charbonnier, contextual, dists, esrgan, features, johnson, "
            "johnson_at_hand, l1, "
            "l2, lpips, mae, mdf, minc, mix, mix_pl4nn, ms_ssim, ms_ssim_sigmas, mse, perceptual, srgan, ssim, "
            "style, style_w2, texture, tv, vgg",
        ),
        ("ssim(sigmaa=2)", "option of loss ssim: 'sigmaa' is not known; did you mean 'sigma'?"),
        (
            "ssim(w=2)",
            "option of loss ssim: 'w' is not known; known are data_range, k1, k2, padding, sigma, window",
        ),
        (
            "l1(weight=2)",
            "option of loss l1: 'weight' is not known; there is none; `lossmith losses` lists the options",
        ),
        ("mix_pl4nn(alfa=2)", "option of loss mix_pl4nn: 'alfa' is not known; did you mean 'alpha'?"),
        (
            "ssim(7, 1.5, valid, 0.01, 0.03, 1, mean, 4)",
            "loss 'ssim': too many positional arguments",
        ),
        ("ssim(7, window=7)", "loss 'ssim': multiple values for argument 'window'"),
        ("ssim(sigma=abc)", "loss 'ssim': sigma must be a number, not 'abc'"),
        ("ssim(sigma=none)", "loss 'ssim': sigma must be a number, not None"),
        ("ssim(window=11.5)", "loss 'ssim': window must be a whole number, not 11.5"),
        ("ssim(11.0)", "loss 'ssim': window must be a whole number, not 11.0"),
        ("ssim(window=true)", "loss 'ssim': window must be a whole number, not True"),
        ("mix(alpha=abc)", "loss 'mix': alpha must be a number, not 'abc'"),
        ("mix_pl4nn(alpha=abc)", "loss 'mix_pl4nn': alpha must be a number, not 'abc'"),
        ("mix(form=3)", "loss 'mix': form must be text, not 3"),
        ("charbonnier(epsilon=true)", "loss 'charbonnier': epsilon must be a number, not True"),
        ("charbonnier(epsilon=0)", "charbonnier: epsilon must be above 0 (1e-30 at least), not 0"),
        ("tv(exponent=0.5)", "tv: exponent must be at least 1, not 0.5"),
        ("texture(levels=0)", "texture: levels must be a whole number from 1 up, not 0"),
        ("texture(period=1.5)", "loss 'texture': period must be a whole number, not 1.5"),
        ("ms_ssim(levels=6)", "ms_ssim: levels must be 1 to 5, not 6"),
        ("ms_ssim(levels=0)", "ms_ssim: levels must be 1 to 5, not 0"),
        ("ssim(window=-3)", "ssim: window must be an odd number of pixels, not -3"),
        ("ssim(window=4)", "ssim: window must be an odd number of pixels, not 4"),
        ("ssim(sigma=-1)", "ssim: sigma must be above 0, not -1"),
        ('l1(reduction="total")', "reduction must be 'mean', 'sum' or 'none', not 'total'"),
        ('l1(reduction="none") + l2', "losses that are added must share one reduction"),
        ("1e200*1e200*l1", "a loss's weight must be a finite number, not inf"),
    ],
)
def test_invalid_option_types_are_refused(expression: str, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        loss(expression)
    assert str(error.value) == message


def test_errors_name_the_loss_with_its_options() -> None:
    with pytest.raises(LossmithError, match=r"^ssim\(window=25\) needs at least 25 x 25 pixels, not 23 x 23$"):
        loss("l1 + 0.5*ssim(window=25)")(IMAGES, IMAGES)

"""What must hold for every metric as a function: of batches, gradients, precision, options and mistakes."""

import inspect
import math
from functools import partial

import pytest
import torch

import lossmith.metrics
from lossmith.core.errors import LossmithError
from lossmith.evaluation import Protocol, score
from lossmith.metrics import METRICS, metric_function
from lossmith.metrics.registry import follows_color

SIDES = {name: max(metric.min_side, 24) for name, metric in METRICS.items()}
"""Small images on which every metric exists."""

every_metric = pytest.mark.parametrize("name", METRICS)


def degrade(image):
    """Darker, noisy, and 8-bit."""
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(0), dtype=image.dtype)
    return ((0.9 * image + 0.03 * noise).clamp(0, 1) * 255).round() / 255


def pairs(name, photo, batch=3):
    """Degraded images and their targets, all different and of one size."""
    side = SIDES[name] + 3
    tall = photo(side, side + 8)
    target = torch.cat([tall, tall.flip(3), tall.flip(2).roll(5, 3)])[:batch]
    return degrade(target), target


@every_metric
def test_a_batch_gives_what_its_images_give_alone(name, photo):
    prediction, target = pairs(name, photo)
    batch = metric_function(name)(prediction, target)
    values = [metric_function(name)(x[None], y[None]).item() for x, y in zip(prediction, target, strict=True)]
    assert batch.shape == (3,)
    assert batch.tolist() == pytest.approx(values, rel=1e-12)


@every_metric
def test_nan_in_one_image_of_a_batch_leaves_the_others_alone(name, photo):
    prediction, target = pairs(name, photo)
    clean = metric_function(name)(prediction, target)
    prediction[1, 0, 9, 9] = torch.nan
    values = metric_function(name)(prediction, target)
    assert values.isnan().tolist() == [False, True, False]
    assert values[[0, 2]].tolist() == pytest.approx(clean[[0, 2]].tolist(), rel=1e-12)


# Of 8-bit images gradients do not exist where neighbors are equal, so these are moved a little.
def uneven(image):
    noise = torch.rand(image.shape, generator=torch.Generator().manual_seed(1), dtype=image.dtype)
    return 0.1 + 0.8 * image + 0.01 * noise


@pytest.mark.parametrize(
    ("name", "options"),
    [(name, {}) for name in METRICS] + [(name, {"color": "y"}) for name in METRICS if follows_color(name)],
)
def test_gradients_are_the_slopes_of_the_metric(name, options, photo):
    """Along the gradient and along a random direction, against central differences."""
    function = partial(metric_function(name), **options, border=1)
    prediction, target = map(uneven, pairs(name, photo, batch=2))
    prediction.requires_grad_()
    (gradient,) = torch.autograd.grad(function(prediction, target).sum(), prediction)
    prediction = prediction.detach()
    random = torch.randn(prediction.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for direction in (gradient / gradient.norm(), random / random.norm()):
        step = 1e-7 * direction
        slope = (function(prediction + step, target) - function(prediction - step, target)).sum() / 2e-7
        expected = (gradient * direction).sum().item()
        # the sides of a corner, as of |x|, differ where it lies within the step
        assert slope.item() == pytest.approx(expected, rel=1e-4, abs=1e-5 * gradient.norm().item())


@pytest.mark.parametrize("name", ["psnr", "ssim", "gmsd", "fsim", "fsimc", "l2"])
def test_every_single_derivative_of_a_small_image_is_right(name):
    side = 12 if name == "ssim" else 8
    generator = torch.Generator().manual_seed(0)
    prediction, target = torch.rand(2, 2, 3, side, side, generator=generator, dtype=torch.float64)
    function = partial(metric_function(name), target=target)
    assert torch.autograd.gradcheck(function, prediction.requires_grad_(), fast_mode=True)


@every_metric
@pytest.mark.parametrize("kind", ["equal", "flat", "flat target", "inverted"])
def test_gradients_are_finite_where_metrics_have_corners(name, kind, photo):
    side = SIDES[name]
    image, flat_image = photo(side, side), torch.full((1, 3, side, side), 0.5, dtype=torch.float64)
    prediction, target = {
        "equal": (image, image),
        "flat": (flat_image, flat_image),
        "flat target": (image, flat_image),
        "inverted": (1 - image, image),
    }[kind]
    prediction = prediction.clone().requires_grad_()
    metric_function(name)(prediction, target).sum().backward()
    assert prediction.grad.isfinite().all()


TOLERANCES = {"psnr": 1e-4, "l1": 1e-3, "l2": 1e-3}
"""In the metric's own unit; similarities are within 1e-5."""


@every_metric
def test_float32_agrees_with_float64_and_stays_float32(name, photo):
    prediction, target = pairs(name, photo)
    float32_values = metric_function(name)(prediction.float(), target.float())
    double = metric_function(name)(prediction, target)
    assert (float32_values.dtype, double.dtype) == (torch.float32, torch.float64)
    assert float32_values.tolist() == pytest.approx(double.tolist(), abs=TOLERANCES.get(name, 1e-5))


@every_metric
def test_half_precision_and_autocast_are_computed_in_float32(name, photo):
    prediction, target = (image.half() for image in pairs(name, photo))
    expected = metric_function(name)(prediction.float(), target.float())
    assert torch.equal(metric_function(name)(prediction, target), expected)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(metric_function(name)(prediction.float(), target.float()), expected)


@every_metric
def test_a_call_in_inference_mode_does_not_spoil_a_gradient_later(name, photo):
    """What is remembered between calls, such as wavelets, may be needed for a backward pass."""
    lossmith.metrics.phase_congruency.wavelets.cache_clear()
    prediction, target = pairs(name, photo, batch=1)
    with torch.inference_mode():
        metric_function(name)(prediction.clone(), target.clone())
    prediction.requires_grad_()
    metric_function(name)(prediction, target).sum().backward()
    assert prediction.grad.abs().sum() > 0


@every_metric
@pytest.mark.parametrize("protocol", [Protocol(), Protocol("y", 4)], ids=str)
def test_with_the_options_of_a_protocol_functions_give_what_evaluate_writes_down(name, protocol, photo):
    """`score` is where the numbers of `lossmith evaluate` come from."""
    prediction, target = photo(181, 190), photo(181, 190)
    prediction = prediction * 1.04 - 0.01  # beyond [0, 1] and between 8-bit values
    options = {"color": protocol.color} if follows_color(name) else {}
    value = metric_function(name)(prediction, target, **options, border=protocol.border, round_to_8bit=True)
    assert value.item() == pytest.approx(score(prediction[0], target[0], protocol, [name])[name], rel=1e-12)


@every_metric
def test_of_gray_images_with_one_channel_functions_give_what_evaluate_writes_down(name, photo):
    target = photo(170, 170)[:, :1]
    prediction = target * 0.9
    value = metric_function(name)(prediction, target, round_to_8bit=True)
    color = (image[0].expand(3, -1, -1) for image in (prediction, target))
    assert value.item() == pytest.approx(score(*color, Protocol(), [name])[name], rel=1e-12)


@every_metric
def test_rounding_to_8_bits_leaves_no_gradient(name, photo):
    prediction, target = pairs(name, photo)
    prediction.requires_grad_()
    value = metric_function(name)(prediction, target, round_to_8bit=True).sum()
    assert torch.autograd.grad(value, prediction, allow_unused=True)[0].abs().max() == 0


@every_metric
def test_inputs_are_left_as_they_are(name, photo):
    prediction, target = pairs(name, photo)
    copies = prediction.clone(), target.clone()
    metric_function(name)(prediction, target, border=1, round_to_8bit=True)
    assert torch.equal(prediction, copies[0])
    assert torch.equal(target, copies[1])


IMAGE = torch.zeros(1, 3, 200, 200)


@every_metric
@pytest.mark.parametrize(
    ("prediction", "target", "options", "complaint"),
    [
        (IMAGE[0], IMAGE[0], {}, r"images must be \(N, C, H, W\), not \(3, 200, 200\)"),
        (IMAGE, IMAGE[..., 1:], {}, "differ in shape"),
        (IMAGE.byte(), IMAGE.byte(), {}, "floating point"),
        (IMAGE, None, {}, "images must be tensors"),
        (IMAGE, IMAGE, {"border": -1}, "border must be a number of pixels, 0 or more, not -1"),
        (IMAGE, IMAGE, {"border": 2.0}, "border must be a number of pixels"),
        (IMAGE, IMAGE, {"border": 100}, "needs at least .* with 100 cropped from each side, not 200 x 200"),
        (IMAGE, IMAGE.clone().requires_grad_(), {}, "the gradient goes to the prediction"),
    ],
    ids=[
        "one image",
        "two sizes",
        "bytes",
        "no tensor",
        "border below 0",
        "border of a float",
        "all cropped",
        "swapped",
    ],
)
def test_wrong_inputs_and_options_are_refused_in_a_sentence(name, prediction, target, options, complaint):
    with pytest.raises(LossmithError, match=complaint):
        metric_function(name)(prediction, target, **options)


@pytest.mark.parametrize("name", [name for name in METRICS if METRICS[name].min_side > 1])
def test_images_below_the_least_size_are_refused(name):
    side = METRICS[name].min_side
    metric_function(name)(IMAGE[..., :side, :side], IMAGE[..., :side, :side])
    for options in ({}, {"border": 1}):
        small = IMAGE[..., : side - 1 + 2 * len(options), :]
        with pytest.raises(LossmithError, match=f"{name} needs at least {side + 2 * len(options)} x"):
            metric_function(name)(small, small, **options)


@pytest.mark.parametrize("name", [name for name in METRICS if follows_color(name)])
def test_an_unknown_color_is_refused(name):
    with pytest.raises(LossmithError, match="color must be 'rgb' or 'y', not 'ycbcr'"):
        metric_function(name)(IMAGE, IMAGE, color="ycbcr")


@pytest.mark.parametrize("name", ["psnr", "gmsd"])
def test_colors_need_three_channels(name):
    two = torch.zeros(1, 2, 32, 32)
    with pytest.raises(LossmithError, match="must have 3 channels, or 1 where they are gray, not 2"):
        metric_function(name)(two, two, **({"color": "y"} if name == "psnr" else {}))


def test_help_and_dir_show_every_metric_and_every_option_has_one_name():
    names = dir(lossmith.metrics)
    for name in METRICS:
        assert name in names
        parameters = inspect.signature(metric_function(name)).parameters
        assert list(parameters)[:2] == ["prediction", "target"]
        assert {"border", "round_to_8bit"} <= parameters.keys()
        assert metric_function(name).__doc__
    assert {"PSNR", "SSIM", "LPIPS", "lpips", "dists"} <= {*names}
    with pytest.raises(AttributeError, match="no attribute 'VMAF'"):
        _ = lossmith.metrics.VMAF


def test_psnr_without_a_ceiling_is_infinite_for_equal_images():
    assert metric_function("psnr")(IMAGE, IMAGE, ceiling=math.inf) == math.inf
    assert metric_function("psnr")(IMAGE + 0.1, IMAGE, ceiling=15) == 15

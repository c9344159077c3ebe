"""Losses on features: each against its formula in float64, and properties of all of them."""

import copy
import pickle
from collections.abc import Callable

import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.losses import ContextualLoss, Loss, PerceptualLoss, StyleLoss, StyleW2Loss, describe, loss
from lossmith.losses.perceptual import contextual
from lossmith.losses.perceptual.base import DISTANCES, parse_layers

EXPRESSIONS = [
    "features(squeezenet1_1, fire2, weights=random)",
    "features(squeezenet1_1, relu1 + 0.5*fire2, distance=l2, weights=random, normalize=none)",
    "features(squeezenet1_1, fire3, distance=charbonnier, weights=random)",
    "style(network=squeezenet1_1, layers=relu1 + 2*fire2, weights=random)",
    "style_w2(network=squeezenet1_1, layers=relu1 + 2*fire2, weights=random)",
    "contextual(squeezenet1_1, fire2, weights=random)",
    "contextual(squeezenet1_1, fire2, distance=l1, bandwidth=0.1, weights=random)",
    "contextual(squeezenet1_1, fire2, distance=l2, weights=random)",
    "lpips(network=squeeze, weights=random)",
    "lpips(network=squeeze, linear=false, weights=random)",
    "dists(weights=random)",
]
LAYERS = "0 + 0.5*2"


def pair(side: int = 24, batch: int = 2, channels: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """A target and a prediction that resembles it, in float64."""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, channels, side, side + 3)
    target, noise = (torch.rand(shape, generator=generator, dtype=torch.float64) for _ in range(2))
    return 0.7 * target + 0.3 * noise, target


def small() -> nn.Module:
    """A network without kinks, for differences."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 5, 3, stride=2)).double()


def small_features(image: Tensor) -> list[Tensor]:
    network = small()
    with torch.no_grad():
        return [network[0](image), network(image)]


def value_and_gradient(criterion: nn.Module, prediction: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    leaf = prediction.detach().requires_grad_()
    value = criterion(leaf, target)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


def build(kind: type[Loss], **options: object) -> Loss:
    return kind(small(), LAYERS, reduction="none", **options).double()


# --- the formulas ------------------------------------------------------------------------------------------------


def reference(of_a_layer: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, target: Tensor) -> Tensor:
    """The weighted sum over the layers of a formula of two feature maps (C, H, W), image by image."""
    layers = zip((1, 0.5), small_features(prediction), small_features(target), strict=True)
    return sum(w * torch.stack([of_a_layer(x, y) for x, y in zip(xs, ys, strict=True)]) for w, xs, ys in layers)


POINTWISE = {
    "l1": lambda x, y: (x - y).abs().mean(),
    "l2": lambda x, y: (x - y).pow(2).mean(),
    "charbonnier": lambda x, y: ((x - y).pow(2) + 1e-6).sqrt().mean() - 1e-3,
}


@pytest.mark.parametrize("distance", DISTANCES)
def test_features_equals_the_mean_distance_of_feature_maps(distance: str) -> None:
    actual = build(PerceptualLoss, distance=distance)(*pair())
    torch.testing.assert_close(actual, reference(POINTWISE[distance], *pair()), rtol=1e-12, atol=0)


def test_style_equals_the_mean_squared_difference_of_gram_matrices() -> None:
    def gram(x: Tensor) -> Tensor:
        rows = [[(a * b).sum() / x.numel() for b in x] for a in x]
        return torch.tensor(rows, dtype=x.dtype)

    expected = reference(lambda x, y: (gram(x) - gram(y)).pow(2).mean(), *pair())
    torch.testing.assert_close(build(StyleLoss)(*pair()), expected, rtol=1e-10, atol=0)


def test_style_w2_equals_the_wasserstein_distance_of_gaussians() -> None:
    def formula(x: Tensor, y: Tensor) -> Tensor:
        means = [z.flatten(1).mean(1) for z in (x, y)]
        s, t = (z.flatten(1).cov(correction=0) + 1e-4 * torch.eye(len(z)) for z in (x, y))
        root = torch.from_numpy(sqrtm((s @ t).numpy()).real)  # its trace is that of the symmetric form
        return ((means[0] - means[1]).pow(2).sum() + (s + t - 2 * root).trace()) / len(x)

    torch.testing.assert_close(build(StyleW2Loss)(*pair()), reference(formula, *pair()), rtol=1e-8, atol=0)


def brute_force(distance: str, x: Tensor, y: Tensor, bandwidth: float = 0.5) -> Tensor:
    """-log CX of feature maps (C, H, W), place by place."""
    prediction, target = x.flatten(1).T, y.flatten(1).T
    center = target.mean(0)

    def apart(a: Tensor, b: Tensor) -> float:
        if distance == "cosine":
            a, b = a - center, b - center
            return 1 - float(a @ b / (a.norm() * b.norm()))
        return float((a - b).abs().sum() if distance == "l1" else (a - b).pow(2).sum())

    similar = []
    for a in prediction:
        row = torch.tensor([apart(a, b) for b in target], dtype=torch.float64)
        weights = ((1 - row / (row.min() + 1e-5)) / bandwidth).exp()
        similar.append(weights / weights.sum())
    return -torch.stack(similar).max(0).values.mean().log()


@pytest.mark.parametrize("distance", contextual.DISTANCES)
@pytest.mark.parametrize("batch", [1, 2])
def test_contextual_equals_brute_force(distance: str, batch: int) -> None:
    prediction, target = pair(8, batch)
    expected = reference(lambda x, y: brute_force(distance, x, y, 0.3), prediction, target)
    actual = build(ContextualLoss, distance=distance, bandwidth=0.3)(prediction, target)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("distance", contextual.DISTANCES)
def test_contextual_in_chunks_equals_contextual_at_once(distance: str) -> None:
    x, y = (torch.rand(2, 30, 7, generator=torch.Generator().manual_seed(n)).double() for n in (0, 1))
    x.requires_grad_()
    values = [contextual.contextual_similarity(x, y, distance, 0.5, at_once) for at_once in (1, 500, 10**6)]
    slopes = [torch.autograd.grad(value.sum(), x)[0] for value in values]
    for value, slope in zip(values, slopes, strict=True):
        torch.testing.assert_close(value, values[-1], rtol=1e-12, atol=0)
        torch.testing.assert_close(slope, slopes[-1], rtol=1e-9, atol=1e-15)


@pytest.mark.parametrize(
    ("kind", "options"),
    [(PerceptualLoss, {}), (StyleLoss, {}), (StyleW2Loss, {})]
    + [(ContextualLoss, {"distance": d}) for d in contextual.DISTANCES],
)
def test_perceptual_gradients_equal_finite_differences(kind: type[Loss], options: dict[str, str]) -> None:
    prediction, target = pair(9)
    criterion = build(kind, **options)
    assert torch.autograd.gradcheck(
        lambda x: criterion(x, target), prediction.requires_grad_(), fast_mode=True, eps=1e-7, atol=1e-6
    )


# --- what holds for all ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_perceptual_losses_of_equal_images_are_zero(expression: str) -> None:
    image = pair()[1].float()
    value, gradient = value_and_gradient(loss(expression), image, image.clone())
    if "w2" in expression:  # roots in float64
        assert value.abs() < 1e-10
        assert gradient.norm() < 1e-8
    else:
        assert value == 0
        assert not gradient.any()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_perceptual_losses_of_a_batch_are_those_of_each_image(expression: str) -> None:
    prediction, target = (image.float() for image in pair(batch=3))
    per_image = loss(expression, reduction="none")
    together = per_image(prediction, target)
    values = [per_image(prediction[i : i + 1], target[i : i + 1]) for i in range(3)]
    # batches are convolved in another order
    torch.testing.assert_close(together, torch.cat(values), rtol=1e-4, atol=1e-8)
    torch.testing.assert_close(loss(expression)(prediction, target), together.mean(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_precomputed_target_gives_the_same_value_and_gradient(expression: str) -> None:
    prediction, target = (image.float() for image in pair())
    criterion = loss(expression)
    expected = value_and_gradient(criterion, prediction, target)
    fixed_loss = criterion.with_target(target)
    target.zero_()  # the features of the target were copied
    actual = value_and_gradient(lambda x, _: fixed_loss(x), prediction, target)
    assert torch.equal(actual[0], expected[0])
    assert torch.equal(actual[1], expected[1])
    assert not fixed_loss.state_dict()


@pytest.mark.parametrize("expression", [e for e in EXPRESSIONS if "style" in e])
def test_a_style_image_can_have_another_size(expression: str) -> None:
    prediction, target = pair()[0].float(), pair(30, batch=1)[1].float()
    fixed_loss = loss(expression, reduction="none").with_target(target)
    values = torch.cat([fixed_loss(image[None]) for image in prediction])
    torch.testing.assert_close(fixed_loss(prediction), values, rtol=1e-4, atol=0)
    other = loss(EXPRESSIONS[0]).with_target(target)
    with pytest.raises(LossmithError, match="differ in shape"):
        other(prediction)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_perceptual_losses_compute_half_precision_and_autocast_in_float32(expression: str) -> None:
    prediction, target = (image.bfloat16() for image in pair())
    expected = loss(expression)(prediction.float(), target.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = loss(expression)(prediction, target)
    assert actual.dtype == torch.float32
    assert torch.equal(actual, expected)


@pytest.mark.parametrize("distance", ["cosine", "l2"])
def test_contextual_has_a_first_derivative_only(distance: str) -> None:
    prediction, target = pair(9)
    value = build(ContextualLoss, distance=distance)(prediction.requires_grad_(), target).sum()
    with pytest.raises(LossmithError, match="contextual has a first derivative only"):
        torch.autograd.grad(value, prediction, create_graph=True)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_perceptual_loss_is_an_ordinary_module(expression: str) -> None:
    prediction, target = (image.float() for image in pair())
    criterion = loss(expression)
    expected = criterion(prediction, target)
    assert not list(criterion.parameters())
    assert not criterion.state_dict()  # the weights have a file of their own
    for twin in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion)), loss(str(criterion))):
        assert torch.equal(twin(prediction, target), expected)
        assert (
            str(twin)
            == str(criterion)
            == expression.replace("(squeeze,", "(network=squeeze,")
            .replace("style(squeeze", "style(network=squeeze")
            .replace("w2(squeeze", "w2(network=squeeze")
            .replace("1_1, relu1 + 2", "1_1, layers=relu1 + 2")
        )
    assert {buffer.device.type for buffer in criterion.to("meta").buffers()} == {"meta"}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_perceptual_losses_compile_without_graph_breaks(expression: str) -> None:
    torch.compiler.reset()
    criterion = loss(expression)
    prediction, target = (image.float() for image in pair())
    compiled = torch.compile(criterion, fullgraph=True, backend="aot_eager")
    actual = value_and_gradient(compiled, prediction, target)
    expected = value_and_gradient(criterion, prediction, target)
    torch.testing.assert_close(actual[0], expected[0], rtol=1e-5, atol=0)
    assert (actual[1] - expected[1]).norm() < 1e-3 * expected[1].norm()  # order of sums, beside kinks


# --- as it is written --------------------------------------------------------------------------------------------


def test_the_presets_are_what_the_papers_use() -> None:
    expected = {
        "johnson": "features(vgg16, relu2_2, distance=l2, weights=random)",
        "srgan": "features(vgg19, relu5_4, distance=l2, weights=random)",
        "esrgan": "features(vgg19, conv5_4, weights=random)",
        "minc": "features(minc, conv5_3, weights=random)",
    }
    assert {name: str(loss(f"{name}(weights=random)")) for name in expected} == expected
    for name in expected:
        assert "options: distance=" in describe(name)
        assert "a minimum size that depends on the network" in describe(name)


def test_layers_are_summed_with_their_weights() -> None:
    assert parse_layers(" conv5_4 ") == (["conv5_4"], [1.0])
    assert parse_layers("0.1*relu1_2+relu2_2") == (["relu1_2", "relu2_2"], [0.1, 1.0])
    for wrong in ("", "relu1_2 +", "2*", "x*relu1_2", "nan*relu1_2", "2*3*relu1_2"):
        with pytest.raises(LossmithError, match=r"layers are written as 'relu1_2 \+ 0.5\*relu2_2', not"):
            parse_layers(wrong)


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("features(vgg16, relu2_2, distance=l3)", "distance 'l3' is not known; did you mean 'l2'"),
        ("contextual(vgg16, relu2_2, distance=cosin)", "distance 'cosin' is not known; did you mean 'cosine'"),
        ("contextual(vgg16, relu2_2, bandwidth=0)", "bandwidth must be from 0.001 to 1000, not 0"),
        ("lpips(vgg19)", "network of lpips: 'vgg19' is not known; did you mean 'vgg'"),
        ("features(vgg16)", "missing a required argument: 'layers'"),
    ],
)
def test_invalid_perceptual_options_are_one_sentence(expression: str, sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        loss(expression)


def test_a_users_backbone_is_named_but_not_formatted() -> None:
    criterion = PerceptualLoss(small(), "0")
    assert str(criterion) == 'features(object of torch.nn.modules.container:Sequential, "0")'

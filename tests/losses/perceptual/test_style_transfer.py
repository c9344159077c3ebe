"""The objective of style transfer: its terms, its paintings, and its weights as published."""

import math

import pytest
import torch
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.losses import FeatureExtractor, PerceptualLoss, StyleLoss
from lossmith.losses.perceptual.style_networks import PUBLISHED_LEVEL, published_weights
from lossmith.losses.perceptual.style_transfer import StyleTransferLoss

CONTENT, STYLE = "relu2_2", "relu1_2 + 0.5*relu2_1"


def objective(*paintings: Tensor, **options: object) -> StyleTransferLoss:
    made = StyleTransferLoss(paintings, "vgg16", CONTENT, STYLE, weights="random", **options)  # type: ignore[arg-type]
    return made.double()


def images(count: int, *size: int) -> Tensor:
    return torch.rand(count, 3, *(size or (24, 24)), dtype=torch.float64)


def gram(features: Tensor) -> Tensor:
    """F F' / (C H W), entry by entry."""
    _, channels, height, width = features.shape
    return torch.einsum("nchw,ndhw->ncd", features, features) / (channels * height * width)


def test_the_terms_are_those_of_a_plain_computation() -> None:
    prediction, photo, painting = images(2), images(2), images(1, 20, 30)
    loss = objective(painting, content_weight=2.0, style_weight=3.0, tv_weight=4.0)
    names = ["relu2_2", "relu1_2", "relu2_1"]
    extractor = FeatureExtractor("vgg16", names, "random").double()
    ours, theirs, styled = (
        dict(zip(names, extractor(image), strict=True)) for image in (prediction, photo, painting)
    )
    style = sum(
        weight * (gram(ours[name]) - gram(styled[name])).square().mean()
        for name, weight in (("relu1_2", 1.0), ("relu2_1", 0.5))
    )
    expected = {
        "content": 2 * (ours[CONTENT] - theirs[CONTENT]).square().mean(),
        "style": 3 * style,
        "tv": 4 * sum(prediction.diff(dim=axis).square().mean() for axis in (2, 3)),
    }
    terms = loss.terms(prediction, photo)
    # the paintings' Gram matrices are computed in float32, once
    torch.testing.assert_close(terms, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(loss(prediction, photo), torch.stack([*terms.values()]).sum())


def test_against_a_fixed_photograph_its_features_are_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    prediction, photo = images(1), images(1)
    loss = objective(images(1))
    targeted = loss.with_target(photo)
    expected = loss(prediction, photo)
    monkeypatch.setattr(loss.content, "target_features", None)
    torch.testing.assert_close(targeted(prediction), expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize(
    ("content_layers", "style_layers"),
    [(CONTENT, CONTENT), ("relu1_2 + relu2_2", "relu1_2 + relu1_1"), ("relu2_2 + relu1_2", "relu1_1 + relu1_2")],
)
def test_a_layer_of_both_content_and_style_counts_in_both(content_layers: str, style_layers: str) -> None:
    image, painting = images(1).float(), images(1).float()
    shared = StyleTransferLoss([painting], "vgg16", content_layers, style_layers, weights="random")
    terms = shared.terms(image, painting)
    style = StyleLoss("vgg16", style_layers, "random")
    content = PerceptualLoss("vgg16", content_layers, "l2", "random")
    torch.testing.assert_close(terms["style"], style(image, painting))
    torch.testing.assert_close(terms["content"], content(image, painting))


def test_several_paintings_pull_as_much_as_their_shares() -> None:
    first, second, photo = images(1), images(1, 32, 16), images(1)
    prediction = images(1).requires_grad_()

    def pull(loss: StyleTransferLoss) -> Tensor:
        return torch.autograd.grad(loss.terms(prediction, photo)["style"], prediction)[0]

    both = objective(first, second, painting_weights=[3.0, 1.0])
    expected = 0.75 * pull(objective(first)) + 0.25 * pull(objective(second))
    torch.testing.assert_close(pull(both), expected, rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize(
    ("paintings", "options", "message"),
    [
        (0, {}, "a style needs a painting at least"),
        (
            2,
            {"painting_weights": [1.0]},
            "2 paintings need as many shares, finite, none negative and not all 0",
        ),
        (
            2,
            {"painting_weights": [math.inf, 1.0]},
            "2 paintings need as many shares, finite, none negative and not all 0",
        ),
        (
            1,
            {"painting_weights": [0.0]},
            "1 paintings need as many shares, finite, none negative and not all 0",
        ),
        (1, {"tv_weight": -1.0}, "the weights of content, style and total variation must not be negative"),
    ],
)
def test_impossible_objectives_are_refused(paintings: int, options: dict[str, object], message: str) -> None:
    with pytest.raises(LossmithError, match=f"^{message}"):
        objective(*images(paintings)[:, None], **options)


def net(factor: float) -> nn.Module:
    """A network whose features are proportional to the factor."""
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.ReLU())
    layers[0].weight.data *= factor
    return layers


def test_the_published_balance_holds_for_features_of_any_size() -> None:
    small, large = (published_weights(net(size), "1", 1.0, 5.0, 1e-6, None) for size in (1.0, 10.0))
    # features ten times larger have squares a hundred times larger, and Gram matrices whose squares are 10^4 times
    assert small[0] == large[0] == 1
    assert small[1] == pytest.approx(100 * large[1], rel=0.01)  # rounded to three digits
    assert small[2] == pytest.approx(large[2] / 100, rel=0.01)


def test_features_as_large_as_published_have_the_published_weights() -> None:
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    level = float(net(1.0)(noise).detach().square().mean().sqrt())
    content, style, tv = published_weights(net(PUBLISHED_LEVEL / level), "1", 1.0, 5.0, 1e-6, None)
    assert (content, style) == (1, pytest.approx(5))
    # 1e-6 times the sum of squared differences of four images of 3 x 256 x 256 from 0 to 255
    assert tv == pytest.approx(1e-6 * 4 * 3 * 256**2 * 255**2, rel=0.01)

"""LPIPS and DISTS against the papers' formulas, written plainly in float64, with the published heads."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models

from lossmith import LossmithError
from lossmith.losses import loss
from lossmith.losses.perceptual.dists import L2Pool
from lossmith.losses.perceptual.dists import head_files as heads_of_dists
from lossmith.losses.perceptual.lpips import head_files as heads_of_lpips
from lossmith.losses.perceptual.weights import find_file, read_state_dict

TAPS = {
    "alex": ("alexnet", (1, 4, 7, 9, 11)),
    "vgg": ("vgg16", (3, 8, 15, 22, 29)),
    "squeeze": ("squeezenet1_1", (1, 4, 7, 9, 10, 11, 12)),
}
MEAN = torch.tensor([0.485, 0.456, 0.406], dtype=torch.float64).view(3, 1, 1)
DEVIATION = torch.tensor([0.229, 0.224, 0.225], dtype=torch.float64).view(3, 1, 1)


def pair(height: int, width: int, batch: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    target, noise = (torch.rand(batch, 3, height, width, generator=generator) for _ in range(2))
    return 0.8 * target + 0.2 * noise, target


def backbone(name: str, folder: Path) -> tuple[nn.Sequential, Path]:
    """The features of a torchvision network in float64, and the file of its weights."""
    with torch.device("meta"):  # the classifier would take seconds
        network = models.get_model(name, weights=None).eval()
    features = network.features.to_empty(device="cpu").requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    for tensor in features.state_dict().values():
        spread = (2 / tensor[0].numel()) ** 0.5 if tensor.ndim > 1 else 0.1
        tensor.copy_(spread * torch.randn(tensor.shape, generator=generator))
    state = {f"features.{key}": tensor for key, tensor in features.state_dict().items()}
    torch.save(state, folder / "weights.pth")
    return features.double(), folder / "weights.pth"


def layer_outputs(layers: nn.Sequential, indices: tuple[int, ...], image: Tensor) -> list[Tensor]:
    actual, x = [], (image.double() - MEAN) / DEVIATION
    for index, layer in enumerate(layers[: indices[-1] + 1]):
        x = layer(x)
        if index in indices:
            actual.append(x.clone())
    return actual


def lpips_by_hand(layers: nn.Sequential, net: str, linear: bool, prediction: Tensor, target: Tensor) -> Tensor:
    file = find_file(*heads_of_lpips(net))
    assert file is not None
    total = 0
    images = (layer_outputs(layers, TAPS[net][1], image) for image in (prediction, target))
    for k, (x, y) in enumerate(zip(*images, strict=True)):
        head = read_state_dict(file)[f"lin{k}.model.1.weight"].double() if linear else 1
        units = [z / z.pow(2).sum(1, keepdim=True).sqrt().clamp(min=1e-10) for z in (x, y)]
        total = total + (head * (units[0] - units[1]).pow(2)).sum(1).mean((1, 2))
    return total


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("net", TAPS)
@torch.no_grad()
def test_lpips_equals_the_papers_formula(net: str, linear: bool, tmp_path: Path) -> None:
    layers, file = backbone(TAPS[net][0], tmp_path)
    criterion = loss(f"lpips({net}, linear={linear}, weights={file})", reduction="none")
    for batch, height, width in [(1, 33, 47), (2, 31, 31)]:
        actual = criterion(*pair(height, width, batch))
        expected = lpips_by_hand(layers, net, linear, *pair(height, width, batch))
        torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=0)


def hann_pooling(x: Tensor) -> Tensor:
    """The pooling of DISTS as it is published."""
    window = torch.from_numpy(np.hanning(5)[1:-1])
    kernel = torch.outer(window, window) / torch.outer(window, window).sum()
    kernel = kernel.expand(x.shape[1], 1, 3, 3)
    return (torch.nn.functional.conv2d(x.pow(2), kernel, stride=2, padding=1, groups=x.shape[1]) + 1e-12).sqrt()


class Pooling(nn.Module):
    forward: Callable[[nn.Module, Tensor], Tensor] = staticmethod(hann_pooling)


@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 10), (1, 1), (2, 3)])
def test_two_averages_equal_the_window_of_dists(height: int, width: int) -> None:
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(L2Pool()(x), hann_pooling(x), rtol=1e-12, atol=1e-12)


def dists_by_hand(layers: nn.Sequential, prediction: Tensor, target: Tensor) -> Tensor:
    file = find_file(*heads_of_dists())
    assert file is not None
    heads = read_state_dict(file)
    alpha, beta = (heads[name].double().flatten() for name in ("alpha", "beta"))
    for index in (4, 9, 16, 23):
        layers[index] = Pooling()
    similarity = 0
    images = ([z.double(), *layer_outputs(layers, TAPS["vgg"][1], z)] for z in (prediction, target))
    start = 0
    for x, y in zip(*images, strict=True):
        means = [z.mean((2, 3), keepdim=True) for z in (x, y)]
        variances = [(z - m).pow(2).mean((2, 3)) for z, m in zip((x, y), means, strict=True)]
        covariance = (x * y).mean((2, 3)) - (means[0] * means[1]).flatten(1)
        a, b = (m.flatten(1) for m in means)
        texture = (2 * a * b + 1e-6) / (a**2 + b**2 + 1e-6)
        structure = (2 * covariance + 1e-6) / (variances[0] + variances[1] + 1e-6)
        channels = slice(start, start + a.shape[1])
        similarity = similarity + (alpha[channels] * texture + beta[channels] * structure).sum(1)
        start += a.shape[1]
    return 1 - similarity / (alpha.sum() + beta.sum())


@torch.no_grad()
def test_dists_equals_the_papers_formula(tmp_path: Path) -> None:
    layers, file = backbone("vgg16", tmp_path)
    for batch, height, width in [(1, 33, 47), (2, 9, 12)]:
        actual = loss(f"dists(weights={file})", reduction="none")(*pair(height, width, batch))
        expected = dists_by_hand(layers, *pair(height, width, batch))
        torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=1e-7)


@torch.no_grad()
def test_lpips_on_imagenet_weights() -> None:
    if not os.environ.get("LOSSMITH_DATA"):
        pytest.skip("LOSSMITH_DATA is not set")
    file = Path(os.environ["LOSSMITH_DATA"]) / "weights" / "squeezenet1_1_imagenet.safetensors"
    network = models.squeezenet1_1(weights=None).eval()
    network.load_state_dict(load_file(file))
    actual = loss(f"lpips(squeeze, weights={file})", reduction="none")(*pair(64, 48))
    expected = lpips_by_hand(network.features.double(), "squeeze", True, *pair(64, 48))
    torch.testing.assert_close(actual.double(), expected, rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "expression", ["lpips(squeeze, weights=random, heads={})", "dists(weights=random, heads={})"]
)
def test_lpips_heads_of_another_network_are_refused(expression: str, tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match=r"needs a file of .*, and gone.pth is not a file"):
        loss(expression.format("gone.pth"))
    torch.save({"alpha": torch.ones(3), "lin0.model.1.weight": torch.ones(1, 3, 1, 1)}, tmp_path / "heads.pth")
    with pytest.raises(LossmithError, match=r"heads.pth does not hold "):
        loss(expression.format(tmp_path / "heads.pth"))


@pytest.mark.parametrize("expression", ["lpips(squeeze, weights=random)", "dists(weights=random)"])
def test_missing_lpips_heads_are_one_sentence_with_their_place(
    expression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "lossmith.losses.perceptual.weights.find_spec", lambda package: None
    )  # nothing is installed
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    with pytest.raises(LossmithError, match=r"needs a file of .*: put (lpips_squeeze.pth|dists.pt) into "):
        loss(expression)


def test_first_and_second_derivatives_of_dists_equal_its_formulas() -> None:
    generator = torch.Generator().manual_seed(0)
    prediction, target = (torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64) for _ in range(2))
    criterion = loss("dists(weights=random)").double()

    def at_the_image(features: Tensor) -> Tensor:
        return criterion.layer_distance(0, features, target)

    assert torch.autograd.gradcheck(at_the_image, prediction.requires_grad_())
    assert torch.autograd.gradgradcheck(at_the_image, prediction)

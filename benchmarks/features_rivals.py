"""Feature losses of other packages, and as they are usually written, each as a function to minimize.

All have the same weights as ours: within `torchvision_weights`, torchvision returns these.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from unittest.mock import patch

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import normalize
from torchvision import models

from lossmith.losses.perceptual.dists import head_files as heads_of_dists
from lossmith.losses.perceptual.lpips import head_files as heads_of_lpips
from lossmith.losses.perceptual.weights import find_file, read_state_dict

Criterion = Callable[[Tensor, Tensor], Tensor]
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@contextmanager
def torchvision_weights(weights: dict[str, Path]) -> Iterator[None]:
    """Within the block, torchvision's networks have the weights of these files, and nothing is downloaded."""
    makers = {name: lambda *_, name=name, **__: network(name, weights[name]) for name in weights}
    in_piq = {name: maker for name, maker in makers.items() if name in ("vgg16", "vgg19")}
    with ExitStack() as patches:
        patches.enter_context(patch.multiple(models, **makers))
        if in_piq and find_spec("piq"):
            patches.enter_context(patch.multiple("piq.perceptual", **in_piq))
        yield


def network(name: str, file: Path) -> nn.Module:
    """A network of torchvision with the weights of its features; the rest stays empty and is never run."""
    with torch.device("meta"):
        network = models.get_model(name, weights=None)
    network.features.to_empty(device="cpu")
    state = load_file(file)
    network.features.load_state_dict(
        {key.removeprefix("features."): state[key] for key in state if "features" in key}
    )
    return network.eval()


class Slice(nn.Module):
    """The first layers of a torchvision network, frozen; returns the outputs of some of them."""

    def __init__(self, name: str, taps: Sequence[int]) -> None:
        super().__init__()
        self.layers, self.taps = getattr(models, name)().features[: taps[-1] + 1].requires_grad_(False), taps
        for statistic, values in zip(("mean", "deviation"), IMAGENET, strict=True):
            self.register_buffer(statistic, torch.tensor(values).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> list[Tensor]:
        x, outputs = (image - self.mean) / self.deviation, []
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index in self.taps:
                outputs.append(x)
        return outputs


class OfSlices(nn.Module):
    """A distance of features, summed over the layers."""

    def __init__(self, name: str, taps: Sequence[int], distance: Criterion) -> None:
        super().__init__()
        self.slice, self.distance = Slice(name, taps), distance

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        pairs = zip(self.slice(prediction), self.slice(target), strict=True)
        return sum((self.distance(x, y) for x, y in pairs), prediction.new_zeros(()))


class Wrapped(nn.Module):
    """A function of a module and two batches of images; the module moves with it."""

    def __init__(self, module: nn.Module, function: Callable[[nn.Module, Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.module, self.function = module, function

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return self.function(self.module, prediction, target)


def gram(x: Tensor) -> Tensor:
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2) / flat[0].numel()


def vgg19_conv5_4() -> dict[str, Criterion]:
    return {"torchvision slice": OfSlices("vgg19", [34], nn.functional.l1_loss)}


def vgg16_relu2_2() -> dict[str, Criterion]:
    import piq

    return {
        "torchvision slice": OfSlices("vgg16", [8], nn.functional.mse_loss),
        # piq sums over channels where others take the mean
        "piq": Wrapped(piq.ContentLoss("vgg16", ("relu2_2",)), lambda loss, x, y: loss(x, y) / 128),
    }


def lpips(net: str) -> dict[str, Criterion]:
    import lpips
    import piqa.lpips

    file = find_file(*heads_of_lpips(net))
    assert file is not None
    heads = [head.flatten() for head in read_state_dict(file).values()]
    with patch.object(piqa.lpips, "get_weights", lambda network: [nn.Parameter(head) for head in heads]):
        piqa_lpips = piqa.lpips.LPIPS(network=net)
    published = lpips.LPIPS(net=net, verbose=False).requires_grad_(False)
    theirs = Wrapped(published, lambda loss, x, y: loss(x, y, normalize=True).mean())
    return {"lpips": theirs, "piqa": piqa_lpips}


def dists() -> dict[str, Criterion]:
    import DISTS_pytorch
    import piq

    file = find_file(*heads_of_dists())
    assert file is not None
    with patch("torch.hub.load_state_dict_from_url", lambda *_, **__: read_state_dict(file)):
        piq_dists = piq.DISTS()
    published = DISTS_pytorch.DISTS(load_weights=False).requires_grad_(False)
    for name, tensor in read_state_dict(file).items():
        getattr(published, name).data = tensor
    theirs = Wrapped(published, lambda loss, x, y: loss(x, y, require_grad=True, batch_average=True))
    return {"DISTS-pytorch": theirs, "piq": piq_dists}


def style() -> dict[str, Criterion]:
    import piq

    taps = [3, 8, 15, 22]
    names = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    return {
        "torchvision slice": OfSlices("vgg16", taps, lambda x, y: nn.functional.mse_loss(gram(x), gram(y))),
        "piq, not normalized": piq.StyleLoss("vgg16", names, weights=[1.0] * 4),
    }


def contextual() -> dict[str, Criterion]:
    def usual(x: Tensor, y: Tensor) -> Tensor:
        """As it is usually written, for feature maps; the whole matrix of distances at once."""
        mean = y.mean((2, 3), keepdim=True)
        x, y = (normalize(z - mean, dim=1).flatten(2) for z in (x, y))
        distances = 1 - x.transpose(1, 2) @ y
        relative = distances / (distances.min(dim=2, keepdim=True).values + 1e-5)
        weights = torch.exp((1 - relative) / 0.5)
        similarity = weights / weights.sum(dim=2, keepdim=True)
        return -similarity.max(dim=1).values.mean(dim=1).log().mean()

    return {"usual formula": usual}

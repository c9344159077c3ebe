"""Candidates for a loss beside L1: statistics of feature maps in small windows, by the names that the study uses.

A name is BANDS/STATISTIC/WINDOW, such as `laplace/log/8`: which feature maps are compared, by what, in windows of
how many of their pixels. `candidate` makes the module, which maps a prediction and its target, both (N, 3, H, W)
in [0, 1], to a scalar. Only its direction matters: the study holds its share of the gradient.
"""

import math
import os
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn

from lossmith.losses import FeatureExtractor, MDFLoss, loss
from lossmith.losses.mdf.discriminator import NEGATIVE_SLOPE, PatchDiscriminator, downscale
from lossmith.losses.mdf.frozen import FrozenDiscriminator
from lossmith.losses.texture import octaves

Bands = Callable[[Tensor], list[Tensor]]
"""Feature maps (N, C, h, w) of images (N, 3, H, W) in [0, 1]."""

FLOOR = 0.02
"""Added to deviations before their logarithm, relative to the channel's mean deviation."""


class Laplace(nn.Module):
    """The octaves of a Laplacian pyramid of each color: nothing is learned."""

    def __init__(self, levels: int = 3) -> None:
        super().__init__()
        self.levels = levels

    def forward(self, image: Tensor) -> list[Tensor]:
        return octaves(image, self.levels)


class Cosines(nn.Module):
    """The discrete cosine transform of luma at every pixel, without the mean: nothing is learned."""

    def __init__(self, side: int = 4) -> None:
        super().__init__()
        places = torch.arange(side)
        rows = torch.cos(math.pi * (places + 0.5) * places[:, None] / side)
        rows = rows / rows.norm(dim=1, keepdim=True)
        filters = (rows[:, None, :, None] * rows[None, :, None, :]).flatten(0, 1)[1:]
        self.register_buffer("filters", filters[:, None] * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1))

    def forward(self, image: Tensor) -> list[Tensor]:
        return [F.conv2d(image, self.filters)]


class Critics(nn.Module):
    """The heads and the bodies of a loss's discriminators, trained or with their first weights."""

    def __init__(self, file: str, trained: bool = True) -> None:
        super().__init__()
        self.critics = MDFLoss(file).discriminators
        if not trained:
            torch.manual_seed(0)
            self.critics = nn.ModuleList(
                FrozenDiscriminator(PatchDiscriminator(len(critic.layers[0].weight)).eval(), critic.factor, True)
                for critic in self.critics
            )

    def forward(self, image: Tensor) -> list[Tensor]:
        maps = []
        for critic in self.critics:
            features = downscale(image, critic.factor)
            for depth, layer in enumerate(critic.layers[:-1]):
                features = F.leaky_relu(layer(features), NEGATIVE_SLOPE)
                if depth in (0, len(critic.layers) - 2):
                    maps.append(features)
        return maps


class Filters(nn.Module):
    """Zero-mean 5 x 5 filters at full and at half the size, for a file or to be trained, and a head that names
    what was done to a window by the logarithms of their deviations in it."""

    def __init__(self, file: str | None = None, count: int = 16, classes: int = 2) -> None:
        super().__init__()
        state = load_file(file) if file else None
        if state:
            count, classes = len(state["weight"]), len(state["head.2.bias"])
        self.weight = nn.Parameter(torch.randn(count, 3, 5, 5))
        self.head = nn.Sequential(nn.Conv2d(2 * count, 32, 1), nn.ReLU(), nn.Conv2d(32, classes, 1))
        if state:
            self.load_state_dict(state)
        self.requires_grad_(state is None)

    def forward(self, image: Tensor) -> list[Tensor]:
        weight = self.weight - self.weight.mean((2, 3), keepdim=True)
        weight = weight / weight.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
        image = image.contiguous(memory_format=torch.channels_last)
        return [F.conv2d(z, weight) for z in (image, F.avg_pool2d(image, 2))]

    def scores(self, image: Tensor) -> Tensor:
        """Of whole crops, (N, classes)."""
        fine, coarse = self(image)
        logs = [(deviations(z, w) + 0.002).log() for z, w in ((fine, 16), (coarse, 8))]
        side = min(z.shape[-1] for z in logs)
        return self.head(torch.cat([z[..., :side, :side] for z in logs], 1) + 3).mean((2, 3))


def learned_file(name: str) -> str:
    """A file that `learn_texture.py` wrote into the folder of the study."""
    return str(Path(os.environ.get("LEARNED_TEXTURES", "docs/learned_losses")) / f"{name}.safetensors")


def bands_of(name: str) -> Bands:
    """The feature maps of a name."""
    kind, _, rest = name.partition("-")
    match kind:
        case "laplace":
            return Laplace(int(rest or 3))
        case "dct":
            return Cosines(int(rest or 4))
        case "mdf":
            return Critics(rest)
        case "untrained":
            return Critics(rest, trained=False)
        case "squeeze" | "random":
            weights = "random" if kind == "random" else None
            return FeatureExtractor("squeezenet1_1", [rest], weights)
        case "filters":
            return Filters(learned_file(rest))
        case "anew":
            torch.manual_seed(0)
            return Filters(count=int(rest or 16)).requires_grad_(False)
    raise ValueError(f"unknown bands {name}")


def deviations(features: Tensor, window: int) -> Tensor:
    """Standard deviations in windows that overlap by half, (N, C, h, w)."""
    stride = (window + 1) // 2
    mean = F.avg_pool2d(features, window, stride)
    square = F.avg_pool2d(features.square(), window, stride)
    return ((square - mean.square()).clamp(min=0) + 1e-8).sqrt()


def amplitudes(features: Tensor, window: int, period: int = 4) -> Tensor:
    """Root mean squares over `window` x `window` places that are `period` apart, for each of the places in a cell.

    An upsampling network may raise the deviation in a window by a grid. Here this costs: the places of the grid
    have too much, the others too little.
    """
    rows, columns = (side // period * period for side in features.shape[-2:])
    phases = F.pixel_unshuffle(features[..., :rows, :columns], period)
    return (F.avg_pool2d(phases.square(), window, 1) + 1e-8).sqrt()


class TextureLoss(nn.Module):
    """How far statistics of feature maps in windows are apart."""

    def __init__(self, bands: Bands, statistic: str, window: int, weights: str = "") -> None:
        super().__init__()
        self.bands, self.statistic, self.window = bands, statistic, window
        self.half = isinstance(bands, Critics | FeatureExtractor)
        """Whether the network computes in bfloat16; filters of small differences need all their digits."""
        self.weights = (
            {int(k): w / w.mean() for k, w in load_file(learned_file(weights)).items()} if weights else None
        )

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half):
            with torch.no_grad():
                references = self.bands(target)
            maps = self.bands(prediction)
        pairs = enumerate(zip((x.float() for x in maps), (y.float() for y in references), strict=True))
        return torch.stack([self.distance(x, y, n) for n, (x, y) in pairs]).sum()

    def distance(self, x: Tensor, y: Tensor, number: int) -> Tensor:
        """The mean difference of a map's statistics, weighted by channels."""
        if self.statistic == "unit":
            x, y = F.normalize(x), F.normalize(y)
            return (x - y).square().sum(1).mean()
        scale = y.std((0, 2, 3), keepdim=True)
        scale = scale.clamp(min=0.1 * float(scale.mean()) + 1e-6)  # channels may be silent
        difference = self.statistics(x / scale) - self.statistics(y / scale)
        errors = difference.square() if self.statistic == "points" else difference.abs()
        errors = errors.mean((0, 2, 3))
        return errors.mean() if self.weights is None else (errors * self.weights[number]).mean()

    def statistics(self, features: Tensor) -> Tensor:
        match self.statistic:
            case "points":
                return features
            case "mean":
                return F.avg_pool2d(features, self.window, (self.window + 1) // 2)
            case "deviation":
                return deviations(features, self.window)
            case "log":
                return (deviations(features, self.window) + FLOOR).log()
            case "energy":  # as `log`, without the means, which zero-mean filters do not need
                energy = F.avg_pool2d(features.square(), self.window, (self.window + 1) // 2)
                return 0.5 * (energy + FLOOR**2).log()
            case "phase":
                return (amplitudes(features, self.window) + FLOOR).log()
        raise ValueError(f"unknown statistic {self.statistic}")


def candidate(name: str) -> nn.Module:
    """The loss of a name BANDS/STATISTIC/WINDOW, or with :FILE after it, the weights of the channels; without
    slashes a loss of the catalog."""
    if "/" not in name:
        return loss(name)
    name, _, weights = name.partition(":")
    bands, statistic, window = name.rsplit("/", 2)
    return TextureLoss(bands_of(bands), statistic, int(window), weights)


__all__ = ["TextureLoss", "bands_of", "candidate", "deviations"]

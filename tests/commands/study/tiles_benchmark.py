"""A benchmark and a network of a user's own: a convolution learns to sharpen tiles."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.data import write_image
from lossmith.evaluation import Row
from lossmith.metrics import Metric
from lossmith.studies import Configuration, Scale
from lossmith.studies.fitting import fit

SEED = 1
"""Of the weights of the networks."""
STEPS = {"tiny": 3, "small": 30, "full": 300}


class TwoLayers(nn.Module):
    """A network with its weights, drawn from a fixed seed."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng([]):
            torch.manual_seed(SEED)
            self.first, self.relu, self.second = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, stride=2)

    def forward(self, image: Tensor) -> Tensor:
        features: Tensor = self.second(self.relu(self.first(image)))
        return features


class Fragile(TwoLayers):
    """Refuses every image after it was looked at."""

    def forward(self, image: Tensor) -> Tensor:
        if not image.is_meta:
            raise RuntimeError("no room for the image")
        return super().forward(image)


@dataclass(frozen=True)
class Tiles:
    tiles: Tensor
    fingerprint: Mapping[str, Any]


@dataclass(frozen=True)
class Sharpening:
    name: str = "sharpening"
    title: str = "Sharpening"
    baseline: str = "mean squared error of pixels"
    metrics: tuple[Metric, ...] = (Metric("error", "Error", higher_is_better=False, digits=4),)
    image_note: str = ""

    def open(self, folder: Path, scale: Scale) -> Tiles:
        file = folder / "tiles.npy"
        if not file.exists():
            raise LossmithError(f"sharpening needs '{file}'")
        return Tiles(torch.from_numpy(np.load(file)), {"files": {file.name: sha256_of(file)}})

    def run(self, configuration: Configuration, seed: int, data: Tiles, folder: Path, scale: Scale) -> list[Row]:
        with torch.random.fork_rng([]):
            torch.manual_seed(seed)
            network = nn.Conv2d(3, 3, 3, padding=1)
        blurred = nn.functional.avg_pool2d(data.tiles, 3, 1, 1)
        loss = configuration.loss(None) if configuration.network else nn.functional.mse_loss
        fit(
            network,
            lambda step: loss(network(blurred), data.tiles),
            STEPS[scale],
            folder / "it.ckpt",
            "sharpening",
        )
        sharp = network(blurred).detach()
        for n, tile in enumerate(sharp):
            write_image(folder / "images" / f"tile {n}.png", tile)
        errors = (sharp - data.tiles).square().mean((1, 2, 3))
        return [Row(f"tile {n}", configuration.name, seed, {"error": e}) for n, e in enumerate(errors.tolist())]

    def originals(self, data: Tiles, item: str) -> dict[str, Tensor]:
        return {"original": data.tiles[int(item.removeprefix("tile "))]}

"""Delineation: a U-Net draws thin structures, such as roads, cracks and membranes, that are seen in pictures."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.core.quantize import from_8bit
from lossmith.data import write_image
from lossmith.evaluation import Row
from lossmith.metrics import Metric
from lossmith.studies.benchmark import Scale
from lossmith.studies.benchmarks.delineation_data import DelineationData, open_pairs
from lossmith.studies.benchmarks.delineation_metrics import line_scores, skeleton
from lossmith.studies.benchmarks.u_net import UNet
from lossmith.studies.configuration import Configuration
from lossmith.studies.fitting import batches, fit

FEATURE_WEIGHT = 0.01
THRESHOLD = 0.5
"""The probability from which on a pixel is drawn."""
PICTURES_IN_MEMORY = 128
"""Decoded pictures that are kept while crops are cut; 1.2 GB of the Massachusetts Roads."""

Crop = tuple[Tensor, Tensor]
"""A picture and its mask, (3, side, side) and (1, side, side), floats in [0, 1]."""


@dataclass(frozen=True)
class Settings:
    """How much a U-Net learns."""

    features: int
    """Of the U-Net, at full resolution."""
    side: int
    """Of a crop, in pixels."""
    batch: int
    places: int = 1
    """Drawn for a crop, which is cut where the most structure is; a short training has no time for empty ones."""
    epochs: int = 0
    """In which each picture gives one crop, always a new one."""
    pool: int = 0
    """The number of crops that are drawn once, whose targets' features are kept; 0 draws all crops anew."""
    steps: int = 0
    """With a pool, in the place of epochs."""
    test_pictures: int | None = None
    """The most pictures to test with."""


# At small scale 512 crops of VGG-19's relu1_2, the largest maps, take half a gigabyte.
SETTINGS: dict[Scale, Settings] = {
    "tiny": Settings(features=2, side=80, batch=2, pool=8, steps=8, test_pictures=4),
    "small": Settings(features=8, side=64, batch=4, places=3, pool=512, steps=600),
    "full": Settings(features=64, side=224, batch=8, epochs=100),
}


@dataclass(frozen=True)
class Delineation:
    """Binary cross-entropy plus 0.01 times the squared difference of one layer's features of drawing and mask.

    The U-Net's probabilities and the mask enter the loss network as gray pictures, of three equal channels. The
    U-Net draws once (K = 1 in the publication, which can refine a drawing). It is tested on whole pictures: what
    it draws with a probability of at least 0.5 is compared with the mask, both thinned to lines.

    References
    ----------
    Mosinska, Márquez-Neila, Koziński and Fua, Beyond the Pixel-Wise Loss for Topology-Aware Delineation, CVPR
    2018, in the settings of Pihlgren et al., arXiv 2302.04032.
    """

    normalize: str | None = "weights"
    """How the loss network's images are normalized; see `FeatureExtractor`."""
    tolerance: int = 3
    """The distance in pixels up to which lines match; 3 is Mnih's for the Massachusetts Roads."""

    name = "delineation"
    title = "Delineation"
    baseline = "binary cross-entropy alone"
    image_note = "The probability that a pixel is part of a structure, from 0, black, to 1, white."

    def __post_init__(self) -> None:
        if self.tolerance < 0:
            raise LossmithError(f"`tolerance` must be 0 or more pixels, not {self.tolerance}")

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return tuple(
            Metric(name, f"{name.capitalize()} ({self.tolerance} px)", higher_is_better=True, digits=4)
            for name in ("quality", "completeness", "correctness")
        )

    def open(self, folder: Path, scale: Scale) -> DelineationData:
        """The pictures and masks in a folder; see `open_pairs` for its layouts."""
        return open_pairs(folder, SETTINGS[scale].side)

    def run(
        self, configuration: Configuration, seed: int, data: DelineationData, folder: Path, scale: Scale
    ) -> list[Row]:
        """Train and test a U-Net; the test pictures' probabilities are `folder/images/NAME.png`."""
        settings = SETTINGS[scale]
        network = self._train(configuration, seed, data, folder, settings)
        rows = []
        for name, probability, mask in _test(network, data, settings.test_pictures):
            write_image(folder / "images" / f"{name}.png", probability.expand(3, -1, -1))
            drawing, reference = (skeleton(part[0].numpy()) for part in (probability >= THRESHOLD, mask))
            scores = line_scores(drawing, reference, self.tolerance)
            rows.append(Row(name, configuration.name, seed, scores))
        return rows

    def originals(self, data: DelineationData, item: str) -> dict[str, Tensor]:
        """The mask and the picture."""
        pair = next((pair for pair in data.test if pair.name == item), None)
        if pair is None:
            return {}
        image, mask = pair.read(data.bright)
        return {"mask": _as_rgb(mask[None].float())[0], "input": image}

    def _train(
        self, configuration: Configuration, seed: int, data: DelineationData, folder: Path, settings: Settings
    ) -> UNet:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = UNet(settings.features).to(best_device())
        network.to(memory_format=torch.channels_last)  # a third faster on a CPU
        crop = lru_cache(settings.pool)(_crop_maker(data, settings, seed))
        batch_numbers = _batch_numbers(settings, seed)
        feature_distance = self._feature_distance(configuration, crop, keep=settings.pool)

        def objective(step: int) -> Tensor:
            numbers = batch_numbers(step)
            images, masks = (torch.stack(parts) for parts in zip(*map(crop, numbers), strict=True))
            logits = network(images)
            pixel_loss = F.binary_cross_entropy_with_logits(logits, masks)
            if feature_distance is None:
                return pixel_loss
            return pixel_loss + FEATURE_WEIGHT * feature_distance(logits.sigmoid(), masks, numbers)

        steps = settings.steps or -(-settings.epochs * len(data.train) // settings.batch)
        fit(network, objective, steps, folder / "training.ckpt", configuration.name)
        return network

    def _feature_distance(
        self, configuration: Configuration, crop: Callable[[int], Crop], keep: int
    ) -> Callable[[Tensor, Tensor, list[int]], Tensor] | None:
        """The mean squared difference of features, of probabilities and masks by the numbers of their crops."""
        if configuration.network is None:
            return None
        loss = configuration.loss(self.normalize).to(best_device())

        @lru_cache(keep)
        def target_features(number: int) -> list[Tensor]:
            return loss.target_features(_as_rgb(crop(number)[1][None]))

        def distance(probabilities: Tensor, masks: Tensor, numbers: list[int]) -> Tensor:
            if not keep:
                value: Tensor = loss(_as_rgb(probabilities), _as_rgb(masks))
                return value
            features = [torch.cat(parts) for parts in zip(*map(target_features, numbers), strict=True)]
            return loss.compare_to(features, _as_rgb(probabilities)).mean()

        return distance


def _batch_numbers(settings: Settings, seed: int) -> Callable[[int], list[int]]:
    """The numbers of the crops of a step."""
    if settings.pool:
        shuffled = batches(settings.pool, settings.batch, seed)
        return lambda step: shuffled(step).tolist()
    return lambda step: list(range(step * settings.batch, (step + 1) * settings.batch))


def _crop_maker(data: DelineationData, settings: Settings, seed: int) -> Callable[[int], Crop]:
    """The crop of a number, at a random place and flipped at random; each picture gives one in turn."""
    picture = batches(len(data.train), 1, seed)
    device = best_device()

    @lru_cache(PICTURES_IN_MEMORY)
    def read(index: int) -> tuple[Tensor, Tensor]:
        return data.train[index].read(data.bright)

    def crop(number: int) -> Crop:
        image, mask = read(int(picture(number)[0]))
        rng = np.random.default_rng((seed, number))
        windows = [_random_window(mask, settings.side, rng) for _ in range(settings.places)]
        window = max(windows, key=lambda window: int(mask[window].sum()))
        axes = [axis for axis in (1, 2) if rng.integers(2)]
        image, mask = (part[window].flip(axes).to(device) for part in (image, mask))
        return from_8bit(image), mask.float()

    return crop


def _random_window(image: Tensor, side: int, rng: np.random.Generator) -> tuple[slice, ...]:
    top, left = (int(rng.integers(size - side + 1)) for size in image.shape[1:])
    return slice(None), slice(top, top + side), slice(left, left + side)


@torch.no_grad()
def _test(network: UNet, data: DelineationData, most: int | None) -> Iterator[tuple[str, Tensor, Tensor]]:
    """The name of each test picture, the probabilities and the mask, (1, H, W) on the CPU."""
    for pair in data.test[:most]:
        image, mask = pair.read(data.bright)
        logits = network(from_8bit(image.to(best_device()))[None])
        yield pair.name, logits[0].sigmoid().cpu(), mask


def _as_rgb(gray: Tensor) -> Tensor:
    return gray.expand(-1, 3, -1, -1)


__all__ = ["Delineation"]

"""Judges of restored pictures: distances on the features of networks other than the one that was trained with.

A network trained on the features of one network does well by those features whether its pictures are good or not.
So a picture is judged on the features of networks of other families.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import normalize

from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.losses.perceptual import FeatureExtractor
from lossmith.losses.perceptual.backbones import backbone
from lossmith.metrics import Metric

Distance = Callable[[Tensor, Tensor], Tensor]
"""Of predictions from targets, both (N, 3, H, W) in [0, 1], for each picture, (N,); lower is better."""


@dataclass(frozen=True)
class Judge:
    """A network with the layers, one of each stage, whose features are compared."""

    family: str
    """What is in the names of all networks of its architecture, or of their classes."""
    network: str
    layers: tuple[str, ...]
    label: str
    min_side: int
    """Minimum height and width of a picture in pixels."""

    @property
    def metric(self) -> Metric:
        """Of its distance, by the name that tables have."""
        name = f"deep_{self.network.removeprefix('timm/')}"
        return Metric(name, f"Distance ({self.label})", False, 4, min_side=self.min_side)

    @property
    def file(self) -> Path | None:
        """The file of its weights, if there is one on this machine and the network's package is installed."""
        try:
            return backbone(self.network).file(())
        except (LossmithError, ImportError):
            return None


JUDGES = (
    Judge("squeezenet", "squeezenet1_1", ("relu1", "fire3", "fire5", "fire7", "fire9"), "SqueezeNet", 17),
    Judge(
        "efficientnet",
        "timm/tf_efficientnet_lite0",
        ("blocks.0", "blocks.1", "blocks.2", "blocks.4", "blocks.6"),
        "EfficientNet-Lite0",
        1,
    ),
    Judge("vgg", "vgg19", ("relu1_2", "relu2_2", "relu3_4"), "VGG-19", 4),
)


def judges(network: str | None) -> dict[str, Distance]:
    """The distances by which what a network trained may be judged, by the names of their metrics.

    They are those of other families whose weights are on this machine; nothing is downloaded. Without a network
    all may judge.
    """
    impartial = [judge for judge in JUDGES if network is None or not shares_architecture(network, judge)]
    files = {judge: judge.file for judge in impartial}
    return {
        judge.metric.name: partial(deep_distance, _extractor(judge, file)) for judge, file in files.items() if file
    }


def judge_metrics() -> tuple[Metric, ...]:
    """The metrics of all judges whose weights are on this machine."""
    return tuple(judge.metric for judge in JUDGES if judge.file)


def shares_architecture(network: str, judge: Judge) -> bool:
    """Whether a network is of the judge's family, by its name and those of the classes of its modules.

    >>> squeezenet, efficientnet, vgg = JUDGES
    >>> [shares_architecture(name, vgg) for name in ("vgg11", "vgg16_bn", "minc", "alexnet")]
    [True, True, True, False]
    """
    classes = (type(module).__name__ for module in backbone(network).network.modules())
    return any(judge.family in name.lower() for name in (network, *classes))


@torch.no_grad()
def deep_distance(extractor: FeatureExtractor, prediction: Tensor, target: Tensor) -> Tensor:
    """The mean over layers and positions of the squared difference of unit feature vectors, (N,), float64.

    This is LPIPS in its unlearned form, but for the mean over layers, where LPIPS has the sum. NaN for pictures
    that are smaller than the network needs.

    Source: Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018.
    """
    if min(target.shape[-2:]) < extractor.min_side:
        return target.new_full((len(target),), torch.nan, dtype=torch.float64)
    pairs = zip(*(extractor(image.to(extractor.mean.device)) for image in (prediction, target)), strict=True)
    distances = [(normalize(x, eps=1e-10) - normalize(y, eps=1e-10)).square().sum(1) for x, y in pairs]
    return torch.stack([distance.double().mean((1, 2)) for distance in distances]).mean(0).cpu()


@lru_cache(maxsize=len(JUDGES))
@torch.inference_mode(False)
def _extractor(judge: Judge, file: Path) -> FeatureExtractor:
    """The features as the weights expect images; all runs of a process share them."""
    return FeatureExtractor(judge.network, judge.layers, str(file)).to(best_device())


__all__ = ["JUDGES", "Distance", "Judge", "deep_distance", "judge_metrics", "judges", "shares_architecture"]

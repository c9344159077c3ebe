"""Judges of restored pictures: distances on the features of networks other than the one that was trained with.

A network trained on the features of one network does well by those features whether its pictures are good or not.
So a picture is judged on the features of networks of other families, by LPIPS in its unlearned form: Zhang, Isola,
Efros, Shechtman, Wang, CVPR 2018.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.evaluation.statistics.metric_overlap import is_of_family
from lossmith.losses.perceptual.backbones import backbone
from lossmith.losses.perceptual.efficientnet_lite import LAYERS
from lossmith.losses.perceptual.lpips import UnitFeatureDistance
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
        return Metric(f"deep_{self.network}", f"Distance ({self.label})", False, 4, min_side=self.min_side)

    @property
    def file(self) -> Path | None:
        """The file of its weights, if there is one on this machine and the network's package is installed."""
        try:
            return backbone(self.network).file(())
        except (LossmithError, ImportError):
            return None


JUDGES = (
    Judge("squeezenet", "squeezenet1_1", ("relu1", "fire3", "fire5", "fire7", "fire9"), "SqueezeNet", 17),
    Judge("efficientnet", "efficientnet_lite0", LAYERS, "EfficientNet-Lite0", 1),
    Judge("vgg", "vgg19", ("relu1_2", "relu2_2", "relu3_4"), "VGG-19", 4),
)


def judges(network: str | None) -> dict[str, Distance]:
    """The distances by which what a network trained may be judged, by the names of their metrics.

    They are those of other families whose weights are on this machine; nothing is downloaded. Without a network
    all may judge.
    """
    impartial = [judge for judge in JUDGES if network is None or not shares_architecture(network, judge)]
    files = {judge: judge.file for judge in impartial}
    return {judge.metric.name: partial(distance, _features(judge, file)) for judge, file in files.items() if file}


def judge_metrics() -> tuple[Metric, ...]:
    """The metrics of all judges whose weights are on this machine."""
    return tuple(judge.metric for judge in JUDGES if judge.file)


def shares_architecture(network: str, judge: Judge) -> bool:
    """Whether a network is of the judge's family, by its name and those of the classes of its modules.

    >>> squeezenet, efficientnet, vgg = JUDGES
    >>> [shares_architecture(name, vgg) for name in ("vgg11", "vgg16_bn", "minc", "alexnet")]
    [True, True, True, False]
    """
    return is_of_family(network, judge.family)


@torch.no_grad()
def distance(features: UnitFeatureDistance, prediction: Tensor, target: Tensor) -> Tensor:
    """The distance of predictions from targets, (N,) on the CPU; NaN for pictures that are too small for it."""
    if min(target.shape[-2:]) < features.min_side:
        return target.new_full((len(target),), torch.nan, device="cpu")
    images = (image.to(features.extractor.mean.device) for image in (prediction, target))
    distances: Tensor = features(*images)
    return distances.cpu()


@lru_cache(maxsize=len(JUDGES))
@torch.inference_mode(False)
def _features(judge: Judge, file: Path) -> UnitFeatureDistance:
    """The distance on features of images as the weights expect them; all runs of a process share it."""
    return UnitFeatureDistance(judge.network, judge.layers, str(file), reduction="none").to(best_device())


__all__ = ["JUDGES", "Distance", "Judge", "distance", "judge_metrics", "judges", "shares_architecture"]

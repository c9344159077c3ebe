"""What is known of a loss network and its layers before anything is trained with them."""

import math
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, replace
from functools import cache
from statistics import median
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.weak import WeakTensorKeyDictionary

from lossmith.losses import loss
from lossmith.losses.perceptual.backbones import OWN_NETWORKS, backbone
from lossmith.losses.perceptual.graph import feature_graph
from lossmith.studies.configuration import Configuration

PICTURE = (1, 3, 224, 224)
"""What multiply-adds are counted for: the size at which networks are compared on ImageNet."""

TIMM_ACCURACIES = {
    "densenet121.ra_in1k": 76.500,
    "efficientnet_b0.ra_in1k": 77.694,
    "efficientnet_lite0.ra_in1k": 75.480,
    "mobilenetv2_100.ra_in1k": 72.976,
    "mobilenetv3_large_100.ra_in1k": 75.766,
    "resnet18.a1_in1k": 73.158,
    "resnet34.a1_in1k": 77.918,
    "tf_efficientnet_lite0.in1k": 74.830,
    "tf_efficientnet_lite1.in1k": 76.644,
    "tf_efficientnet_lite2.in1k": 77.464,
    "vgg11.tv_in1k": 69.022,
    "vgg16.tv_in1k": 71.592,
    "vgg19.tv_in1k": 72.378,
}
"""Top-1 accuracies in percent by timm's names of weights.

Source: results/results-imagenet.csv of github.com/huggingface/pytorch-image-models at commit 0173a13.
"""


@dataclass(frozen=True)
class Facts:
    """What is known of a configuration before anything is trained with it; nan if it is not."""

    imagenet_accuracy: float = math.nan
    """Top-1 accuracy in percent of the weights that the network's name stands for."""
    accuracy_source: str = ""
    parameters: float = math.nan
    """Of the whole network, without auxiliary classifiers, which serve its training only."""
    parameters_to_layer: float = math.nan
    multiply_adds: float = math.nan
    """Of a 224 x 224 picture up to the layer, in multiplications with an addition."""
    depth: float = math.nan
    """Convolutions on the longest path from the picture to the layer."""
    relative_depth: float = math.nan
    """`depth` over that of the network's last layer: 0 to 1."""
    milliseconds: float = math.nan
    """Of one forward and backward pass of the loss on 8 x 3 x 96 x 96, where measured."""
    min_side: float = math.nan
    """The smallest side of a picture in pixels."""


def facts_of(configuration: Configuration) -> Facts:
    """All facts that need no weights and no measurement; nan for those that are not known.

    Of the baseline, nothing is. A network of the user's own is counted like any other, but its accuracy is not
    known, and neither is that of random weights.

    Raises LossmithError for a network or a layer that is not there.

    >>> facts = facts_of(Configuration("vgg11", "relu2_1"))
    >>> facts.depth, facts.parameters, round(facts.imagenet_accuracy, 2), facts.min_side
    (2, 132863336, 69.02, 2)
    """
    if configuration.network is None:
        return Facts()
    facts = _counted(configuration.network, configuration.layer)
    accuracy, source = (math.nan, "") if configuration.random else imagenet_accuracy(configuration.network)
    return replace(facts, imagenet_accuracy=accuracy, accuracy_source=source)


def imagenet_accuracy(network: str) -> tuple[float, str]:
    """The published top-1 accuracy in percent of the weights that a name stands for, and its source, or nan.

    >>> imagenet_accuracy("squeezenet1_1")[0], imagenet_accuracy("timm/tf_efficientnet_lite0")[0]
    (58.178, 74.83)
    """
    if network.startswith("timm/"):
        import timm

        name = network.removeprefix("timm/")
        default = timm.get_pretrained_cfg(name, allow_unregistered=True)
        tagged = name if "." in name or default is None else f"{name}.{default.tag}"
        accuracy = TIMM_ACCURACIES.get(tagged, math.nan)
        return accuracy, "" if math.isnan(accuracy) else f"timm's results for {tagged}"
    if ":" in network or network in OWN_NETWORKS:
        return math.nan, ""
    from torchvision.models import get_model_weights

    weights = next(iter(get_model_weights(network)))
    accuracy = weights.meta.get("_metrics", {}).get("ImageNet-1K", {}).get("acc@1", math.nan)
    return accuracy, "" if math.isnan(accuracy) else f"torchvision's {weights.name}"


def loss_cost(configuration: Configuration, repeats: int = 5) -> float:
    """Milliseconds for the loss of 8 x 3 x 96 x 96 pictures and its gradient: the median of some runs.

    The target's features are computed too. Weights do not matter to it, so random ones are taken, and no file is
    needed; the baseline is the mean squared error of pixels. nan for a layer that needs larger pictures.

    >>> loss_cost(Configuration()) > 0
    True
    """
    criterion = loss("l2") if configuration.network is None else replace(configuration, random=True).loss(None)
    if getattr(criterion, "min_side", 1) > 96:
        return math.nan
    generator = torch.Generator().manual_seed(0)
    target, picture = torch.rand(2, 8, 3, 96, 96, generator=generator)
    seconds = []
    for _ in range(repeats + 1):
        prediction = picture.clone().requires_grad_()
        start = time.perf_counter()
        criterion(prediction, target).backward()
        seconds.append(time.perf_counter() - start)
    return 1000 * median(seconds[1:])  # the first one allocates


@cache
def _counted(network: str, layer: str) -> Facts:
    """All that is counted; the weights do not matter."""
    to_layer, to_end = _count(feature_graph(backbone(network).network, [layer])), _count_whole(network)
    return Facts(
        parameters=to_end.parameters,
        parameters_to_layer=to_layer.parameters,
        multiply_adds=to_layer.multiply_adds,
        depth=to_layer.depth,
        relative_depth=to_layer.depth / to_end.depth if to_end.depth else math.nan,
        min_side=Configuration(network, layer, random=True).extractor(None).min_side,
    )


@cache
def _count_whole(network: str) -> "_Counts":
    return _count(backbone(network).network)


class _Counts(NamedTuple):
    depth: float = math.nan
    multiply_adds: float = math.nan
    parameters: float = math.nan


def _count(network: nn.Module) -> _Counts:
    """What it takes to run a network on a picture, counted on `meta`, where nothing is computed."""
    network = network.to("meta").eval()
    flops = FlopCounterMode(display=False)
    try:
        with torch.no_grad(), flops, _LongestPath() as path:
            network(torch.empty(PICTURE, device="meta"))
    except Exception:  # a network can raise anything for a picture of another size than its own
        return _Counts()
    return _Counts(path.longest, flops.get_total_flops() // 2, sum(map(Tensor.numel, path.parameters.values())))


class _LongestPath(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Counts the convolutions on the longest path to any tensor, and collects the parameters that are used."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.depths: MutableMapping[Tensor, int] = cast(Any, WeakTensorKeyDictionary)()
        self.longest = 0
        self.parameters: dict[int, Tensor] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        outputs = func(*args, **(kwargs or {}))
        inputs = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        self.parameters.update((id(leaf), leaf) for leaf in inputs if isinstance(leaf, nn.Parameter))
        depth = max((self.depths.get(leaf, 0) for leaf in inputs), default=0) + _is_convolution(func)
        for leaf in tree_leaves(outputs):
            if isinstance(leaf, Tensor):
                self.depths[leaf] = depth
        self.longest = max(self.longest, depth)
        return outputs


def _is_convolution(operation: Callable[..., Any]) -> bool:
    return "convolution" in str(operation)


__all__ = ["TIMM_ACCURACIES", "Facts", "facts_of", "imagenet_accuracy", "loss_cost"]

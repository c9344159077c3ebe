"""LPIPS: how far apart unit feature vectors are, in the directions that observers were found to mind."""

from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.losses.perceptual.base import FeatureLoss
from lossmith.losses.perceptual.extractor import FeatureExtractor
from lossmith.losses.perceptual.weights import find_or_raise, package_file, read_state_dict

NETWORKS = {
    "alex": ("alexnet", ["relu1", "relu2", "relu3", "relu4", "relu5"]),
    "vgg": ("vgg16", ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"]),
    "squeeze": ("squeezenet1_1", ["relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"]),
}
"""By the names that the lpips package has for them: the network and its layers."""


class LPIPS(FeatureLoss):
    """The learned perceptual distance, version 0.1, of images in [0, 1].

    The sum over layers of the mean over places of sum_c w_c (u_c - u'_c)^2, where u are feature vectors of length
    1 and w the weights of the trained heads; `linear=false` is the unlearned form, w = 1.

    `network` is alex, vgg or squeeze; `weights` are the file of its ImageNet weights. `heads` are the file of the
    trained w, as the lpips package has it; by default `lpips_alex.pth` and so on in the weight folders, or those
    in an installed lpips or torchmetrics.

    Source: Zhang, Isola, Efros, Shechtman, Wang, CVPR 2018.
    """

    name = "lpips"
    formula = "sum over layers of the mean squared difference of unit feature vectors, weighted by trained heads"
    source = "Zhang et al. 2018"

    def __init__(
        self,
        network: str = "alex",
        linear: bool = True,
        weights: str | None = None,
        heads: str | None = None,
        precision: str = "full",
        gray: str = "refuse",
        reduction: str = "mean",
    ) -> None:
        if network not in NETWORKS:
            raise unknown_name_error("network of lpips:", network, NETWORKS)
        backbone, layers = NETWORKS[network]
        super().__init__(
            FeatureExtractor(backbone, layers, weights, precision=precision), [1.0] * len(layers), gray, reduction
        )
        self.network, self.linear, self.weights = network, linear, weights
        self.heads, self.precision = heads, precision
        widths = self.extractor.channels_per_layer()
        ones = [torch.ones(width, dtype=torch.float32, device="cpu") for width in widths]
        for layer, head in enumerate(read_heads(network, heads, widths) if linear else ones):
            self.register_buffer(f"head{layer}", head, persistent=False)

    def statistic(self, features: Tensor) -> Tensor:
        length: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
        return features / (length + 1e-10)

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        head: Tensor = getattr(self, f"head{layer}")
        differences = (prediction - target).square()
        # where channels lie side by side in memory, weighing them first is three times as fast
        return (differences.movedim(1, 3) @ head).mean((1, 2))


def head_files(network: str) -> tuple[list[str], list[Path]]:
    """The names that the trained heads of a network go by, and where packages have them."""
    packaged = f"{network}.pth"
    return [f"lpips_{packaged}", f"lpips_linear_heads/v0.1/{packaged}"], [
        *package_file("lpips", f"weights/v0.1/{packaged}"),
        *package_file("torchmetrics", f"functional/image/lpips_models/{packaged}"),
    ]


def read_heads(network: str, file: str | None, widths: list[int]) -> list[Tensor]:
    """The weights of the channels, layer by layer."""
    path = find_or_raise(file, *head_files(network), f"lpips({network}) needs a file of trained heads")
    names = [f"lin{layer}.model.1.weight" for layer, _ in enumerate(widths)]
    state = read_state_dict(path, names)
    heads = [state.get(name, torch.empty(0)) for name in names]
    if [head.numel() for head in heads] != widths:
        raise LossmithError(f"{path} does not hold the trained heads of lpips({network})")
    return [head.flatten().float() for head in heads]


__all__ = ["LPIPS", "head_files"]

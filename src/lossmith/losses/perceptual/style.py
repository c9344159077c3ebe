"""Style losses: distances between statistics of features over all positions of an image."""

import torch
from torch import Tensor, nn

from lossmith.losses.perceptual.base import LayerLoss, Layers
from lossmith.losses.precomputed import Bands

STYLE_LAYERS = "relu1_2 + relu2_2 + relu3_3 + relu4_3"
"""The layers of VGG-16 that Johnson et al. use."""


class GramBase(LayerLoss):
    """Base class: a loss on statistics of feature maps.

    `with_target(image)` is the loss against the style of one image, for predictions of any size.

    Parameters
    ----------
    network, layers
        See `LayerLoss`; by default those of Johnson et al.
    weights, normalize, precision
        See `FeatureExtractor`.
    gray
        "refuse" images of one channel, or "repeat" the channel.
    bands
        Which channels of the image the network gets, counted from 0, such as "4,2,0"; by default all.
    reduction
        "mean", "sum" or "none", over the images.
    """

    any_size = True
    kind = "statistics"

    def __init__(
        self,
        network: str | nn.Module = "vgg16",
        layers: Layers = STYLE_LAYERS,
        weights: str | None = None,
        normalize: str | None = "weights",
        precision: str = "full",
        gray: str = "refuse",
        bands: Bands = None,
        reduction: str = "mean",
    ) -> None:
        super().__init__(network, layers, weights, normalize, precision, gray, bands, reduction)


class StyleLoss(GramBase):
    """The mean squared difference of Gram matrices, F F' / (C H W), where F are a layer's features, (C, H W).

    The parameters are those of `GramBase`.

    References
    ----------
    Gatys et al., CVPR 2016, with the normalization and the layers of Johnson et al., ECCV 2016.
    """

    name = "style"
    formula = "weighted sum over layers of the mean squared difference of Gram matrices, F F' / (C H W)"
    source = "Johnson et al. 2016"

    def statistic(self, features: Tensor) -> Tensor:
        flat = features.flatten(2)
        return flat @ flat.mT / (flat.shape[1] * flat.shape[2])

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        return (prediction - target).square().mean((1, 2))


class StyleW2Loss(GramBase):
    """The squared 2-Wasserstein distance of Gaussians with the moments of the features, over their channels.

    |m - m'|^2 + trace(S + S' - 2 (S'^1/2 S S'^1/2)^1/2), with the means m, m' and the covariances S, S' of a
    layer's features. 1e-4 is added to all variances, so that the gradient stays finite where features are
    constant. Matrix roots are computed in float64. There is no second derivative. The parameters are those of
    `GramBase`.

    References
    ----------
    Gelbrich, Mathematische Nachrichten 1990.
    """

    name = "style_w2"
    formula = (
        "weighted sum over layers of the squared 2-Wasserstein distance of Gaussians with the features' moments"
    )
    bounds = "0 and up; identical images give 0 to within rounding"
    source = "Gelbrich 1990"

    def statistic(self, features: Tensor) -> Tensor:
        """The mean and the covariance of the features, side by side, (N, C, 1 + C)."""
        flat = features.flatten(2).double()
        mean = flat.mean(2, keepdim=True)
        centered = flat - mean
        floor = 1e-4 * torch.eye(flat.shape[1], dtype=flat.dtype, device=flat.device)
        return torch.cat([mean, centered @ centered.mT / flat.shape[2] + floor], 2)

    def target_features(self, target: Tensor) -> list[Tensor]:
        """The mean and the root of the covariance of the features, side by side, (N, C, 1 + C)."""
        moments = super().target_features(target)
        return [torch.cat([moment[..., :1], _root(moment[..., 1:])], 2) for moment in moments]

    def layer_distance(self, layer: int, prediction: Tensor, target: Tensor) -> Tensor:
        mean, root = target[..., 0], target[..., 1:]
        covariance = prediction[..., 1:]
        means = (prediction[..., 0] - mean).square().sum(1)
        traces = covariance.diagonal(dim1=1, dim2=2).sum(1) + root.square().sum((1, 2))
        distance = means + traces - 2 * _trace_of_root(root @ covariance @ root)
        return distance.to(self.extractor.mean.dtype) / mean.shape[1]


def _root(matrix: Tensor) -> Tensor:
    """The square root of positive semidefinite matrices."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors * values.clamp(min=0).sqrt()[:, None, :] @ vectors.mT
    return root


def _trace_of_root(matrix: Tensor) -> Tensor:
    """The trace of the square root of positive semidefinite matrices.

    Only the eigenvalues are differentiated, as v' M v with constant eigenvectors v. That is their exact gradient
    and, unlike the gradient of the eigenvectors, finite where eigenvalues coincide.
    """
    vectors: Tensor = torch.linalg.eigh(matrix.detach()).eigenvectors
    return (vectors * (matrix @ vectors)).sum(1).clamp(min=1e-16).sqrt().sum(1)


__all__ = ["STYLE_LAYERS", "StyleLoss", "StyleW2Loss"]

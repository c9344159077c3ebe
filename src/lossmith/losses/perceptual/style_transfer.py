"""The objective of style transfer: the content of a photograph, the style of paintings, and smoothness."""

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import format_value
from lossmith.losses.perceptual.base import PerceptualLoss, parse_layers
from lossmith.losses.perceptual.style import STYLE_LAYERS, StyleLoss
from lossmith.losses.pixel import TVLoss
from lossmith.losses.precomputed import PrecomputableLoss

TERMS = ("content", "style", "tv")


class StyleTransferLoss(PrecomputableLoss):
    """Content of the target, style of given paintings, total variation: what a network that paints minimizes.

    The features of a prediction are computed once for both, and the Gram matrices of the paintings when the loss
    is made. Those of several paintings are averaged, which has the gradient of the weighted sum of their losses.

    Parameters
    ----------
    paintings
        (1, 3, H, W) each, of any sizes.
    network, content_layers, style_layers, weights
        See `LayerLoss`.
    content_weight, style_weight, tv_weight
        Weights of the three terms: of `PerceptualLoss` with the distance l2, of `StyleLoss`, and of `TVLoss(2)`.
    painting_weights
        The share of each painting [default: equal ones].

    Raises
    ------
    LossmithError
        Without a painting, and for weights that are negative, or not one for each painting.

    References
    ----------
    Johnson et al., ECCV 2016.
    """

    name = "style_transfer"
    formula = "content + style + total variation"
    bounds = "0 and up; identical images have the content 0, but any style"
    kind = "prior"
    source = "Johnson et al. 2016"

    def __init__(
        self,
        paintings: Sequence[Tensor],
        network: str | nn.Module = "vgg16",
        content_layers: str = "relu2_2",
        style_layers: str = STYLE_LAYERS,
        content_weight: float = 1.0,
        style_weight: float = 1.0,
        tv_weight: float = 0.0,
        painting_weights: Sequence[float] | None = None,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        self.content = PerceptualLoss(network, content_layers, "l2", weights)
        wanted, (styled, _) = parse_layers(content_layers)[0], parse_layers(style_layers)
        # one network gives the features of a prediction for both
        added = [name for name in wanted if name not in styled]
        self.style = StyleLoss(network, " + ".join([style_layers, *(f"0*{name}" for name in added)]), weights)
        self.smoothness = TVLoss(2)
        self.content_indices = [[*styled, *added].index(name) for name in wanted]
        self.min_side = max(self.style.min_side, self.smoothness.min_side)
        self.term_weights = dict(zip(TERMS, (content_weight, style_weight, tv_weight), strict=True))
        if any(weight < 0 for weight in self.term_weights.values()):
            raise LossmithError("the weights of content, style and total variation must not be negative")
        self.layers = (content_layers, style_layers)
        for layer, gram in enumerate(self._grams(paintings, painting_weights)):
            self.register_buffer(f"gram{layer}", gram, persistent=False)

    def _grams(self, paintings: Sequence[Tensor], shares: Sequence[float] | None) -> list[Tensor]:
        shares = [1.0] * len(paintings) if shares is None else list(shares)
        if not paintings:
            raise LossmithError("a style needs a painting at least")
        if len(shares) != len(paintings) or min(shares) < 0 or not 0 < sum(shares) < math.inf:
            raise LossmithError(
                f"{len(paintings)} paintings need as many shares, finite, none negative and not all 0, "
                f"not {shares}"
            )
        grams = [self.style.target_features(painting) for painting in paintings]
        return [
            torch.stack([share / sum(shares) * gram for share, gram in zip(shares, layer, strict=True)]).sum(0)
            for layer in zip(*grams, strict=True)
        ]

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        def means(prediction: Tensor, target: Tensor) -> Tensor:
            return self._weighted_terms(self.target_features(target), prediction).mean(1)

        values = self.evaluate_map(means, prediction, target)
        return dict(zip(TERMS, values.unbind(), strict=True))

    def target_features(self, target: Tensor) -> list[Tensor]:
        return self.content.target_features(target)

    def compare_to(self, features: Iterable[Tensor], prediction: Tensor) -> Tensor:
        return self._weighted_terms(features, prediction).sum(0)

    def _weighted_terms(self, content_of_target: Iterable[Tensor], prediction: Tensor) -> Tensor:
        """Content, style and total variation of each image, (3, N)."""
        features = self.style.features(prediction)
        content = self.content.compare_statistics(
            content_of_target, [features[index] for index in self.content_indices]
        )
        grams = [self.get_buffer(f"gram{layer}") for layer in range(len(features))]
        style = self.style.compare_statistics(grams, [self.style.statistic(feature) for feature in features])
        values = (content, style, self.smoothness.per_image(prediction, prediction))
        weighted = zip(self.term_weights.values(), values, strict=True)
        return torch.stack([weight * value for weight, value in weighted])

    def __str__(self) -> str:
        content, style, tv = (format_value(weight) for weight in self.term_weights.values())
        network, (content_layers, style_layers) = self.content.network, self.layers
        return f"{content}*content({network}, {content_layers}) + {style}*style({style_layers}) + {tv}*tv(2)"


__all__ = ["TERMS", "StyleTransferLoss"]

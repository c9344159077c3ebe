"""The distance at one layer: LPIPS without learned weights is its sum over layers."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.perceptual import LPIPS
from lossmith.losses.perceptual.lpips import NETWORKS
from lossmith.studies.benchmarks.similarity.distance import LayerDistance
from lossmith.studies.configuration import Configuration


def images(seed: int, side: int = 64) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (2, 3, side, side), np.uint8))


def distance_of(configuration: Configuration, first: Tensor, second: Tensor) -> Tensor:
    distance = LayerDistance(configuration)
    return distance.channels(distance.features(first), distance.features(second)).sum(1)


def test_the_sum_over_its_layers_is_lpips_without_learned_weights() -> None:
    first, second = images(0), images(1)
    network, layers = NETWORKS["squeeze"]
    lpips = LPIPS("squeeze", linear=False, weights="random", reduction="none")
    parts = [distance_of(Configuration(network, layer, random=True), first, second) for layer in layers]
    assert torch.stack(parts).sum(0) == pytest.approx(lpips(first / 255, second / 255), rel=1e-5)  # float32


def test_the_baseline_is_the_mean_squared_error_of_pixels() -> None:
    first, second = images(0), images(1)
    errors = ((first.double() - second.double()) / 255).square().mean((1, 2, 3))
    assert distance_of(Configuration(), first, second) == pytest.approx(errors, rel=1e-5)


def test_variances_are_those_of_dropout_at_every_position() -> None:
    distance = LayerDistance(Configuration("squeezenet1_1", "fire5", random=True))
    first, second = (distance.features(images(seed)) for seed in (0, 1))
    squares = (first - second).square()
    torch.manual_seed(0)
    dropped = torch.stack([torch.nn.functional.dropout(squares, 0.5).mean((2, 3)) for _ in range(2000)])
    means, variances = distance.channels(first, second), distance.dropout_variances(first, second)
    assert (dropped.mean(0) - means).abs().max() <= 5 * (variances.max() / 2000).sqrt()  # 5 standard errors
    ratios = dropped.var(0)[variances > 0] / variances[variances > 0]
    assert ratios.mean() == pytest.approx(1, abs=0.01)  # of hundreds of channels with an error of 3 % each


def test_pictures_that_are_too_small_are_refused() -> None:
    distance = LayerDistance(Configuration("squeezenet1_1", "fire9", random=True))
    with pytest.raises(
        LossmithError, match=r"squeezenet1_1:fire9 \(random\) needs pictures of \d+ or more .* 4x4"
    ):
        distance.features(images(0, side=4))

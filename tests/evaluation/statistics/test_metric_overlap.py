"""Which losses were trained on what a metric measures, or on a network of its family."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from lossmith.evaluation.statistics.metric_overlap import (
    FIXED_NETWORKS,
    MEASURED,
    is_independent,
    loss_networks,
    optimizes_metric,
    shares_architecture,
)
from lossmith.losses import LOSSES, PRESETS
from lossmith.losses.registry import CATALOGUE, DEEP
from lossmith.metrics.deep import DEEP_METRICS
from lossmith.metrics.registry import METRICS

CASES = [
    ("l1", "l1", True),
    ("l1", "l2", False),
    ("l2", "psnr", True),
    ("l1", "psnr", False),
    ("ssim", "ssim", True),
    ("ssim", "iw_ssim", False),
    ("mix", "ssim", True),
    ("mix(alpha=0.5)", "l1", True),
    ("0.84*ms_ssim_sigmas + 0.16*charbonnier", "ms_ssim", True),
    ("l1 until 50% then l2", "l2", True),
    ("charbonnier + 0.5*(l1 until 50% then 2*lpips(vgg))", "lpips_alex", True),
    ("80%*l1 + 20%*lpips(vgg)", "lpips_alex", True),
    ("80%*charbonnier + 20%*(50%*tv + 50%*l1) always", "l1", True),
    ("80%*l1 + 20%*tv", "ssim", False),
    ("lpips", "lpips_squeeze", True),
    ("lpips", "dists", False),
    ("dists(weights=random)", "dists", True),
    # a network in common is not yet the same measure
    ("features(squeezenet1_1, fire3)", "lpips_squeeze", False),
    ("l2 + 0*l1", "l1", False),
    ("torch.nn:L1Loss", "l1", False),
    ("object of my.losses:SSIM", "ssim", False),
    ("", "l1", False),
]


@pytest.mark.parametrize(("loss", "metric", "expected"), CASES)
def test_optimizes_metric_finds_the_metric_inside_a_loss(loss: str, metric: str, expected: bool) -> None:
    assert optimizes_metric(loss, metric) is expected


@given(st.sampled_from(sorted(MEASURED)), st.sampled_from(sorted(MEASURED)), st.sampled_from(sorted(METRICS)))
def test_a_sum_optimizes_the_metrics_of_its_terms(first: str, second: str, metric: str) -> None:
    either = optimizes_metric(first, metric) or optimizes_metric(second, metric)
    assert optimizes_metric(f"{first} + 0.5*{second}", metric) is either
    assert optimizes_metric(f"{first} until 30% then {second}", metric) is either


def test_every_loss_and_metric_of_the_overlap_table_exists() -> None:
    assert MEASURED.keys() <= CATALOGUE.keys()
    assert {stem for stems in MEASURED.values() for stem in stems} <= {*METRICS, "lpips", "dists"}
    # a preset is marked as the loss that it is
    for name in PRESETS:
        assert MEASURED.get(name) == MEASURED.get(LOSSES["mix"].name)


NETWORKS_OF = {
    "l1": set(),
    "mdf(sr)": set(),
    "l1 + 0.1*features(vgg19, relu2_2)": {"vgg19"},
    "features(layers=relu1, network=alexnet)": {"alexnet"},
    "perceptual(timm/resnet18, act1)": {"timm/resnet18"},
    "lpips": {"alexnet"},
    "lpips(squeeze) until 50% then lpips(network=vgg)": {"squeezenet1_1", "vgg16"},
    "style": {"vgg16"},
    "style(squeezenet1_1, fire3)": {"squeezenet1_1"},
    "dists + minc": {"vgg16", "minc"},
    "l1 + 0*lpips": set(),
    "my.losses:Deep": set(),
    "object of my.losses:Deep": set(),
    "lpips(1, 2, 3, 4, 5, 6, 7, 8, 9)": set(),
}


@pytest.mark.parametrize("loss", NETWORKS_OF)
def test_the_networks_of_a_loss_are_read_from_its_text(loss: str) -> None:
    assert loss_networks(loss) == NETWORKS_OF[loss]


def test_every_deep_loss_has_its_networks() -> None:
    assert FIXED_NETWORKS.keys() <= CATALOGUE.keys()
    for name in DEEP.keys() - {"mdf"}:
        layers = "(vgg19, relu1_1)" if name in ("features", "contextual") else ""
        assert loss_networks(name + layers), name


FAMILIES = {
    "lpips_vgg": ("vgg11", "vgg16_bn", "vgg19", "minc", "timm/vgg13"),
    "lpips_squeeze": ("squeezenet1_0", "squeezenet1_1", "torchvision.models:squeezenet1_1"),
    "lpips_alex": ("alexnet",),
    "efficientnet_lite0": ("efficientnet_lite0", "efficientnet_b7", "timm/tf_efficientnet_lite0"),
}


@pytest.mark.parametrize("metric", FAMILIES)
@pytest.mark.parametrize("network", [*(name for names in FAMILIES.values() for name in names), "resnet18"])
def test_networks_of_one_family_are_told_by_name_or_class(metric: str, network: str) -> None:
    assert shares_architecture(metric, network) is (network in FAMILIES[metric])


def test_modules_are_told_by_their_classes_and_unknown_names_by_themselves() -> None:
    squeezenet = nn.Sequential(models.squeezenet1_0(weights=None), nn.ReLU())
    assert shares_architecture("lpips_squeeze", squeezenet)
    assert not shares_architecture("lpips_vgg", squeezenet)
    assert not shares_architecture("gmsd", squeezenet)
    assert shares_architecture("dists", "my_vgg_of_another_time")


@pytest.mark.parametrize(
    ("metric", "loss", "expected"),
    [
        ("lpips_squeeze", "l1 + 0.005*features(squeezenet1_1, fire5)", False),
        ("efficientnet_lite0", "l1 + 0.005*features(squeezenet1_1, fire5)", True),
        ("niqe", "l1 + 0.005*features(squeezenet1_1, fire5)", True),
        ("lpips_alex", "lpips(vgg)", False),  # the same measure on another network
        ("dists", "srgan", False),
        ("psnr", "mix", True),
        ("ssim", "mix", False),
        ("efficientnet_lite0", "features(efficientnet_b0, features.1)", False),
    ],
)
def test_independent_metrics_share_neither_measure_nor_network(metric: str, loss: str, expected: bool) -> None:
    assert is_independent(metric, loss) is expected


def test_every_deep_metric_is_of_its_own_family() -> None:
    for name, spec in DEEP_METRICS.items():
        assert spec.family in spec.network.lower().replace("-", "")
        assert not shares_architecture(name, "resnet50")

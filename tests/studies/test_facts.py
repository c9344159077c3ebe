"""What is known of networks: counts by hand, torchvision's numbers, and depths of known layers."""

import math
import sys

import pytest
import torch
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.studies import Configuration
from lossmith.studies.facts import facts_of, imagenet_accuracy, loss_cost
from lossmith.studies.pihlgren import PIHLGREN


class TwoBranches(nn.Module):
    """One convolution, then a branch of two and one of one, and a classifier, which reaches no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.long = nn.Sequential(
            nn.Conv2d(8, 4, 1, bias=False), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1, groups=4)
        )
        self.short = nn.Conv2d(8, 8, 1)
        self.mix = nn.ReLU()
        self.top = nn.Conv2d(8, 2, 1)
        self.classifier = nn.Linear(2, 10)

    def forward(self, image: Tensor) -> Tensor:
        features = self.stem(image)
        mixed = self.mix(self.long(features) + self.short(features))
        return self.classifier(self.top(mixed).mean((2, 3)))


class Untraceable(TwoBranches):
    def forward(self, image: Tensor) -> Tensor:
        if image.shape[0] > 1:  # tracing does not know
            return self.classifier(image.new_zeros(len(image), 2))
        return super().forward(image)


@pytest.mark.parametrize("network", ["TwoBranches", "Untraceable"])
def test_counts_by_hand(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "networks_to_count", sys.modules[__name__])
    facts = facts_of(Configuration(f"networks_to_count:{network}", "mix"))
    assert facts.depth == 3  # by the longer branch
    assert facts.relative_depth == 3 / 4
    stem, one, three, short = 3 * 8 * 9 + 8, 8 * 4, 8 * 1 * 9 + 8, 8 * 8 + 8
    assert facts.parameters_to_layer == stem + one + three + short
    assert facts.parameters == stem + one + three + short + (8 * 2 + 2) + (2 * 10 + 10)
    assert facts.multiply_adds == 112 * 112 * (3 * 8 * 9 + 8 * 4 + 8 * 9 + 8 * 8)
    assert facts.min_side == 1
    assert math.isnan(facts.imagenet_accuracy)


@pytest.mark.parametrize("network", [name for name in PIHLGREN if name not in ("inception_v3", "efficientnet_b7")])
def test_parameters_are_torchvisions(network: str) -> None:
    # of Inception v3, torchvision counts the auxiliary classifier too; EfficientNet-B7 is B0, but slow
    from torchvision.models import get_model_weights

    meta = next(iter(get_model_weights(network))).meta
    facts = facts_of(Configuration(network, PIHLGREN[network][0].layer))
    assert facts.parameters == meta["num_params"]
    assert facts.imagenet_accuracy == meta["_metrics"]["ImageNet-1K"]["acc@1"]
    assert facts.accuracy_source == "torchvision's IMAGENET1K_V1"
    assert 0 < facts.relative_depth <= 1


@pytest.mark.parametrize(
    ("network", "layer", "depth"),
    [
        ("vgg19", "relu3_4", 8),
        ("vgg19", "conv3_4", 8),
        ("vgg16", "relu1_2", 2),
        ("alexnet", "relu5", 5),
        ("squeezenet1_1", "fire2", 3),  # the first, a squeeze and an expansion
        ("resnet18", "layer1", 5),  # the first and two blocks of two
        ("resnet50", "layer1", 10),  # the first and three blocks of three
    ],
)
def test_depths_of_known_layers(network: str, layer: str, depth: int) -> None:
    assert facts_of(Configuration(network, layer)).depth == depth


def test_multiply_adds_are_torchvisions_for_a_whole_network() -> None:
    # its "_ops" are 10^9 multiply-adds with the linear layers: 3 of 4096, 4096 and 1000 outputs
    from torchvision.models import VGG11_Weights

    linear = 25088 * 4096 + 4096 * 4096 + 4096 * 1000
    counted = facts_of(Configuration("vgg11", "relu5_2")).multiply_adds + linear
    assert counted / 1e9 == pytest.approx(VGG11_Weights.IMAGENET1K_V1.meta["_ops"], abs=1e-3)


def test_random_weights_have_no_accuracy_and_are_counted_alike() -> None:
    trained, random = (facts_of(Configuration("alexnet", "relu1", random)) for random in (False, True))
    assert math.isnan(random.imagenet_accuracy)
    assert random.accuracy_source == ""
    assert (random.depth, random.parameters) == (trained.depth, trained.parameters)


def test_nothing_is_known_of_the_baseline() -> None:
    facts = facts_of(Configuration())
    assert math.isnan(facts.depth)
    assert math.isnan(facts.parameters)


@pytest.mark.parametrize(
    ("network", "accuracy"),
    [
        ("timm/tf_efficientnet_lite0", 74.830),
        ("timm/tf_efficientnet_lite0.in1k", 74.830),
        ("timm/resnet18", 73.158),
    ],
)
def test_published_accuracies_of_timm(network: str, accuracy: float) -> None:
    pytest.importorskip("timm")
    assert imagenet_accuracy(network)[0] == accuracy


@pytest.mark.parametrize("network", ["timm/resnet50", "minc", "efficientnet_lite0", "package.module:Net"])
def test_an_accuracy_that_is_not_in_the_table_is_unknown(network: str) -> None:
    pytest.importorskip("timm")
    value, source = imagenet_accuracy(network)
    assert math.isnan(value)
    assert source == ""


@pytest.mark.parametrize(("network", "layer"), [("no_such_network", "relu1"), ("alexnet", "no_such_layer")])
def test_what_is_not_there_is_an_error(network: str, layer: str) -> None:
    with pytest.raises(LossmithError):
        facts_of(Configuration(network, layer))


def test_the_cost_of_a_loss_is_a_time_and_needs_no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSMITH_WEIGHTS", "/nowhere")
    assert 0 < loss_cost(Configuration("squeezenet1_1", "relu1"), repeats=1) < math.inf
    assert 0 < loss_cost(Configuration(), repeats=1) < math.inf


def test_counting_leaves_random_numbers_alone() -> None:
    torch.manual_seed(0)
    before = torch.random.get_rng_state()
    facts_of(Configuration("squeezenet1_1", "fire5"))
    loss_cost(Configuration("squeezenet1_1", "relu1"), repeats=1)
    assert torch.equal(torch.random.get_rng_state(), before)

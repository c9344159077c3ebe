"""FeatureExtractor: names of layers, cutting, normalization and image sizes."""

import copy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from lossmith import LossmithError
from lossmith.losses import FeatureExtractor, loss

from .feature_networks import Methodical, Untraceable, build_network, image, out_of_place, pairing

# --- the layer ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("network", ["vgg16", "vgg16_bn"])
def test_conv_layers_are_before_the_activation_and_relu_after(network: str) -> None:
    before, after = FeatureExtractor(network, ["conv2_2", "relu2_2"], "random")(image())
    if network == "vgg16_bn":
        (before,) = FeatureExtractor(network, ["bn2_2"], "random")(image())
    assert before.min() < 0
    assert torch.equal(after, before.clamp(min=0))
    # alone, the activation may overwrite the convolution's output
    assert torch.equal(FeatureExtractor(network, ["relu2_2"], "random")(image())[0], after)


def test_layer_aliases_count_like_the_literature() -> None:
    network = models.vgg19(weights=None).features
    for name, index in {
        "conv5_4": 34,
        "relu5_4": 35,
        "pool3": 18,
        "relu3_4": 17,
        "conv16": 34,
        "relu1": 1,
    }.items():
        (actual,) = FeatureExtractor("vgg19", [name], "random").network.children()
        last = [*actual.children()][-1]
        assert type(last) is type(network[index])
        assert len([*actual.children()]) == index + 1


@pytest.mark.parametrize("layers", [[name] for name in out_of_place(build_network(), image())] + [[]])
def test_features_overwritten_in_place_are_kept(layers: list[str]) -> None:
    network, x = build_network(), image()
    expected = out_of_place(network, x)
    layers = layers or [*expected]
    for name, actual in zip(layers, FeatureExtractor(network, layers)(x), strict=True):
        torch.testing.assert_close(actual, expected[name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", [Untraceable, Methodical])
def test_an_untraceable_network_is_stopped_after_the_last_layer(kind: type[nn.Module]) -> None:
    network, x = build_network(kind), image()
    expected = out_of_place(network, x)
    prefix = copy.deepcopy(network)
    prefix.drop.register_forward_pre_hook(lambda *_: pytest.fail("it went on"))
    extractor = FeatureExtractor(prefix, ["norm", "first"])
    for name, actual in zip(["norm", "first"], extractor(x), strict=True):
        torch.testing.assert_close(actual, expected[name], rtol=1e-5, atol=1e-6)
    with pytest.raises(LossmithError, match="layer 'second' is not reached when the network runs"):
        FeatureExtractor(build_network(Untraceable), ["second"])(x)
    with pytest.raises(LossmithError, match="layer 'drop' gives a tuple, not feature maps"):
        FeatureExtractor(pairing(network), ["drop"])(x)
    with pytest.raises(LossmithError, match="layer 'norn' is not known; did you mean 'norm'"):
        FeatureExtractor(network, ["norn"])


class InterruptingNetwork(nn.Module):
    """A network that does something else while it is run."""

    def __init__(self, errand: Callable[[], object]) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3)
        self.errand = errand

    def forward(self, x: Tensor) -> Tensor:
        self.errand()
        features: Tensor = self.first(x)
        return features


def test_hooking_a_network_does_not_disturb_other_threads() -> None:
    """Tracing changes how modules are called everywhere."""
    network, x, actual = build_network().eval(), image(), []
    with ThreadPoolExecutor(1) as other:
        FeatureExtractor(InterruptingNetwork(lambda: actual.append(other.submit(network, x).result())), ["first"])
    (once,) = actual  # and not again, as when it could not be traced
    assert torch.equal(once, network(x))


def test_two_threads_do_not_trace_at_once() -> None:
    has_begun, together = Event(), []
    with ThreadPoolExecutor(1) as other:

        def meanwhile() -> None:
            other.submit(FeatureExtractor, InterruptingNetwork(lambda: has_begun.set()), ["first"])
            together.append(has_begun.wait(0.3))

        FeatureExtractor(InterruptingNetwork(meanwhile), ["first"])
    assert together == [False]
    assert has_begun.is_set()


def test_a_block_name_means_its_last_operation() -> None:
    names = ["layer1", "layer1.1", "layer1.1.relu_1", "layer1.1.add", "layer1.1.bn2"]
    block, block_again, conv_output, sum_output, norm_output = FeatureExtractor("resnet18", names, "random")(
        image()
    )
    assert torch.equal(block, block_again)
    assert torch.equal(block, conv_output)
    assert torch.equal(block, sum_output.clamp(min=0))
    assert norm_output.min() < 0


def test_layers_after_the_last_feature_are_neither_kept_nor_run() -> None:
    extractor = FeatureExtractor("vgg19", ["relu2_2"], "random")
    assert len([module for module in extractor.modules() if isinstance(module, nn.Conv2d)]) == 4
    assert not [module for module in extractor.modules() if isinstance(module, nn.Linear)]


# --- images ----------------------------------------------------------------------------------------------------


def test_images_are_normalized_as_the_weights_or_the_option_says() -> None:
    see = nn.Sequential(nn.Conv2d(3, 3, 1))
    nn.init.dirac_(see[0].weight)
    nn.init.zeros_(see[0].bias)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    inputs = {None: image(), "weights": image(), "imagenet": (image() - mean) / deviation}
    for normalize, expected in inputs.items():
        torch.testing.assert_close(FeatureExtractor(see, ["0"], normalize=normalize)(image())[0], expected)
    of_imagenet = FeatureExtractor("squeezenet1_1", ["conv1"], "random", normalize="imagenet")(image())[0]
    assert torch.equal(FeatureExtractor("squeezenet1_1", ["conv1"], "random")(image())[0], of_imagenet)
    with pytest.raises(LossmithError, match="normalize must be weights, imagenet or none, not 'vgg'"):
        FeatureExtractor(see, ["0"], normalize="vgg")


@pytest.mark.parametrize(
    ("network", "layer", "side"),
    [
        ("alexnet", "relu5", 31),
        ("squeezenet1_1", "fire9", 17),
        ("squeezenet1_1", "relu1", 3),
        ("vgg16", "relu3_3", 4),
        ("googlenet", "inception5b", 15),
        ("resnet18", "layer4", 1),
    ],
)
def test_min_side_is_the_smallest_that_the_network_takes(network: str, layer: str, side: int) -> None:
    criterion = loss(f"features({network}, {layer}, weights=random)")
    assert criterion.min_side == side
    assert criterion(*image(side, side + 9)[:, None]).isfinite()
    if side > 1:
        with pytest.raises(LossmithError, match=rf"needs at least {side} x {side} pixels, not {side + 2} x "):
            criterion(*image(side + 2, side - 1)[:, None])
        with pytest.raises(Exception, match="size"):  # the network could indeed not
            criterion.extractor(image(side - 1, side - 1))


def test_gray_images_are_refused_by_a_network_for_color() -> None:
    gray = image(channels=1)
    with pytest.raises(LossmithError, match="squeezenet1_1 takes images of 3 channels, not 1"):
        loss("features(squeezenet1_1, fire2, weights=random)")(gray, gray)
    assert FeatureExtractor(nn.Sequential(nn.Conv2d(1, 2, 3)), ["0"])(gray)[0].shape == (2, 2, 38, 46)


def test_nan_pixels_give_nan_features() -> None:
    x = image()
    x[0, 0, 20, 20] = torch.nan
    (actual,) = FeatureExtractor("squeezenet1_1", ["fire9"], "random")(x)
    assert actual[0].isnan().any()
    assert actual[1].isfinite().all()


def test_outputs_that_are_not_feature_maps_are_refused() -> None:
    flat_network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.Flatten())
    with pytest.raises(LossmithError, match=r"gives \(1, \d+\), not feature maps"):
        FeatureExtractor(flat_network, ["1"])

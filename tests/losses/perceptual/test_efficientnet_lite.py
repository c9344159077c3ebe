"""EfficientNet-Lite0 is timm's, of every size, with the keys of either package."""

import re
from copy import deepcopy

import pytest
import timm
import torch
from safetensors.torch import save_file

from lossmith.core.errors import LossmithError
from lossmith.losses import loss
from lossmith.losses.perceptual import FeatureExtractor
from lossmith.losses.perceptual.efficientnet_lite import LAYERS, EfficientNetLite0, timm_keys

FILE = "efficientnet_lite0_imagenet.safetensors"


@pytest.fixture(scope="module")
def theirs():
    """Random weights, and statistics of batches that show a wrong epsilon."""
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0").eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.01, 1.5)
    return network


@pytest.fixture
def folder(theirs, tmp_path, monkeypatch):
    save_file(theirs.state_dict(), tmp_path / FILE)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    return tmp_path


def old_key(key):
    """The key of timm's in EfficientNet-PyTorch, by its numbering of blocks throughout."""
    blocks = [f"blocks.{s}.{n}" for s, count in enumerate((1, 2, 2, 3, 3, 4, 1)) for n in range(count)]
    outer = {"conv_stem": "_conv_stem", "bn1": "_bn0", "conv_head": "_conv_head", "bn2": "_bn1"}
    match = re.fullmatch(r"(blocks\.\d\.\d)\.(\w+)\.(\w+)", key)
    if not match:
        layer, _, tensor = key.partition(".")
        return f"{outer.get(layer, '_fc')}.{tensor}"
    number = blocks.index(match[1])
    later = {"conv_pw": "_expand_conv", "conv_dw": "_depthwise_conv", "conv_pwl": "_project_conv"}
    later |= {"bn1": "_bn0", "bn2": "_bn1", "bn3": "_bn2"}
    first = {"conv_dw": "_depthwise_conv", "conv_pw": "_project_conv", "bn1": "_bn1", "bn2": "_bn2"}
    return f"_blocks.{number}.{(later if number else first)[match[2]]}.{match[3]}"


@pytest.mark.parametrize("size", [(64, 64), (33, 50), (65, 31), (1, 7)])
def test_features_are_timms(folder, theirs, size):
    image = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    theirs = deepcopy(theirs).double()
    stages = []
    for layer in LAYERS:
        theirs.get_submodule(layer).register_forward_hook(lambda module, inputs, output: stages.append(output))
    with torch.no_grad():
        theirs(image)
    ours = FeatureExtractor("efficientnet_lite0", LAYERS, normalize=None).double()(image)
    for x, y in zip(ours, stages, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-10, atol=1e-10)  # float64, up to the order of sums


def test_images_are_normalized_as_the_weights_expect(folder):
    image = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(1))
    with_weights = FeatureExtractor("efficientnet_lite0", ["blocks.1"])(image)
    by_hand = FeatureExtractor("efficientnet_lite0", ["blocks.1"], normalize=None)((image * 255 - 127) / 128)
    torch.testing.assert_close(with_weights, by_hand, rtol=1e-4, atol=1e-5)


def test_keys_of_efficientnet_pytorch_are_understood(theirs, tmp_path):
    state = theirs.state_dict()
    old = {old_key(key): tensor for key, tensor in state.items()}
    assert len(old) == len(state)
    renamed = timm_keys(old)
    assert {key for key in renamed if not key.startswith("_fc")} == {
        key for key in state if not key.startswith("classifier")
    }
    assert all(renamed[key] is tensor for key, tensor in state.items() if key in renamed)
    assert timm_keys(state).keys() == state.keys()
    torch.save(old, tmp_path / "old.pth")
    save_file(state, tmp_path / FILE)
    image = torch.rand(1, 3, 32, 32)
    features = [
        FeatureExtractor("efficientnet_lite0", LAYERS, str(tmp_path / name))(image) for name in ("old.pth", FILE)
    ]
    assert all(torch.equal(x, y) for x, y in zip(*features, strict=True))


def test_our_keys_are_timms_without_the_classifier(theirs):
    with torch.device("meta"):
        ours = EfficientNetLite0().state_dict()
    expected = {
        key: tensor.shape
        for key, tensor in theirs.state_dict().items()
        if key.partition(".")[0] not in ("conv_head", "bn2", "classifier")
    }
    assert {key: tensor.shape for key, tensor in ours.items()} == expected


def test_it_is_a_network_of_losses(folder):
    criterion = loss("features(efficientnet_lite0, blocks.1)")
    image, target = torch.rand(2, 1, 3, 32, 32)
    image.requires_grad_()
    criterion(image, target).backward()
    assert image.grad.abs().sum() > 0
    assert criterion(target, target) == 0
    with pytest.raises(LossmithError, match=r"layer 'blocks\.9' is not known"):
        loss("features(efficientnet_lite0, blocks.9)")


def test_weights_of_another_network_are_refused(tmp_path):
    save_file({"conv_stem.weight": torch.zeros(32, 3, 5, 5)}, tmp_path / "other.safetensors")
    with pytest.raises(LossmithError, match="does not hold the weights of efficientnet_lite0"):
        FeatureExtractor("efficientnet_lite0", ["blocks.0"], str(tmp_path / "other.safetensors"))

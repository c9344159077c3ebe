"""Other people's weights: layouts of RRDBNet, SRResNet and TransformNet give the same images as our own names."""

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossmith import LossmithError
from lossmith.models.state_dict_keys import canonicalize_keys, detect_network
from lossmith.networks import network

State = dict[str, Tensor]


def number_layers(state: State) -> State:
    """The names of the first ESRGAN code: `model.0`, `model.1.sub.N.RDBM.convK.0`, `model.3` ..."""
    blocks = 1 + max(int(block_match[1]) for name in state if (block_match := re.match(r"body\.(\d+)", name)))
    ups = sum(bool(re.match(r"conv_up\d\.weight", name)) for name in state)
    places = {"conv_first": "0", "conv_body": f"1.sub.{blocks}"}
    places |= {f"conv_up{index}": str(3 * index) for index in range(1, ups + 1)}
    places |= {"conv_hr": str(3 * ups + 2), "conv_last": str(3 * ups + 4)}

    def rename(name: str) -> str:
        layer, _, part = name.rpartition(".")
        dense_match = re.fullmatch(r"body\.(\d+)\.rdb(\d)\.conv(\d)", layer)
        return (
            f"model.1.sub.{dense_match[1]}.RDB{dense_match[2]}.conv{dense_match[3]}.0.{part}"
            if dense_match
            else f"model.{places[layer]}.{part}"
        )

    return {rename(name): value for name, value in state.items()}


def publish_names(state: State) -> State:
    """The names of the published test code: `RRDB_trunk`, `trunk_conv`, `upconv1`, `HRconv`."""
    changes = {
        r"^body": "RRDB_trunk",
        "rdb": "RDB",
        "conv_body": "trunk_conv",
        "conv_up": "upconv",
        "conv_hr": "HRconv",
    }

    def rename(name: str) -> str:
        for new, old in changes.items():
            name = re.sub(new, old, name)
        return name

    return {rename(name): value for name, value in state.items()}


def present(state: State) -> State:
    return dict(state)


LAYOUTS = [number_layers, publish_names, present]


def filled_network(expression: str) -> torch.nn.Module:
    module = network(expression).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return module


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "expression",
    [
        "rrdbnet(scale=4, features=6, blocks=2, growth=4)",
        "rrdbnet(scale=2, features=6, blocks=3, growth=2)",
        "rrdbnet(features=4, blocks=1, growth=4)",
        "rrdbnet(scale=8, features=4, blocks=1, growth=4)",
        "rrdbnet(features=4, blocks=2, growth=4, unshuffle=1)",
        "rrdbnet(scale=2, features=4, blocks=11, growth=1, unshuffle=1)",
    ],
)
def test_every_layout_of_rrdbnet_gives_the_same_images(layout: Callable[[State], State], expression: str) -> None:
    original = filled_network(expression)
    weights = canonicalize_keys(layout(original.state_dict()))
    detected = str(detect_network(weights))
    copy = network(detected).eval()
    assert str(copy) == expression
    copy.load_state_dict(weights)
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(copy(image), original(image))


@pytest.mark.parametrize("unshuffle", [1, 2, 3])
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_the_small_srresnet_is_recognized(scale: int, unshuffle: int) -> None:
    original = filled_network(f"srresnet_small(scale={scale}, features=5, blocks=2, unshuffle={unshuffle})")
    assert str(network(str(detect_network(original.state_dict())))) == str(original)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("older", [False, True])
def test_every_layout_of_srresnet_gives_the_same_images(scale: int, older: bool) -> None:
    original = filled_network(f"srresnet(scale={scale}, features=5, blocks=2)")
    state = {
        name.replace("body.", "recon_trunk.").replace("conv_hr", "HRconv") if older else name: value
        for name, value in original.state_dict().items()
    }
    weights = canonicalize_keys(state)
    copy = network(str(detect_network(weights))).eval()
    copy.load_state_dict(weights)
    image = torch.rand(1, 3, 5, 6)
    assert torch.equal(copy(image), original(image))


@settings(max_examples=15, deadline=None)
@given(
    st.sampled_from([(1, 1), (1, 2), (1, 4), (2, 1), (2, 2), (4, 1), (8, 1)]),
    st.integers(1, 9),
    st.integers(1, 12),
    st.integers(1, 9),
    st.sampled_from(LAYOUTS),
)
def test_the_options_of_a_network_are_read_off_its_weights(
    folding: tuple[int, int], features: int, blocks: int, growth: int, layout: Callable[[State], State]
) -> None:
    scale, fold = folding
    with torch.device("meta"):
        options = f"scale={scale}, features={features}, blocks={blocks}, growth={growth}, unshuffle={fold}"
        original = network(f"rrdbnet({options})")
        copy = network(str(detect_network(canonicalize_keys(layout(original.state_dict())))))
    assert {name: value.shape for name, value in copy.state_dict().items()} == {
        name: value.shape for name, value in original.state_dict().items()
    }
    assert copy.scale == scale


def test_unknown_or_inconsistent_weights_are_refused() -> None:
    state = filled_network("rrdbnet(scale=4, features=4, blocks=1, growth=2)").state_dict()
    assert detect_network({"layers.0.weight": torch.ones(2)}) is None
    with pytest.raises(LossmithError, match=r"^holds weights that do not fit together: 'conv_last.weight'$"):
        detect_network({name: value for name, value in state.items() if name != "conv_last.weight"})
    gray = {**state, "conv_first.weight": torch.ones(4, 1, 3, 3), "conv_last.weight": torch.ones(1, 4, 3, 3)}
    with pytest.raises(LossmithError, match=r"^holds an rrdbnet from 1 to 1 channels; it must be for RGB$"):
        detect_network(gray)


# --- the styles of PyTorch's examples --------------------------------------------------------------------------

LAYERS = {
    **{"conv1": (32, 3, 9), "conv2": (64, 32, 3), "conv3": (128, 64, 3)},
    **{f"res{block}.conv{half}": (128, 128, 3) for block in range(1, 6) for half in (1, 2)},
    **{"deconv1": (64, 128, 3), "deconv2": (32, 64, 3), "deconv3": (3, 32, 9)},
}
"""The convolutions of `fast_neural_style`: outputs, inputs, side."""
NORMS = {"in1": 32, "in2": 64, "in3": 128, "in4": 64, "in5": 32} | {
    f"res{block}.in{half}": 128 for block in range(1, 6) for half in (1, 2)
}


def fast_neural_style(stale: bool) -> State:
    """Random weights in the layout of the checkpoints of PyTorch's `fast_neural_style`."""
    state = {}
    for name, (outputs, inputs, side) in LAYERS.items():
        state[f"{name}.conv2d.weight"] = torch.randn(outputs, inputs, side, side) * (inputs * side**2) ** -0.5
        state[f"{name}.conv2d.bias"] = torch.randn(outputs)
    state["deconv3.conv2d.weight"] *= 255
    for name, features in NORMS.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = torch.rand(features) + 0.5, torch.randn(features)
        if stale:
            state[f"{name}.running_mean"], state[f"{name}.running_var"] = torch.randn(2, features)
    return state


def stylized(state: State, image: Tensor) -> Tensor:
    """What that net gives for RGB images from 0 to 255: reflection everywhere, and nearest neighbors upwards."""

    def conv(name: str, x: Tensor, stride: int = 1, enlarge: int = 1) -> Tensor:
        x = x.repeat_interleave(enlarge, -1).repeat_interleave(enlarge, -2)
        weight, bias = state[f"{name}.conv2d.weight"], state[f"{name}.conv2d.bias"]
        return F.conv2d(F.pad(x, [weight.shape[-1] // 2] * 4, "reflect"), weight, bias, stride)

    def norm(name: str, x: Tensor) -> Tensor:
        return F.instance_norm(x, weight=state[f"{name}.weight"], bias=state[f"{name}.bias"])

    x = image
    for number, stride in ((1, 1), (2, 2), (3, 2)):
        x = norm(f"in{number}", conv(f"conv{number}", x, stride)).relu()
    for block in (f"res{number}" for number in range(1, 6)):
        branch = norm(f"{block}.in1", conv(f"{block}.conv1", x)).relu()
        x = x + norm(f"{block}.in2", conv(f"{block}.conv2", branch))
    for number in (1, 2):
        x = norm(f"in{number + 3}", conv(f"deconv{number}", x, enlarge=2)).relu()
    return conv("deconv3", x)


@pytest.mark.parametrize("stale", [False, True])
def test_styles_of_pytorchs_examples_paint_the_same(stale: bool) -> None:
    state = {name: value.double() for name, value in fast_neural_style(stale).items()}
    weights = canonicalize_keys(state)
    assert not any("running" in name for name in weights)
    made = network(str(detect_network(weights))).double()
    made.load_state_dict(weights)
    assert str(made) == "transform_net(output=linear)"
    image = torch.rand(1, 3, 24, 32, dtype=torch.float64)
    torch.testing.assert_close(255 * made(image), stylized(state, 255 * image), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "expression",
    [
        "transform_net(width=0.5, blocks=2)",
        "transform_net(width=0.25, blocks=1, norm=batch, output=linear)",
        "transform_net(width=0.25, upsampling=transposed)",
        "transform_net(scale=4, width=0.25, blocks=2)",
        "transform_net(scale=8, width=0.125, blocks=1, norm=batch)",
        "transform_net(scale=4, width=0.5, norm=none)",
    ],
)
def test_the_transform_net_is_recognized(expression: str) -> None:
    restorer = filled_network(expression)
    assert str(network(str(detect_network(canonicalize_keys(restorer.state_dict()))))) == expression

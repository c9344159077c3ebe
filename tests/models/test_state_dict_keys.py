"""Other people's weights: three layouts of RRDBNet and two of SRResNet give the same images as our own names."""

import re
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lossmith import LossmithError
from lossmith.models.state_dict_keys import canonicalize_keys, detect_network
from lossmith.networks import network

State = dict[str, Tensor]


def numbered(state: State) -> State:
    """The names of the first ESRGAN code: `model.0`, `model.1.sub.N.RDBM.convK.0`, `model.3` ..."""
    blocks = 1 + max(int(found[1]) for name in state if (found := re.match(r"body\.(\d+)", name)))
    ups = sum(bool(re.match(r"conv_up\d\.weight", name)) for name in state)
    places = {"conv_first": "0", "conv_body": f"1.sub.{blocks}"}
    places |= {f"conv_up{index}": str(3 * index) for index in range(1, ups + 1)}
    places |= {"conv_hr": str(3 * ups + 2), "conv_last": str(3 * ups + 4)}

    def renamed(name: str) -> str:
        layer, _, part = name.rpartition(".")
        dense = re.fullmatch(r"body\.(\d+)\.rdb(\d)\.conv(\d)", layer)
        return (
            f"model.1.sub.{dense[1]}.RDB{dense[2]}.conv{dense[3]}.0.{part}"
            if dense
            else f"model.{places[layer]}.{part}"
        )

    return {renamed(name): value for name, value in state.items()}


def published(state: State) -> State:
    """The names of the published test code: `RRDB_trunk`, `trunk_conv`, `upconv1`, `HRconv`."""
    changes = {
        r"^body": "RRDB_trunk",
        "rdb": "RDB",
        "conv_body": "trunk_conv",
        "conv_up": "upconv",
        "conv_hr": "HRconv",
    }

    def renamed(name: str) -> str:
        for new, old in changes.items():
            name = re.sub(new, old, name)
        return name

    return {renamed(name): value for name, value in state.items()}


def present(state: State) -> State:
    return dict(state)


LAYOUTS = [numbered, published, present]


def filled(expression: str) -> torch.nn.Module:
    made = network(expression).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.2)
    return made


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
    made = filled(expression)
    weights = canonicalize_keys(layout(made.state_dict()))
    told = str(detect_network(weights))
    again = network(told).eval()
    assert str(again) == expression
    again.load_state_dict(weights)
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(again(image), made(image))


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5])
def test_the_small_srresnet_is_recognized(scale: int) -> None:
    made = filled(f"srresnet_small(scale={scale}, features=5, blocks=2)")
    assert str(network(str(detect_network(made.state_dict())))) == str(made)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("older", [False, True])
def test_every_layout_of_srresnet_gives_the_same_images(scale: int, older: bool) -> None:
    made = filled(f"srresnet(scale={scale}, features=5, blocks=2)")
    state = {
        name.replace("body.", "recon_trunk.").replace("conv_hr", "HRconv") if older else name: value
        for name, value in made.state_dict().items()
    }
    weights = canonicalize_keys(state)
    again = network(str(detect_network(weights))).eval()
    again.load_state_dict(weights)
    image = torch.rand(1, 3, 5, 6)
    assert torch.equal(again(image), made(image))


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
        made = network(f"rrdbnet({options})")
        again = network(str(detect_network(canonicalize_keys(layout(made.state_dict())))))
    assert {name: value.shape for name, value in again.state_dict().items()} == {
        name: value.shape for name, value in made.state_dict().items()
    }
    assert again.scale == scale


def test_unknown_or_inconsistent_weights_are_refused() -> None:
    state = filled("rrdbnet(scale=4, features=4, blocks=1, growth=2)").state_dict()
    assert detect_network({"layers.0.weight": torch.ones(2)}) is None
    with pytest.raises(LossmithError, match=r"^holds weights that do not fit together: 'conv_last.weight'$"):
        detect_network({name: value for name, value in state.items() if name != "conv_last.weight"})
    gray = {**state, "conv_first.weight": torch.ones(4, 1, 3, 3), "conv_last.weight": torch.ones(1, 4, 3, 3)}
    with pytest.raises(LossmithError, match=r"^holds an rrdbnet from 1 to 1 channels; it must be for RGB$"):
        detect_network(gray)

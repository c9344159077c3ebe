"""Weights in a file, wherever a training program has put them, under whatever it has put before their names."""

import argparse
import collections
import datetime
from functools import partial, reduce
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor, nn

from lossmith import LossmithError
from lossmith.core.state_dicts import Rank, find_state_dicts, read_state_dicts
from lossmith.losses.perceptual.weights import read_state_dict
from lossmith.models.foreign import load_any_model
from lossmith.networks import network

EXPRESSION = "srresnet(scale=2, features=4, blocks=1)"
Weights = dict[str, Tensor]
NESTS = (
    *("state_dict", "params_ema", "params-ema", "params", "model", "model_state_dict", "net", "generator", "netG"),
    *("g_ema", "ema", "weights", "module", "G", "model_ema", "net_g", "state_dict_ema", "my_restorer"),
)
PREFIXES = ("module.", "_orig_mod.", "net_g.", "model.", "generator.", "netG.", "network.", "my_restorer.")
OTHER_ENTRIES: dict[str, object] = {
    "epoch": 3,
    "best_psnr": np.float64(31.2),
    "rng": np.random.default_rng(0).bit_generator.state["state"]["state"] % 2**31,
    "numpy": np.arange(3.0),
    "args": argparse.Namespace(lr=1e-4, out=Path("runs/a")),
    "losses": collections.defaultdict(list, {"l1": [0.1]}),
    "size": torch.Size([3, 64, 64]),
    "when": datetime.datetime(2024, 1, 1),
    "dtype": np.dtype("float32"),
    "name": "mine",
    "optimizer": {"state": {0: {"step": 1, "exp_avg": torch.ones(4)}}, "param_groups": [{"lr": 1e-4}]},
    "discriminator": {"conv.weight": torch.ones(4, 3, 3, 3)},
}
SUFFIXES = (".pth", ".PTH", ".pt", ".ckpt", ".bin", ".pkl", ".safetensors", ".SAFETENSORS", ".SafeTensors")


def weights() -> Weights:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return dict(network(EXPRESSION).state_dict())


def with_prefix(prefix: str, tensors: Weights) -> Weights:
    return {prefix + name: tensor for name, tensor in tensors.items()}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(NESTS), max_size=3),
    st.lists(st.sampled_from(PREFIXES), max_size=3),
    st.sampled_from(SUFFIXES),
    st.sets(st.sampled_from(sorted(OTHER_ENTRIES))),
    st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
)
def test_weights_are_found_in_every_wrapping(
    tmp_path_factory: pytest.TempPathFactory,
    nests: list[str],
    prefixes: list[str],
    suffix: str,
    other_names: set[str],
    dtype: torch.dtype,
) -> None:
    path = tmp_path_factory.mktemp("wrapped") / f"2x{suffix}"
    tensors = {name: tensor.to(dtype) for name, tensor in weights().items()}
    checkpoint = with_prefix("".join(prefixes), tensors)
    if suffix.lower() == ".safetensors":
        save_file(checkpoint, path)
    else:
        others = {name: OTHER_ENTRIES[name] for name in other_names}
        torch.save(reduce(lambda inner, nest: {**others, nest: inner}, nests, {**checkpoint, **others}), path)
    model = load_any_model(path)
    assert str(model.restorer) == EXPRESSION
    assert all(tensor.equal(tensors[name].float()) for name, tensor in model.restorer.state_dict().items())


def test_ema_weights_are_preferred_and_the_receipt_says_so(tmp_path: Path) -> None:
    raw, ema = weights(), {name: 2 * tensor for name, tensor in weights().items()}
    torch.save({"params": raw, "params_ema": ema, "discriminator": raw}, tmp_path / "a.pth")
    model = load_any_model(tmp_path / "a.pth")
    assert model.restorer.state_dict()["conv_hr.weight"].equal(ema["conv_hr.weight"])
    assert model.receipt["origin"]["weights"] == "params_ema"


def test_the_network_of_a_lightning_module_is_taken(tmp_path: Path) -> None:
    """Beside it lie those that judge it, and counters."""
    state = {
        **with_prefix("generator.", weights()),
        **with_prefix("discriminator.", weights()),
        **with_prefix("perceptual_loss.vgg.", {"0.weight": torch.ones(4, 3, 3, 3)}),
        "n_averaged": torch.tensor(3),
    }
    torch.save({"state_dict": state, "pytorch-lightning_version": "2.5"}, tmp_path / "a.ckpt")
    assert load_any_model(tmp_path / "a.ckpt").receipt["origin"]["weights"] == "state_dict.generator"


def test_a_part_of_a_network_is_not_taken_for_the_network(tmp_path: Path) -> None:
    torch.save({**with_prefix("model.", weights()), "refine.weight": torch.ones(3, 3, 1, 1)}, tmp_path / "a.pth")
    with pytest.raises(LossmithError, match="the weights of no network that is known"):
        load_any_model(tmp_path / "a.pth")


def test_two_fitting_state_dicts_are_refused_unless_equal(tmp_path: Path) -> None:
    other = {name: 2 * tensor for name, tensor in weights().items()}
    torch.save({"first": weights(), "second": other}, tmp_path / "a.pth")
    with pytest.raises(LossmithError, match="weights that fit under 'first' and under 'second', and does not say"):
        load_any_model(tmp_path / "a.pth")
    torch.save({"first": weights(), "second": weights()}, tmp_path / "a.pth")
    assert str(load_any_model(tmp_path / "a.pth").restorer) == EXPRESSION, "they are the same"
    torch.save({"model": weights(), "best": {"conv.weight": torch.ones(3, 3, 1, 1)}}, tmp_path / "a.pth")
    assert load_any_model(tmp_path / "a.pth").receipt["origin"]["weights"] == "model", "the one that fits"


class CustomNetwork(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 3, 1, 1), nn.BatchNorm2d(3)

    def forward(self, images: Tensor) -> Tensor:
        output: Tensor = images + self.norm(self.conv(images))
        return output


def test_a_users_network_saved_as_in_tutorials_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mynet.py").write_text(
        "from torch import nn\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.conv, self.norm = nn.Conv2d(3, 3, 3, 1, 1), nn.BatchNorm2d(3)\n"
        "    def forward(self, x):\n        return x + self.norm(self.conv(x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    state = with_prefix(
        "module.", {n: t for n, t in CustomNetwork().state_dict().items() if "num_batches" not in n}
    )
    torch.save({"model_state_dict": state, "optimizer_state_dict": {"state": {}}, "loss": 0.1}, tmp_path / "a.pth")
    restorer = load_any_model(tmp_path / "a.pth", "mynet:Net").restorer
    assert restorer.state_dict()["conv.weight"].equal(state["module.conv.weight"])
    with pytest.raises(LossmithError, match=r"weights of fcn: it lacks 'layers\.0\.weight', .* and 11 more$"):
        load_any_model(tmp_path / "a.pth", "fcn")


@pytest.mark.parametrize(
    ("name", "rank"),
    [
        *((name, Rank.AVERAGED) for name in ("params_ema", "params-ema", "netG_ema", "g_ema", "EMA", "modelEma")),
        *((name, Rank.NETWORK) for name in ("state_dict", "netG", "net_g", "_orig_mod", "G", "model_state_dict")),
        *((name, Rank.OTHER) for name in ("best", "old_model", "0", "teacher")),
        *((name, Rank.COMPANION) for name in ("netD", "net_d", "D", "discriminator_ema", "perceptual_loss")),
    ],
)
def test_key_prefixes_of_training_programs_are_stripped(name: str, rank: Rank) -> None:
    (state_dict, *_) = find_state_dicts({name: {"a.weight": torch.ones(2)}})
    assert state_dict.rank == rank


def test_cyclic_and_huge_containers_are_searched_in_bounded_time() -> None:
    endless: dict[str, object] = {"a": torch.ones(2)}
    endless["model"] = [endless, endless]
    assert [state_dict.path for state_dict in find_state_dicts(endless)] == [()]
    containers = {str(place): {"a": torch.ones(2)} for place in range(10_000)}
    assert len(find_state_dicts(containers)) < 100


# --- what holds no weights, and what is to be done about it -----------------------------------------------------


def refusal(path: Path) -> str:
    with pytest.raises(LossmithError) as error:
        load_any_model(path)
    return str(error.value).removeprefix(f"{path} ")


def run_suggestion(message: str, folder: Path) -> None:
    """Do what a sentence says after "if it is yours:"; its owner may."""
    exec(message.partition("if it is yours: ")[2], {})
    assert (folder / "a-weights.pth").is_file()


def test_a_pickled_module_is_refused_with_advice(tmp_path: Path) -> None:
    torch.save(network(EXPRESSION), tmp_path / "a.pth")
    message = refusal(tmp_path / "a.pth")
    assert message.startswith(
        "holds a whole module with its code ('lossmith.networks.srresnet.SRResNet') and is refused"
    )
    run_suggestion(message, tmp_path)
    assert str(load_any_model(tmp_path / "a-weights.pth").restorer) == EXPRESSION


class Config:
    """Something of one's own that is saved with the weights."""


def test_a_users_object_beside_the_weights_is_named(tmp_path: Path) -> None:
    torch.save({"state_dict": weights(), "config": Config()}, tmp_path / "a.pth")
    message = refusal(tmp_path / "a.pth")
    assert (
        "Config') and is refused, since loading it could run code; ask its author for a safetensors file"
        in message
    )
    run_suggestion(message, tmp_path)
    assert str(load_any_model(tmp_path / "a-weights.pth").restorer) == EXPRESSION


@pytest.mark.filterwarnings("ignore")
def test_files_of_other_programs_are_named(tmp_path: Path) -> None:
    image = torch.rand(1, 3, 8, 8)
    torch.jit.trace(network(EXPRESSION).eval(), image).save(tmp_path / "a.pt")
    message = refusal(tmp_path / "a.pt")
    assert message.startswith("is a TorchScript archive, a program and not weights; if it is yours: ")
    run_suggestion(message, tmp_path)
    assert str(load_any_model(tmp_path / "a-weights.pth").restorer) == EXPRESSION
    torch.export.save(torch.export.export(network(EXPRESSION).eval(), (image,)), tmp_path / "a.pt2")
    assert refusal(tmp_path / "a.pt2").startswith("is a program of torch.export, not weights; if it is yours: ")


@pytest.mark.parametrize(
    ("checkpoint", "message"),
    [
        ({}, "holds no weights"),
        ({"params": {}}, "holds no weights, only 'params'"),
        ({"epoch": 3, "loss": 0.1}, "holds no weights, only 'epoch', 'loss'"),
        ([1, 2], "holds a list, not weights by name"),
        (torch.ones(2), "holds a Tensor, not weights by name"),
    ],
)
def test_files_without_weights_are_refused(checkpoint: object, message: str, tmp_path: Path) -> None:
    torch.save(checkpoint, tmp_path / "a.pth")
    assert refusal(tmp_path / "a.pth") == message


def test_a_pickle_under_another_name_is_read_as_what_it_is(tmp_path: Path) -> None:
    torch.save(weights(), tmp_path / "a.safetensors")
    save_file(weights(), tmp_path / "b.pth")
    for name in ("a.safetensors", "b.pth"):
        assert str(load_any_model(tmp_path / name).restorer) == EXPRESSION
    (tmp_path / "c.pkl").write_bytes(b"something else")
    assert refusal(tmp_path / "c.pkl") == "is neither a safetensors file nor a checkpoint of PyTorch"


def test_backbone_weights_are_found_in_any_wrapping(tmp_path: Path) -> None:
    torch.save({"state_dict": {"module.alpha": torch.ones(2), "module.beta": torch.ones(3)}}, tmp_path / "a.PTH")
    assert read_state_dict(tmp_path / "a.PTH", ["alpha", "beta"]).keys() == {"alpha", "beta"}


@pytest.mark.parametrize("protocol", [4, 5])
@pytest.mark.parametrize("archive", [True, False])
def test_the_suggested_code_converts_a_newer_pickle(protocol: int, archive: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    weights = network("fcn").state_dict()
    torch.save(weights, path, pickle_protocol=protocol, _use_new_zipfile_serialization=archive)
    message = refusal(path)
    assert message.startswith(
        f"is a pickle of protocol {protocol}, and only protocols up to 3 are read safely; if"
    )
    run_suggestion(message, tmp_path)
    (safe,) = read_state_dicts(tmp_path / "a-weights.pth")[:1]
    assert all(torch.equal(safe.weights[name], tensor) for name, tensor in weights.items())


@pytest.mark.parametrize("key", ["model", "params_ema"])
def test_the_suggested_code_takes_the_weights_under_their_key(key: str, tmp_path: Path) -> None:
    torch.save({key: network("fcn").state_dict(), "by": partial(int, 3)}, tmp_path / "a.pth")
    run_suggestion(refusal(tmp_path / "a.pth"), tmp_path)
    assert read_state_dicts(tmp_path / "a-weights.pth")


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
            "is a pointer of Git LFS to the re",
        ),
        (b"\n<!DOCTYPE html><html>404", "is a web page, which a failed download leaves; download the file"),
        (b"", "is empty; download or copy it again"),
        (b"\x1f\x8b" + b"0" * 50, "is packed by gzip; unpack it first"),
        (b"PK\x03\x04" + b"0" * 50, "is an incomplete archive, or one of other files; download it again"),
        (b"7767517\n8 8\n", "is a file of ncnn; name the .pth or .safetensors file from which it was made"),
    ],
)
def test_other_file_formats_are_recognized_by_their_first_bytes(
    content: bytes, message: str, name: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert refusal(tmp_path / name).startswith(message)


def test_meta_tensors_are_refused_and_float8_tensors_are_read(tmp_path: Path) -> None:
    weights = network("fcn").state_dict()
    torch.save({name: tensor.to("meta") for name, tensor in weights.items()}, tmp_path / "a.pth")
    with pytest.raises(LossmithError, match=r"holds a tensor '.*' that has no values"):
        load_any_model(tmp_path / "a.pth", "fcn")
    small = {name: tensor.to(torch.float8_e5m2) for name, tensor in weights.items()}
    torch.save(small, tmp_path / "b.pth")
    state = load_any_model(tmp_path / "b.pth", "fcn").restorer.state_dict()
    assert all(torch.equal(state[name], tensor.float()) for name, tensor in small.items())


def test_numpy_arrays_in_place_of_tensors_are_named(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.ones(2).numpy()}, tmp_path / "a.pth")
    assert refusal(tmp_path / "a.pth").startswith(
        "holds 'conv.weight' as objects and not as tensors; if they are NumPy arrays, save it again"
    )


def test_a_part_of_a_network_is_found_in_any_wrapping(tmp_path: Path) -> None:
    part = {"features.0.weight": torch.ones(2), "features.0.bias": torch.ones(2)}
    critic = {f"module.vgg.{name}": tensor for name, tensor in part.items()}
    torch.save({"state_dict": {**critic, "module.net_g.conv.weight": torch.zeros(3)}}, tmp_path / "a.pth")
    assert read_state_dict(tmp_path / "a.pth", [*part, "features.2.weight"]).keys() == part.keys()

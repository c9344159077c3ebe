"""Model files that somebody else made: opened, or refused in a sentence; none runs code or fills the memory."""

import io
import json
import pickle
import resource
import shutil
import struct
import zipfile
from collections.abc import Callable
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as safetensors_of
from torch import Tensor

from lossmith.commands import blend, export
from lossmith.losses.perceptual.weights import read_state_dict
from lossmith.models.foreign import load_any_model
from lossmith.models.model_file import FORMAT, load_model
from lossmith.networks import network
from lossmith.restoration import load_engine

from .amounts import FEW, MANY, count_fuzzed
from .corruption import Trap, damage, result_or_refusal

SMALL = "rrdbnet(scale=2, features=4, blocks=1, growth=2)"
MAX_GROWTH_KB = 500_000
"""Kilobytes; what is refused here would take from 38 million on."""
Weights = dict[str, Tensor]


def weights() -> Weights:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return dict(network(SMALL).state_dict())


def lossmith_file(card: object = None, tensors: Weights | None = None) -> bytes:
    """A model file of ours; `card` is its receipt, text as it is and anything else as JSON."""
    text = card if isinstance(card, str) else json.dumps(card or {"network": SMALL, "scale": 2})
    return safetensors_of(tensors or weights(), {FORMAT: text})


def pickle_bytes(content: object, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, **options)
    return file.getvalue()


FILES: dict[str, Callable[[], bytes]] = {
    "ours.safetensors": lossmith_file,
    "bare.safetensors": lambda: safetensors_of(weights()),
    "zip.pth": lambda: pickle_bytes({"params": weights()}),
    "old.pth": lambda: pickle_bytes(weights(), _use_new_zipfile_serialization=False),
}


@cache
def file_contents(kind: str) -> bytes:
    """The contents of a file of a kind, always the same: old pickles hold the addresses of their tensors."""
    return FILES[kind]()


def assert_opened_or_refused(path: Path) -> list[object]:
    """Open a model file in every way; returns the results, messages of refusals among them."""
    ways: tuple[Callable[[Path], object], ...] = (load_engine, load_any_model, load_model)
    return [result_or_refusal(lambda way=way: way(path)) for way in ways]


def assert_refused(path: Path) -> list[str]:
    """Every reader refuses a model file; returns the messages."""
    results = assert_opened_or_refused(path)
    assert all(isinstance(result, str) for result in results), results
    return [str(result) for result in results]


def assert_damage_opened_or_refused(folder: Path, kind: str, content: bytes) -> None:
    """A file of this content is opened or refused as a model."""
    path = folder / kind
    path.write_bytes(content)
    assert_opened_or_refused(path)
    count_fuzzed(f"model files: {kind.partition('.')[2]}")


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=FEW, deadline=None, derandomize=True)
@given(data=st.data())
def test_a_damaged_model_file_is_read_or_refused(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    assert_damage_opened_or_refused(tmp_path_factory.getbasetemp(), kind, data.draw(damage(file_contents(kind))))


@pytest.mark.slow
@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=MANY, deadline=None, derandomize=True)
@given(data=st.data())
def test_many_damaged_model_files_are_read_or_refused(
    kind: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    assert_damage_opened_or_refused(tmp_path_factory.getbasetemp(), kind, data.draw(damage(file_contents(kind))))


# --- pickles that would run -----------------------------------------------------------------------------------


def traps(mark: Path) -> dict[str, bytes]:
    trap = Trap(mark)
    old = {"_use_new_zipfile_serialization": False}
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", pickle.dumps(trap))
        file.writestr("archive/version", "3\n")
    return {
        "plain.pth": pickle.dumps(trap),
        "in-a-zip.pth": pickle_bytes({"params": {"w": trap}}),
        "before-1.6.pth": pickle_bytes({"params": {"w": trap}}, **old),
        "as-the-whole.pt": pickle_bytes(trap),
        "by-hand.ckpt": archive.getvalue(),
        "called.safetensors": pickle_bytes({"w": trap}),
        "called.onnx": pickle_bytes({"w": trap}),
        "among-weights.pth": pickle_bytes({**weights(), "trap": trap}),
    }


@pytest.mark.parametrize("name", traps(Path()))
def test_a_pickle_given_as_a_model_never_runs(name: str, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    pickle.loads(pickle.dumps(Trap(mark)))
    mark.rmdir()  # the trap works
    path = tmp_path / name
    path.write_bytes(traps(mark)[name])
    assert_refused(path)
    good = tmp_path / "good.safetensors"
    good.write_bytes(lossmith_file())
    assert isinstance(result_or_refusal(lambda: export(path, out=tmp_path / "2x-a.safetensors")), str)
    assert isinstance(
        result_or_refusal(lambda: blend(good, path, alpha="0.5", out=tmp_path / "2x-b.safetensors")), str
    )
    assert not mark.exists()
    assert {file.name for file in tmp_path.iterdir()} == {name, "good.safetensors"}


# --- cards that lie -------------------------------------------------------------------------------------------

CARDS: list[object] = [
    *("", "{", "null", "[]", "3", "NaN", '"x"', "[" * 3000, '{"network": ' + "9" * 5000 + "}", "{}"),
    {"network": SMALL},
    {"scale": 2},
    *(
        {"network": SMALL, "scale": scale}
        for scale in (None, "x", [], {}, 0, -1, 3, 1e400, 1e300, 2.5, "2", 10**30)
    ),
    *({"network": name, "scale": 2} for name in (None, 3, [], "", "rrdbnet", "fcn", "nothing", "srresnet(")),
    *({"network": f"rrdbnet({option})", "scale": 2} for option in ("features=0", "blocks=-1", "growth=x", "z=1")),
    *(
        {"network": name, "scale": 2}
        for name in ("os:mkdir", "os:mkdir(x)", "builtins:exec('x')", "antigravity:x")
    ),
]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: repr(card)[:60])
def test_a_false_model_card_is_refused(card: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(lossmith_file(card))
    if card in ({"network": SMALL, "scale": 2.5}, {"network": SMALL, "scale": "2"}):  # as good as 2
        assert not isinstance(assert_opened_or_refused(path)[0], str)
    else:
        assert_refused(path)
    assert [file.name for file in tmp_path.iterdir()] == ["model.safetensors"]


@pytest.mark.parametrize(
    "expression",
    [
        "rrdbnet(features=1024, blocks=64)",
        "srresnet(features=1024, blocks=256)",
        "srresnet(features=100000000)",
        "rrdbnet(blocks=1000000000)",
        "rrdbnet(growth=99999999999999999999)",
    ],
)
def test_a_card_of_a_network_beyond_all_memory_allocates_nothing(expression: str, tmp_path: Path) -> None:
    path = tmp_path / "2x.safetensors"
    path.write_bytes(lossmith_file({"network": expression, "scale": 2}))
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < MAX_GROWTH_KB


# --- a compressed archive ----------------------------------------------------------------------------------


def test_compressed_zeros_do_not_fill_the_memory(tmp_path: Path) -> None:
    intact, small = tmp_path / "whole.pth", tmp_path / "small.pth"
    torch.save({"params": {**weights(), "conv_first.bias": torch.empty(160 * 10**6)}}, intact)  # never touched
    with zipfile.ZipFile(intact) as source, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as archive:
        for member in source.namelist():
            with source.open(member) as original, archive.open(member, "w") as copy:
                shutil.copyfileobj(original, copy)
    intact.unlink()
    assert small.stat().st_size < 10**6
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_refused(small)
    assert "is compressed, as no weights" in str(result_or_refusal(lambda: read_state_dict(small)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < MAX_GROWTH_KB


# --- tensors that lie -----------------------------------------------------------------------------------------


def test_a_tensor_that_repeats_what_is_stored_does_not_fill_the_memory(tmp_path: Path) -> None:
    """A terabyte, of a file of some kilobytes."""
    for dtype in (torch.float32, torch.float16):
        vast = weights()
        vast["conv_first.weight"] = torch.ones(1, dtype=dtype).expand(10**9, 12, 3, 3)
        path = tmp_path / "vast.pth"
        torch.save({"params": vast}, path)
        assert path.stat().st_size < 10**5
        memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert "larger than what is stored of it" in assert_refused(path)[0]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < MAX_GROWTH_KB


ODD: dict[str, Callable[[Weights], object]] = {
    "nothing": lambda _: {},
    "no tensors": lambda _: {"params": {"a": 3}},
    "a number": lambda _: 3,
    "numbers by name": lambda _: {
        "conv_first.weight": torch.tensor(3.0),
        "body.0.rdb1.conv1.weight": torch.tensor(1),
    },
    "no numbers": lambda state: {name: tensor[:0] for name, tensor in state.items()},
    "flat": lambda state: {name: tensor.flatten() for name, tensor in state.items()},
    "whole numbers": lambda state: {name: tensor.to(torch.int8) for name, tensor in state.items()},
    "complex": lambda state: {name: tensor.to(torch.complex64) for name, tensor in state.items()},
    "sparse": lambda state: {name: tensor.to_sparse() for name, tensor in state.items()},
    "two that differ": lambda state: {"a": state, "b": {name: 2 * tensor for name, tensor in state.items()}},
    "in too deep": lambda state: reduce(lambda inner, _: {"params": inner}, range(30), state),
    "names that are no text": lambda state: dict(enumerate(state.values())),
    "half of them": lambda state: dict(list(state.items())[::2]),
    "one more": lambda state: {**state, "more": torch.ones(1)},
    "a module beside": lambda state: {**{f"a.{name}": t for name, t in state.items()}, "b.weight": torch.ones(2)},
    "NaN": lambda state: {**state, "conv_last.bias": torch.full((3,), torch.nan)},
    "a hole": lambda state: {name: tensor for name, tensor in state.items() if "rdb2" not in name},
    "blocks far apart": lambda state: {
        name.replace("body.0.", "body.99999999999."): t for name, t in state.items()
    },
    "only the first names": lambda state: {"model.0.weight": state["conv_first.weight"]},
}


@pytest.mark.parametrize("kind", ODD)
def test_tensors_that_do_not_fit_the_network_are_refused(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.pth"
    torch.save(ODD[kind](weights()), path)
    assert_refused(path)


def test_a_header_that_announces_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "header.safetensors"
    vast = {"a": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    twice = {name: {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]} for name in "ab"}
    strange = [
        {"a": {"dtype": kind, "shape": [1], "data_offsets": [0, 4]}} for kind in ("X", "F4", "C64", 3, None)
    ]
    for header in (vast, twice, *strange, {"a": []}, [], "x"):
        text = json.dumps(header).encode()
        path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
        assert_refused(path)
    for length in (0, 1, 7, 2**31, 2**63, 2**64 - 1):
        path.write_bytes(struct.pack("<Q", length) + b"{}")
        assert_refused(path)


# --- graphs ---------------------------------------------------------------------------------------------------


def graph(kind: str) -> bytes:
    """An ONNX graph that is not one from an image to an image."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper

    sides = ["n", 3, "h", "w"]
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, sides)
    output = helper.make_tensor_value_info("output", TensorProto.FLOAT, None)
    nodes = {
        "a number": helper.make_node("ReduceMean", ["input"], ["output"], keepdims=0),
        "a shape": helper.make_node("Shape", ["input"], ["output"]),
        "a sequence": helper.make_node("SequenceConstruct", ["input"], ["output"]),
        "texts": helper.make_node("Cast", ["input"], ["output"], to=TensorProto.STRING),
        "bits": helper.make_node("IsNaN", ["input"], ["output"]),
        "a list": helper.make_node("Flatten", ["input"], ["output"], axis=0),
        "one channel": helper.make_node("ReduceMean", ["input"], ["output"], axes=[1]),
        "wider than high": helper.make_node("Concat", ["input", "input"], ["output"], axis=3),
        "unknown": helper.make_node("RunThis", ["input"], ["output"], domain="of.mine"),
    }
    if kind == "a shape":
        output = helper.make_tensor_value_info("output", TensorProto.INT64, None)
    elif kind == "texts":
        output = helper.make_tensor_value_info("output", TensorProto.STRING, None)
    elif kind == "bits":
        output = helper.make_tensor_value_info("output", TensorProto.BOOL, None)
    elif kind == "a sequence":
        output = helper.make_tensor_sequence_value_info("output", TensorProto.FLOAT, None)
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("of.mine", 1)]
    model = helper.make_model(helper.make_graph([nodes[kind]], "g", [image], [output]), opset_imports=opsets)
    model.ir_version = 8
    return bytes(onnx._serialize(model) if hasattr(onnx, "_serialize") else model.SerializeToString())


GRAPHS = (
    "a number",
    "a shape",
    "a sequence",
    "texts",
    "bits",
    "a list",
    "one channel",
    "wider than high",
    "unknown",
)


@pytest.mark.parametrize("kind", GRAPHS)
def test_a_graph_that_makes_no_images_is_refused(kind: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    path = tmp_path / "graph.onnx"
    path.write_bytes(graph(kind))
    assert_refused(path)


@settings(max_examples=FEW, deadline=None, derandomize=True)
@given(data=st.data())
def test_arbitrary_bytes_called_onnx_are_refused(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    pytest.importorskip("onnxruntime")
    content = st.binary(max_size=200) | damage(graph("one channel"))
    assert_damage_opened_or_refused(tmp_path_factory.getbasetemp(), "rubbish.onnx", data.draw(content))

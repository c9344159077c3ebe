"""Loss files and published pickles that somebody else made, and weight files: read, or refused in a sentence."""

import json
import pickle
import resource
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as safetensors_of
from torch import Tensor

from lossmith.commands import convert_mdf, show_loss
from lossmith.core.errors import LossmithError
from lossmith.losses import load_loss, loss, save_loss
from lossmith.losses.mdf.discriminator import PatchDiscriminator
from lossmith.losses.mdf.loss_file import FORMAT
from lossmith.losses.perceptual.weights import read_state_dict

from .amounts import FEW, MANY, count_fuzzed
from .corruption import Trap, damage, result_or_refusal

CARD: dict[str, Any] = {"scales": [{"width": 3, "factor": 0.5}, {"width": 2, "factor": 1.0}], "range": [0, 1]}
MAX_GROWTH_KB = 300_000
"""Kilobytes."""


def discriminators() -> list[PatchDiscriminator]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return [PatchDiscriminator(scale["width"]).eval() for scale in CARD["scales"]]


def tensors() -> dict[str, Tensor]:
    return {
        f"{k}.{name}": t
        for k, discriminator in enumerate(discriminators())
        for name, t in discriminator.state_dict().items()
    }


def file_of(card: object = CARD, weights: dict[str, Tensor] | None = None) -> bytes:
    text = card if isinstance(card, str) else json.dumps(card)
    return safetensors_of(tensors() if weights is None else weights, {FORMAT: text})


def assert_read_or_refused(path: Path) -> list[object]:
    """Read a loss file in every way; returns the results, messages of refusals among them."""
    ways: tuple[Callable[[], object], ...] = (
        lambda: load_loss(path),
        lambda: show_loss(str(path)),
        lambda: loss(f'mdf("{path}")'),
        lambda: convert_mdf(path, out=path.with_name("converted.safetensors")),
    )
    results = [result_or_refusal(way) for way in ways]
    path.with_name("converted.safetensors").unlink(missing_ok=True)
    return results


def assert_refused(path: Path) -> str:
    """Every reader refuses a loss file; returns the message."""
    result = result_or_refusal(lambda: load_loss(path))
    assert isinstance(result, str)
    with pytest.raises(LossmithError):
        show_loss(str(path))
    assert_read_or_refused(path)
    return result


def test_the_intact_loss_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of())
    assert not isinstance(assert_read_or_refused(path)[0], str)
    save_loss(path, discriminators(), CARD)
    assert not isinstance(assert_read_or_refused(path)[0], str)


def assert_damage_read_or_refused(folder: Path, content: bytes) -> None:
    """A file of this content is read or refused as a loss, as backbone weights and as LPIPS heads."""
    path = folder / "damaged.safetensors"
    path.write_bytes(content)
    assert_read_or_refused(path)
    result_or_refusal(lambda: read_state_dict(path))
    result_or_refusal(lambda: loss(f'lpips(squeeze, weights=random, heads="{path}")'))
    count_fuzzed("loss files")


@settings(max_examples=2 * FEW, deadline=None, derandomize=True)
@given(content=damage(file_of()))
def test_a_damaged_loss_file_is_read_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert_damage_read_or_refused(tmp_path_factory.getbasetemp(), content)


@pytest.mark.slow
@settings(max_examples=5 * MANY, deadline=None, derandomize=True)
@given(content=damage(file_of()))
def test_many_damaged_loss_files_are_read_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert_damage_read_or_refused(tmp_path_factory.getbasetemp(), content)


# --- headers --------------------------------------------------------------------------------------------------


def entry(**changes: object) -> dict[str, object]:
    return {"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **changes}}


HEADERS: list[object] = [
    *([], "x", 3, None, {}, {"a": []}, {"a": None}, {"__metadata__": []}, {"__metadata__": {FORMAT: 3}}),
    *(entry(dtype=kind) for kind in ("X", "F4", "C64", "F8_E5M2", "BOOL", 3, None)),
    *(entry(shape=shape) for shape in ([2**40], [-1], [0], [2**63, 2], "x", None, [1.5], [[1]], [1] * 5000)),
    *(entry(data_offsets=place) for place in ([0, 2**42], [4, 0], [-4, 0], [2, 4], [0], None, "x")),
    {**entry(), "b": entry()["a"]},
]


@pytest.mark.parametrize("header", HEADERS, ids=lambda header: repr(header)[:50])
def test_a_false_header_is_refused(header: object, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + bytes(4))
    assert_refused(path)


@pytest.mark.parametrize("length", [0, 1, 8, 2**31, 2**32, 2**63, 2**64 - 1])
def test_a_header_of_any_announced_length_is_refused(length: int, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for body in (b"", b"{}", b"{" * 3000, b"\xff" * 100):
        path.write_bytes(struct.pack("<Q", length) + body)
        memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert_refused(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < MAX_GROWTH_KB


# --- cards ----------------------------------------------------------------------------------------------------


def scale(**changes: object) -> dict[str, object]:
    return {**CARD, "scales": [{**CARD["scales"][0], **changes}, CARD["scales"][1]]}


NUMBERS: tuple[object, ...] = (None, "x", [], {}, True, -1, 0, 10**30, 1e308, float("nan"), float("inf"), 2.5)
CARDS: list[object] = [
    *("", "{", "null", "3", "[]", "[" * 3000, '{"a": ' + "9" * 5000 + "}", "{}"),
    *(
        {**CARD, "scales": entry}
        for entry in (None, {}, [], [3], [[]], [None], CARD["scales"] * 3, CARD["scales"][:1])
    ),
    *({**CARD, "scales": [{"width": 4096, "factor": 1.0, "layers": 64}] * count} for count in (2, 20_000)),
    *(scale(**{key: value}) for key in ("width", "factor", "layers", "stride") for value in NUMBERS),
    *({**CARD, "range": entry} for entry in (None, [0, 2], "0..1", [0], [], {}, [[0, 1]])),
    *({**CARD, "default_scales": entry} for entry in (None, 0, 3, -1, "x", 1.0, True, [])),
]


@pytest.mark.parametrize("card", CARDS, ids=lambda card: repr(card)[:70])
def test_a_false_loss_card_is_refused(card: object, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of(card))
    if card == scale(factor=1) or card == scale(factor=True):
        pytest.skip("true is 1, as far as numbers go")
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert len(assert_refused(path)) < 20_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before < MAX_GROWTH_KB


def test_unknown_card_entries_are_shown_on_their_own_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of({**CARD, "task": "\x1b[2J\ud800\u202e\0", "deep": json.loads("[" * 400 + "]" * 400)}))
    description = show_loss(str(path))
    assert description.encode()
    assert "\x1b" not in description
    assert "\0" not in description


ODD: dict[str, Callable[[Tensor], Tensor]] = {
    "whole numbers": lambda tensor: tensor.to(torch.int32),
    "true or false": lambda tensor: tensor > 0,
    "8-bit floats": lambda tensor: tensor.to(torch.float8_e4m3fn),
    "complex": lambda tensor: tensor.to(torch.complex64),
    "NaN": lambda tensor: tensor * torch.nan,
    "infinite": lambda tensor: tensor * torch.inf,
    "flat": lambda tensor: tensor.flatten(),
    "nothing": lambda tensor: tensor.flatten()[:0],
    "one more side": lambda tensor: tensor[None],
}


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", ["0.head.conv.weight", "1.tail.weight"])
def test_a_weight_of_another_dtype_or_shape_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    weights = tensors()
    weights[name] = ODD[kind](weights[name].clone() + 1e-3)
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of(CARD, weights))
    assert_refused(path)


@pytest.mark.parametrize("kind", sorted(ODD.keys() - {"flat"}))  # as a vector is
@pytest.mark.parametrize("name", ["1.body.block1.norm.running_var", "1.tail.bias"])
def test_a_vector_of_another_dtype_or_shape_is_refused(kind: str, name: str, tmp_path: Path) -> None:
    weights = tensors()
    weights[name] = ODD[kind](weights[name].clone() + 1e-3)
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of(CARD, weights))
    assert_refused(path)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.bool, torch.uint8, torch.complex64, torch.float32])
def test_a_counter_of_any_dtype_is_read_or_refused(dtype: torch.dtype, tmp_path: Path) -> None:
    weights = tensors()
    weights["0.head.norm.num_batches_tracked"] = torch.tensor(3.0).to(dtype)
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_of(CARD, weights))
    assert_read_or_refused(path)


# --- pickles --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.pt"])
def test_a_pickle_given_as_a_loss_never_runs(name: str, protocol: int, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    pickle.loads(pickle.dumps(Trap(mark), protocol))
    mark.rmdir()  # the trap works
    path = tmp_path / name
    for content in (Trap(mark), [Trap(mark)], {"scales": Trap(mark)}):
        path.write_bytes(pickle.dumps(content, protocol))
        assert all(isinstance(result, str) for result in assert_read_or_refused(path))
        assert isinstance(result_or_refusal(lambda: read_state_dict(path)), str)
        torch.save(content, path)
        assert all(isinstance(result, str) for result in assert_read_or_refused(path))
        assert isinstance(result_or_refusal(lambda: read_state_dict(path)), str)
    assert not mark.exists()


@settings(max_examples=4 * FEW, deadline=None, derandomize=True)
@given(content=damage(pickle.dumps([{"a": [1, 2.0, None], "b": {"c": ()}}], 2)) | st.binary(max_size=60))
def test_any_pickle_is_converted_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.pth"
    path.write_bytes(content)
    assert_read_or_refused(path)
    count_fuzzed("pickles")

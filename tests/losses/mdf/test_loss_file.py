"""Loss files: round trips, and refusal of files that do not hold what their card says."""

import json
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from lossmith import LossmithError
from lossmith.losses import MDFLoss, load_loss, save_loss
from lossmith.losses.mdf.loss_file import FORMAT, load_discriminators

from .samples import SCALES, discriminators_of, pair, random_discriminator, write

CARD: dict[str, Any] = {"scales": SCALES, "range": [0, 1]}


def refusal(file: Path) -> str:
    with pytest.raises(LossmithError) as error:
        MDFLoss.load(file)
    message = str(error.value)
    assert message.startswith(str(file))
    assert "\n" not in message
    return message.removeprefix(str(file))


def test_loss_files_round_trip(tmp_path: Path) -> None:
    card = {**CARD, "task": "jpeg", "recipe": {"steps": 9, "rate": 0.1}, "license": "CC0, naïvely"}
    file = tmp_path / "new folder" / "loss.safetensors"
    save_loss(file, discriminators_of(SCALES), card)
    state, loaded_card = load_loss(file)
    assert loaded_card == card
    for discriminator, copy in zip(
        discriminators_of(SCALES), load_discriminators(state, loaded_card), strict=True
    ):
        assert not any(parameter.requires_grad for parameter in copy.parameters())
        for name, tensor in discriminator.state_dict().items():
            assert torch.equal(copy.state_dict()[name], tensor)


def test_the_names_are_those_of_the_published_tensors(tmp_path: Path) -> None:
    norm = ["weight", "bias", "running_mean", "running_var", "num_batches_tracked"]
    stages = ["head", "body.block1", "body.block2", "body.block3"]
    names = [f"{stage}.norm.{name}" for stage in stages for name in norm]
    names += [f"{part}.{name}" for part in (*(f"{s}.conv" for s in stages), "tail") for name in ("weight", "bias")]
    state, _ = load_loss(write(tmp_path / "loss.safetensors"))
    assert set(state) == {f"{k}.{name}" for k in range(3) for name in names}


def test_equal_losses_make_equal_files(tmp_path: Path) -> None:
    files = [write(tmp_path / f"{n}.safetensors", task="sr", seed=3) for n in range(2)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_float16_file_gives_nearly_the_same_loss(tmp_path: Path) -> None:
    scales = [{"width": 32, "factor": 1.0}]
    files = [tmp_path / "whole.safetensors", tmp_path / "half.safetensors"]
    for file, half in zip(files, (False, True), strict=True):
        save_loss(file, discriminators_of(scales), {"scales": scales, "range": [0, 1]}, half=half)
    assert files[1].stat().st_size < 0.6 * files[0].stat().st_size
    values = [MDFLoss.load(file)(*pair(dtype=torch.float32)) for file in files]
    torch.testing.assert_close(*values, rtol=2e-3, atol=0)  # float16 has eleven bits


def test_a_card_that_does_not_fit_its_discriminators_is_not_written(tmp_path: Path) -> None:
    file = tmp_path / "loss.safetensors"
    with pytest.raises(LossmithError, match=r"tensor '0\.head\.conv\.weight' is \(8, 3, 3, 3\)"):
        save_loss(file, [random_discriminator(8)], {"scales": [{"width": 4, "factor": 1.0}], "range": [0, 1]})
    assert not file.exists()


# --- contents that are refused -----------------------------------------------------------------------------------


def nan(tensor: Tensor) -> Tensor:
    return tensor.where(torch.arange(tensor.numel()).view(tensor.shape) > 0, torch.nan)


FAULTS: dict[str, tuple[Callable[[dict[str, Tensor]], object], str]] = {
    "a missing tensor": (
        lambda state: state.pop("1.tail.bias"),
        " lacks the tensor '1.tail.bias', which its card requires",
    ),
    "a foreign tensor": (
        lambda state: state.update({"3.tail.bias": torch.zeros(1)}),
        " has a tensor '3.tail.bias', which its card does not describe",
    ),
    "another shape": (
        lambda state: state.update({"0.tail.weight": torch.zeros(1, 4, 5, 5)}),
        ": tensor '0.tail.weight' is (1, 4, 5, 5), but its card says (1, 4, 3, 3)",
    ),
    "whole numbers": (
        lambda state: state.update({"0.tail.weight": torch.zeros(1, 4, 3, 3, dtype=torch.int32)}),
        ": tensor '0.tail.weight' is torch.int32, not floating point",
    ),
    "not a number": (
        lambda state: state.update({"0.tail.weight": nan(state["0.tail.weight"])}),
        ": tensor '0.tail.weight' holds a number that is not finite",
    ),
    "a negative variance": (
        lambda state: state.update({"0.head.norm.running_var": -torch.ones(4)}),
        ": tensor '0.head.norm.running_var' holds a negative variance",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_tensors_that_contradict_the_card_are_refused(tmp_path: Path, fault: str) -> None:
    change, message = FAULTS[fault]
    file = write(tmp_path / "loss.safetensors")
    state = load_file(file)
    change(state)
    save_file(state, file, {FORMAT: json.dumps(CARD)})
    assert refusal(file) == message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scales": None}, ": its card must list 'scales', one entry for each discriminator"),
        ({"scales": []}, ": its card must list 'scales', one entry for each discriminator"),
        ({"scales": [3]}, ": scale 0 of its card must be an object with 'width' and 'factor'"),
        ({"scales": [{"factor": 1}]}, ": 'width' of scale 0 must be a whole number from 1 to 4096, not None"),
        (
            {"scales": [{"width": 10**12, "factor": 1}]},
            ": 'width' of scale 0 must be a whole number from 1 to 4096, not 1000000000000",
        ),
        (
            {"scales": [{"width": 4, "factor": 1, "layers": 2}]},
            ": 'layers' of scale 0 must be a whole number from 3 to 64, not 2",
        ),
        (
            {"scales": [{"width": 4, "factor": 1, "stride": True}]},
            ": 'stride' of scale 0 must be a whole number from 1 to 16, not True",
        ),
        ({"scales": [{"width": 4}]}, ": 'factor' of scale 0 must be a number from 0.01 to 1, not None"),
        (
            {"scales": [{"width": 4, "factor": float("nan")}]},
            ": 'factor' of scale 0 must be a number from 0.01 to 1, not nan",
        ),
        ({"range": [0, 255]}, ": 'range' of its card must be [0, 1] or [-1, 1], not [0, 255]"),
        ({"range": None}, ": 'range' of its card must be [0, 1] or [-1, 1], not None"),
        ({"default_scales": 4}, ": 'default_scales' of its card must be from 1 to 3, not 4"),
        ({"default_scales": "all"}, ": 'default_scales' of its card must be from 1 to 3, not 'all'"),
    ],
)
def test_invalid_cards_are_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    file = write(tmp_path / "loss.safetensors")
    save_file(load_file(file), file, {FORMAT: json.dumps({**CARD, **change})})
    assert refusal(file) == message


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (None, " is not a lossmith loss file: its metadata has no entry 'lossmith-loss-1'"),
        ({"format": "pt"}, " is not a lossmith loss file: its metadata has no entry 'lossmith-loss-1'"),
        (
            {"lossmith-loss-2": "{}"},
            " is of version 'lossmith-loss-2', and this lossmith reads 'lossmith-loss-1': update lossmith",
        ),
        ({"lossmith-model-1": "{}"}, " holds a model, not a loss"),
        ({FORMAT: "[]"}, " has a card that is a JSON list, not an object"),
        ({FORMAT: "{"}, " has a card that is not JSON: Expecting property name enclosed in double quotes"),
    ],
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, metadata: dict[str, str] | None, message: str) -> None:
    file = write(tmp_path / "loss.safetensors")
    save_file(load_file(file), file, metadata)
    assert refusal(file).startswith(message)


def test_pickles_and_arbitrary_bytes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "loss.safetensors"
    assert refusal(file) == " is not a file"
    for protocol in range(2, 6):
        file.write_bytes(pickle.dumps([1, 2, 3, "a long enough pickle"], protocol))
        assert refusal(file).startswith(" is a pickle, which is never loaded; ")
    torch.save({"weight": torch.zeros(3)}, file)
    assert refusal(file).startswith(" is a pickle, which is never loaded; ")
    file.write_bytes(b"")
    assert refusal(file) == " is empty; download or copy it again"
    intact = write(tmp_path / "whole.safetensors").read_bytes()
    for length in (7, 8, 100, len(intact) - 1):
        file.write_bytes(intact[:length])
        assert refusal(file).startswith(" is not a whole safetensors file: ")


def test_a_header_length_that_looks_like_a_pickle_is_not_taken_for_one(tmp_path: Path) -> None:
    """A safetensors file begins with the length of its header: 0x80 0x02 where that is 640 bytes."""
    file = write(tmp_path / "loss.safetensors")
    intact = file.read_bytes()
    (length,) = struct.unpack("<Q", intact[:8])
    padded_length = (length // 0x10000 + 1) * 0x10000 + 0x280
    header = intact[8 : 8 + length].ljust(padded_length)
    file.write_bytes(struct.pack("<Q", padded_length) + header + intact[8 + length :])
    assert file.read_bytes()[:2] == b"\x80\x02"
    assert MDFLoss.load(file).card == CARD

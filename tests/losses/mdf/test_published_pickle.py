"""The published pickles are converted without running code from them; show_loss."""

import io
import os
import pickle
import struct
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from lossmith import LossmithError
from lossmith.commands.loss_files import convert_mdf, show_loss
from lossmith.losses import MDFLoss, load_loss
from lossmith.losses.mdf.discriminator import ConvBlock, PatchDiscriminator
from lossmith.losses.mdf.loss_file import expression_of
from lossmith.losses.mdf.published_pickle import MAGIC, VERSION, read_pickle

from .samples import discriminators_of, pair, write

needs_data = pytest.mark.skipif("LOSSMITH_DATA" not in os.environ, reason="LOSSMITH_DATA is not set")
SCALES = [{"width": width, "factor": 1.0} for width in (4, 4, 6)]


class Reference:
    """Stands for a storage in the pickle."""

    def __init__(self, key: str, numbers: np.ndarray[Any, Any]) -> None:
        self.key, self.numbers = key, numbers


class Writer(pickle.Pickler):
    """Writes modules with the few attributes and under the names that the published files have."""

    def __init__(self, file: io.BytesIO, names: ModuleType) -> None:
        super().__init__(file, protocol=2)
        self.names, self.storages, self.with_source = names, list[Reference](), set[type]()

    def persistent_id(self, thing: Any) -> Any:
        if isinstance(thing, Reference):
            kind = torch.LongStorage if thing.numbers.dtype == np.int64 else torch.FloatStorage
            return "storage", kind, thing.key, "cuda:0", thing.numbers.size, None
        if thing in vars(self.names).values() and thing not in self.with_source:
            self.with_source.add(thing)
            return "module", thing, "models.py", "raise SystemExit('this is never run')"
        return None

    def reducer_override(self, thing: Any) -> Any:
        if isinstance(thing, nn.Module):
            state = {key: vars(thing)[key] for key in vars(thing) if key in PUBLISHED_TYPES}
            return self.public(type(thing)), (), state
        if isinstance(thing, torch.Tensor):
            reference = Reference(str(1000 + len(self.storages)), thing.detach().numpy().ravel())
            self.storages.append(reference)
            arguments = (reference, 0, tuple(thing.shape), thing.stride(), False, OrderedDict())
            return torch._utils._rebuild_tensor_v2, arguments
        return NotImplemented

    def public(self, kind: type) -> type:
        return {PatchDiscriminator: self.names.WDiscriminator, ConvBlock: self.names.ConvBlock}.get(kind, kind)


PUBLISHED_TYPES = {
    *("_parameters", "_buffers", "_modules", "training", "kernel_size", "stride", "padding", "dilation", "groups"),
    *("eps", "affine", "track_running_stats", "negative_slope"),
}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with the authors' names, there while pickles are written."""
    module = ModuleType("SinGAN.models")
    for name in ("WDiscriminator", "ConvBlock"):
        setattr(module, name, type(name, (nn.Module,), {"__module__": "SinGAN.models"}))
    monkeypatch.setitem(sys.modules, "SinGAN", ModuleType("SinGAN"))
    monkeypatch.setitem(sys.modules, "SinGAN.models", module)
    return module


def write_published(path: Path, names: ModuleType, modules: Any) -> Path:
    """A file as torch wrote it before 1.6."""
    body = io.BytesIO()
    writer = Writer(body, names)
    writer.dump(modules)
    facts = {"protocol_version": VERSION, "little_endian": True, "type_sizes": {"short": 2, "int": 4, "long": 4}}
    head = b"".join(pickle.dumps(fact, 2) for fact in (MAGIC, VERSION, facts))
    keys = pickle.dumps([storage.key for storage in writer.storages], 2)
    data = [struct.pack("<q", storage.numbers.size) + storage.numbers.tobytes() for storage in writer.storages]
    path.write_bytes(head + body.getvalue() + keys + b"".join(data))
    return path


def refusal(file: Path) -> str:
    with pytest.raises(LossmithError) as error:
        read_pickle(file)
    message = str(error.value)
    assert message.startswith(f"{file} cannot be converted: ")
    return message.removeprefix(f"{file} cannot be converted: ")


def test_a_converted_pickle_is_the_same_loss(tmp_path: Path, names: ModuleType) -> None:
    file = write_published(tmp_path / "Ds_mine.pth", names, discriminators_of(SCALES))
    out = tmp_path / "mine.safetensors"
    assert convert_mdf(file, out=out) == f"loss: {out}, as in `losses='mdf({out})'`"
    prediction, target = pair()
    expected = MDFLoss.load(write(tmp_path / "expected.safetensors", SCALES))(prediction, target)
    assert torch.equal(MDFLoss.load(out)(prediction, target), expected)
    with pytest.raises(LossmithError, match=r"exists already; choose another `out`$"):
        convert_mdf(file, out=out)
    with pytest.raises(LossmithError, match=r"a \.safetensors file; call it mine\.safetensors$"):
        convert_mdf(file, out=tmp_path / "mine.pth")


def test_eight_discriminators_are_used_as_published(tmp_path: Path, names: ModuleType) -> None:
    file = write_published(tmp_path / "Ds.pth", names, discriminators_of(SCALES * 3))
    convert_mdf(file, out=tmp_path / "nine.safetensors")
    _, card = load_loss(tmp_path / "nine.safetensors")
    assert (len(card["scales"]), card["default_scales"], card["range"]) == (9, 8, [0, 1])


# --- what is refused ---------------------------------------------------------------------------------------------


class Bomb:
    """Creates a file when it is unpickled by anything that runs what pickles say."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("place", ["first", "facts", "modules", "attribute"])
def test_a_malicious_pickle_does_not_run(tmp_path: Path, names: ModuleType, place: str) -> None:
    mark, file = tmp_path / "it ran", tmp_path / "bomb.pth"
    pickle.loads(pickle.dumps(Bomb(mark)))
    assert mark.is_dir()  # the bomb works
    mark.rmdir()
    discriminators: list[Any] = discriminators_of(SCALES)
    if place == "modules":
        discriminators = [Bomb(mark)]
    if place == "attribute":
        discriminators[0].body.training = Bomb(mark)
    write_published(file, names, discriminators)
    if place == "first":
        file.write_bytes(pickle.dumps(Bomb(mark), 2))
    if place == "facts":
        start = b"".join(pickle.dumps(part, 2) for part in (MAGIC, VERSION, Bomb(mark)))
        file.write_bytes(start)
    assert refusal(file) == f"it asks for '{os.name}.mkdir', which no MDF file needs"
    assert not mark.exists()


@pytest.mark.parametrize("name", ["builtins.eval", "torch.load", "collections.OrderedDict.fromkeys", "os.system"])
def test_only_allowed_names_are_looked_up_in_a_pickle(tmp_path: Path, name: str) -> None:
    module, _, attribute = name.partition(".")
    words = b"".join(b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, attribute))
    file = tmp_path / "names.pth"
    file.write_bytes(b"\x80\x04" + words + b"\x93.")
    assert refusal(file) == f"it asks for '{name}', which no MDF file needs"


def test_other_networks_are_refused(tmp_path: Path, names: ModuleType) -> None:
    discriminators = discriminators_of(SCALES)
    discriminators[1].body.block2.conv.stride = (2, 2)
    file = write_published(tmp_path / "other.pth", names, discriminators)
    assert refusal(file) == "a convolution has stride (2, 2), not (1, 1)"
    discriminators = discriminators_of(SCALES)
    del discriminators[1].tail
    file = write_published(tmp_path / "other.pth", names, discriminators)
    with pytest.raises(LossmithError, match=r"lacks the tensor '1\.tail\.bias'"):
        convert_mdf(file, out=tmp_path / "out.safetensors")
    discriminators = discriminators_of(SCALES)
    discriminators[0].body.block2 = discriminators[0].body.block1
    file = write_published(tmp_path / "other.pth", names, discriminators)
    assert refusal(file) == "one of its modules is in several places"
    discriminators = discriminators_of(SCALES)
    discriminators[0].head.conv.weight = torch.nn.Parameter(torch.ones(()))
    with pytest.raises(LossmithError, match=r"no 'head\.conv\.weight' of a convolution"):
        convert_mdf(write_published(file, names, discriminators), out=tmp_path / "out.safetensors")
    for nothing in ([], {}, [3]):
        assert refusal(write_published(file, names, nothing)) == "it is not a list of discriminators"


def test_a_truncated_pickle_is_refused_at_every_length(tmp_path: Path, names: ModuleType) -> None:
    intact = write_published(tmp_path / "whole.pth", names, discriminators_of(SCALES)).read_bytes()
    file = tmp_path / "cut.pth"
    for length in [*range(160), *range(160, len(intact), 997), len(intact) - 1]:
        file.write_bytes(intact[:length])
        assert refusal(file)


def test_damaged_bytes_of_a_pickle_are_one_sentence(tmp_path: Path, names: ModuleType) -> None:
    intact = write_published(tmp_path / "whole.pth", names, discriminators_of(SCALES[:1])).read_bytes()
    file, random = tmp_path / "damaged.pth", np.random.default_rng(0)
    for _ in range(300):
        content = bytearray(intact)
        content[random.integers(6000)] = random.integers(256)
        file.write_bytes(content)
        try:
            read_pickle(file)  # a flipped bit of a number is not noticed
        except LossmithError as error:
            assert "cannot be converted: " in str(error)  # noqa: PT017


def test_files_of_other_formats_are_named(tmp_path: Path) -> None:
    file = tmp_path / "new.pth"
    torch.save([3], file)
    assert refusal(file) == "it is not in the format of torch before 1.6, in which MDF was published"
    with pytest.raises(LossmithError, match=r"^cannot read .*: No such file or directory$"):
        read_pickle(tmp_path / "nothing.pth")


# --- the published files -----------------------------------------------------------------------------------------


@needs_data
def test_the_published_file_is_converted_exactly(tmp_path: Path) -> None:
    folder = Path(os.environ["LOSSMITH_DATA"]) / "weights/mdf"
    convert_mdf(folder / "Ds_JPEG.pth", out=tmp_path / "jpeg.safetensors")
    state, _ = load_loss(tmp_path / "jpeg.safetensors")
    expected = load_file(folder / "reference_jpeg.safetensors")
    assert state.keys() == expected.keys()
    for name, tensor in expected.items():
        assert torch.equal(state[name], tensor), name


# --- the card ----------------------------------------------------------------------------------------------------


def test_show_loss_prints_the_card(tmp_path: Path) -> None:
    file = write(
        tmp_path / "my.safetensors", task="jpeg", recipe={"steps": 9}, maker="me\x1b[2J\nyou", **{"\x1b[2Jkey": 1}
    )
    numbers = file.stat().st_size
    assert show_loss(str(file)).splitlines()[1:] == [
        "scales:",
        "  0: width 4, factor 1.0",
        "  1: width 6, factor 1.0",
        "  2: width 5, factor 1.0",
        "range: [0, 1]",
        "task: jpeg",
        "recipe:",
        "  steps: 9",
        "maker: me\\x1b[2J\\x0ayou",
        "\\x1b[2Jkey: 1",
    ]
    assert show_loss(str(file)).startswith(f"file: my.safetensors, {numbers:,} bytes, ")


@pytest.mark.parametrize("expression", ["mdf(jpeg)", "mdf(file=jpeg, scales=1)", 'mdf("jpeg")'])
def test_show_loss_takes_the_name_and_the_expression_of_a_shipped_loss(expression: str) -> None:
    assert show_loss(expression) == show_loss("jpeg")
    assert show_loss("jpeg").startswith("file: jpeg.safetensors, ")


def test_show_loss_takes_the_expression_of_a_file(tmp_path: Path) -> None:
    file = write(tmp_path / "my, own (1).safetensors")
    assert show_loss(expression_of(file)) == show_loss(str(file))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ssim(window=7)", r"^only mdf losses have a card, and 'ssim\(window=7\)' is not one$"),
        ("mdf(jpg)", r"^shipped loss 'jpg' is not known; did you mean 'jpeg'\?; files end in \.safetensors$"),
        ("mdf()", r"^loss 'mdf': missing a required argument: 'file'"),
        ("jpg", r"^shipped loss 'jpg' is not known"),
    ],
)
def test_show_loss_refuses_what_has_no_card_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(LossmithError, match=sentence):
        show_loss(text)

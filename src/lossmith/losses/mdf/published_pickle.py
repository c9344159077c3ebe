"""A reader of the pickles in which MDF was published, which runs no code from them.

They are lists of modules in the format of torch before 1.6: three short pickles (a magic number, the version of
the format, facts about the machine), the modules, the keys of the storages, then each storage: length and bytes.
A pickle may use only the names in `ALLOWED`, which stand for classes and functions without side effects.
"""

import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001


def read_pickle(path: Path) -> list[dict[str, Tensor]]:
    """The tensors of each discriminator by their names, such as `head.conv.weight`.

    Raises LossmithError, in one sentence, if the file is not one of the published pickles.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path.stat().st_size)
    except OSError as error:
        raise LossmithError(f"cannot read {path}: {error.strerror or error}") from error
    except Exception as error:  # damaged pickles raise exceptions of all kinds
        reason = (
            str(error)
            if isinstance(error, UnsupportedPickleError)
            else f"it is damaged ({type(error).__name__}: {error})"
        )
        raise LossmithError(f"{path} cannot be converted: {reason}") from error


class UnsupportedPickleError(Exception):
    """A file is not a published MDF file; the message says why."""


@dataclass(frozen=True)
class Storage:
    """A run of numbers that follows later in the file."""

    key: str
    dtype: torch.dtype
    count: int


@dataclass(frozen=True)
class View:
    """A tensor as a view of a storage."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class Part:
    """A module of the pickle: a container of its attributes, `fixed` of which must have MDF's values."""

    fixed: ClassVar[dict[str, Any]] = {}


class Convolution(Part):
    fixed: ClassVar = {"kernel_size": (3, 3), "stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}


class Norm(Part):
    fixed: ClassVar = {"eps": 1e-5, "affine": True, "track_running_stats": True}


class Activation(Part):
    fixed: ClassVar = {"negative_slope": 0.2}


def _view(storage: Storage, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any) -> View:
    return View(storage, offset, size, stride)


def _parameter(data: View, *_: Any) -> View:
    return data


ALLOWED: dict[str, Callable[..., Any] | torch.dtype] = {
    "SinGAN.models.WDiscriminator": Part,
    "SinGAN.models.ConvBlock": Part,
    "torch.nn.modules.container.Sequential": Part,
    "torch.nn.modules.conv.Conv2d": Convolution,
    "torch.nn.modules.batchnorm.BatchNorm2d": Norm,
    "torch.nn.modules.activation.LeakyReLU": Activation,
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_parameter": _parameter,
    "torch.FloatStorage": torch.float32,
    "torch.LongStorage": torch.int64,
}


class RestrictedUnpickler(pickle._Unpickler):
    """An unpickler that accepts the names above only.

    It is the Python implementation: that in C allocates memory for any memo index that a file names, such as 2^32.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (full := f"{module}.{name}") not in ALLOWED:
            raise UnsupportedPickleError(f"it asks for '{full}', which no MDF file needs")
        return ALLOWED[full]

    def persistent_load(self, reference: Any) -> Any:
        """The class of a module, without its source text, or the description of a storage."""
        if reference[0] == "module":
            return reference[1]
        kind, dtype, key, _, count, view = reference
        if kind != "storage" or not isinstance(dtype, torch.dtype) or view is not None:
            raise UnsupportedPickleError("it refers to something that is not a storage")
        return Storage(key, dtype, count)


def _read(file: BinaryIO, length: int) -> list[dict[str, Tensor]]:
    start = file.read(1)
    file.seek(0)
    if (
        start != b"\x80"
        or RestrictedUnpickler(file).load() != MAGIC
        or RestrictedUnpickler(file).load() != VERSION
    ):
        raise UnsupportedPickleError("it is not in the format of torch before 1.6, in which MDF was published")
    if not RestrictedUnpickler(file).load()["little_endian"]:
        raise UnsupportedPickleError("it was written on a big-endian machine")
    modules, keys = RestrictedUnpickler(file).load(), RestrictedUnpickler(file).load()
    if not isinstance(modules, list) or not modules or not all(isinstance(module, Part) for module in modules):
        raise UnsupportedPickleError("it is not a list of discriminators")
    visited: set[int] = set()
    discriminators = [dict(_tensors(module, visited)) for module in modules]
    storages = {view.storage.key: view.storage for views in discriminators for view in views.values()}
    data = {key: _numbers(file, storages[key], length) for key in keys}
    return [{name: _tensor(view, data) for name, view in views.items()} for views in discriminators]


def _tensors(module: Part, visited: set[int]) -> Iterator[tuple[str, View]]:
    """The tensors of a module and its submodules by their dotted names; `visited` are ids of earlier modules."""
    attributes = vars(module)
    for key, value in module.fixed.items():
        if attributes.get(key) != value:
            raise UnsupportedPickleError(
                f"a {type(module).__name__.lower()} has {key} {attributes.get(key)}, not {value}"
            )
    if id(module) in visited:  # a few modules that share submodules would make any number of names
        raise UnsupportedPickleError("one of its modules is in several places")
    visited.add(id(module))
    for name, view in [*attributes["_parameters"].items(), *attributes["_buffers"].items()]:
        if view is not None:
            yield name, view
    for name, inner in attributes["_modules"].items():
        for rest, view in _tensors(inner, visited):
            yield f"{name}.{rest}", view


def _numbers(file: BinaryIO, storage: Storage, length: int) -> Tensor:
    (count,) = struct.unpack("<q", file.read(8))
    size = count * storage.dtype.itemsize
    if count != storage.count or not 0 < size <= length:
        raise UnsupportedPickleError(f"it has {count} numbers where {storage.count} were declared")
    if len(numbers := file.read(size)) < size:
        raise UnsupportedPickleError("it ends before its last number")
    return torch.frombuffer(bytearray(numbers), dtype=storage.dtype)


def _tensor(view: View, data: dict[str, Tensor]) -> Tensor:
    if math.prod(view.size) > view.storage.count:
        raise UnsupportedPickleError(
            f"it has a tensor of {view.size} in a storage of {view.storage.count} numbers"
        )
    return data[view.storage.key].as_strided(view.size, view.stride, view.offset)


__all__ = ["read_pickle"]

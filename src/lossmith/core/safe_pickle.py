"""Reads files of `torch.save` from untrusted sources, if they hold only tensors and plain values."""

import re
import warnings
from pathlib import Path
from typing import Any
from zipfile import ZipFile, is_zipfile

import torch

from lossmith.core.errors import LossmithError
from lossmith.core.foreign_files import foreign_kind

ARCHIVE = b"PK\x03\x04"
"""The first bytes of a zip archive, by which torch recognizes it too."""
MAGIC = b"\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""A number at the beginning of files of torch before 1.6."""
MAX_SCANNED_BYTES = 1 << 24
"""Bytes of a pickle that are searched to say what it holds."""

WEIGHTS_KEYS = ("params_ema", "state_dict", "model_state_dict", "model", "generator", "netG", "net", "params")
"""Names under which training programs keep the weights, for a sentence about a file that is not opened."""

PLAIN_TYPES = """
    argparse.Namespace datetime.date datetime.datetime datetime.time datetime.timedelta datetime.timezone
    decimal.Decimal fractions.Fraction types.SimpleNamespace typing.Any uuid.UUID
    builtins.bool builtins.bytes builtins.dict builtins.float builtins.frozenset builtins.int builtins.list
    builtins.range builtins.slice builtins.str builtins.tuple
    numpy.core.multiarray.scalar numpy.core.multiarray._reconstruct
    numpy._core.multiarray.scalar numpy._core.multiarray._reconstruct numpy.dtype numpy.ndarray numpy.bool_
    numpy.bool numpy.int8 numpy.int16 numpy.int32 numpy.int64 numpy.uint8 numpy.uint16 numpy.uint32 numpy.uint64
    numpy.float16 numpy.float32 numpy.float64 numpy.str_
    numpy.dtypes.BoolDType numpy.dtypes.Int32DType numpy.dtypes.Int64DType numpy.dtypes.UInt8DType
    numpy.dtypes.UInt32DType numpy.dtypes.Float16DType numpy.dtypes.Float32DType numpy.dtypes.Float64DType
    pathlib.Path pathlib.PosixPath pathlib.WindowsPath pathlib.PurePath pathlib.PurePosixPath
    pathlib.PureWindowsPath pathlib._local.Path pathlib._local.PosixPath pathlib._local.WindowsPath
    pathlib._local.PurePath pathlib._local.PurePosixPath pathlib._local.PureWindowsPath
    omegaconf.base.ContainerMetadata omegaconf.base.Metadata omegaconf.dictconfig.DictConfig
    omegaconf.listconfig.ListConfig omegaconf.nodes.AnyNode
    lightning.pytorch.callbacks.model_checkpoint.ModelCheckpoint
    pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint
"""
"""Types that training programs store beside the weights, by name."""
MAPPINGS = """
    collections.defaultdict lightning.fabric.utilities.data.AttributeDict
    lightning_fabric.utilities.data.AttributeDict pytorch_lightning.utilities.parsing.AttributeDict
"""
"""Dictionaries with a class of their own, in which the weights may lie."""


class Aside:
    """Stands in for an object that is not needed: it takes any arguments and does nothing."""

    def __new__(cls, *_: Any) -> "Aside":
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None:
        pass


class Mapping(Aside):
    """Stands for a dictionary."""

    def __new__(cls, *_: Any) -> Any:
        return {}


class Sequence(Aside):
    """Stands for a list."""

    def __new__(cls, *_: Any) -> Any:
        return []


# a file's types are replaced by these stand-ins, so nothing it does with their names can run code
STAND_INS: list[Any] = [
    *((Aside, name) for name in PLAIN_TYPES.split()),
    *((Mapping, name) for name in MAPPINGS.split()),
    (Sequence, "collections.deque"),
]


def load_pickle(path: Path) -> Any:
    """The content of a pickle; no code in it is ever run.

    Raises LossmithError for a file that does not hold weights, is damaged, or names a type not listed above.
    """
    try:
        _check_archive(path)
        # an open file, since torch judges a path by its extension
        with torch.serialization.safe_globals(STAND_INS), warnings.catch_warnings(), path.open("rb") as file:
            warnings.simplefilter("ignore")  # torch warns of unsupported pickles before it raises
            return torch.load(file, map_location="cpu", weights_only=True)
    except LossmithError:
        raise
    except Exception as error:  # a damaged or dangerous file can make the reader raise anything
        if unsafe := re.search(r"nsupported (?:global: )?GLOBAL (\S+)", str(error)):
            raise LossmithError(_unsafe(path, unsafe[1])) from error
        raise LossmithError(f"{path} {_not_read(path)}") from error


def _check_archive(path: Path) -> None:
    """Refuse archives that hold something else, and those that unpack to more than themselves.

    torch does not compress weights, so it did not write such an archive, which could fill the memory.
    """
    with path.open("rb") as file:
        if file.read(len(ARCHIVE)) != ARCHIVE:
            return
    with ZipFile(path) as archive:
        members = archive.infolist()
    names = [member.filename.partition("/")[2] for member in members]
    if "constants.pkl" in names:
        weights = _safe_file(path, f"torch.jit.load({str(path)!r}).state_dict()")
        raise LossmithError(
            f"{path} is a TorchScript archive, a program and not weights; if it is yours: {weights}"
        )
    if "models/model.json" in names:
        weights = _safe_file(path, f"torch.export.load({str(path)!r}).state_dict")
        raise LossmithError(f"{path} is a program of torch.export, not weights; if it is yours: {weights}")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise LossmithError(f"{path} unpacks to more than itself, as no file of PyTorch does")


def _not_read(path: Path) -> str:
    """Why torch cannot read a file, and what its owner can do."""
    if (pickled := _pickled(path))[:1] == b"\x80" and pickled[1:2] > b"\3":
        torchs = is_zipfile(path) or MAGIC in pickled[:64]
        weights = _loaded(path) if torchs else f"torch.serialization.pickle.load(open({str(path)!r}, 'rb'))"
        too_new = f"is a pickle of protocol {pickled[1]}, of which none above 3 is read safely"
        return f"{too_new}; if it is yours: {_safe_file(path, weights)}"
    return foreign_kind(path) or "is neither a safetensors file nor a checkpoint of PyTorch"


def _unsafe(path: Path, name: str) -> str:
    """Why a pickle that names code is refused, and what its owner can do."""
    pickled = _pickled(path)
    whole = b"torch.nn.modules." in pickled
    what = f"a whole module with its code ('{name[:80]}')" if whole else f"more than weights ('{name[:80]}')"
    inside = next((f"[{key!r}]" for key in WEIGHTS_KEYS if _names(pickled, key)), "['state_dict']")
    # a dictionary begins with a brace, after the protocol
    weights = (
        _loaded(path) + (inside if not whole or pickled[2:3] == b"}" else "") + (".state_dict()" if whole else "")
    )
    return (
        f"{path} holds {what} and is refused, since loading it could run code; ask its author for a safetensors "
        f"file, or if it is yours: {_safe_file(path, weights)}"
    )


def _loaded(path: Path) -> str:
    return f"torch.load({str(path)!r}, map_location='cpu', weights_only=False)"


def _names(pickled: bytes, key: str) -> bool:
    """Whether a pickle of torch holds this text."""
    return b"X" + len(key).to_bytes(4, "little") + key.encode() in pickled


def _safe_file(path: Path, weights: str) -> str:
    """Python code that converts it to a file that is safe to open."""
    safe = str(path.with_name(f"{path.stem}-weights.pth"))
    return f"import torch; weights = {weights}; torch.save(weights, {safe!r})"


def _pickled(path: Path) -> bytes:
    """The first MAX_SCANNED_BYTES bytes of the pickle in a file."""
    try:
        with ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(name) as file:
                return file.read(MAX_SCANNED_BYTES)
    except Exception:  # a damaged archive can make the reader raise anything
        with path.open("rb") as plain:
            return plain.read(MAX_SCANNED_BYTES)

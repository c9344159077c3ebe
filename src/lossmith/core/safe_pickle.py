"""Safe reading of untrusted `torch.save` files: only tensors and plain values, and no code is run."""

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
"""The magic number of files of torch before 1.6."""
MAX_SCANNED_BYTES = 1 << 24
"""Bytes of a pickle that are searched for its contents."""

WEIGHTS_KEYS = ("params_ema", "state_dict", "model_state_dict", "model", "generator", "netG", "net", "params")
"""Names under which training programs store weights; error messages about refused files use them."""

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
MAPPING_TYPES = """
    collections.defaultdict lightning.fabric.utilities.data.AttributeDict
    lightning_fabric.utilities.data.AttributeDict pytorch_lightning.utilities.parsing.AttributeDict
"""
"""Subclasses of dict that may hold the weights."""


class Placeholder:
    """Stands in for an object that is not needed; it takes any arguments and does nothing."""

    def __new__(cls, *_: Any) -> "Placeholder":
        return super().__new__(cls)

    def __setstate__(self, _: Any) -> None:
        pass


class DictPlaceholder(Placeholder):
    """Stands in for a dictionary."""

    def __new__(cls, *_: Any) -> Any:
        return {}


class ListPlaceholder(Placeholder):
    """Stands in for a list."""

    def __new__(cls, *_: Any) -> Any:
        return []


# the types a file names are replaced by these, so that unpickling it cannot run code
STAND_INS: list[Any] = [
    *((Placeholder, name) for name in PLAIN_TYPES.split()),
    *((DictPlaceholder, name) for name in MAPPING_TYPES.split()),
    (ListPlaceholder, "collections.deque"),
]


def load_pickle(path: Path) -> Any:
    """The content of a pickle; no code in it is ever run.

    Raises LossmithError for a file that holds no weights, is damaged, or names a type not listed above.
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
        if match := re.search(r"nsupported (?:global: )?GLOBAL (\S+)", str(error)):
            raise LossmithError(_unsafe_reason(path, match[1])) from error
        raise LossmithError(f"{path} {_unreadable_reason(path)}") from error


def _check_archive(path: Path) -> None:
    """Raise LossmithError for an archive of something else, and for one that is compressed.

    torch does not compress weights, and a small archive that unpacks to a large one could fill the memory.
    """
    with path.open("rb") as file:
        if file.read(len(ARCHIVE)) != ARCHIVE:
            return
    with ZipFile(path) as archive:
        members = archive.infolist()
    names = [member.filename.partition("/")[2] for member in members]
    if "constants.pkl" in names:
        code = _conversion_code(path, f"torch.jit.load({str(path)!r}).state_dict()")
        raise LossmithError(f"{path} is a TorchScript archive, a program and not weights; if it is yours: {code}")
    if "models/model.json" in names:
        code = _conversion_code(path, f"torch.export.load({str(path)!r}).state_dict")
        raise LossmithError(f"{path} is a program of torch.export, not weights; if it is yours: {code}")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise LossmithError(f"{path} is compressed, as no weights of PyTorch are, and could fill the memory")


def _unreadable_reason(path: Path) -> str:
    """Why torch cannot read a file, and what its owner can do."""
    if (content := _pickle_start(path))[:1] == b"\x80" and content[1:2] > b"\3":
        is_torch_file = is_zipfile(path) or MAGIC in content[:64]
        plain_load = f"torch.serialization.pickle.load(open({str(path)!r}, 'rb'))"
        weights = _load_code(path) if is_torch_file else plain_load
        too_new = f"is a pickle of protocol {content[1]}, and only protocols up to 3 are read safely"
        return f"{too_new}; if it is yours: {_conversion_code(path, weights)}"
    return foreign_kind(path) or "is neither a safetensors file nor a checkpoint of PyTorch"


def _unsafe_reason(path: Path, name: str) -> str:
    """Why a pickle that names code is refused, and what its owner can do."""
    content = _pickle_start(path)
    is_module = b"torch.nn.modules." in content
    what = f"a whole module with its code ('{name[:80]}')" if is_module else f"more than weights ('{name[:80]}')"
    index = next((f"[{key!r}]" for key in WEIGHTS_KEYS if _has_text(content, key)), "['state_dict']")
    # a dictionary begins with a brace, after the protocol
    if is_module and content[2:3] != b"}":
        index = ""
    weights = _load_code(path) + index + (".state_dict()" if is_module else "")
    return (
        f"{path} holds {what} and is refused, since loading it could run code; ask its author for a safetensors "
        f"file, or if it is yours: {_conversion_code(path, weights)}"
    )


def _load_code(path: Path) -> str:
    """Python code that loads a file without any safety."""
    return f"torch.load({str(path)!r}, map_location='cpu', weights_only=False)"


def _has_text(content: bytes, text: str) -> bool:
    """Whether a pickle of torch holds this text."""
    return b"X" + len(text).to_bytes(4, "little") + text.encode() in content


def _conversion_code(path: Path, weights: str) -> str:
    """Python code that saves only the weights of a file, in a file that is safe to load."""
    output = str(path.with_name(f"{path.stem}-weights.pth"))
    return f"import torch; weights = {weights}; torch.save(weights, {output!r})"


def _pickle_start(path: Path) -> bytes:
    """The first MAX_SCANNED_BYTES bytes of the pickle in a file."""
    try:
        with ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            with archive.open(name) as file:
                return file.read(MAX_SCANNED_BYTES)
    except Exception:  # a damaged archive can make the reader raise anything
        with path.open("rb") as plain:
            return plain.read(MAX_SCANNED_BYTES)

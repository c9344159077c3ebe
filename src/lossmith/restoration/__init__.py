"""Trained models on whole pictures: tiles without seams, colour, transparency, metadata."""

from lossmith.restoration.decoding import decode, look_at
from lossmith.restoration.engine import Engine, Precision, TorchEngine
from lossmith.restoration.files import FileRestorer, Wishes
from lossmith.restoration.formats import ENDINGS, Format
from lossmith.restoration.kept_memory import kept_memory
from lossmith.restoration.opening import open_engine, open_restorer
from lossmith.restoration.plan import Halo
from lossmith.restoration.planes import to_levels

__all__ = [
    "ENDINGS",
    "Engine",
    "FileRestorer",
    "Format",
    "Halo",
    "Precision",
    "TorchEngine",
    "Wishes",
    "decode",
    "kept_memory",
    "look_at",
    "open_engine",
    "open_restorer",
    "to_levels",
]

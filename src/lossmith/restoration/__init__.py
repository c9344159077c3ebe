"""Trained models on whole images: tiles without seams, color, transparency, metadata."""

from lossmith.restoration.channels import to_levels
from lossmith.restoration.engine import Engine, Precision, TorchEngine
from lossmith.restoration.file_restorer import FileRestorer, RestoreOptions
from lossmith.restoration.io.decoding import decode, look_at
from lossmith.restoration.io.formats import ENDINGS, Format
from lossmith.restoration.load import load_engine, open_restorer
from lossmith.restoration.malloc import retained_buffers
from lossmith.restoration.tiling.plan import Halo

__all__ = [
    "ENDINGS",
    "Engine",
    "FileRestorer",
    "Format",
    "Halo",
    "Precision",
    "RestoreOptions",
    "TorchEngine",
    "decode",
    "load_engine",
    "look_at",
    "open_restorer",
    "retained_buffers",
    "to_levels",
]

"""Restoration of whole images: seamless tiles, color, transparency, metadata."""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.restoration.channels import to_levels
    from lossmith.restoration.engine import Engine, Precision, TorchEngine
    from lossmith.restoration.file_restorer import FileRestorer, RestoreOptions
    from lossmith.restoration.histograms import match_histogram
    from lossmith.restoration.io.decoding import decode, read_header
    from lossmith.restoration.io.encoding import read_record
    from lossmith.restoration.io.formats import ENDINGS, Format
    from lossmith.restoration.io.pictures import default_format
    from lossmith.restoration.load import (
        blend_engines,
        check_same_format,
        is_style,
        load_engine,
        load_task,
        network_of,
        open_restorer,
    )
    from lossmith.restoration.malloc import retained_buffers
    from lossmith.restoration.painting import PaintOptions
    from lossmith.restoration.tiling.halo import Halo
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "ENDINGS",
    "Engine",
    "FileRestorer",
    "Format",
    "Halo",
    "PaintOptions",
    "Precision",
    "RestoreOptions",
    "TorchEngine",
    "blend_engines",
    "check_same_format",
    "decode",
    "default_format",
    "is_style",
    "load_engine",
    "load_task",
    "match_histogram",
    "network_of",
    "open_restorer",
    "read_header",
    "read_record",
    "retained_buffers",
    "to_levels",
]

"""The formats of results, their file extensions and limits."""

from typing import Literal

Format = Literal["png", "jpeg", "webp", "tiff", "npy"]
ENDINGS: dict[Format, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif", "npy": ".npy"}
MAX_SIDE: dict[Format, int] = {"jpeg": 65500, "webp": 16383}
"""Pixels a side that a format holds; PNG and TIFF hold more than any image has."""

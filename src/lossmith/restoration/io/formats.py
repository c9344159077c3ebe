"""The formats that are written."""

from typing import Literal

Format = Literal["png", "jpeg", "webp", "tiff"]
ENDINGS: dict[Format, str] = {"png": ".png", "jpeg": ".jpg", "webp": ".webp", "tiff": ".tif"}
LONGEST_SIDE: dict[Format, int] = {"jpeg": 65500, "webp": 16383}

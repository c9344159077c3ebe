"""What the headers of many files say, before any is decoded: sizes, faults, and what a person should know."""

import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lossmith.core.errors import LossmithError, and_more, notify
from lossmith.data.reading import check_header, chunks_of, open_image, size_of

if TYPE_CHECKING:
    from PIL.Image import Image

SIXTEEN_BIT_REMARK = "16 bits a value are rounded to the 8 that are trained and scored on"
MULTI_IMAGE_REMARK = "of a file that holds several images only the main one is read"
COLOR_SPACE_REMARK = "colors are read as the numbers that they are, though the file says that they are {}"
PROBE_COLORS = ((0, 0, 0), (64, 64, 64), (128, 128, 128), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255))
MAX_COLOR_DIFFERENCE = 4
"""8-bit levels by which colors may differ from sRGB and pass for it."""
SRGB_GAMMA = 0.45455
SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
SRGB_CODE = (1, 13)
"""Primaries and transfer in a cICP chunk."""


@dataclass(frozen=True)
class Headers:
    """Of some files."""

    sizes: dict[Path, tuple[int, int]]
    """(H, W), upright."""
    remarks: tuple[str, ...]
    """What will not be used of what the files hold; each names a file, and how many more."""

    def of(self, paths: Iterable[Path]) -> list[tuple[int, int]]:
        """The sizes of these."""
        return [self.sizes[path] for path in paths]


def read_headers(paths: Iterable[Path], strict: bool = True) -> Headers:
    """Look at the headers of images, and say what will not be used of what they hold.

    Raises LossmithError for the first that cannot be read, and says how many more cannot; else these are left out.
    """
    files = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        looks = list(pool.map(_read_header, files))
    faults = [look for look in looks if isinstance(look, LossmithError)]
    if faults and strict:
        others = f" (and {len(faults) - 1} more cannot be read)" if len(faults) > 1 else ""
        raise LossmithError(f"{faults[0]}{others}")
    sizes: dict[Path, tuple[int, int]] = {}
    seen: dict[str, list[Path]] = {}
    for path, look in zip(files, looks, strict=True):
        if isinstance(look, LossmithError):
            continue
        sizes[path], phrases = look
        for phrase in phrases:
            seen.setdefault(phrase, []).append(path)
    remarks = tuple(f"{phrase}: {and_more(found)}" for phrase, found in seen.items())
    for sentence in remarks:
        notify(sentence)
    return Headers(sizes, remarks)


def _read_header(path: Path) -> tuple[tuple[int, int], list[str]] | LossmithError:
    """The size of an image, and what will not be used of it."""
    try:
        with open_image(path) as image:
            wide = check_header(path, image)
            return size_of(image), [*_unused_content(image, wide)]
    except LossmithError as error:
        return error


def _unused_content(image: "Image", wide: str) -> Iterator[str]:
    if wide:
        yield SIXTEEN_BIT_REMARK
    if getattr(image, "n_frames", 1) > 1:
        yield MULTI_IMAGE_REMARK
    if named := color_space_of(image):
        yield COLOR_SPACE_REMARK.format(named)


def color_space_of(image: "Image") -> str:
    """The color space that an open file names, in words; empty where it is sRGB, or none is named."""
    code = dict(chunks_of(image)).get(b"cICP") if image.format == "PNG" else None
    if code:  # it comes before all others
        return "" if tuple(code[:2]) == SRGB_CODE else f"of code {'/'.join(map(str, code[:2]))} (cICP)"
    if profile := image.info.get("icc_profile"):
        return _profile_unlike_srgb(profile)
    if image.format != "PNG" or "srgb" in image.info:
        return ""
    gamma, primaries = image.info.get("gamma", SRGB_GAMMA), image.info.get("chromaticity", SRGB_CHROMATICITIES)
    if abs(gamma - SRGB_GAMMA) > 0.01:
        return f"of gamma {1 / gamma:.2f} (gAMA)" if gamma > 0 else "of no gamma (gAMA)"
    far = any(abs(x - y) > 0.005 for x, y in zip(primaries, SRGB_CHROMATICITIES, strict=False))
    return "of other primaries than sRGB's (cHRM)" if far else ""


@lru_cache(maxsize=64)
def _profile_unlike_srgb(profile: bytes) -> str:
    """The name of an ICC profile, if it shows some colors, or grays if it is for these, otherwise than sRGB."""
    from PIL import Image, ImageCms

    mode = "L" if profile[16:20] == b"GRAY" else "RGB"
    probes: Sequence[Any] = [probe[:1] if mode == "L" else probe for probe in PROBE_COLORS]
    before = Image.frombytes(mode, (len(probes), 1), b"".join(bytes(probe) for probe in probes))
    try:
        icc = ImageCms.ImageCmsProfile(BytesIO(profile))
        name = ImageCms.getProfileDescription(icc).strip() or "without a name"
        after = ImageCms.profileToProfile(before, icc, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return "in a color profile that cannot be understood"
    shown, meant = (each.convert("RGB").tobytes() for each in (after, before)) if after else (b"", b"")
    alike = all(abs(x - y) <= MAX_COLOR_DIFFERENCE for x, y in zip(shown, meant, strict=True))
    return "" if alike else f"in the profile '{name}'"

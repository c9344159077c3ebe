"""The headers of image files, read before any is decoded: sizes, faults, and content that will not be used."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from lossmith.core.errors import LossmithError, and_more
from lossmith.data.reading import check_header, chunks_of, open_image, size_of

if TYPE_CHECKING:
    from PIL.Image import Image

logger = logging.getLogger(__name__)

SIXTEEN_BIT_REMARK = "16 bits a value are rounded to the 8 that are trained and scored on"
MULTI_IMAGE_REMARK = "of a file that holds several images only the main one is read"
COLOR_SPACE_REMARK = "colors are read as the numbers that they are, though the file says that they are {}"
PROBE_COLORS = ((0, 0, 0), (64, 64, 64), (128, 128, 128), (255, 255, 255), (255, 0, 0), (0, 255, 0), (0, 0, 255))
MAX_COLOR_DIFFERENCE = 4
"""8-bit levels by which colors of a profile may differ from sRGB and still count as sRGB."""
SRGB_GAMMA = 0.45455
SRGB_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
SRGB_CODE = (1, 13)
"""Primaries and transfer function of sRGB in a cICP chunk."""


@dataclass(frozen=True)
class Headers:
    """The headers of image files."""

    sizes: dict[Path, tuple[int, int]]
    """(height, width) after the EXIF orientation is applied."""
    remarks: tuple[str, ...]
    """Sentences about content that will not be used; each names a file, and how many more."""

    def of(self, paths: Iterable[Path]) -> list[tuple[int, int]]:
        """The sizes of some of the files."""
        return [self.sizes[path] for path in paths]


def read_headers(paths: Iterable[Path], strict: bool = True) -> Headers:
    """Read the headers of images, and report content that will not be used.

    If `strict`, raises LossmithError for the first file that cannot be read, with the number of others; otherwise
    such files are left out.
    """
    headers = read_each(paths, _read_header, strict)
    sizes = {path: size for path, (size, _) in headers.items()}
    return Headers(sizes, log_remarks({path: phrases for path, (_, phrases) in headers.items()}))


Header = TypeVar("Header")


def read_each(paths: Iterable[Path], read: Callable[[Path], Header], strict: bool) -> dict[Path, Header]:
    """What `read` reads of each file; files that it cannot read are refused or left out, as by `read_headers`."""

    def attempt(path: Path) -> Header | LossmithError:
        try:
            return read(path)
        except LossmithError as error:
            return error

    files = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        headers = dict(zip(files, pool.map(attempt, files), strict=True))
    faults = [header for header in headers.values() if isinstance(header, LossmithError)]
    if faults and strict:
        others = f" (and {len(faults) - 1} more cannot be read)" if len(faults) > 1 else ""
        raise LossmithError(f"{faults[0]}{others}")
    return {path: header for path, header in headers.items() if not isinstance(header, LossmithError)}


def log_remarks(phrases_of: Mapping[Path, Iterable[str]]) -> tuple[str, ...]:
    """One sentence for each phrase, which names a file and how many more; they are logged as warnings."""
    files: dict[str, list[Path]] = {}
    for path, phrases in phrases_of.items():
        for phrase in phrases:
            files.setdefault(phrase, []).append(path)
    remarks = tuple(f"{phrase}: {and_more(paths)}" for phrase, paths in files.items())
    for sentence in remarks:
        logger.warning(sentence)
    return remarks


def _read_header(path: Path) -> tuple[tuple[int, int], list[str]]:
    """The size of an image, and phrases about its content that will not be used."""
    with open_image(path) as image:
        rounded = [SIXTEEN_BIT_REMARK] if check_header(path, image) else []
        return size_of(image), [*rounded, *unused_content(image)]


def unused_content(image: "Image") -> Iterator[str]:
    """Phrases about content of an open file that is not read."""
    if getattr(image, "n_frames", 1) > 1:
        yield MULTI_IMAGE_REMARK
    if space := color_space_of(image):
        yield COLOR_SPACE_REMARK.format(space)


def color_space_of(image: "Image") -> str:
    """The color space that an open file declares, in words; empty for sRGB, or if none is declared."""
    code = dict(chunks_of(image)).get(b"cICP") if image.format == "PNG" else None
    if code:  # cICP takes precedence over all other chunks
        return "" if tuple(code[:2]) == SRGB_CODE else f"of code {'/'.join(map(str, code[:2]))} (cICP)"
    if profile := image.info.get("icc_profile"):
        return profile_unlike_srgb(profile)
    if image.format != "PNG" or "srgb" in image.info:
        return ""
    gamma, primaries = image.info.get("gamma", SRGB_GAMMA), image.info.get("chromaticity", SRGB_CHROMATICITIES)
    if abs(gamma - SRGB_GAMMA) > 0.01:
        return f"of gamma {1 / gamma:.2f} (gAMA)" if gamma > 0 else "of no gamma (gAMA)"
    differ = any(abs(x - y) > 0.005 for x, y in zip(primaries, SRGB_CHROMATICITIES, strict=False))
    return "of other primaries than sRGB's (cHRM)" if differ else ""


@lru_cache(maxsize=64)
def profile_unlike_srgb(profile: bytes) -> str:
    """The name of an ICC profile if it maps a few test colors, or grays, unlike sRGB; else an empty string."""
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
    mapped, original = (image.convert("RGB").tobytes() for image in (after, before)) if after else (b"", b"")
    same = all(abs(x - y) <= MAX_COLOR_DIFFERENCE for x, y in zip(mapped, original, strict=True))
    return "" if same else f"in the profile '{name}'"

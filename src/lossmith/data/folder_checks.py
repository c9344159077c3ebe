"""Files in a folder that are not read as images: reported once, or refused where they should be images."""

import logging
from collections.abc import Sequence
from pathlib import Path

from lossmith.core.errors import LossmithError, and_more

logger = logging.getLogger(__name__)

SYSTEM_FILES = ("thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
"""Files that file managers leave in folders, which are not worth a word."""

TO_PNG = "convert it to PNG"
TO_TIFF = "convert it to TIFF of floats, as `oiiotool` does"
TO_TIFF_BY_PYDICOM = "save its values as TIFF, `tifffile.imwrite('a.tif', pydicom.dcmread('a.dcm').pixel_array)`"
FOREIGN_SIGNATURES = (
    (4, b"ftyphei", "a HEIC file", TO_PNG),
    (4, b"ftypmif1", "a HEIC or AVIF file", TO_PNG),
    (4, b"ftypavif", "an AVIF file", TO_PNG),
    (4, b"jP  ", "a JPEG 2000 file", TO_PNG),
    (0, b"\xffO\xffQ", "a JPEG 2000 file", TO_PNG),
    (0, b"\xff\x0a", "a JPEG XL file", TO_PNG),
    (4, b"JXL ", "a JPEG XL file", TO_PNG),
    (0, b"8BPS", "a Photoshop file", TO_PNG),
    (0, b"v/1\x01", "an OpenEXR file", TO_TIFF),
    (0, b"#?RADIANCE", "a Radiance HDR file", TO_TIFF),
    (128, b"DICM", "a DICOM file", TO_TIFF_BY_PYDICOM),
    (0, b"%PDF", "a PDF file", TO_PNG),
    (0, b"<svg", "an SVG file", TO_PNG),
    (0, b"P7\n", "a PAM file", TO_PNG),
    (0, b"PF\n", "a PFM file of floating-point values", TO_TIFF),
    (0, b"Pf\n", "a PFM file of floating-point values", TO_TIFF),
    (0, b"DDS ", "a DDS texture", TO_PNG),
    (0, b"\x93NUMPY", "an array of NumPy", TO_PNG),
)
"""Files that are taken for images: offset and bytes of their signature, what they are, and what to do."""
FOREIGN_HEAD_BYTES = 132


def refuse_missing(folder: Path, inside: Sequence[Path], endings: Sequence[str]) -> None:
    """Raise LossmithError for images that a folder only seems to hold: broken links, and files left in iCloud."""
    broken_links = [
        path for path in inside if path.suffix.lower() in endings and path.is_symlink() and not path.exists()
    ]
    if broken_links:
        raise LossmithError(
            f"'{broken_links[0]}' is a link to '{broken_links[0].readlink()}', which does not exist"
            f"{and_more(broken_links, ', and so are {} more links')}; restore their targets, or remove the links"
        )
    if left := sorted(folder.glob(".*.icloud")):
        name = left[0].name.removeprefix(".").removesuffix(".icloud")
        others = and_more(left, " and {} more")
        raise LossmithError(f"'{name}'{others} in '{folder}' are in iCloud only; download them first")


def report_unused(folder: Path, inside: Sequence[Path], images: Sequence[Path], recursive: bool) -> None:
    """Report what is inside a folder and not among the images that are read from it."""
    image_set = set(images)
    others = [path for path in inside if path not in image_set and path.name.lower() not in SYSTEM_FILES]
    if folders := [path for path in others if path.is_dir() and (path.is_symlink() or not recursive)]:
        logger.warning(f"folders within '{folder}' are not searched: {and_more(folders)}")
    if files := [path for path in others if not path.is_dir()]:
        logger.warning(f"in '{folder}' these are passed over, not being images by their ending: {and_more(files)}")


def describe_non_image(path: Path) -> str | None:
    """What a file is instead of an image, as the end of a sentence, if its first bytes tell; else None."""
    with path.open("rb") as file:
        begins = file.read(64)
    if not begins:
        return "is empty"
    if begins.startswith(b"version https://git-lfs"):
        return "is a pointer of git-lfs and not the image itself; fetch it with `git lfs pull`"
    if begins.startswith((b"/annex/objects/", b".git/annex/objects/", b"../.git/annex/objects/")):
        return "is a pointer of git-annex and not the image itself; fetch it with `git annex get`"
    if begins.lstrip().lower().startswith((b"<!doctype html", b"<html")):
        return "is a web page and not an image; it was perhaps downloaded without permission"
    return foreign_format(path)


def foreign_format(path: Path) -> str | None:
    """Which unreadable format a file has, and how to convert it, as the end of a sentence; None for others."""
    with path.open("rb") as file:
        begins = file.read(FOREIGN_HEAD_BYTES)
    return next(
        (f"is {what}; {advice}" for at, mark, what, advice in FOREIGN_SIGNATURES if begins[at:].startswith(mark)),
        None,
    )

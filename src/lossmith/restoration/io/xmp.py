"""Corrects XMP for a result that was turned upright and enlarged."""

import re
from collections.abc import Callable
from functools import partial

TIFF, EXIF, XMP = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/", "http://ns.adobe.com/xap/1.0/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
OTHER_IMAGE_NAMESPACES = {
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.google.com/photos/1.0/depthmap/",
}
"""Namespaces about further images, films and maps in the same file, which a result does not have."""
MAX_LENGTH = 1 << 24
"""Letters of XMP beyond which it is taken for damaged."""


def correct_xmp(
    xmp: bytes,
    size: tuple[int, int],
    growth: tuple[float, float],
    dpi: tuple[float, float] | None,
    turned: bool,
) -> tuple[bytes | None, list[str]]:
    """XMP for a result, and names of what had to be left out.

    `size` is (height, width) of the result, `dpi` its resolution, `growth` how many times as many pixels it has
    across and down. `turned` says that the file had an orientation, which was applied to the pixels.
    """
    try:
        text = xmp.decode()
    except UnicodeDecodeError:
        text = ""
    if not 0 < len(text) < MAX_LENGTH or "<!ENTITY" in text:
        return None, ["XMP, which is damaged"]
    height, width = size
    values: dict[tuple[str, str], str | None] = {
        (TIFF, "ImageWidth"): str(width),
        (TIFF, "ImageLength"): str(height),
        (EXIF, "PixelXDimension"): str(width),
        (EXIF, "PixelYDimension"): str(height),
        (TIFF, "XResolution"): f"{round(10_000 * dpi[0])}/10000" if dpi else None,
        (TIFF, "YResolution"): f"{round(10_000 * dpi[1])}/10000" if dpi else None,
        (TIFF, "ResolutionUnit"): "2" if dpi else None,
    }
    if turned:
        values[TIFF, "Orientation"] = "1"
    for (space, name), value in values.items():
        text = _replace_property(text, space, name, partial(_constant, value))
    lost = []
    without = _replace_property(text, XMP, "Thumbnails", _remove)
    if without != text:
        lost.append("the embedded thumbnail")
    text = without
    without = text
    for names, factor in zip((r"\w*(?:Width|Left)Pixels", r"\w*(?:Height|Top)Pixels"), growth, strict=True):
        without = _replace_property(without, PANORAMA, names, _remove if turned else partial(_scaled, factor))
    if turned and without != text:
        lost.append("the place of the image in a panorama (XMP GPano)")
    text = without
    for space in sorted(OTHER_IMAGE_NAMESPACES):
        without = _replace_property(text, space, r"\w+", _remove)
        if without != text:
            lost.append("what XMP says of other images in the file")
        text = without
    return text.encode(), list(dict.fromkeys(lost))


def _constant(value: str | None, _: str) -> str | None:
    return value


def _remove(_: str) -> None:
    return None


def _scaled(factor: float, number: str) -> str | None:
    return str(round(factor * int(number))) if number.isdigit() else None


def _replace_property(text: str, space: str, name: str, change: Callable[[str], str | None]) -> str:
    """Apply `change` to every value of a property, attribute or element, under any prefix; None removes it."""
    prefixes = {
        prefix for prefix, uri in re.findall(r"xmlns:([\w.-]+)\s*=\s*[\"']([^\"']*)[\"']", text) if uri == space
    }
    for prefix in prefixes:
        qualified = rf"{re.escape(prefix)}:(?:{name})"

        def attribute(match: re.Match[str]) -> str:
            value = change(match[3])
            return "" if value is None else f"{match[1]}{match[2]}{value}{match[2]}"

        def element(match: re.Match[str]) -> str:
            value = change((match[3] or "").strip())
            return "" if value is None else f"{match[1]}{value}</{match[2]}>"

        text = re.sub(rf"(\s{qualified}\s*=\s*)([\"'])(.*?)\2", attribute, text)
        text = re.sub(rf"(<({qualified})\b(?:[^>/]|/(?!>))*>)(.*?)</\2\s*>", element, text, flags=re.DOTALL)
        text = re.sub(rf"<{qualified}\b[^>]*/>", lambda match: "" if change("") is None else match[0], text)
    return text

"""XMP that stays true when an image has been turned and enlarged."""

import re
from collections.abc import Callable
from functools import partial

TIFF, EXIF, XMP = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/", "http://ns.adobe.com/xap/1.0/"
PANORAMA = "http://ns.google.com/photos/1.0/panorama/"
BEHIND = {
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.google.com/photos/1.0/camera/",
    "http://ns.google.com/photos/1.0/depthmap/",
}
"""What speaks of other images, films and maps behind the image in the same file, which the result has not."""
LONGEST = 1 << 24


def corrected(
    xmp: bytes,
    size: tuple[int, int],
    growth: tuple[float, float],
    dpi: tuple[float, float] | None,
    turned: bool,
) -> tuple[bytes | None, list[str]]:
    """XMP for a result of `size` (height, width), and what of it had to be left out, in words.

    `growth`: how many times as many pixels it has across and down.

    `turned`: the file said how the camera was held, and the pixels are upright now.
    """
    try:
        text = xmp.decode()
    except UnicodeDecodeError:
        text = ""
    if not 0 < len(text) < LONGEST or "<!ENTITY" in text:
        return None, ["XMP, which is damaged"]
    height, width = size
    facts: dict[tuple[str, str], str | None] = {
        (TIFF, "ImageWidth"): str(width),
        (TIFF, "ImageLength"): str(height),
        (EXIF, "PixelXDimension"): str(width),
        (EXIF, "PixelYDimension"): str(height),
        (TIFF, "XResolution"): f"{round(10_000 * dpi[0])}/10000" if dpi else None,
        (TIFF, "YResolution"): f"{round(10_000 * dpi[1])}/10000" if dpi else None,
        (TIFF, "ResolutionUnit"): "2" if dpi else None,
    }
    if turned:
        facts[TIFF, "Orientation"] = "1"
    for (space, name), value in facts.items():
        text = _changed(text, space, name, partial(_said, value))
    lost = []
    without = _changed(text, XMP, "Thumbnails", _left_out)
    if without != text:
        lost.append("the embedded thumbnail")
    text = without
    without = text
    for names, factor in zip((r"\w*(?:Width|Left)Pixels", r"\w*(?:Height|Top)Pixels"), growth, strict=True):
        without = _changed(without, PANORAMA, names, _left_out if turned else partial(_enlarged, factor))
    if turned and without != text:
        lost.append("the place of the image in a panorama (XMP GPano)")
    text = without
    for space in sorted(BEHIND):
        without = _changed(text, space, r"\w+", _left_out)
        if without != text:
            lost.append("what XMP says of other images in the file")
        text = without
    return text.encode(), list(dict.fromkeys(lost))


def _said(value: str | None, _: str) -> str | None:
    return value


def _left_out(_: str) -> None:
    return None


def _enlarged(factor: float, number: str) -> str | None:
    return str(round(factor * int(number))) if number.isdigit() else None


def _changed(text: str, space: str, name: str, change: Callable[[str], str | None]) -> str:
    """Every value of a property, as an attribute or an element, in whatever prefix; None takes it out."""
    prefixes = {
        prefix for prefix, uri in re.findall(r"xmlns:([\w.-]+)\s*=\s*[\"']([^\"']*)[\"']", text) if uri == space
    }
    for prefix in prefixes:
        known = rf"{re.escape(prefix)}:(?:{name})"

        def attribute(found: re.Match[str]) -> str:
            value = change(found[3])
            return "" if value is None else f"{found[1]}{found[2]}{value}{found[2]}"

        def element(found: re.Match[str]) -> str:
            value = change((found[3] or "").strip())
            return "" if value is None else f"{found[1]}{value}</{found[2]}>"

        text = re.sub(rf"(\s{known}\s*=\s*)([\"'])(.*?)\2", attribute, text)
        text = re.sub(rf"(<({known})\b(?:[^>/]|/(?!>))*>)(.*?)</\2\s*>", element, text, flags=re.DOTALL)
        text = re.sub(rf"<{known}\b[^>]*/>", lambda found: "" if change("") is None else found[0], text)
    return text

"""Metadata are correct for the result, or reported as dropped."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, PngImagePlugin

from .conftest import Lossmith

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def gray_profile() -> bytes:
    """An ICC profile of gray values with a gamma of 2.2."""

    def fixed_point(value: float) -> bytes:
        return struct.pack(">i", round(value * 65536))

    white = fixed_point(0.9642) + fixed_point(1) + fixed_point(0.8249)
    tags = [
        (b"desc", b"desc\0\0\0\0" + struct.pack(">I", 5) + b"gray\0" + b"\0" * 78),
        (b"cprt", b"text\0\0\0\0none\0"),
        (b"wtpt", b"XYZ \0\0\0\0" + white),
        (b"kTRC", b"curv\0\0\0\0" + struct.pack(">IH", 1, int(2.2 * 256))),
    ]
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, content in tags:
        padded = content + b"\0" * (-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(padded))
        body += padded
    head = struct.pack(">I", start + len(body)) + b"lcms" + struct.pack(">I", 0x02400000) + b"mntrGRAYXYZ "
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + white
    return head.ljust(128, b"\0") + table + body


@pytest.mark.parametrize("format", ["png", "jpeg", "webp", "tiff"])
@pytest.mark.parametrize("source", ["gray JPEG", "palette PNG"])
def test_the_color_profile_fits_the_pixels_that_are_written(
    source: str, format: str, lossmith: Lossmith, photos: Path, x2: Path
) -> None:
    gray = Image.open(photos / "p0.png").convert("L")
    if source == "gray JPEG":
        gray.save("scan.jpg", icc_profile=gray_profile())
    else:
        gray.convert("P").save("scan.png", icc_profile=gray_profile())
    scan = next(Path().glob("scan.*"))
    outcome = lossmith("restore", scan, "--model", x2, "--out", "out", "--format", format)
    assert outcome.status == 0
    with Image.open(next(Path("out").glob("scan.*"))) as result:
        profile = result.info.get("icc_profile")
        if profile is None:
            assert "profile" in outcome.output
        else:
            mode = "L" if result.mode in ("L", "I;16") else "RGB"
            ImageCms.profileToProfile(
                result.convert(mode), io.BytesIO(profile), ImageCms.createProfile("sRGB"), outputMode="RGB"
            )


def test_ratings_prompts_and_comments_are_kept_or_reported(lossmith: Lossmith, photos: Path, x2: Path) -> None:
    image, exif = Image.open(photos / "p0.png"), Image.Exif()
    exif.get_ifd(0x8769).update({0xA002: 128, 0xA003: 128})
    Path("meta").mkdir()
    image.save("meta/cam.jpg", exif=exif, xmp=XMP, comment=b"hello")
    text = PngImagePlugin.PngInfo()
    text.add_text("parameters", "a castle, Seed: 1")
    image.save("meta/prompt.png", pnginfo=text)
    outcome = lossmith("restore", "meta", "--model", x2, "--out", "out")
    with Image.open("out/cam.png") as result:
        sizes = result.getexif().get_ifd(0x8769)
        assert (sizes[0xA002], sizes[0xA003]) == (256, 256)
    assert b"Rating" in Path("out/cam.png").read_bytes()
    assert b"hello" in Path("out/cam.png").read_bytes() or "comment" in outcome.output
    with Image.open("out/prompt.png") as result:
        assert result.text["parameters"] == "a castle, Seed: 1"  # type: ignore[attr-defined]


def test_a_geotiff_keeps_its_place(lossmith: Lossmith, photos: Path, x2: Path) -> None:
    tags = [
        (33550, "d", 3, (10.0, 10.0, 0.0)),
        (33922, "d", 6, (0, 0, 0, 5e5, 4e6, 0)),
        (34735, "H", 8, (1, 1, 0, 1, 3072, 0, 1, 32632)),
    ]
    tifffile.imwrite("geo.tif", np.asarray(Image.open(photos / "p0.png")), photometric="rgb", extratags=tags)
    assert lossmith("restore", "geo.tif", "--model", x2, "--out", "out", "--format", "tiff").status == 0
    with tifffile.TiffFile("out/geo.tif") as file:
        geo_tags = {tag: file.pages[0].tags[tag].value for tag in (33550, 33922, 34735)}  # type: ignore[union-attr]
    assert geo_tags[33550][:2] == (5.0, 5.0)  # half as large, since there are twice as many
    assert geo_tags[33922] == tags[1][3]
    assert geo_tags[34735] == tags[2][3]
    assert "geo" in lossmith("restore", "geo.tif", "--model", x2, "--out", "png").output.lower()

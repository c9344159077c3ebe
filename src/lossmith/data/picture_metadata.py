"""What files say about their pictures beside the pixels: resolution, and the descriptions of microscopes."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

from lossmith.core.pixel_format import PixelFormat
from lossmith.data.picture_headers import kind_of, read_picture_header
from lossmith.data.reading import TRANSPOSED_ORIENTATIONS, open_image

ResolutionUnit = Literal["none", "inch", "centimeter"]
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT, ORIENTATION = 282, 283, 296, 274
UNITS: dict[int, ResolutionUnit] = {1: "none", 2: "inch", 3: "centimeter"}
METERS: dict[ResolutionUnit, float] = {"inch": 0.0254, "centimeter": 0.01}
TIFFFILE_DESCRIPTION = '{"shape":'
"""The beginning of a description by which tifffile remembers the shape of an array."""
IMAGEJ = "ImageJ="
LAYOUT_OF_IMAGEJ = re.compile(r"^(images|channels|slices|frames|hyperstack)=.*\n", re.MULTILINE)


@dataclass(frozen=True)
class PictureMetadata:
    """What a file says about its picture; `write_picture` writes it again, where PNG or TIFF can hold it."""

    size: tuple[int, int]
    """(height, width) of that picture, upright: one that is written larger gets as many times the resolution."""
    resolution: tuple[float, float] | None = None
    """Pixels per unit, along x and y."""
    unit: ResolutionUnit = "inch"
    """"none" where a description names the unit, as ImageJ's does."""
    description: str = ""
    """Of TIFF: OME-XML, the lines of ImageJ, or any text."""
    paged: bool = False
    """Whether each channel is a page of its own, which OME-XML or ImageJ's lines tell."""

    @property
    def pixels_per_meter(self) -> tuple[int, int] | None:
        if self.resolution is None or self.unit == "none":
            return None
        x, y = (round(value / METERS[self.unit]) for value in self.resolution)
        return (x, y) if 0 < x < 1 << 31 and 0 < y < 1 << 31 else None

    def resized(self, size: tuple[int, int], pixels: PixelFormat) -> "PictureMetadata":
        """The metadata of the same picture in another size, and perhaps with other channels."""
        down, across = (new / old for new, old in zip(size, self.size, strict=True))
        resolution = self.resolution and (self.resolution[0] * across, self.resolution[1] * down)
        description = resized_description(self.description, size, pixels, self.paged)
        paged = self.paged and bool(description)
        return replace(self, size=size, resolution=resolution, description=description, paged=paged)


def resized_description(description: str, size: tuple[int, int], pixels: PixelFormat, paged: bool) -> str:
    """What a TIFF says of the same picture in another size, (height, width), and perhaps with other channels.

    Empty where it no longer holds: damaged OME-XML, or about other channels, and the shape that tifffile notes.
    `paged` says that each channel is a page.
    """
    pages = pixels.channels if paged else 1
    if _is_ome(description):
        return _resized_ome(description, size, pixels, pages)
    if description.startswith(IMAGEJ):
        return _rewritten_imagej(description, pages)
    return "" if description.startswith(TIFFFILE_DESCRIPTION) else description


def _is_ome(description: str) -> bool:
    return description.rstrip().endswith("OME>")


def read_picture_metadata(path: str | Path) -> PictureMetadata:
    """The metadata of a picture.

    Raises LossmithError as `read_picture_header` does.
    """
    path = Path(path)
    size = read_picture_header(path).size
    kind = kind_of(path)
    if kind == "numpy":
        return PictureMetadata(size)
    if kind == "tiff":
        return _metadata_of_tiff(path, size)
    with open_image(path) as image:
        return PictureMetadata(size, _valid_resolution(*image.info.get("dpi", (0, 0))))


def _metadata_of_tiff(path: Path, size: tuple[int, int]) -> PictureMetadata:
    from lossmith.data.tiff_pictures import open_tiff

    with open_tiff(path) as tiff:
        page: Any = tiff.pages[0]
        x, y = (page.tags.valueof(tag, (0, 1)) for tag in (X_RESOLUTION, Y_RESOLUTION))
        unit = UNITS.get(int(page.tags.valueof(RESOLUTION_UNIT, 2)), "none")
        transposed = page.tags.valueof(ORIENTATION, 1) in TRANSPOSED_ORIENTATIONS
        across, down = (value[0] / max(value[1], 1) for value in ((y, x) if transposed else (x, y)))
        text = str(page.description)
        description = "" if text.startswith(TIFFFILE_DESCRIPTION) else text
        by_microscope = _is_ome(description) or description.startswith(IMAGEJ)
        paged = by_microscope and "C" in tiff.series[0].axes
        return PictureMetadata(size, _valid_resolution(across, down), unit, description, paged)


def _valid_resolution(x: Any, y: Any) -> tuple[float, float] | None:
    return (float(x), float(y)) if x > 0 and y > 0 else None


def _resized_ome(description: str, size: tuple[int, int], pixels: PixelFormat, pages: int) -> str:
    """The OME-XML of a picture in another size; empty where it is damaged, or about other channels."""
    try:
        return _rewritten_ome(ElementTree.fromstring(description.encode()), size, pixels, pages)
    except (ElementTree.ParseError, ValueError):
        return ""


def _rewritten_ome(root: ElementTree.Element, size: tuple[int, int], pixels: PixelFormat, pages: int) -> str:
    namespace = root.tag[1 : root.tag.index("}")] if root.tag.startswith("{") else ""
    ElementTree.register_namespace("", namespace)
    inside = f"{{{namespace}}}" if namespace else ""
    elements = root.findall(f".//{inside}Pixels")
    if len(elements) != 1 or int(elements[0].get("SizeC", "0")) != pixels.channels:
        return ""
    element = elements[0]
    for axis, side in zip("YX", size, strict=True):
        old = int(element.get(f"Size{axis}", str(side)))
        element.set(f"Size{axis}", str(side))
        if (length := element.get(f"PhysicalSize{axis}")) and old != side:
            element.set(f"PhysicalSize{axis}", repr(float(length) * old / side))
    element.set("Type", {"float32": "float", "float64": "double"}.get(pixels.dtype, pixels.dtype))
    for data in element.findall(f"{inside}TiffData"):
        element.remove(data)
    element.append(ElementTree.Element(f"{inside}TiffData", {"IFD": "0", "PlaneCount": str(pages)}))
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=False)


def _rewritten_imagej(description: str, pages: int) -> str:
    """ImageJ's lines about a picture whose channels are so many pages."""
    first, _, rest = LAYOUT_OF_IMAGEJ.sub("", description).partition("\n")
    layout = f"images={pages}\nchannels={pages}\nhyperstack=true\n" if pages > 1 else ""
    return f"{first}\n{layout}{rest}"

"""What every configuration of a study made of the same images: the same window of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lossmith.report.crops import Crop, find_crops
from lossmith.report.data import ImageComparison, Pixels
from lossmith.report.images import data_uri
from lossmith.studies.configuration import Configuration

PIXELS = 1_700_000
"""Of all windows on a page together, some 5 megabytes."""
CHOICES = ((3, 128), (2, 112), (1, 48))
"""Images of a benchmark, and the least side that their windows must have for so many of them."""
LARGEST, STEP = 160, 16
JUDGED = 16
"""Results among which the window is chosen where they differ most; more would take long and find the same."""
ORIGINALS = ("original", "target", "reference", "mask")
"""Names of what the results should look like, in order of preference."""

Array = NDArray[np.generic]
Images = Mapping[str, Array]
"""By name of configuration, or of what else is shown, such as "original"."""


@dataclass(frozen=True)
class Picture:
    """One window."""

    name: str
    layer: str
    """The name, for what is no configuration of a network."""
    uri: str


@dataclass(frozen=True)
class PictureGroup:
    """The layers of one network; without a network, what the results are compared with."""

    network: str | None
    random: bool
    pictures: list[Picture]


@dataclass(frozen=True)
class PictureSet:
    """All windows of one image."""

    item: str
    width: int
    height: int
    cropped_from: tuple[int, int] | None
    """Full width and height."""
    groups: list[PictureGroup]

    @property
    def columns(self) -> int:
        """Windows in a row: the layers of a network, or what they are compared with."""
        return max(len(group.pictures) for group in self.groups)


def picture_sets(
    pictures: Mapping[str, Mapping[str, Images]], configurations: Mapping[str, Sequence[Configuration]]
) -> dict[str, list[PictureSet]]:
    """By benchmark, the windows of its first images; fewer and smaller ones where a page would be too heavy.

    `configurations` are those of each benchmark in the order in which they are shown.
    """
    shown = {
        benchmark: {item: images for item, images in of_benchmark.items() if images}
        for benchmark, of_benchmark in pictures.items()
        if benchmark in configurations
    }
    items, side = choice([list(of_benchmark.values()) for of_benchmark in shown.values()])
    return {
        benchmark: [
            picture_set(item, images, configurations[benchmark], side)
            for item, images in list(of_benchmark.items())[:items]
        ]
        for benchmark, of_benchmark in shown.items()
        if of_benchmark
    }


def choice(benchmarks: Sequence[Sequence[Images]]) -> tuple[int, int]:
    """How many images of each benchmark, and the side of their windows."""

    def pixels(items: int, side: int) -> int:
        shapes = [array.shape for images in benchmarks for image in images[:items] for array in image.values()]
        return sum(min(side, height) * min(side, width) for height, width, *_ in shapes)

    options = [(items, side) for items, least in CHOICES for side in range(LARGEST, least - 1, -STEP)]
    return next((option for option in options if pixels(*option) <= PIXELS), options[-1])


def picture_set(item: str, images: Images, configurations: Sequence[Configuration], side: int) -> PictureSet:
    """The window in which the results differ most, from every version of an image."""
    versions = _of_one_size({name: as_rgb(array) for name, array in images.items()})
    height, width = next(iter(versions.values())).shape[:2]
    known = [configuration for configuration in configurations if configuration.network is not None]
    crop = _crop(item, versions, [c.name for c in known if c.name in versions], side)
    inner = (_around(crop.y, crop.side, side, height), _around(crop.x, crop.side, side, width))
    uris = {name: data_uri(image[inner]) for name, image in versions.items()}
    names = {configuration.name for configuration in known}
    others = sorted((name for name in uris if name not in names), key=_precedence)
    groups = [PictureGroup(None, False, [Picture(name, name, uris[name]) for name in others])]
    for network, random in dict.fromkeys((c.network, c.random) for c in known):
        layers = [c for c in known if (c.network, c.random) == (network, random) and c.name in uris]
        groups.append(PictureGroup(network, random, [Picture(c.name, c.layer, uris[c.name]) for c in layers]))
    shown = versions[others[0] if others else next(iter(versions))][inner].shape
    return PictureSet(
        item=item,
        width=shown[1],
        height=shown[0],
        cropped_from=(width, height) if shown[:2] != (height, width) else None,
        groups=[group for group in groups if group.pictures],
    )


def as_rgb(array: Array) -> Pixels:
    """Any 8-bit or 0-to-1 image, (H, W), (H, W, 1) or (H, W, 3), as (H, W, 3) bytes.

    >>> as_rgb(np.full((2, 2), 0.5)).tolist()[0][0], as_rgb(np.array([[True]])).tolist()
    ([128, 128, 128], [[[255, 255, 255]]])
    """
    if array.dtype != np.uint8:
        levels = np.nan_to_num(array.astype(np.float64)).clip(0, 1)
        array = (255 * levels + 0.5).astype(np.uint8)
    channels = array[..., None] if array.ndim == 2 else array
    return np.ascontiguousarray(np.broadcast_to(channels, (*channels.shape[:2], 3)).astype(np.uint8))


def _of_one_size(images: Mapping[str, Pixels]) -> dict[str, Pixels]:
    """Smaller ones, such as an input of low resolution, are enlarged by whole pixels."""
    height, width = (max(image.shape[axis] for image in images.values()) for axis in (0, 1))

    def enlarged(image: Pixels) -> Pixels:
        if image.shape[:2] == (height, width):
            return image
        return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST))

    return {name: enlarged(image) for name, image in images.items()}


def _precedence(name: str) -> int:
    return ORIGINALS.index(name) if name in ORIGINALS else len(ORIGINALS)


def _around(start: int, length: int, side: int, whole: int) -> slice:
    """A window of this side, or the whole image if that is smaller, with a crop in its middle, or near it.

    >>> _around(40, 20, 30, 100), _around(0, 20, 30, 100), _around(6, 20, 30, 26)
    (slice(35, 65, None), slice(0, 30, None), slice(0, 26, None))
    """
    first = min(max(0, start + length // 2 - side // 2), max(0, whole - side))
    return slice(first, min(first + side, whole))


def _crop(item: str, versions: Mapping[str, Pixels], results: Sequence[str], side: int) -> Crop:
    """Where the results differ most from each other."""
    others = sorted((name for name in versions if name not in results), key=_precedence)
    target = versions[others[0] if others else results[0]]
    judged = (
        [results[i] for i in np.unique(np.linspace(0, len(results) - 1, JUDGED).astype(int))] if results else []
    )
    comparison = ImageComparison(item, target, versions[(others or results)[-1]], {n: versions[n] for n in judged})
    return find_crops(comparison, side)[0]


__all__ = ["Images", "Picture", "PictureGroup", "PictureSet", "as_rgb", "picture_set", "picture_sets"]

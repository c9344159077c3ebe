"""Pictures and the masks of the structures in them: which files belong together, and how they are read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.data import find_images, image_size, read_image

LAYOUTS = (
    "the folders images and masks with files of equal names, or folders train and test that have both, or the "
    "Massachusetts Roads' tiff/train, tiff/train_labels, tiff/test and tiff/test_labels"
)
MASK_FOLDERS = ("masks", "labels")
HELD_OUT = 5
"""Without a folder of test pictures, one in so many is for the test: the first, the sixth ..."""
GRAYS = 0.05
"""The most pixels of a mask, as a fraction, that may be neither dark nor bright; JPEG makes some at edges."""


@dataclass(frozen=True)
class Pair:
    """A picture and its mask."""

    name: str
    image: Path
    mask: Path

    def read(self, bright: bool) -> tuple[Tensor, Tensor]:
        """The picture, uint8 (3, H, W), and where its structures are, bool (1, H, W)."""
        return read_image(self.image), read_annotation(self.mask) == bright


@dataclass(frozen=True)
class DelineationData:
    """Pictures to train on and to test with, and how their masks are read."""

    train: tuple[Pair, ...]
    test: tuple[Pair, ...]
    bright: bool
    """Whether structures are bright in the masks; they are what covers fewer pixels."""
    fingerprint: dict[str, str]


def open_pairs(folder: Path, min_side: int) -> DelineationData:
    """The data in a folder.

    Parameters
    ----------
    folder
        In one of three layouts, see `LAYOUTS`; `labels` is taken for `masks`. Without a test folder every fifth
        picture, from the first on, is held out. The validation pictures of the Massachusetts Roads are not used.
    min_side
        The least height and width of a picture in pixels.

    Raises
    ------
    LossmithError
        For another layout, for a picture without a mask, a mask of another size or with more than two values,
        pictures that are too small, and masks without a structure.
    """
    train, test = _split(folder)
    bright_pixels = pixels = 0
    drawn: dict[Path, float] = {}
    for pair in (*train, *test):
        mask = _checked_mask(pair, min_side)
        count = int(mask.sum())
        drawn[pair.mask] = count / mask.numel()
        bright_pixels, pixels = bright_pixels + count, pixels + mask.numel()
    bright = 2 * bright_pixels <= pixels
    for kind, pairs in (("train on", train), ("test with", test)):
        if all(drawn[pair.mask] == (not bright) for pair in pairs):
            value = "black" if bright else "white"
            raise LossmithError(
                f"the masks of all {len(pairs)} pictures to {kind} in '{folder}' are {value}; draw the structures "
                f"in {'white' if bright else 'black'}"
            )
    files = (path for pair in (*train, *test) for path in (pair.image, pair.mask))
    fingerprint = {path.relative_to(folder).as_posix(): sha256_of(path) for path in files}
    return DelineationData(tuple(train), tuple(test), bright, fingerprint)


def read_annotation(path: Path) -> Tensor:
    """Where a mask is bright, bool (1, H, W): at half of the range and above, in any channel.

    Masks of 0 and 1 are read like those of 0 and 255.

    Raises LossmithError for a mask that has other values, except for some grays of JPEG.
    """
    values = read_image(path).amax(0, keepdim=True)
    top = int(values.max())
    grays = float(((values >= 64) & (values < 192)).float().mean())
    if 1 < top < 128 or grays > GRAYS:
        raise LossmithError(f"mask '{path}' has more than two values; save it in black and white")
    return values == 1 if top == 1 else values >= 128


def _split(folder: Path) -> tuple[list[Pair], list[Pair]]:
    if not folder.is_dir():
        raise LossmithError(f"'{folder}' is not a folder; delineation needs {LAYOUTS}")
    tiff = folder / "tiff" if (folder / "tiff").is_dir() else folder
    if (tiff / "train_labels").is_dir():
        train, test = (_pairs(tiff / part, tiff / f"{part}_labels") for part in ("train", "test"))
    elif (folder / "train").is_dir():
        train, test = (_pairs(folder / part / "images", _mask_folder(folder / part)) for part in ("train", "test"))
    else:
        pairs = _pairs(folder / "images", _mask_folder(folder))
        if len(pairs) < 2:
            raise LossmithError(f"'{folder}' holds one picture, and delineation needs another one to test with")
        test = pairs[::HELD_OUT]
        train = [pair for pair in pairs if pair not in test]
    return train, test


def _mask_folder(folder: Path) -> Path:
    return next((folder / name for name in MASK_FOLDERS if (folder / name).is_dir()), folder / MASK_FOLDERS[0])


def _pairs(images: Path, masks: Path) -> list[Pair]:
    for folder in (images, masks):
        if not folder.is_dir():
            raise LossmithError(f"there is no folder '{folder}'; delineation needs {LAYOUTS}")
    mask_of = _by_stem(find_images(masks))
    pairs = []
    for name, path in _by_stem(find_images(images)).items():
        if name not in mask_of:
            raise LossmithError(f"picture '{path}' has no mask in '{masks}'; add one of the same name")
        pairs.append(Pair(name, path, mask_of[name]))
    return pairs


def _by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    by_stem: dict[str, Path] = {}
    for path in paths:
        if (other := by_stem.setdefault(path.stem, path)) != path:
            raise LossmithError(f"'{other}' and '{path.name}' differ in their suffix only; remove one of them")
    return by_stem


def _checked_mask(pair: Pair, min_side: int) -> Tensor:
    mask, (height, width) = read_annotation(pair.mask), image_size(pair.image)
    if mask.shape[1:] != torch.Size((height, width)):
        size = " x ".join(map(str, mask.shape[1:]))
        raise LossmithError(
            f"mask '{pair.mask}' has {size} pixels and its picture {height} x {width}; they must be equal"
        )
    if min(height, width) < min_side:
        raise LossmithError(
            f"picture '{pair.image}' has {height} x {width} pixels, and delineation needs at least {min_side} x "
            f"{min_side}; take it away or choose a smaller `scale`"
        )
    return mask


__all__ = ["DelineationData", "Pair", "open_pairs", "read_annotation"]

"""The images of a study: which to train on and which to test on, found, decoded and degraded."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from lossmith.core.errors import LossmithError
from lossmith.core.files import sha256_of
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat, describe_channels
from lossmith.data.folders import find_images, is_pattern
from lossmith.data.options import Data
from lossmith.data.pairing import common_scale, pair_folders
from lossmith.data.picture_headers import PictureHeaders, read_picture_headers
from lossmith.data.picture_reader import RGB_READER, PictureReader
from lossmith.data.pixel_choice import check_pictures, choose_pixels, common_type
from lossmith.data.range_use import range_remarks
from lossmith.data.samples import sample_images
from lossmith.data.selection import evenly_spread
from lossmith.data.storage import choose_storage
from lossmith.data.test_pairs import ImagePair, image_names, load_test_pairs, make_test_pairs
from lossmith.data.training_images import TrainingImages, degraded_images, paired_images
from lossmith.degradations import Degradation, DegradationLike, degradation

HOLD_OUT_EVERY = 5
"""Without test images, every fifth training image is held out."""


@dataclass(frozen=True)
class PreparedData:
    """The images of a study, decoded and degraded."""

    source: TrainingImages
    test_pairs: Sequence[ImagePair]
    degradation: str
    """The expression of the degradation; for given pairs, "pairs of" and the name of their folder."""
    fingerprint: dict[str, Any]
    """For the receipt: the SHA-256 of every file by its name, `training_images` and `test_images`. Where there are
    any, those of masks by the name of their image, `training_masks` and `test_masks`; `nan`, if it is "mask"; and
    `pixels`, if they are not 8-bit RGB."""
    remarks: tuple[str, ...] = ()
    """Sentences about content of the files that is not used."""
    pixels: PixelFormat = RGB_8BIT
    """The format of all images."""
    untested: int = 0
    """How many test images `Data.test_limit` left out."""


def prepare_data(data: Data, expression: DegradationLike | None, beside: Path = Path()) -> PreparedData:
    """Find, decode and degrade all images of a study.

    Parameters
    ----------
    data
        The images.
    expression
        The degradation; None for given pairs, and for the default, jpeg.
    beside
        The folder of the results. Images that do not fit into memory are decoded onto its disk.

    Raises
    ------
    LossmithError
        For images that are missing, unreadable, unpaired, in both training and test, or in the folder of the
        results.
    """
    if data.clean is not None and data.degraded is not None:
        if expression is not None:
            raise LossmithError("pairs of your own are degraded already; leave `degradation` out")
        return _prepare_given_pairs(data, data.clean, data.degraded, beside)
    kind = degradation(expression or "jpeg")
    test_images = None if data.test is None else find_images(data.test, data.recursive)
    if data.images is not None:
        train, tests = _split(find_images(data.images, data.recursive), test_images)
    else:
        train, tests = sample_images("train"), test_images or sample_images("test")
    used = _limited(tests, data.test_limit)
    _refuse_images_in([*train, *used], beside)
    headers = read_picture_headers([*train, *used])
    reader, remarks = _choose_reader(data, headers, train, used)
    fingerprint = _fingerprint(train, used, reader)
    storage = choose_storage(headers.of(train), headers.of(used), kind, kind.scale, beside, reader)
    return PreparedData(
        degraded_images(train, kind, storage=storage, reader=reader),
        make_test_pairs(used, kind, storage=storage, reader=reader),
        str(kind),
        fingerprint,
        headers.remarks + remarks,
        reader.pixels,
        untested=len(tests) - len(used),
    )


def _prepare_given_pairs(data: Data, clean: Path, degraded: Path, beside: Path) -> PreparedData:
    def paired(clean: Path, degraded: Path) -> list[tuple[Path, Path]]:
        return pair_folders(clean, degraded, data.pair, data.recursive)

    held_out = paired(data.test[0], data.test_degraded) if data.test and data.test_degraded else None
    train, tests = _split(paired(clean, degraded), held_out)
    if (scale := common_scale(train)) != common_scale(tests):
        raise LossmithError(f"training pairs have scale {scale} and test pairs {common_scale(tests)}")
    used = _limited(tests, data.test_limit)
    train_files, test_files = ([file for pair in pairs for file in pair] for pairs in (train, used))
    _refuse_images_in([*train_files, *test_files], beside)
    headers = read_picture_headers([*train_files, *test_files])
    if data.channels == "auto":
        _refuse_other_channels(headers, [*train, *used])
    originals, test_originals = ([clean for clean, _ in pairs] for pairs in (train, used))
    inputs = [degraded for _, degraded in (*train, *used)]
    reader, remarks = _choose_reader(data, headers, originals, test_originals, inputs)
    fingerprint = _fingerprint(train_files, test_files, reader)
    sizes, test_sizes = headers.of(originals), headers.of(test_originals)
    storage = choose_storage(sizes, test_sizes, None, scale, beside, reader)
    return PreparedData(
        paired_images(train, storage=storage, reader=reader),
        load_test_pairs(used, storage=storage, reader=reader),
        f"pairs of {(degraded.parent if is_pattern(degraded) else degraded).name}",
        fingerprint,
        headers.remarks + remarks,
        reader.pixels,
        untested=len(tests) - len(used),
    )


def prepare_test_images(
    paths: Sequence[Path], kind: Degradation, beside: Path, reader: PictureReader = RGB_READER
) -> Sequence[ImagePair]:
    """Decode and degrade test images, stored in memory or beside the results."""
    sizes = read_picture_headers(paths).of(paths)
    storage = choose_storage([], sizes, kind, kind.scale, beside, reader)
    return make_test_pairs(paths, kind, storage=storage, reader=reader)


def prepare_test_pairs(
    pairs: Sequence[tuple[Path, Path]], beside: Path, reader: PictureReader = RGB_READER
) -> Sequence[ImagePair]:
    """Decode given test pairs, (clean, degraded), stored in memory or beside the results."""
    headers = read_picture_headers([file for pair in pairs for file in pair])
    sizes = headers.of([clean for clean, _ in pairs])
    storage = choose_storage([], sizes, None, common_scale(pairs), beside, reader)
    return load_test_pairs(pairs, storage=storage, reader=reader)


def _choose_reader(
    data: Data,
    headers: PictureHeaders,
    train: Sequence[Path],
    tests: Sequence[Path],
    degraded: Sequence[Path] = (),
) -> tuple[PictureReader, tuple[str, ...]]:
    """How the images of a study are read, and remarks about those that are converted, and about their range.

    The format is that of the clean training images. The sample photographs, some of which are gray, are RGB.
    """
    samples = data.images is None and data.clean is None
    convert = data.channels != "auto"
    others = [*tests, *degraded]
    common_type(headers, [train[0], *others])
    if samples and not convert and data.range == "auto":
        pixels, remarks = RGB_8BIT, check_pictures(headers, RGB_8BIT, others, convert=False)
    else:
        channels = 3 if samples and not convert else data.channels
        pixels, remarks = choose_pixels(train, channels, data.range, headers=headers, nan=data.nan, others=others)
    reader = PictureReader.with_masks(pixels, [*train, *tests], data.mask, data.nan)
    return reader, remarks + range_remarks(train, reader, chosen=data.range != "auto")


def _refuse_other_channels(headers: PictureHeaders, pairs: Sequence[tuple[Path, Path]]) -> None:
    """Raise LossmithError for a pair of which one is gray and the other RGB, and the like."""
    for pair in pairs:
        kinds = [describe_channels(headers.pictures[path].channels) for path in pair]
        if kinds[0] != kinds[1]:
            raise LossmithError(
                f"'{pair[0]}' is {kinds[0]} and its degraded image '{pair[1]}' is {kinds[1]}; convert one, or say "
                "`channels=1` or `channels=3`, which converts gray and RGB"
            )


Item = TypeVar("Item", Path, tuple[Path, Path])


def _split(items: list[Item], tests: list[Item] | None) -> tuple[list[Item], list[Item]]:
    """(training, test) images; without given test images every fifth is held out."""
    if tests is not None:
        return items, tests
    if len(items) < 2:
        raise LossmithError(
            "one image is too few to train and to test with; add images, or name others with `test`"
        )
    tests = items[HOLD_OUT_EVERY - 1 :: HOLD_OUT_EVERY] or items[-1:]
    return [item for item in items if item not in tests], tests


def _limited(tests: list[Item], limit: int | None) -> list[Item]:
    return tests if limit is None else evenly_spread(tests, limit)


def _refuse_images_in(images: Sequence[Path], out: Path) -> None:
    """Raise LossmithError for images in the folder of results, which the next run would take for images."""
    if inside := next((path for path in images if path.parent.resolve() == out.resolve()), None):
        raise LossmithError(f"'{inside}' lies in '{out}', the folder of what is to be made; choose another `out`")


def _fingerprint(
    train: Sequence[Path], tests: Sequence[Path], reader: PictureReader = RGB_READER
) -> dict[str, Any]:
    """The SHA-256 of every file; raises LossmithError for a test image that is also a training image."""
    digests = {path: sha256_of(path) for path in (*train, *tests)}
    known = {digests[path]: path for path in train}
    for path in tests:
        if digests[path] in known:
            raise LossmithError(f"test image '{path}' is also trained on, as '{known[digests[path]]}'")
    entries: dict[str, Any] = {
        "training_images": dict(zip(image_names(train), (digests[path] for path in train), strict=True)),
        "test_images": dict(zip(image_names(tests), (digests[path] for path in tests), strict=True)),
        **reader.pixels.receipt_entries,
    }
    for name, paths in (("training_masks", train), ("test_masks", tests)):
        masks = zip(image_names(paths), (reader.masks.get(path) for path in paths), strict=True)
        if digests_of_masks := {image: sha256_of(mask) for image, mask in masks if mask}:
            entries[name] = digests_of_masks
    return entries if reader.nan == "refuse" else {**entries, "nan": reader.nan}

"""Finding image files: named ones, those in folders, and those that match patterns."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lossmith.core.errors import LossmithError, and_more
from lossmith.core.files import path_list
from lossmith.data.folder_checks import TO_PNG, foreign_format, refuse_missing, report_unused

SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".pbm"),
    ".npy",
)
"""Suffixes of images, in upper or lower case."""
UNREADABLE_SUFFIXES = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".exr", ".hdr", ".pfm", ".dcm")
"""Suffixes of images that cannot be read and are refused; raw files of cameras are only reported."""


def find_images(paths: str | Path | Iterable[str | Path], recursive: bool = False) -> list[Path]:
    """The images of files, folders and patterns such as `photos/*.png`, each once, in order.

    Hidden files and folders are left out. The images of a folder are in natural order, 2.png before 10.png.

    Parameters
    ----------
    paths
        Files, folders or patterns.
    recursive
        Search folders within folders too. Links to folders are never followed, as they may lead in circles.

    Raises
    ------
    LossmithError
        For a path that does not exist, for a folder or pattern without images or with some that cannot be read,
        and for names that are not UTF-8.
    """
    return list(find_image_places(paths, recursive))


def find_image_places(paths: str | Path | Iterable[str | Path], recursive: bool = False) -> dict[Path, Path]:
    """The images of `find_images`, each with its place: its path below the folder that was searched.

    For a pattern, that folder is the part before the first wildcard. The place of an image that was named itself
    is its file name.
    """
    places: dict[Path, Path] = {}
    for path in path_list(paths):
        for image, place in _expand(path, recursive).items():
            places.setdefault(image, place)
    if not places:
        raise LossmithError("no images were given")
    _refuse_undecodable_names(places)
    return places


def single_image(path: Path) -> Path:
    """The image at a path, or the only one that matches a pattern.

    Raises LossmithError for a pattern that matches none or several.
    """
    if not is_pattern(path):
        return path
    images = find_images(path)
    if len(images) > 1:
        raise LossmithError(f"'{path}' matches {and_more(images)}; name a single image")
    return images[0]


def is_pattern(path: Path) -> bool:
    """Whether a path has wildcards and does not itself exist."""
    return any(wildcard in str(path) for wildcard in "*?[") and not path.exists()


def unique_names(places: Mapping[Path, Path]) -> dict[Path, str]:
    """A unique name for each image of `find_image_places`: its place, with its suffix only where needed.

    If images of several folders have the same place, all names are relative to the folder that contains them all.

    >>> [*unique_names({p: p for p in map(Path, ["a.png", "b.png", "b.jpg", "c/a.png"])}).values()]
    ['a', 'b.png', 'b.jpg', 'c/a']
    """
    if len(set(places.values())) < len(places):
        absolute = {image: Path(os.path.abspath(image)) for image in places}
        common = os.path.commonpath([path.parent for path in absolute.values()])
        places = {image: path.relative_to(common) for image, path in absolute.items()}
    names = {image: place.with_suffix("").as_posix() for image, place in places.items()}
    while True:  # repeat, since a name with its suffix may equal another's without
        counts = Counter(name.casefold() for name in names.values())  # some file systems ignore case
        longer = {
            image: place.as_posix()
            for image, place in places.items()
            if counts[names[image].casefold()] > 1 and names[image] != place.as_posix()
        }
        if not longer:
            return names
        names |= longer


def _expand(path: Path, recursive: bool) -> dict[Path, Path]:
    """The images of one file, folder or pattern, and their places."""
    if path.is_file():
        return {path: Path(path.name)}
    if is_pattern(path):
        root, images = _expand_pattern(path, recursive)
    elif path.is_dir():
        root, images = path, _images_in(path, recursive)
    elif path.is_symlink():
        raise LossmithError(f"'{path}' is a link to '{path.readlink()}', which does not exist")
    else:
        raise LossmithError(f"'{path}' does not exist")
    return {image: _place_below(root, image) for image in images}


def _place_below(root: Path, image: Path) -> Path:
    """The path of an image below a folder; its file name, if a pattern has led out of the folder by `..`."""
    place = Path(os.path.normpath(image.relative_to(root)))
    return Path(image.name) if ".." in place.parts else place


def _expand_pattern(pattern: Path, recursive: bool) -> tuple[Path, list[Path]]:
    """The folder before the first wildcard, and the images that match, or else those in folders that match."""
    fixed = next(i for i in range(len(pattern.parts)) if is_pattern(Path(*pattern.parts[: i + 1])))
    root, rest = Path(*pattern.parts[:fixed]), Path(*pattern.parts[fixed:])
    try:
        matches = sorted(root.glob(str(rest)), key=lambda path: [natural_key(part) for part in path.parts])
    except (ValueError, NotImplementedError) as error:
        raise LossmithError(f"'{pattern}' is not a valid pattern: {error}") from error
    if not _is_hidden(rest):
        matches = [path for path in matches if not _is_hidden(path.relative_to(root))]
    if not matches:
        raise LossmithError(f"no file matches '{pattern}'")
    refuse_missing(root, matches, (*SUFFIXES, *UNREADABLE_SUFFIXES))
    files = [path for path in matches if path.is_file()] or [
        path for folder in matches for path in _list_folder(folder, recursive)
    ]
    images = _select_images(files)
    if not images:
        raise LossmithError(f"no file that matches '{pattern}' is an image ({' '.join(SUFFIXES)})")
    report_unused(root, files, images, recursive)
    return root, list(dict.fromkeys(images))


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts)


def _images_in(folder: Path, recursive: bool) -> list[Path]:
    inside = list(_list_folder(folder, recursive))
    images = _select_images(inside)
    if not images:
        deeper = not recursive and any(path.is_dir() for path in inside)
        within = "; folders within it are not searched without `recursive`" if deeper else ""
        raise LossmithError(f"folder '{folder}' holds no images ({' '.join(SUFFIXES)}){within}")
    report_unused(folder, inside, images, recursive)
    return images


def _list_folder(folder: Path, recursive: bool) -> Iterator[Path]:
    """What is visible in a folder, in natural order, then in the folders within it if `recursive`."""
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise LossmithError(f"folder '{folder}' cannot be read: {error.strerror or error}") from error
    inside.sort(key=lambda path: natural_key(path.name))
    refuse_missing(folder, inside, (*SUFFIXES, *UNREADABLE_SUFFIXES))
    yield from inside
    for path in inside if recursive else ():
        if path.is_dir() and not path.is_symlink():
            yield from _list_folder(path, recursive)


def _select_images(paths: Iterable[Path]) -> list[Path]:
    """The files with suffixes of images; raises LossmithError for images that cannot be read."""
    files = [path for path in paths if path.is_file()]
    if unreadable := [path for path in files if path.suffix.lower() in UNREADABLE_SUFFIXES]:
        reason = foreign_format(unreadable[0]) or f"cannot be read; {TO_PNG}"
        raise LossmithError(f"'{unreadable[0].name}' in '{unreadable[0].parent}' {reason}, or take it away")
    return [path for path in files if path.suffix.lower() in SUFFIXES]


def _refuse_undecodable_names(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            raise LossmithError(f"the name of image {str(path)!a} is not text in UTF-8; rename it") from error


def natural_key(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Sort key: digits compare as numbers and come before letters; case counts only between equal names."""
    parts = re.findall(r"\d+|\D+", name)
    keys = [(False, int(part), "") if part.isdecimal() else (True, 0, part.casefold()) for part in parts]
    return keys, name

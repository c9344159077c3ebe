"""Which images are meant: files, folders, and patterns that no shell has filled in."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from lossmith.core.errors import LossmithError, and_more
from lossmith.data.folder_checks import refuse_missing, report_unused

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".pbm")
"""Files with these endings, in any case, are images."""
UNREADABLE_SUFFIXES = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".exr", ".hdr")
"""Images that are refused, not passed over in silence; only a camera's raw files, beside its images, are."""


def find_images(paths: str | Path | Iterable[str | Path], recursive: bool = False) -> list[Path]:
    """The images that are meant by files, folders and patterns such as `photos/*.png`, in turn.

    Folders within a folder are searched if `recursive`; links to folders never are, as they may lead anywhere,
    also in circles. Hidden files and folders are left out. A folder's images come in natural order, 2.png before
    10.png. An image that is meant twice comes once.

    Raises LossmithError for a path that does not exist, for a folder or pattern without images or with some that
    cannot be read, and for names that are not text.
    """
    return list(find_image_places(paths, recursive))


def find_image_places(paths: str | Path | Iterable[str | Path], recursive: bool = False) -> dict[Path, Path]:
    """The images that `find_images` finds, and where each lies below the folder that was searched for it.

    For a pattern, that is the folder before its first sign; an image that is named itself lies nowhere but there.
    """
    found: dict[Path, Path] = {}
    for path in [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]:
        for image, place in _expand(path, recursive).items():
            found.setdefault(image, place)
    if not found:
        raise LossmithError("no images were given")
    _refuse_undecodable_names(found)
    return found


def single_image(path: Path) -> Path:
    """The image that is meant by a file, or by a pattern that fits one only.

    Raises LossmithError for a pattern that fits none or several.
    """
    if not is_pattern(path):
        return path
    found = find_images(path)
    if len(found) > 1:
        raise LossmithError(f"'{path}' fits {and_more(found)}, and one image is asked for")
    return found[0]


def is_pattern(path: Path) -> bool:
    """Whether a path is to be filled in. What exists under this very name is no pattern."""
    return any(sign in str(path) for sign in "*?[") and not path.exists()


def unique_names(places: Mapping[Path, Path]) -> dict[Path, str]:
    """A unique name for each image of `find_image_places`: its place, with its suffix only where needed.

    Where images of several folders lie at one place, all places are below the folder that they have in common.

    >>> [*unique_names({p: p for p in map(Path, ["a.png", "b.png", "b.jpg", "c/a.png"])}).values()]
    ['a', 'b.png', 'b.jpg', 'c/a']
    """
    if len(set(places.values())) < len(places):
        whole = {image: Path(os.path.abspath(image)) for image in places}
        common = os.path.commonpath([path.parent for path in whole.values()])
        places = {image: path.relative_to(common) for image, path in whole.items()}
    names = {image: place.with_suffix("").as_posix() for image, place in places.items()}
    while True:  # again, since what has got its ending back may be the bare name of another
        taken = Counter(name.casefold() for name in names.values())  # some file systems see no case
        longer = {
            image: place.as_posix()
            for image, place in places.items()
            if taken[names[image].casefold()] > 1 and names[image] != place.as_posix()
        }
        if not longer:
            return names
        names |= longer


def _expand(path: Path, recursive: bool) -> dict[Path, Path]:
    if path.is_file():
        return {path: Path(path.name)}
    if is_pattern(path):
        root, images = _expand_pattern(path, recursive)
    elif path.is_dir():
        root, images = path, _images_in(path, recursive)
    elif path.is_symlink():
        raise LossmithError(f"'{path}' is a link to '{path.readlink()}', which is not there")
    else:
        raise LossmithError(f"'{path}' does not exist")
    return {image: _place_below(root, image) for image in images}


def _place_below(root: Path, image: Path) -> Path:
    """An image's place in a folder; a pattern may lead out of it again."""
    place = Path(os.path.normpath(image.relative_to(root)))
    return Path(image.name) if ".." in place.parts else place


def _expand_pattern(pattern: Path, recursive: bool) -> tuple[Path, list[Path]]:
    """The folder before the first sign of a pattern, and what matches: images, or else folders' images."""
    fixed = next(i for i in range(len(pattern.parts)) if is_pattern(Path(*pattern.parts[: i + 1])))
    root, rest = Path(*pattern.parts[:fixed]), Path(*pattern.parts[fixed:])
    try:
        found = sorted(root.glob(str(rest)), key=lambda path: [_natural(part) for part in path.parts])
    except (ValueError, NotImplementedError) as error:
        raise LossmithError(f"'{pattern}' is no pattern: {error}") from error
    if not _hidden(rest):
        found = [path for path in found if not _hidden(path.relative_to(root))]
    if not found:
        raise LossmithError(f"no file matches '{pattern}'")
    refuse_missing(root, found, (*SUFFIXES, *UNREADABLE_SUFFIXES))
    files = [path for path in found if path.is_file()] or [
        path for each in found for path in _list_folder(each, recursive)
    ]
    images = _select_images(files)
    if not images:
        raise LossmithError(f"what matches '{pattern}' are no images ({' '.join(SUFFIXES)})")
    report_unused(root, files, images, recursive)
    return root, list(dict.fromkeys(images))


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") and part not in (".", "..") for part in path.parts)


def _images_in(folder: Path, recursive: bool) -> list[Path]:
    inside = list(_list_folder(folder, recursive))
    images = _select_images(inside)
    if not images:
        deeper = not recursive and any(path.is_dir() for path in inside)
        within = "; folders within it are not searched without --recursive" if deeper else ""
        raise LossmithError(f"folder '{folder}' holds no images ({' '.join(SUFFIXES)}){within}")
    report_unused(folder, inside, images, recursive)
    return images


def _list_folder(folder: Path, recursive: bool) -> Iterator[Path]:
    """What is seen in a folder, in natural order, and then what is in the folders within it."""
    try:
        inside = [path for path in folder.iterdir() if not path.name.startswith(".")]
    except OSError as error:
        raise LossmithError(f"folder '{folder}' cannot be read: {error.strerror or error}") from error
    inside.sort(key=lambda path: _natural(path.name))
    refuse_missing(folder, inside, (*SUFFIXES, *UNREADABLE_SUFFIXES))
    yield from inside
    for path in inside if recursive else ():
        if path.is_dir() and not path.is_symlink():
            yield from _list_folder(path, recursive)


def _select_images(paths: Iterable[Path]) -> list[Path]:
    files = [path for path in paths if path.is_file()]
    if unread := [path for path in files if path.suffix.lower() in UNREADABLE_SUFFIXES]:
        where = f"'{unread[0].name}' in '{unread[0].parent}'"
        raise LossmithError(f"{where} cannot be read; convert it to PNG, or take it away")
    return [path for path in files if path.suffix.lower() in SUFFIXES]


def _refuse_undecodable_names(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            raise LossmithError(f"the name of image {str(path)!a} is not text in UTF-8; rename it") from error


def _natural(name: str) -> tuple[list[tuple[bool, int, str]], str]:
    """Digits compare as numbers and come before letters, whose case does not matter; a draw is decided by it."""
    parts = re.findall(r"\d+|\D+", name)
    keys = [(False, int(part), "") if part.isdecimal() else (True, 0, part.casefold()) for part in parts]
    return keys, name

"""Which pictures are meant."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from lossmith.errors import LossmithError
from lossmith.images.leftovers import refuse_lost, tell_others
from lossmith.images.reading import picture_size

SUFFIXES = (".png", ".jpg", ".jpeg", ".jfif", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".ppm", ".pgm", ".pbm")
"""Files with these endings, in any case, are pictures."""
NOT_READ = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".exr", ".hdr")
"""Pictures that are refused, not passed over in silence; only a camera's raw files, beside its pictures, are."""


def find_pictures(paths: str | Path | Iterable[str | Path]) -> list[Path]:
    """The pictures in a folder (not in folders within it), or those of several folders and files, in turn.

    Hidden files are left out. A folder's pictures come in natural order, 2.png before 10.png. A picture that is
    meant twice comes once.

    Raises LossmithError for a path that does not exist, for a folder without pictures or with some that cannot be
    read, and for names that are not text.
    """
    found: dict[Path, None] = {}
    for path in [Path(paths)] if isinstance(paths, str | Path) else [Path(path) for path in paths]:
        if path.is_file():
            found[path] = None
        elif path.is_dir():
            found.update(dict.fromkeys(_pictures_in(path)))
        elif path.is_symlink():
            raise LossmithError(f"'{path}' is a link to '{path.readlink()}', which is not there")
        else:
            raise LossmithError(f"'{path}' does not exist")
    if not found:
        raise LossmithError("no pictures were given")
    _refuse_undecoded(found)
    return list(found)


def pair_folders(clean: str | Path, degraded: str | Path) -> list[tuple[Path, Path]]:
    """The pictures of two folders that belong together: (clean, degraded), in natural order.

    `baby.png` belongs to `baby.png`, `baby.jpg` or, as DIV2K names them, `babyx4.png`. The clean picture must be
    larger by the same whole scale throughout; its last rows and columns may be left over when its size is no
    multiple of the scale.

    Raises LossmithError for a missing or empty folder, pictures without a partner (naming up to three), two
    pictures of one name, and sizes that do not fit.
    """
    if Path(clean).resolve() == Path(degraded).resolve():
        raise LossmithError(f"'{clean}' is given for both the clean and the degraded pictures; name two folders")
    sides = [_by_stem(folder) for folder in (Path(clean), Path(degraded))]
    partners = {stem: _partner(stem, sides[0]) for stem in sides[1]}
    met = set(partners.values())
    _refuse_single([stem for stem in sides[0] if stem not in met], clean, degraded)
    _refuse_single([stem for stem, partner in partners.items() if partner is None], degraded, clean)
    pairs: dict[Path, Path] = {}
    for stem, partner in partners.items():
        first = sides[0][partner or ""]
        if first in pairs:
            names = f"'{pairs[first].name}' and '{sides[1][stem].name}'"
            raise LossmithError(f"{names} in '{degraded}' both belong to '{first.name}'; remove one")
        pairs[first] = sides[1][stem]
    common_scale(list(pairs.items()))
    return [(picture, pairs[picture]) for picture in sides[0].values()]


def common_scale(pairs: Sequence[tuple[Path, Path]]) -> int:
    """By which whole number the clean pictures are larger than the degraded ones, all of them."""
    scale = 0
    for clean, degraded in pairs:
        (height, width), (h, w) = picture_size(clean), picture_size(degraded)
        scale = scale or max(width // w, 1)
        if (height // scale, width // scale) != (h, w):
            sizes = f"'{clean}' has {height}x{width} pixels and '{degraded}' has {h}x{w}"
            raise LossmithError(f"{sizes}, which does not fit the scale {scale}" + _whence(pairs, clean))
        named = re.fullmatch(re.escape(clean.stem) + r"x(\d+)", degraded.stem)
        if named and clean.stem != degraded.stem and int(named[1]) != scale:
            raise LossmithError(
                f"'{degraded}' is named for scale {named[1]}, but its clean picture is {scale} times larger"
            )
    return scale


def _whence(pairs: Sequence[tuple[Path, Path]], clean: Path) -> str:
    return "" if clean == pairs[0][0] else f" of the first pair, '{pairs[0][0].name}'"


def _pictures_in(folder: Path) -> list[Path]:
    try:
        inside = sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=_natural)
    except OSError as error:
        raise LossmithError(f"folder '{folder}' cannot be read: {error.strerror or error}") from error
    refuse_lost(folder, inside, (*SUFFIXES, *NOT_READ))
    files = [path for path in inside if path.is_file()]
    if unread := [path.name for path in files if path.suffix.lower() in NOT_READ]:
        raise LossmithError(f"'{unread[0]}' in '{folder}' cannot be read; convert it to PNG, or take it away")
    pictures = [path for path in files if path.suffix.lower() in SUFFIXES]
    if not pictures:
        within = "; folders within it are not searched" if len(files) < len(inside) else ""
        raise LossmithError(f"folder '{folder}' holds no pictures ({' '.join(SUFFIXES)}){within}")
    tell_others(folder, inside, pictures)
    return pictures


def _refuse_undecoded(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            str(path).encode()
        except UnicodeEncodeError as error:
            raise LossmithError(f"the name of picture {str(path)!a} is not text in UTF-8; rename it") from error


def _natural(path: Path) -> tuple[list[tuple[bool, int, str]], str]:
    """Digits compare as numbers and come before letters, whose case does not matter; a draw is decided by it."""
    parts = re.findall(r"\d+|\D+", path.name)
    keys = [(False, int(part), "") if part.isdecimal() else (True, 0, part.casefold()) for part in parts]
    return keys, path.name


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise LossmithError(f"'{folder}' is not a folder")
    stems: dict[str, Path] = {}
    for path in _pictures_in(folder):
        if path.stem in stems:
            raise LossmithError(
                f"'{stems[path.stem].name}' and '{path.name}' in '{folder}' have one name; remove one"
            )
        stems[path.stem] = path
    _refuse_undecoded(stems.values())
    return stems


def _partner(stem: str, clean: dict[str, Path]) -> str | None:
    bare = re.sub(r"x\d+$", "", stem)
    return stem if stem in clean else bare if bare in clean else None


def _refuse_single(stems: list[str], folder: str | Path, other: str | Path) -> None:
    if stems:
        named = ", ".join(f"'{stem}'" for stem in stems[:3])
        more = f" and {len(stems) - 3} more" if len(stems) > 3 else ""
        has = "has" if len(stems) == 1 else "have"
        raise LossmithError(f"{named}{more} in '{folder}' {has} no partner in '{other}'")

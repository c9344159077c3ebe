"""Pairing the clean and the degraded images of two folders."""

import logging
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from lossmith.core.errors import LossmithError, and_more
from lossmith.data.folders import find_image_places, unique_names
from lossmith.data.pair_names import (
    CLEAN_TAGS,
    DEGRADED_TAGS,
    Pairing,
    conflicting_scale,
    match_names,
    match_names_in_one_folder,
    match_pattern,
    parse_pair,
    suggest_pair,
    without_tags,
)
from lossmith.data.picture_headers import picture_size

logger = logging.getLogger(__name__)

PAIR_EXAMPLE = '`pair="{}_HR:{}_LR2"`'
MAX_CANDIDATES = 1000
"""The most names among which the nearest is searched."""

Side = Mapping[str, Path]
"""The images of a folder by their names."""


def pair_folders(
    clean: str | Path, degraded: str | Path, pair: str | None = None, recursive: bool = False
) -> list[tuple[Path, Path]]:
    """The pairs of images of two folders, (clean, degraded), in natural order.

    `baby.png` is paired with `BABY.jpg` or, as DIV2K names them, `babyx4.png`, `1_HR.png` with `1_LR2.png`; see
    `lossmith.data.pair_names`. Clean images must be larger by the same integer scale throughout; sides that are
    not multiples of it lose their last rows and columns.

    Parameters
    ----------
    clean, degraded
        Folders or patterns. They may be the same folder, if names tell its clean images from its degraded ones.
    pair
        Patterns of the names that belong together, such as "{}_a:{}_b" [default: by the usual tags].
    recursive
        Search folders within folders too.

    Raises
    ------
    LossmithError
        For a missing or empty folder, images without a partner (naming up to three), names that can be paired in
        two ways, and sizes that do not fit.
    """
    folders = Path(clean), Path(degraded)
    same = folders[0].resolve() == folders[1].resolve()
    sides = [names_in(folder, recursive) for folder in folders[: 1 if same else 2]]
    sides = [*sides, *sides] if same else [_without(sides[0], *folders), _without(sides[1], *folders[::-1])]
    if pair is not None:
        pairing = _match_by_pattern(pair, sides, folders, same)
    else:
        by_names = match_names_in_one_folder([*sides[0]]) if same else match_names(*map(list, sides))
        if by_names is None:
            raise _same_folder_error(folders[0]) if same else _unpaired_error(sides, folders)
        pairing = by_names
    pairs = [(sides[0][name], sides[1][pairing[name]]) for name in sides[0] if name in pairing]
    scale = common_scale(pairs)
    if pair is None:
        _refuse_conflicting_scale(pairing, sides[1], scale)
    return pairs


def names_in(folder: Path, recursive: bool) -> dict[str, Path]:
    """The images of a folder or a pattern by their unique names."""
    if folder.is_file():
        raise LossmithError(f"'{folder}' is not a folder")
    return {name: image for image, name in unique_names(find_image_places(folder, recursive)).items()}


def common_scale(pairs: Sequence[tuple[Path, Path]]) -> int:
    """The integer scale by which all clean images are larger than their degraded ones.

    Where a clean side is not a multiple of it, the degraded side may be rounded down or up. Raises LossmithError,
    naming the first pair that does not fit, if there is no such scale.
    """
    sizes = [(picture_size(clean), picture_size(degraded)) for clean, degraded in pairs]
    likely = max(sizes[0][0][1] // sizes[0][1][1], 1)
    misfits = {
        scale: next((i for i, pair in enumerate(sizes) if not _fits(*pair, scale)), None)
        for scale in (likely, likely + 1)
    }
    if fitting := [scale for scale, misfit in misfits.items() if misfit is None]:
        return fitting[0]
    scale = max(misfits, key=lambda scale: misfits[scale] or 0)
    misfit = misfits[scale] or 0
    (height, width), (h, w) = sizes[misfit]
    both = f"'{pairs[misfit][0]}' has {height}x{width} pixels and '{pairs[misfit][1]}' has {h}x{w}"
    first = f" of the first pair, '{pairs[0][0].name}'" if misfit else ""
    raise LossmithError(f"{both}, which does not fit the scale {scale}{first}")


def _fits(clean: tuple[int, int], degraded: tuple[int, int], scale: int) -> bool:
    """Whether the degraded sides are the clean ones divided by the scale, rounded down or up."""
    return all(small in (side // scale, -(-side // scale)) for side, small in zip(clean, degraded, strict=True))


def _refuse_conflicting_scale(pairing: Pairing, degraded: Side, scale: int) -> None:
    for clean_name, degraded_name in pairing.items():
        if other_scale := conflicting_scale(clean_name, degraded_name, scale):
            raise LossmithError(
                f"'{degraded[degraded_name]}' has scale {other_scale} in its name, but its clean image is {scale} "
                "times larger"
            )


def _without(side: dict[str, Path], folder: Path, other: Path) -> dict[str, Path]:
    """The images of a folder without those of the other folder, if that is within it."""
    inner, outer = other.resolve(), folder.resolve()
    if inner == outer or not inner.is_relative_to(outer):
        return side
    return {name: path for name, path in side.items() if not path.parent.resolve().is_relative_to(inner)}


def _match_by_pattern(pair: str, sides: Sequence[Side], folders: Sequence[Path], same: bool) -> Pairing:
    """The pairing of names by the patterns of a `pair` option."""
    patterns = parse_pair(pair)
    matches = [match_pattern(pattern, side) for pattern, side in zip(patterns, sides, strict=True)]
    if same:  # a name that matches the longer pattern may also match the shorter one
        short, long = (0, 1) if len(patterns[0]) < len(patterns[1]) else (1, 0)
        matched = set(matches[long].values())
        matches[short] = {shared: name for shared, name in matches[short].items() if name not in matched}
    for pattern, names, side, folder in zip(patterns, matches, sides, folders, strict=True):
        if not names:
            example = f"; one is called '{next(iter(side))}'" if side else ""
            raise LossmithError(f"no image in '{folder}' is called '{pattern}'{example}")
    for index in (0, 1):
        if unpaired := [name for shared, name in matches[index].items() if shared not in matches[1 - index]]:
            said = _name_unpaired(unpaired, folders[index], folders[1 - index])
            raise LossmithError(f"{said} by `pair='{pair}'`")
    used = {side[name] for side, names in zip(sides, matches, strict=True) for name in names.values()}
    if left := [path for side in sides for path in side.values() if path not in used]:
        called_neither = f"being called neither '{patterns[0]}' nor '{patterns[1]}'"
        logger.warning(f"left out, {called_neither}: {and_more([*dict.fromkeys(left)])}")
    return {matches[0][shared]: matches[1][shared] for shared in matches[0]}


def _same_folder_error(folder: Path) -> LossmithError:
    return LossmithError(
        f"'{folder}' is given for both the clean and the degraded images; name two folders, or say how they are "
        f"called, such as {PAIR_EXAMPLE}"
    )


def _unpaired_error(sides: Sequence[Side], folders: Sequence[Path]) -> LossmithError:
    """The error for names that could not be paired, with advice."""
    for side, folder in zip(sides, folders, strict=True):
        stems: dict[Path, Path] = {}
        for path in side.values():
            if (other := stems.setdefault(path.with_suffix(""), path)) != path:
                names = f"'{other.name}' and '{path.name}' in '{folder}'"
                return LossmithError(f"{names} have the same name; remove one")
    if match_names([*sides[1]], [*sides[0]]):
        swapped = f"'{folders[0]}' holds the degraded images and '{folders[1]}' the clean ones"
        return LossmithError(f"by their names, {swapped}; swap them")
    stems_of = [
        {name: set(without_tags(name, words).values()) for name in side}
        for side, words in zip(sides, (CLEAN_TAGS, DEGRADED_TAGS), strict=True)
    ]
    for index in (0, 1):
        known = set().union(*stems_of[1 - index].values())
        if unpaired := [name for name, mine in stems_of[index].items() if not mine & known]:
            near = get_close_matches(unpaired[0], [*sides[1 - index]][:MAX_CANDIDATES], 1, cutoff=0)[0]
            likely = suggest_pair(*((unpaired[0], near) if index == 0 else (near, unpaired[0])))
            said = _name_unpaired(unpaired, folders[index], folders[1 - index])
            return LossmithError(f"{said}, where '{near}' comes nearest; {_advice(likely, sides, len(unpaired))}")
    for clean_name in stems_of[0]:
        partners = [name for name in stems_of[1] if clean_name.casefold() in stems_of[1][name]]
        if len(partners) > 1:
            both = " and ".join(f"'{sides[1][name].name}'" for name in partners[:2])
            clean = sides[0][clean_name].name
            return LossmithError(f"{both} in '{folders[1]}' both belong to '{clean}'; remove one")
    return LossmithError(
        f"the names in '{folders[0]}' and '{folders[1]}' can be paired in more than one way; say how they are "
        f"called, such as {PAIR_EXAMPLE}"
    )


def _name_unpaired(names: Sequence[str], folder: Path, other: Path) -> str:
    first_names = ", ".join(f"'{name}'" for name in names[:3])
    others = f" and {len(names) - 3} more" if len(names) > 3 else ""
    has = "has" if len(names) == 1 else "have"
    return f"{first_names}{others} in '{folder}' {has} no partner in '{other}'"


def _advice(likely: str, sides: Sequence[Side], unpaired: int) -> str:
    """What would pair the names: a `pair` option, or other files."""
    if likely and _pairs_all(likely, sides):
        return f'`pair="{likely}"` would pair them all'
    if 2 * unpaired < len(sides[0]):
        return "add the missing images, or remove the others"
    return f"say how they are called, such as {PAIR_EXAMPLE}"


def _pairs_all(pair: str, sides: Sequence[Side]) -> bool:
    try:
        left, right = (match_pattern(pattern, side) for pattern, side in zip(parse_pair(pair), sides, strict=True))
    except LossmithError:
        return False
    return left.keys() == right.keys() and len(left) == len(sides[0]) == len(sides[1])

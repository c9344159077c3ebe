"""Images of two folders that belong together."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path

from lossmith.core.errors import LossmithError, and_more, notify
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
from lossmith.data.reading import image_size

PAIR_EXAMPLE = '--pair "{}_HR:{}_LR2"'
MAX_CANDIDATES = 1000
"""Names among which the nearest is looked for."""

Side = Mapping[str, Path]
"""The images of a folder by their names."""


def pair_folders(
    clean: str | Path, degraded: str | Path, pair: str | None = None, recursive: bool = False
) -> list[tuple[Path, Path]]:
    """The images of two folders that belong together: (clean, degraded), in natural order.

    `baby.png` belongs to `BABY.jpg` or, as DIV2K names them, to `babyx4.png`; `1_HR.png` to `1_LR2.png`; see
    `lossmith.data.pair_names`. `pair` says it in any other case: "{}_a:{}_b". Folders may be patterns. One folder
    may be given twice, if names tell the clean images in it from the degraded ones. The clean image must be
    larger by the same whole scale throughout; of a size that is no multiple of it, the last rows and columns are
    left over.

    Raises LossmithError for a missing or empty folder, images without a partner (naming up to three), names that
    can be paired in two ways, and sizes that do not fit.
    """
    folders = Path(clean), Path(degraded)
    one = folders[0].resolve() == folders[1].resolve()
    sides = [names_in(folder, recursive) for folder in folders[: 1 if one else 2]]
    sides = [*sides, *sides] if one else [_without(sides[0], *folders), _without(sides[1], *folders[::-1])]
    if pair is not None:
        pairing = _match_by_pattern(pair, sides, folders, one)
    else:
        found = match_names_in_one_folder([*sides[0]]) if one else match_names(*map(list, sides))
        if found is None:
            raise _same_folder_error(folders[0]) if one else _unpaired_error(sides, folders)
        pairing = found
    pairs = [(sides[0][name], sides[1][pairing[name]]) for name in sides[0] if name in pairing]
    scale = common_scale(pairs)
    if pair is None:
        _refuse_another_scale(pairing, sides[1], scale)
    return pairs


def names_in(folder: Path, recursive: bool) -> dict[str, Path]:
    """The images in a folder, or those that match a pattern, by their names."""
    if folder.is_file():
        raise LossmithError(f"'{folder}' is not a folder")
    return {name: image for image, name in unique_names(find_image_places(folder, recursive)).items()}


def common_scale(pairs: Sequence[tuple[Path, Path]]) -> int:
    """By which whole number the clean images are larger than the degraded ones, all of them.

    Of what is no multiple of it, the degraded images may lack a part of a pixel, or have it.
    """
    sizes = [(image_size(clean), image_size(degraded)) for clean, degraded in pairs]
    likely = max(sizes[0][0][1] // sizes[0][1][1], 1)
    misfits = {
        scale: next((i for i, each in enumerate(sizes) if not _fits(*each, scale)), None)
        for scale in (likely, likely + 1)
    }
    if fitting := [scale for scale, misfit in misfits.items() if misfit is None]:
        return fitting[0]
    scale = max(misfits, key=lambda scale: misfits[scale] or 0)
    at = misfits[scale] or 0
    (height, width), (h, w) = sizes[at]
    said = f"'{pairs[at][0]}' has {height}x{width} pixels and '{pairs[at][1]}' has {h}x{w}"
    first = f" of the first pair, '{pairs[0][0].name}'" if at else ""
    raise LossmithError(f"{said}, which does not fit the scale {scale}{first}")


def _fits(clean: tuple[int, int], degraded: tuple[int, int], scale: int) -> bool:
    """Whether the sides of a degraded image are those of the clean one by the scale, rounded down or up."""
    return all(few in (side // scale, -(-side // scale)) for side, few in zip(clean, degraded, strict=True))


def _refuse_another_scale(pairing: Pairing, degraded: Side, scale: int) -> None:
    for one, other in pairing.items():
        if named := conflicting_scale(one, other, scale):
            raise LossmithError(
                f"'{degraded[other]}' is named for scale {named}, but its clean image is {scale} times larger"
            )


def _without(side: dict[str, Path], folder: Path, other: Path) -> dict[str, Path]:
    """What lies in a folder and not in the other, where that is within it."""
    inner, outer = other.resolve(), folder.resolve()
    if inner == outer or not inner.is_relative_to(outer):
        return side
    return {name: path for name, path in side.items() if not path.parent.resolve().is_relative_to(inner)}


def _match_by_pattern(pair: str, sides: Sequence[Side], folders: Sequence[Path], one: bool) -> Pairing:
    patterns = parse_pair(pair)
    found = [match_pattern(pattern, side) for pattern, side in zip(patterns, sides, strict=True)]
    if one:  # what is called by the longer of the two is not the other as well
        short, long = (0, 1) if len(patterns[0]) < len(patterns[1]) else (1, 0)
        taken = set(found[long].values())
        found[short] = {shared: name for shared, name in found[short].items() if name not in taken}
    for pattern, named, side, folder in zip(patterns, found, sides, folders, strict=True):
        if not named:
            there = f"; there is such as '{next(iter(side))}'" if side else ""
            raise LossmithError(f"no image in '{folder}' is called '{pattern}'{there}")
    for index in (0, 1):
        if lonely := [name for shared, name in found[index].items() if shared not in found[1 - index]]:
            said = _name_unpaired(lonely, folders[index], folders[1 - index])
            raise LossmithError(f"{said} by --pair '{pair}'")
    used = {side[name] for side, named in zip(sides, found, strict=True) for name in named.values()}
    if left := [path for side in sides for path in side.values() if path not in used]:
        called_neither = f"being called neither '{patterns[0]}' nor '{patterns[1]}'"
        notify(f"left out, {called_neither}: {and_more([*dict.fromkeys(left)])}")
    return {found[0][shared]: found[1][shared] for shared in found[0]}


def _same_folder_error(folder: Path) -> LossmithError:
    return LossmithError(
        f"'{folder}' is given for both the clean and the degraded images; name two folders, or say how they are "
        f"called, such as {PAIR_EXAMPLE}"
    )


def _unpaired_error(sides: Sequence[Side], folders: Sequence[Path]) -> LossmithError:
    """Why nothing was paired, and what would help."""
    for side, folder in zip(sides, folders, strict=True):
        stems: dict[Path, Path] = {}
        for path in side.values():
            if (other := stems.setdefault(path.with_suffix(""), path)) != path:
                names = f"'{other.name}' and '{path.name}' in '{folder}'"
                return LossmithError(f"{names} have one name; remove one")
    if match_names([*sides[1]], [*sides[0]]):
        swapped = f"'{folders[0]}' holds the degraded images and '{folders[1]}' the clean ones"
        return LossmithError(f"by their names, {swapped}; swap them")
    rests = [
        {name: set(without_tags(name, words).values()) for name in side}
        for side, words in zip(sides, (CLEAN_TAGS, DEGRADED_TAGS), strict=True)
    ]
    for index in (0, 1):
        known = set().union(*rests[1 - index].values())
        if lonely := [name for name, mine in rests[index].items() if not mine & known]:
            near = get_close_matches(lonely[0], [*sides[1 - index]][:MAX_CANDIDATES], 1, cutoff=0)[0]
            likely = suggest_pair(*((lonely[0], near) if index == 0 else (near, lonely[0])))
            said = _name_unpaired(lonely, folders[index], folders[1 - index])
            return LossmithError(f"{said}, where '{near}' comes nearest; {_advice(likely, sides, len(lonely))}")
    for one in rests[0]:
        claims = [name for name in rests[1] if one.casefold() in rests[1][name]]
        if len(claims) > 1:
            both = " and ".join(f"'{sides[1][name].name}'" for name in claims[:2])
            return LossmithError(f"{both} in '{folders[1]}' both belong to '{sides[0][one].name}'; remove one")
    return LossmithError(
        f"the names in '{folders[0]}' and '{folders[1]}' can be paired in more than one way; say how they are "
        f"called, such as {PAIR_EXAMPLE}"
    )


def _name_unpaired(names: Sequence[str], folder: Path, other: Path) -> str:
    named = ", ".join(f"'{name}'" for name in names[:3])
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    has = "has" if len(names) == 1 else "have"
    return f"{named}{more} in '{folder}' {has} no partner in '{other}'"


def _advice(likely: str, sides: Sequence[Side], lonely: int) -> str:
    if likely and _pairs_all(likely, sides):
        return f'--pair "{likely}" would pair them all'
    if 2 * lonely < len(sides[0]):
        return "add what is missing, or take away what is too much"
    return f"say how they are called, such as {PAIR_EXAMPLE}"


def _pairs_all(pair: str, sides: Sequence[Side]) -> bool:
    try:
        left, right = (match_pattern(pattern, side) for pattern, side in zip(parse_pair(pair), sides, strict=True))
    except LossmithError:
        return False
    return left.keys() == right.keys() and len(left) == len(sides[0]) == len(sides[1])

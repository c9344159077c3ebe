"""Who is judged: methods by name, each with a folder of results per seed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lossmith.core.errors import LossmithError
from lossmith.core.files import path_list
from lossmith.data.folders import SUFFIXES, is_pattern, natural_key
from lossmith.evaluation import DEGRADED

IMAGES = "images"
"""Where a run of `train` or `compare` keeps its restored images."""


@dataclass(frozen=True)
class Contender:
    """One method."""

    name: str
    results: dict[int, Path]
    """A folder of results, or a pattern of their files, by seed."""


def find_contenders(
    results: Mapping[str, str | Path | Sequence[str | Path]] | Iterable[str | Path], recursive: bool = False
) -> list[Contender]:
    """The methods and their seeds.

    Parameters
    ----------
    results
        A mapping of names to folders, or folders, patterns of folders, and texts `name=folder`; a name that comes
        several times has several seeds, and a folder without a name has its own.
    recursive
        Whether folders within a folder belong to its images, not to further seeds.

    Raises
    ------
    LossmithError
        For fewer than two methods, two of one name, and folders that do not exist or hold no images.
    """
    places = _places_by_name(results)
    if len(places) < 2:
        given = f" beside '{next(iter(places))}'" if places else ""
        raise LossmithError(f"judge compares at least two folders of results; name another one{given}")
    seeds = {name: list(_seed_folders(folders, recursive)) for name, folders in places.items()}
    numbers = align_seeds([[name for name, _ in named] for named in seeds.values()])
    return [
        Contender(name, {seed: folder for seed, (_, folder) in zip(own, named, strict=True)})
        for (name, named), own in zip(seeds.items(), numbers, strict=True)
    ]


def common_seeds(contenders: Sequence[Contender]) -> list[int]:
    """The seeds that all methods have.

    Raises LossmithError if there is none.
    """
    seeds = set.intersection(*(set(contender.results) for contender in contenders))
    if not seeds:
        names = ", ".join(contender.name for contender in contenders)
        raise LossmithError(f"no folder of a seed is in all of {names}; give them folders of the same names")
    return sorted(seeds)


def align_seeds(names: Sequence[Sequence[str]]) -> list[list[int]]:
    """The numbers of the seeds of several methods, from the names of their folders.

    By name, if one method has every name that another one has; otherwise by order.

    >>> align_seeds([["seed-0", "seed-1", "seed-2"], ["seed-0", "seed-2"]])
    [[0, 1, 2], [0, 2]]
    >>> align_seeds([["seed-1", "seed-2"], ["run_7", "run_8"], ["results"]])
    [[0, 1], [0, 1], [0]]
    """
    every = sorted({name for own in names for name in own}, key=natural_key)
    if any(len(set(own)) == len(every) for own in names) and all(len(set(own)) == len(own) for own in names):
        return [[every.index(name) for name in own] for own in names]
    return [[*range(len(own))] for own in names]


def _places_by_name(
    results: Mapping[str, str | Path | Sequence[str | Path]] | Iterable[str | Path],
) -> dict[str, list[Path]]:
    if isinstance(results, Mapping):
        places = {
            name: [path for each in path_list(paths) for path in _expand(each)] for name, paths in results.items()
        }
    else:
        places = {}
        for word in [results] if isinstance(results, str | Path) else results:
            name, path = _split(str(word))
            if name:
                places.setdefault(name, []).extend(_expand(path))
                continue
            for folder in _expand(path):
                if (own := folder.resolve().name) in places:
                    raise LossmithError(
                        f"two folders are called '{own}'; name them, as in new='{folder}', both alike if "
                        "they are seeds of one method"
                    )
                places[own] = [folder]
    if DEGRADED in places:
        raise LossmithError(f"'{DEGRADED}' is the name of the degraded input; name the folder, as in old=FOLDER")
    return places


def _split(word: str) -> tuple[str, Path]:
    """The name and the folder of `name=folder`; the name is empty where there is none."""
    if "=" not in word or Path(word).exists():
        return "", Path(word)
    parts = word.split("=")  # names and folders may hold the sign, too: "features(vgg19, norm=unit)=out/lr=1e-3"
    splits = [("=".join(parts[:at]).strip(), Path("=".join(parts[at:]))) for at in range(1, len(parts))]
    return next((split for split in splits if split[1].exists()), splits[-1])


def _expand(path: Path) -> list[Path]:
    """The folders that match a pattern; a pattern of files, or a folder, as it is."""
    if path.is_dir():
        return [path]
    if not is_pattern(path):
        problem = "is a file, not a folder of results" if path.exists() else "does not exist"
        raise LossmithError(f"'{path}' {problem}")
    root = Path(*path.parts[: next(i for i in range(len(path.parts)) if is_pattern(Path(*path.parts[: i + 1])))])
    matches = sorted(root.glob(str(path.relative_to(root))), key=lambda match: natural_key(str(match)))
    if not matches:
        raise LossmithError(f"nothing matches '{path}'")
    return [match for match in matches if match.is_dir() and not match.name.startswith(".")] or [path]


def _seed_folders(places: Iterable[Path], recursive: bool) -> Iterator[tuple[str, Path]]:
    """The folders of results, each with the name that it has as a seed."""
    for place in places:
        if recursive or is_pattern(place) or _holds_images(place):
            yield place.name, place
            continue
        inside = sorted(
            (path for path in place.iterdir() if path.is_dir()), key=lambda path: natural_key(path.name)
        )
        seeds = [
            (folder.name, images)
            for folder in inside
            if not folder.name.startswith(".") and (images := _images_of(folder)) is not None
        ]
        if not seeds:
            raise LossmithError(f"folder '{place}' holds no images, and neither does any folder in it")
        yield from seeds


def _images_of(folder: Path) -> Path | None:
    """The folder, or the folder of images in it if it is that of a run; None if there are no images."""
    return next((path for path in (folder, folder / IMAGES) if path.is_dir() and _holds_images(path)), None)


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in SUFFIXES and not path.name.startswith(".") for path in folder.iterdir())


__all__ = ["Contender", "align_seeds", "common_seeds", "find_contenders"]

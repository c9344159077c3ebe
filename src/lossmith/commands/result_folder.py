"""Restored images in a folder, matched to their targets."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from torch import Tensor

from lossmith.core.errors import LossmithError, and_more
from lossmith.data import image_names, picture_size, read_picture, sample_images
from lossmith.data.folders import find_image_places, is_pattern, unique_names
from lossmith.data.pair_names import Pairing, match_pattern, match_results_to_targets, parse_pair, suggest_pair
from lossmith.data.picture_reader import PictureReader

SCALES = range(2, 9)
"""Upscaling factors that may explain why a result is larger or smaller than its target."""
MAX_CANDIDATES, MAX_SUGGESTIONS = 1000, 20
"""Limits on the search for similar names: how many results are compared with how many targets."""


@dataclass(frozen=True)
class ResultFolder:
    """Pairs of a target and its result, by name."""

    method: str
    """The name under which the results are scored."""
    images: dict[str, tuple[Path, Path | None]]
    """The target and the result of every image, by name; the result is None if it is missing."""
    scale: int = 1
    """The upscaling factor, if some results are cropped or padded to multiples of it; otherwise 1."""
    remarks: list[str] = field(default_factory=list)

    def read(self, name: str, reader: PictureReader) -> tuple[Tensor, Tensor]:
        """A result and its target, cropped to their common size: (C, H, W) on the scale of the range.

        Raises LossmithError if either is missing or cannot be read, or if `scale` does not explain their sizes.
        """
        target_path, path = self.images[name]
        if path is None:
            raise LossmithError(f"'{target_path}' has no result")
        result = reader.pixels.to_unit(read_picture(path, reader.pixels, reader.nan))
        target = reader.pixels.to_unit(reader.read(target_path).target)
        size, target_size = result.shape[1:], target.shape[1:]
        if not fits(target_size, size, self.scale):
            sizes = f"{size[0]}x{size[1]} pixels, and its target '{target_path}' {target_size[0]}x{target_size[1]}"
            raise LossmithError(f"'{path}' has {sizes}")
        height, width = map(min, size, target_size)
        return result[:, :height, :width], target[:, :height, :width]

    @property
    def cropping(self) -> str:
        """The cropping as a part of the protocol's description; empty if there is none."""
        return f"; last rows and columns beyond a multiple of {self.scale} cropped" if self.scale > 1 else ""


def fits(target_size: Sequence[int], size: Sequence[int], scale: int) -> bool:
    """Whether a result has the target's sides, or these rounded down or up to a multiple of `scale`.

    A network upscales by `scale` a degraded image whose own sides were rounded.
    """
    possible_sides = ({side, side // scale * scale, -(-side // scale) * scale} for side in target_size)
    return all(side in sides for side, sides in zip(size, possible_sides, strict=True))


def match_results(
    folder: Path, test: Sequence[Path] | None, pair: str | None = None, recursive: bool = False
) -> ResultFolder:
    """Match the results in a folder, or of a pattern, to targets.

    Parameters
    ----------
    folder
        A folder of results, or a pattern such as `out/*.png`.
    test
        Targets: images, folders or patterns; the sample test images if there are none.
    pair
        How the names correspond, such as "{}:{}_out"; without it they are compared.
    recursive
        Whether to search subfolders.

    Raises
    ------
    LossmithError
        If no result belongs to a target, or if the names correspond in several ways.
    """
    targets = _images_by_name(test if test else sample_images("test"), recursive, without=[folder])
    results = _images_by_name([folder], recursive, without=targets.values())
    matches = _match(targets, results, folder, pair)
    images = {
        name: (path, results[matches[key]] if key in matches else None)
        for name, (key, path) in zip(image_names([*targets.values()]), targets.items(), strict=True)
    }
    remarks = []
    if renamed := [key for key, name in matches.items() if key != name]:
        remarks.append(f"results are matched to targets by name, as '{matches[renamed[0]]}' to '{renamed[0]}'")
    used_names = set(matches.values())
    if unused := [path for name, path in results.items() if name not in used_names]:
        remarks.append(f"belong to no target: {and_more(unused)}")
    method = folder.resolve().name if not is_pattern(folder) else "results"
    return ResultFolder(method, images, _scale(images.values()), remarks)


def _images_by_name(paths: Sequence[Path], recursive: bool, without: Iterable[Path]) -> dict[str, Path]:
    """Images by their names, except those that are, or lie in, one of the paths `without`, unless all do."""
    places = find_image_places(paths, recursive)
    exclusions = {path.resolve() for path in without}
    separate = {image: place for image, place in places.items() if not _is_excluded(image, exclusions)}
    return {name: image for image, name in unique_names(separate or places).items()}


def _is_excluded(image: Path, exclusions: Container[Path]) -> bool:
    folder = image.parent.resolve()
    return any(path in exclusions for path in (image.resolve(), folder, *folder.parents))


def _match(targets: Mapping[str, Path], results: Mapping[str, Path], folder: Path, pair: str | None) -> Pairing:
    """The names of the results by those of their targets; raises LossmithError if there are none."""
    if pair is not None:
        sides = zip(parse_pair(pair), (targets, results), strict=True)
        target_names, result_names = (match_pattern(pattern, names) for pattern, names in sides)
        matches = {target_names[key]: result_names[key] for key in target_names if key in result_names}
    else:
        matches = match_results_to_targets([*targets], [*results]) or {}
    if not matches:
        missing = ", ".join(path.name for path in [*targets.values()][:3])
        naming = "by the name" if pair is None else f"by `pair='{pair}'`"
        raise LossmithError(
            f"'{folder}' holds no result for {missing}, {naming}; say how results are called, such as "
            f'`pair="{_suggest(targets, results)}"`'
        )
    return matches


def _suggest(targets: Iterable[str], results: Iterable[str]) -> str:
    """The most frequent pattern among similar names, to be suggested as `pair`."""
    names = [*results][:MAX_CANDIDATES]
    pairs = ((target, *get_close_matches(target, names, 1, cutoff=0)) for target in [*targets][:MAX_SUGGESTIONS])
    patterns = Counter(suggest_pair(*pair) for pair in pairs)
    patterns[""] = 0
    pattern, count = patterns.most_common(1)[0]
    return pattern if count > 1 or len(names) == 1 else "{}:{}_out"


def _scale(images: Iterable[tuple[Path, Path | None]]) -> int:
    """The scale that explains most of the results that differ in size from their targets; 1 if none does."""
    counts: Counter[int] = Counter()
    for target, result in images:
        try:
            sizes = (picture_size(target), picture_size(result)) if result else None
        except LossmithError:  # `read` will report it
            continue
        if sizes and sizes[0] != sizes[1]:
            counts.update(scale for scale in SCALES if fits(*sizes, scale))
    return min(counts, key=lambda scale: (-counts[scale], scale), default=1)

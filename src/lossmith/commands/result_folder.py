"""Restored images in a folder, and the targets that they belong to."""

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path

from torch import Tensor

from lossmith.core.errors import LossmithError, and_more
from lossmith.data import image_names, image_size, read_image, sample_images
from lossmith.data.folders import find_image_places, is_pattern, unique_names
from lossmith.data.pair_names import Pairing, match_pattern, match_results_to_targets, parse_pair, suggest_pair
from lossmith.degradations import from_8bit

SCALES = range(2, 9)
"""Factors by which networks upscale; a result of another size than its target is explained by one of them."""
MAX_CANDIDATES, MAX_SUGGESTIONS = 1000, 20
"""How many results are searched for the nearest names, and for how many targets names are suggested."""


@dataclass(frozen=True)
class ResultFolder:
    """Results by their targets, and how they were found."""

    method: str
    images: dict[str, tuple[Path, Path | None]]
    """By the image's name: its target, and its result, if there is one."""
    scale: int = 1
    """The factor that some targets' sides are not multiples of, so that their results are cropped or padded."""
    remarks: list[str] = field(default_factory=list)

    def read(self, name: str) -> tuple[Tensor, Tensor]:
        """A result and its target, without the last rows and columns that only one of them has.

        Raises LossmithError when either is missing or cannot be read, or when they differ more in size.
        """
        target_path, path = self.images[name]
        if path is None:
            raise LossmithError(f"'{target_path}' has no result")
        result, target = from_8bit(read_image(path)), from_8bit(read_image(target_path))
        size, full = result.shape[1:], target.shape[1:]
        if not fits(full, size, self.scale):
            sizes = f"{size[0]}x{size[1]} pixels, and its target '{target_path}' {full[0]}x{full[1]}"
            raise LossmithError(f"'{path}' has {sizes}")
        height, width = map(min, size, full)
        return result[:, :height, :width], target[:, :height, :width]

    @property
    def cropping(self) -> str:
        """What is to be said of the protocol where something was cropped."""
        last = f"; last rows and columns beyond a multiple of {self.scale} cropped"
        return last if self.scale > 1 else ""


def fits(full: Sequence[int], size: Sequence[int], scale: int) -> bool:
    """Whether a network that enlarges by `scale` makes such a result for a target: as large, or nearly so.

    The target lacks the last pixels of a multiple, which its degraded image then has as a whole pixel or not.
    """
    rounded = ({side, side // scale * scale, -(-side // scale) * scale} for side in full)
    return all(side in sides for side, sides in zip(size, rounded, strict=True))


def match_results(
    folder: Path, test: Sequence[Path] | None, pair: str | None = None, recursive: bool = False
) -> ResultFolder:
    """The results in a folder, or of a pattern, that belong to targets by their names, or as `pair` says.

    Raises LossmithError when none does, or when they could in several ways.
    """
    targets = _images_by_name(test if test else sample_images("test"), recursive, without=[folder])
    results = _images_by_name([folder], recursive, without=targets.values())
    matches = _match(targets, results, folder, pair)
    images = {
        name: (path, results[matches[key]] if key in matches else None)
        for name, (key, path) in zip(image_names([*targets.values()]), targets.items(), strict=True)
    }
    remarks = []
    if odd := [key for key, name in matches.items() if key != name]:
        remarks.append(f"results belong to targets by their names, as '{matches[odd[0]]}' to '{odd[0]}'")
    matched = set(matches.values())
    if others := [path for name, path in results.items() if name not in matched]:
        remarks.append(f"belong to no target: {and_more(others)}")
    method = folder.resolve().name if not is_pattern(folder) else "results"
    return ResultFolder(method, images, _scale(images.values()), remarks)


def _images_by_name(paths: Sequence[Path], recursive: bool, without: Iterable[Path]) -> dict[str, Path]:
    """Images by their names; those that are, or lie in, something else are left out, unless all do."""
    places = find_image_places(paths, recursive)
    others = {path.resolve() for path in without}
    separate = {image: place for image, place in places.items() if not _is_among(image, others)}
    return {name: image for image, name in unique_names(separate or places).items()}


def _is_among(image: Path, others: Container[Path]) -> bool:
    folder = image.parent.resolve()
    return any(path in others for path in (image.resolve(), folder, *folder.parents))


def _match(targets: Mapping[str, Path], results: Mapping[str, Path], folder: Path, pair: str | None) -> Pairing:
    if pair is not None:
        sides = zip(parse_pair(pair), (targets, results), strict=True)
        target_names, result_names = (match_pattern(pattern, names) for pattern, names in sides)
        matches = {target_names[shared]: result_names[shared] for shared in target_names if shared in result_names}
    else:
        matches = match_results_to_targets([*targets], [*results]) or {}
    if not matches:
        missing = ", ".join(path.name for path in [*targets.values()][:3])
        naming = "by the name" if pair is None else f"by `pair='{pair}'`"
        raise LossmithError(
            f"'{folder}' holds no result for {missing}, {naming}; say how results are called, such as "
            f'`pair="{_likely(targets, results)}"`'
        )
    return matches


def _likely(targets: Iterable[str], results: Iterable[str]) -> str:
    """How some of the results are called, as far as one can guess."""
    some = [*results][:MAX_CANDIDATES]
    near = ((target, *get_close_matches(target, some, 1, cutoff=0)) for target in [*targets][:MAX_SUGGESTIONS])
    guesses = Counter(suggest_pair(*both) for both in near)
    guesses[""] = 0
    likely, times = guesses.most_common(1)[0]
    return likely if times > 1 or len(some) == 1 else "{}:{}_out"


def _scale(images: Iterable[tuple[Path, Path | None]]) -> int:
    """The scale that explains most of the results that differ in size from their targets; 1 if none does."""
    fitting: Counter[int] = Counter()
    for target, result in images:
        try:
            sizes = (image_size(target), image_size(result)) if result else None
        except LossmithError:  # told when its turn comes
            continue
        if sizes and sizes[0] != sizes[1]:
            fitting.update(scale for scale in SCALES if fits(*sizes, scale))
    return min(fitting, key=lambda scale: (-fitting[scale], scale), default=1)

"""The images that are judged: those of which every method has a result, all cropped to the same size."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor

from lossmith.commands.judge.contenders import Contender
from lossmith.commands.picture_options import AUTOMATIC, PictureOptions
from lossmith.commands.result_folder import ResultFolder, fits, match_results
from lossmith.core.errors import LossmithError, and_more, counted
from lossmith.data import image_names, read_picture, read_picture_headers
from lossmith.data.pairing import common_scale
from lossmith.data.picture_reader import PictureReader
from lossmith.evaluation import DEGRADED, enlarged, scores_one_channel

Source = tuple[str, int]
"""A method and a seed; the degraded input is method DEGRADED, seed 0."""


@dataclass(frozen=True)
class MatchedImages:
    """Targets by name, and the files of all results."""

    targets: dict[str, Path]
    results: dict[Source, dict[str, Path]]
    """For each method and seed, the result of every target by the target's name."""
    sizes: dict[str, tuple[int, int]]
    """The height and width to which target and results are cropped, at the bottom and right."""
    scale: int = 1
    """By how much the targets are larger than the degraded inputs."""
    remarks: tuple[str, ...] = ()
    reader: PictureReader = field(default_factory=PictureReader)
    """The format of all of them, and which pixels do not count."""

    @property
    def gray(self) -> bool:
        """Whether some targets are gray images in RGB."""
        return any(scores_one_channel(self.target(name), self.reader.pixels) for name in self.targets)

    @property
    def masked(self) -> bool:
        """Whether some targets have pixels that do not count."""
        return self.reader.masks_pixels and any(self.target(name).isnan().any() for name in self.targets)

    def target(self, name: str) -> Tensor:
        """The target of this name: (C, H, W) on the scale of the range, NaN where pixels do not count."""
        picture = self.reader.read(self.targets[name])
        return self._cropped(self.reader.pixels.to_unit(picture.target), name)

    def result(self, source: Source, name: str) -> Tensor:
        """What a method made of it, of the same size; the degraded input is enlarged bicubically."""
        pixels = self.reader.pixels
        image = pixels.to_unit(read_picture(self.results[source][name], pixels, self.reader.nan))
        enlarge = source[0] == DEGRADED and self.scale > 1
        return self._cropped(enlarged(image, self.scale, pixels) if enlarge else image, name)

    def _cropped(self, image: Tensor, name: str) -> Tensor:
        height, width = self.sizes[name]
        return image[:, :height, :width]


def match_all(
    contenders: Sequence[Contender],
    seeds: Sequence[int],
    test: Sequence[Path] | None,
    degraded: Path | None = None,
    pair: str | None = None,
    recursive: bool = False,
    options: PictureOptions = AUTOMATIC,
) -> MatchedImages:
    """Match the results of all methods under these seeds to the targets.

    Raises LossmithError where no target has a result of every method, and for sizes and formats that do not fit.
    """
    folders = {
        (contender.name, seed): match_results(contender.results[seed], test, pair, recursive)
        for contender in contenders
        for seed in seeds
    }
    if degraded is not None:
        folders = {(DEGRADED, 0): match_results(degraded, test, None, recursive), **folders}
    by_target = {
        source: {target: result for target, result in folder.images.values() if result is not None}
        for source, folder in folders.items()
    }
    judged = [target for target in _targets(folders) if all(target in results for results in by_target.values())]
    if not judged:
        names = ", ".join(dict.fromkeys(method for method, _ in folders))
        raise LossmithError(f"no image is in all of {names}; is each a folder of results of the same images?")
    targets = dict(zip(image_names(judged), judged, strict=True))
    results = {
        source: {name: files[target] for name, target in targets.items()} for source, files in by_target.items()
    }
    all_results = [path for files in results.values() for path in files.values()]
    headers = read_picture_headers([*judged, *all_results])
    shapes = {path: header.size for path, header in headers.pictures.items()}
    reader, conversions = options.reader_of_results(judged, all_results, headers)
    inputs = results.get((DEGRADED, 0))
    scale = common_scale([(targets[name], inputs[name]) for name in targets]) if inputs else 1
    sizes = {
        name: _common_size(
            target,
            shapes,
            {files[name]: folders[source].scale for source, files in results.items() if files is not inputs},
        )
        for name, target in targets.items()
    }
    if inputs:  # which may end before the targets do, by less than a pixel of theirs
        sizes = {name: _min(size, [scale * side for side in shapes[inputs[name]]]) for name, size in sizes.items()}
    remarks = (*_lacking(by_target, folders), *_renamed(folders), *conversions)
    return MatchedImages(targets, results, sizes, scale, remarks, reader)


def _targets(folders: Mapping[Source, ResultFolder]) -> list[Path]:
    """All targets, in order."""
    return list(dict.fromkeys(target for folder in folders.values() for target, _ in folder.images.values()))


def _common_size(
    target: Path, shapes: Mapping[Path, tuple[int, int]], scales: Mapping[Path, int]
) -> tuple[int, int]:
    """The height and width that a target has in common with its results, each made at a scale.

    Raises LossmithError for a result whose size the scale does not explain.
    """
    size = shapes[target]
    for result, scale in scales.items():
        if not fits(shapes[target], shapes[result], scale):
            (height, width), (h, w) = shapes[target], shapes[result]
            raise LossmithError(
                f"'{result}' has {h}x{w} pixels, and its target '{target}' {height}x{width}; results are "
                "judged at the size of their targets"
            )
        size = _min(size, shapes[result])
    return size


def _min(size: Sequence[int], other: Sequence[int]) -> tuple[int, int]:
    return min(size[0], other[0]), min(size[1], other[1])


def _lacking(
    by_target: Mapping[Source, Mapping[Path, Path]], folders: Mapping[Source, ResultFolder]
) -> Iterator[str]:
    """Which targets are left out, a sentence for each method that lacks some."""
    targets = _targets(folders)
    if nowhere := [target for target in targets if not any(target in results for results in by_target.values())]:
        yield f"{counted(len(nowhere), 'target')} without any result: {and_more(nowhere)}"
    for (method, seed), results in by_target.items():
        if missing := [target for target in targets if target not in results and target not in nowhere]:
            where = f"{method}, seed {seed}," if any(m == method and s != seed for m, s in by_target) else method
            yield f"Left out for all, because {where} lacks them: {and_more(missing)}"


def _renamed(folders: Mapping[Source, ResultFolder]) -> Iterator[str]:
    """What `match_results` remarks, said once for each method."""
    for method in dict.fromkeys(method for method, _ in folders):
        remarks = dict.fromkeys(
            remark for (name, _), folder in folders.items() if name == method for remark in folder.remarks
        )
        yield from (f"{method}: {remark}" for remark in remarks)


__all__ = ["MatchedImages", "Source", "match_all"]

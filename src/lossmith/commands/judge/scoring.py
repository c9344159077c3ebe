"""The scores of all results, of which those of earlier calls are kept."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from torch import Tensor

from lossmith.commands.judge.matching import MatchedImages, Source
from lossmith.commands.judge.score_cache import ScoreCache, score_key
from lossmith.core.files import sha256_of
from lossmith.core.pixel_format import RGB_8BIT
from lossmith.core.progress import ProgressBar
from lossmith.evaluation import DEGRADED, Protocol, Restored, Row, score_images


def score_results(images: MatchedImages, protocol: Protocol, metrics: Sequence[str], path: Path) -> list[Row]:
    """The rows of all images, first those of the degraded inputs; `path` is that of a `ScoreCache`.

    The cache is written after each folder, so that a call that was stopped goes on where it was.

    Raises LossmithError for images that cannot be read, and for a file at `path` that is no such cache.
    """
    cache = ScoreCache(path)
    targets = {name: sha256_of(target) for name, target in images.targets.items()}
    masks = images.reader.masks
    # so that the keys of 8-bit RGB without masks are those of earlier versions
    others = {
        name: [
            *([protocol.pixels] if protocol.pixels != RGB_8BIT else []),
            *([sha256_of(masks[target])] if target in masks else []),
        ]
        for name, target in images.targets.items()
    }
    keys = {
        (source, name): score_key(
            protocol.color,
            protocol.border,
            images.sizes[name],
            images.scale if source[0] == DEGRADED else 1,
            targets[name],
            sha256_of(file),
            *others[name],
        )
        for source, files in images.results.items()
        for name, file in files.items()
    }
    missing = [place for place, key in keys.items() if cache.get(key, metrics) is None]
    finished = 0
    with ProgressBar("scoring") as bar:

        def show(done: int) -> None:
            bar.count(finished + done, len(missing))

        for source in images.results:
            names = [name for method_and_seed, name in missing if method_and_seed == source]
            items = [Restored(name, source[0], partial(_read, images, source, name), source[1]) for name in names]
            for row in score_images(items, protocol, metrics, progress=show):
                cache.put(keys[source, row.image], row.image, row.scores)
            finished += len(names)
            if names:
                cache.save()
    return [Row(name, *source, cache.get(key, metrics) or {}) for (source, name), key in keys.items()]


def _read(images: MatchedImages, source: Source, name: str) -> tuple[Tensor, Tensor]:
    return images.result(source, name), images.target(name)


__all__ = ["score_results"]

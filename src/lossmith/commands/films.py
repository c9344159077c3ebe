"""Films, for the commands that map images to images."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lossmith import restoration, video
from lossmith.commands.outcome import Outcome
from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.core.files import path_list
from lossmith.video.options import FilmOptions

logger = logging.getLogger(__name__)

Paths = str | Path | Sequence[str | Path]


@dataclass(frozen=True, repr=False)
class FilmOutcome(Outcome):
    """What became of a film."""

    path: Path
    """The result."""
    frames: int
    """How many it has; 0 if it was finished before."""
    remark: str = ""
    """What was wrong with the film: only what could be read of it is in the result."""

    @property
    def status(self) -> int:
        """Exit status of the command: 1 when a part of the film is missing."""
        return 1 if self.remark else 0

    def __str__(self) -> str:
        if self.path == video.PIPE:  # where it would follow the frames
            return ""
        summary = f"{self.frames} frames: {self.path}" if self.frames else f"done before: {self.path}"
        return "\n".join(filter(None, [self.remark, summary]))


def film_of(images: Paths) -> Path | None:
    """The film that a command was given, if it was not given images.

    Raises LossmithError for several.
    """
    paths = path_list(images)
    films = [path for path in paths if video.is_film(path)]
    if films and len(paths) > 1:
        raise LossmithError(f"one film at a time: '{films[0]}' is given with {len(paths) - 1} more")
    return films[0] if films else None


def only_model(models: Paths) -> Path:
    """The one model for a film; raises LossmithError for several."""
    paths = path_list(models)
    if len(paths) != 1:
        raise LossmithError(f"a film takes one `model`, not {len(paths)}")
    return paths[0]


def on_device(
    engine: restoration.Engine, precision: Literal["auto"] | restoration.Precision = "auto"
) -> restoration.Engine:
    """The engine where it is fast; in float32, if no precision is named."""
    if not isinstance(engine, restoration.TorchEngine):
        return engine
    placed = engine.on(best_device())
    return placed if precision == "auto" else placed.computing_in(precision)


def make_film(
    film: Path,
    out: Path,
    engine: restoration.Engine,
    options: FilmOptions,
    painter: video.Painter | None = None,
    **settings: object,
) -> FilmOutcome:
    """Put every frame of a film through a model, or through a painter that uses it.

    `settings` are what else determines the result.

    Raises LossmithError as `paint_film` does.
    """
    identity = {**engine.metadata, **settings}
    result = video.paint_film(film, out, painter or video.FramePainter(engine), options, identity)
    if out == video.PIPE and result.remark:
        logger.warning(result.remark)
    return FilmOutcome(out, result.frames, result.remark)

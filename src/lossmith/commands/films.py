"""Films, for the commands that map images to images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any, Literal

from lossmith import restoration, video
from lossmith.commands.command_line import changed
from lossmith.commands.outcome import Outcome
from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.core.files import path_list
from lossmith.video.options import FilmOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class FilmResult(Outcome):
    """What became of a film."""

    path: Path
    """The result."""
    frames: int
    """How many it has; 0 if it was finished before."""
    remark: str = ""
    """What was wrong with the film: only what could be read of it is in the result."""
    notes: list[str] = field(default_factory=list)
    """What the user should know about the result."""

    @property
    def results(self) -> list[Path]:
        """The file that was written, as of images."""
        return [self.path] if self.frames and self.path != video.PIPE else []

    @property
    def skipped(self) -> list[Path]:
        """The file, if an earlier call had finished it."""
        return [] if self.frames else [self.path]

    @property
    def failures(self) -> list[str]:
        """The remark, if there is one."""
        return [self.remark] if self.remark else []

    @property
    def headline(self) -> str:
        return [*self.failures, self._summary][0]

    @property
    def status(self) -> int:
        """Exit status of the command: 1 when a part of the film is missing."""
        return 1 if self.failures else 0

    def __str__(self) -> str:
        if self.path == video.PIPE:  # where it would follow the frames
            return ""
        return "\n".join([*self.notes, *self.failures, self._summary])

    @property
    def _summary(self) -> str:
        return f"{self.frames} frames: {self.path}" if self.frames else f"done before: {self.path}"


FOR_FILMS = (
    *("images", "task", "alpha", "model", "network", "style", "recipe", "out", "films", "progress"),
    *("strength", "keep_color", "size", "scale_to", "precision"),
)
"""The options of the commands that concern films, too; all others are for images, or would make films flicker."""


def film_of(command: Callable[..., object], given: Mapping[str, Any]) -> Path | None:
    """The film that a command was given, if it was not given images; `given` are its arguments.

    Raises LossmithError for several films, and for options that are for images where there is a film, and the
    other way around.
    """
    paths, to_film = path_list(given["images"]), video.is_film(Path(given["out"]))
    films = [path for path in paths if video.is_film(path) or (to_film and path.suffix.lower() == ".gif")]
    if not films:
        if to_film:
            raise LossmithError(f"`out='{given['out']}'` is for a film, and no film is given; name a folder")
        if given["films"] != FilmOptions():
            raise LossmithError(f"`{next(iter(changed(given['films'])))}` is for films, and no film is given")
        return None
    if len(paths) > 1:
        raise LossmithError(f"one film at a time: '{films[0]}' is given with {len(paths) - 1} more")
    for name, parameter in signature(command).parameters.items():
        if name not in FOR_FILMS and given[name] != parameter.default:
            raise LossmithError(f"`{name}` is for images, and '{films[0]}' is a film; leave it out")
    return films[0]


def make_film(
    film: Path,
    out: Path,
    engines: Sequence[restoration.Engine],
    options: restoration.RestoreOptions,
    films: FilmOptions,
) -> FilmResult:
    """Put every frame of a film through a model, with the options that it has for images.

    Raises LossmithError for several models, and as `paint_film` does.
    """
    if len(engines) != 1:
        raise LossmithError(f"a film takes one `model`, not {len(engines)}")
    if engines[0].pixels.receipt_entries:
        raise LossmithError(f"films are 8-bit RGB, and model '{engines[0].name}' is for {engines[0].pixels}")
    painter = video.FramePainter(_on_device(engines[0], options.precision), options)
    result = video.paint_film(film, out, painter, films, {**engines[0].metadata, **changed(options)})
    note = painter.range_check.note
    outcome = FilmResult(out, result.frames, result.remark, [f"{note} '{film}'"] if note else [])
    if out == video.PIPE:
        for sentence in (*outcome.notes, *outcome.failures):
            logger.warning(sentence)
    return outcome


def _on_device(
    engine: restoration.Engine, precision: Literal["auto"] | restoration.Precision
) -> restoration.Engine:
    """The engine where it is fast; in float32, if no precision is named."""
    if not isinstance(engine, restoration.TorchEngine):
        return engine
    placed = engine.on(best_device())
    return placed if precision == "auto" else placed.computing_in(precision)

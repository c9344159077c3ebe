"""Paints a film: segment by segment, so that a stopped one goes on where it was."""

import json
import logging
import re
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from glob import escape
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from lossmith.core.devices import best_device
from lossmith.core.errors import LossmithError
from lossmith.core.files import (
    atomic_write,
    hidden_path,
    refuse_links,
    remove_partial_files,
    sha256_of,
    write_text,
)
from lossmith.core.lock import folder_lock
from lossmith.core.progress import ProgressBar
from lossmith.restoration.channels import to_levels
from lossmith.video.conversion import BT709, FULL, LIMITED, RGB, is_rgb
from lossmith.video.deflicker import Deflicker
from lossmith.video.film import CONTAINERS, PIPE, FilmFormat, Frame
from lossmith.video.options import FilmOptions
from lossmith.video.painter import Painter
from lossmith.video.reading import RawReader, Source, open_film, read_film
from lossmith.video.writing import Encoding, comment_of, default_codec, join_segments, write_segment

logger = logging.getLogger(__name__)

SEGMENT = 48
"""Frames in a segment: what is painted again, at most, when a film was stopped."""
RECORD = "lossmith "
"""Begins the line of a film's comment that says how it was painted."""


@dataclass(frozen=True)
class PaintedFilm:
    """What became of a film."""

    frames: int
    """How many frames the result has; 0 if it was finished before."""
    remark: str = ""
    """What was wrong with the film: only what could be read of it was painted."""


def paint_film(
    film: Path,
    out: Path,
    painter: Painter,
    options: FilmOptions = FilmOptions(),
    settings: Mapping[str, Any] | None = None,
    segment: int = SEGMENT,
) -> PaintedFilm:
    """Paint a film frame by frame, with its time stamps, rotation, colors, sound, subtitles and metadata.

    `-` as the film or as `out` are raw frames, see `FilmOptions`. A stopped call of the same film, options and
    `settings`, which tell painters from each other, goes on after the last finished `segment` of frames; a
    finished film is left alone. Memory does not depend on the length.

    Raises LossmithError, before anything is painted, where the film cannot be read, or `out` cannot hold the
    result; and when the disk is full: finished segments are kept, and `out` is not written.
    """
    _check_options(film, out, options)
    deflicker = Deflicker(options.deflicker, best_device())
    source = _source(film, options)
    if out == PIPE:
        return _to_pipe(source, painter, deflicker)
    container, encoding = _container(out), Encoding(options.codec or default_codec(out), options.crf)
    encoding.check()
    if out.exists() and film != PIPE and out.samefile(film):
        raise LossmithError(f"'{out}' would overwrite the film that is to be painted; change `out`")
    record = {
        "film": film.name,
        "film_sha256": None if film == PIPE else sha256_of(film),
        "deflicker": options.deflicker,
        "codec": encoding.codec,
        "crf": encoding.crf,
        "segment": segment,
        **(settings or {}),
    }
    if (finished := _finished(film, out, record)) is not None:
        return finished
    folder = hidden_path(out, "unfinished")
    refuse_links(folder)
    with folder_lock(folder):
        result_format = _result_format(source.film, painter, encoding)
        work = _Work(folder, _as_text(record), source, result_format, encoding, segment)
        remove_partial_files(out.parent, escape(out.name))
        original = None if film == PIPE else film
        with work.kept_if_resumable(original):
            work.rehearse(container, original)
            painted = work.paint(painter, deflicker)
            with atomic_write(out) as draft:
                comment = RECORD + _as_text(record | {"remark": painted.remark})
                work.join(draft, container, original, comment)
        shutil.rmtree(folder, ignore_errors=True)
    return painted


@dataclass
class _Work:
    """The unfinished film in its folder."""

    folder: Path
    record: str
    source: Source
    result: FilmFormat
    encoding: Encoding
    segment: int
    last_duration: int = 0
    """Of the last frame, in units of the time base."""

    @contextmanager
    def kept_if_resumable(self, original: Path | None) -> Iterator[None]:
        """Clear away segments of other settings, and after a failure those that a later call cannot go on with."""
        state = self.folder / "settings.json"
        if not (original and state.is_file() and state.read_text() == self.record):
            for path in (*self.folder.glob("*.nut"), *self.folder.glob("*.npz")):
                path.unlink()
            write_text(state, self.record)
        try:
            yield
        except BaseException:
            if original is None or not self.segments():
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    def rehearse(self, container: str, original: Path | None) -> None:
        """Write a film of one gray frame, so that what does not fit together is found before the work."""
        upright = self.result.turned_size(self.result.height, self.result.width)
        gray = np.full((*upright, 3), 127, self.result.dtype)
        with atomic_write(self.folder / "rehearsal") as film, atomic_write(self.folder / "frame") as frame:
            write_segment(frame, self.result, self.encoding, [Frame(gray, 0, 1)])
            missing = join_segments(film, container, [frame], self.result, Fraction(1), original, packets=False)
        for name in ("rehearsal", "frame"):
            (self.folder / name).unlink()
        if missing:
            logger.warning(f"{container} does not take all of the film; the result has no {', no '.join(missing)}")

    def paint(self, painter: Painter, deflicker: Deflicker) -> PaintedFilm:
        """Paint the segments that are not finished."""
        done = len(self.segments())
        frames = self._counted(self.source.frames(first=done * self.segment))
        skipped = sum(1 for _ in islice(frames, done * self.segment))
        if done and deflicker.strength:
            deflicker.load(self._memory(done - 1))
        with ProgressBar("paint") as bar:
            meter = _Meter(bar, self.source.film.frames, skipped)
            painted = meter.counting(_painted(frames, painter, deflicker, self.source.film.dtype))
            for first in painted:
                with atomic_write(self._segment(done)) as draft:
                    batch = chain([first], islice(painted, self.segment - 1))
                    write_segment(draft, self.result, self.encoding, batch)
                    deflicker.save(self._memory(done))
                self._memory(done - 1).unlink(missing_ok=True)
                done += 1
            return PaintedFilm(meter.frames, self.source.remark)

    def join(self, path: Path, container: str, original: Path | None, comment: str) -> None:
        """Write the film of all segments."""
        last_duration = self.last_duration * self.result.time_base
        join_segments(path, container, self.segments(), self.result, last_duration, original, comment)

    def segments(self) -> list[Path]:
        """The finished ones."""
        return sorted(self.folder.glob("segment-*.nut"))

    def _segment(self, number: int) -> Path:
        return self.folder / f"segment-{number:06}.nut"

    def _memory(self, number: int) -> Path:
        """What `Deflicker` remembers after a segment."""
        return self.folder / f"segment-{number:06}.npz"

    def _counted(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for frame in frames:
            self.last_duration = frame.duration
            yield frame


def _check_options(film: Path, out: Path, options: FilmOptions) -> None:
    """Raise LossmithError for options that would have no effect."""
    defaults = FilmOptions()
    for names, concerned, reason in (
        (("codec", "crf"), out != PIPE, "a film that is written to a file, and `out` is -"),
        (("frame_size", "rate"), film == PIPE, f"raw frames, and '{film}' is a film"),
    ):
        for name in names:
            if not concerned and getattr(options, name) != getattr(defaults, name):
                raise LossmithError(f"`{name}` is for {reason}; leave it out")


def _source(film: Path, options: FilmOptions) -> Source:
    if film != PIPE:
        return read_film(film)
    size = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", options.frame_size or "")
    if size is None:
        raise LossmithError("raw frames need `frame_size`, WIDTHxHEIGHT, such as 1920x1080")
    try:
        rate = Fraction(options.rate)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not Fraction(1, 1000) <= rate <= 1000:
        raise LossmithError(
            f"`rate` is frames per second, 1/1000 to 1000, such as 30000/1001, not '{options.rate}'"
        )
    rate = rate.limit_denominator(10_000)  # films count in 32 bits
    raw = FilmFormat(int(size[2]), int(size[1]), rate, 1 / rate, color_range=LIMITED)
    return RawReader(sys.stdin.buffer, replace(raw, colorspace=BT709, color_primaries=BT709, color_trc=BT709))


def _container(out: Path) -> str:
    container = CONTAINERS.get(out.suffix.lower())
    if container is None or out.is_dir():
        raise LossmithError(f"`out` of a film is a file that ends in {', '.join(CONTAINERS)}, or -, not '{out}'")
    return container


def _as_text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, sort_keys=True)


def _finished(film: Path, out: Path, record: Mapping[str, Any]) -> PaintedFilm | None:
    """The film that is there, of the same settings; raises LossmithError where it is another's."""
    if not out.exists():
        return None
    if (present := _record_of(out)) is None:
        raise LossmithError(f"'{out}' exists and was not made by lossmith; move it, or change `out`")
    remark = present.pop("remark", "")
    if (source := present.get("film")) != film.name:
        raise LossmithError(f"'{out}' was made of '{source}'; move it, or change `out`")
    same = film != PIPE and _as_text(present) == _as_text(record)
    return PaintedFilm(0, remark) if same else None


def _record_of(out: Path) -> dict[str, Any] | None:
    """How a file was painted; None where it is no film, or was not made by lossmith."""
    try:
        with open_film(out) as container:
            lines = comment_of(container).splitlines()
        # the last is after that of the film, if it was painted, too
        text = [line.removeprefix(RECORD) for line in lines if line.startswith(RECORD)][-1]
        record = json.loads(text)
    except (LossmithError, IndexError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _result_format(film: FilmFormat, painter: Painter, encoding: Encoding) -> FilmFormat:
    height, width = film.turned_size(*painter.size_of(*film.turned_size(film.height, film.width)))
    result = replace(film, height=height, width=width)
    result = replace(result, pixel_format=encoding.pixel_format(result))
    return replace(result, colorspace=RGB, color_range=FULL) if is_rgb(result.pixel_format) else result


def _painted(frames: Iterator[Frame], painter: Painter, deflicker: Deflicker, dtype: str) -> Iterator[Frame]:
    for frame in frames:
        result = deflicker(frame.pixels, np.clip(painter(frame.pixels), 0, 1))
        yield replace(frame, pixels=to_levels(result, dtype))


def _to_pipe(source: Source, painter: Painter, deflicker: Deflicker) -> PaintedFilm:
    """Raw frames of rgb24 to the standard output."""
    upright = source.film.turned_size(source.film.height, source.film.width)
    height, width = painter.size_of(*upright)
    logger.info(f"raw frames: rgb24, {width}x{height}, {source.film.rate} per second")
    with ProgressBar("paint") as bar:
        meter = _Meter(bar, source.film.frames)
        for frame in meter.counting(_painted(source.frames(), painter, deflicker, "uint8")):
            sys.stdout.buffer.write(frame.pixels.tobytes())
        sys.stdout.buffer.flush()
        return PaintedFilm(meter.frames, source.remark)


class _Meter:
    """Counts frames on a progress bar, with how many are painted in a second."""

    def __init__(self, bar: ProgressBar, total: int, done: int = 0) -> None:
        """`total` is about how many there are, 0 for unknown, and `done` how many were painted before."""
        self.frames = self._before = done
        self._bar, self._total, self._started = bar, total, time.monotonic()

    def counting(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        self._update()
        for frame in frames:
            self.frames += 1
            yield frame
            self._update()
        self._total = self.frames  # which is known now
        self._update()

    def _update(self) -> None:
        self._bar.update(min(self.frames / self._total, 1.0) if self._total else 0.0, self._status)

    def _status(self) -> str:
        rate = (self.frames - self._before) / max(time.monotonic() - self._started, 1e-6)
        of = f" of {self._total}" if self._total else ""
        return f"{self.frames}{of} frames" + (f"  {rate:.3g} per second" if rate else "")

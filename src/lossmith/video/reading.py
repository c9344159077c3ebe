"""Films, and raw frames from a pipe, as frames one after another."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from lossmith.core.errors import LossmithError, counted
from lossmith.video.conversion import BT709, LIMITED, to_pixels
from lossmith.video.film import FilmFormat, Frame, Pixels, pyav, turned

NO_PIXELS = np.empty((0, 0, 3), np.uint8)
SLACK = 0.5
"""Seconds by which a film that does not tell how many frames it has may be shorter than it says."""


class Source(Protocol):
    """Where frames come from."""

    @property
    def film(self) -> FilmFormat: ...
    @property
    def remark(self) -> str:
        """What was wrong with the film, as far as it was read; empty where nothing was."""
        ...

    def frames(self, first: int = 0) -> Iterator[Frame]:
        """All frames, upright, one at a time; those before the `first` may have no pixels."""
        ...


@dataclass
class RawReader:
    """Frames of rgb24 from a stream, as `ffmpeg -f rawvideo -pix_fmt rgb24` writes them."""

    stream: BinaryIO
    film: FilmFormat
    remark: str = ""

    def frames(self, first: int = 0) -> Iterator[Frame]:
        shape = (self.film.height, self.film.width, 3)
        size, index = self.film.height * self.film.width * 3, 0
        while len(values := self.stream.read(size)) == size:
            yield Frame(np.frombuffer(values, np.uint8).reshape(shape), index, 1)
            index += 1
        if not index:
            raise LossmithError("the standard input has no whole frame; is `frame_size` right?")
        if values:
            self.remark = f"the standard input ends in the middle of frame {index + 1}; is `frame_size` right?"


@dataclass
class FilmReader:
    """The frames of a film."""

    path: Path
    film: FilmFormat
    remark: str = ""

    def frames(self, first: int = 0) -> Iterator[Frame]:
        with open_film(self.path) as container:
            stream = video_stream(container, self.path)
            stream.thread_type = "AUTO"
            previous: Frame | None = None
            for number, decoded in enumerate(self._decoded(container, stream)):
                step = decoded.duration or round(1 / (self.film.rate * self.film.time_base))
                following = 0 if previous is None else previous.time_stamp + previous.duration
                earliest = following if previous is None else previous.time_stamp + 1
                time_stamp = following if decoded.pts is None else max(decoded.pts, earliest)
                pixels = self._pixels(decoded) if number >= first else NO_PIXELS
                previous = Frame(pixels, time_stamp, step)
                yield previous
            if previous is None:
                raise LossmithError(f"'{self.path}' has no frame that can be read")

    def _pixels(self, decoded: Any) -> Pixels:
        return turned(to_pixels(decoded, self.film), self.film.quarter_turns)

    def _decoded(self, container: Any, stream: Any) -> Iterator[Any]:
        """The frames that can be decoded; what is missing becomes the remark."""
        error_type = pyav().error.FFmpegError
        packets = damaged = 0
        end, failure = 0.0, ""
        try:
            for packet in container.demux():
                if packet.pts is not None and packet.time_base:
                    end = max(end, float((packet.pts + (packet.duration or 0)) * packet.time_base))
                if packet.stream is not stream:
                    continue
                packets += packet.size > 0
                try:
                    yield from packet.decode()
                except error_type:
                    damaged += 1
        except error_type as error:
            failure = f" ({error.strerror})"
        start = (container.start_time or 0) / 1e6
        missing = (container.duration or 0) / 1e6 + start - end
        if failure or (packets < stream.frames if stream.frames else missing > SLACK):
            self.remark = f"'{self.path}' is cut off: only its first {end - start:.2f} s can be read{failure}"
        elif damaged:
            self.remark = f"{counted(damaged, 'packet')} of '{self.path}' cannot be decoded"


def open_film(path: Path) -> Any:
    """A film as PyAV's container; raises LossmithError where it is none."""
    av = pyav()
    try:
        return av.open(str(path), metadata_errors="replace")
    except FileNotFoundError as error:
        raise LossmithError(f"there is no film '{path}'") from error
    except av.error.FFmpegError as error:
        raise LossmithError(
            f"'{path}' cannot be read as a film ({error.strerror}); if it is one, its end or its index is missing"
        ) from error


def video_stream(container: Any, path: Path) -> Any:
    """The stream of moving pictures, which a cover is not; raises LossmithError where there is none to decode."""
    cover = pyav().stream.Disposition.attached_pic
    stream = next((each for each in container.streams.video if not each.disposition & cover), None)
    if stream is None:
        raise LossmithError(f"'{path}' has no video")
    if stream.codec_context is None or not stream.codec_context.codec.is_decoder:
        raise LossmithError(f"the video of '{path}' is in a codec that this installation of PyAV does not decode")
    return stream


def read_film(path: Path) -> FilmReader:
    """A film, whose first frame is decoded to learn its format.

    Raises LossmithError where the file is no film, has no video, or nothing of it can be decoded.
    """
    av = pyav()
    with open_film(path) as container:
        stream = video_stream(container, path)
        try:
            frame = next(container.decode(stream), None)
        except av.error.FFmpegError as error:
            raise LossmithError(f"the video of '{path}' cannot be decoded ({error.strerror})") from error
        if frame is None:
            raise LossmithError(f"'{path}' has no frame that can be read")
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        seconds = (container.duration or 0) / 1_000_000
        film = FilmFormat(
            frame.height,
            frame.width,
            rate,
            stream.time_base,
            stream.frames or round(seconds * rate),
            _without_range(frame.format.name),
            max(component.bits for component in frame.format.components),
            BT709 if frame.format.is_rgb else int(frame.colorspace),
            int(frame.color_primaries),
            int(frame.color_trc),
            LIMITED if frame.format.is_rgb else int(frame.color_range),
            stream.sample_aspect_ratio or None,
        )
        if "DISPLAYMATRIX" in {each.type.name for each in frame.side_data}:
            matrix = np.frombuffer(bytes(frame.side_data["DISPLAYMATRIX"]), np.int32)
            turns = round(frame.rotation / 90) % 4
            film = replace(film, matrix=tuple(map(int, matrix)), quarter_turns=turns)
    return FilmReader(path, film)


def _without_range(pixel_format: str) -> str:
    """`yuvj420p` is a former name of yuv420p from 0 to 255."""
    return pixel_format.replace("yuvj", "yuv")

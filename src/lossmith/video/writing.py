"""Films in segments, each a file of its own, and the film that is joined of them."""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any

from lossmith.core.errors import LossmithError
from lossmith.video.conversion import from_pixels, tag
from lossmith.video.film import FilmFormat, Frame, pyav, turned
from lossmith.video.reading import open_film, video_stream

SEGMENT_FORMAT = "nut"
"""The container of segments, which keeps any time base and any codec."""
PROBING = {"analyzeduration": str(10**12), "probesize": str(10**9)}
"""How far ffmpeg may look into a segment, in microseconds and bytes, for the order of slow or large frames."""
CRF = {"libx264": 18, "libx265": 20, "libvpx-vp9": 24, "libsvtav1": 24}
"""Codecs with a constant rate factor, and one at which results look like the frames."""
PARAMETERS = {
    "libx264": {"x264-params": "force-cfr=1:mbtree=0"},
    "libx265": {"x265-params": "log-level=error"},
}
"""What else codecs are told.

x264 is to store the frame rate, not the time base, and to do without its macroblock tree: in some sizes of frames
that reads memory which was never written, and the same frames give another film now and then.
"""
MEASURES = ("bps", "duration", "number_of_", "_statistics_", "encoder")
"""How names of metadata begin that tell how a stream was coded, which is another one in the result."""
SCALE_OF_QUALITY = 118
"""Units of ffmpeg's quality in one step of the quantizer of the other codecs."""


@dataclass(frozen=True)
class Encoding:
    """How frames are coded."""

    codec: str
    crf: float | None = None

    def check(self) -> None:
        """Raise LossmithError for a codec that is not there, and a factor that it does not take."""
        self.pixel_formats()
        if self.crf is not None and (self.codec not in CRF or not 0 <= self.crf <= 63):
            raise LossmithError(f"`crf` is 0 to 63, for `codec` {', '.join(CRF)}")

    def pixel_formats(self) -> list[str]:
        """What the codec takes."""
        av = pyav()
        try:
            codec = av.codec.Codec(self.codec, "w")
        except ValueError as error:
            known = ", ".join(name for name in (*CRF, "ffv1") if name in av.codecs_available)
            raise LossmithError(f"there is no codec '{self.codec}' to write films with; take {known}") from error
        if codec.type != "video":
            raise LossmithError(f"'{self.codec}' is a codec for {codec.type}, not for films")
        return [each.name for each in codec.video_formats or ()]

    def pixel_format(self, film: FilmFormat) -> str:
        """That of the film, if it has color, the codec takes it and the size suits it; else the nearest."""
        even = film.height % 2 == 0 and film.width % 2 == 0
        depth = "10le" if film.bits > 8 else ""
        av = pyav()
        colored = len(av.VideoFormat(film.pixel_format).components) > 1
        wanted = [film.pixel_format] if colored and (even or "444" in film.pixel_format) else []
        wanted += [f"yuv420p{depth}"] if even else []
        wanted += [f"yuv444p{depth}", "yuv444p", "yuv420p"]
        known = self.pixel_formats()
        return next((each for each in wanted if not known or each in known), known[0] if known else wanted[0])

    def options(self) -> dict[str, str]:
        """For ffmpeg."""
        factor = {"crf": f"{CRF[self.codec] if self.crf is None else self.crf:g}"} if self.codec in CRF else {}
        return factor | PARAMETERS.get(self.codec, {})


def default_codec(out: Path) -> str:
    """The codec for a container."""
    return "libvpx-vp9" if out.suffix.lower() == ".webm" else "libx264"


def write_segment(path: Path, film: FilmFormat, encoding: Encoding, frames: Iterable[Frame]) -> None:
    """Write upright frames as a file that begins with a key frame and can be decoded by itself."""
    av = pyav()
    with (
        _explained(f"frames cannot be written with codec {encoding.codec}"),
        av.open(str(path), "w", format=SEGMENT_FORMAT) as container,
    ):
        try:
            stream = container.add_stream(encoding.codec, rate=film.rate, options=encoding.options())
        except ValueError as error:
            raise LossmithError(f"films cannot be written with codec {encoding.codec} in segments") from error
        context = stream.codec_context
        context.height, context.width, context.pix_fmt = film.height, film.width, film.pixel_format
        context.time_base = stream.time_base = film.time_base
        context.max_b_frames = 0  # so frames are stored in order, and segments join at any time stamps
        if film.aspect:
            context.sample_aspect_ratio = film.aspect
        if encoding.codec not in CRF:
            context.flags |= av.codec.context.Flags.qscale
            context.global_quality = 2 * SCALE_OF_QUALITY
        tag(context, film)
        for frame in frames:
            coded = from_pixels(turned(frame.pixels, -film.quarter_turns), film)
            coded.pts, coded.time_base, coded.duration = frame.time_stamp, film.time_base, frame.duration
            container.mux(stream.encode(coded))
        container.mux(stream.encode())


def join_segments(
    path: Path,
    container_format: str,
    segments: Sequence[Path],
    film: FilmFormat,
    last_duration: Fraction,
    original: Path | None = None,
    comment: str = "",
    packets: bool = True,
) -> list[str]:
    """Write the film of some segments, with sound, subtitles, chapters and metadata of the original.

    `last_duration` is how many seconds the last frame is shown, and `comment` is added to that of the original.
    Without `packets` it has no sound, but is refused as with it.

    Returns what of the original it does not have, such as "subtitle subrip".

    Raises LossmithError where the container does not take the codec of the frames or of the sound.
    """
    av = pyav()
    with (
        av.open(str(segments[0])) as first,
        _source(original) as source,
        _explained(f"the film cannot be written as {container_format}"),
        av.open(str(path), "w", format=container_format) as target,
    ):
        video = _copied(target, first.streams.video[0], container_format)
        others: dict[int, Any] = {}
        missing: list[str] = []
        tag(video.codec_context, film)
        if film.matrix:
            video.set_display_matrix(film.matrix)
        if source is not None and original is not None:
            painted = video_stream(source, original)
            _describe(video, painted)
            others = _other_streams(target, source, container_format)
            missing = [
                _name(each)
                for each in source.streams
                if each.index not in (painted.index, *others) and each.type != "data"  # such as marks of chapters
            ]
            target.set_chapters(source.chapters())
            target.metadata.update(source.metadata)
            target.metadata.pop("COMMENT", None)
            comment = "\n".join(filter(None, [comment_of(source), comment]))
        target.metadata["comment"] = comment
        timed = [_of_segments(segments, video, last_duration)]
        if others and packets:
            timed.append(_of_original(source, others))
        for _, packet in heapq.merge(*timed, key=lambda each: each[0]):
            target.mux(packet)
    return missing


def comment_of(container: Any) -> str:
    """The comment in a film, whose name Matroska writes in capital letters."""
    return next((value for name, value in container.metadata.items() if name.lower() == "comment"), "")


def _source(original: Path | None) -> Any:
    return nullcontext() if original is None else open_film(original)


def _copied(target: Any, stream: Any, container_format: str) -> Any:
    """A stream of the target for the packets of another, which are not coded again."""
    try:
        return target.add_stream_from_template(stream, opaque=True)
    except ValueError as error:
        name = stream.codec_context.name
        raise LossmithError(
            f"{container_format} does not hold the {stream.type} codec {name}; let `out` end in .mkv"
        ) from error


def _other_streams(target: Any, source: Any, container_format: str) -> dict[int, Any]:
    """Streams for the sound, and for those subtitles that the container takes, by their numbers in the source."""
    streams = {each.index: _copied(target, each, container_format) for each in source.streams.audio}
    for each in source.streams.subtitles:
        with suppress(LossmithError):
            streams[each.index] = _copied(target, each, container_format)
    for index, stream in streams.items():
        _describe(stream, source.streams[index])
    return streams


def _describe(stream: Any, original: Any) -> None:
    """Say of a stream what its original says: its language, title, and whether it is the default."""
    tags = original.metadata.items()
    stream.metadata.update({name: value for name, value in tags if not name.lower().startswith(MEASURES)})
    stream.disposition = original.disposition


def _name(stream: Any) -> str:
    """What a stream is, such as "subtitle subrip"."""
    codec = stream.codec_context.name if stream.codec_context else ""
    return f"{stream.type} {codec}".strip()


def _of_segments(segments: Sequence[Path], video: Any, last_duration: Fraction) -> Iterator[tuple[float, Any]]:
    """The packets of the frames, with their times; each lasts until the next."""
    before: Any = None
    for packet in chain.from_iterable(map(_packets, segments)):
        if before is not None:
            before.duration = round(
                (packet.pts * packet.time_base - before.pts * before.time_base) / before.time_base
            )
            yield _for_stream(before, video)
        before = packet
    before.duration = round(last_duration / before.time_base)
    yield _for_stream(before, video)


def _packets(segment: Path) -> Iterator[Any]:
    with pyav().open(str(segment), options=PROBING) as container:
        yield from (packet for packet in container.demux(video=0) if packet.size)


def _of_original(source: Any, streams: dict[int, Any]) -> Iterator[tuple[float, Any]]:
    """The packets of sound and subtitles, with their times, as far as they can be read."""
    with suppress(pyav().error.FFmpegError):
        for packet in source.demux([source.streams[index] for index in streams]):
            if packet.size and packet.dts is not None:
                yield _for_stream(packet, streams[packet.stream_index])


def _for_stream(packet: Any, stream: Any) -> tuple[float, Any]:
    packet.stream = stream
    return float(packet.dts * packet.time_base), packet


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Raise what ffmpeg does not like as LossmithError; errors of the disk stay what they are."""
    try:
        yield
    except pyav().error.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        raise LossmithError(
            f"{what} ({error.strerror}); take another `codec`, or let `out` end in .mkv"
        ) from error

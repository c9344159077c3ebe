"""A film to paint: 48 frames with sound, to be turned by a quarter when it is shown; and what is in a film."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lossmith.video.film import Pixels

av = pytest.importorskip("av")

TIME_BASE = Fraction(1, 600)


def write_film(
    path: Path,
    time_stamps: Sequence[int] = range(0, 1200, 25),
    sound: bool = True,
    pixel_format: str = "yuv420p",
    **options: str,
) -> Path:
    """A bright square moves over a still ground of 64 x 48; a tone of two seconds."""
    random = np.random.default_rng(0)
    ground = random.integers(0, 200, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w", options=options) as film:
        video = film.add_stream("libx264", rate=24, options={"crf": "10"})
        context = video.codec_context
        context.height, context.width, context.pix_fmt = 48, 64, pixel_format
        context.time_base = video.time_base = TIME_BASE
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1, 1
        video.set_display_rotation(90)
        audio = film.add_stream("aac", rate=44100, layout="mono") if sound else None
        for number, time_stamp in enumerate(time_stamps):
            pixels = ground.copy()
            pixels[30:40, number : number + 10] = 255
            frame = av.VideoFrame.from_ndarray(pixels).reformat(
                format=pixel_format, dst_colorspace=1, dst_color_range=1
            )
            frame.pts, frame.time_base = time_stamp, TIME_BASE
            film.mux(video.encode(frame))
        film.mux(video.encode())
        for number in range(86 if sound else 0):
            wave = np.sin(np.arange(1024 * number, 1024 * (number + 1)) / 20)[None].astype(np.float32)
            tone = av.AudioFrame.from_ndarray(wave, "fltp", "mono")
            tone.sample_rate, tone.pts, tone.time_base = 44100, 1024 * number, Fraction(1, 44100)
            film.mux(audio.encode(tone))
        if audio:
            film.mux(audio.encode())
    return path


class Same:
    """Paints nothing."""

    def size_of(self, height: int, width: int) -> tuple[int, int]:
        return height, width

    def __call__(self, pixels: Pixels) -> Pixels:
        return pixels.astype(np.float32) / np.float32(255)


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def pixels_of(path: Path) -> Pixels:
    return np.stack([frame.to_ndarray(format="rgb24").astype(np.float32) for frame in frames_of(path)])


def sound_of(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]

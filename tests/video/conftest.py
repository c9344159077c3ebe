"""A film to paint: 48 frames with sound, to be turned by a quarter when it is shown."""

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

av = pytest.importorskip("av")

TIME_BASE = Fraction(1, 600)


def write_film(
    path: Path, time_stamps: Sequence[int] = range(0, 1200, 25), sound: bool = True, **options: str
) -> Path:
    """A bright square moves over a still ground of 64 x 48; a tone of two seconds."""
    random = np.random.default_rng(0)
    ground = random.integers(0, 200, (6, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    with av.open(str(path), "w", options=options) as film:
        video = film.add_stream("libx264", rate=24, options={"crf": "10"})
        context = video.codec_context
        context.height, context.width, context.pix_fmt = 48, 64, "yuv420p"
        context.time_base = video.time_base = TIME_BASE
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = 1, 1, 1, 1
        video.set_display_rotation(90)
        audio = film.add_stream("aac", rate=44100, layout="mono") if sound else None
        for number, time_stamp in enumerate(time_stamps):
            pixels = ground.copy()
            pixels[30:40, number : number + 10] = 255
            frame = av.VideoFrame.from_ndarray(pixels).reformat(
                format="yuv420p", dst_colorspace=1, dst_color_range=1
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


@pytest.fixture(scope="session")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "film.mp4")

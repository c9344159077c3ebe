"""What a film has beside its frames and its sound is in the result, or it is said that it is not."""

import logging
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from lossmith.video import FilmOptions, paint_film

from .films import Same, av, frames_of, write_film

SUBTITLES = "1\n00:00:00,100 --> 00:00:00,900\nHello\n\n2\n00:00:01,000 --> 00:00:01,400\nBye\n"


@pytest.fixture
def labeled(film: Path, tmp_path: Path) -> Path:
    """The film in Matroska with subtitles, a chapter, a title, a comment and languages."""
    (tmp_path / "words.srt").write_text(SUBTITLES)
    path = tmp_path / "labeled.mkv"
    with (
        av.open(str(film)) as source,
        av.open(str(tmp_path / "words.srt")) as words,
        av.open(str(path), "w") as target,
    ):
        streams = (*source.streams, *words.streams)
        copies = {stream: target.add_stream_from_template(stream, opaque=True) for stream in streams}
        target.metadata.update({"title": "Holiday", "comment": "by the sea"})
        copies[source.streams.audio[0]].metadata["language"] = "deu"
        chapter = {"id": 1, "start": 0, "end": 900, "time_base": Fraction(1, 1000)}
        target.set_chapters([{**chapter, "metadata": {"title": "Waves"}}])
        for packet in filter(lambda packet: packet.size, [*source.demux(), *words.demux()]):
            packet.stream = copies[packet.stream]
            target.mux(packet)
    return path


def contents(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as film:
        tags = {name.lower(): value for name, value in film.metadata.items()}
        return {
            "title": tags["title"],
            "comment": tags["comment"].splitlines()[0],
            "language": film.streams.audio[0].metadata["language"],
            "chapters": [
                (each["start"] * each["time_base"], each["metadata"]["title"]) for each in film.chapters()
            ],
            "subtitles": [bytes(packet) for packet in film.demux(subtitles=0) if packet.size],
        }


def test_subtitles_chapters_languages_and_title_are_kept(labeled: Path, tmp_path: Path) -> None:
    paint_film(labeled, tmp_path / "painted.mkv", Same())
    assert contents(tmp_path / "painted.mkv") == contents(labeled)


def test_what_the_container_does_not_hold_is_said(
    labeled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "lossmith"):
        paint_film(labeled, tmp_path / "painted.mp4", Same())
    assert [record.message for record in caplog.records] == [
        "mp4 does not take all of the film; the result has no subtitle srt"
    ]


@pytest.mark.parametrize(
    ("film_format", "codec", "result_format"),
    [
        ("yuv420p10le", "libx264", "yuv420p10le"),  # more than 8 bits
        ("gray", "libx264", "yuv420p"),  # paintings have colors
        ("yuv422p", "libvpx-vp9", "yuv422p"),
        ("yuv420p", "mpeg4", "yuv420p"),  # a codec without a constant rate factor
    ],
)
def test_frames_are_stored_as_those_of_the_film_if_the_codec_can(
    tmp_path: Path, film_format: str, codec: str, result_format: str
) -> None:
    film = write_film(tmp_path / "film.mkv", range(0, 100, 25), sound=False, pixel_format=film_format)
    paint_film(film, tmp_path / "painted.mkv", Same(), FilmOptions(codec=codec))
    assert {frame.format.name for frame in frames_of(tmp_path / "painted.mkv")} == {result_format}


CODE = """
import sys
from fractions import Fraction
from pathlib import Path
import numpy as np
from lossmith.video.film import FilmFormat, Frame
from lossmith.video.writing import Encoding, write_segment
random = np.random.default_rng(0)
ground = random.integers(0, 200, (30, 40, 3), np.uint8).repeat(8, 0).repeat(8, 1)
moved = [np.roll(ground, number // 3, 1) for number in range(48)]
pixels = [each ^ random.integers(0, 6, each.shape, np.uint8) for each in moved]
frames = [Frame(each, number, 1) for number, each in enumerate(pixels)]
write_segment(Path(sys.argv[1]), FilmFormat(240, 320, Fraction(24), Fraction(1, 24)), Encoding("libx264"), frames)
"""


def test_the_same_frames_are_coded_to_the_same_bytes_whatever_was_in_memory_before(tmp_path: Path) -> None:
    for fill in ("0", "1"):  # glibc fills new memory with it; with x264's macroblock tree the results differ
        environment = os.environ | {"MALLOC_PERTURB_": fill}
        subprocess.run([sys.executable, "-c", CODE, tmp_path / f"{fill}.nut"], env=environment, check=True)
    assert (tmp_path / "0.nut").read_bytes() == (tmp_path / "1.nut").read_bytes()

"""Films are painted frame by frame, and keep all else."""

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.restoration import TorchEngine
from lossmith.video import FilmOptions, FramePainter, paint_film
from lossmith.video.film import PIPE, Pixels

from .conftest import av, write_film


class Same:
    """Paints nothing."""

    scale = 1

    def __call__(self, pixels: Pixels) -> Pixels:
        return pixels.astype(np.float32) / np.float32(255)


class KilledAfter(Same):
    """Stops in the middle, as a signal would."""

    def __init__(self, frames: int) -> None:
        self.frames = frames

    def __call__(self, pixels: Pixels) -> Pixels:
        self.frames -= 1
        if self.frames < 0:
            raise KeyboardInterrupt
        return super().__call__(pixels)


def random_painter() -> FramePainter:
    torch.manual_seed(0)
    convolutions = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 3, 3, padding=1)
    return FramePainter(TorchEngine(nn.Sequential(*convolutions), 1))


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as container:
        return list(container.decode(video=0))


def pixels_of(path: Path) -> Pixels:
    return np.stack([frame.to_ndarray(format="rgb24").astype(np.float32) for frame in frames_of(path)])


def sound_of(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(audio=0) if packet.size]
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets]


EVEN, VARIED = range(0, 1200, 25), np.cumsum([0, *[25, 30, 50, 10] * 12][:48]).tolist()


@pytest.mark.parametrize("time_stamps", [EVEN, VARIED], ids=["even", "varied"])
def test_a_painted_film_keeps_times_size_rotation_colors_and_sound(tmp_path: Path, time_stamps: Any) -> None:
    film, out = write_film(tmp_path / "film.mp4", time_stamps), tmp_path / "painted.mp4"
    assert paint_film(film, out, random_painter(), segment=20).frames == 48
    before, after = frames_of(film), frames_of(out)
    assert len(after) == 48
    for old, new in zip(before, after, strict=True):
        assert new.time == old.time
        for name in ("width", "height", "rotation", "color_range", "colorspace", "color_primaries", "color_trc"):
            assert getattr(new, name) == getattr(old, name), name
    assert after[0].rotation == 90
    assert sound_of(out) == sound_of(film)
    with av.open(str(film)) as old, av.open(str(out)) as new:
        # the container counts in whole ticks of the sound, too; one frame takes 40 ms
        assert abs(old.duration - new.duration) < 50_000
    assert [path.name for path in tmp_path.glob(".*")] == []


def test_every_frame_is_what_the_network_makes_of_it_upright(film: Path, tmp_path: Path) -> None:
    painter = random_painter()
    paint_film(film, tmp_path / "painted.mkv", painter, FilmOptions(codec="ffv1"))
    for old, new in zip(pixels_of(film), pixels_of(tmp_path / "painted.mkv"), strict=True):
        upright = np.rot90(old).astype(np.uint8)
        expected = np.rot90(255 * painter(upright).clip(0, 1), -1)
        # beside rounding, colors are stored for every other pixel
        assert np.abs(new - expected).mean() < 6


def test_colors_survive_where_nothing_is_painted(film: Path, tmp_path: Path) -> None:
    paint_film(film, tmp_path / "same.mkv", Same(), FilmOptions(codec="ffv1"))
    difference = pixels_of(film) - pixels_of(tmp_path / "same.mkv")
    # colors are stored for every other pixel, so those at edges differ; a wrong matrix or range would change all
    assert np.median(np.abs(difference)) <= 2
    assert np.abs(difference.mean((0, 1, 2))).max() < 1


@pytest.mark.parametrize("steady", [0.0, 0.8])
def test_a_killed_film_goes_on_and_becomes_the_same(film: Path, tmp_path: Path, steady: float) -> None:
    options = FilmOptions(steady=steady)
    paint_film(film, tmp_path / "whole.mp4", Same(), options, segment=10)
    out = tmp_path / "killed" / "whole.mp4"
    with pytest.raises(KeyboardInterrupt):
        paint_film(film, out, KilledAfter(25), options, segment=10)
    assert not out.exists()
    paint_film(film, out, KilledAfter(28), options, segment=10)  # two segments of ten need not be painted again
    assert np.array_equal(pixels_of(out), pixels_of(tmp_path / "whole.mp4"))
    assert sound_of(out) == sound_of(film)


def test_a_finished_film_is_left_alone_and_another_is_not_replaced(film: Path, tmp_path: Path) -> None:
    out = tmp_path / "painted.mp4"
    paint_film(film, out, Same())
    assert paint_film(film, out, KilledAfter(0)).frames == 0
    out.write_bytes(film.read_bytes())
    with pytest.raises(LossmithError, match="was not painted by lossmith"):
        paint_film(film, out, Same())


def test_a_larger_result(film: Path, tmp_path: Path) -> None:
    painter = FramePainter(TorchEngine(nn.Upsample(scale_factor=2), 2))
    paint_film(film, tmp_path / "large.mp4", painter)
    first = frames_of(tmp_path / "large.mp4")[0]
    assert (first.width, first.height, first.rotation) == (128, 96, 90)


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_of_a_film_that_is_cut_off_what_there_is_is_painted(tmp_path: Path, ending: str) -> None:
    options = {"movflags": "faststart"} if ending == ".mp4" else {}
    whole = write_film(tmp_path / f"whole{ending}", **options).read_bytes()
    film, out = tmp_path / f"film{ending}", tmp_path / "painted.mp4"
    film.write_bytes(whole[: len(whole) * 6 // 10])
    result = paint_film(film, out, Same())
    assert "is cut off" in result.remark
    assert 0 < len(frames_of(out)) == result.frames < 48


def test_mistakes_are_said_before_anything_is_painted(film: Path, tmp_path: Path) -> None:
    never = KilledAfter(0)
    tone, text = tmp_path / "tone.mp4", tmp_path / "text.mp4"
    text.write_text("no film")
    with av.open(str(film)) as source, av.open(str(tone), "w") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.size:
                packet.stream = stream
                target.mux(packet)
    for path, out, options, sentence in (
        (tone, "a.mp4", FilmOptions(), "has no video"),
        (text, "a.mp4", FilmOptions(), "cannot be read as a film"),
        (tmp_path / "none.mp4", "a.mp4", FilmOptions(), "there is no film"),
        (film, "a.mp4", FilmOptions(codec="h999"), "no codec 'h999'"),
        (film, "a.mp4", FilmOptions(codec="aac"), "codec for audio"),
        (film, "a.webm", FilmOptions(), "does not hold the audio codec aac"),
        (film, "a.txt", FilmOptions(), "ends in .mp4"),
        (film, "a.mp4", FilmOptions(steady=1.0), "`steady` must be"),
        (film, "a.mp4", FilmOptions(crf=99), "`crf` is 0 to 63"),
        (film, str(film), FilmOptions(), "would overwrite"),
        (PIPE, "a.mp4", FilmOptions(), "need `frame_size`"),
        (PIPE, "a.mp4", FilmOptions(frame_size="4x4", rate="0"), "`rate` is frames"),
    ):
        with pytest.raises(LossmithError, match=sentence):
            paint_film(path, tmp_path / out, never, options)
    assert {path.name for path in tmp_path.iterdir()} == {"tone.mp4", "text.mp4"}


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from lossmith.core.errors import LossmithError
from lossmith.video import FilmOptions, paint_film
class Noise:
    scale = 1
    random = np.random.default_rng(0)
    def __call__(self, pixels):
        return self.random.random(pixels.shape, np.float32)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    paint_film(Path(sys.argv[1]), Path(sys.argv[2]), Noise(), FilmOptions(crf=0), segment=10)
except LossmithError as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize("limit", [30_000, 150_000], ids=["in a segment", "in the film"])
def test_a_full_disk_leaves_nothing_under_the_final_name(film: Path, tmp_path: Path, limit: int) -> None:
    out = tmp_path / "painted.mp4"
    words = [sys.executable, "-c", FULL_DISK, str(film), str(out), str(limit)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith("make room, and the same command goes on")
    assert not out.exists()


def test_raw_frames_go_in_and_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream:
        def __init__(self, values: bytes = b"") -> None:
            self.buffer = io.BytesIO(values)

    frames = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), np.uint8)
    options, stdout = FilmOptions(frame_size="8x6", rate="30000/1001"), Stream()
    monkeypatch.setattr(sys, "stdin", Stream(frames.tobytes()))
    monkeypatch.setattr(sys, "stdout", stdout)
    assert paint_film(PIPE, PIPE, Same(), options).frames == 5
    assert stdout.buffer.getvalue() == frames.tobytes()
    monkeypatch.setattr(sys, "stdin", Stream(frames.tobytes() + b"cut off"))
    result = paint_film(PIPE, tmp_path / "film.mkv", Same(), options)
    assert "in the middle of frame 6" in result.remark
    assert [round(frame.time * 30000 / 1001, 1) for frame in frames_of(tmp_path / "film.mkv")] == [0, 1, 2, 3, 4]

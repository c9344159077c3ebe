"""Films are painted frame by frame, and keep all else."""

import io
import resource
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.restoration import RestoreOptions, TorchEngine
from lossmith.video import FilmOptions, FramePainter, paint_film
from lossmith.video.film import PIPE, Pixels

from .films import Same, av, frames_of, pixels_of, sound_of, write_film


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


def test_a_film_may_be_slow(tmp_path: Path) -> None:
    film = write_film(tmp_path / "film.mp4", range(0, 36000, 3000), sound=False)
    assert paint_film(film, tmp_path / "painted.mp4", Same()).frames == 12
    assert [frame.time for frame in frames_of(tmp_path / "painted.mp4")] == [*range(0, 60, 5)]


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


@pytest.mark.parametrize("deflicker", [0.0, 0.8])
def test_a_killed_film_goes_on_and_becomes_the_same(film: Path, tmp_path: Path, deflicker: float) -> None:
    options = FilmOptions(deflicker=deflicker)
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
    with pytest.raises(LossmithError, match="was not made by lossmith"):
        paint_film(film, out, Same())


@pytest.mark.parametrize("comment", ["lossmith {broken", "lossmith 1", "lossmith"])
def test_a_film_of_another_comment_is_not_replaced(film: Path, tmp_path: Path, comment: str) -> None:
    out = tmp_path / "painted.mp4"
    with av.open(str(out), "w") as target:
        stream = target.add_stream("libx264", rate=24)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        target.metadata["comment"] = comment
        target.mux(stream.encode(av.VideoFrame(64, 48, "yuv420p")))
        target.mux(stream.encode())
    before = out.read_bytes()
    with pytest.raises(LossmithError, match=r"painted.mp4' exists and was not made by lossmith; move it"):
        paint_film(film, out, KilledAfter(0))
    assert out.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no film"])
def test_a_file_that_is_no_film_is_not_replaced(film: Path, tmp_path: Path, content: bytes) -> None:
    out = tmp_path / "painted.mp4"
    out.write_bytes(content)
    with pytest.raises(LossmithError, match=r"painted.mp4' exists and was not made by lossmith; move it"):
        paint_film(film, out, KilledAfter(0))
    assert out.read_bytes() == content


@pytest.mark.parametrize("name", ["", ".lock", "settings.json"])
def test_links_in_the_place_of_unfinished_work_are_refused(film: Path, tmp_path: Path, name: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept.nut").write_text("precious")
    link = tmp_path / ".painted.mp4.unfinished" / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere / "kept.nut" if name else elsewhere)
    with pytest.raises(LossmithError, match="is a link, which may lead anywhere"):
        paint_film(film, tmp_path / "painted.mp4", Same())
    assert (elsewhere / "kept.nut").read_text() == "precious"


def test_a_painted_film_can_be_painted_again(film: Path, tmp_path: Path) -> None:
    paint_film(film, tmp_path / "once.mkv", Same())
    assert paint_film(tmp_path / "once.mkv", tmp_path / "twice.mkv", Same()).frames == 48
    assert paint_film(tmp_path / "once.mkv", tmp_path / "twice.mkv", KilledAfter(0)).frames == 0


def test_a_film_does_not_replace_that_of_another(film: Path, tmp_path: Path) -> None:
    paint_film(film, tmp_path / "painted.mp4", Same())
    other = write_film(tmp_path / "other.mp4", range(0, 100, 25), sound=False)
    with pytest.raises(LossmithError, match=r"was made of 'film.mp4'"):
        paint_film(other, tmp_path / "painted.mp4", Same())


@pytest.mark.parametrize(
    ("options", "size"),
    [
        (RestoreOptions(), (128, 96)),
        (RestoreOptions(scale_to=3), (192, 144)),
        (RestoreOptions(size=43), (44, 32)),  # the longer side; both are even, which players want
        (RestoreOptions(size="30x50"), (50, 30)),
    ],
    ids=["model", "scale", "longer side", "both sides"],
)
def test_the_result_has_the_size_of_the_model_or_the_options(
    tmp_path: Path, options: RestoreOptions, size: tuple[int, int]
) -> None:
    film = write_film(tmp_path / "film.mp4", range(0, 50, 25), sound=False)
    painter = FramePainter(TorchEngine(nn.Upsample(scale_factor=2), 2), options)
    paint_film(film, tmp_path / "resized.mp4", painter)
    first = frames_of(tmp_path / "resized.mp4")[0]
    assert (first.width, first.height, first.rotation) == (*size, 90)


@pytest.mark.parametrize("ending", [".mkv", ".mp4"])
def test_of_a_film_that_is_cut_off_what_there_is_is_painted(tmp_path: Path, ending: str) -> None:
    options = {"movflags": "faststart"} if ending == ".mp4" else {}
    whole = write_film(tmp_path / f"whole{ending}", **options).read_bytes()
    film, out = tmp_path / f"film{ending}", tmp_path / "painted.mp4"
    film.write_bytes(whole[: len(whole) * 6 // 10])
    result = paint_film(film, out, Same())
    assert "is cut off" in result.remark
    assert 0 < len(frames_of(out)) == result.frames < 48
    again = paint_film(film, out, KilledAfter(0))
    assert (again.frames, again.remark) == (0, result.remark)


def test_mistakes_are_said_before_anything_is_painted(film: Path, tmp_path: Path) -> None:
    never = KilledAfter(0)
    tone, text, unknown = (tmp_path / name for name in ("tone.mp4", "text.mp4", "unknown.mkv"))
    known = write_film(unknown, range(0, 50, 25), sound=False).read_bytes()
    unknown.write_bytes(known.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XXX"))
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
        (unknown, "a.mp4", FilmOptions(), "does not decode"),
        (tmp_path / "none.mp4", "a.mp4", FilmOptions(), "there is no film"),
        (film, "a.mp4", FilmOptions(codec="h999"), "no codec 'h999'"),
        (film, "a.mp4", FilmOptions(codec="aac"), "codec for audio"),
        (film, "a.mov", FilmOptions(codec="prores_ks"), "codec prores_ks in segments"),
        (film, "a.webm", FilmOptions(), "does not hold the audio codec aac"),
        (film, "a.txt", FilmOptions(), "ends in .mp4"),
        (film, "a.mp4", FilmOptions(deflicker=1.0), "`deflicker` must be"),
        (film, "a.mp4", FilmOptions(crf=99), "`crf` is 0 to 63"),
        (film, str(film), FilmOptions(), "would overwrite"),
        (film, "a.mp4", FilmOptions(frame_size="8x6"), "`frame_size` is for raw frames, and .* is a film"),
        (film, "a.mp4", FilmOptions(rate="24"), "`rate` is for raw frames, and .* is a film"),
        (PIPE, "a.mp4", FilmOptions(), "need `frame_size`"),
        (PIPE, "a.mp4", FilmOptions(frame_size="4x4", rate="0"), "`rate` is frames"),
    ):
        with pytest.raises(LossmithError, match=sentence):
            paint_film(path, tmp_path / out, never, options)
    assert {path.name for path in tmp_path.iterdir()} == {"tone.mp4", "text.mp4", "unknown.mkv"}


class Noise(Same):
    """Nothing that could be compressed."""

    def __init__(self) -> None:
        self.random = np.random.default_rng(0)

    def __call__(self, pixels: Pixels) -> Pixels:
        return self.random.random(pixels.shape, np.float32)


@pytest.fixture
def largest_file() -> Iterator[Callable[[int], None]]:
    """Makes writing fail beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [30_000, 150_000], ids=["in a segment", "in the film"])
def test_a_full_disk_leaves_nothing_under_the_final_name(
    film: Path, tmp_path: Path, largest_file: Callable[[int], None], limit: int
) -> None:
    out, options = tmp_path / "painted.mp4", FilmOptions(crf=0)
    largest_file(limit)
    with pytest.raises(LossmithError, match="make room, and the same command goes on"):
        paint_film(film, out, Noise(), options, segment=10)
    assert not out.exists()
    largest_file(10_000_000)
    assert paint_film(film, out, Noise(), options, segment=10).frames == len(frames_of(out)) == 48


class Stream:
    """As `sys.stdin` and `sys.stdout`."""

    def __init__(self, values: bytes = b"") -> None:
        self.buffer = io.BytesIO(values)


RAW = np.random.default_rng(0).integers(0, 256, (5, 6, 8, 3), np.uint8)
RAW_OPTIONS = FilmOptions(frame_size="8x6", rate="30000/1001")


def test_raw_frames_go_in_and_out(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = Stream()
    monkeypatch.setattr(sys, "stdin", Stream(RAW.tobytes()))
    monkeypatch.setattr(sys, "stdout", stdout)
    assert paint_film(PIPE, PIPE, Same(), RAW_OPTIONS).frames == 5
    assert stdout.buffer.getvalue() == RAW.tobytes()


@pytest.mark.parametrize("options", [{"codec": "ffv1"}, {"crf": 0}])
def test_raw_frames_have_no_codec(options: Any) -> None:
    with pytest.raises(LossmithError, match=f"`{next(iter(options))}` is for a film that is written to a file"):
        paint_film(PIPE, PIPE, Same(), FilmOptions(frame_size="8x6", **options))


def test_raw_frames_become_a_film_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "film.mkv"
    for count, rest in ((3, b""), (5, b"cut off")):  # a second call has other frames, for all that is known
        monkeypatch.setattr(sys, "stdin", Stream(RAW[:count].tobytes() + rest))
        result = paint_film(PIPE, out, Same(), RAW_OPTIONS)
        assert result.frames == count
        assert [round(frame.time * 30000 / 1001, 1) for frame in frames_of(out)] == [*range(count)]
    assert "in the middle of frame 6" in result.remark


@pytest.mark.parametrize("rate", ["1e400", "1e12", "1e-10", "-25", "nan", "1/0", "fast"])
def test_a_rate_that_no_film_has_is_refused(tmp_path: Path, rate: str) -> None:
    with pytest.raises(LossmithError, match=f"`rate` is frames per second, 1/1000 to 1000, .* not '{rate}'"):
        paint_film(PIPE, tmp_path / "film.mkv", Same(), FilmOptions(frame_size="8x6", rate=rate))


@pytest.mark.parametrize("rate", ["1/1000", "23.976023976023976", "1000"])
def test_a_rate_may_be_any_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rate: str) -> None:
    monkeypatch.setattr(sys, "stdin", Stream(RAW.tobytes()))
    options = FilmOptions(frame_size="8x6", rate=rate)
    assert paint_film(PIPE, tmp_path / "film.mp4", Same(), options).frames == 5


def test_a_pipe_without_frames_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Stream())
    with pytest.raises(LossmithError, match="no whole frame"):
        paint_film(PIPE, tmp_path / "film.mkv", Same(), RAW_OPTIONS)
    assert [*tmp_path.iterdir()] == []

"""Films on the command line, of `stylize` and of `restore`."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import lossmith
from lossmith.cli import run
from lossmith.core.errors import LossmithError
from lossmith.models.model_file import save_model
from lossmith.networks import network

from ..video.films import frames_of, pixels_of, sound_of, write_film

STYLE = "transform_net(width=0.125, blocks=1)"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder, with a film of 48 frames, two styles, and a restorer that is none."""
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "film.mp4")
    for seed, (name, expression) in enumerate({"one": STYLE, "two": STYLE, "x2": "fcn(scale=2)"}.items()):
        torch.manual_seed(seed)
        scale = 2 if name == "x2" else 1
        save_model(
            tmp_path / f"{name}.safetensors", network(expression, scale), {"network": expression, "scale": scale}
        )
    return tmp_path


def lossmith_says(capsys: pytest.CaptureFixture[str], status: int, *words: str) -> str:
    """What the command line answers."""
    assert run(words) == status
    answer = capsys.readouterr()
    return answer.err if status == 2 else answer.out


def colors(path: Path) -> Any:
    return pixels_of(path).mean((0, 1, 2))


def test_a_film_is_painted_with_its_times_size_rotation_and_sound(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["stylize", "film.mp4", "--model", "one.safetensors", "--out", "painted.mp4"]
    assert lossmith_says(capsys, 0, *words) == "48 frames: painted.mp4\n"
    before, after = frames_of(folder / "film.mp4"), frames_of(folder / "painted.mp4")
    assert [frame.time for frame in after] == [frame.time for frame in before]
    assert {(each.width, each.height, each.rotation) for each in after} == {(64, 48, 90)}
    assert sound_of(folder / "painted.mp4") == sound_of(folder / "film.mp4")
    assert np.abs(pixels_of(folder / "painted.mp4") - pixels_of(folder / "film.mp4")).mean() > 10
    assert lossmith_says(capsys, 0, *words) == "done before: painted.mp4\n"


KILLED = """
import os, signal, sys
from lossmith.cli import run
from lossmith.video.painter import FramePainter
paint, painted = FramePainter.__call__, []
def killing(self, pixels):
    painted.append(len(painted))
    if len(painted) == 60:
        os.kill(os.getpid(), signal.SIGKILL)
    return paint(self, pixels)
FramePainter.__call__ = killing
run(sys.argv[1:])
"""


def test_a_killed_command_goes_on_to_the_same_film(folder: Path) -> None:
    write_film(folder / "long.mp4", range(0, 2500, 25))
    words = ["stylize", "long.mp4", "--model", "one.safetensors", "--deflicker", "0.5", "--out"]
    killed = subprocess.run([sys.executable, "-c", KILLED, *words, "painted.mp4"], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "painted.mp4").exists()
    unfinished = folder / ".painted.mp4.unfinished"
    finished = {path.name: path.stat().st_mtime_ns for path in unfinished.glob("segment-*.nut")}
    assert [*finished] == ["segment-000000.nut"]
    assert run([*words, "painted.mp4"]) == run([*words, "whole.mp4"]) == 0
    painted, whole = folder / "painted.mp4", folder / "whole.mp4"
    assert painted.read_bytes() == whole.read_bytes()
    assert not unfinished.exists()


def test_strength_color_and_size_are_those_of_images(folder: Path) -> None:
    film = folder / "film.mp4"
    common: dict[str, Any] = {"model": folder / "one.safetensors", "size": 32}
    lossmith.stylize(film, out=folder / "gray.mp4", keep_color=True, **common)
    lossmith.stylize(film, out=folder / "same.mp4", strength=0, **common)
    for name in ("gray.mp4", "same.mp4"):
        assert (frames_of(folder / name)[0].width, frames_of(folder / name)[0].height) == (32, 24)
    # averages survive resampling and the codec; a network of random weights keeps none
    assert np.abs(colors(folder / "same.mp4") - colors(film)).max() < 2
    of_film, kept = colors(film), colors(folder / "gray.mp4")
    assert abs((kept[0] - kept[2]) - (of_film[0] - of_film[2])) < 4
    assert np.abs(kept - of_film).max() > 5


def test_a_film_is_painted_between_two_styles(folder: Path) -> None:
    models = [folder / "one.safetensors", folder / "two.safetensors"]
    between = folder / "1x-between.safetensors"
    lossmith.blend(*models, alpha=0.25, out=between)
    lossmith.stylize(folder / "film.mp4", model=models, strength=0.25, out=folder / "mixed.mp4")
    lossmith.stylize(folder / "film.mp4", model=between, out=folder / "blend.mp4")
    assert np.array_equal(pixels_of(folder / "mixed.mp4"), pixels_of(folder / "blend.mp4"))


def test_a_restored_film_has_the_scale_that_is_asked_for(folder: Path) -> None:
    for name, options, width in (("x2", {}, 128), ("x3", {"scale_to": 3}, 192)):
        lossmith.restore(
            folder / "film.mp4", model=folder / "x2.safetensors", out=folder / f"{name}.mp4", **options
        )
        assert frames_of(folder / f"{name}.mp4")[0].width == width


def test_a_film_that_is_cut_off_is_painted_as_far_as_it_goes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = write_film(folder / "whole.mkv").read_bytes()
    (folder / "cut.mkv").write_bytes(whole[: len(whole) * 6 // 10])
    answer = lossmith_says(capsys, 1, "stylize", "cut.mkv", "--model", "one.safetensors", "--out", "painted.mkv")
    assert "'cut.mkv' is cut off: only its first" in answer
    assert 10 < len(frames_of(folder / "painted.mkv")) < 48


def test_the_outcome_of_a_film_has_what_that_of_images_has(folder: Path) -> None:
    out, options = folder / "x2.mp4", lossmith.FilmOptions(crf=30)
    for results, skipped in (([out], []), ([], [out])):
        outcome = lossmith.restore(folder / "film.mp4", model=folder / "x2.safetensors", out=out, films=options)
        assert isinstance(outcome, lossmith.FilmResult)
        assert (outcome.results, outcome.skipped, outcome.failures) == (results, skipped, [])
    cut_off = lossmith.FilmResult(out, 3, "it is cut off", ["it is dark"])
    assert (cut_off.failures, cut_off.headline, cut_off.status) == (["it is cut off"], "it is cut off", 1)
    assert str(cut_off) == f"it is dark\nit is cut off\n3 frames: {out}"


def test_raw_frames_go_through_a_pipe(folder: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, 24, 32, 3), np.uint8).tobytes()
    words = ["stylize", "-", "--frame-size", "32x24", "--model", "one.safetensors", "--size", "16", "--out", "-"]
    process = subprocess.run(
        [sys.executable, "-m", "lossmith", *words], input=frames, capture_output=True, check=True
    )
    assert len(process.stdout) == 3 * 16 * 12 * 3
    assert process.stderr == b"lossmith: raw frames: rgb24, 16x12, 25 per second\n"


FILM_ONE_OUT = ["film.mp4", "--model", "one.safetensors", "--out", "painted.mp4"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["film.mp4", "--model", "x2.safetensors", "--out", "painted.mp4"], "is no style, but fcn"),
        (
            ["film.mp4", "--model", "one.safetensors", "two.safetensors", "--out", "a.mp4"],
            "a film takes one --model",
        ),
        (["film.mp4", "--model", "one.safetensors", "--out", "film.mp4"], "would overwrite the film"),
        (["film.mp4", "--model", "one.safetensors", "--out", "painted"], "--out of a film is a file that ends in"),
        (["film.mp4", "b.mp4", "--model", "one.safetensors", "--out", "painted.mp4"], "one film at a time"),
        (
            ["film.png", "--model", "one.safetensors", "--out", "painted.mp4"],
            "is for a film, and no film is given",
        ),
        (["film.png", "--model", "one.safetensors", "--out", "a", "--crf", "3"], "--crf is for films"),
        ([*FILM_ONE_OUT, "--strength", "2"], "--strength must be 0 to 1"),
        ([*FILM_ONE_OUT, "--codec", "h999"], "there is no codec 'h999'"),
        ([*FILM_ONE_OUT, "--deflicker", "1"], "--deflicker must be at least 0 and less than 1"),
    ],
)
def test_mistakes_are_one_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], sentence: str
) -> None:
    before = sorted(folder.iterdir())
    answer = lossmith_says(capsys, 2, "stylize", *words)
    assert sentence in answer
    assert answer.count("\n") == 1
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("command", ["stylize", "restore"])
@pytest.mark.parametrize(
    "option", ["--verify", "--page", "--recursive", "--format png", "--bits 16", "--quality 90", "--memory 2"]
)
def test_options_for_images_are_refused_for_films(
    folder: Path, capsys: pytest.CaptureFixture[str], command: str, option: str
) -> None:
    answer = lossmith_says(capsys, 2, command, *FILM_ONE_OUT, *option.split())
    assert answer == f"lossmith: {option.split()[0]} is for images, and 'film.mp4' is a film; leave it out\n"


def test_histograms_of_frames_are_not_matched(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    answer = lossmith_says(capsys, 2, "restore", *FILM_ONE_OUT, "--match-histogram")
    assert answer == "lossmith: --match-histogram is for images, and 'film.mp4' is a film; leave it out\n"


def test_without_pyav_the_extra_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(LossmithError, match=r"pip install \"lossmith\[video\]\""):
        lossmith.stylize(folder / "film.mp4", model=folder / "one.safetensors", out=folder / "painted.mp4")


def test_an_animated_gif_is_a_film_where_a_film_is_made_of_it(folder: Path) -> None:
    from PIL import Image

    frames = [Image.new("RGB", (16, 16), (80 * index, 0, 0)) for index in range(3)]
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:], duration=100)
    lossmith.stylize(folder / "a.gif", model=folder / "one.safetensors", out=folder / "painted.mp4")
    assert [frame.time for frame in frames_of(folder / "painted.mp4")] == [0, 0.1, 0.2]

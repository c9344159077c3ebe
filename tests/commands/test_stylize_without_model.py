"""`lossmith stylize` in the style of a painting, without a model."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torchvision.models import squeezenet1_1

from lossmith import LossmithError, PaintingRecipe, stylize
from lossmith.cli import run
from lossmith.core.safetensors_io import save_tensors
from lossmith.data import read_image, write_image
from lossmith.degradations import from_8bit
from lossmith.losses.perceptual.weights import init_random
from lossmith.training import open_style

RECIPE = PaintingRecipe(iterations=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph, paintings, and a network to judge by."""
    folder = tmp_path_factory.mktemp("paintings")
    write_image(folder / "photo.png", torch.rand(3, 40, 48).cumsum(2) / 48)
    stripes = (torch.arange(96) % 8 < 4).float().expand(3, 80, 96) * torch.tensor([1.0, 0.3, 0.1])[:, None, None]
    write_image(folder / "stripes.png", stripes)
    write_image(folder / "tiny.png", stripes[:, :20, :30])
    (folder / "broken.png").write_bytes(b"no image")
    network: nn.Module = squeezenet1_1()
    init_random(network)
    (folder / "weights").mkdir()
    save_tensors(folder / "weights" / "squeezenet1_1_imagenet.safetensors", network.state_dict(), "test", {})
    return folder


@pytest.fixture(autouse=True)
def weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(folder / "weights"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder / "nowhere"))


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path)).astype(float)


def painted(folder: Path, out: Path, **options: Any) -> Path:
    given = {"style": folder / "stripes.png", "recipe": RECIPE, **options}
    (result,) = stylize(folder / "photo.png", out=out, **given).results  # type: ignore[union-attr]
    return result


def test_the_objective_falls_with_the_iterations(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    results = [
        painted(folder, tmp_path / f"{iterations}.png", recipe=PaintingRecipe(iterations=iterations))
        for iterations in (2, 10)
    ]
    assert "vgg16 are not at hand, so the features are those of squeezenet1_1" in caplog.text
    assert "10 iterations of L-BFGS at each size, images reduced to 512 pixels" in caplog.text
    loss = open_style([folder / "stripes.png"], RECIPE).loss
    photo, *paintings = (from_8bit(read_image(path))[None] for path in (folder / "photo.png", *results))
    before, early, late = (float(loss(image, photo)) for image in (photo, *paintings))
    assert late < 0.8 * early < early < before


def test_a_painting_that_is_finished_is_skipped_until_something_is_to_be_different(
    folder: Path, tmp_path: Path
) -> None:
    def outcome(**options: Any) -> str:
        given = {"style": folder / "stripes.png", "recipe": RECIPE, **options}
        return str(stylize(folder / "photo.png", out=tmp_path, **given))

    assert outcome() == "1 painted"
    assert outcome() == "0 painted, 1 done before"
    assert outcome(strength=0.5) == "1 painted"
    assert outcome(strength=0.5, recipe=PaintingRecipe(iterations=4, style_weight=1)) == "1 painted"


def test_what_stylize_does_with_models_it_does_without(folder: Path, tmp_path: Path) -> None:
    photo = Image.fromarray(pixels(folder / "photo.png").astype(np.uint8))
    photo.putalpha(77)
    photo.save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0")

    def paint(name: str, **options: Any) -> Any:
        out = tmp_path / name
        stylize(tmp_path / "a.png", style=folder / "stripes.png", recipe=RECIPE, out=out, **options)
        return pixels(out)

    whole = paint("whole.png")
    assert (whole[..., 3] == 77).all()
    half = paint("half.png", strength=0.5)
    assert np.abs(half - (whole + pixels(tmp_path / "a.png")) / 2).max() <= 1  # rounding, twice
    colored = paint("colored.png", keep_color=True)[..., :3]
    unclipped = ((colored > 0) & (colored < 255)).all(-1)
    added = (colored - pixels(tmp_path / "a.png")[..., :3])[unclipped]
    assert np.ptp(added, axis=-1).max() <= 1  # the same to red, green and blue


def test_large_photographs_are_reduced_unless_a_size_is_given(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossmith.training.image_painter.LONGEST", 36)
    assert Image.open(painted(folder, tmp_path / "default.png")).size == (36, 30)
    assert Image.open(painted(folder, tmp_path / "large.png", size=64)).size == (64, 53)
    monkeypatch.setattr("lossmith.training.image_painter.LONGEST", 360)
    assert Image.open(painted(folder, tmp_path / "small.png")).size == (48, 40)


def test_the_style_of_two_paintings_is_of_neither(folder: Path, tmp_path: Path) -> None:
    write_image(tmp_path / "blue.png", from_8bit(read_image(folder / "stripes.png")).flip(0))
    one, other = folder / "stripes.png", tmp_path / "blue.png"
    first, second, both = (
        pixels(painted(folder, tmp_path / f"{number}.png", style=style))
        for number, style in enumerate([one, other, [one, other]])
    )
    assert min(np.abs(both - first).mean(), np.abs(both - second).mean()) > 2


def test_without_any_weights_painting_says_where_to_put_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    with pytest.raises(LossmithError, match=r"at hand, .*: put vgg16-397923af\.pth from https:.* into"):
        painted(folder, tmp_path / "painted.png")


def test_an_image_for_which_the_memory_is_too_small_fails_in_a_sentence(folder: Path, tmp_path: Path) -> None:
    done = stylize(folder / "photo.png", style=folder / "stripes.png", recipe=RECIPE, out=tmp_path, memory=0.001)
    assert done.status == 1
    assert "painting 48 x 40 pixels without a model takes about 0.0 GB" in str(done)
    assert not list(tmp_path.glob("*.png"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "give one of the two"),
        (["--style", "stripes.png", "--model", "a.safetensors"], "give one of the two"),
        (["--model", "a.safetensors", "--iterations", "5"], "--iterations is for painting without a --model"),
        (["--style", "tiny.png"], "too few for a style: at least 64 are needed"),
        (["--style", "missing.png"], "'missing.png' does not exist"),
        (["--style", "broken.png"], "image 'broken.png' is not an image that can be read"),
        (["--style", "weights"], "folder 'weights' holds no images"),
        (
            ["--style", "stripes.png", "--style-weight", "0", "--content-weight", "0", "--tv-weight", "0"],
            "one of --content-weight, --style-weight and --tv-weight must be above 0",
        ),
        (["--style", "stripes.png", "--iterations", "0"], "--iterations must be at least 1, not 0"),
        (
            ["--style", "stripes.png", "--style-weight", "-1"],
            "--style-weight must be from 0 up",
        ),
        (["--style", "stripes.png", "--strength", "1.5"], "--strength must be 0 to 1, not 1.5"),
        (["--style", "stripes.png", "--precision", "bfloat16"], "without one float32 is needed"),
        (["--style", "stripes.png", "--loss-network", "resnet18"], "--content-layers and --style-layers"),
        (["--style", "stripes.png", "--out", "photo.png"], "would overwrite an image"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str],
    sentence: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    out = [] if "--out" in words else ["--out", str(tmp_path)]
    assert run(["stylize", "photo.png", *words, *out]) == 2
    assert sentence in capsys.readouterr().err.strip().splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_film_needs_a_model(tmp_path: Path) -> None:
    with pytest.raises(LossmithError, match="a film is painted with a `model`"):
        stylize(tmp_path / "film.mp4", style=tmp_path / "a.png", out=tmp_path / "painted.mp4")


def test_photographs_that_would_be_taken_for_paintings_are_noticed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["stylize", "--style", "candy.jpg", "photo.jpg", "--out", "painted"]) == 2
    assert "name images before the options" in capsys.readouterr().err

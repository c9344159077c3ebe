"""Learning a style: its file, its objective, resumption, reproduction, and the user's mistakes."""

import csv
import re
import shutil
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import nn
from torchvision.models import squeezenet1_1

from lossmith import (
    LossmithError,
    StyleRecipe,
    blend,
    export,
    learn_style,
    preset,
    reproduce,
    stylize,
)
from lossmith.cli import run
from lossmith.commands import style_page
from lossmith.core.safetensors_io import save_tensors
from lossmith.data import read_image, write_image
from lossmith.losses.perceptual.weights import init_random
from lossmith.models.model_file import load_model, save_model
from lossmith.networks import network
from lossmith.training.supervised import SupervisedModule

Weights = dict[str, torch.Tensor]

RECIPE = StyleRecipe(network="transform_net(width=0.125, blocks=1)", steps=24, patch=32, batch=2, decay="cosine")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs, a painting of stripes, and a network to judge by."""
    folder = tmp_path_factory.mktemp("styles")
    torch.manual_seed(0)
    for number in range(3):
        write_image(folder / "photos" / f"{number}.png", torch.rand(3, 40, 48).cumsum(2) / 48)
    stripes = (torch.arange(96) % 8 < 4).float().expand(3, 80, 96) * torch.tensor([1.0, 0.3, 0.1])[:, None, None]
    write_image(folder / "stripes.png", stripes)
    write_image(folder / "other.png", stripes.flip(0))
    (folder / "notes.txt").write_text("no image")
    (folder / "broken.png").write_bytes((folder / "stripes.png").read_bytes()[:60])
    write_image(folder / "tiny.png", stripes[:, :20, :30])
    squeezenet: nn.Module = squeezenet1_1()
    init_random(squeezenet)
    (folder / "weights").mkdir()
    save_tensors(folder / "weights" / "squeezenet1_1_imagenet.safetensors", squeezenet.state_dict(), "test", {})
    return folder


@pytest.fixture(autouse=True)
def weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(folder / "weights"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder / "nowhere"))
    monkeypatch.setattr(style_page, "ITERATIONS", 1)  # of each image in the grid of the page


def learned(folder: Path, out: Path, **options: object) -> Path:
    given = {
        "style": [folder / "stripes.png"],
        "recipe": RECIPE,
        "samples": [folder / "photos" / "0.png"],
    } | options
    return learn_style([folder / "photos"], out=out, **given).path  # type: ignore[arg-type]


def rows(out: Path) -> list[dict[str, str]]:
    with (out.with_suffix(".learning") / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_style_is_a_model_that_says_what_it_was_made_of(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    out = learned(folder, tmp_path / "stripes.safetensors")
    assert "vgg16 are not at hand, so the features are those of squeezenet1_1" in caplog.text
    model = load_model(out)
    assert str(model.restorer) == RECIPE.network
    style = model.receipt["style"]
    assert list(style["paintings"]) == ["stripes"]
    assert (style["loss_network"], style["content_layers"]) == ("squeezenet1_1", "fire3")
    assert len(list((out.with_suffix(".learning") / "samples").glob("*.png"))) >= 2
    first, last = (next(row for row in order if row["loss"]) for order in (rows(out), rows(out)[::-1]))
    assert float(last["loss"]) < 0.75 * float(first["loss"])
    for row in (first, last):
        assert float(row["loss"]) == pytest.approx(sum(float(row[name]) for name in ("content", "style", "tv")))


@pytest.mark.parametrize(("tv_weight", "curves"), [("1e-6", 4), ("0", 3)])
def test_the_page_shows_the_painting_photographs_terms_and_weights(
    tv_weight: str,
    curves: int,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    out = tmp_path / "stripes.safetensors"
    words = ["learn-style", "photos", "--style", "stripes.png", "--samples", "photos/0.png", "photos/1.png"]
    words += ["--network", "transform_net(width=0.125, blocks=1)", "--patch", "32", "--steps", "3"]
    words += ["--tv-weight", tv_weight, "--out", str(out)]
    assert run(words) == 0
    assert f"page: {out.with_suffix('.html')}" in capsys.readouterr().out
    page = out.with_suffix(".html").read_text()
    paintings, photographs, over_weights = 1, 2, 1 + len(style_page.FACTORS)
    assert page.count("<img ") == paintings + 2 * photographs + over_weights
    lines = re.findall(r'<polyline points="([-. ,0-9]+)"', page)
    assert len(lines) == page.count("<polyline ") == curves
    assert "after 3 iterations" in page
    for text in ("weight 0.5<", "weight 5, that of this style<", "--steps 3", "squeezenet1_1"):
        assert text in page
    out.with_suffix(".html").unlink()
    assert run(words) == 0  # a finished run is not trained again
    assert "after 3 iterations" in out.with_suffix(".html").read_text()


def test_a_stopped_run_goes_on_to_the_same_style(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = learned(folder, tmp_path / "whole.safetensors")
    take_step, steps = SupervisedModule.training_step, iter(range(100))

    def stopping(self: SupervisedModule, *arguments: object) -> object:
        if next(steps) == 11:
            raise KeyboardInterrupt
        return take_step(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(SupervisedModule, "training_step", stopping)
        with pytest.raises(KeyboardInterrupt):
            learned(folder, tmp_path / "halves.safetensors")
    assert not (tmp_path / "halves.safetensors").exists()
    halves = learned(folder, tmp_path / "halves.safetensors")
    ours, theirs = (load_model(path).restorer.state_dict() for path in (halves, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_style_is_reproduced_from_its_receipt(folder: Path, tmp_path: Path) -> None:
    out = learned(folder, tmp_path / "style.safetensors", style_share=[2.0], seed=3)
    again = reproduce(out, images=[folder / "photos", folder / "stripes.png"])
    assert again.difference == 0


@pytest.mark.parametrize(
    ("entries", "sentence"),
    [
        ({"style_share": 5}, "its style_share is no list of numbers"),
        (
            {"loss_weights": "0" * 64},
            f"of the SHA-256 {'0' * 64}, and .*squeezenet1_1_imagenet.safetensors is anoth",
        ),
    ],
)
def test_a_style_that_cannot_be_reproduced_is_refused(
    entries: dict[str, object], sentence: str, folder: Path, tmp_path: Path
) -> None:
    model = load_model(learned(folder, tmp_path / "style.safetensors", recipe=replace(RECIPE, steps=1)))
    receipt = {**model.receipt, "style": {**model.receipt["style"], **entries}}
    save_model(tmp_path / "changed.safetensors", model.restorer, receipt)
    with pytest.raises(LossmithError, match=sentence):
        reproduce(tmp_path / "changed.safetensors", images=[folder / "photos", folder / "stripes.png"])
    assert not (tmp_path / "changed-anew").exists()


def test_a_style_is_reproduced_on_as_many_devices(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(learned(folder, tmp_path / "style.safetensors", recipe=replace(RECIPE, steps=1)))
    save_model(tmp_path / "two.safetensors", model.restorer, {**model.receipt, "devices": 2})
    given: list[int] = []

    def learn(*_: object, out: Path, devices: int, **options: object) -> None:
        given.append(devices)
        out.parent.mkdir()
        shutil.copyfile(tmp_path / "style.safetensors", out)

    monkeypatch.setattr(import_module("lossmith.commands.reproduce"), "learn_style", learn)
    reproduce(tmp_path / "two.safetensors", images=[folder / "photos", folder / "stripes.png"])
    assert given == [2]


def test_a_style_is_exported_for_images_of_any_size(folder: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    style = load_model(learned(folder, tmp_path / "style.safetensors")).restorer
    export(tmp_path / "style.safetensors", out=tmp_path / "1x-style.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "1x-style.onnx"), providers=["CPUExecutionProvider"])
    for shape in ((1, 3, 32, 48), (2, 3, 41, 50)):  # a multiple of 4, by which the network reduces, and not
        images = torch.rand(shape)
        (painted,) = session.run(None, {"input": images.numpy()})
        with torch.no_grad():  # other kernels: float32 rounding, through a normalization of every layer
            torch.testing.assert_close(torch.from_numpy(painted), style(images), rtol=1e-4, atol=1e-4)


def test_two_styles_are_blended_to_one_between_them(folder: Path, tmp_path: Path) -> None:
    paths = [
        learned(folder, tmp_path / f"{name}.safetensors", style=[folder / f"{name}.png"])
        for name in ("stripes", "other")
    ]
    blend(*paths, alpha=0.25, out=tmp_path / "1x-between.safetensors")
    first, second, between = (
        load_model(path).restorer.state_dict() for path in (*paths, tmp_path / "1x-between.safetensors")
    )
    for name, weights in between.items():
        torch.testing.assert_close(weights, 0.75 * first[name] + 0.25 * second[name])
    stylize(folder / "photos" / "0.png", model=tmp_path / "1x-between.safetensors", out=tmp_path / "painted.png")
    assert read_image(tmp_path / "painted.png").shape == (3, 40, 48)


def test_averaged_weights_are_what_is_saved(folder: Path, tmp_path: Path) -> None:
    last = load_model(learned(folder, tmp_path / "last.safetensors")).restorer.state_dict()
    averaging = replace(RECIPE, ema=0.9)
    mean = load_model(learned(folder, tmp_path / "mean.safetensors", recipe=averaging)).restorer.state_dict()
    torch.manual_seed(0)
    first = network(RECIPE.network, 1).state_dict()

    def distance(ours: Weights, theirs: Weights) -> float:
        return sum(float((ours[name] - theirs[name]).square().sum()) for name in theirs) ** 0.5

    assert 0 < distance(mean, last) < distance(first, last)
    assert distance(mean, first) < distance(last, first)


def test_half_precision_learns_the_same_but_for_its_rounding(folder: Path, tmp_path: Path) -> None:
    def style_terms(precision: Literal["float32", "bfloat16"]) -> list[float]:
        out = learned(folder, tmp_path / f"{precision}.safetensors", recipe=replace(RECIPE, precision=precision))
        assert load_model(out).receipt["precision"] == precision
        return [float(row["style"]) for row in rows(out) if row["style"]]

    full, half = style_terms("float32"), style_terms("bfloat16")
    assert half != full
    # bfloat16 has 8 bits; their errors are small at first, and are amplified from step to step
    assert half[:5] == pytest.approx(full[:5], rel=0.05)


@pytest.mark.slow
def test_two_devices_learn_the_style_of_one(folder: Path, tmp_path: Path) -> None:
    one, two = (
        learned(folder, tmp_path / f"{devices}.safetensors", devices=devices, recipe=replace(RECIPE, steps=4))
        for devices in (1, 2)
    )
    assert load_model(two).receipt["devices"] == 2
    last, expected = rows(two)[-1], rows(one)[-1]
    for name in ("content", "style", "tv"):  # sums of another order, which Adam's division enlarges
        assert float(last[name]) == pytest.approx(float(expected[name]), rel=1e-2)


def test_without_any_weights_learning_says_where_to_put_them(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path))
    with pytest.raises(LossmithError, match=r"at hand, .*: put vgg16-397923af\.pth from https:.* into"):
        learned(folder, tmp_path / "style.safetensors")
    assert not list(tmp_path.iterdir())


def test_another_painting_does_not_go_on_with_a_run(folder: Path, tmp_path: Path) -> None:
    out = learned(folder, tmp_path / "style.safetensors")
    with pytest.raises(LossmithError, match="the style differ"):
        learned(folder, out, style=[folder / "other.png"])


def test_presets_are_those_of_the_paper_and_of_two_cores() -> None:
    published = preset("johnson")["recipe"]
    budget = (published.patch, published.batch, published.steps, published.learning_rate)
    assert budget == (256, 4, 40_000, 1e-3)
    assert preset("johnson_small")["recipe"].patch < published.patch


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a painting to learn from: --style"),
        (["--style", "nowhere.png"], "'nowhere.png' does not exist"),
        (["--style", "notes.txt"], "notes.txt"),
        (["--style", "broken.png"], "broken.png"),
        (["--style", "tiny.png"], "has 20x30 pixels to learn from, too few for a style: at least 64 are needed"),
        (["--style", "stripes.png", "--style-size", "20"], "too few for a style: at least 64 are needed"),
        (["--style", "stripes.png", "--style-share", "1", "2"], "1 paintings need as many shares"),
        (
            ["--style", "stripes.png", "--out", "style.pth"],
            "a style is written to a file such as",
        ),
        (
            ["--style", "stripes.png", "--style-weight", "-1"],
            "--style-weight must be from 0 up and finite",
        ),
        (["--style", "stripes.png", "--photo-size", "64"], "--photo-size 64 are too small for patches of 256"),
        (["--style", "stripes.png", "--loss-network", "resnet18"], "name the layers of resnet18 for the style"),
        (["--style", "stripes.png", "--loss-network", "vgg16"], "vgg16 needs vgg16-397923af.pth"),
        (["--style", "stripes.png", "--preset", "esrgan"], "--preset esrgan is an option of train"),
    ],
)
def test_mistakes_are_one_sentence(
    words: list[str],
    message: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    out = [] if "--out" in words else ["--out", str(tmp_path / "style.safetensors")]
    assert run(["learn-style", "photos", *words, *out]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error
    assert not list(tmp_path.iterdir())

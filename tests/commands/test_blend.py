"""`lossmith blend`: one model, or a page of what lies between two."""

import csv
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from skimage import data

from lossmith import LossmithError, blend
from lossmith.cli import run
from lossmith.commands.blend import parse_alphas
from lossmith.core.pixel_format import PixelFormat
from lossmith.data import write_image
from lossmith.degradations import Bicubic
from lossmith.evaluation import find_metric
from lossmith.models.model_file import load_model, save_model
from lossmith.networks import network
from lossmith.report.pages.blend import BlendContents, Point, verdict
from lossmith.report.scatter import round_step

EXPRESSION = "srresnet_small(features=4, blocks=1)"


def save_network(path: Path, expression: str = EXPRESSION, seed: int = 0, **receipt: object) -> Path:
    torch.manual_seed(seed)
    net = network(expression, 2)
    save_model(
        path, net, {"network": expression, "scale": 2, "degradation": "bicubic(2)", "loss": "l1", **receipt}
    )
    return path


def child(path: Path, parent: Path) -> Path:
    """A model not far from another."""
    net = load_model(parent).restorer
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.02 * torch.randn_like(parameter)
    save_model(path, net, {**load_model(parent).receipt, "loss": "mdf(sr)"})
    return path


def for_pixels(path: Path, pixels: PixelFormat, seed: int = 0) -> Path:
    """A model for images of a format."""
    torch.manual_seed(seed)
    net = network(EXPRESSION, 2, pixels.channels)
    save_model(path, net, {"network": str(net), "scale": 2, "loss": "l1", **pixels.receipt_entries})
    return path


@pytest.fixture
def model_pair(tmp_path: Path) -> tuple[Path, Path]:
    first = save_network(tmp_path / "2x-psnr.safetensors")
    return first, child(tmp_path / "2x-gan.safetensors", first)


@pytest.fixture
def targets(tmp_path: Path) -> Path:
    for name, image in (
        ("astronaut", data.astronaut()[:60, 180:250]),
        ("chelsea", data.chelsea()[100:180, :90]),
    ):
        write_image(tmp_path / "targets" / f"{name}.png", torch.from_numpy(image.copy()).permute(2, 0, 1))
    return tmp_path / "targets"


# --- one model -------------------------------------------------------------------------------------------------


def test_one_alpha_gives_one_model_that_is_the_mix(model_pair: tuple[Path, Path], tmp_path: Path) -> None:
    out = tmp_path / "2x-mixed.safetensors"
    assert str(blend(*model_pair, alpha="0.8", out=out)) == f"model: {out}"
    mix, first, second = (load_model(path) for path in (out, *model_pair))
    a, b = first.restorer.state_dict(), second.restorer.state_dict()
    for name, tensor in mix.restorer.state_dict().items():
        torch.testing.assert_close(tensor, 0.2 * a[name] + 0.8 * b[name])
    assert mix.receipt["network"] == EXPRESSION
    assert mix.receipt["degradation"] == "bicubic(2)"
    assert mix.receipt["loss"] == "blend of 2x-psnr and 2x-gan at 0.8"
    assert mix.receipt["blend"] == {"alpha": 0.8, "first": first.receipt, "second": second.receipt}


def test_checkpoints_of_the_field_can_be_blended(tmp_path: Path) -> None:
    for name in ("RRDB_PSNR_x4.pth", "RRDB_ESRGAN_x4.pth"):
        torch.save(network("rrdbnet(features=4, blocks=1)", 4).state_dict(), tmp_path / name)
    out = tmp_path / "interp_08_x4.safetensors"
    blend(tmp_path / "RRDB_PSNR_x4.pth", tmp_path / "RRDB_ESRGAN_x4.pth", alpha="0.8", out=out)
    assert load_model(out).scale == 4


def test_unrelated_models_are_blended_with_a_warning(tmp_path: Path) -> None:
    first, second = (save_network(tmp_path / f"{seed}.safetensors", seed=seed) for seed in (1, 2))
    words = str(blend(first, second, alpha="0.5", out=tmp_path / "2x-both.safetensors"))
    assert re.search(
        r"\nnote: the weights of the two models have a cosine of -?0\.\d\d, so neither seems to be", words
    )


def test_models_of_one_format_become_a_model_of_that_format(tmp_path: Path) -> None:
    deep = PixelFormat(8, "uint16", 0, 4095)
    ends = [for_pixels(tmp_path / f"2x-{name}.safetensors", deep, seed) for seed, name in enumerate("ab")]
    blend(*ends, alpha=0.5, out=tmp_path / "2x-mixed.safetensors")
    assert load_model(tmp_path / "2x-mixed.safetensors").pixels == deep
    with pytest.raises(LossmithError, match=r"^a page is .* for 8 channels, 16 bits, 0 to 4095; give one"):
        blend(*ends, alpha=[0, 1], out=tmp_path / "page")
    other = for_pixels(tmp_path / "2x-c.safetensors", PixelFormat(8, "uint16", 0, 65535))
    with pytest.raises(LossmithError, match="one model is for images of 8 channels, 16 bits, 0 to 4095, and the"):
        blend(ends[0], other, alpha=0.5, out=tmp_path / "2x-other.safetensors")


# --- a page ----------------------------------------------------------------------------------------------------


def test_a_range_gives_a_page_and_a_table(model_pair: tuple[Path, Path], targets: Path, tmp_path: Path) -> None:
    out = tmp_path / "between"
    outcome = blend(*model_pair, alpha="0:1:0.5", out=out, test=[targets])
    assert str(outcome) == f"page: {out / 'blend.html'}"
    page = (out / "blend.html").read_text()
    # four details, three alphas, the input and the target, twice over; and for each image three
    # that a slider fills in: the two ways and the target
    assert page.count("<img ") == 2 * 2 * (3 + 2) + 2 * (2 + 1)
    assert "lossmith blend" in page
    assert page.count("<circle ") == 2 * 3
    assert not re.search(r"https?://|<script [^>]*src", page)
    with (out / "blend.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["method"] for row in rows[:6]] == [
        f"{way} {alpha}" for way in ("weights", "images") for alpha in ("0", "0.5", "1")
    ]
    by_name = {(row["image"], row["method"]): float(row["psnr"]) for row in rows}
    for name in ("astronaut", "chelsea"):
        for end in "01":  # where nothing is mixed, there is no difference between the two ways
            assert by_name[name, f"weights {end}"] == by_name[name, f"images {end}"]


def test_images_are_mixed_as_images_and_weights_as_weights(
    model_pair: tuple[Path, Path], targets: Path, tmp_path: Path
) -> None:
    """The squared error of mixed images is convex, so below the chord; that of mixed weights need not."""
    blend(*model_pair, alpha=(0, 0.25, 0.5, 0.75, 1), degradation=Bicubic(2), out=tmp_path / "out", test=[targets])
    assert "--alpha 0,0.25,0.5,0.75,1" in (tmp_path / "out" / "blend.html").read_text()
    with (tmp_path / "out" / "blend.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["image"] == "astronaut"]
    errors = {row["method"]: 10 ** (-float(row["psnr"]) / 10) for row in rows}
    for alpha in (0.25, 0.5, 0.75):
        chord = (1 - alpha) * errors["images 0"] + alpha * errors["images 1"]
        # rounding to 8 bits adds a twelfth of a level squared at most
        assert errors[f"images {alpha:g}"] <= chord + 1 / 12 / 255**2
        assert errors[f"weights {alpha:g}"] != errors[f"images {alpha:g}"]


def test_html_in_names_is_escaped(model_pair: tuple[Path, Path], targets: Path, tmp_path: Path) -> None:
    evil = tmp_path / "<b>&.safetensors"
    evil.write_bytes(model_pair[0].read_bytes())
    blend(evil, model_pair[1], alpha="0:1:1", out=tmp_path / "out", test=[targets])
    page = (tmp_path / "out" / "blend.html").read_text()
    assert "<b>&." not in page
    assert "&lt;b&gt;&amp;" in page


def test_the_command_line_takes_the_same_alphas_as_python(
    model_pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "2x-mixed.safetensors"
    assert run(["blend", *map(str, model_pair), "--alpha", "0.5", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"model: {out}\n"
    assert run(["export", str(out), "--out", str(tmp_path / "4x-mixed.json")]) == 2
    assert capsys.readouterr().err.endswith("call it 2x-mixed.json\n")


# --- refusals --------------------------------------------------------------------------------------------------


def test_other_architectures_are_refused_in_one_sentence(tmp_path: Path) -> None:
    first = save_network(tmp_path / "a.safetensors")
    for expression, kind in (
        ("fcn", "fcn(scale=2)"),
        ("srresnet_small(features=5)", "srresnet_small(scale=2, features=5)"),
    ):
        second = save_network(tmp_path / "b.safetensors", expression)
        with pytest.raises(LossmithError) as error:
            blend(first, second, alpha="0.5", out=tmp_path / "2x-c.safetensors")
        assert str(error.value) == (
            f"{first} is srresnet_small(scale=2, features=4, blocks=1) and {second} is {kind}; "
            "only models of one architecture can be blended"
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"alpha": "0.5", "out": "page"},
            "one alpha gives one model, a .safetensors file, and page has another ending",
        ),
        (
            {"alpha": "0:1:0.5", "out": "2x.safetensors"},
            "several alphas give a page in a folder, and 2x.safetensors names a file",
        ),
        (
            {"alpha": "0.5", "out": "c.safetensors"},
            "programs read the scale from a model's name; call it 2x-c.safetensors",
        ),
        (
            {"alpha": "0.5", "out": "2x-psnr.safetensors"},
            "2x-psnr.safetensors exists already; choose another `out`",
        ),
        (
            {"alpha": "0:1:0.5", "out": "page", "degradation": "bicubic(4)"},
            "the models have scale 2, but 'bicubic(4)' has scale 4",
        ),
    ],
)
def test_invalid_blend_options_are_refused(
    options: dict[str, str],
    message: str,
    model_pair: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    out = Path(options.pop("out"))
    with pytest.raises(LossmithError) as error:
        blend(*model_pair, out=out, **options)
    assert str(error.value) == message


def test_a_users_own_degradation_must_be_named(tmp_path: Path) -> None:
    models = [save_network(tmp_path / f"{n}.safetensors", degradation="my_code:damage") for n in "ab"]
    with pytest.raises(
        LossmithError, match=r"^what the first model undoes is not known, or your own code: give `deg"
    ):
        blend(*models, out=tmp_path / "page")


@pytest.mark.parametrize(
    ("alpha", "alphas"),
    [
        ("0", [0]),
        ("1", [1]),
        ("0.3:0.9:0.3", [0.3, 0.6, 0.9]),
        ("0:1:0.4", [0, 0.4, 0.8]),
        ("0, 0.2,1", [0, 0.2, 1]),
        (0, [0]),
        (0.25, [0.25]),
        ((0, 0.2, 1.0), [0, 0.2, 1]),
        (np.linspace(0, 1, 5), [0, 0.25, 0.5, 0.75, 1]),
    ],
)
def test_alphas_are_parsed(alpha: Any, alphas: list[float]) -> None:
    assert parse_alphas(alpha) == alphas


def test_the_default_alphas_are_eleven_values_with_both_ends() -> None:
    assert parse_alphas("0:1:0.1") == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]


@pytest.mark.parametrize(
    "alpha",
    ["", "a", "0:1", "1:0:0.1", "0:1:0", "0:2:0.5", "-0.1", "nan", "0:1:0.1:2", "0:1:nan", "0,", [], [0.5, 0.2]],
)
def test_invalid_alphas_are_refused(alpha: Any) -> None:
    with pytest.raises(LossmithError, match=r"^`alpha` must be a number from 0 to 1, up to 101 rising ones"):
        parse_alphas(alpha)


@pytest.mark.parametrize(("text", "count"), [("0:1:0.001", 1001), ("0:0.5:0.9", 1)])
def test_ranges_of_too_many_or_too_few_are_refused(text: str, count: int) -> None:
    with pytest.raises(LossmithError, match=rf"^`alpha='{text}'` has {count} values; a range has 2 to 101$"):
        parse_alphas(text)


@pytest.mark.parametrize("span", [1e-6, 0.37, 1, 12.5, 1e5])
def test_axes_have_a_handful_of_round_steps(span: float) -> None:
    step = round_step(span)
    assert 2.5 <= span / step <= 10
    digits = step / 10 ** np.floor(np.log10(step) + 1e-9)
    assert min(abs(digits - round_one) for round_one in (1, 2, 5)) < 1e-6


@pytest.mark.parametrize(
    ("psnr", "words"),
    [
        (
            (30.0, 31.0, 28.0),
            "PSNR is best at alpha 0.5, 31.00 dB: better than at both ends. From alpha 0 to 1 PSNR goes",
        ),
        (
            (30.0, 29.0, 28.0),
            "No alpha is better than both ends in PSNR or GMSD: from alpha 0 to 1 PSNR goes from 30.00",
        ),
        ((30.0, 30.001, 28.0), "No alpha is better than both ends"),
    ],
)
def test_the_page_begins_with_whether_a_blend_is_better(psnr: tuple[float, ...], words: str) -> None:
    points = [Point(alpha, {"psnr": value, "gmsd": 0.1}) for alpha, value in zip((0, 0.5, 1), psnr, strict=True)]
    metrics = [find_metric("psnr"), find_metric("gmsd")]
    contents = BlendContents(("a", "b"), "", "", "", metrics, {"weights": points}, [], 1, "", "", {})
    assert verdict(contents).startswith(words)

"""The examples do what their pages say."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

import lossmith
from lossmith.data import (
    Data,
    PatchDataset,
    degraded_images,
    read_image,
    sample_images,
    write_image,
)
from lossmith.degradations import degradation
from lossmith.losses import loss
from lossmith.metrics import psnr
from lossmith.networks import network
from lossmith.training import Recipe

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = {"network": "srresnet_small(features=8, blocks=1)", "steps": 2, "batch": 2, "patch": 32}


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(EXAMPLES)


@pytest.fixture
def pair() -> tuple[Tensor, Tensor]:
    prediction, target = torch.rand(2, 2, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    return prediction, target


def test_the_loss_function_and_the_loss_class_are_the_same_loss(pair: tuple[Tensor, Tensor]) -> None:
    function, class_ = loss("custom_loss:edges"), loss("custom_loss:EdgeLoss")
    torch.testing.assert_close(function(*pair), class_(*pair))
    assert str(loss(str(0.5 * class_))) == str(0.5 * class_)


def test_the_loss_class_has_one_value_per_image_and_the_right_gradient(pair: tuple[Tensor, Tensor]) -> None:
    from custom_loss import EdgeLoss

    prediction, target = (image.double() for image in pair)
    values = EdgeLoss(reduction="none")(prediction, target)
    torch.testing.assert_close(values.mean(), EdgeLoss()(prediction, target))
    assert values.shape == (2,)
    assert torch.autograd.gradcheck(
        EdgeLoss(order=2), (prediction[:1, :, :6, :6].requires_grad_(), target[:1, :, :6, :6])
    )
    with pytest.raises(lossmith.LossmithError, match="at least 3 x 3 pixels"):
        EdgeLoss(order=2)(prediction[..., :2], target[..., :2])


@pytest.mark.parametrize(
    "expression", ["custom_degradation:scanlines(strength=0.4)", "custom_degradation:dust(grains=5..50)"]
)
def test_a_degradation_trains_on_crops_that_look_like_the_degraded_image(expression: str, photos: Path) -> None:
    change = degradation(expression)
    clean = torch.rand(3, 32, 48)
    degraded = change(clean, np.random.default_rng(0))
    assert degraded.shape == clean.shape
    assert not torch.equal(degraded, clean)
    images = degraded_images(sorted(photos.glob("*.png")), change)
    small, target = PatchDataset(images, 32, seed=0).batch(0, 2)
    assert small.shape == target.shape == (2, 3, 32, 32)


def test_scanlines_of_a_crop_are_those_of_the_whole_image() -> None:
    change = degradation("custom_degradation:scanlines")
    clean = torch.rand(3, 16, 16)
    torch.testing.assert_close(change(clean[:, 4:12]), change(clean)[:, 4:12])


@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_network_enlarges_by_the_scale_of_the_degradation(scale: int) -> None:
    assert network("custom_network:TinySR(features=4)", scale)(torch.rand(1, 3, 7, 9)).shape == (
        1,
        3,
        7 * scale,
        9 * scale,
    )


def test_own_parts_go_through_a_tournament_and_the_metric_ranks_it(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import custom_metric

    recipe = Recipe(degradation="custom_degradation:scanlines", **{**QUICK, "network": "custom_network:TinySR"})
    losses = ["l1", "0.5*l1 + custom_loss:EdgeLoss"]
    data = Data([photos / f"{i}.png" for i in range(4)], test=[photos / "4.png", photos / "5.png"])
    lossmith.compare(data, losses=losses, seeds=1, recipe=recipe, out=tmp_path / "out")
    monkeypatch.setattr(sys, "argv", ["custom_metric.py", str(tmp_path / "out"), "--targets", str(photos)])
    custom_metric.main()
    output = capsys.readouterr().out
    assert output.count(" to ") == len(losses)
    assert "best, or not distinguishable from the best: " in output


def test_the_metric_is_the_shift_of_the_mean_color(tmp_path: Path) -> None:
    from custom_metric import color_shift, rows_of

    clean = torch.full((3, 8, 8), 0.25)
    assert color_shift(clean + 10 / 255, clean) == pytest.approx(10, abs=1e-4)
    write_image(tmp_path / "targets" / "a.png", clean)
    write_image(tmp_path / "runs" / "l1" / "seed-0" / "images" / "a.png", clean)
    (row,) = rows_of(tmp_path, tmp_path / "targets")
    assert (row.image, row.method, row.seed, row.scores) == ("a", "l1", 0, {"color_shift": 0.0})


def test_the_training_loop_lowers_every_term_of_its_loss() -> None:
    from training_loop import train

    log = train()
    assert set(log[0]) == {"0.84*ssim", "0.16*l1"}
    assert all(log[-1][name] < 0.8 * log[0][name] for name in log[0])


def test_the_style_paints_a_photograph_in_the_colors_of_the_scream(tmp_path: Path) -> None:
    astronaut = next(path for path in sample_images("test") if path.stem == "astronaut")
    (painted,) = lossmith.stylize(
        astronaut, model=EXAMPLES / "the_scream.safetensors", out=tmp_path / "painted.png", size=128
    ).results
    colors, wall = read_image(painted).float(), (slice(None), slice(0, 20), slice(85, 95))
    assert colors.shape == (3, 128, 128)
    red, _, blue = colors[wall].mean((1, 2))
    assert red > blue + 40  # the wall behind her is gray, and the sky of the painting is orange


def test_the_benchmark_scores_what_it_restored(photos: Path, tmp_path: Path) -> None:
    folder = tmp_path / "data" / "denoising"
    for number in range(3):
        write_image(
            folder / ("train" if number else "test") / f"{number}.png", read_image(photos / f"{number}.png")
        )
    result = lossmith.study(
        data=tmp_path / "data",
        networks=["squeezenet1_1"],
        layers=["relu1"],
        benchmarks=["custom_benchmark:Denoising"],
        weights="random",
        scale="tiny",
        out=tmp_path / "out",
    )
    assert [run.failure for run in result.runs] == [None, None]
    clean = read_image(folder / "test" / "0.png").float()[None] / 255
    for run in result.runs:
        restored = read_image(run.images / "0.png").float()[None] / 255
        assert run.rows[0].scores["psnr"] == pytest.approx(psnr(restored, clean).item(), abs=0.05)
    assert "Noisy test pictures, as each network restores them." in result.report.read_text(encoding="utf-8")

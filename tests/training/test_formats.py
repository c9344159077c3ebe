"""Training on pictures of any format, and on pixels some of which do not count."""

import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from lossmith.core.pixel_format import PixelFormat
from lossmith.data import Data, PatchDataset, PreparedData, prepare_data, read_picture
from lossmith.evaluation import protocol_of, read_csv, restore_images
from lossmith.evaluation.inference import FullImageInference
from lossmith.losses import LOSSES, PRESETS, loss
from lossmith.models import load_model
from lossmith.networks import network
from lossmith.training import (
    AdversarialRecipe,
    AdversarialTask,
    Recipe,
    RunFolder,
    RunSettings,
    SupervisedTask,
    validation_loss,
)
from lossmith.training import train_run as train_in
from lossmith.training.supervised import SupervisedModule
from lossmith.training.valid_pixels import zero_invalid
from lossmith.training.validation import Validator

from ..formats import float_folder, gray16_folder, signed_folder, soft_field, write_gray16

NOISE = "noise(0.05, of=range)"
RECIPE = Recipe(network="srresnet_small(features=8, blocks=1)", steps=10, batch=2, patch=24)


def settings_for(data: PreparedData, **options: int) -> RunSettings:
    return RunSettings(protocol=protocol_of(data.test_pairs, data.pixels), **options)


def train(
    out: Path, data: PreparedData, recipe: Recipe = RECIPE, criterion: str = "l1", **options: int
) -> RunFolder:
    folder = RunFolder(out)
    train_in(folder, SupervisedTask(loss(criterion), recipe), data, settings_for(data, **options))
    return folder


def weights(folder: RunFolder) -> dict[str, Tensor]:
    return load_file(folder.model)


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def gray16(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    return prepare_data(Data([gray16_folder(tmp_path_factory.mktemp("gray16"))]), NOISE)


def test_a_resumed_run_on_16_bits_ends_as_one_that_was_never_stopped(
    gray16: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tmp_path / "whole", gray16)
    steps, step = [], SupervisedModule.training_step

    def stop_at_the_sixth(*arguments: object) -> object:
        steps.append(len(steps))
        if len(steps) == 6:
            signal.raise_signal(signal.SIGINT)
        return step(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(SupervisedModule, "training_step", stop_at_the_sixth)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "stopped", gray16)
    assert not (tmp_path / "stopped" / "summary.json").exists()
    resumed = train(tmp_path / "stopped", gray16)
    assert len(steps) == 10, "it went on, and did not begin anew"
    assert equal(weights(whole), weights(resumed))


@pytest.mark.parametrize(
    ("make", "limits", "suffix"),
    [(gray16_folder, "auto", ".png"), (signed_folder, "-1000:1000", ".tif"), (float_folder, "-1:2", ".tif")],
)
def test_restored_images_are_written_in_the_format_of_the_study(
    make: Callable[[Path], Path], limits: str, suffix: str, tmp_path: Path
) -> None:
    data = prepare_data(Data([make(tmp_path / "images")], range=limits), NOISE)
    folder = train(tmp_path / "run", data)
    path = folder.image("3")
    assert path.suffix == suffix
    (restored,) = restore_images(load_model(folder.model).restorer, data.test_pairs)
    values = np.array(Image.open(path))[None] if suffix == ".png" else tifffile.imread(path)
    planes = (
        values if values.shape[1:] == (48, 56) else values.transpose(2, 0, 1) if values.ndim == 3 else values[None]
    )
    assert planes.dtype == data.pixels.dtype
    np.testing.assert_array_equal(planes, data.pixels.from_unit(restored))
    psnr = -10 * float((restored - data.test_pairs[0].clean).double().square().mean().log10())
    (row,) = read_csv(folder.scores)
    assert row.scores["psnr"] == pytest.approx(psnr, abs=1e-4), "neither rounded nor clipped"


def test_several_devices_train_on_16_bits_as_one_does(gray16: PreparedData, tmp_path: Path) -> None:
    one, two = (train(tmp_path / str(devices), gray16, devices=devices) for devices in (1, 2))
    for name, weight in weights(one).items():
        # sums of gradients in another order
        torch.testing.assert_close(weights(two)[name], weight, rtol=0, atol=1e-4)


def dark_folder(folder: Path, levels: int) -> Path:
    """Gray images, all below one level of 8 bits, in files whose full range has so many levels."""
    folder.mkdir()
    for seed in range(6):
        unit = soft_field(seed, 1, 64, 64) / 256
        if levels == 255:
            Image.fromarray((unit[0] * 255).round().astype(np.uint8)).save(folder / f"{seed}.png")
        else:
            write_gray16(folder / f"{seed}.png", unit)
    return folder


def test_16_bits_show_what_8_bits_round_away(tmp_path: Path) -> None:
    """The same network, noise and steps, on pictures whose signal lies below one level of 8 bits."""
    recipe = Recipe(network=RECIPE.network, steps=120, batch=8, patch=24, learning_rate=3e-3)
    deep = prepare_data(Data([dark_folder(tmp_path / "16", 65535)], range="0:256"), "noise(0.2, of=range)")
    narrow = prepare_data(Data([dark_folder(tmp_path / "8", 255)], range="0:1"), "noise(0.2, of=range)")
    errors = {}
    for name, data in (("16", deep), ("8", narrow)):
        folder = train(tmp_path / f"run-{name}", data, recipe, "l2")
        restored = [
            data.pixels.to_unit(read_picture(folder.image(pair.name), data.pixels)) for pair in data.test_pairs
        ]
        targets = [pair.clean for pair in deep.test_pairs]
        errors[name] = np.mean([float((x - y).square().mean()) for x, y in zip(restored, targets, strict=True)])
    assert errors["16"] < errors["8"] / 2


# --- pixels that do not count ------------------------------------------------------------------------------------


def masked_pairs(folder: Path, hidden: float) -> PreparedData:
    """Noisy pairs whose clean images hold another value in each masked pixel."""
    for name in ("clean", "degraded", "masks"):
        (folder / name).mkdir(parents=True)
    for seed in range(4):
        clean = soft_field(seed, 1)
        noise = np.random.default_rng(seed).normal(0, 0.05, clean.shape)
        write_gray16(folder / "degraded" / f"{seed}.png", (clean + noise).clip(0, 1))
        mask = np.ones((48, 56), bool)
        mask[5:30, 10:40] = False
        clean[:, ~mask] = hidden
        write_gray16(folder / "clean" / f"{seed}.png", clean)
        Image.fromarray((255 * mask).astype(np.uint8)).save(folder / "masks" / f"{seed}.png")
    return prepare_data(Data(clean=folder / "clean", degraded=folder / "degraded", mask=folder / "masks"), None)


@pytest.mark.parametrize("criterion", ["l1", "mix + 0.01*tv"])
def test_values_under_the_mask_have_no_influence(criterion: str, tmp_path: Path) -> None:
    recipe = Recipe(network=RECIPE.network, steps=6, batch=4, patch=24)
    dark, bright = (masked_pairs(tmp_path / name, hidden) for name, hidden in (("dark", 0.0), ("bright", 1.0)))
    folders = [train(tmp_path / f"run-{i}", data, recipe, criterion) for i, data in enumerate((dark, bright))]
    assert equal(*map(weights, folders))
    assert folders[0].scores.read_text() == folders[1].scores.read_text()
    psnr = [folder.curves()[1]["psnr"] for folder in folders]
    assert psnr[0] == psnr[1]
    assert np.isfinite(psnr[0]).all()


def test_a_discriminator_does_not_see_what_the_mask_hides(tmp_path: Path) -> None:
    states = []
    for name, hidden in (("dark", 0.0), ("bright", 1.0)):
        data = masked_pairs(tmp_path / name, hidden)
        first = train(tmp_path / f"psnr-{name}", data, Recipe(network=RECIPE.network, steps=2, batch=2, patch=32))
        recipe = Recipe(network=RECIPE.network, steps=3, batch=2, patch=32)
        adversarial = AdversarialRecipe(discriminator="unet(features=4)")
        folder = RunFolder(tmp_path / f"gan-{name}")
        task = AdversarialTask(loss("l1"), recipe, adversarial, first.model)
        train_in(folder, task, data, settings_for(data))
        states.append(weights(folder))
    assert equal(*states)
    assert all(weight.isfinite().all() for weight in states[0].values())


def test_no_gradient_passes_where_pixels_do_not_count() -> None:
    clean = torch.rand(2, 3, 8, 8)
    clean[:, :, 2:5, 1:7] = torch.nan
    restored = torch.rand(2, 3, 8, 8, requires_grad=True)
    prediction, target = zero_invalid(restored, clean), zero_invalid(clean, clean)
    (prediction - target).square().sum().backward()
    assert restored.grad is not None
    valid = clean.isfinite()
    assert torch.equal(restored.grad != 0, valid)
    torch.testing.assert_close(restored.grad[valid], 2 * (restored - clean).detach()[valid])


EXPRESSIONS = [
    *LOSSES,
    *PRESETS,
    "features(squeezenet1_1, fire3, weights=random)",
    "lpips(network=squeeze, linear=false, weights=random)",
    "style(network=squeezenet1_1, layers=fire3, weights=random)",
    "contextual(squeezenet1_1, fire3, weights=random)",
    "mdf(jpeg)",
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_no_loss_has_a_gradient_where_pixels_do_not_count(expression: str) -> None:
    criterion, generator = loss(expression), torch.Generator().manual_seed(0)
    side = max(criterion.min_side, 44)
    clean, restored = torch.rand(2, 2, 3, side, side, generator=generator)
    invalid = torch.rand(2, 1, side, side, generator=generator) < 0.2
    invalid[..., : side // 2] = True  # windows of nothing else, in which both images are flat
    invalid = invalid.expand_as(clean)
    clean[invalid], restored[invalid] = torch.nan, torch.inf
    restored.requires_grad_()
    value = criterion(zero_invalid(restored, clean), zero_invalid(clean, clean))
    (gradient,) = torch.autograd.grad(value, restored)
    assert value.isfinite()
    assert gradient.isfinite().all()
    assert gradient.any()
    assert not gradient[invalid].any()


def test_validation_is_of_pixels_that_count() -> None:
    clean = torch.rand(3, 2, 12, 12, generator=torch.Generator().manual_seed(0))
    degraded, restored = clean.clone(), clean + 0.1
    clean[0, :, :6] = torch.nan
    restored[0, :, :6] = 100.0
    clean[2] = torch.nan
    validator = Validator(degraded, clean)
    assert validator._psnr(restored) == pytest.approx(20, abs=1e-3), "-10 log10 of 0.1 squared"
    restored[1, 0, 0, 0] = torch.nan
    assert np.isnan(validator._psnr(restored)), "a network that fails is seen"


@pytest.mark.parametrize(("dtype", "expected"), [("uint8", 0.08**2 / 64), ("uint16", 0.1**2)])
def test_only_results_of_8_bits_are_clamped_to_the_range_for_validation(dtype: str, expected: float) -> None:
    clean = torch.ones(1, 1, 8, 8)
    clean[..., 0, 0] = 0.92
    brighter = torch.nn.Conv2d(1, 1, 1)
    torch.nn.init.ones_(brighter.weight)
    torch.nn.init.constant_(brighter.bias, 0.1)  # type: ignore[arg-type]
    validator = Validator(clean, clean, None, PixelFormat.full_range(1, dtype))
    # all but one pixel are right where they are clamped
    assert validator._psnr(validator._restored(brighter)) == pytest.approx(-10 * np.log10(expected), abs=1e-3)


def test_the_loss_of_a_trial_is_of_pixels_that_count(tmp_path: Path) -> None:
    dark, bright = (masked_pairs(tmp_path / name, hidden) for name, hidden in (("dark", 0.0), ("bright", 1.0)))
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 1, 3, padding=1)
    values = [validation_loss(loss("l1"), network, data.test_pairs) for data in (dark, bright)]
    assert values[0] == values[1] > 0


def test_patches_of_8_bits_stay_8_bits_in_memory(photos: Path) -> None:
    data = prepare_data(Data([photos]), "jpeg")
    assert {image.dtype for image in (*data.source.clean, *data.source.predegraded)} == {torch.uint8}
    assert PatchDataset(data.source, 32)[0][1].dtype == torch.float32


def test_large_images_of_many_channels_are_measured_as_such() -> None:
    inference = FullImageInference(network("srresnet_small(features=8, blocks=1)", 1, 8).eval(), 1, 8)
    assert inference.rows_at_once(64, 1 << 15) >= 0, "its memory is measured with 8 channels"
    assert (inference.sizes.multiple_of, inference.sizes.minimum) == (1, 1)
    assert inference(torch.rand(1, 8, 20, 24)).shape == (1, 8, 20, 24)

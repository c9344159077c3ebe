"""`lossmith reproduce` of what was learned from images that are not 8-bit RGB: the same to the last bit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lossmith import Data, Recipe, export, learn_loss, reproduce, restore, train
from lossmith.core.pixel_format import PixelFormat
from lossmith.loss_learning import LossRecipe
from lossmith.models.model_file import load_model

RECIPE = Recipe(
    degradation="poisson(200)",
    network="srresnet_small(features=4, blocks=1)",
    patch=16,
    batch=2,
    steps=3,
)


def write_tiff(path: Path, values: Any) -> None:
    path.parent.mkdir(exist_ok=True)
    layout: dict[str, Any] = {"planarconfig": "contig"} if values.ndim == 3 else {}
    tifffile.imwrite(path, values, photometric="minisblack", **layout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images of 8 channels, of 12 bits in 16."""
    rng = np.random.default_rng(0)
    for name in "abc":
        write_tiff(tmp_path / "images" / f"{name}.tif", rng.integers(0, 4096, (40, 44, 8)).astype(np.uint16))
    return tmp_path / "images"


def test_a_model_of_8_channels_is_trained_exported_reopened_restores_and_is_reproduced(
    folder: Path, tmp_path: Path
) -> None:
    run = train(Data([folder], range="0:4095"), recipe=RECIPE, out=tmp_path / "run")
    model = load_model(run.model_path)
    assert (model.pixels, model.channels) == (PixelFormat(8, "uint16", 0, 4095), 8)
    exported = export(run.model_path, out=tmp_path / "exported").files
    results = [
        restore(folder / "a.tif", model=path, out=tmp_path / f"out{path.suffix}").results[0]
        for path in exported
        if path.suffix != ".json"
    ]
    restored = [tifffile.imread(path).astype(int) for path in results]
    assert restored[0].shape == (40, 44, 8)
    assert np.abs(restored[0] - restored[1]).max() <= 1  # where a value lies between two
    assert reproduce(run.model_path, images=folder, out=tmp_path / "anew").status == 0


def test_percentiles_and_masks_are_those_of_the_receipt(folder: Path, tmp_path: Path) -> None:
    for number, name in enumerate("abc"):
        mask = np.full((40, 44), 255, np.uint8)
        mask[5 * number :, 20:25] = 0
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{name}.png")
    data = Data([folder], range="p1:p99", mask=tmp_path / "masks")
    run = train(data, recipe=RECIPE, out=tmp_path / "run")
    receipt = load_model(run.model_path).receipt
    assert 0 < receipt["pixels"]["low"] < receipt["pixels"]["high"] < 4095
    assert list(receipt["training_masks"]) == ["a", "b"]
    found = [folder, tmp_path / "masks"]
    assert reproduce(run.model_path, images=found, out=tmp_path / "anew").status == 0


def test_pairs_of_floats_with_nan_are_reproduced(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "abc":
        clean = rng.normal(300, 40, (40, 44)).astype(np.float32)
        write_tiff(tmp_path / "noisy" / f"{name}.tif", clean + rng.normal(0, 9, clean.shape).astype(np.float32))
        clean[3:5, 7:30] = np.nan
        write_tiff(tmp_path / "clean" / f"{name}.tif", clean)
    data = Data(clean=tmp_path / "clean", degraded=tmp_path / "noisy", range="0:1000", nan="mask")
    run = train(data, recipe=replace(RECIPE, degradation=None), out=tmp_path / "run")
    assert load_model(run.model_path).receipt["nan"] == "mask"
    found = [tmp_path / "clean", tmp_path / "noisy"]
    assert reproduce(run.model_path, images=found, out=tmp_path / "anew").status == 0


def test_a_loss_of_gray_of_16_bits_is_reproduced(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 3000, (48, 48)).astype(np.uint16)
    write_tiff(tmp_path / "images" / "a.tif", values)
    recipe = LossRecipe(iterations=2, min_side=48, width=4, max_width=4)
    learned = learn_loss(
        tmp_path / "images" / "a.tif",
        degradation="poisson(100)",
        range="p1:p99",
        recipe=recipe,
        out=tmp_path / "gray.safetensors",
    )
    assert reproduce(learned.path, images=tmp_path / "images").status == 0

"""Super-resolution as a benchmark: its rows against the pictures it writes, stopping, and its data."""

import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torchvision import models

from lossmith import LossmithError
from lossmith.data import PreparedData, write_image
from lossmith.evaluation import Row
from lossmith.studies import Configuration
from lossmith.studies.benchmark import Benchmark
from lossmith.studies.benchmarks.super_resolution import SuperResolution
from lossmith.training import RunFolder
from lossmith.training.supervised import SupervisedModule

FIRE2 = Configuration("squeezenet1_1", "fire2", random=True)
BASELINE = Configuration()


def picture(seed: int, height: int, width: int) -> Tensor:
    """Soft blobs of color, as (3, height, width)."""
    coarse = torch.from_numpy(np.random.default_rng(seed).random((1, 3, 6, 6), np.float32))
    size = (height, width)
    return torch.nn.functional.interpolate(coarse, size=size, mode="bicubic", align_corners=True)[0].clamp(0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures to train on, and two test sets, in which a picture has the same name."""
    folder = tmp_path_factory.mktemp("sr")
    for seed, name in enumerate(("train/0", "train/1", "test/SetA/boat", "test/SetB/boat", "test/SetB/cat")):
        write_image(folder / f"{name}.png", picture(seed, 56 + 8 * seed, 64))
    return folder


@pytest.fixture(scope="module")
def data(folder: Path) -> PreparedData:
    return SuperResolution().open(folder, "tiny")


@pytest.fixture
def squeezenet_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine whose weights are random ones of SqueezeNet."""
    monkeypatch.setenv("LOSSMITH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    torch.manual_seed(0)
    (tmp_path / "weights").mkdir()
    save_file(models.squeezenet1_1().state_dict(), tmp_path / "weights" / "squeezenet1_1_imagenet.safetensors")


def luma(path: Path, border: int) -> NDArray[np.float64]:
    """Y of BT.601 in studio swing, 0 to 255, without its border."""
    red, green, blue = np.moveaxis(np.asarray(Image.open(path).convert("RGB"), np.float64), 2, 0)
    y = 16 + (65.481 * red + 128.553 * green + 24.966 * blue) / 255
    return y[border:-border, border:-border]


def psnr(restored: Path, clean: Path, border: int) -> float:
    error = luma(restored, border) - luma(clean, border)
    return 10 * math.log10(255**2 / float((error**2).mean()))


def scores(rows: list[Row], metric: str) -> list[float]:
    return [row.scores[metric] for row in rows]


@pytest.mark.parametrize(("factor", "configuration"), [(4, FIRE2), (8, FIRE2), (4, BASELINE)])
def test_the_psnr_of_a_row_is_that_of_the_written_picture(
    factor: int, configuration: Configuration, folder: Path, tmp_path: Path
) -> None:
    benchmark: Benchmark = SuperResolution(factor)
    data = benchmark.open(folder, "tiny")
    rows = benchmark.run(configuration, 3, data, tmp_path, "tiny")
    assert [row.image for row in rows] == ["SetA/boat", "SetB/boat", "SetB/cat"]
    assert {(row.method, row.seed) for row in rows} == {(configuration.name, 3)}
    for row in rows:
        written = RunFolder(tmp_path).image(row.image)
        assert written.parent == tmp_path / "images"
        expected = psnr(written, folder / "test" / f"{row.image}.png", factor)
        assert row.scores["psnr"] == pytest.approx(expected, abs=1e-9)
    assert all(row.scores.keys() <= {metric.name for metric in benchmark.metrics} for row in rows)


def test_a_run_depends_on_its_layer_and_its_seed(data: PreparedData, tmp_path: Path) -> None:
    def restored(configuration: Configuration, seed: int) -> list[float]:
        out = tmp_path / f"{configuration.name} {seed}"
        return scores(SuperResolution().run(configuration, seed, data, out, "tiny"), "psnr")

    first = restored(FIRE2, 0)
    others = restored(FIRE2, 1), restored(BASELINE, 0), restored(Configuration("squeezenet1_1", "relu1", True), 0)
    assert len({tuple(psnrs) for psnrs in (first, *others)}) == 4


def test_a_stopped_run_goes_on_to_the_same_scores(
    data: PreparedData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(out: str) -> list[Row]:
        return SuperResolution().run(FIRE2, 0, data, tmp_path / out, "tiny")

    whole, take_step, steps = run("whole"), SupervisedModule.training_step, []

    def interrupted(module: SupervisedModule, *arguments: Any) -> Any:
        steps.append(len(steps))
        if len(steps) == 2:
            signal.raise_signal(signal.SIGINT)
        return take_step(module, *arguments)

    monkeypatch.setattr(SupervisedModule, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run("stopped")
    assert len(steps) == 2
    assert repr(run("stopped")) == repr(whole)
    assert len(steps) == 4  # the two that were left
    assert repr(run("stopped")) == repr(whole)
    assert len(steps) == 4  # none


@pytest.mark.usefixtures("squeezenet_judges")
def test_a_judge_of_the_family_that_was_trained_with_is_not_reported(data: PreparedData, tmp_path: Path) -> None:
    benchmark = SuperResolution()
    assert "deep_squeezenet1_1" in [metric.name for metric in benchmark.metrics]
    own = benchmark.run(FIRE2, 0, data, tmp_path / "own", "tiny")
    assert all("deep_squeezenet1_1" not in row.scores for row in own)
    other = benchmark.run(Configuration("alexnet", "relu1", random=True), 0, data, tmp_path / "other", "tiny")
    assert all(0 < value < 20 for value in scores(other, "deep_squeezenet1_1"))
    pixels = benchmark.run(BASELINE, 0, data, tmp_path / "pixels", "tiny")
    assert scores(pixels, "deep_squeezenet1_1") != scores(other, "deep_squeezenet1_1")


def test_what_goes_to_the_loss_network_is_normalized_only_on_request() -> None:
    given = [str(SuperResolution(normalize=normalize).loss(FIRE2)) for normalize in (None, "weights")]
    assert given == [
        "features(squeezenet1_1, fire2, distance=l2, weights=random, normalize=none)",
        "features(squeezenet1_1, fire2, distance=l2, weights=random)",
    ]
    assert str(SuperResolution().loss(BASELINE)) == "l2"


def test_the_full_scale_is_the_published_one() -> None:
    recipe = SuperResolution(8).recipe("full")
    assert (recipe.patch, recipe.batch, recipe.steps, recipe.learning_rate) == (288, 4, 200_000, 1e-3)
    assert (recipe.degradation, recipe.network) == ("blur(1) | bicubic(8)", "transform_net(norm=batch)")


def test_pictures_may_lie_in_test_itself_and_folders_may_be_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(folder / "train")
    write_image(tmp_path / "test" / "boat.png", picture(7, 56, 64))
    (tmp_path / "test" / "SetB").symlink_to(folder / "test" / "SetB")
    data = SuperResolution().open(tmp_path, "tiny")
    assert [pair.name for pair in data.test_pairs] == ["boat", "SetB/boat", "SetB/cat"]
    assert [*data.fingerprint["training_images"]] == ["0", "1"]
    assert len(data.fingerprint["test_images"]) == 3


def no_test(folder: Path) -> None:
    write_image(folder / "train" / "0.png", picture(0, 56, 64))


def no_train(folder: Path) -> None:
    write_image(folder / "test" / "0.png", picture(0, 56, 64))


def empty_test(folder: Path) -> None:
    no_test(folder)
    (folder / "test" / "Set5").mkdir(parents=True)


def same_picture(folder: Path) -> None:
    no_test(folder)
    no_train(folder)


def small_picture(folder: Path) -> None:
    write_image(folder / "train" / "0.png", picture(0, 40, 64))
    write_image(folder / "test" / "0.png", picture(1, 56, 64))


def small_test_picture(folder: Path) -> None:
    no_test(folder)
    write_image(folder / "test" / "0.png", picture(1, 8, 64))


@pytest.mark.parametrize(
    ("arrange", "sentence"),
    [
        (
            no_test,
            r"^super-resolution needs clean pictures in '\S+test', such as '\S+/Set5/baby.png', and this is",
        ),
        (
            no_train,
            r"^super-resolution needs clean pictures in '\S+train', such as '\S+train/baby.png', and",
        ),
        (empty_test, r"^folder '\S+test/Set5' holds no images \(\.png"),
        (same_picture, r"^test image '\S+test/0.png' is also trained on, as '\S+train/0.png'"),
        (small_picture, r"image '0' has 40x64 pixels, too few for a patch of 48"),
        (small_test_picture, "^cropping 4 px from each side leaves nothing of '0'; test with larger images$"),
    ],
)
def test_data_in_another_layout_is_refused_in_a_sentence(
    arrange: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    arrange(tmp_path)
    with pytest.raises(LossmithError, match=sentence):
        SuperResolution().open(tmp_path, "tiny")


def test_other_factors_are_refused() -> None:
    with pytest.raises(LossmithError, match=r"^super-resolution: `factor` must be 2, 4 or 8, not 3$"):
        SuperResolution(3)

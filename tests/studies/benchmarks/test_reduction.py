"""Dimensionality reduction: the autoencoder, its loss against fixed images, and a whole run at the tiny scale."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses import MSELoss
from lossmith.studies.benchmark import Benchmark
from lossmith.studies.benchmarks import reduction
from lossmith.studies.benchmarks.autoencoder import CODE, Autoencoder, reflected
from lossmith.studies.benchmarks.classifiers import Classifier, train_classifiers
from lossmith.studies.benchmarks.fixed_targets import fixed_target_loss
from lossmith.studies.benchmarks.labeled_images import LabeledImages
from lossmith.studies.benchmarks.reduction import Reduction
from lossmith.studies.configuration import Configuration
from lossmith.studies.fitting import fit

FEATURES = Configuration("squeezenet1_1", "fire2", random=True)
BASELINE = Configuration()
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("height", "width", "stages"), [(64, 64, 4), (96, 96, 4), (64, 80, 4), (32, 32, 3), (40, 48, 3)]
)
def test_a_code_has_64_numbers_and_a_reconstruction_the_size_of_the_image(
    height: int, width: int, stages: int
) -> None:
    network, images = Autoencoder(height, width, stages), torch.rand(2, 3, height, width)
    assert network.encoder(images).shape == (2, CODE) == (2, 64)
    reconstructions = network(images)
    assert reconstructions.shape == images.shape
    assert 0 <= reconstructions.min() <= reconstructions.max() <= 1


def test_the_autoencoder_has_as_many_weights_as_the_published_one() -> None:
    convolutions = [(3, 32, 16), (32, 64, 16), (64, 128, 16), (128, 256, 16)]
    transposed = [(1024, 128, 25), (128, 64, 25), (64, 32, 36), (32, 3, 36)]
    expected = sum(before * after * size + after for before, after, size in convolutions + transposed)
    expected += 2 * sum((32, 64, 128, 256, 128, 64, 32))  # batch normalization
    expected += (256 * 2 * 2 + 1) * 64 + (64 + 1) * 1024
    assert sum(parameter.numel() for parameter in Autoencoder(64, 64).parameters()) == expected


@pytest.mark.parametrize(("height", "width"), [(64, 64), (33, 40)])
def test_images_are_continued_as_numpy_reflects_them(height: int, width: int) -> None:
    images = torch.rand(2, 3, 32, 32)
    missing = [(0, 0), (0, 0), *(((side - 32) // 2, side - 32 - (side - 32) // 2) for side in (height, width))]
    assert np.array_equal(reflected(images, height, width).numpy(), np.pad(images.numpy(), missing, "reflect"))


def test_features_computed_once_train_as_those_computed_in_every_step(tmp_path: Path) -> None:
    images = torch.rand(70, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    states = []
    for feature_bytes in (0, 2**30):
        torch.manual_seed(0)
        network = Autoencoder(32, 32, 3)
        loss = fixed_target_loss(FEATURES, None, images.__getitem__, 70, CPU, feature_bytes)

        def objective(step: int, network: Autoencoder = network, loss: Any = loss) -> Tensor:
            indices = torch.arange(16) + 6 * step
            value: Tensor = loss(network(images[indices]), indices)
            return value

        fit(network, objective, 5, tmp_path / f"{feature_bytes}.ckpt", "test")
        states.append(network.state_dict())
    for name, value in states[0].items():
        # other sizes of batches add up in another order, and Adam makes steps of 1e-3 of the smallest gradient
        torch.testing.assert_close(value, states[1][name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("feature_bytes", [0, 2**30])
def test_the_loss_is_the_mean_squared_difference_at_the_layer(feature_bytes: int) -> None:
    images, indices = torch.rand(6, 3, 32, 32), torch.tensor([4, 0, 5])
    prediction = torch.rand(3, 3, 32, 32)
    loss = fixed_target_loss(FEATURES, "imagenet", images.__getitem__, 6, CPU, feature_bytes)
    extractor = FEATURES.extractor("imagenet")
    expected = (extractor(prediction)[0] - extractor(images[indices])[0]).square().mean()
    torch.testing.assert_close(loss(prediction, indices), expected, rtol=1e-5, atol=0)


def test_the_loss_of_the_baseline_is_that_of_pixels() -> None:
    images, indices, prediction = torch.rand(6, 3, 8, 8), torch.tensor([4, 0]), torch.rand(2, 3, 8, 8)
    loss = fixed_target_loss(BASELINE, None, images.__getitem__, 6, CPU)
    torch.testing.assert_close(loss(prediction, indices), MSELoss()(prediction, images[indices]))


def test_images_that_are_too_small_for_a_layer_are_refused() -> None:
    images = torch.rand(6, 3, 8, 8)
    with pytest.raises(LossmithError, match="needs at least 17 x 17 pixels, not 8 x 8"):
        fixed_target_loss(Configuration("squeezenet1_1", "fire9", random=True), None, images.__getitem__, 6, CPU)


def colored_data(folder: Path) -> LabeledImages:
    """Noise in one of three colors, which is its class."""
    for name, count in (("train", 60), ("test", 20)):
        rng = np.random.default_rng(count)
        labels = np.arange(count) % 3
        images = rng.integers(0, 60, (count, 32, 32, 3), np.uint8)
        images[np.arange(count), :, :, labels] += 180
        np.savez(folder / f"{name}.npz", images=images, labels=labels)
    return Reduction().open(folder, "tiny")


def means(rows: list[Any]) -> dict[str, float]:
    return {name: float(np.mean([row.scores[name] for row in rows])) for name in rows[0].scores}


def test_a_run_gives_a_row_for_each_fold_and_draws_reconstructions(tmp_path: Path) -> None:
    benchmark: Benchmark = Reduction()
    data = colored_data(tmp_path)
    rows = benchmark.run(FEATURES, 3, data, tmp_path / "run", "tiny")
    assert [row.image for row in rows] == [f"fold {number:02}" for number in range(1, 11)]
    assert {(row.method, row.seed) for row in rows} == {("squeezenet1_1:fire2 (random)", 3)}
    assert all(list(row.scores) == [metric.name for metric in benchmark.metrics] for row in rows)
    assert means(rows)["accuracy"] > 0.8  # three colors, in 64 numbers
    assert means(rows)["accuracy_linear"] > 0.8
    paths = sorted((tmp_path / "run" / "images").iterdir())
    assert [path.name for path in paths] == [f"test {number}.png" for number in range(1, 9)]
    strip = np.asarray(Image.open(paths[2]))
    assert strip.shape == (64, 32, 3)
    assert np.array_equal(strip[:32], data.test_images[2].permute(1, 2, 0).numpy())
    assert benchmark.image_note


def test_scores_agree_with_a_count_of_single_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, trained = colored_data(tmp_path), []

    def train(*arguments: Any) -> list[Classifier]:
        trained.extend(train_classifiers(*arguments))
        return trained

    monkeypatch.setattr(reduction, "train_classifiers", train)
    scores = means(Reduction().run(BASELINE, 0, data, tmp_path, "tiny"))
    network = Autoencoder(32, 32, 3)
    network.load_state_dict(torch.load(tmp_path / "autoencoder.ckpt")["network"])
    network.eval()
    best = max(trained, key=lambda classifier: classifier.validation_accuracy)
    correct, correct_linear, decibels = 0, 0, []
    with torch.no_grad():
        for image, label in zip(data.test_images, data.test_labels, strict=True):
            code = network.encoder(image[None] / 255)
            correct += int(best.network(code).argmax() == label)
            correct_linear += int(trained[0].network(code).argmax() == label)
            error = (network.decoder(code)[0] - image / 255).double().square().mean().item()
            decibels.append(-10 * np.log10(error))
    assert scores["accuracy"] == pytest.approx(correct / 20)
    assert scores["accuracy_linear"] == pytest.approx(correct_linear / 20)
    assert scores["psnr"] == pytest.approx(np.mean(decibels), abs=1e-3)


@pytest.mark.parametrize("count", [3, 10, 25])
def test_folds_hold_every_image_once_in_parts_that_differ_by_one_at_most(count: int) -> None:
    folds = reduction.folds(count)
    assert sorted(torch.cat(folds).tolist()) == list(range(count))
    assert len(folds) == min(10, count)
    assert max(map(len, folds)) - min(map(len, folds)) <= 1


@pytest.mark.parametrize("configuration", [FEATURES, BASELINE], ids=lambda configuration: configuration.name)
def test_a_stopped_run_goes_on_to_the_same_scores(
    configuration: Configuration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, benchmark = colored_data(tmp_path), Reduction()
    torch.manual_seed(0)
    whole = benchmark.run(configuration, 0, data, tmp_path / "whole", "tiny")
    monkeypatch.setattr("lossmith.studies.fitting.SAVE_EVERY_S", 0.0)
    steps = []

    def stopping(*arguments: Any) -> Any:
        loss = fixed_target_loss(*arguments)

        def criterion(prediction: Tensor, indices: Tensor) -> Tensor:
            if len(steps) == 3:
                raise KeyboardInterrupt
            steps.append(indices)
            return loss(prediction, indices)

        return criterion

    with monkeypatch.context() as stopped:
        stopped.setattr(reduction, "fixed_target_loss", stopping)
        with pytest.raises(KeyboardInterrupt):
            benchmark.run(configuration, 0, data, tmp_path / "stopped", "tiny")
    torch.manual_seed(1)  # what a process has drawn before does not matter
    assert benchmark.run(configuration, 0, data, tmp_path / "stopped", "tiny") == whole
    assert benchmark.run(configuration, 1, data, tmp_path / "other", "tiny") != whole


def test_larger_images_are_averaged_at_small_scales_and_padded_at_full(tmp_path: Path) -> None:
    images = torch.randint(256, (2, 3, 48, 48), dtype=torch.uint8)
    size, prepare = reduction.preparation(images, reduction.BUDGETS["small"])
    assert size == (32, 32) == prepare(images).shape[2:]
    size, prepare = reduction.preparation(images, reduction.BUDGETS["full"])
    padded = prepare(images)
    assert (size, padded.shape[2:]) == ((48, 48), (64, 64))
    torch.testing.assert_close(padded[:, :, 8:-8, 8:-8].cpu(), images / 255)

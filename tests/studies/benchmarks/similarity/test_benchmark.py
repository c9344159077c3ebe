"""The benchmark as a whole, on tables and on patches, with a network of random weights."""

import csv
import os
import pickle
from functools import partialmethod
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor
from torch.nn.functional import interpolate

from lossmith.data import read_image, write_image
from lossmith.evaluation import Row
from lossmith.losses.perceptual import LPIPS
from lossmith.studies import Benchmark, Configuration
from lossmith.studies.benchmarks.similarity import Similarity
from lossmith.studies.benchmarks.similarity.distance import LayerDistance

BASELINE, LAYER = Configuration(), Configuration("squeezenet1_1", "fire2", random=True)
NOISE = (0.02, 0.05, 0.1, 0.2)
LIVE = Path(os.environ.get("LOSSMITH_DATA", ".")) / "iqa" / "LIVE_subset"


def scene(seed: int, height: int = 64, width: int = 64) -> Tensor:
    coarse = torch.from_numpy(np.random.default_rng(seed).random((1, 3, 6, 6), np.float32))
    return interpolate(coarse, size=(height, width), mode="bicubic", align_corners=True)[0].clamp(0, 1)


def with_noise(image: Tensor, sigma: float, seed: int) -> Tensor:
    noise = np.random.default_rng(seed).standard_normal(image.shape, np.float32)
    return (image + sigma * torch.from_numpy(noise)).clamp(0, 1)


@pytest.fixture(scope="module")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four references of different sizes with noise and blur; people's scores are random, but fall with noise."""
    folder, rng = tmp_path_factory.mktemp("rated"), np.random.default_rng(0)
    lines = ["reference,distorted,dmos,kind"]
    for seed, height in enumerate((48, 56, 64, 80)):
        image = scene(seed, height)
        write_image(folder / f"{seed}.png", image)
        for level, sigma in enumerate(NOISE):
            write_image(folder / f"{seed}_noise_{level}.png", with_noise(image, sigma, level))
            lines.append(f"{seed}.png,{seed}_noise_{level}.png,{20 * level + seed},noise")
        for level in (2, 4):
            blurred = interpolate(image[None, :, ::level, ::level], size=image.shape[1:], mode="bilinear")[0]
            write_image(folder / f"{seed}_blur_{level}.png", blurred)
            lines.append(f"{seed}.png,{seed}_blur_{level}.png,{rng.integers(100)},blur")
    (folder / "people.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture(scope="module")
def patches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Triplets and pairs of noisy patches; people choose the one with less noise."""
    root = tmp_path_factory.mktemp("bapps")
    for kind, (name, items) in enumerate({"train/mix": 16, "val/cnn": 12, "val/color": 8}.items()):
        for item in range(items):
            rng = np.random.default_rng((kind, item))
            sigmas = rng.permutation(NOISE)[:2]
            folder, reference = root / "2afc" / name, scene(item)
            write_image(folder / "ref" / f"{item:06}.png", reference)
            for part, sigma in zip(("p0", "p1"), sigmas, strict=True):
                write_image(folder / part / f"{item:06}.png", with_noise(reference, sigma, item))
            (folder / "judge").mkdir(exist_ok=True)
            np.save(folder / f"judge/{item:06}.npy", np.array([0.8 if sigmas[1] < sigmas[0] else 0.2]))
    folder = root / "jnd/val/traditional"
    for item in range(10):
        write_image(folder / "p0" / f"{item:06}.png", scene(item))
        write_image(folder / "p1" / f"{item:06}.png", with_noise(scene(item), item / 50, item))
        (folder / "same").mkdir(exist_ok=True)
        np.save(folder / f"same/{item:06}.npy", np.array([max(0.0, 1 - item / 6)], np.float32))
    return root


def run(configuration: Configuration, data: Path, folder: Path, seed: int = 0) -> Row:
    benchmark = Similarity()
    opened = pickle.loads(pickle.dumps(benchmark.open(data, "tiny")))
    (row,) = benchmark.run(configuration, seed, opened, folder, "tiny")
    return row


def test_it_is_a_benchmark() -> None:
    benchmark: Benchmark = Similarity()
    assert benchmark.name == "similarity"
    assert benchmark.metrics[0].name == "spearman"
    assert all(metric.higher_is_better for metric in benchmark.metrics)


def lines_of(table: Path) -> list[dict[str, str]]:
    with table.open() as file:
        return list(csv.DictReader(file))


def correlation(table: Path, distances: NDArray[np.float64], kind: str = "") -> float:
    lines = lines_of(table)
    chosen = [index for index, line in enumerate(lines) if kind in ("", line["kind"])]
    dmos = [float(lines[index]["dmos"]) for index in chosen]
    return float(stats.spearmanr(distances[chosen], dmos).statistic)


def test_pictures_are_correlated_over_all_and_within_kinds(rated: Path, tmp_path: Path) -> None:
    row = run(BASELINE, rated, tmp_path)
    pairs = [(rated / line["reference"], rated / line["distorted"]) for line in lines_of(rated / "people.csv")]
    errors = np.array([(read_image(a).double() - read_image(b)).square().mean().item() for a, b in pairs])
    assert (row.image, row.method, row.seed) == ("all", "baseline", 0)
    table = rated / "people.csv"
    assert row.scores["spearman"] == pytest.approx(correlation(table, errors))
    assert row.scores["spearman_noise"] == pytest.approx(correlation(table, errors, "noise"))
    assert row.scores["spearman_blur"] == pytest.approx(correlation(table, errors, "blur"))
    assert row.scores["spearman_low"] < row.scores["spearman"] < row.scores["spearman_high"]
    assert row.scores["kendall_low"] < row.scores["kendall"] < row.scores["kendall_high"]


def test_a_layer_is_compared_in_the_form_of_lpips(rated: Path, tmp_path: Path) -> None:
    lpips = LPIPS("squeeze", linear=False, weights="random")
    layer = Configuration("squeezenet1_1", "fire5", random=True)
    lpips.layer_weights = tuple(float(index == 2) for index in range(7))  # its third layer is fire5
    table = rated / "people.csv"
    pairs = [(rated / line["reference"], rated / line["distorted"]) for line in lines_of(table)]
    images = [[read_image(path)[None] / 255 for path in pair] for pair in pairs]
    with torch.no_grad():
        distances = np.array([lpips(distorted, reference).item() for reference, distorted in images])
    assert run(layer, rated, tmp_path).scores["spearman"] == pytest.approx(correlation(table, distances))


def test_patches_give_agreement_with_choices_precision_and_learned_weights(patches: Path, tmp_path: Path) -> None:
    row = run(LAYER, patches, tmp_path)
    scores = row.scores
    for metric in ("2afc", "2afc_lin"):
        assert scores[metric] == pytest.approx((scores[f"{metric}_cnn"] + scores[f"{metric}_color"]) / 2)
    assert scores["jnd"] == scores["jnd_traditional"]
    for metric in ("2afc", "2afc_lin", "jnd"):
        assert scores[f"{metric}_low"] <= scores[metric] <= scores[f"{metric}_high"]
    assert "spearman" not in scores
    # more noise is farther in any network: all choose as four of five people do
    assert scores["2afc"] == pytest.approx(0.8)
    assert scores["jnd"] == pytest.approx(run(BASELINE, patches, tmp_path / "baseline").scores["jnd"])


@pytest.mark.parametrize("data", ["rated", "patches"])
def test_a_stopped_run_measures_only_what_is_missing(
    data: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    folder, features = request.getfixturevalue(data), LayerDistance.features
    images: list[Tensor] = []

    def count(self: LayerDistance, batch: Tensor, stop_at: int | None = None) -> Tensor:
        images.extend(batch)
        if stop_at is not None and len(images) > stop_at:
            raise KeyboardInterrupt
        return features(self, batch)

    monkeypatch.setattr(LayerDistance, "features", count)
    whole = run(LAYER, folder, tmp_path / "whole")
    total = len(images)
    images.clear()
    monkeypatch.setattr(LayerDistance, "features", partialmethod(count, stop_at=total - 7))
    with pytest.raises(KeyboardInterrupt):
        run(LAYER, folder, tmp_path / "stopped")
    images.clear()
    monkeypatch.setattr(LayerDistance, "features", count)
    assert run(LAYER, folder, tmp_path / "stopped") == whole
    assert 7 <= len(images) < total
    assert not (tmp_path / "stopped/measured").exists()


def test_pairs_alone_are_enough(patches: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/jnd").symlink_to(patches / "jnd")
    scores = run(BASELINE, tmp_path / "data", tmp_path).scores
    assert {name.partition("_")[0] for name in scores} == {"jnd"}


@pytest.mark.skipif(not LIVE.is_dir(), reason="needs the variable LOSSMITH_DATA")
def test_pixels_agree_with_people_about_live_as_published(tmp_path: Path) -> None:
    scores = run(BASELINE, LIVE, tmp_path).scores
    # PSNR on rounded luma has .808 on these pictures, and more on noise than on blur and JPEG
    assert scores["spearman"] == pytest.approx(0.808, abs=0.05)
    assert scores["spearman_wn"] > 0.97 > 0.85 > max(scores["spearman_gblur"], scores["spearman_jpeg"])

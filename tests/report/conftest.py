"""Tournaments that were never run: photographs with JPEG damage, and imitations of what losses make of them."""

import io
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter
from skimage import data

from lossmith.evaluation import DEGRADED, METRICS, Protocol, Row, advise, differences, rankings, score, verdict
from lossmith.report import Curve, ImageComparison, LossResult, Pixels, ReportData

LOSSES = ["l2", "l1", "ssim", "mix", "0.84*ms_ssim + 0.16*l1 until 50% then l2"]
METRIC_NAMES = ["psnr", "ssim", "gmsd", "l1"]

Builder = Callable[..., ReportData]


def photographs(height: int = 200, width: int = 256) -> dict[str, Pixels]:
    """Two photographs of this size or a little less."""
    return {
        "astronaut": np.ascontiguousarray(data.astronaut()[:height, 80 : 80 + width]),
        "chelsea": np.ascontiguousarray(data.chelsea()[:height, :width]),
    }


def jpeg(image: Pixels, quality: int = 10) -> Pixels:
    """The image with real JPEG artefacts."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file).convert("RGB"))


def imitation(target: Pixels, degraded: Pixels, index: int, seed: int) -> Pixels:
    """What a restoration could look like: part of the damage undone, blurred, and with some noise of its own."""
    share = (0.55, 0.5, 0.45, 0.35, 0.4, 0.65, 0.3, 0.5)[index % 8] + 0.02 * seed
    blur, noise = 0.5 * (index % 3), 1.5 * (index % 4)
    mix = Image.fromarray(np.uint8(share * degraded.astype(float) + (1 - share) * target + 0.5))
    pixels = np.asarray(mix.filter(ImageFilter.GaussianBlur(blur)), dtype=float)
    pixels += np.random.default_rng([index, seed]).normal(0, noise, pixels.shape)
    return np.clip(pixels + 0.5, 0, 255).astype(np.uint8)


def scores(image: Pixels, target: Pixels, names: Sequence[str]) -> dict[str, float]:
    """True scores of one image."""
    pair = [torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 255 for pixels in (image, target)]
    return score(pair[0], pair[1], Protocol(), names)


def curve(index: int, seed: int, steps: int = 2000) -> Curve:
    """A loss that falls and a PSNR that rises, as they do."""
    grid = np.linspace(0, steps, 101).astype(int)
    rng = np.random.default_rng([index, seed])
    fall = 0.02 + 0.3 * np.exp(-grid / (200 + 60 * index)) * np.exp(rng.normal(0, 0.05, grid.size))
    psnr = 30 + 0.15 * index - 14 * np.exp(-grid / 250) + rng.normal(0, 0.05, grid.size)
    psnr[np.arange(grid.size) % 10 != 0] = np.nan
    values = {"loss": fall.tolist(), "psnr": psnr.tolist()}
    if index >= 3:
        values |= {"0.84*ms_ssim": (0.7 * fall).tolist(), "0.16*l1": (0.3 * fall).tolist()}
    values["loss"][0] = float("nan")
    return Curve(seed, grid.tolist(), values)


def build(
    losses: Sequence[str] = LOSSES,
    seeds: Sequence[int] = (0, 1),
    images: dict[str, Pixels] | None = None,
    failing_loss: str | None = None,
    with_images: bool = True,
    metric_names: Sequence[str] = METRIC_NAMES,
) -> ReportData:
    """A tournament of imitations; the loss named `failed` did not finish."""
    images = photographs() if images is None else images
    rows, comparisons = [], []
    finished_losses = [loss for loss in losses if loss != failing_loss]
    for name, target in images.items():
        degraded = jpeg(target)
        rows.append(Row(name, DEGRADED, 0, scores(degraded, target, metric_names)))
        results_by_loss = {
            (loss, s): imitation(target, degraded, losses.index(loss), s)
            for loss in finished_losses
            for s in seeds
        }
        rows += [
            Row(name, loss, s, scores(pixels, target, metric_names))
            for (loss, s), pixels in results_by_loss.items()
        ]
        comparisons.append(
            ImageComparison(
                name, target, degraded, {loss: results_by_loss[loss, seeds[0]] for loss in finished_losses}
            )
        )
    methods = [DEGRADED, *finished_losses]
    metrics = [METRICS[name] for name in metric_names]
    standings = rankings(rows, metrics, methods)
    pairs = [d for standing in standings for d in differences(rows, standing.metric, methods)]
    advice = advise(rows, finished_losses)
    return ReportData(
        verdict=verdict(advice),
        advice=advice,
        degradation="jpeg(10)",
        network="srresnet_small",
        budget="2000 steps per run",
        protocol="RGB, no crop, rounded to 8 bits",
        command=f"lossmith compare photos --losses {' '.join(map(repr, losses))} --seeds {len(seeds)}",
        seeds=list(seeds),
        results=[
            LossResult(
                loss=loss,
                curves=[curve(index, seed) for seed in seeds],
                steps=0 if loss == failing_loss else 2000,
                milliseconds_per_step=float("nan") if loss == failing_loss else 41.3 + 17.9 * index,
                activation_mb=None if index == 1 else 812.0 + 95.5 * index,
                failure="seed 0: the loss became NaN at step 312." if loss == failing_loss else None,
            )
            for index, loss in enumerate(losses)
        ],
        rankings=standings,
        differences=pairs,
        rows=rows,
        comparisons=comparisons if with_images else [],
        environment={"Device": "CPU, 2 cores", "Versions": "lossmith 0.1.0, torch 2.15.0"},
    )


@pytest.fixture(scope="session")
def tournament() -> Builder:
    """Makes Contents; see `build`."""
    return build


@pytest.fixture(scope="session")
def report_data() -> ReportData:
    """Five losses, two seeds, two photographs."""
    return build()

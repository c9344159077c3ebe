"""Tournaments that were never run: photographs with JPEG damage, and imitations of what losses make of them."""

import io
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageFilter
from skimage import data

from lossmith.evaluation import (
    DEGRADED,
    Criteria,
    Metric,
    Race,
    RaceRound,
    Row,
    advise,
    differences,
    next_seeds,
    rankings,
)
from lossmith.evaluation.pulls import Pulls
from lossmith.metrics.registry import known_metric
from lossmith.report import Curve, ImageComparison, LossResult, Pixels, PullMaps, RateTrial, ReportData

LOSSES = ["l2", "l1", "ssim", "mix", "0.84*ms_ssim + 0.16*l1 until 50% then l2"]
METRIC_NAMES = ["psnr", "ssim", "gmsd", "l1", "efficientnet_lite0", "lpips_squeeze"]
PICTURES = ["astronaut", "chelsea", "coffee", "rocket", "page", "moon", "clock", "camera"]

LEVELS = {
    "psnr": 29.0,
    "ssim": 0.83,
    "gmsd": 0.06,
    "l1": 24.0,
    "efficientnet_lite0": 2.4,
    "lpips_squeeze": 0.2,
    "niqe": 4.0,
}
"""Plausible scores, from which those of losses differ by margins; 0.5 for others."""
QUALITIES = {
    "fidelity": (0.0, 0.2, -4.0, -0.4, 0.1, -9.0, -1.3, 0.05),
    "structure": (-3.0, -1.2, 0.4, 0.3, 0.2, -6.0, -0.9, 0.1),
    "perception": (-4.0, -3.0, 0.5, -1.0, -2.0, -6.0, 2.5, 0.8),
    None: (0.0,) * 8,
}
"""How good the losses of a list are, in margins of every metric of a goal; None for metrics without a goal."""

ONE_LOOK = Criteria()

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


def score_of(metric: Metric, quality: float, difficulty: float) -> float:
    """A score so many margins better than the usual one; errors are ratios, as in the scores of goals."""
    level, margin = LEVELS.get(metric.name, 0.5), metric.margin or 0.01
    best = metric.range[1] if metric.higher_is_better else 0.0
    if best == np.inf:
        return level + margin * quality - 5 * difficulty
    error = abs(best - level) * float(np.exp(difficulty - quality * margin / abs(best - level)))
    return best - error if metric.higher_is_better else error


def score_rows(
    losses: Sequence[str],
    seeds: Mapping[str, int] | Sequence[int],
    pictures: Sequence[str],
    metrics: Sequence[Metric],
) -> list[Row]:
    """Scores whose differences are `QUALITIES`, but for what is due to seeds and to single results."""
    runs = {loss: range(seeds[loss]) if isinstance(seeds, Mapping) else seeds for loss in losses}

    def row(picture: str, method: str, seed: int) -> Row:
        index = losses.index(method) % 8 if method in losses else -1
        scores = {}
        for place, metric in enumerate(metrics):
            rng = np.random.default_rng([index + 1, seed, place])
            of_seed = rng.normal(0, 0.15)
            of_result = rng.normal(0, 0.5, len(PICTURES) + 8)[pictures.index(picture)]
            quality = QUALITIES[metric.goal][index] + of_seed + of_result if index >= 0 else -12.0
            difficulty = np.random.default_rng([77, pictures.index(picture)]).normal(0, 0.3)
            scores[metric.name] = score_of(metric, float(quality), float(difficulty))
        return Row(picture, method, seed, scores)

    rows = [row(picture, DEGRADED, 0) for picture in pictures]
    return rows + [row(p, loss, seed) for loss in losses for seed in runs[loss] for p in pictures]


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


def pulls(index: int, seed: int, steps: int = 2000) -> Pulls:
    """Two terms of which the second pulls less and less, first against the other and then with it."""
    looks = list(range(1, steps, steps // 10))
    rng = np.random.default_rng([index, seed, 3])
    share = 0.25 + 0.1 * index + 0.3 * np.exp(-np.arange(10) / 4) + rng.normal(0, 0.01, 10)
    cosine = 0.5 - 0.8 * np.exp(-np.arange(10) / 3) + rng.normal(0, 0.03, 10)
    terms = ("0.84*ms_ssim", "0.16*l1")
    return Pulls(looks, {terms[0]: (1 - share).tolist(), terms[1]: share.tolist()}, {terms: cosine.tolist()})


def maps(target: Pixels) -> PullMaps:
    """A term that pulls where it is bright, and one that pulls everywhere."""
    bright = target[:64, :64].mean(-1, dtype=np.float32) / 128
    strengths = {"0.84*ms_ssim": bright, "0.16*l1": np.full_like(bright, 0.3)}
    return PullMaps(0, 0, strengths, {"0.84*ms_ssim": 0.8, "0.16*l1": 0.2})


def build(
    losses: Sequence[str] = LOSSES,
    seeds: Sequence[int] = (0, 1),
    images: dict[str, Pixels] | None = None,
    failing_loss: str | None = None,
    with_images: bool = True,
    metric_names: Sequence[str] = METRIC_NAMES,
) -> ReportData:
    """A tournament of imitations; the loss named `failing_loss` did not finish."""
    images = photographs() if images is None else images
    finished = [loss for loss in losses if loss != failing_loss]
    comparisons = [
        ImageComparison(
            name,
            target,
            jpeg(target),
            {loss: imitation(target, jpeg(target), losses.index(loss) % 8, seeds[0]) for loss in finished},
        )
        for name, target in images.items()
        if with_images
    ]
    pictures = list(dict.fromkeys([*images, *PICTURES]))
    results = [
        LossResult(
            loss=loss,
            curves=[curve(index, seed) for seed in seeds],
            steps=0 if loss == failing_loss else 2000,
            milliseconds_per_step=float("nan") if loss == failing_loss else 41.3 + 17.9 * index,
            activation_mb=None if index == 1 else 812.0 + 95.5 * index,
            failure="seed 0: the loss became NaN at step 312." if loss == failing_loss else None,
            pulls=[pulls(index, seed) for seed in seeds] if index >= 3 else [],
        )
        for index, loss in enumerate(losses)
    ]
    rows = score_rows(finished, seeds, pictures, list(map(known_metric, metric_names)))
    return judged(
        rows,
        finished,
        metric_names,
        degradation="jpeg(10)",
        network="srresnet_small",
        budget="2000 steps per run",
        protocol="RGB, no crop, rounded to 8 bits",
        command=f"lossmith compare photos --losses {' '.join(map(repr, losses))} --seeds {len(seeds)}",
        seeds=list(seeds),
        results=results,
        comparisons=comparisons,
        environment={"Device": "CPU, 2 cores", "Versions": "lossmith 0.1.0, torch 2.15.0"},
    )


def judged(
    rows: list[Row],
    losses: Sequence[str],
    metric_names: Sequence[str],
    criteria: Criteria = ONE_LOOK,
    **settings: object,
) -> ReportData:
    """The content of a page, with all that follows from its rows."""
    methods = [DEGRADED, *losses]
    standings = rankings(rows, list(map(known_metric, metric_names)), methods, criteria)
    costs = {loss: 41.3 + 17.9 * index for index, loss in enumerate(losses)}
    contents = {
        "verdict": "",
        "advice": advise(rows, losses, criteria, costs),
        "rankings": standings,
        "differences": [d for s in standings for d in differences(rows, s.metric, methods, criteria)],
        "rows": rows,
        **settings,
    }
    return ReportData(**contents)  # type: ignore[arg-type]


def raced(losses: Sequence[str] = LOSSES, metric_names: Sequence[str] = METRIC_NAMES, most: int = 6) -> ReportData:
    """A race of two seeds or more, whose losses played at the better of three learning rates."""
    race = Race(2, most)
    criteria = Criteria(looks=race.looks)
    start = build(losses, metric_names=metric_names)
    seeds: dict[str, int] = {}
    rounds: list[RaceRound] = []
    metrics = list(map(known_metric, metric_names))
    while jobs := next_seeds(race, losses, seeds, rounds[-1].advice if rounds else None):
        seeds = {loss: seeds.get(loss, 0) + (loss in jobs) for loss in losses}
        if min(seeds.values()) >= race.least:
            advice = advise(score_rows(losses, seeds, PICTURES, metrics), losses, criteria)
            rounds.append(RaceRound(dict(seeds), advice, 83.0 * sum(seeds.values())))
    ending = "Every loss that could still be the best in a goal has its 6 seeds."
    rounds[-1] = RaceRound(rounds[-1].seeds, rounds[-1].advice, rounds[-1].seconds, ending)
    settings = {
        name: getattr(start, name)
        for name in ("degradation", "network", "budget", "protocol", "command", "environment")
    }
    several = [result.loss for result in start.results if result.pulls]
    comparisons = [replace(each, pulls=dict.fromkeys(several, maps(each.target))) for each in start.comparisons]
    return judged(
        score_rows(losses, seeds, PICTURES, metrics),
        losses,
        metric_names,
        criteria,
        seeds=list(range(max(seeds.values()))),
        results=[
            LossResult(r.loss, [curve(i, seed) for seed in range(seeds[r.loss])], *known(r), pulls=r.pulls)
            for i, r in enumerate(start.results)
        ],
        comparisons=comparisons,
        race=rounds,
        rates=trials(losses),
        notes=["FSIM was not measured on images smaller than 32 pixels"],
        **settings,
    )


def known(result: LossResult) -> tuple[int, float, float | None]:
    return result.steps, result.milliseconds_per_step, result.activation_mb


def trials(losses: Sequence[str]) -> list[RateTrial]:
    """Short runs at three learning rates; the third loss diverges at the highest."""
    rates, tables = (5e-4, 1e-3, 2e-3), itertools.cycle([(1.2, 1.05, 1.0), (1.1, 1.0, 1.3), (1.06, 1.0, np.nan)])
    return [
        RateTrial(loss, rate, 0.02 * cost, 28.5 - 3 * (cost - 1), cost == 1.0)
        for loss, costs in zip(losses, tables, strict=False)
        for rate, cost in zip(rates, costs, strict=True)
    ]


@pytest.fixture(scope="session")
def tournament() -> Builder:
    """Makes Contents; see `build`."""
    return build


@pytest.fixture(scope="session")
def report_data() -> ReportData:
    """Five losses, two seeds, two photographs."""
    return build()


@pytest.fixture(scope="session")
def race_data() -> ReportData:
    """The same losses, raced."""
    return raced()

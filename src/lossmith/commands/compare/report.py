"""The report of a tournament: its verdict, its page and its tables, from the folders of its runs."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from lossmith.commands.compare.job import RunResult
from lossmith.core.files import write_text
from lossmith.core.provenance import environment
from lossmith.data import ImagePair, PreparedData, read_image, to_uint8_hwc
from lossmith.evaluation import (
    DEGRADED,
    Protocol,
    Row,
    advise,
    baseline,
    differences,
    find_metric,
    rankings,
    verdict,
    why_nan,
)
from lossmith.evaluation.statistics.metric_overlap import optimizes_metric
from lossmith.report import Curve, ImageComparison, LossResult, ReportData, write_report
from lossmith.training import Recipe

MAX_IMAGES = 4
"""Test images on the page: those whose PSNR differs most between the losses."""


@dataclass(frozen=True)
class TournamentResults:
    """The settings of a tournament, and the results of its runs."""

    losses: list[str]
    results: list[RunResult]
    rows: list[Row]
    data: PreparedData
    recipe: Recipe
    protocol: Protocol
    seeds: int
    command: str


def make_page(tournament: TournamentResults, out: Path) -> ReportData:
    """Write `report.html` and `results.json`; returns what they hold."""
    finished = [name for name in tournament.losses if not _failure(tournament, name)]
    methods = [DEGRADED, *finished]
    metrics = [find_metric(name) for name in tournament.rows[0].scores]
    standings = rankings(tournament.rows, metrics, methods)
    pairs = [d for standing in standings for d in differences(tournament.rows, standing.metric, methods)]
    results = [_loss_result(tournament, name) for name in tournament.losses]
    costs = {result.loss: result.milliseconds_per_step for result in results if not result.failure}
    seconds = {result.loss: result.steps * costs[result.loss] / 1000 for result in results if not result.failure}
    advice = advise(tournament.rows, finished, costs=costs)
    contents = ReportData(
        verdict=verdict(advice, seconds),
        advice=advice,
        degradation=tournament.data.degradation,
        network=str(tournament.recipe.network),
        budget=f"{tournament.recipe.budget} per run",
        protocol=str(tournament.protocol),
        command=tournament.command,
        seeds=list(range(tournament.seeds)),
        results=results,
        rankings=standings,
        differences=pairs,
        rows=tournament.rows,
        comparisons=_comparisons(tournament, finished),
        environment=_environment(tournament),
        notes=[*why_nan(tournament.rows), *tournament.data.remarks],
    )
    _write_json(out / "results.json", contents)
    write_report(out / "report.html", contents)
    return contents


def _loss_result(tournament: TournamentResults, loss: str) -> LossResult:
    entries = [result for result in tournament.results if result.loss == loss]
    summaries = [entry.summary for entry in entries if entry.summary]
    return LossResult(
        loss=loss,
        curves=[Curve(entry.seed, *entry.run_folder.curves()) for entry in entries],
        steps=round(fmean(s.steps for s in summaries)) if summaries else 0,
        milliseconds_per_step=fmean(s.milliseconds_per_step for s in summaries) if summaries else math.nan,
        activation_mb=max(s.activation_mb for s in summaries) if summaries else None,
        failure=_failure(tournament, loss),
    )


def _failure(tournament: TournamentResults, loss: str) -> str | None:
    failures = (f"seed {e.seed}: {e.failure}" for e in tournament.results if e.loss == loss and e.failure)
    return next(failures, None)


def _comparisons(tournament: TournamentResults, losses: Sequence[str]) -> list[ImageComparison]:
    first = {e.loss: e.run_folder for e in tournament.results if e.seed == 0 and e.loss in losses}

    def spread(pair: ImagePair) -> float:
        scores = [r.scores["psnr"] for r in tournament.rows if r.image == pair.name and r.method in losses]
        return float(np.std(scores)) if scores else 0.0

    shown = sorted(tournament.data.test_pairs, key=spread, reverse=True)[:MAX_IMAGES]
    return [
        ImageComparison(
            image=pair.name,
            target=to_uint8_hwc(pair.clean),
            degraded=to_uint8_hwc(baseline(pair)),
            restored={loss: to_uint8_hwc(read_image(folder.image(pair.name))) for loss, folder in first.items()},
        )
        for pair in shown
    ]


def _environment(tournament: TournamentResults) -> dict[str, str]:
    recipe, summaries = tournament.recipe, [e.summary for e in tournament.results if e.summary]
    device = {"Device": summaries[0].device} if summaries else {}  # the runs may have been on other machines
    return {
        "Training images": str(len(tournament.data.source.names)),
        "Test images": ", ".join(pair.name for pair in tournament.data.test_pairs),
        "Patches": f"{recipe.batch} of {recipe.patch} x {recipe.patch} pixels per step",
        "Optimizer": f"Adam, learning rate {recipe.learning_rate:g}, decay {recipe.decay}, ema {recipe.ema:g}",
        "Arithmetic": summaries[0].precision if summaries else recipe.precision,
        **environment("lightning", "torchmetrics", "numpy", "pillow"),
        **device,
    }


def _write_json(path: Path, contents: ReportData) -> None:
    plain = {
        "verdict": contents.verdict,
        "degradation": contents.degradation,
        "network": contents.network,
        "budget": contents.budget,
        "protocol": contents.protocol,
        "command": contents.command,
        "seeds": contents.seeds,
        "environment": contents.environment,
        "notes": contents.notes,
        "losses": [
            {
                **{key: value for key, value in asdict(result).items() if key != "curves"},
                "optimizes_metric": [
                    ranking.metric.name
                    for ranking in contents.rankings
                    if optimizes_metric(result.loss, ranking.metric.name)
                ],
            }
            for result in contents.results
        ],
        "rankings": [asdict(ranking) for ranking in contents.rankings],
        "differences": [{**asdict(pair), "significant": pair.significant} for pair in contents.differences],
        "rows": [asdict(row) for row in contents.rows],
    }
    write_text(path, json.dumps(_no_nan(plain), indent=1, allow_nan=False) + "\n")


def _no_nan(value: object) -> object:
    """The value with null for NaN and a string for infinity, which JSON does not have."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dict):
        return {key: _no_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(item) for item in value]
    return value

"""The report of a tournament: its verdict, its page and its tables, from the folders of its runs."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from statistics import fmean

import numpy as np
from torch import Tensor

from lossmith.commands.compare.collapsed_runs import collapsed_runs
from lossmith.commands.compare.job import RunResult
from lossmith.commands.compare.learning_rates import RateChoice
from lossmith.commands.compare.pull_maps import as_trained, with_pull_maps
from lossmith.commands.compare.results_json import write_json
from lossmith.commands.compare.rising_curves import rising_curves
from lossmith.commands.compare.tournament import run_seconds, step_costs
from lossmith.core.provenance import environment
from lossmith.data import ImagePair, PreparedData, read_picture
from lossmith.evaluation import (
    DEGRADED,
    Criteria,
    Protocol,
    RaceRound,
    Row,
    advise,
    baseline,
    differences,
    find_metric,
    rankings,
    verdict,
    why_nan,
)
from lossmith.losses import Loss, ShareLoss
from lossmith.report import (
    Curve,
    ImageComparison,
    LossResult,
    ReportData,
    comparison_of,
    most_different,
    write_report,
)
from lossmith.training import Recipe

MAX_IMAGES, CANDIDATES = 4, 12
"""Test images on the page, those in which the losses differ most visibly; of so many whose scores differ most."""
SECONDS_PER_REPORT, SECONDS_PER_MEGAPIXEL = 3.0, 2.0
"""Of a report, and of every megapixel of the images that it shows; a rough guess for one core."""


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
    """The greatest number of seeds of a loss."""
    command: str
    criteria: Criteria = field(default_factory=Criteria)
    race: list[RaceRound] = field(default_factory=list)
    """How the race went; empty where nothing was raced."""
    ending: str = ""
    """Why the tournament ended before all runs were carried out, in one sentence; empty where it did not."""
    rates: RateChoice = field(default_factory=lambda: RateChoice({}, []))
    """How the learning rates were chosen."""
    bands: tuple[int, ...] = ()
    """The channels that the page shows; the first ones where none are named."""
    contenders: Mapping[str, Loss] = field(default_factory=dict)
    """The losses themselves, by their expressions, for the maps of where their terms pull."""


def make_page(tournament: TournamentResults, out: Path) -> ReportData:
    """Write `report.html` and `results.json`; returns what they hold."""
    finished = [name for name in tournament.losses if not _failure(tournament, name)]
    methods = [DEGRADED, *finished]
    metrics = [find_metric(name) for name in tournament.rows[0].scores]
    criteria = tournament.criteria
    standings = rankings(tournament.rows, metrics, methods, criteria)
    pairs = [d for standing in standings for d in differences(tournament.rows, standing.metric, methods, criteria)]
    results = [_loss_result(tournament, name) for name in tournament.losses]
    rising = rising_curves({r.loss: r.curves for r in results}, criteria.margin(find_metric("psnr")))
    advice = advise(tournament.rows, finished, criteria, step_costs(tournament.results))
    contents = ReportData(
        verdict=verdict(advice, run_seconds(tournament.results)),
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
        notes=[
            *filter(None, ["" if tournament.race else tournament.ending]),
            *collapsed_runs(tournament.rows),
            *tournament.rates.notes,
            *why_nan(tournament.rows, tournament.protocol.masked),
            *tournament.data.remarks,
        ],
        curve_notes=[rising] if rising else [],
        race=tournament.race,
        rates=tournament.rates.trials,
    )
    write_json(out / "results.json", contents)
    write_report(out / "report.html", contents)
    return contents


def forecast_seconds(data: PreparedData, losses: int) -> float:
    """About how long the report of so many losses will take."""
    shown = sorted((pair.clean[0].numel() for pair in data.test_pairs), reverse=True)[:MAX_IMAGES]
    return SECONDS_PER_MEGAPIXEL * (losses + 2) * sum(shown) / 1e6 + SECONDS_PER_REPORT


def _loss_result(tournament: TournamentResults, loss: str) -> LossResult:
    entries = [result for result in tournament.results if result.loss == loss]
    summaries = [entry.summary for entry in entries if entry.summary]
    return LossResult(
        loss=loss,
        curves=[Curve(entry.seed, *entry.run_folder.curves()) for entry in entries],
        steps=round(fmean(s.steps for s in summaries)) if summaries else 0,
        milliseconds_per_step=min((s.milliseconds_per_step for s in summaries), default=math.nan),
        activation_mb=max(s.activation_mb for s in summaries) if summaries else None,
        failure=_failure(tournament, loss),
        pulls=[entry.run_folder.pulls() for entry in entries],
        in_numbers=[summary.loss_as_trained for summary in summaries if summary.loss_as_trained],
    )


def _failure(tournament: TournamentResults, loss: str) -> str | None:
    failures = (f"seed {e.seed}: {e.failure}" for e in tournament.results if e.loss == loss and e.failure)
    return next(failures, None)


def _comparisons(tournament: TournamentResults, losses: Sequence[str]) -> list[ImageComparison]:
    first = {e.loss: e.run_folder for e in tournament.results if e.seed == 0 and e.loss in losses}
    pixels = tournament.data.pixels

    def spread(pair: ImagePair) -> float:
        rows = [row for row in tournament.rows if row.image == pair.name and row.method in losses]
        margins = {name: tournament.criteria.margin(find_metric(name)) for row in rows[:1] for name in row.scores}
        spreads = [np.std([row.scores[name] for row in rows]) / m for name, m in margins.items() if m > 0]
        return float(np.nan_to_num(spreads).sum())

    def restored(name: str) -> dict[str, Tensor]:
        return {loss: pixels.to_unit(read_picture(folder.image(name), pixels)) for loss, folder in first.items()}

    def comparison(pair: ImagePair) -> ImageComparison:
        return comparison_of(
            pair.name, pair.clean, baseline(pair, pixels), restored(pair.name), pixels, tournament.bands
        )

    with np.errstate(invalid="ignore"):  # infinite scores have no spread
        candidates = nlargest(CANDIDATES, tournament.data.test_pairs, key=spread)
    trained = {
        loss: as_trained(criterion, first[loss].model)
        for loss, criterion in tournament.contenders.items()
        if loss in first
    }
    criteria = {loss: criterion for loss, criterion in trained.items() if criterion}
    names = {loss: each.term_names for loss, each in tournament.contenders.items() if isinstance(each, ShareLoss)}
    targets = {pair.name: pair.clean for pair in candidates}
    return [
        with_pull_maps(shown, criteria, restored(shown.image), targets[shown.image], names)
        for shown in most_different(map(comparison, candidates), MAX_IMAGES)
    ]


def _environment(tournament: TournamentResults) -> dict[str, str]:
    recipe, summaries = tournament.recipe, [e.summary for e in tournament.results if e.summary]
    rate = (
        "learning rate chosen per loss" if tournament.rates.trials else f"learning rate {recipe.learning_rate:g}"
    )
    device = {"Device": summaries[0].device} if summaries else {}  # the runs may have been on other machines
    return {
        "Training images": str(len(tournament.data.source.names)),
        "Test images": ", ".join(pair.name for pair in tournament.data.test_pairs),
        "Patches": f"{recipe.batch} of {recipe.patch} x {recipe.patch} pixels per step",
        "Optimizer": f"Adam, {rate}, decay {recipe.decay}, ema {recipe.ema:g}",
        "Arithmetic": summaries[0].precision if summaries else recipe.precision,
        **environment("lightning-fabric", "torchmetrics", "numpy", "pillow"),
        **device,
    }

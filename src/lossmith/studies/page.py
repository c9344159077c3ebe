"""From the folders of a tournament to its verdict, its page and its tables."""

import csv
import json
import math
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import fmean

import numpy as np

import lossmith
from lossmith.devices import device_name
from lossmith.evaluation import (
    DEGRADED,
    Difference,
    Protocol,
    Row,
    Standing,
    baseline,
    differences,
    find_metric,
    standings,
    verdict,
    why_nan,
)
from lossmith.evaluation.trained_on import trained_on
from lossmith.files import write_text
from lossmith.images import Gathered, Pair, read_picture, to_bytes
from lossmith.report import Contender, Contents, Curve, Exhibit, write_report
from lossmith.studies.job import Entry
from lossmith.training import Recipe

SHOWN = 4
"""Test pictures on the page: those on which the losses differ most."""


@dataclass(frozen=True)
class Tournament:
    """All that has been run."""

    losses: list[str]
    entries: list[Entry]
    rows: list[Row]
    gathered: Gathered
    recipe: Recipe
    protocol: Protocol
    seeds: int
    command: str


def make_page(tournament: Tournament, out: Path) -> str:
    """Write `report.html` and `results.json`; returns the verdict."""
    finished = [name for name in tournament.losses if not _failure(tournament, name)]
    methods = [DEGRADED, *finished]
    metrics = [find_metric(name) for name in tournament.rows[0].scores]
    found = standings(tournament.rows, metrics, methods)
    pairs = [d for each in found for d in differences(tournament.rows, each.metric, methods)]
    words = verdict(found, pairs)
    contents = Contents(
        verdict=words,
        degradation=tournament.gathered.damage,
        network=str(tournament.recipe.network),
        budget=f"{tournament.recipe.budget} per run",
        protocol=str(tournament.protocol),
        command=tournament.command,
        seeds=list(range(tournament.seeds)),
        contenders=[_contender(tournament, name) for name in tournament.losses],
        standings=found,
        differences=pairs,
        rows=tournament.rows,
        exhibits=_exhibits(tournament, finished),
        facts=_facts(tournament),
        notes=[*why_nan(tournament.rows), *tournament.gathered.remarks],
    )
    _write_json(out / "results.json", contents, found, pairs)
    write_report(out / "report.html", contents)
    return words


def _contender(tournament: Tournament, loss: str) -> Contender:
    entries = [entry for entry in tournament.entries if entry.loss == loss]
    done = [entry.summary for entry in entries if entry.summary]
    return Contender(
        loss=loss,
        curves=[_curve(entry) for entry in entries],
        steps=round(fmean(s.steps for s in done)) if done else 0,
        milliseconds_per_step=fmean(s.milliseconds_per_step for s in done) if done else math.nan,
        kept_mb=max(s.kept_mb for s in done) if done else None,
        failure=_failure(tournament, loss),
    )


def _failure(tournament: Tournament, loss: str) -> str | None:
    failures = (f"seed {e.seed}: {e.failure}" for e in tournament.entries if e.loss == loss and e.failure)
    return next(failures, None)


def _curve(entry: Entry) -> Curve:
    with entry.folder.journal.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name not in ("step", "seconds", "learning_rate", "skipped")]
    values = {name: [float(row[name] or "nan") for row in rows] for name in names}
    return Curve(entry.seed, [int(row["step"]) for row in rows], values)


def _exhibits(tournament: Tournament, losses: Sequence[str]) -> list[Exhibit]:
    first = {e.loss: e.folder for e in tournament.entries if e.seed == 0 and e.loss in losses}

    def spread(pair: Pair) -> float:
        scores = [r.scores["psnr"] for r in tournament.rows if r.picture == pair.name and r.method in losses]
        return float(np.std(scores)) if scores else 0.0

    shown = sorted(tournament.gathered.tests, key=spread, reverse=True)[:SHOWN]
    return [
        Exhibit(
            picture=pair.name,
            target=to_bytes(pair.clean),
            degraded=to_bytes(baseline(pair)),
            restored={loss: to_bytes(read_picture(folder.picture(pair.name))) for loss, folder in first.items()},
        )
        for pair in shown
    ]


def _facts(tournament: Tournament) -> dict[str, str]:
    recipe, summaries = tournament.recipe, [e.summary for e in tournament.entries if e.summary]
    packages = ("torch", "lightning", "torchmetrics", "numpy", "pillow")
    return {
        "Training pictures": str(len(tournament.gathered.source.names)),
        "Test pictures": ", ".join(pair.name for pair in tournament.gathered.tests),
        "Patches": f"{recipe.batch} of {recipe.patch} x {recipe.patch} pixels per step",
        "Optimiser": f"Adam, learning rate {recipe.learning_rate:g}, decay {recipe.decay}, ema {recipe.ema:g}",
        "Arithmetic": summaries[0].precision if summaries else recipe.precision,
        "Device": summaries[0].device if summaries else device_name(),
        "System": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "Versions": ", ".join(
            [f"lossmith {lossmith.__version__}", *(f"{name} {version(name)}" for name in packages)]
        ),
    }


def _write_json(path: Path, contents: Contents, found: Sequence[Standing], pairs: Sequence[Difference]) -> None:
    plain = {
        "verdict": contents.verdict,
        "degradation": contents.degradation,
        "network": contents.network,
        "budget": contents.budget,
        "protocol": contents.protocol,
        "command": contents.command,
        "seeds": contents.seeds,
        "facts": contents.facts,
        "notes": contents.notes,
        "losses": [
            {
                **{key: value for key, value in asdict(contender).items() if key != "curves"},
                "trained_on": [each.metric.name for each in found if trained_on(contender.loss, each.metric.name)],
            }
            for contender in contents.contenders
        ],
        "standings": [asdict(each) for each in found],
        "differences": [{**asdict(each), "distinguishable": each.distinguishable} for each in pairs],
        "rows": [asdict(row) for row in contents.rows],
    }
    write_text(path, json.dumps(_no_nan(plain), indent=1, allow_nan=False) + "\n")


def _no_nan(value: object) -> object:
    """JSON has no NaN and no infinity: null and a string stand for them."""
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, dict):
        return {key: _no_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_no_nan(item) for item in value]
    return value

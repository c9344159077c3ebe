"""What a study writes from its runs: the tables, the findings and the page."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from lossmith.commands.study.job import OpenBenchmark, StudyRun
from lossmith.commands.study.pictures import pictures_of
from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import write_text
from lossmith.core.progress import ProgressBar
from lossmith.core.provenance import environment
from lossmith.report.pages.study import StudyContents, write_study
from lossmith.studies import Benchmark, Configuration, Scale, Selection
from lossmith.studies.analysis import BenchmarkResult, StudyAnalysis, analyze, to_json
from lossmith.studies.benchmarks import BENCHMARKS, benchmark
from lossmith.studies.facts import loss_cost

COLUMNS = ("benchmark", "network", "layer", "weights", "seed", "item", "metric", "score")


@dataclass(frozen=True)
class StudySettings:
    """What the page says of a study beside its results."""

    scale: Scale
    command: str
    selection: Selection
    remarks: tuple[str, ...]
    opened: Mapping[str, OpenBenchmark]
    """By name, the benchmarks of this call, whose originals are shown beside the pictures."""


def write_results(out: Path, runs: Sequence[StudyRun], settings: StudySettings) -> StudyAnalysis:
    """Write `results.csv`, `results.json` and `report.html`; returns what they say."""
    stored = stored_benchmarks(out)
    names = sorted({run.benchmark for run in runs}, key=lambda name: ([*BENCHMARKS, name].index(name), name))
    benchmarks = {name: stored[name][0] for name in names}
    results = [_benchmark_result(each, runs) for each in benchmarks.values()]
    configurations = dict.fromkeys(run.configuration for run in runs)
    analysis = analyze(results, _costs(out / "costs.json", list(configurations)))
    write_scores(out / "results.csv", runs)
    contents = StudyContents(
        analysis=analysis,
        scale=settings.scale,
        seeds=sorted({run.seed for run in runs}),
        data={name: counted(stored[name][1], "file") for name in names},
        command=settings.command,
        environment=environment("numpy", "scipy"),
        pictures={name: pictures_of(runs, name, settings.opened.get(name)) for name in benchmarks},
        picture_notes={name: each.image_note for name, each in benchmarks.items() if each.image_note},
        missing_weights=settings.selection.missing_weights,
        notes=settings.remarks,
    )
    _write_json(out / "results.json", contents)
    write_study(out / "report.html", contents)
    return analysis


def stored_benchmarks(out: Path) -> dict[str, tuple[Benchmark, int]]:
    """The benchmarks in a study's folder, those of earlier calls included, and how many files of data each has.

    Raises LossmithError for a damaged file, and for a benchmark of the user's that cannot be imported.
    """
    benchmarks = {}
    for path in sorted(out.glob("runs/*/benchmark.yaml")):
        try:
            entry = yaml.safe_load(path.read_text(encoding="utf-8"))
            spec, count = entry["benchmark"], _count(entry["data"])
        except (yaml.YAMLError, ValueError, TypeError, KeyError) as error:
            raise LossmithError(f"{path} is damaged; move {path.parent} away to leave its runs out") from error
        benchmarks[path.parent.name] = benchmark(spec), count
    return benchmarks


def _benchmark_result(source: Benchmark, runs: Sequence[StudyRun]) -> BenchmarkResult:
    runs = [run for run in runs if run.benchmark == source.name]
    costs: dict[str, list[float]] = {}
    for run in runs:
        if not math.isnan(run.milliseconds_per_step):
            costs.setdefault(run.configuration.name, []).append(run.milliseconds_per_step)
    return BenchmarkResult(
        source.name,
        source.title,
        source.baseline,
        source.metrics,
        tuple(row for run in runs for row in run.rows),
        tuple(dict.fromkeys(run.configuration for run in runs)),
        {name: fmean(values) for name, values in costs.items()},
        {run.configuration.name: run.failure for run in runs if run.failure},
    )


def _costs(path: Path, configurations: Sequence[Configuration]) -> dict[str, float]:
    """Milliseconds of each loss by name, measured once on this machine and kept in a file."""
    try:
        costs: dict[str, float] = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # not there, or damaged
        costs = {}
    new = [each for each in configurations if each.network and replace(each, random=False).name not in costs]
    with ProgressBar("measuring what the losses cost") as bar:
        for number, configuration in enumerate(new, 1):
            costs.setdefault(replace(configuration, random=False).name, _cost(configuration))
            bar.count(number, len(new))
    write_text(path, json.dumps(costs, indent=1) + "\n")
    return {each.name: costs.get(replace(each, random=False).name, math.nan) for each in configurations}


def _cost(configuration: Configuration) -> float:
    try:
        return loss_cost(configuration)
    except Exception:  # a network of the user's can raise anything; its runs have said so
        return math.nan


def _count(files: Any) -> int:
    """How many files a fingerprint, which may have parts, names."""
    return sum(map(_count, files.values())) if isinstance(files, dict) else 1


def write_scores(path: Path, runs: Sequence[StudyRun]) -> None:
    """All scores of all items, one a line, whose mean over items and seeds is the score of a configuration."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        part = run.configuration
        weights = "" if part.network is None else "random" if part.random else "trained"
        for row in run.rows:
            for metric, score in row.scores.items():
                place = (run.benchmark, part.network or "baseline", part.layer, weights, run.seed)
                writer.writerow([*place, row.image, metric, score])
    write_text(path, text.getvalue())


def _write_json(path: Path, contents: StudyContents) -> None:
    plain = {
        "scale": contents.scale,
        "seeds": contents.seeds,
        "command": contents.command,
        "environment": contents.environment,
        "notes": contents.notes,
        "missing_weights": contents.missing_weights,
        **to_json(contents.analysis),
    }
    write_text(path, json.dumps(to_json(plain), indent=1, allow_nan=False) + "\n")

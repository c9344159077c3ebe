"""The page of a judgment: that of a tournament of which only the results are known."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossmith.commands.compare.results_json import write_json
from lossmith.commands.judge.contenders import Contender
from lossmith.commands.judge.matching import MatchedImages
from lossmith.core.errors import counted
from lossmith.core.provenance import environment
from lossmith.evaluation import (
    DEGRADED,
    Criteria,
    Protocol,
    Row,
    advise,
    differences,
    find_metric,
    rankings,
    verdict,
    why_nan,
)
from lossmith.evaluation.advice.phrases import listed
from lossmith.report import ImageComparison, LossResult, ReportData, comparison_of, write_report

MAX_IMAGES = 4
"""Images on the page: those whose PSNR differs most between the methods."""


@dataclass(frozen=True)
class JudgedResults:
    """What was judged, how, and its scores."""

    contenders: Sequence[Contender]
    seeds: Sequence[int]
    images: MatchedImages
    rows: Sequence[Row]
    protocol: Protocol
    criteria: Criteria
    losses: Mapping[str, str]
    """What the methods were trained on, where it is known."""
    degraded: Path | None
    command: str
    bands: tuple[int, ...] = ()
    """The channels that the page shows; the first ones where none are named."""


def make_page(judged: JudgedResults, out: Path) -> ReportData:
    """Write `report.html` and `results.json`; returns what they hold."""
    names = [contender.name for contender in judged.contenders]
    methods = [*([DEGRADED] if judged.degraded else []), *names]
    rows = list(judged.rows)
    standings = rankings(rows, [find_metric(name) for name in rows[0].scores], methods, judged.criteria)
    pairs = [d for table in standings for d in differences(rows, table.metric, methods, judged.criteria)]
    advice = advise(rows, names, judged.criteria, trained_on=judged.losses, fixed_models=len(judged.seeds) == 1)
    contents = ReportData(
        verdict=verdict(advice),
        advice=advice,
        degradation=f"images in {judged.degraded}" if judged.degraded else "",
        network="",
        budget="",
        protocol=str(judged.protocol),
        command=judged.command,
        seeds=list(judged.seeds),
        results=[LossResult(name, [], 0, math.nan, None) for name in names],
        rankings=standings,
        differences=pairs,
        rows=rows,
        comparisons=_comparisons(judged, names),
        environment=_environment(judged),
        notes=[*why_nan(rows, judged.protocol.masked), *judged.images.remarks, *_notes(judged)],
    )
    write_json(out / "results.json", contents)
    write_report(out / "report.html", contents)
    return contents


def _comparisons(judged: JudgedResults, names: Sequence[str]) -> list[ImageComparison]:
    images, first = judged.images, judged.seeds[0]

    def spread(image: str) -> float:
        return float(np.std([r.scores["psnr"] for r in judged.rows if r.image == image and r.method in names]))

    return [
        comparison_of(
            image,
            images.target(image),
            images.result((DEGRADED, 0), image) if judged.degraded else None,
            {name: images.result((name, first), image) for name in names},
            judged.protocol.pixels,
            judged.bands,
        )
        for image in sorted(images.targets, key=spread, reverse=True)[:MAX_IMAGES]
    ]


def _environment(judged: JudgedResults) -> dict[str, str]:
    folders = {
        contender.name: ", ".join(str(contender.results[seed]) for seed in judged.seeds)
        for contender in judged.contenders
    }
    return {
        **{f"Results of {name}": text for name, text in folders.items()},
        "Test images": ", ".join(judged.images.targets),
        **environment("numpy", "pillow"),
    }


def _notes(judged: JudgedResults) -> list[str]:
    """On what the verdict is about, seeds that are left out, and what the judges may share with the methods."""
    notes = []
    if len(judged.seeds) == 1:
        notes.append(
            "This is about these finished models, on pictures like these; trained anew they may rank otherwise"
        )
    notes += [
        f"{contender.name}: {counted(left, 'seed')} left out, which not all others have"
        for contender in judged.contenders
        if (left := len(contender.results) - len(judged.seeds))
    ]
    if told := [f"{name} on {loss}" for name, loss in judged.losses.items() if name != loss]:
        notes.append(f"Trained, as was said: {'; '.join(told)}")
    if named := [name for name, loss in judged.losses.items() if name == loss]:
        notes.append(f"Taken to be trained on the losses that they are called like: {', '.join(named)}")
    perceive = any(find_metric(name).goal == "perception" for name in judged.rows[0].scores)
    unknown = [contender.name for contender in judged.contenders if contender.name not in judged.losses]
    if perceive and unknown:
        notes.append(
            f"It is not known what {listed(unknown)} {'was' if len(unknown) == 1 else 'were'} trained on: all "
            "judges of perception count as independent of that"
        )
    return notes


__all__ = ["JudgedResults", "make_page"]

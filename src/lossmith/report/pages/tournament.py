"""The page of a tournament, and of results that others made."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lossmith.evaluation import cards, front_sentence, without_level
from lossmith.evaluation.advice.details import exclusions
from lossmith.metrics.registry import known_metric
from lossmith.report.charts import chart_data, plane_axes
from lossmith.report.costs import costs_of
from lossmith.report.data import ReportData
from lossmith.report.definitions import definition
from lossmith.report.formatting import number
from lossmith.report.images import CHARACTERS, data_uri, views_of
from lossmith.report.methods import Method, methods_of
from lossmith.report.opening import opening_of
from lossmith.report.pull_pictures import all_pull_pictures
from lossmith.report.pulls_view import pulls_views
from lossmith.report.race_view import race_view
from lossmith.report.rates_view import rates_view
from lossmith.report.results_table import GLOSSES, results_table
from lossmith.report.templates import write_page
from lossmith.report.verdict_markup import TextSpan, text_spans

STYLES = ("theme", "base", "advice", "tables", "results", "race", "charts", "pulls", "images", "print")
SCRIPTS = (
    "common",
    "tables",
    "copy",
    "goals",
    "chart",
    "forest_pairs",
    "forest",
    "labels",
    "curve_lines",
    "curves",
    "readout",
    "plane",
    "split",
    "errors",
    "crops",
    "comparisons",
)


@dataclass(frozen=True)
class CardView:
    """The advice for one goal, with its losses found in the sentences."""

    goal: str
    gloss: str
    headline: list[TextSpan]
    details: list[list[TextSpan]]
    judges: list[str]
    """The metrics that it rests on."""
    excluded: list[tuple[str, list[TextSpan]]]
    """Those that may not judge, each with the rest of the sentence that says why."""


def write_report(path: Path, contents: ReportData) -> None:
    """Write the page of a tournament as a self-contained HTML file that needs no network.

    Sections whose content is missing are left out: results that others made have no network, curves or costs. All
    values (names of images and losses, the command, failures) are escaped.

    Raises LossmithError when the file cannot be written.
    """
    methods = methods_of(contents)
    maps = all_pull_pictures(contents.comparisons, methods)
    room = CHARACTERS - sum(loss.characters for several in maps.values() for loss in several)
    write_page(
        path,
        "page.html.j2",
        STYLES,
        SCRIPTS,
        contents=contents,
        cards=card_views(contents, methods),
        front=text_spans(front_sentence(contents.advice), methods),
        methods=methods,
        table=results_table(contents, methods),
        race=race_view(contents, methods),
        rates=rates_view(contents, methods),
        pulls=pulls_views(contents, methods),
        axes=plane_axes(contents),
        opening=opening_of(contents, methods),
        number=number,
        data_uri=data_uri,
        views=views_of(contents, methods, room),
        pull_maps=maps,
        costs=costs_of(contents, methods),
        images=len({without_level(row.image) for row in contents.rows}),
        definition=definition,
        margins={r.metric.name: f"{contents.advice.criteria.margin(r.metric):g}" for r in contents.rankings},
        data=chart_data(contents, methods),
    )


def card_views(contents: ReportData, methods: Sequence[Method]) -> list[CardView]:
    """The cards of the advice as the page shows them."""
    goals = {
        goal.goal: goal for goal in (*(goal.metrics for goal in contents.advice.goals), *contents.advice.unjudged)
    }
    views = []
    for card in cards(contents.advice, run_seconds(contents)):
        goal = goals[card.goal]
        reasons = list(exclusions(goal))
        labels = [known_metric(name).label for name in goal.excluded]
        views.append(
            CardView(
                card.goal,
                GLOSSES[card.goal],
                text_spans(card.headline, methods),
                [text_spans(detail, methods) for detail in card.details if detail not in reasons],
                [metric.label for metric in goal.metrics],
                [
                    (label, text_spans(reason.removeprefix(label), methods))
                    for label, reason in zip(labels, reasons, strict=True)
                ],
            )
        )
    return views


def run_seconds(contents: ReportData) -> dict[str, float]:
    """The time of one run under each loss, where it is known."""
    return {
        result.loss: result.steps * result.milliseconds_per_step / 1000
        for result in contents.results
        if math.isfinite(result.milliseconds_per_step)
    }

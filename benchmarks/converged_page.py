"""The tables and charts of docs/converged.md, from the tables of the runs alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np

import run_tables as tables
from charts import Axis, Dot, filled, line_chart, markdown, scatter_chart
from long_runs import TASKS, catalogue, fair_scores
from lossmith.core.files import write_text
from lossmith.evaluation import (
    DEGRADED,
    Difference,
    Metric,
    Ranking,
    Row,
    advise,
    differences,
    rankings,
    verdict,
)
from lossmith.metrics.registry import known_metric
from lossmith.report.charts import front_of
from lossmith.report.formatting import MISSING, number

REFERENCE = "l1"
"""The loss that all others stand beside."""
JUDGES = ("efficientnet_lite0", "niqe", "lpips_squeeze")
LAST = 1 / 5
"""The part of a run, at its end, in which little ought to be gained."""
TITLES = {
    "sr": "Super-resolution x4",
    "jpeg": "JPEG, quality 10",
    "denoise": "Noise of sigma 25",
    "demosaic": "Demosaicking",
}

Curve = list[tuple[float, float]]
"""(step, PSNR)."""


@dataclass(frozen=True)
class Results:
    """What the tables hold of a task, at its longest budget."""

    folder: Path
    task: str

    @cached_property
    def _lines(self) -> list[tables.Record]:
        return tables.read(tables.SCORES.path(self.folder, self.task))

    @cached_property
    def steps(self) -> int:
        return tables.most_steps(line for line in self._lines if line["loss"] != DEGRADED)

    @cached_property
    def rows(self) -> list[Row]:
        """Without scores by networks that a loss was made of, whatever a table holds."""
        rows = tables.as_rows(self._lines, self.steps)
        return [Row(row.image, row.method, row.seed, fair_scores(row)) for row in rows]

    @cached_property
    def losses(self) -> list[str]:
        """In the order of the catalog; others come last."""
        known = catalogue(self.task)
        names = dict.fromkeys(row.method for row in self.rows if row.method != DEGRADED)
        return sorted(names, key=lambda name: known.index(name) if name in known else len(known))

    @cached_property
    def metrics(self) -> list[Metric]:
        return [known_metric(name) for name in dict.fromkeys(name for row in self.rows for name in row.scores)]

    @cached_property
    def rankings(self) -> list[Ranking]:
        return rankings(self.rows, self.metrics, [DEGRADED, *self.losses])

    def ranking(self, metric: str) -> Ranking | None:
        return next((ranking for ranking in self.rankings if ranking.metric.name == metric), None)

    @cached_property
    def beside(self) -> dict[tuple[str, str], Difference]:
        """Each loss minus the reference, by loss and metric."""
        pairs = {}
        for ranking in self.rankings:
            for pair in differences(self.rows, ranking.metric, self.losses):
                if REFERENCE in (pair.first, pair.second):
                    other = pair.second if pair.first == REFERENCE else pair.first
                    pairs[other, ranking.metric.name] = pair.seen_from(other)
        return pairs

    @cached_property
    def runs(self) -> dict[str, list[tables.Record]]:
        """The lines about the runs of each loss."""
        lines = tables.read(tables.RUNS.path(self.folder, self.task))
        own = [line for line in lines if int(line["steps"]) == self.steps]
        return {name: [line for line in own if line["loss"] == name] for name in self.losses}

    def seconds(self, loss: str) -> float:
        """Of training, on average over the runs."""
        return fmean(float(line["seconds"]) for line in self.runs[loss])

    @cached_property
    def curves(self) -> dict[str, list[Curve]]:
        """By loss, one for each seed."""
        by_run: dict[tuple[str, str], Curve] = {}
        for line in tables.read(tables.CURVES.path(self.folder, self.task)):
            if int(line["steps"]) == self.steps:
                point = float(line["at_step"]), float(line["psnr"])
                by_run.setdefault((line["loss"], line["seed"]), []).append(point)
        return {name: [curve for (loss, _), curve in by_run.items() if loss == name] for name in self.losses}


def late_gain(curve: Curve, part: float = LAST) -> float:
    """What is gained in the last part of a run, from the value before it to the last one.

    >>> late_gain([(0, 20.0), (50, 28.0), (100, 30.0)], part=0.25)
    1.0
    """
    steps, values = zip(*sorted(curve), strict=True)
    return values[-1] - float(np.interp(steps[-1] * (1 - part), steps, values))


def short(loss: str) -> str:
    """A loss as charts label it.

    >>> short("95%*l1 + 5%*mdf(sr, precision=bfloat16)"), short("features(squeezenet1_1, fire5)")
    ('95% l1 + 5% mdf(sr)', 'SqueezeNet')
    """
    text = loss.replace(", precision=bfloat16", "").replace("features(squeezenet1_1, fire5)", "SqueezeNet")
    return text.replace("%*", "% ")


def heading(metric: Metric) -> str:
    return f"{metric.label} {'↑' if metric.higher_is_better else '↓'}"


def mean_table(results: Results) -> str:
    """The means of every loss, in bold the best and all that are not known to be worse."""
    head = ["loss", "seeds", "rate", "seconds", "gained at the end", *map(heading, results.metrics)]
    lines = []
    for name in (DEGRADED, *results.losses):
        runs = results.runs.get(name, [])
        facts = ["", "", "", ""]
        if runs:
            gains = [late_gain(curve) for curve in results.curves[name] if curve]
            rate = ", ".join(dict.fromkeys(line["learning_rate"] for line in runs))
            gained = number(fmean(gains), 3, signed=True) + " dB" if gains else MISSING
            facts = [str(len(runs)), rate, f"{results.seconds(name):.0f}", gained]
        cells = [_mean(ranking, name) for ranking in map(results.ranking, (m.name for m in results.metrics))]
        lines.append([name if name == DEGRADED else f"`{name}`", *facts, *cells])
    return markdown(head, lines)


def _mean(ranking: Ranking | None, name: str) -> str:
    if ranking is None or name not in ranking.means:
        return MISSING
    text = number(ranking.means[name], ranking.metric.digits)
    return f"**{text}**" if name in ranking.leaders else text


def difference_table(results: Results) -> str:
    """Every loss beside the reference, in bold what is clear of chance."""
    head = ["loss", *map(heading, results.metrics)]
    lines = []
    for name in results.losses:
        if name != REFERENCE:
            cells = [_difference(results.beside.get((name, metric.name)), metric) for metric in results.metrics]
            lines.append([f"`{name}`", *cells])
    return markdown(head, lines)


def _difference(pair: Difference | None, metric: Metric) -> str:
    if pair is None:
        return MISSING
    digits = metric.digits + (metric.name == "psnr")
    half = (pair.high - pair.low) / 2
    text = f"{number(pair.mean, digits, signed=True)} ±{number(half, digits)}"
    return f"**{text}**" if pair.significant else text


def set_table(results: Results) -> str:
    """PSNR and SSIM by test set, as papers give them."""
    sets = list(dict.fromkeys(row.image.split("/")[0] for row in results.rows))
    names = [DEGRADED, *results.losses]
    rows = [[name if name == DEGRADED else f"`{name}`" for name in names]]
    for folder in sets:
        own = [row for row in results.rows if row.image.startswith(f"{folder}/")]
        cells = []
        for name in names:
            scores = [row.scores for row in own if row.method == name]
            psnr, ssim = (fmean(score[metric] for score in scores) for metric in ("psnr", "ssim"))
            cells.append(f"{psnr:.2f} / {ssim:.4f}")
        rows.append(cells)
    return markdown(["loss", *sets], [list(line) for line in zip(*rows, strict=True)])


def front_chart(results: Results, judge: str) -> str | None:
    """PSNR against a judge, both beside the reference, with intervals; None where there is nothing to draw."""
    x, y = results.ranking("psnr"), results.ranking(judge)
    if x is None or y is None or REFERENCE not in x.means:
        return None
    names = [n for n in results.losses if (n, "psnr") in results.beside and (n, judge) in results.beside]
    if not names:
        return None
    dots = [Dot(short(REFERENCE), 0.0, 0.0)]
    for name in names:
        across, up = results.beside[name, "psnr"], results.beside[name, judge]
        dots.append(Dot(short(name), across.mean, up.mean, (across.low, across.high), (up.low, up.high)))
    shown = [name for name in front_of(x, y) if name in (REFERENCE, *names)]
    label, arrow = y.metric.label, "up is better"
    return scatter_chart(
        dots,
        Axis("PSNR beside L1, dB, right is better"),
        Axis(f"{label} beside L1, {arrow}", reverse=not y.metric.higher_is_better),
        [short(name) for name in shown],
        f"{TITLES[results.task]}: {label} against PSNR, each beside L1",
    )


def curve_chart(results: Results) -> str | None:
    """The validation curves of the reference, without the first fifth of the run."""
    curves = results.curves.get(REFERENCE, [])
    if not curves:
        return None
    gain = fmean(map(late_gain, curves))
    lines = [[point for point in curve if point[0] >= results.steps * LAST] for curve in curves]
    label = f"L1, {len(curves)} seed{'s' * (len(curves) > 1)}: {gain:+.3f} dB in the last fifth"
    title = f"{TITLES[results.task]}: validation under L1"
    return line_chart({label: lines}, Axis("steps"), Axis("PSNR on crops, dB"), title)


def advised(results: Results) -> tuple[list[str], list[Row]]:
    """What the verdict is on: losses that have two seeds or more; where only one has, the seeds that all have."""
    seeds = {name: {row.seed for row in results.rows if row.method == name} for name in results.losses}
    losses = [name for name in results.losses if len(seeds[name]) > 1]
    if len(losses) > 1:
        return losses, results.rows
    common = set.intersection(*seeds.values())
    return results.losses, [row for row in results.rows if row.method == DEGRADED or row.seed in common]


def advice_of(results: Results) -> str:
    """The verdict."""
    losses, rows = advised(results)
    seconds = {name: results.seconds(name) for name in losses if results.runs[name]}
    costs = seconds if len(seconds) == len(losses) else None
    return verdict(advise(rows, losses, costs=costs), seconds)


def task_part(results: Results, folder: Path) -> str:
    """Everything about a task as Markdown; its charts are written into the folder."""
    if not results.losses:
        return "\nNot run yet.\n"
    charts = {f"{results.task}-curve": curve_chart(results)}
    charts |= {f"{results.task}-{judge}": front_chart(results, judge) for judge in JUDGES}
    pictures = []
    for name, chart in charts.items():
        if chart:
            write_text(folder / f"{name}.svg", chart)
            title = chart.partition("<title>")[2].partition("</title>")[0]
            pictures.append(f"![{title}](converged/{name}.svg)")
    losses, _ = advised(results)
    remark = "" if losses == results.losses else f" By the losses with two seeds or more, {' and '.join(losses)}:"
    sentences = [f"- {line}" for line in advice_of(results).splitlines() if line.strip()]
    parts = [
        f"{results.steps} steps a run, {len({row.image for row in results.rows})} test pictures.{remark}",
        "\n".join(sentences),
        mean_table(results),
        "Beside L1, with intervals that hold together for all pairs of losses:" if results.beside else "",
        difference_table(results) if results.beside else "",
        "PSNR / SSIM by test set, over the seeds of each loss:",
        set_table(results),
        *pictures,
    ]
    return "\n\n".join(["", *filter(None, parts), ""])


def write_page(page: Path, folder: Path, tasks: Sequence[str] = tuple(TASKS)) -> None:
    """Put what the tables of a folder say into a page."""
    parts = {task: task_part(Results(folder, task), folder) for task in tasks}
    write_text(page, filled(page.read_text("utf-8"), parts))


__all__ = ["Results", "curve_chart", "front_chart", "late_gain", "short", "write_page"]

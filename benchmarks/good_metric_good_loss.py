"""Does a loss that agrees with people train restorers that look good? Losses as metrics and as losses.

    python benchmarks/good_metric_good_loss.py people              # agreement with people's scores, minutes
    python benchmarks/good_metric_good_loss.py train --seeds 0:2   # a restorer under each loss, hours on one core
    python benchmarks/good_metric_good_loss.py page                # from the tables alone
    python benchmarks/good_metric_good_loss.py join OTHER/docs/good_metric_good_loss

`people` takes each loss as a metric: Spearman's correlation with the scores of LOSSMITH_DATA/iqa/LIVE_subset, with
a 95 % interval from a bootstrap over its references. `train` trains the super-resolution network of
`converged.py` under each loss, 1,500 steps. `page` sets one against the other. LOSSMITH_WEIGHTS is needed by both
for losses made of networks, and for the judges.
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy import stats

import run_tables as tables
from charts import Axis, Dot, filled, markdown, scatter_chart
from converged_page import Results, short
from long_runs import SQUEEZENET, LongRuns, data_folder, seeds_of
from lossmith.core.files import write_text
from lossmith.data import read_image
from lossmith.losses import loss
from lossmith.report.formatting import MISSING, number
from lossmith.studies.benchmarks.similarity.agreement import Array, Indices, interval, replicates, spearman
from lossmith.studies.benchmarks.similarity.table import RatedPicture, read_table

FOLDER = Path(__file__).parents[1] / "docs" / "good_metric_good_loss"
TASK, STEPS = "sr", 1500
LOSSES = (
    "l1",
    "l2",
    "charbonnier",
    "ssim",
    "ms_ssim(levels=4)",  # five levels need patches of 161 pixels
    "ms_ssim_sigmas",
    "mix",
    "mix(alpha=0.025)",
    "texture",
    SQUEEZENET,
    "features(squeezenet1_1, fire2)",
    "features(vgg19, relu2_2)",
    "features(vgg19, relu3_3)",
    "lpips(network=squeeze)",
    "contextual(squeezenet1_1, fire5)",
    "mdf(sr, precision=bfloat16)",
    "mdf(jpeg, precision=bfloat16)",
    "mdf(denoise, precision=bfloat16)",
    "mdf(demosaic, precision=bfloat16)",
)
"""All of the catalog that compare a picture with its target and whose weights are at hand, cheap ones first."""
JUDGES = ("niqe", "efficientnet_lite0", "lpips_squeeze")
OTHERS = ("psnr", "ssim", "gmsd")


def agreement(pictures: Sequence[RatedPicture], expression: str) -> tuple[float, float, float]:
    """Spearman's correlation of a loss with people, 1 being their own order, and the ends of its interval."""
    criterion = loss(expression)
    distances = np.empty(len(pictures))
    with torch.no_grad():
        for place, picture in enumerate(pictures):
            pair = [read_image(path)[None].float() / 255 for path in (picture.distorted, picture.reference)]
            distances[place] = float(criterion(*pair))
    quality = np.array([picture.quality for picture in pictures])
    references = [str(picture.reference) for picture in pictures]
    groups = [np.flatnonzero(np.array(references) == name) for name in dict.fromkeys(references)]
    value = spearman(distances, quality)
    draws = replicates(lambda items: spearman(distances[items], quality[items]), groups, seed=0)
    return value, *interval(value, draws, len(groups))


def correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """Spearman's correlation over losses, and the ends of its 95 % interval by a bootstrap over them.

    >>> value, low, high = correlation([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5])
    >>> round(value, 3), low < value < high
    (0.829, True)
    """
    x, y = (np.asarray(values, dtype=np.float64) for values in (first, second))

    def statistic(items: Indices) -> float:
        return spearman(-x[items], y[items])

    value = spearman(-x, y)
    draws = replicates(statistic, [np.array([place]) for place in range(len(x))], seed=0)
    return value, *interval(value, draws, len(x))


def mean_places(places: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The mean over judges of each loss's place among those that a judge may judge: 0 is the first, 1 the last.

    >>> mean_places({"niqe": {"l1": 4.0, "l2": 5.0, "mix": 6.0}, "lpips": {"l1": 0.2, "mix": 0.1}})
    {'l1': 0.5, 'l2': 0.5, 'mix': 0.5}
    """
    shares: dict[str, list[float]] = {}
    for scores in places.values():
        ranks: Array = stats.rankdata(list(scores.values()))
        for name, rank in zip(scores, ranks, strict=True):
            shares.setdefault(name, []).append(float((rank - 1) / max(1, len(scores) - 1)))
    return {name: sum(own) / len(own) for name, own in shares.items()}


def people_table(folder: Path) -> dict[str, tuple[float, float, float]]:
    """Agreement with people by loss, as `people` stored it."""
    lines = tables.read(tables.PEOPLE.path(folder, "live"))
    return {line["loss"]: (float(line["spearman"]), float(line["low"]), float(line["high"])) for line in lines}


def errors(results: Results, metric: str) -> dict[str, float]:
    """The mean score of each loss, turned so that less is better."""
    ranking = results.ranking(metric)
    if ranking is None:
        return {}
    sign = -1 if ranking.metric.higher_is_better else 1
    return {name: sign * ranking.means[name] for name in results.losses if name in ranking.means}


def page_parts(folder: Path) -> dict[str, str]:
    """What the page says, by its marks; the plot is written into the folder."""
    people, results = people_table(folder), Results(folder, TASK)
    names = [name for name in LOSSES if name in people]
    trained = [name for name in names if name in results.losses]
    judged = {judge: errors(results, judge) for judge in (*OTHERS, *JUDGES)}
    own = {judge: {n: scores[n] for n in trained if n in scores} for judge, scores in judged.items()}
    places = mean_places({judge: own[judge] for judge in JUDGES if own[judge]})
    order = sorted(names, key=lambda name: -people[name][0])
    parts = {"table": f"\n{_table(order, people, results, places)}\n", "correlations": "\nNot trained yet.\n"}
    if len(trained) > 2:
        parts["correlations"] = f"\n{_correlations(own, people, places)}\n"
        dots = [Dot(short(n), people[n][0], 1 - places[n], people[n][1:]) for n in trained]
        across = Axis("agreement with people as a metric (Spearman with DMOS), right is better")
        up = Axis("its restorers by NIQE, EfficientNet-Lite0 and LPIPS: 1 first, 0 last")
        write_text(folder / "scatter.svg", scatter_chart(dots, across, up, title="A good metric, a good loss?"))
        parts["correlations"] += "\n![A good metric, a good loss?](good_metric_good_loss/scatter.svg)\n"
    return parts


def _table(
    order: Sequence[str],
    people: Mapping[str, tuple[float, float, float]],
    results: Results,
    places: Mapping[str, float],
) -> str:
    metrics = [metric for metric in results.metrics if metric.name in (*OTHERS, *JUDGES)]
    head = ["loss", "agreement with people", "place by judges", "seeds", *(metric.label for metric in metrics)]
    lines = []
    for name in order:
        value, low, high = people[name]
        means = [results.ranking(metric.name).means.get(name, float("nan")) for metric in metrics]
        cells = [number(mean, metric.digits) for mean, metric in zip(means, metrics, strict=True)]
        place = number(places[name], 2) if name in places else MISSING
        seeds = str(len(results.runs.get(name, []))) if name in results.losses else MISSING
        lines.append([f"`{name}`", f"{value:.3f} ({low:.2f} to {high:.2f})", place, seeds, *cells])
    return markdown(head, lines)


def _correlations(
    own: Mapping[str, Mapping[str, float]],
    people: Mapping[str, tuple[float, float, float]],
    places: Mapping[str, float],
) -> str:
    lines = []
    for label, scores in {"all judges, mean place": places, **own}.items():
        if len(scores) > 2:
            value, low, high = correlation([people[n][0] for n in scores], [-scores[n] for n in scores])
            lines.append([label, str(len(scores)), f"{value:+.2f} ({low:.2f} to {high:.2f})"])
    return markdown(["restorers by", "losses", "correlation with agreement with people"], lines)


def measure_people(folder: Path, data: Path, losses: Sequence[str]) -> None:
    """Put the agreement of each loss into the table, as it comes."""
    pictures = read_table(data / "iqa" / "LIVE_subset" / "dmos.csv").pictures
    for expression in losses:
        value, low, high = agreement(pictures, expression)
        line = {"loss": expression, "spearman": f"{value:.4f}", "low": f"{low:.4f}", "high": f"{high:.4f}"}
        tables.add(folder, "live", tables.PEOPLE, [{**line, "pictures": str(len(pictures))}])
        print(f"{expression}: {value:.3f} ({low:.2f} to {high:.2f})", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("people", "train", "page", "join"))
    parser.add_argument("folder", type=Path, nargs="?", help="of the tables to join")
    parser.add_argument("--tables", type=Path, default=FOLDER)
    parser.add_argument("--losses", nargs="+", default=LOSSES)
    parser.add_argument("--seeds", type=seeds_of, default=range(2), help="A:B, from A to below B [default: 0:2]")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--data", type=Path, default=data_folder(), help="default: LOSSMITH_DATA")
    parser.add_argument("--out", type=Path, default=Path("runs/good-metric-good-loss"))
    options = parser.parse_args()
    if options.command == "page":
        page = FOLDER.with_suffix(".md")
        write_text(page, filled(page.read_text("utf-8"), page_parts(options.tables)))
    elif options.command == "join":
        print(*tables.join(options.folder, options.tables), sep="\n")
    elif options.data is None:
        parser.error("name the folder of the pictures by --data or LOSSMITH_DATA")
    elif options.command == "people":
        measure_people(options.tables, options.data, options.losses)
    else:
        runs = LongRuns(TASK, options.steps, options.data, options.out, options.tables)
        for sentence in runs.carry_out(options.losses, options.seeds):
            print(sentence, flush=True)


if __name__ == "__main__":
    main()

"""How often a race of losses errs, how often its advice is right, and how many seeds it saves: a simulation.

    python benchmarks/race.py --out docs/race.md
    python benchmarks/race.py --estimate runs/demo/results.csv --covariances mine.json

Scores of tournaments are drawn with the covariances of a real one: effects of images, of seeds, and of what is
due to neither, each correlated among losses. They are estimated from its `results.csv` by a multivariate
analysis of variance, goal by goal; those in `benchmarks/race_covariances.json` are from two tournaments. On
every drawn tournament a race runs by the rules of `lossmith.evaluation.next_seeds`, and its advice is compared
with the truth.
"""

import argparse
import json
import shlex
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import combinations
from pathlib import Path

import numpy as np

from lossmith.core.files import write_text
from lossmith.evaluation import Criteria, Race, read_csv
from lossmith.evaluation.advice.goals import goals_of, with_goal_scores
from lossmith.evaluation.advice.race import FUTILE, LEAST_FOR_FUTILITY
from lossmith.evaluation.results import DEGRADED
from lossmith.evaluation.statistics.intervals import SeedRatio
from lossmith.evaluation.statistics.power import VarianceComponents, _Forecast
from lossmith.evaluation.statistics.score_table import score_table

COVARIANCES = Path(__file__).with_name("race_covariances.json")
CHUNK = 500
MARGIN = 1.0
"""Of a goal's score."""
ALMOST = MARGIN - 1e-9
TRUTHS = {
    "all losses equal": lambda means: np.zeros_like(means),
    "the two best equal": lambda means: np.where(means >= np.sort(means)[-2], np.sort(means)[-2], means),
    "as estimated": lambda means: means,
    "all within half a margin": lambda means: np.linspace(0, 0.5 * MARGIN, len(means)),
    "the best ahead by one margin": lambda means: np.where(means == means.max(), MARGIN, 0.0),
}
"""From estimated means of losses to true ones."""
PARTS = ("images", "seeds", "rest")


@dataclass(frozen=True)
class GoalTruth:
    """What scores of losses in one goal are drawn from, in margins."""

    goal: str
    means: np.ndarray
    factors: dict[str, np.ndarray]
    """Of the covariances among losses, (losses, losses), by part."""

    def draw(self, rng: np.random.Generator, count: int, seeds: int, images: int) -> np.ndarray:
        """Scores (count, losses, seeds, images)."""
        shapes = {"images": (1, images), "seeds": (seeds, 1), "rest": (seeds, images)}
        effects = [
            np.einsum("lk,nksi->nlsi", self.factors[part], rng.standard_normal((count, len(self.means), *shape)))
            for part, shape in shapes.items()
        ]
        return self.means[:, None, None] + sum(effects)


def estimated(csv: Path) -> dict:
    """Means and covariances of the losses of a tournament, for every goal."""
    rows = read_csv(csv)
    losses = [name for name in dict.fromkeys(row.method for row in rows) if name != DEGRADED]
    goals = [goal for goal in goals_of(list(rows[0].scores), losses) if goal.metrics]
    scored = with_goal_scores(rows, goals, Criteria())
    result = {}
    for goal in goals:
        table = score_table(scored, goal.score, losses).of_whole_methods()
        values = table.values
        _, seeds, images = values.shape
        mean = values.mean((1, 2), keepdims=True)
        of_images, of_seeds = values.mean(1, keepdims=True), values.mean(2, keepdims=True)
        rest = (values - of_images - of_seeds + mean).reshape(len(values), -1)
        rest_covariance = rest @ rest.T / ((seeds - 1) * (images - 1))
        covariances = {
            "images": np.cov(of_images[:, 0]) - rest_covariance / seeds,
            "seeds": np.cov(of_seeds[:, :, 0]) - rest_covariance / images,
            "rest": rest_covariance,
        }
        result[goal.goal] = {
            "losses": list(table.methods),
            "seed_count": seeds,
            "image_count": images,
            "means": (mean[:, 0, 0] - mean.max()).round(3).tolist(),
            **{part: covariance.round(4).tolist() for part, covariance in covariances.items()},
        }
    return result


def factor(covariance: list[list[float]]) -> np.ndarray:
    """A square root of the nearest covariance matrix."""
    values, vectors = np.linalg.eigh(np.array(covariance))
    return vectors * np.sqrt(np.maximum(values, 0))


@dataclass(frozen=True)
class Looks:
    """Statistics of every pair under its first 1, 2, ... seeds, each (counts, tournaments, pairs)."""

    means: np.ndarray
    """Of each loss: (counts, tournaments, losses)."""
    mean: np.ndarray
    by_image: np.ndarray
    by_seed: np.ndarray
    rest: np.ndarray


def looks_at(scores: np.ndarray, pairs: np.ndarray) -> Looks:
    """The variances of means of images and seeds, and of what is due to neither: see `intervals.estimate`."""
    statistics = []
    for seeds in range(1, scores.shape[2] + 1):
        part = scores[:, :, :seeds]
        values = part[:, pairs[0]] - part[:, pairs[1]]
        images = values.shape[3]
        mean, of_images, of_seeds = values.mean((2, 3)), values.mean(2), values.mean(3)
        if seeds == 1:
            by_seed = rest = np.zeros_like(mean)
        else:
            by_seed = of_seeds.var(2, ddof=1)
            total = np.square(values - mean[..., None, None]).sum((2, 3))
            left = total - seeds * (images - 1) * of_images.var(2, ddof=1) - images * (seeds - 1) * by_seed
            rest = np.maximum(left, 0) / ((seeds - 1) * (images - 1))
        statistics.append((part.mean((2, 3)), mean, of_images.var(2, ddof=1), by_seed, rest))
    return Looks(*(np.stack(entries) for entries in zip(*statistics, strict=True)))


@dataclass(frozen=True)
class Rules:
    """A race, or a tournament with fixed seeds, among so many losses on so many images."""

    race: Race
    losses: int
    images: int
    gives_up: bool = True

    @property
    def pairs(self) -> np.ndarray:
        return np.array(list(combinations(range(self.losses), 2))).T

    def quantile(self, freedom: np.ndarray) -> np.ndarray:
        values, places = np.unique(freedom, return_inverse=True)
        return np.array([_quantile(self.race.looks, self.losses, value) for value in values])[places].reshape(
            freedom.shape
        )

    def outcomes(self, looks: Looks, common: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """-1, 1 (the first is better), 0 (undecided), or 2 (equivalent) for every pair, and the usual ratio of
        seeds with its degrees of freedom; `common` holds the seeds of each pair, (tournaments, pairs)."""
        mean, by_image, by_seed, rest = (
            np.take_along_axis(values, common[None] - 1, 0)[0]
            for values in (looks.mean, looks.by_image, looks.by_seed, looks.rest)
        )
        ratio = np.median(by_seed / np.maximum(rest, 1e-30), 1, keepdims=True)
        freedom = np.maximum(1.0, (self.losses - 1) * np.median(common - 1, 1, keepdims=True) / 2)
        is_less = by_seed < ratio * rest
        seeds_part = np.where(is_less, ratio * rest, by_seed) / common
        squares = (
            np.square(self.quantile(np.full(common.shape, self.images - 1.0))),
            np.square(self.quantile(np.where(is_less, freedom, common - 1.0))),
        )
        terms = squares[0] * by_image / self.images, squares[1] * seeds_part
        both = sum(terms) - np.minimum(*squares) * rest / (common * self.images)
        half = np.sqrt(np.maximum(both, np.maximum(*terms)))
        clear = np.where(mean > half, 1, np.where(mean < -half, -1, 0))
        return np.where(np.abs(mean) + half <= MARGIN, 2, clear), ratio, freedom

    def best(self, looks: Looks, counts: np.ndarray) -> np.ndarray:
        """The loss with the best mean, as `ScoreTable.means` has it: (tournaments,)."""
        whole = counts == counts.max(1, keepdims=True)
        own = np.take_along_axis(looks.means, counts[None] - 1, 0)[0]
        references = np.where(whole, looks.means, 0).sum(2) / whole.sum(1)
        by_count = np.take_along_axis(references.T, counts - 1, 1)
        return (own + by_count.max(1, initial=-np.inf, where=whole, keepdims=True) - by_count).argmax(1)

    def chance(self, looks: Looks, common: np.ndarray, ratio: np.ndarray, freedom: np.ndarray) -> np.ndarray:
        """The greatest probability that more seeds decide, (tournaments, pairs); see `power.plan`."""
        chances = np.ones(common.shape)
        for seeds in range(LEAST_FOR_FUTILITY, self.race.most):
            where = np.nonzero(common == seeds)
            if len(where[0]):
                mean, by_image, by_seed, rest = (
                    values[seeds - 1][where][:, None, None]
                    for values in (looks.mean, looks.by_image, looks.by_seed, looks.rest)
                )
                components = VarianceComponents(
                    np.maximum(by_image - rest / seeds, 0), np.maximum(by_seed - rest / self.images, 0), rest
                )
                least = SeedRatio(ratio[where[0]][..., None], freedom[where[0]][..., None])
                forecast = _Forecast(mean, (seeds, self.images), components, least)
                more = np.arange(1.0, self.race.most - seeds + 1)
                quantile = partial(_quantile, self.race.looks, self.losses)
                chances[where] = forecast.chances(more, np.zeros(1), MARGIN, quantile).max((1, 2))
        return chances


@cache
def _quantile(looks: int, losses: int, freedom: float) -> float:
    return Criteria(looks=looks).quantile(losses, float(freedom))


@dataclass(frozen=True)
class Record:
    """What became of tournaments: rates over tournaments and goals, and seeds per loss."""

    false_winner: float
    false_equivalence: float
    decided: float
    right: float
    seeds: float


def run(rules: Rules, all_looks: list[Looks], truths: list[np.ndarray]) -> np.ndarray:
    """(tournaments, 5): the share of goals with a false winner, and with a false equivalence; the share of losses
    that are decided against the best, and that are decided rightly; and the mean number of seeds of a loss."""
    first, second = pairs = rules.pairs
    count, most = all_looks[0].means.shape[1], rules.race.most
    counts = np.full((count, rules.losses), rules.race.least)
    running = np.ones(count, bool)
    false_winner, false_equivalence = np.zeros((2, len(truths), count), bool)
    decided, right = np.zeros((2, len(truths), count))
    while running.any():
        needed = np.zeros(counts.shape, bool)
        common = np.minimum(counts[:, first], counts[:, second])
        for index, (looks, truth) in enumerate(zip(all_looks, truths, strict=True)):
            outcomes, ratio, freedom = rules.outcomes(looks, common)
            true = truth[first] - truth[second]
            wrong = ((outcomes == 1) & (true <= 0)) | ((outcomes == -1) & (true >= 0))
            false_winner[index] |= wrong.any(1)
            false_equivalence[index] |= ((outcomes == 2) & (np.abs(true) >= ALMOST)).any(1)
            best = rules.best(looks, counts)
            with_best = (first == best[:, None]) | (second == best[:, None])
            is_open = with_best & (outcomes == 0)
            wrong |= (outcomes == 2) & (np.abs(true) >= ALMOST)
            decided[index] = (with_best & (outcomes != 0)).sum(1) / (rules.losses - 1)
            right[index] = (with_best & (outcomes != 0) & ~wrong).sum(1) / (rules.losses - 1)
            if rules.gives_up and is_open.any():
                chances = np.ones(common.shape)
                some = is_open.any(1)
                part = Looks(*(values[:, some] for values in vars(looks).values()))
                chances[some] = rules.chance(part, common[some], ratio[some], freedom[some])
                is_open &= chances >= FUTILE
            for pair, (one, other) in enumerate(pairs.T):
                needed[:, one] |= is_open[:, pair]
                needed[:, other] |= is_open[:, pair]
        behind = np.where(needed, counts, most).min(1)
        running = behind < most
        counts += (needed & (counts == behind[:, None]) & running[:, None]).astype(int)
    return np.column_stack(
        [false_winner.mean(0), false_equivalence.mean(0), decided.mean(0), right.mean(0), counts.mean(1)]
    )


def simulate(goals: dict, truth: str, options: argparse.Namespace) -> list[tuple[str, Record]]:
    """The record of each way to run tournaments under one truth."""
    rng = np.random.default_rng(options.seed)
    settings = [
        GoalTruth(name, TRUTHS[truth](np.array(goal["means"])), {part: factor(goal[part]) for part in PARTS})
        for name, goal in goals.items()
    ]
    losses = len(settings[0].means)
    race = Race(options.least, options.most)
    ways = {
        "race": Rules(race, losses, options.images),
        "never giving up": Rules(race, losses, options.images, gives_up=False),
        f"{options.most} seeds": Rules(Race(options.most, options.most), losses, options.images),
    }
    results = {way: [] for way in ways}
    for start in range(0, options.repetitions, CHUNK):
        count = min(CHUNK, options.repetitions - start)
        looks = [
            looks_at(setting.draw(rng, count, options.most, options.images), ways["race"].pairs)
            for setting in settings
        ]
        for way, rules in ways.items():
            results[way].append(run(rules, looks, [setting.means for setting in settings]))
    return [(way, Record(*np.concatenate(parts).mean(0).tolist())) for way, parts in results.items()]


HEAD = """# How far a race can be trusted

A race (`--seeds 2:8 --until decided`) looks at the results after each seed. This simulation shows that looking
often makes no false winners, and what it saves.

A *false winner* is a loss that is called better than one that is as good or better: the share of goals in which
that happens to any pair in any look. *False equivalence* is said of losses that differ by a margin or more.
*Decided* is the share of losses that are known, at the end, to be worse than the best one or equivalent to it,
*right* the share of which that is said and true. *Seeds* are those of a loss on average.

False winners are below 3 % everywhere. A race takes about half of the seeds, and pays with decisions: looking
often widens its intervals, and giving up where seeds are unlikely to decide costs more of them. Who wants all
decisions that eight seeds can give runs `--seeds 8`.

"""

METHOD = """
Intervals: a variance for images and one for seeds, each with Student's quantile of its own degrees of freedom
(Banerjee, Sankhya 22, 1960, since those of Satterthwaite, Biometrics Bulletin 2(6), 1946, hold too little for
two or three seeds); all pairs by Games and Howell (Journal of Educational Statistics 1(2), 1976); looks in
equal parts (Pocock, Biometrika 64(2), 1977) by Bonferroni's inequality; equivalence by two one-sided tests
(Schuirmann, Journal of Pharmacokinetics and Biopharmaceutics 15, 1987). A pair that no number of seeds is
likely to decide gets no more of them, by predictive power (Spiegelhalter, Freedman, Blackburn, Controlled
Clinical Trials 7, 1986).
"""


def table(goals: dict, options: argparse.Namespace) -> str:
    lines = ["| truth | | false winner | false equivalence | decided | right | seeds |", "| --- " * 7 + "|"]
    with ProcessPoolExecutor(options.jobs) as executor:
        records = list(executor.map(partial(simulate, goals, options=options), TRUTHS))
    for truth, ways in zip(TRUTHS, records, strict=True):
        for way, record in ways:
            rates = (record.false_winner, record.false_equivalence, record.decided, record.right)
            cells = [f"{100 * rate:.1f} %" for rate in rates]
            lines.append(f"| {truth} | {way} | {' | '.join(cells)} | {record.seeds:.1f} |")
            print(lines[-1], flush=True)
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--covariances", type=Path, default=COVARIANCES)
    parser.add_argument("--estimate", type=Path, nargs="+", help="results.csv; writes the covariances")
    parser.add_argument("--names", nargs="+", help="of the tournaments that are estimated")
    parser.add_argument("--repetitions", type=int, default=10_000)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--least", type=int, default=2)
    parser.add_argument("--most", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/race.md"))
    options = parser.parse_args()
    if options.estimate:
        names = options.names or [str(path.parent) for path in options.estimate]
        results = {name: estimated(path) for name, path in zip(names, options.estimate, strict=True)}
        write_text(options.covariances, json.dumps(results) + "\n")
        return
    text = HEAD + (
        f"{options.repetitions:,} tournaments for each truth, {options.images} images, "
        f"{options.least} to {options.most} seeds:\n\n    {shlex.join(['python', *sys.argv])}\n"
    )
    for name, goals in json.loads(options.covariances.read_text(encoding="utf-8")).items():
        goal = next(iter(goals.values()))
        losses = ", ".join(f"`{loss}`" for loss in goal["losses"])
        print(name, flush=True)
        text += (
            f"\n## {name}\n\nWith the covariances of a tournament of {losses} on {goal['image_count']} images "
            f"with {goal['seed_count']} seeds, in {' and '.join(goals)}.\n\n" + table(goals, options)
        )
    write_text(options.out, text + METHOD)


if __name__ == "__main__":
    main()

"""Restorers trained under many losses, run after run, each put into the tables of `run_tables.py` as it ends.

It is a tournament of `lossmith compare`, of whose parts it is made: every loss gets the same network, the first
weights and the patches of the seed, and a learning rate that short runs choose for it. But a tournament is one
folder on one machine, and here nothing is needed but the tables: runs may be spread over days and machines, seeds
may begin anywhere, and a learning rate that a table holds is not chosen again.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from itertools import count
from pathlib import Path

import run_tables as tables
from lossmith.commands.compare.job import Job
from lossmith.commands.compare.learning_rates import plan_trials
from lossmith.commands.compare.scores import Scores
from lossmith.commands.executors.base import LocalExecutor
from lossmith.core.files import safe_file_name
from lossmith.data import Data, PreparedData, find_images, image_names, prepare_data
from lossmith.evaluation import (
    DEGRADED,
    GRID_METRICS,
    Criteria,
    Race,
    Row,
    Targets,
    advise,
    find_metric,
    next_seeds,
    protocol_of,
)
from lossmith.evaluation.statistics.metric_overlap import is_independent
from lossmith.losses import Loss, loss
from lossmith.metrics.registry import known_metric
from lossmith.training import Recipe, RunSettings

BATCH, PATCH = 8, 96
RATES = (1e-3, 2e-3)
METRICS = ("psnr", "ssim", "gmsd", "efficientnet_lite0", "niqe", "lpips_squeeze")
TRAINING = ("train/BSDS500_train", "train/free_photos")
BSDS = "train/BSDS500_test"
"""Not trained on here; every tenth picture of it is tested with."""
BSDS_EVERY = 10
CLEANER = "srresnet_small(features=32, blocks=6, unshuffle=2)"


@dataclass(frozen=True)
class Task:
    """What is restored, by which network, and the folders of the test pictures."""

    degradation: str
    network: str
    tests: tuple[str, ...]
    learned: str
    """The loss that ships for this damage."""
    scale: int = 1

    @property
    def metrics(self) -> list[str]:
        grid = f"grid{self.scale}"
        return [*METRICS, *([grid] if grid in GRID_METRICS else [])]

    def recipe(self, steps: int) -> Recipe:
        """Without a moving average: the decayed rate evens out the last steps, and an average would lag behind in
        the short runs that choose the rate."""
        return Recipe(
            degradation=self.degradation,
            network=self.network,
            steps=steps,
            batch=BATCH,
            patch=PATCH,
            precision="bfloat16",
        )


TASKS = {
    "sr": Task(
        "bicubic(4)", "srresnet_small(features=32, blocks=6)", ("test/Set5", "test/Set14", BSDS), "mdf(sr", 4
    ),
    "jpeg": Task("jpeg(10)", CLEANER, ("test/classic5", BSDS), "mdf(jpeg"),
    "denoise": Task("noise(25)", CLEANER, ("test/McMaster", "test/Set12", BSDS), "mdf(denoise"),
    "demosaic": Task("demosaic", CLEANER, ("test/McMaster", BSDS), "mdf(demosaic"),
}
SQUEEZENET = "features(squeezenet1_1, fire5)"


def catalogue(task: str) -> list[str]:
    """The losses of a task, cheap ones first, as `str` of a loss gives them."""
    learned = f"{TASKS[task].learned}, precision=bfloat16)"
    shares = [f"{100 - share}%*l1 + {share}%*{{}}" for share in (5, 20, 50)]
    single = ["l1", "l2", "ssim", "mix", "ms_ssim_sigmas"]
    mixed = [form.format(other) for other in ("texture", SQUEEZENET, learned) for form in shares]
    return [*single, SQUEEZENET, *mixed, learned]


def pictures_of(task: Task, data: Path, most: int | None = None) -> dict[str, Path]:
    """The test pictures by what tables call them, such as Set5/baby; of each folder `most` at most, evenly
    spread."""
    pictures = {}
    for folder in task.tests:
        paths = find_images([data / folder])[:: BSDS_EVERY if folder == BSDS else 1]
        paths = paths[:: -(-len(paths) // most)] if most else paths
        pictures |= {f"{Path(folder).name}/{path.stem}": path for path in paths}
    return pictures


@dataclass(frozen=True)
class LongRuns:
    """The runs of a task, with so many steps each."""

    name: str
    steps: int
    data: Path
    """The folder that holds `train` and `test`."""
    out: Path
    """For the folders of runs, from which stopped ones continue."""
    tables: Path
    """The folder of the tables."""
    rates: Sequence[float] = RATES
    pictures: int | None = None
    """Of each test folder at most, for a trial."""

    @property
    def task(self) -> Task:
        return TASKS[self.name]

    def carry_out(self, losses: Sequence[str], seeds: Sequence[int], again: bool = False) -> Iterator[str]:
        """Train what the tables lack, or everything `again`, seed by seed; a sentence about each run that ends."""
        known = {tables.key(line, tables.RUN) for line in self._lines(tables.RUNS)}
        for seed in seeds:
            for name in map(str, map(loss, losses)):
                if again or tables.key(self._run(name, seed), tables.RUN) not in known:
                    yield self.train(name, seed)

    def race(self, losses: Sequence[str], race: Race) -> Iterator[str]:
        """Train the least number of seeds of each loss, and then those that may still decide something."""
        names, failed = [str(loss(text)) for text in losses], set[str]()
        while step := self.next_seeds([name for name in names if name not in failed], race):
            for name, seed in step.items():
                sentence = self.train(name, seed)
                if seed >= self._seeds(name):
                    failed.add(name)
                yield sentence

    def next_seeds(self, losses: Sequence[str], race: Race) -> dict[str, int]:
        """The seed that each loss needs next by what the tables hold; none where the race is over."""
        seeds = {name: self._seeds(name) for name in losses}
        if not seeds or min(seeds.values()) < race.least:
            return next_seeds(race, losses, seeds, None)
        rows = [
            row
            for row in tables.as_rows(self._lines(tables.SCORES), self.steps)
            if row.method == DEGRADED or row.seed < seeds.get(row.method, 0)
        ]
        return next_seeds(race, losses, seeds, advise(rows, losses, Criteria(looks=race.looks)))

    def _seeds(self, name: str) -> int:
        """How many seeds of a loss the tables have, from 0 on without a gap."""
        known = {
            int(line["seed"])
            for line in self._lines(tables.RUNS)
            if (line["loss"], line["steps"]) == (name, str(self.steps))
        }
        return next(seed for seed in count() if seed not in known)

    @cached_property
    def _pictures(self) -> dict[str, Path]:
        return pictures_of(self.task, self.data, self.pictures)

    @cached_property
    def _prepared(self) -> PreparedData:
        images = Data([self.data / folder for folder in TRAINING], test=list(self._pictures.values()), channels=3)
        return prepare_data(images, self.task.degradation, self.out)

    @cached_property
    def _settings(self) -> RunSettings:
        return RunSettings(
            protocol=protocol_of(self._prepared.test_pairs, self._prepared.pixels),
            # raises where weights are missing, before anything is trained
            metrics=tuple(find_metric(name).name for name in self.task.metrics),
            targets=Targets(),
            dry_run=False,
        )

    @cached_property
    def _scores(self) -> Scores:
        """The scores of the degraded pictures go into the table with it."""
        settings = self._settings
        scores = Scores(
            self._prepared.test_pairs, settings.protocol, self._folder, settings.metrics or (), settings.targets
        )
        self._keep_scores(scores.of_degraded())
        return scores

    @property
    def _folder(self) -> Path:
        return self.out / f"{self.name}-{self.steps}"

    def train(self, name: str, seed: int) -> str:
        """One run, whose results go into the tables; a sentence about it."""
        scores, criterion = self._scores, loss(name)
        rate = self._chosen_rate(name, criterion)
        job = Job(
            name,
            self._folder / safe_file_name(name) / f"seed-{seed}",
            replace(self.task.recipe(self.steps), learning_rate=rate),
            replace(self._settings, seed=seed),
        )
        result = job.load_result() or job.run(criterion, self._prepared)
        if result.summary is None:
            return f"{self.name}: {name}, seed {seed}, failed: {result.failure}"
        self._keep_scores(scores.of_runs([result]))
        at_steps, values = result.run_folder.curves()
        curve = [
            {**self._run(name, seed), "at_step": str(step), "psnr": tables.rounded(psnr)}
            for step, psnr in zip(at_steps, values["psnr"], strict=True)
            if psnr == psnr
        ]
        self._keep(tables.CURVES, curve)
        facts = {
            "learning_rate": f"{rate:g}",
            "seconds": f"{result.summary.seconds:.0f}",
            "network": self.task.network,
            "trained_as": result.summary.loss_as_trained,
        }
        self._keep(tables.RUNS, [{**self._run(name, seed), **facts}])  # last: it says that the run is there
        return f"{self.name}: {name}, seed {seed}, rate {rate:g}, {result.summary.seconds:.0f} s"

    def _lines(self, kind: tables.Kind) -> list[tables.Record]:
        return tables.read(kind.path(self.tables, self.name))

    def _run(self, name: str, seed: int) -> tables.Record:
        return {"loss": name, "seed": str(seed), "steps": str(self.steps)}

    def _keep(self, kind: tables.Kind, lines: Sequence[tables.Record]) -> None:
        tables.add(self.tables, self.name, kind, lines)

    def _keep_scores(self, rows: Sequence[Row]) -> None:
        names = dict(zip(image_names(list(self._pictures.values())), self._pictures, strict=True))
        fair = [replace(row, image=names[row.image], scores=fair_scores(row)) for row in rows]
        self._keep(tables.SCORES, tables.as_lines(fair, self.steps))

    def _chosen_rate(self, name: str, criterion: Loss) -> float:
        """The learning rate of a loss: that of the table, or else by short runs, whose results go there."""
        if len(self.rates) == 1:
            return self.rates[0]
        for line in self._lines(tables.RATES):
            if (line["loss"], line["steps"], line["chosen"]) == (name, str(self.steps), "yes"):
                return float(line["learning_rate"])
        recipe, rates = self.task.recipe(self.steps), sorted(self.rates)
        trials = plan_trials(
            {name: criterion}, recipe, rates, self._prepared, self._settings, self._folder
        ).choose(LocalExecutor())
        lines = [
            {
                "loss": name,
                "steps": str(self.steps),
                "learning_rate": f"{trial.learning_rate:g}",
                "objective": tables.rounded(trial.objective),
                "psnr": tables.rounded(trial.psnr),
                "chosen": "yes" if trial.chosen else "",
            }
            for trial in trials.trials
        ]
        self._keep(tables.RATES, lines)
        return trials.recipes[name].learning_rate


def fair_scores(row: Row) -> dict[str, float]:
    """The scores but those by a network that the loss was made of: these say nothing of the picture."""
    return {name: value for name, value in row.scores.items() if may_judge(name, row.method)}


@cache
def may_judge(metric: str, method: str) -> bool:
    """Whether this metric may judge what was trained under this loss; only judges of perception may not.

    >>> may_judge("lpips_squeeze", "l1 + 0.1*features(squeezenet1_1, fire5)"), may_judge("ssim", "ssim")
    (False, True)
    """
    return method == DEGRADED or known_metric(metric).goal != "perception" or is_independent(metric, method)


def seeds_of(text: str) -> range:
    """Seeds from A to below B.

    >>> list(seeds_of("2:4"))
    [2, 3]
    """
    first, _, end = text.partition(":")
    return range(int(first), int(end)) if end else range(int(first))


def data_folder() -> Path | None:
    """What LOSSMITH_DATA names."""
    return Path(os.environ["LOSSMITH_DATA"]) if "LOSSMITH_DATA" in os.environ else None


__all__ = ["TASKS", "LongRuns", "Task", "catalogue", "data_folder", "fair_scores", "seeds_of"]

"""`lossmith compare`: the loss tournament."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lossmith import evaluation, training
from lossmith.commands.announcement import announcement
from lossmith.commands.command_line import command_line
from lossmith.commands.compare.job import IMAGES, Job, RunResult
from lossmith.commands.executors.execution import Execution
from lossmith.commands.option_types import LossesOption, ProgressOption
from lossmith.commands.outcome import ScoredOutcome
from lossmith.core.errors import LossmithError
from lossmith.core.files import check_folder, safe_file_name
from lossmith.core.progress import progress_option
from lossmith.core.run_config import check
from lossmith.data import Data
from lossmith.training import Recipe

if TYPE_CHECKING:
    from lossmith.losses import Loss, LossLike

logger = logging.getLogger(__name__)

DEFAULT_LOSSES = ("l2", "l1", "ssim", "mix")


@dataclass(frozen=True, repr=False)
class Comparison(ScoredOutcome):
    """The result of a tournament."""

    verdict: str
    """The winner, its lead and how sure that is, in a sentence or two."""
    report: Path
    """The page."""
    rows: list[evaluation.Row]
    """The scores of every image, method and seed, those of the degraded input included."""
    rankings: list[evaluation.Ranking] = field(default_factory=list)
    """One for each metric."""
    differences: list[evaluation.Difference] = field(default_factory=list)
    """Every pair of methods, in each metric."""
    runs: list[RunResult] = field(default_factory=list)
    """Every run, with its loss, its seed, its folder and its model."""

    @property
    def winner(self) -> str | None:
        """The loss that is significantly better than all others in PSNR, or None."""
        main = evaluation.main_ranking(self.rankings)
        return main.winner if main else None

    @property
    def ranking(self) -> list[evaluation.RankedMethod]:
        """All methods in PSNR, best first, the degraded input among them."""
        main = evaluation.main_ranking(self.rankings)
        return evaluation.ranked_methods(main, self.differences) if main else []

    def __str__(self) -> str:
        return f"{self.verdict}\nreport: {self.report}"


@progress_option
def compare(
    data: Data = Data(),
    *,
    losses: LossesOption = None,
    seeds: int = 2,
    recipe: Recipe = Recipe(),
    out: Path = Path("runs/compare"),
    save_every: float = 60.0,
    devices: int = 1,
    execution: Execution = Execution(),
    progress: ProgressOption = True,
) -> Comparison:
    """Train the same network under several losses with the same budget, and report which one wins.

    Every loss gets the same first weights, fresh ones or those of `init`, and the same patches, seed by seed. A
    stopped tournament continues with the same command. It writes `report.html`, `results.csv`, `results.json` and
    a folder for every run.

    Parameters
    ----------
    data
        The images.
    losses
        The contenders, one or several: names from `lossmith losses`, or expressions such as "l1 + 0.1*tv" or
        "l1 until 50% then l2" [default: l2 l1 ssim mix]. From Python also modules and functions.
    seeds
        Runs per loss, each with its own first weights and patches.
    recipe
        The degradation, the network and the budget of every run.
    out
        Folder of the tournament.
    save_every
        Seconds between two checkpoints of a run.
    devices
        How many devices train one run together, each on its share of every batch: GPUs, or processes on the CPU.
    execution
        Where the runs are carried out.
    progress
        Show a progress bar, in a terminal and in Jupyter.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    from lossmith.commands.compare.report import TournamentResults, make_page
    from lossmith.data import prepare_data

    out = Path(out)
    check_folder(out, "a tournament with its report")
    executor = execution.build(devices)
    recipe.per_device(devices)  # raises before images are read
    contenders = _contenders(_listed(losses))
    command = command_line(
        "compare", data.images or (), data, recipe, losses=list(contenders), seeds=seeds, out=out
    )
    if not isinstance(seeds, int) or seeds < 1:
        raise LossmithError(f"`seeds` must be a whole number, at least 1, not {seeds!r}")
    prepared = prepare_data(data, recipe.degradation, out)
    recipe, init = training.open_init(replace(recipe, degradation=prepared.degradation), prepared.source.scale)
    settings = training.RunSettings(
        protocol=evaluation.protocol_of(prepared.test_pairs), save_every=save_every, devices=devices
    )
    config = {
        "losses": list(contenders),
        "seeds": seeds,
        # more of them once the user adds weights, and a table must not mix both
        "metrics": evaluation.default_metrics(),
        **recipe.resume_key,
        **(init.identity if init else {}),
        **prepared.fingerprint,
    }
    jobs = [
        Job(
            name,
            out / "runs" / safe_file_name(name) / f"seed-{seed}",
            recipe,
            replace(settings, seed=seed, dry_run=False),
            init,
        )
        for seed in range(seeds)  # the outer loop, so that every loss has a result early in a long tournament
        for name in contenders
    ]
    check(out / "compare.yaml", config)
    tasks = [training.SupervisedTask(criterion, recipe) for criterion in contenders.values()]
    with training.begin(out / "compare.yaml", config, tasks, prepared, settings, runs=len(jobs)):
        if any(job.load_result() is None for job in jobs):
            logger.info(announcement(", ".join(contenders), recipe, data, prepared, out, devices, len(jobs)))
        by_job: dict[tuple[str, int], RunResult] = {}
        with closing(executor.run_jobs(jobs, {**contenders, IMAGES: prepared})) as results:
            for result in results:
                by_job[result.loss, result.seed] = result
                if result.failure:  # the others continue, and the report names this one
                    logger.error(f"{result.loss}, seed {result.seed}: {result.failure}")
        runs = [by_job[job.loss, job.settings.seed] for job in jobs]
        finished = [run for run in runs if run.summary]
        if not finished:
            raise LossmithError(f"no run was finished: {runs[0].loss}, {runs[0].failure}")
        rows = [
            evaluation.score_row(
                pair.name, evaluation.DEGRADED, evaluation.baseline(pair), pair.clean, settings.protocol
            )
            for pair in prepared.test_pairs
        ]
        rows += [row for run in finished for row in evaluation.read_csv(run.run_folder.scores)]
        evaluation.write_csv(out / "results.csv", rows, settings.protocol)
        tournament = TournamentResults(
            list(contenders), runs, rows, prepared, recipe, settings.protocol, seeds, command
        )
        page = make_page(tournament, out)
        return Comparison(page.verdict, out / "report.html", rows, page.rankings, page.differences, runs)


def _listed(losses: LossLike | Sequence[LossLike] | None) -> list[LossLike]:
    """The losses as a list, which a single one need not be."""
    if losses is None:
        return list(DEFAULT_LOSSES)
    return list(losses) if isinstance(losses, Sequence) and not isinstance(losses, str) else [losses]


def _contenders(losses: Sequence[LossLike]) -> dict[str, Loss]:
    """The losses by their expressions."""
    from lossmith.losses import as_loss

    contenders: dict[str, Loss] = {}
    for criterion in map(as_loss, losses):
        if (name := str(criterion)) in contenders:
            raise LossmithError(f"loss '{name}' is given twice; each may be given once")
        contenders[name] = criterion
    if not contenders:
        raise LossmithError("a comparison needs at least one loss")
    return contenders

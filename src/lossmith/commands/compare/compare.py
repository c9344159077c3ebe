"""`lossmith compare`: the loss tournament."""

import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lossmith.commands.announcement import opening
from lossmith.commands.command_line import command_line
from lossmith.commands.compare.executors import Execution
from lossmith.commands.compare.job import Job, RunResult
from lossmith.commands.compare.report import TournamentResults, make_page
from lossmith.commands.outcome import Outcome
from lossmith.core.devices import per_device_batch
from lossmith.core.errors import LossmithError, notify
from lossmith.core.files import check_folder, safe_file_name
from lossmith.core.lock import folder_lock
from lossmith.core.resources import check_disk
from lossmith.core.run_config import check, write_or_check
from lossmith.data import Data, prepare_data
from lossmith.evaluation import (
    DEGRADED,
    Row,
    baseline,
    default_metrics,
    protocol_of,
    read_csv,
    score_row,
    write_csv,
)
from lossmith.losses import Loss, as_loss
from lossmith.losses import loss as parse
from lossmith.networks import network
from lossmith.training import Recipe
from lossmith.training.dry_run import dry_run_test
from lossmith.training.initial_weights import open_init

DEFAULT_LOSSES = ("l2", "l1", "ssim", "mix")


@dataclass(frozen=True, repr=False)
class Comparison(Outcome):
    """The outcome of a tournament."""

    verdict: str
    report: Path
    rows: list[Row]

    def __str__(self) -> str:
        return f"{self.verdict}\nreport: {self.report}"


def compare(
    data: Data = Data(),
    *,
    losses: list[str] | None = None,
    seeds: int = 2,
    recipe: Recipe = Recipe(),
    out: Path = Path("runs/compare"),
    save_every: float = 60.0,
    devices: int = 1,
    execution: Execution = Execution(),
) -> Comparison:
    """Train the same network under several losses with the same budget, and report which one wins.

    Every loss meets the same first weights, fresh ones or those of --init, and the same patches, seed by seed. A
    stopped tournament goes on with the same command. Beside `report.html` lie `results.csv`, `results.json` and a
    folder for every run.

    Parameters
    ----------
    data
        The images.
    losses
        The contenders: names from `lossmith losses`, or expressions such as "l1 + 0.1*tv" or
        "l1 until 50% then l2" [default: l2 l1 ssim mix]. From Python also modules and functions.
    seeds
        Runs per loss, each with its own first weights and patches.
    recipe
        The damage, the network and the budget of every run.
    out
        Folder of the tournament.
    save_every
        Seconds between two checkpoints of a run.
    devices
        That train one run together, each on its share of every batch: GPUs where there are any, else processes on
        the CPU.
    execution
        Where the runs are carried out.

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    out = Path(out)
    check_folder(out, "a tournament with its report")
    executor = execution.build(devices)
    per_device_batch(recipe.batch, devices)
    losses = _listed(losses)
    command = command_line("compare", data.images or (), data, recipe, losses=losses, seeds=seeds, out=out)
    contenders = _contenders(losses)
    if not isinstance(seeds, int) or seeds < 1:
        raise LossmithError(f"seeds must be a whole number, at least 1, not {seeds!r}")
    prepared = prepare_data(data, recipe.degradation, out)
    recipe = replace(recipe, degradation=prepared.degradation)
    recipe, init = open_init(recipe, prepared.source.scale)
    part = replace(recipe, batch=per_device_batch(recipe.batch, devices))  # as each of the devices sees it
    protocol = protocol_of(prepared.test_pairs)
    from lossmith.training.memory import bytes_to_write
    from lossmith.training.run import dry_run

    configuration = {
        "losses": list(contenders),
        "seeds": seeds,
        "metrics": default_metrics(),  # one more when weights are put into their folder, which must not mix
        **recipe.resume_key,
        **(init.identity if init else {}),
        **prepared.fingerprint,
    }
    check(out / "compare.yaml", configuration)
    with folder_lock(out):
        dry_run(list(contenders.values()), part, prepared.source)
        dry_run_test(str(recipe.network), prepared.test_pairs, protocol)
        runs = seeds * len(contenders)
        need = bytes_to_write(
            network(str(recipe.network), prepared.source.scale), recipe, prepared.test_pairs, runs
        )
        check_disk(out, need, f"the results of {runs} runs")
        write_or_check(out / "compare.yaml", configuration)
        jobs = [
            Job(
                name,
                seed,
                out / "runs" / safe_file_name(name) / f"seed-{seed}",
                recipe,
                protocol,
                save_every,
                devices,
                init,
            )
            for seed in range(seeds)  # outside, so that an early look at a long tournament shows every loss
            for name in contenders
        ]
        if any(job.load_result() is None for job in jobs):
            notify(opening(", ".join(contenders), recipe, data, prepared, out, devices, len(jobs)))
        came: dict[tuple[str, int], RunResult] = {}
        with closing(executor.run_jobs(jobs, contenders, prepared)) as outcomes:
            for entry in outcomes:
                came[entry.loss, entry.seed] = entry
                if entry.failure:  # the others go on, and the page says what happened to this one
                    print(f"lossmith: {entry.loss}, seed {entry.seed}: {entry.failure}", file=sys.stderr)
        entries = [came[job.loss, job.seed] for job in jobs]
        if not any(entry.summary for entry in entries):
            raise LossmithError(f"no run was finished: {entries[0].loss}, {entries[0].failure}")
        rows = [
            score_row(pair.name, DEGRADED, baseline(pair), pair.clean, protocol) for pair in prepared.test_pairs
        ]
        rows += [row for entry in entries if entry.summary for row in read_csv(entry.folder.scores)]
        write_csv(out / "results.csv", rows, protocol)
        tournament = TournamentResults(list(contenders), entries, rows, prepared, recipe, protocol, seeds, command)
        verdict = make_page(tournament, out)
        return Comparison(verdict, out / "report.html", rows)


def _listed(losses: Any) -> list[Any]:
    """One loss is a list of one."""
    if losses is None:
        return list(DEFAULT_LOSSES)
    return [losses] if isinstance(losses, str) or callable(losses) else list(losses)


def _contenders(losses: Sequence[Any]) -> dict[str, Loss]:
    named: dict[str, Loss] = {}
    for given in losses:
        criterion = parse(given) if isinstance(given, str) else as_loss(given)
        if (name := str(criterion)) in named:
            raise LossmithError(f"loss '{name}' is given twice; each may be given once")
        named[name] = criterion
    if not named:
        raise LossmithError("a comparison needs at least one loss")
    return named

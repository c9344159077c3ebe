"""`lossmith compare`: the loss tournament."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lossmith.errors import Diverged, LossmithError
from lossmith.evaluation import DEGRADED, Row, baseline, default_metrics, protocol_for, read_csv, scored, write_csv
from lossmith.files import file_name
from lossmith.images import Data, gather
from lossmith.losses import Loss, as_loss
from lossmith.losses import loss as parse
from lossmith.studies.command import command_line
from lossmith.studies.page import Entry, Tournament, make_page
from lossmith.studies.rehearsal import rehearse_test
from lossmith.training import Recipe, RunFolder
from lossmith.training.configuration import check, claim

DEFAULT = ("l2", "l1", "ssim", "mix")


@dataclass(frozen=True)
class Comparison:
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
) -> Comparison:
    """Train the same network under several losses with the same budget, and report which one wins.

    Every loss meets the same first weights and the same patches, seed by seed. A stopped tournament goes on with
    the same command. Beside `report.html` lie `results.csv`, `results.json` and a folder for every run.

    Parameters
    ----------
    data
        The pictures.
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

    Raises
    ------
    LossmithError
        For anything that the caller can mend, in one sentence.
    """
    out = Path(out)
    losses = _listed(losses)
    command = command_line("compare", data, recipe, losses=losses, seeds=seeds, out=out)
    contenders = _contenders(losses)
    if not isinstance(seeds, int) or seeds < 1:
        raise LossmithError(f"seeds must be a whole number, at least 1, not {seeds!r}")
    gathered = gather(data, recipe.degradation)
    recipe = replace(recipe, degradation=gathered.damage)
    protocol = protocol_for(gathered.source.scale)
    from lossmith.training.run import rehearse, run

    configuration = {
        "losses": list(contenders),
        "seeds": seeds,
        "metrics": default_metrics(),  # one more when weights are put into their folder, which must not mix
        **asdict(recipe),
        **gathered.fingerprint,
    }
    check(out / "compare.yaml", configuration)
    rehearse(list(contenders.values()), recipe, gathered.source)
    rehearse_test(recipe.network, gathered.tests, protocol)
    claim(out / "compare.yaml", configuration)
    entries: list[Entry] = []
    for seed in range(seeds):  # seeds outside, so that an early look at a long tournament shows every loss
        for name, criterion in contenders.items():
            folder = RunFolder(out / "runs" / file_name(name) / f"seed-{seed}")
            try:
                summary = run(
                    folder,
                    criterion,
                    recipe,
                    gathered.source,
                    gathered.tests,
                    protocol,
                    seed=seed,
                    fingerprint=gathered.fingerprint,
                    save_every=save_every,
                )
                entries.append(Entry(name, seed, folder, summary, failure=None))
            except Diverged as error:  # the others go on, and the page says what happened to this one
                print(f"lossmith: {name}, seed {seed}: {error}", file=sys.stderr)
                entries.append(Entry(name, seed, folder, summary=None, failure=str(error)))
    if not any(entry.summary for entry in entries):
        raise LossmithError(f"no run was finished: {entries[0].loss}, {entries[0].failure}")
    rows = [scored(pair.name, DEGRADED, baseline(pair), pair.clean, protocol) for pair in gathered.tests]
    rows += [row for entry in entries if entry.summary for row in read_csv(entry.folder.scores)]
    write_csv(out / "results.csv", rows, protocol)
    tournament = Tournament(list(contenders), entries, rows, gathered, recipe, protocol, seeds, command)
    verdict = make_page(tournament, out)
    return Comparison(verdict, out / "report.html", rows)


def _listed(losses: Any) -> list[Any]:
    """One loss is a list of one."""
    if losses is None:
        return list(DEFAULT)
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

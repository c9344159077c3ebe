"""`lossmith compare`: the loss tournament."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lossmith import evaluation, training
from lossmith.commands.announcement import announcement
from lossmith.commands.command_line import command_line
from lossmith.commands.compare.job import RunResult
from lossmith.commands.executors.execution import Execution
from lossmith.commands.option_types import (
    DurationOption,
    LossesOption,
    MarginsOption,
    ProgressOption,
    RatesOption,
    SeedsOption,
)
from lossmith.commands.option_values import parse_duration, parse_seeds
from lossmith.commands.outcome import ScoredOutcome
from lossmith.core.errors import LossmithError
from lossmith.core.files import check_folder
from lossmith.core.progress import ProgressBar, progress_option
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
    """Which loss to take for which goal, how sure that is, and what to avoid."""
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
    advice: evaluation.Advice | None = None
    """The loss to take for each goal, those that are as good, and those to avoid."""
    race: list[evaluation.RaceRound] = field(default_factory=list)
    """How the race went, look by look; empty where nothing was raced."""
    ending: str = ""
    """Why the tournament ended where it did, in one sentence; empty where all runs were carried out."""
    pulls: dict[str, evaluation.MeanPulls] = field(default_factory=dict)
    """Of losses of several terms, how much each term pulled and against which, over all looks and seeds."""

    @property
    def winner(self) -> str | None:
        """The loss that is known to be better than all others in fidelity, or None, as after one seed."""
        fidelity = self.advice.of("fidelity") if self.advice else None
        if fidelity is None or not fidelity.avoid or fidelity.equivalent or fidelity.undecided:
            return None
        return fidelity.take

    @property
    def ranking(self) -> list[evaluation.RankedMethod]:
        """All methods in PSNR, best first, the degraded input among them."""
        main = evaluation.main_ranking(self.rankings)
        return evaluation.ranked_methods(main, self.differences) if main else []

    def __str__(self) -> str:
        ending = f"{self.ending[0].upper()}{self.ending[1:]}." if self.ending else ""
        return "\n".join(filter(None, [self.verdict, ending, f"report: {self.report}"]))


@progress_option
def compare(
    data: Data = Data(),
    *,
    losses: LossesOption = None,
    seeds: SeedsOption = 2,
    until: Literal["decided"] | None = None,
    at_most: DurationOption = None,
    margins: MarginsOption = None,
    learning_rates: RatesOption = None,
    recipe: Recipe = Recipe(),
    out: Path = Path("runs/compare"),
    show_bands: str | None = None,
    save_every: float = 60.0,
    devices: int = 1,
    execution: Execution = Execution(),
    progress: ProgressOption = True,
) -> Comparison:
    """Train the same network under several losses with the same budget, and report which one to take.

    Every loss gets the same first weights, fresh ones or those of `init`, and the same patches, seed by seed. A
    stopped tournament continues with the same command; with other losses, seeds or margins it keeps all runs that
    are finished. It writes `report.html`, `results.csv`, `results.json` and a folder for every run.

    Parameters
    ----------
    data
        The images.
    losses
        The contenders, one or several: names from `lossmith losses`, or expressions such as "l1 + 0.1*tv",
        "80%*l1 + 20%*tv" (shares of the gradient) or "l1 until 50% then l2" [default: l2 l1 ssim mix]. From
        Python also modules and functions.
    seeds
        Runs per loss, each with its own first weights and patches: a number, or a range such as 2:8, from Python
        (2, 8), for a race. Every loss runs the least number, and more of them those that may still be the best.
    until
        When a race ends, if not with the greatest number of seeds: decided, as soon as it is known for every goal
        which losses are worse than the best and which are as good [default: decided, with a range].
    at_most
        The time that the training of all runs may take together, such as 90s, 30m or 2h, or a number of minutes.
        No round of runs is begun that would exceed it, except the first, of one seed of each loss.
    margins
        The largest differences that matter to nobody, such as psnr=0.05 ssim=0.001, from Python a dictionary
        [default: those of `lossmith metrics`].
    learning_rates
        Learning rates such as 5e-4 1e-3 2e-3, of which each loss plays at the best for it: a short run with each,
        a quarter as long, is judged by the loss itself on parts of the training images that are neither trained
        nor tested on. The time of these runs is not part of `at_most`.
    recipe
        The degradation, the network and the budget of every run.
    out
        Folder of the tournament.
    show_bands
        The channels that the report shows as red, green and blue, counted from 0, such as 4,2,0, or one that it
        shows in gray [default: 0,1,2, or 0 of one or two].
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
    from lossmith.commands.compare.learning_rates import check_learning_rates, plan_trials, rates_config
    from lossmith.commands.compare.report import TournamentResults, forecast_seconds, make_page
    from lossmith.commands.compare.rounds import Rounds
    from lossmith.commands.compare.scores import Scores
    from lossmith.commands.compare.tournament import Tournament
    from lossmith.data import prepare_data
    from lossmith.losses import for_channels, range_remarks
    from lossmith.report import parse_bands

    out = Path(out)
    check_folder(out, "a tournament with its report")
    executor = execution.build(devices)
    recipe.per_device(devices)  # raises before images are read
    contenders = _contenders(_listed(losses))
    race, budget = evaluation.Race(*parse_seeds(seeds)), parse_duration("at_most", at_most)
    if until is not None and (until != "decided" or race.least == race.most):
        raise LossmithError("`until=decided` goes with a range of seeds, such as `seeds=2:8`")
    criteria = evaluation.Criteria(evaluation.parse_margins(margins), looks=race.looks)
    rates = check_learning_rates(learning_rates, recipe)
    command = command_line(
        "compare",
        data.images or (),
        data,
        recipe,
        losses=list(contenders),
        seeds=f"{race.least}:{race.most}" if race.least < race.most else race.least,
        at_most=f"{budget:g}s" if budget < math.inf else None,
        margins=[f"{name}={margin:g}" for name, margin in criteria.margins.items()] or None,
        learning_rates=list(rates) or None,
        show_bands=show_bands,
        out=out,
    )
    parse_bands(show_bands)  # raises before images are read
    prepared = prepare_data(data, recipe.degradation, out)
    contenders = _contenders([for_channels(loss, prepared.pixels.channels) for loss in contenders.values()])
    remarks = [remark for loss in contenders.values() for remark in range_remarks(loss, prepared.pixels)]
    prepared = replace(prepared, remarks=(*prepared.remarks, *remarks))
    for remark in remarks:
        logger.warning(remark)
    bands = parse_bands(show_bands, prepared.pixels.channels)
    recipe = replace(recipe, degradation=prepared.degradation)
    recipe, init = training.open_init(recipe, prepared.source.scale, prepared.pixels)
    settings = training.RunSettings(
        protocol=evaluation.protocol_of(prepared.test_pairs, prepared.pixels),
        save_every=save_every,
        devices=devices,
        metrics=tuple(evaluation.tournament_metrics(list(contenders), prepared.source.scale, prepared.pixels)),
        targets=evaluation.Targets(),
    )
    config = {
        **recipe.resume_key,
        **rates_config(rates),
        **(init.identity if init else {}),
        **prepared.fingerprint,
    }
    check(out / "compare.yaml", config)
    trials = plan_trials(
        contenders, recipe, rates, prepared, settings, out, init=init, given_pairs=data.clean is not None
    )
    with ExitStack() as connection:
        tournament = Tournament(
            contenders,
            dict.fromkeys(contenders, recipe),
            prepared,
            settings,
            init,
            criteria,
            executor,
            out,
            connection,
            Scores(prepared.test_pairs, settings.protocol, out, settings.metrics or (), settings.targets),
        )
        finished = tournament.finished_places(race.most)
        unfinished = [name for name in contenders if any((name, s) not in finished for s in range(race.least))]
        tasks = [training.SupervisedTask(contenders[name], recipe) for name in unfinished or contenders]
        begin_settings = replace(settings, dry_run=bool(unfinished))
        runs = len(contenders) * race.least
        connection.enter_context(
            training.begin(
                out / "compare.yaml", config, tasks, prepared, begin_settings, runs + len(trials.unfinished)
            )
        )
        if unfinished:
            logger.info(announcement(", ".join(contenders), recipe, data, prepared, out, devices, runs))
            report_seconds = forecast_seconds(prepared, len(contenders))
            tournament.tell_time(race, finished, budget, unfinished, report_seconds, trials.lengths)
        if trials.unfinished:
            tournament.connect()
        choice = trials.choose(executor)
        tournament.recipes = choice.recipes
        rounds = Rounds(race, list(contenders), tournament, budget)
        rounds.carry_out()
        if not any(run.summary for run in rounds.results):
            failed = rounds.results[0]
            raise LossmithError(f"no run was finished: {failed.loss}, {failed.failure}")
        rows = [*tournament.scores.of_degraded(), *tournament.scores.of_runs(rounds.results)]
        evaluation.write_csv(out / "results.csv", rows, settings.protocol)
        results = TournamentResults(
            list(contenders),
            rounds.results,
            rows,
            prepared,
            recipe,
            settings.protocol,
            max(run.seed for run in rounds.results) + 1,
            command,
            criteria,
            rounds.looks if race.least < race.most else [],
            rounds.ending,
            choice,
            bands,
            contenders,
        )
        with ProgressBar("writing the report") as bar:
            bar.update(0)
            page = make_page(results, out)
            bar.update(1)
        return Comparison(
            page.verdict,
            out / "report.html",
            rows,
            page.rankings,
            page.differences,
            rounds.results,
            page.advice,
            page.race,
            rounds.ending,
            {r.loss: evaluation.MeanPulls.of(r.pulls) for r in page.results if any(p.steps for p in r.pulls)},
        )


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

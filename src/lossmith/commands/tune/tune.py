"""`lossmith tune`: a search for the weights, the options and the learning rate of a loss."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lossmith import evaluation
from lossmith.commands.announcement import announcement
from lossmith.commands.command_line import command_line
from lossmith.commands.executors.execution import Execution
from lossmith.commands.option_types import ProgressOption, SeedsOption, TextsOption
from lossmith.commands.option_values import parse_seeds
from lossmith.commands.outcome import Outcome
from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import check_folder
from lossmith.core.progress import ProgressBar, progress_option
from lossmith.core.run_config import check
from lossmith.data import Data
from lossmith.training import Recipe

if TYPE_CHECKING:
    from lossmith.report import FrontMember, ScoreMean, TuningContents, TuningTrial

logger = logging.getLogger(__name__)


@dataclass(frozen=True, repr=False)
class Tuning(Outcome):
    """The result of a search."""

    summary: str
    """The expressions to take, with their scores on the validation crops."""
    front: list[FrontMember]
    """The trials that are on the front after all seeds, the best in the first goal first; with one goal the
    best."""
    members: list[FrontMember]
    """All that were trained again, those that turned out to be off the front among them."""
    trials: list[TuningTrial]
    """Every trial."""
    report: Path
    """The page."""
    table: Path
    """All trials as a table."""

    @property
    def expressions(self) -> list[str]:
        """The losses of the front, each with its numbers."""
        return [member.loss for member in self.front]

    def __str__(self) -> str:
        return f"{self.summary}\nreport: {self.report}"


@progress_option
def tune(
    data: Data = Data(),
    *,
    loss: str,
    search: TextsOption,
    goals: TextsOption,
    trials: int = 40,
    at_once: int | None = None,
    seeds: SeedsOption = 3,
    seed: int = 0,
    recipe: Recipe = Recipe(),
    out: Path = Path("runs/tune"),
    show_bands: str | None = None,
    save_every: float = 60.0,
    devices: int = 1,
    execution: Execution = Execution(),
    progress: ProgressOption = True,
) -> Tuning:
    """Search for the weights of a loss, its options and the learning rate: for the front between several goals.

    Each trial trains the network under the loss with other values in the place of the names, on the same patches,
    and is judged by the goals on parts of the training images that it is not trained on. A trial that is behind
    in every goal is stopped early. The best are trained again with fresh seeds, which decide who is on the front;
    test images are only reported. A stopped search goes on with the same command, and more trials may be added.

    Parameters
    ----------
    data
        The images.
    loss
        The loss with names in it, in the place of numbers, of options' values or of losses, such as
        `l1 + W*features(squeezenet1_1, fire5) + V*tv`.
    search
        What is tried for each name: "W=0.001..1 log", evenly on a logarithmic scale, "V=0..0.1", "N=1..8 int" or
        "LAYER=fire3|fire5". The name learning_rate stands for the setting.
    goals
        Metrics by name, one or several, each in its direction: psnr lpips_squeeze. One goal gives the best loss.
    trials
        How many values are tried, those of earlier calls included.
    at_once
        How many trials are chosen together, without knowing how the others of them end [default: 1, and on a Ray
        cluster as many as run at once].
    seeds
        Runs, with fresh seeds, of each trial on the front: a number, or a range such as 2:6, of which those run
        more than the least that may still be off it.
    seed
        Of the choice of the values.
    recipe
        The degradation, the network and the budget of every run.
    out
        Folder of the search.
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
    from lossmith.commands.tune.preparation import check_goals, prepare
    from lossmith.commands.tune.report import SearchResults, write_results
    from lossmith.commands.tune.search_space import LEARNING_RATE, space
    from lossmith.report import parse_bands

    out = Path(out)
    check_folder(out, "a search with its report")
    executor = execution.build(devices)
    recipe.per_device(devices)  # raises before images are read
    for name, number, least in (("trials", trials, 1), ("seed", seed, 0), ("at_once", at_once, 1)):
        _check_number(name, number, least)
    race = evaluation.Race(*parse_seeds(seeds))
    search_space = space(loss, *_listed(search))
    searches = [f"{dimension.name}={dimension}" for dimension in search_space.dimensions]
    if any(text.startswith(f"{LEARNING_RATE}=") for text in searches):
        _refuse_two_rates(recipe)
    names = check_goals(_listed(goals))
    parse_bands(show_bands)
    command = command_line(
        "tune",
        data.images or (),
        data,
        recipe,
        loss=loss,
        search=searches,
        goals=names,
        trials=trials,
        at_once=at_once,
        seeds=f"{race.least}:{race.most}" if race.least < race.most else race.least,
        seed=seed or None,
        show_bands=show_bands,
        out=out,
    )
    ready = prepare(search_space, names, data, recipe, out, save_every, devices)
    for remark in ready.remarks:
        logger.warning(remark)
    bands = parse_bands(show_bands, ready.data.pixels.channels)
    config = {"loss": loss, "search": searches, "goals": names, "seed": seed, **ready.config}
    check(out / "tune.yaml", config)
    runs = ready.search(executor, seed, at_once or 1)
    confirmation = ready.confirmation(executor, race)
    with ExitStack() as stack:
        unfinished = trials - runs.finished(trials)
        stack.enter_context(ready.begin(config, race, trials, new=unfinished > 0))
        if unfinished:
            logger.info(announcement(loss, ready.recipe, data, ready.data, out, devices, trials))
            forecast = ready.forecast()
            logger.info(forecast.announcement(unfinished, trials, ready.members, race, executor))
            stack.enter_context(executor.connection())
            runs.at_once = at_once or executor.capacity()
            runs.seconds_per_trial, runs.seconds_after = forecast.trial, forecast.after(ready.members, race)
            confirmation.seconds_per_run = forecast.member
        results = runs.carry_out(trials)
        if not any(trial.state == "complete" for trial in results):
            raise LossmithError(f"no trial was finished: {results[0].loss}, {results[0].note}")
        members = confirmation.carry_out(results)
        with ProgressBar("writing the report") as bar:
            bar.update(0)
            contents = write_results(
                SearchResults(
                    search_space,
                    results,
                    members,
                    confirmation,
                    ready.data,
                    ready.metrics,
                    command,
                    seed,
                    bands,
                    ready.remarks,
                )
            )
            bar.update(1)
    return Tuning(
        summary(contents),
        [member for member in contents.members if member.on_front],
        list(contents.members),
        list(contents.trials),
        out / "report.html",
        out / "trials.csv",
    )


def summary(contents: TuningContents) -> str:
    """What to take, in a line for each loss."""
    labels = [goal.label for goal in contents.goals]
    of = f"of {counted(len(contents.trials), 'trial')}"
    best = [member for member in contents.members if member.on_front]
    if not best:
        return f"{of}, none of the best could be trained again: {contents.members[0].reason}"
    seeds = counted(max(len(member.seeds) for member in best), "fresh seed")
    if len(labels) == 1:
        head = f"the best in {labels[0]} {of}, by validation crops and {seeds}:"
    else:
        head = f"the front of {' and '.join(labels)} {of}, by validation crops and {seeds}:"
    return "\n".join([head, *(f"  {_member_text(member, contents)}" for member in best)])


def _member_text(member: FrontMember, contents: TuningContents) -> str:
    scores = [f"{g.label} {_interval(member.validation[g.name], g)}" for g in contents.goals]
    rate = f" at learning rate {member.values['learning_rate']}" if "learning_rate" in member.values else ""
    return f"{member.loss}{rate}: {', '.join(scores)}"


def _interval(mean: ScoreMean, goal: evaluation.Metric) -> str:
    """A mean with its interval and its unit."""
    numbers = f"{mean.value:.{goal.digits}f}"
    if mean.has_interval:
        numbers += f" ({mean.low:.{goal.digits}f} to {mean.high:.{goal.digits}f})"
    return f"{numbers} {goal.unit}".rstrip()


def _listed(texts: str | Sequence[str]) -> list[str]:
    return [texts] if isinstance(texts, str) else list(texts)


def _check_number(name: str, number: int | None, least: int) -> None:
    if number is None:
        return
    if not isinstance(number, int) or isinstance(number, bool) or number < least:
        raise LossmithError(f"`{name}` must be a whole number, {least} or more, not {number!r}")


def _refuse_two_rates(recipe: Recipe) -> None:
    if recipe.learning_rate != Recipe().learning_rate:
        raise LossmithError("give either `learning_rate` or a `search` for it, not both")

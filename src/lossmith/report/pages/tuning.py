"""The page of a search for weights: what to take, the front, pictures along it, and every trial."""

import math
from collections.abc import Sequence
from pathlib import Path

from lossmith.report.definitions import definition
from lossmith.report.formatting import duration, interval, number, significant
from lossmith.report.images import data_uri
from lossmith.report.methods import look
from lossmith.report.templates import write_page
from lossmith.report.tuning_charts import front_charts, history_chart, search_charts
from lossmith.report.tuning_data import FrontMember, TrialState, TuningContents
from lossmith.report.tuning_front import along_front, leading, scored_members
from lossmith.report.tuning_pictures import front_details
from lossmith.report.tuning_words import recommendations, remarks, titled, typed, why_ended, why_off

STYLES = ("theme", "base", "advice", "tables", "charts", "print", "tuning")
SCRIPTS = ("tables", "copy", "tuning")
STATES: dict[TrialState, str] = {"complete": "complete", "pruned": "stopped early", "failed": "failed"}


def write_tuning(path: Path, contents: TuningContents) -> None:
    """Write the page as a self-contained HTML file; all values are escaped.

    With several goals it shows their front, with one its course over the trials. Sections whose content is missing
    are left out.

    Raises LossmithError when the file cannot be written.
    """
    members = along_front(contents)
    history = history_chart(contents, members) if len(contents.goals) == 1 else None
    write_page(
        path,
        "tuning.html.j2",
        STYLES,
        SCRIPTS,
        contents=contents,
        members=members,
        looks=[look(index) for index in range(len(members))],
        cards=recommendations(contents, members),
        remarks=remarks(contents),
        charts=[history] if history else front_charts(contents, members),
        searched=search_charts(contents, members),
        details=front_details(contents, members),
        counts={state: sum(trial.state == state for trial in contents.trials) for state in STATES},
        states=STATES,
        best=best_values(contents, members),
        leading=[member.name for member in leading(members, contents.goals)],
        data_uri=data_uri,
        definition=definition,
        duration=duration,
        interval=interval,
        number=number,
        significant=significant,
        sort_key=sort_key,
        titled=titled,
        typed=typed,
        why_ended=why_ended,
        why_off=why_off,
    )


def best_values(contents: TuningContents, members: Sequence[FrontMember]) -> dict[str, float]:
    """The best mean of each goal on the front."""
    front = [member for member in scored_members(members, contents.goals) if member.on_front]
    return {
        goal.name: (max if goal.higher_is_better else min)(m.validation[goal.name].value for m in front)
        for goal in contents.goals
        if front
    }


def sort_key(value: float | str) -> str:
    """What a column is sorted by; empty for words and what was not measured."""
    return "" if isinstance(value, str) or math.isnan(value) else f"{value:.9g}"

"""What a study writes from its runs: the tables, the findings and the page."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from lossmith.commands.study.job import StudyRun
from lossmith.core.files import write_text
from lossmith.studies import Selection

COLUMNS = ("benchmark", "network", "layer", "weights", "seed", "item", "metric", "score")


def write_results(
    out: Path, runs: Sequence[StudyRun], selection: Selection, remarks: Sequence[str], command: str
) -> tuple[tuple[str, ...], Path | None]:
    """Write everything; returns the recommendations, a sentence for each benchmark, and the page."""
    write_scores(out / "results.csv", runs)
    return (), None


def write_scores(path: Path, runs: Sequence[StudyRun]) -> None:
    """All scores of all items, one a line, whose mean over items and seeds is the score of a configuration."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in runs:
        part = run.configuration
        weights = "" if part.network is None else "random" if part.random else "trained"
        for row in run.rows:
            for metric, score in row.scores.items():
                place = (run.benchmark, part.network or "baseline", part.layer, weights, run.seed)
                writer.writerow([*place, row.image, metric, score])
    write_text(path, text.getvalue())

"""Small tables of many training runs, which are spread over days and machines: what is kept of a run.

A folder holds four CSV files of each task:

    TASK.csv         scores: loss, seed, steps, picture, then a column for each metric
    TASK-runs.csv    runs: loss, seed, steps, learning rate, seconds of training, network
    TASK-curves.csv  validation: loss, seed, steps, at_step, psnr
    TASK-rates.csv   learning rates that were tried: loss, steps, learning_rate, objective, psnr, chosen

A run is one loss under one seed for so many steps. Whoever adds a run replaces its rows in all tables, so that a
run that is repeated is not counted twice, and tables that were made apart can be joined in any order.
"""

import csv
import io
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lossmith.core.files import write_text
from lossmith.evaluation import Row

try:
    import fcntl
except ModuleNotFoundError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

Record = Mapping[str, str]
"""A line of a table, by column."""
RUN = ("loss", "seed", "steps")
DIGITS = 6
"""Significant ones of every score."""


@dataclass(frozen=True)
class Kind:
    """A kind of table: what is replaced together, and what a line of that is about."""

    suffix: str
    group: tuple[str, ...]
    rest: tuple[str, ...]

    def path(self, folder: Path, task: str) -> Path:
        return folder / f"{task}{self.suffix}.csv"


SCORES = Kind("", RUN, ("picture",))
RUNS = Kind("-runs", RUN, ())
CURVES = Kind("-curves", RUN, ("at_step",))
RATES = Kind("-rates", ("loss", "steps"), ("learning_rate",))
PEOPLE = Kind("-people", ("loss",), ())
"""How far losses agree with people as metrics; of pictures rather than of a task."""
KINDS = (SCORES, RUNS, CURVES, RATES, PEOPLE)


def merged(old: Iterable[Record], new: Iterable[Record], kind: Kind) -> list[Record]:
    """All lines in the order of their keys, those of `new` in the place of all old ones of the same group.

    >>> old = [{"loss": "l1", "seed": "0", "steps": "9", "picture": name, "psnr": "30"} for name in "ab"]
    >>> new = [{"loss": "l1", "seed": "0", "steps": "9", "picture": "a", "psnr": "31"}]
    >>> [(line["picture"], line["psnr"]) for line in merged(old, new, SCORES)]
    [('a', '31')]
    """
    new = list(new)
    replaced = {key(line, kind.group) for line in new}
    kept = [line for line in old if key(line, kind.group) not in replaced]
    return sorted([*kept, *new], key=lambda line: key(line, (*kind.group, *kind.rest)))


def key(line: Record, columns: Sequence[str]) -> tuple[tuple[float, str], ...]:
    """What lines are sorted by: numbers as numbers, before texts."""
    return tuple(_sortable(line[column]) for column in columns)


def _sortable(text: str) -> tuple[float, str]:
    try:
        return float(text), ""
    except ValueError:
        return float("inf"), text


def read(path: Path) -> list[Record]:
    """The lines of a table; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, lines: Sequence[Record]) -> None:
    """Write a table atomically, with the columns in the order in which lines have them."""
    text = io.StringIO()
    columns = list(dict.fromkeys(column for line in lines for column in line))
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    write_text(path, text.getvalue())


def add(folder: Path, task: str, kind: Kind, lines: Sequence[Record]) -> None:
    """Merge lines into a table of a task; several processes may do so at once."""
    if not lines:
        return
    folder.mkdir(parents=True, exist_ok=True)
    path = kind.path(folder, task)
    with _turn(folder):
        write(path, merged(read(path), lines, kind))


def join(other: Path, folder: Path) -> list[Path]:
    """Merge all tables of another folder into those of this one; the files that were merged."""
    files = sorted(other.glob("*.csv"))
    for file in files:
        kind = next((kind for kind in KINDS if kind.suffix and file.stem.endswith(kind.suffix)), SCORES)
        add(folder, file.stem.removesuffix(kind.suffix), kind, read(file))
    return files


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Waits until no other process holds the lock of the folder."""
    if fcntl is None:
        yield
        return
    place = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(place, fcntl.LOCK_EX)
        yield
    finally:
        os.close(place)


def rounded(value: float) -> str:
    """A score as a table has it.

    >>> rounded(31.41592653), rounded(float("nan"))
    ('31.4159', '')
    """
    return "" if value != value else f"{value:.{DIGITS}g}"


def as_lines(rows: Iterable[Row], steps: int) -> list[Record]:
    """Scores of runs of so many steps, as lines of `SCORES`."""
    return [
        {
            "loss": row.method,
            "seed": str(row.seed),
            "steps": str(steps),
            "picture": row.image,
            **{name: rounded(value) for name, value in row.scores.items()},
        }
        for row in rows
    ]


def as_rows(lines: Iterable[Record], steps: int) -> list[Row]:
    """The scores of the runs of so many steps; a score that a line does not have is left out."""
    others = {*SCORES.group, *SCORES.rest}
    return [
        Row(
            line["picture"],
            line["loss"],
            int(line["seed"]),
            {name: float(text) for name, text in line.items() if name not in others and text},
        )
        for line in lines
        if int(line["steps"]) == steps
    ]


def most_steps(lines: Iterable[Record]) -> int:
    """The longest budget of a table; 0 of none."""
    return max((int(line["steps"]) for line in lines), default=0)

"""Score tables as CSV: one line per image, method and seed, with the protocol in each."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from lossmith.core.errors import LossmithError
from lossmith.core.files import FILE_EXTENSIONS, write_text
from lossmith.core.legacy import ENTRIES
from lossmith.evaluation.protocol import Protocol
from lossmith.evaluation.results import Row

KEYS = ("image", "method", "seed", "protocol")


def check_table(path: Path) -> None:
    """Raise LossmithError for an existing file that is not a table of scores, or a name unfit for CSV."""
    if path.is_dir():
        raise LossmithError(f"'{path}' is a folder; name a CSV file, such as '{path / 'scores.csv'}'")
    if path.suffix.lower() in FILE_EXTENSIONS and path.suffix.lower() not in (".csv", ".txt"):
        raise LossmithError(
            f"scores are written as CSV, and '{path}' is called otherwise; call it scores.csv, say"
        )
    if path.exists() and not path.read_bytes().startswith(",".join(KEYS).encode()):
        raise LossmithError(f"'{path}' exists and is not a table of scores; choose another `out`")


def write_csv(path: Path, rows: Sequence[Row], protocol: Protocol | str) -> None:
    """Write rows atomically: image, method, seed, protocol, then a column per metric, in order of appearance.

    Numbers keep all their digits; a score that a row does not have is left empty.

    Raises LossmithError when the file cannot be written or a metric has the name of another column.
    """
    names = list(dict.fromkeys(name for row in rows for name in row.scores))
    if clash := [name for name in names if name in KEYS]:
        raise LossmithError(f"cannot write {path}: a metric must not be called '{clash[0]}'")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*KEYS, *names])
    for row in rows:
        scores = [row.scores.get(name, "") for name in names]
        writer.writerow([row.image, row.method, row.seed, str(protocol), *scores])
    write_text(path, text.getvalue())


def read_csv(path: Path) -> list[Row]:
    """The rows of a file that `write_csv` wrote, equal to those that were written.

    Raises LossmithError when the file cannot be read, lacks a column, or has a seed or score that is not a number.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise LossmithError(f"cannot read {path}: {reason}") from error
    reader = csv.DictReader(io.StringIO(text))
    reader.fieldnames = columns = [ENTRIES.get(column, column) for column in reader.fieldnames or []]
    if missing := [key for key in KEYS if key not in columns]:
        raise LossmithError(f"{path} is not a table of scores: the column '{missing[0]}' is missing")
    rows = []
    for line in reader:
        try:
            scores = {name: float(line[name]) for name in columns if name not in KEYS and line[name] != ""}
            rows.append(Row(line["image"], line["method"], int(line["seed"]), scores))
        except (TypeError, ValueError) as error:
            raise LossmithError(
                f"{path}, line {reader.line_num}: every seed and score must be a number"
            ) from error
    return rows

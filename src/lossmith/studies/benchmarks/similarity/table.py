"""Pictures with people's scores, from a table."""

import csv
import io
import logging
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lossmith.core.errors import LossmithError, counted
from lossmith.core.files import sha256_of
from lossmith.data import image_size

logger = logging.getLogger(__name__)

SCORES = {"score": 1, "mos": 1, "dmos": -1}
"""Columns of scores: 1 where higher is better, -1 where it is worse."""
ENDS = ("low", "high")
"""What the ends of an interval are called, beside the correlations within kinds."""
MIN_PICTURES = 3


@dataclass(frozen=True)
class RatedPicture:
    """A line of the table."""

    reference: Path
    distorted: Path
    quality: float
    """People's score; higher is better."""
    kind: str = ""
    """Of distortion; empty if the table has none."""


@dataclass(frozen=True)
class RatedPictures:
    """A table, whose pictures exist and are of the size of their references."""

    pictures: tuple[RatedPicture, ...]
    fingerprint: Mapping[str, str]
    """SHA-256 by file name."""


def find_table(folder: Path) -> Path | None:
    """The only CSV file in a folder, or None; raises LossmithError if there are several."""
    tables = sorted(path for path in folder.glob("*.csv") if path.is_file())
    if len(tables) > 1:
        names = ", ".join(path.name for path in tables)
        raise LossmithError(f"'{folder}' holds several tables, {names}; leave only the one with people's scores")
    return tables[0] if tables else None


def read_table(path: Path) -> RatedPictures:
    """Read a CSV file with the columns reference, distorted, one of score, mos and dmos, and, optionally, kind.

    Pictures are named by paths relative to the table's folder. Other columns are ignored. Lines with an empty
    score are left out, with a remark.

    Raises LossmithError, with the line, for a picture that is not there or of another size than its reference, a
    score that is not a number, and a picture that has a score already; and for fewer than 3 pictures, a kind of
    one alone, and scores all equal.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise LossmithError(f"cannot read {path}: {reason}") from error
    reader = csv.DictReader(io.StringIO(text), skipinitialspace=True)
    try:
        reader.fieldnames = [name.strip() for name in reader.fieldnames or []]
        column = _score_column(path, list(reader.fieldnames))
        lines = [(reader.line_num, line) for line in reader]
    except csv.Error as error:
        raise LossmithError(f"{path} cannot be read as CSV after line {reader.line_num}: {error}") from error
    pictures: list[RatedPicture] = []
    unrated, first = 0, dict[tuple[Path, Path], int]()
    for number, line in lines:
        where = f"{path}, line {number}"
        if not (line[column] or "").strip():
            unrated += 1
        else:
            picture = _rated_picture(line, column, path.parent, where)
            if (before := first.setdefault((picture.reference, picture.distorted), number)) != number:
                raise LossmithError(
                    f"{where}: '{picture.distorted.name}' has a {column} on line {before} already; "
                    "leave one line for each picture, with the mean"
                )
            pictures.append(picture)
    if unrated:
        logger.warning(f"{path}: {counted(unrated, 'line')} without a {column} left out")
    _check_scores(path, pictures)
    files = [path, *dict.fromkeys(file for each in pictures for file in (each.reference, each.distorted))]
    hashes = {os.path.relpath(file, path.parent): sha256_of(file) for file in files}
    return RatedPictures(tuple(pictures), hashes)


def _score_column(path: Path, columns: list[str]) -> str:
    scores = [name for name in columns if name in SCORES]
    missing = [name for name in ("reference", "distorted") if name not in columns]
    if not missing and len(scores) == 1:
        return scores[0]
    if len(columns) == 1 and (other := next((sign for sign in ";\t|" if sign in columns[0]), "")):
        name = {";": "semicolons", "\t": "tabs", "|": "bars"}[other]
        raise LossmithError(f"{path} separates its columns by {name}; save it with commas")
    problem = f"lacks the column '{missing[0]}'" if missing else f"has {len(scores)} columns of scores"
    raise LossmithError(
        f"{path} {problem}; its first line must be 'reference,distorted,score', with 'mos' in the place of score, "
        "or 'dmos' if higher is worse; a column 'kind' may follow"
    )


def _rated_picture(line: Mapping[str, str | None], column: str, folder: Path, where: str) -> RatedPicture:
    """The picture on a line; `where` begins the messages."""
    reference, distorted = (_picture(line[name], name, folder, where) for name in ("reference", "distorted"))
    sizes = [f"{width}x{height}" for height, width in map(image_size, (reference, distorted))]
    if sizes[0] != sizes[1]:
        raise LossmithError(
            f"{where}: '{distorted.name}' has {sizes[1]} pixels and its reference {sizes[0]}; "
            "both must be of one size"
        )
    try:
        score = float(line[column] or "")
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise LossmithError(
            f"{where}: the {column} '{line[column]}' is not a number; leave it empty if it is not known"
        )
    return RatedPicture(reference, distorted, SCORES[column] * score, (line.get("kind") or "").strip())


def _picture(name: str | None, column: str, folder: Path, where: str) -> Path:
    if not (name := (name or "").strip()):
        raise LossmithError(f"{where}: the column '{column}' is empty; name a picture there")
    if not os.path.isfile(path := folder / name):  # Path.is_file raises for a name that is too long
        raise LossmithError(f"{where}: there is no picture '{name}' in {folder}")
    return path


def _check_scores(path: Path, pictures: list[RatedPicture]) -> None:
    if len(pictures) < MIN_PICTURES:
        raise LossmithError(
            f"{path} has {counted(len(pictures), 'picture')} with scores; a correlation needs "
            f"{MIN_PICTURES} or more"
        )
    if not np.ptp([picture.quality for picture in pictures]):
        raise LossmithError(f"{path} gives all pictures the same score, with which nothing can be correlated")
    kinds = [picture.kind for picture in pictures if picture.kind]
    for kind in dict.fromkeys(kinds):
        if kinds.count(kind) == 1:
            raise LossmithError(
                f"{path} has one picture of the kind '{kind}', and a correlation within it needs several; "
                "add more, or give it another kind"
            )
        if kind in ENDS:
            raise LossmithError(
                f"{path}: a kind must not be called '{kind}', as an end of an interval is; rename it"
            )


__all__ = ["RatedPicture", "RatedPictures", "find_table", "read_table"]

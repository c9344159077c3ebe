"""The scores of earlier calls, by what they are of."""

import csv
import io
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from lossmith._version import __version__
from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text

KEYS = ("key", "image")


def score_key(*facts: object) -> str:
    """A digest of all that a score depends on: contents of files, protocol, cropping; and of our version.

    >>> score_key("a", 1) == score_key("a", 1), score_key("a", 1) == score_key("a", 2)
    (True, False)
    """
    return sha256("\0".join([__version__, *map(str, facts)]).encode()).hexdigest()


class ScoreCache:
    """A CSV file of scores: a line per key, with the image's name for readers, and a column per metric.

    Raises LossmithError for a file that is none of ours, or that is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._images: dict[str, str] = {}
        self._scores: dict[str, dict[str, float]] = {}
        if path.exists():
            self._read()

    def get(self, key: str, metrics: Sequence[str]) -> dict[str, float] | None:
        """The scores in these metrics, in this order; None unless all are there."""
        scores = self._scores.get(key, {})
        return {name: scores[name] for name in metrics} if set(metrics) <= scores.keys() else None

    def put(self, key: str, image: str, scores: dict[str, float]) -> None:
        """Add scores to those of the key."""
        self._images[key] = image
        self._scores[key] = {**self._scores.get(key, {}), **scores}

    def save(self) -> None:
        """Write the file, atomically."""
        names = list(dict.fromkeys(name for scores in self._scores.values() for name in scores))
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([*KEYS, *names])
        for key, scores in self._scores.items():
            writer.writerow([key, self._images[key], *(scores.get(name, "") for name in names)])
        write_text(self._path, text.getvalue())

    def _read(self) -> None:
        try:
            reader = csv.DictReader(io.StringIO(self._path.read_text(encoding="utf-8")))
            if tuple(reader.fieldnames or ())[:2] != KEYS:
                raise LossmithError(f"'{self._path}' exists and is not of judge; choose another `out`")
            for line in reader:
                key, image = line.pop("key"), line.pop("image")
                self.put(key, image, {name: float(text) for name, text in line.items() if text != ""})
        except (OSError, UnicodeDecodeError, ValueError, TypeError) as error:
            if isinstance(error, LossmithError):
                raise
            raise LossmithError(f"'{self._path}' is damaged; delete it, or choose another `out`") from error


__all__ = ["ScoreCache", "score_key"]

"""The scores of a tournament: of its degraded inputs and its runs, measured where they are not stored."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from torch import Tensor

from lossmith.commands.compare.job import RunResult
from lossmith.core.errors import LossmithError
from lossmith.core.progress import ProgressBar
from lossmith.data import ImagePair, read_picture
from lossmith.evaluation import (
    DEGRADED,
    Protocol,
    Restored,
    Row,
    Targets,
    baseline,
    read_csv,
    score,
    score_images,
    write_csv,
)


@dataclass
class Scores:
    """The rows of a tournament; what a table lacks of the metrics is measured on stored images, and kept."""

    pairs: Sequence[ImagePair]
    protocol: Protocol
    out: Path
    """The folder of the tournament."""
    metrics: Sequence[str]
    targets: Targets | None = None
    """What metrics see in the targets, shared with the runs."""
    _rows: dict[Path, list[Row]] = field(default_factory=dict)
    """Of the folders of runs."""

    def of_degraded(self) -> list[Row]:
        """The rows of the degraded inputs, from `degraded.csv` where that is of these images."""
        path = self.out / "degraded.csv"
        stored = self._stored(path, DEGRADED, 0)
        if not all(map(self._fits, stored, self.pairs)):
            stored = [replace(row, scores={}) for row in stored]
        rows = self._complete(stored, self._baseline, "scoring the degraded images")
        if rows is not stored:
            write_csv(path, rows, self.protocol)
        return self._wanted(rows)

    def of_runs(self, runs: Sequence[RunResult]) -> list[Row]:
        """The rows of the runs that are finished."""
        return [row for run in runs if run.summary for row in self._of_run(run)]

    def _of_run(self, run: RunResult) -> list[Row]:
        if run.folder not in self._rows:
            folder = run.run_folder
            stored = self._stored(folder.scores, run.loss, run.seed)

            def restored(pair: ImagePair) -> Tensor:
                pixels = self.protocol.pixels
                return pixels.to_unit(read_picture(folder.image(pair.name), pixels))

            rows = self._complete(stored, restored, f"scoring {run.loss}, seed {run.seed}")
            if rows is not stored:
                folder.replace_scores(rows, self.protocol)
            self._rows[run.folder] = self._wanted(rows)
        return self._rows[run.folder]

    def _stored(self, path: Path, method: str, seed: int) -> list[Row]:
        """The rows of a table in the order of the images; without scores where it is not one of these images."""
        try:
            rows = {row.image: row for row in read_csv(path)}
        except LossmithError:
            rows = {}
        return [rows.get(pair.name) or Row(pair.name, method, seed) for pair in self.pairs]

    def _baseline(self, pair: ImagePair) -> Tensor:
        return baseline(pair, self.protocol.pixels)

    def _fits(self, row: Row, pair: ImagePair) -> bool:
        """Whether a degraded image is the one that was scored: its PSNR, which costs little, tells."""
        now = score(self._baseline(pair), pair.clean, self.protocol, ["psnr"])["psnr"]
        return row.scores.get("psnr") == now

    def _complete(self, rows: list[Row], image: Callable[[ImagePair], Tensor], title: str) -> list[Row]:
        """The rows with all wanted metrics; `rows` themselves where nothing is missing."""
        missing = [name for name in self.metrics if any(name not in row.scores for row in rows)]
        if not missing:
            return rows
        items = [
            Restored(row.image, row.method, partial(self._read, pair, image), row.seed)
            for row, pair in zip(rows, self.pairs, strict=True)
        ]
        with ProgressBar(title) as bar:
            new = score_images(
                items,
                self.protocol,
                missing,
                progress=lambda finished: bar.count(finished, len(rows)),
                targets=self.targets,
            )
        return [_joined(row, more) for row, more in zip(rows, new, strict=True)]

    def _read(self, pair: ImagePair, image: Callable[[ImagePair], Tensor]) -> tuple[Tensor, Tensor]:
        return image(pair), pair.clean

    def _wanted(self, rows: Sequence[Row]) -> list[Row]:
        """The rows without metrics that this tournament does not have, such as those whose weights are gone."""
        return [replace(row, scores={name: row.scores[name] for name in self.metrics}) for row in rows]


def _joined(row: Row, more: Row) -> Row:
    """The scores of both; NaN where the first were NaN, since a stored image does not show that it held NaN."""
    known = not math.isnan(row.scores.get("psnr", 0.0))
    return replace(row, scores={**row.scores, **(more.scores if known else dict.fromkeys(more.scores, math.nan))})

"""A line that says which scale is being learned, how fast, and how long to go."""

import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

from lossmith.learning.pyramid import Pyramid
from lossmith.learning.recipe import LossRecipe

PLAIN_EVERY = 15.0
"""Seconds between two lines where the output is no terminal."""


class ScaleProgress:
    """A live bar on a terminal; a plain line now and then elsewhere.

    The time left is reckoned from the rounds of this session, weighted with what a round costs at its scale.
    """

    def __init__(self, costs: Sequence[float], rounds: int) -> None:
        self.costs, self.rounds = costs, rounds
        self._begun: tuple[float, float] | None = None
        self._shown = time.monotonic()
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[status]}", style="dim", markup=False),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task("", total=1.0, status="")

    def __enter__(self) -> "ScaleProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, scale: int, played: int, values: dict[str, float], seconds: float) -> None:
        """A round has been played; `seconds` have been spent on all of them."""
        done = sum(self.costs[:scale]) * self.rounds + self.costs[scale] * played
        if self._begun is None:
            self._begun = (done, seconds)
        pause = 0.2 if self._console.is_terminal else PLAIN_EVERY
        total = sum(self.costs) * self.rounds
        if time.monotonic() - self._shown < pause and done < total:
            return
        self._shown = time.monotonic()
        speed = (done - self._begun[0]) / max(seconds - self._begun[1], 1e-9)
        left = time_left((total - done) / speed) if speed else ""
        title = f"scale {scale + 1} of {len(self.costs)}"
        status = f"round {played} of {self.rounds}  {left}" + "".join(f"  {k} {v:.3g}" for k, v in values.items())
        self._bar.update(self._task, completed=done / total, description=title, status=status)
        if not self._console.is_terminal:
            self._console.print(f"{title}  {done / total:4.0%}  {status}", markup=False, soft_wrap=True)


def time_left(seconds: float) -> str:
    """In words.

    >>> time_left(75.2)
    '1:15 left'
    """
    return f"{seconds // 60:.0f}:{seconds % 60:02.0f} left"


def costs(pyramid: Pyramid, recipe: LossRecipe) -> list[float]:
    """What a round costs at each scale, in units that only compare: pixels seen times weights."""
    height, width = pyramid.finest.shape[1:]
    found = []
    for number, factor in enumerate(pyramid.factors):
        pixels = [min(recipe.crop or side, side) for side in (height * factor, width * factor)]
        found.append(pixels[0] * pixels[1] * recipe.width_at(number) ** 2)
    return found

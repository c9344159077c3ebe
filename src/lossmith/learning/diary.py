"""What a stopped run goes on from: the state of every game, the curves and the time spent."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossmith.devices import out_of_memory
from lossmith.errors import Diverged, LossmithError
from lossmith.learning.game import Game
from lossmith.learning.progress import ScaleProgress
from lossmith.stopping import Stop
from lossmith.training.state_file import StateFile
from lossmith.training.stopwatch import Stopwatch

FORMAT = "lossmith learning 2"
"""The mark of what the file holds: to be changed with it."""

Row = dict[str, float]
"""`scale`, `round`, and what the game gave: see `Game.play`."""


@dataclass
class Diary:
    """Kept in one file, written whole every so many seconds, after every scale and when the run is told to stop.

    Signals to stop are noted and obeyed between two rounds, so that what is saved is never half a round.
    """

    path: Path
    save_every: float = 30.0
    rows: list[Row] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    _games: dict[int, dict[str, Any]] = field(default_factory=dict)
    _saved: float = 0.0
    _kept: str = "no state was saved before that"

    def __post_init__(self) -> None:
        self._file = StateFile(self.path, FORMAT, "learn this loss anew")
        self._stop = Stop()
        if kept := self._file.load():
            self.rows, self._games = kept["rows"], kept["games"]
            self.stopwatch = Stopwatch(kept["seconds"])
            if self.rows:
                self._say_kept()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Listen for signals to stop and keep the time while the block runs."""
        self._saved = time.monotonic()
        self.stopwatch.start()
        try:
            with self._stop.noted():
                yield
            self._stop.obey()  # too late for another round
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise LossmithError(
                f"there is not enough memory to learn this loss; {self._kept}: end what else uses the device, and "
                "the same command goes on; or lower batch, crop or width, with another --out"
            ) from error
        finally:
            self.stopwatch.stop()

    def resume(self, game: Game) -> None:
        """Bring a fresh game to where it was left, if it was begun."""
        if kept := self._games.get(game.number):
            game.restore(kept)

    def enter(self, game: Game, row: Row, progress: ScaleProgress) -> None:
        """Note a round, and save when it is time.

        Raises Diverged for networks that are not numbers any more, and Stopped when told to stop.
        """
        self.rows.append({"scale": game.number, "round": game.round, **row})
        progress.show(game.number, game.round, row, self.stopwatch.elapsed)
        finished = game.round == game.recipe.iterations
        told = self._stop.told  # once, as it may change at any moment
        if told or finished or time.monotonic() - self._saved >= self.save_every:
            self._save(game)
        if told:
            self._stop.obey()

    def _save(self, game: Game) -> None:
        if not game.healthy:  # asked here only, as looking at every weight takes time
            raise Diverged(
                f"scale {game.number + 1} is no longer made of numbers after round {game.round}; {self._kept}, "
                "and a lower learning_rate usually helps"
            )
        self._games[game.number] = game.state()
        self._file.save({"rows": self.rows, "games": self._games, "seconds": self.stopwatch.elapsed})
        self._saved = time.monotonic()
        self._say_kept()

    def _say_kept(self) -> None:
        last = self.rows[-1]
        self._kept = f"the state after round {last['round']:.0f} of scale {last['scale'] + 1:.0f} is saved"

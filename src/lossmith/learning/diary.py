"""What a stopped run goes on from: the state of every game, the curves and the time spent."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch

from lossmith.errors import Diverged, LossmithError
from lossmith.files import replacing
from lossmith.learning.game import Game
from lossmith.learning.progress import ScaleProgress
from lossmith.training.stopwatch import Stopwatch

Row = dict[str, float]
"""`scale`, `round`, and what the game gave: see `Game.play`."""


@dataclass
class Diary:
    """Kept in one file, written whole every so many seconds, after every scale and when the run is told to stop.

    Ctrl-C and SIGTERM are noted and obeyed between two rounds, so that what is saved is never half a round.
    """

    path: Path
    save_every: float = 30.0
    rows: list[Row] = field(default_factory=list)
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    _games: dict[int, dict[str, Any]] = field(default_factory=dict)
    _interrupted: bool = False
    _saved: float = 0.0

    def __post_init__(self) -> None:
        if self.path.is_file():
            self._read()

    def _read(self) -> None:
        try:
            kept = torch.load(self.path, map_location="cpu", weights_only=True)
            self.rows, self._games = kept["rows"], kept["games"]
            self.stopwatch = Stopwatch(float(kept["seconds"]))
        except (OSError, RuntimeError, UnpicklingError, EOFError, KeyError, TypeError) as error:
            raise LossmithError(f"{self.path} is damaged; delete it to learn this loss anew") from error

    @contextmanager
    def open(self) -> Iterator[None]:
        """Listen for Ctrl-C and SIGTERM and keep the time while the block runs."""
        self._saved = time.monotonic()
        listening = threading.current_thread() is threading.main_thread()  # no other may listen for signals
        former = {s: signal.signal(s, self._note) for s in (signal.SIGINT, signal.SIGTERM)} if listening else {}
        self.stopwatch.start()
        try:
            yield
        finally:
            self.stopwatch.stop()
            for number, handler in former.items():
                signal.signal(number, handler)

    def _note(self, *_: Any) -> None:
        self._interrupted = True

    def resume(self, game: Game) -> None:
        """Bring a fresh game to where it was left, if it was begun."""
        if kept := self._games.get(game.number):
            game.restore(kept)

    def enter(self, game: Game, row: Row, progress: ScaleProgress) -> None:
        """Note a round, and save when it is time.

        Raises Diverged for networks that are not numbers any more, and KeyboardInterrupt when told to stop.
        """
        self.rows.append({"scale": game.number, "round": game.round, **row})
        progress.show(game.number, game.round, row, self.stopwatch.elapsed)
        finished = game.round == game.recipe.iterations
        if self._interrupted or finished or time.monotonic() - self._saved >= self.save_every:
            self._save(game)
        if self._interrupted:
            raise KeyboardInterrupt

    def _save(self, game: Game) -> None:
        if not game.healthy:  # asked here only, since a GPU has to be waited for
            raise Diverged(
                f"scale {game.number + 1} is no longer made of numbers after round {game.round}; "
                "a lower learning_rate usually helps"
            )
        self._games[game.number] = game.state()
        kept = {"rows": self.rows, "games": self._games, "seconds": self.stopwatch.elapsed}
        with replacing(self.path) as draft:
            torch.save(kept, draft)
        self._saved = time.monotonic()

"""The processes that train one run: one leads, the others do as it says."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import torch
from lightning.fabric import Fabric

from lossmith.devices import UNGUARDED
from lossmith.errors import LossmithError
from lossmith.images import Patches
from lossmith.training.follower import follow, packed
from lossmith.training.learner import Learner
from lossmith.training.place import Place, alone, joined, places
from lossmith.training.stream import Share
from lossmith.training.together import together

PATIENCE = 10.0
"""Seconds that a process has to end."""


@dataclass(frozen=True)
class Follower:
    """A process that follows this one, and the line to it."""

    place: Place
    process: SpawnProcess
    line: Connection

    def load(self, load: bytes) -> None:
        """Give it what it needs, and wait until it is ready. Raises LossmithError if it ends before."""
        try:
            self.line.send_bytes(load)
            said = self.line.recv()
        except (EOFError, OSError):
            raise LossmithError(f"{self._end()} before it began; {UNGUARDED}") from None
        if isinstance(said, Exception):
            raise said

    def failure(self) -> Exception | None:
        """Why it has ended, if it has."""
        try:
            if self.line.poll(PATIENCE / 10):
                said = self.line.recv()
                return said if isinstance(said, Exception) else None
        except (EOFError, OSError):
            return LossmithError(f"{self._end()}; the same command goes on from the last checkpoint")
        return None

    def _end(self) -> str:
        self.process.join(PATIENCE)
        code = self.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"status {code}"
        return f"process {self.place.rank + 1} of {self.place.processes} ended with {how}"

    def dismiss(self) -> None:
        """Let it end, and see to it."""
        self.line.close()
        self.process.join(PATIENCE)
        self.process.kill()
        self.process.join()


@dataclass(frozen=True)
class Crew:
    """The processes of one run, as the first of them sees the others.

    The first alone keeps time, writes, prints and listens to signals. Before every step it tells the others how
    much of the budget is spent, and they take the same step on their shares of the batch; when the line is cut,
    they end. Alone, it has nobody to tell.
    """

    fabric: Fabric
    followers: Sequence[Follower] = ()

    @property
    def share(self) -> Share:
        """Which part of every batch is this process's."""
        return 0, 1 + len(self.followers)

    def begin(self, learner: Learner, step: int) -> None:
        """Bring the others to where this process is, after `step`."""
        if not self.followers:
            return
        state = BytesIO()
        torch.save({"learner": learner.state_dict(), "step": step}, state)
        for each in self.followers:
            each.line.send_bytes(state.getbuffer())

    def order(self, progress: float) -> None:
        """Let the others take a step too, when `progress` of the budget is spent."""
        for each in self.followers:
            each.line.send(progress)


@contextmanager
def crew(learner: Learner, patches: Patches, devices: int) -> Iterator[Crew]:
    """This process, with as many others as make `devices`, connected and ready to prepare their learners.

    The others are copies: they share no memory with this one, and end with the block.

    Raises LossmithError when one cannot be started, and when one ends, with its own reason where it had one.
    """
    if devices == 1:
        yield Crew(alone(learner.recipe))
        return
    mine, *others = places(devices)
    threads = max(1, torch.get_num_threads() // devices)
    load = packed(learner, patches)
    with _following(others, threads) as followers:
        for each in followers:
            each.load(load)
        with joined(learner.recipe, mine, threads) as fabric, together(fabric):
            try:
                yield Crew(fabric, followers)
            except (RuntimeError, OSError) as error:  # a process that fails takes the others with it
                failures = [failure for each in followers if (failure := each.failure())]
                raise min([*failures, error], key=lambda each: not isinstance(each, LossmithError)) from error


@contextmanager
def _following(others: Sequence[Place], threads: int) -> Iterator[list[Follower]]:
    followers: list[Follower] = []
    try:
        with _deaf():
            for place in others:
                followers.append(_started(place, threads))  # noqa: PERF401 (those that started must end)
        yield followers
    finally:
        for each in followers:
            each.line.close()
        for each in followers:
            each.dismiss()


def _started(place: Place, threads: int) -> Follower:
    context = get_context("spawn")  # a fork inherits threads in the middle of their work, and no CUDA
    mine, theirs = context.Pipe()
    # what is large goes by the line: nobody would read the end of large arguments if it died before
    process = context.Process(target=follow, args=(place, threads, theirs))
    process.start()
    theirs.close()  # or the line would stay open when the other end dies
    return Follower(place, process, mine)


@contextmanager
def _deaf() -> Iterator[None]:
    """What is started within the block is deaf to the signals that tell a run to stop: this process hears them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # which would open the ears again
    stops = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, stops)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

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

from lossmith.core.devices import MAIN_GUARD_HINT
from lossmith.core.errors import LossmithError
from lossmith.data import PatchDataset
from lossmith.data.loader import Shard
from lossmith.training.distributed.collectives import distributed_context
from lossmith.training.distributed.environment import (
    ProcessEnvironment,
    ddp_fabric,
    environments,
    single_process_fabric,
)
from lossmith.training.distributed.worker import pickle_setup, worker_main
from lossmith.training.module import TrainingModule

JOIN_TIMEOUT_S = 10.0
"""Seconds that a process has to end."""


@dataclass(frozen=True)
class WorkerHandle:
    """A process that follows this one, and the line to it."""

    environment: ProcessEnvironment
    process: SpawnProcess
    connection: Connection

    def send_setup(self, payload: bytes) -> None:
        """Give it what it needs, and wait until it is ready. Raises LossmithError if it ends before."""
        try:
            self.connection.send_bytes(payload)
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise LossmithError(f"{self._end()} before it began; {MAIN_GUARD_HINT}") from None
        if isinstance(answer, Exception):
            raise answer

    def failure(self) -> Exception | None:
        """Why it has ended, if it has."""
        try:
            if self.connection.poll(JOIN_TIMEOUT_S / 10):
                answer = self.connection.recv()
                return answer if isinstance(answer, Exception) else None
        except (EOFError, OSError):
            return LossmithError(f"{self._end()}; the same command goes on from the last checkpoint")
        return None

    def _end(self) -> str:
        self.process.join(JOIN_TIMEOUT_S)
        code = self.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"status {code}"
        return f"process {self.environment.rank + 1} of {self.environment.num_processes} ended with {how}"

    def shutdown(self) -> None:
        """Let it end, and see to it."""
        self.connection.close()
        self.process.join(JOIN_TIMEOUT_S)
        self.process.kill()
        self.process.join()


@dataclass(frozen=True)
class WorkerPool:
    """The processes of one run, as the first of them sees the others.

    The first alone keeps time, writes, prints and listens to signals. Before every step it tells the others how
    much of the budget is spent, and they take the same step on their shares of the batch; when the line is cut,
    they end. Alone, it has nobody to tell.
    """

    fabric: Fabric
    workers: Sequence[WorkerHandle] = ()

    @property
    def shard(self) -> Shard:
        """Which part of every batch is this process's."""
        return 0, 1 + len(self.workers)

    def send_state(self, module: TrainingModule, step: int) -> None:
        """Bring the others to where this process is, after `step`."""
        if not self.workers:
            return
        state = BytesIO()
        torch.save({"module": module.state_dict(), "step": step}, state)
        for each in self.workers:
            each.connection.send_bytes(state.getbuffer())

    def signal_step(self, progress: float) -> None:
        """Let the others take a step too, when `progress` of the budget is spent."""
        for each in self.workers:
            each.connection.send(progress)


@contextmanager
def launch(module: TrainingModule, patches: PatchDataset, devices: int) -> Iterator[WorkerPool]:
    """This process, with as many others as make `devices`, connected and ready to prepare their learners.

    The others are copies: they share no memory with this one, and end with the block.

    Raises LossmithError when one cannot be started, and when one ends, with its own reason where it had one.
    """
    if devices == 1:
        yield WorkerPool(single_process_fabric(module.recipe))
        return
    own, *others = environments(devices)
    threads = max(1, torch.get_num_threads() // devices)
    load = pickle_setup(module, patches)
    with _workers(others, threads) as followers:
        for each in followers:
            each.send_setup(load)
        with ddp_fabric(module.recipe, own, threads) as fabric, distributed_context(fabric):
            try:
                yield WorkerPool(fabric, followers)
            except (RuntimeError, OSError) as error:  # a process that fails takes the others with it
                failures = [failure for each in followers if (failure := each.failure())]
                raise min([*failures, error], key=lambda each: not isinstance(each, LossmithError)) from error


@contextmanager
def _workers(others: Sequence[ProcessEnvironment], threads: int) -> Iterator[list[WorkerHandle]]:
    followers: list[WorkerHandle] = []
    try:
        with _signals_blocked():
            for place in others:
                followers.append(_start_worker(place, threads))  # noqa: PERF401 (those that started must end)
        yield followers
    finally:
        for each in followers:
            each.connection.close()
        for each in followers:
            each.shutdown()


def _start_worker(place: ProcessEnvironment, threads: int) -> WorkerHandle:
    context = get_context("spawn")  # a fork inherits threads in the middle of their work, and no CUDA
    mine, theirs = context.Pipe()
    # what is large goes by the line: nobody would read the end of large arguments if it died before
    process = context.Process(target=worker_main, args=(place, threads, theirs))
    process.start()
    theirs.close()  # or the line would stay open when the other end dies
    return WorkerHandle(place, process, mine)


@contextmanager
def _signals_blocked() -> Iterator[None]:
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

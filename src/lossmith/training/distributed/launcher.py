"""Starts the worker processes that train a run together with this one."""

import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import torch

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
from lossmith.training.fabric import Fabric
from lossmith.training.module import TrainingModule

JOIN_TIMEOUT_S = 10.0
"""Seconds that a worker has to end before it is killed."""


@dataclass(frozen=True)
class WorkerHandle:
    """A worker process, and the connection to it."""

    environment: ProcessEnvironment
    process: SpawnProcess
    connection: Connection

    def send_setup(self, payload: bytes) -> None:
        """Send what it needs, and wait until it is ready. Raises LossmithError if it ends before."""
        try:
            self.connection.send_bytes(payload)
            answer = self.connection.recv()
        except (EOFError, OSError):
            raise LossmithError(f"{self._end()} before it was ready; {MAIN_GUARD_HINT}") from None
        if isinstance(answer, Exception):
            raise answer

    def failure(self) -> Exception | None:
        """The exception with which it ended, if it has ended."""
        try:
            if self.connection.poll(JOIN_TIMEOUT_S / 10):
                answer = self.connection.recv()
                return answer if isinstance(answer, Exception) else None
        except (EOFError, OSError):
            return LossmithError(f"{self._end()}; the same command goes on from the last checkpoint")
        return None

    def _end(self) -> str:
        """How it ended, as the beginning of a sentence."""
        self.process.join(JOIN_TIMEOUT_S)
        code = self.process.exitcode or 0
        how = f"signal {-code}" if code < 0 else f"status {code}"
        return f"process {self.environment.rank + 1} of {self.environment.num_processes} ended with {how}"

    def shutdown(self) -> None:
        """Close the connection, wait until the worker ends, and kill it if it does not."""
        self.connection.close()
        self.process.join(JOIN_TIMEOUT_S)
        self.process.kill()
        self.process.join()


@dataclass(frozen=True)
class WorkerPool:
    """The worker processes of a run, as the leader sees them; none where one process trains alone.

    Only the leader keeps time, writes, prints and handles signals. Before every step it sends the spent fraction
    of the budget, and the workers take the same step on their shares of the batch; they end when the connection is
    closed.
    """

    fabric: Fabric
    workers: Sequence[WorkerHandle] = ()

    @property
    def shard(self) -> Shard:
        """The leader's share of every batch: (rank, processes)."""
        return 0, 1 + len(self.workers)

    def send_state(self, module: TrainingModule, step: int) -> None:
        """Send the state after `step` to the workers."""
        if not self.workers:
            return
        state = BytesIO()
        torch.save({"module": module.state_dict(), "step": step}, state)
        for worker in self.workers:
            worker.connection.send_bytes(state.getbuffer())

    def signal_step(self, progress: float) -> None:
        """Let the workers take a step, when the fraction `progress` of the budget is spent."""
        for worker in self.workers:
            worker.connection.send(progress)


@contextmanager
def launch(module: TrainingModule, patches: PatchDataset, devices: int) -> Iterator[WorkerPool]:
    """Start workers until `devices` processes, this one included, are connected and ready to set up the module.

    Workers get copies, share no memory with this process, and end with the block.

    Raises LossmithError when a worker cannot be started or ends, with the worker's own error if it had one.
    """
    if devices == 1:
        yield WorkerPool(single_process_fabric(module.recipe))
        return
    own, *worker_environments = environments(devices)
    threads = max(1, torch.get_num_threads() // devices)
    payload = pickle_setup(module, patches)
    with _workers(worker_environments, threads) as workers:
        for worker in workers:
            worker.send_setup(payload)
        with ddp_fabric(module.recipe, own, threads) as fabric, distributed_context(fabric):
            try:
                yield WorkerPool(fabric, workers)
            except (RuntimeError, OSError) as error:  # a collective fails here when a worker ends
                failures = [failure for worker in workers if (failure := worker.failure())]
                raise min([*failures, error], key=lambda cause: not isinstance(cause, LossmithError)) from error


@contextmanager
def _workers(worker_environments: Sequence[ProcessEnvironment], threads: int) -> Iterator[list[WorkerHandle]]:
    """Started workers, which are shut down at the end of the block."""
    workers: list[WorkerHandle] = []
    try:
        with _signals_blocked():
            for environment in worker_environments:
                # no comprehension, which would lose those that started when one fails
                workers.append(_start_worker(environment, threads))  # noqa: PERF401
        yield workers
    finally:
        for worker in workers:
            worker.connection.close()
        for worker in workers:
            worker.shutdown()


def _start_worker(environment: ProcessEnvironment, threads: int) -> WorkerHandle:
    context = get_context("spawn")  # a fork would inherit running threads, and cannot use CUDA
    connection, worker_end = context.Pipe()
    # The payload goes through the pipe, later: large process arguments block forever if the child dies early.
    process = context.Process(target=worker_main, args=(environment, threads, worker_end))
    process.start()
    worker_end.close()  # so that the pipe is closed when the worker dies
    return WorkerHandle(environment, process, connection)


@contextmanager
def _signals_blocked() -> Iterator[None]:
    """Child processes start with stop signals blocked; only the leader handles them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it within the block would unblock the signals
    stop_signals = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1}
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, stop_signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

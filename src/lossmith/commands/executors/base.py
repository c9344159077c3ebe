"""Executors: where jobs, such as the runs of a tournament, are carried out."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, Protocol, TypeVar

from lossmith.core.progress import ProgressBar

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Job(Protocol[R_co]):
    """A piece of work that writes into a folder of its own; a frozen dataclass, which can be sent to a worker.

    Its result is a dataclass, too, with the field `folder`. The file `summary.json` marks a finished folder.
    """

    @property
    def folder(self) -> Path: ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """What it needs of the objects that jobs share, by their keys."""
        ...

    @property
    def run(self) -> Callable[..., R_co]:
        """Carries it out with its inputs, from where it was stopped."""
        ...

    def load_result(self) -> R_co | None:
        """The result, if it is finished."""
        ...

    def failed(self, reason: str) -> R_co:
        """The result when it failed for this reason, a sentence."""
        ...


class Executor(Protocol):
    """The interface by which jobs are carried out.

    In any place and order; afterwards the folder of every job is where the job says, and one that was stopped is
    resumed when it is carried out again.
    """

    def connection(self) -> AbstractContextManager[None]:
        """Several calls of `run_jobs` in this block share a connection to where jobs are carried out."""

    def capacity(self) -> int:
        """How many jobs are carried out at once; to be asked within a connection."""

    def run_jobs(
        self, jobs: Sequence[Job[R]], shared: Mapping[str, Any], title: Callable[[Job[R]], str] | None = None
    ) -> Generator[R]:
        """Yield the result of every job as it finishes; `title` is asked for that of the progress bar as a job
        begins, where they begin one after the other. Raises what a job raises."""


class LocalExecutor:
    """Carries out one job after the other, in this process."""

    def connection(self) -> AbstractContextManager[None]:
        return nullcontext()

    def capacity(self) -> int:
        return 1

    def run_jobs(
        self, jobs: Sequence[Job[R]], shared: Mapping[str, Any], title: Callable[[Job[R]], str] | None = None
    ) -> Generator[R]:
        with ProgressBar() as bar:
            for number, job in enumerate(jobs, 1):
                bar.title = title(job) if title else f"run {number} of {len(jobs)}"
                yield job.run(*(shared[key] for key in job.inputs))

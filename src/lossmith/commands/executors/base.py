"""Executors: where jobs, such as the runs of a tournament, are carried out."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from lossmith.core.devices import check_devices
from lossmith.core.errors import LossmithError
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

    def run_jobs(self, jobs: Sequence[Job[R]], shared: Mapping[str, Any]) -> Generator[R]:
        """Yield the result of every job as it finishes. Raises what a job raises."""


class LocalExecutor:
    """Carries out one job after the other, in this process."""

    def run_jobs(self, jobs: Sequence[Job[R]], shared: Mapping[str, Any]) -> Generator[R]:
        with ProgressBar() as bar:
            for number, job in enumerate(jobs, 1):
                bar.title = f"run {number} of {len(jobs)}"
                yield job.run(*(shared[key] for key in job.inputs))


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where the runs of a tournament or a study are carried out."""

    executor: Literal["local", "ray"] = "local"
    """Where runs are carried out: local, one after the other; or ray, as many at once as a Ray cluster has room
    for (pip install "lossmith[ray]"): that of RAY_ADDRESS, or the one this machine belongs to, or this machine."""
    cpus_per_run: float | None = None
    """Cores that a run reserves on the Ray cluster, and threads that it uses [default: 1 for each of
    `devices`]."""
    gpus_per_run: float | None = None
    """GPUs that a run reserves on the Ray cluster; 0.25 puts four runs on one GPU [default: 1 for each of
    `devices` where the cluster has GPUs, otherwise 0]."""

    def __post_init__(self) -> None:
        if self.executor not in ("local", "ray"):
            raise LossmithError(f"`executor` must be local or ray, not {self.executor!r}")
        for name in ("cpus_per_run", "gpus_per_run"):
            value = getattr(self, name)
            if value is None:
                continue
            if self.executor != "ray":
                raise LossmithError(f"`{name}` is for a Ray cluster; add `executor=ray`")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise LossmithError(f"`{name}` must be a number, 0 or more, not {value!r}")
            if name == "cpus_per_run" and value == 0:
                raise LossmithError("`cpus_per_run` must be above 0")
            if value > 1 and value != int(value):
                raise LossmithError(f"`{name}` must be whole where it is above 1, not {value}")

    def build(self, devices: int) -> Executor:
        """The executor for runs on that many devices each.

        Raises LossmithError when this process has fewer devices, and for Ray when it is not installed.
        """
        if self.executor == "local":
            check_devices(devices)
            return LocalExecutor()
        from lossmith.commands.executors.ray_executor import RayExecutor

        return RayExecutor(devices, self.cpus_per_run, self.gpus_per_run)

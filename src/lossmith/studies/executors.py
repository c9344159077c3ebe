"""Where the runs of a tournament are carried out."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from lossmith.devices import check_devices
from lossmith.errors import LossmithError
from lossmith.images import Gathered
from lossmith.losses import Loss
from lossmith.studies.job import Entry, Job


class Executor(Protocol):
    """Carries out the runs of a tournament. The tournament knows nothing else about it.

    Wherever and in whichever order it does, afterwards the folder of every run lies where its job says, and a
    run that was stopped goes on when it is carried out again.
    """

    def carry_out(self, jobs: Sequence[Job], losses: Mapping[str, Loss], gathered: Gathered) -> Generator[Entry]:
        """What came of every job, as it comes. Raises what a job raises."""


class Here:
    """One run after the other, in this process."""

    def carry_out(self, jobs: Sequence[Job], losses: Mapping[str, Loss], gathered: Gathered) -> Generator[Entry]:
        for job in jobs:
            yield job.run(losses[job.loss], gathered)


@dataclass(frozen=True, kw_only=True)
class Machines:
    """Where the runs of a tournament are carried out."""

    executor: Literal["here", "ray"] = "here"
    """Where: here, one after the other; or ray, as many at once as a Ray cluster has room for (pip install
    "lossmith[ray]"): the one that RAY_ADDRESS names, or that this machine belongs to, or else this machine."""
    cpus_per_run: float | None = None
    """Cores that a run takes up on the Ray cluster, and threads that it computes with [default: 1 for each of
    --devices]."""
    gpus_per_run: float | None = None
    """GPUs that a run takes up on the Ray cluster; 0.25 puts four runs on one GPU [default: 1 for each of
    --devices where the cluster has GPUs, else 0]."""

    def __post_init__(self) -> None:
        if self.executor not in ("here", "ray"):
            raise LossmithError(f"executor must be here or ray, not {self.executor!r}")
        for name in ("cpus_per_run", "gpus_per_run"):
            value = getattr(self, name)
            if value is None:
                continue
            if self.executor != "ray":
                raise LossmithError(f"{name} is for a Ray cluster; add executor ray")
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
                raise LossmithError(f"{name} must be a number, 0 or more, not {value!r}")
            if name == "cpus_per_run" and value == 0:
                raise LossmithError("cpus_per_run must be above 0")
            if value > 1 and value != int(value):
                raise LossmithError(f"{name} must be whole where it is above 1, not {value}")

    def made(self, devices: int) -> Executor:
        """The executor of runs on that many devices each.

        Raises LossmithError when this process has not that many, and when Ray is wanted and not installed.
        """
        if self.executor == "here":
            check_devices(devices)
            return Here()
        from lossmith.studies.on_ray import OnRay

        return OnRay(devices, self.cpus_per_run, self.gpus_per_run)

"""The options that say where jobs are carried out."""

import math
from dataclasses import dataclass
from typing import Literal

from lossmith.commands.executors.base import Executor, LocalExecutor
from lossmith.core.devices import check_devices
from lossmith.core.errors import LossmithError


@dataclass(frozen=True, kw_only=True)
class Execution:
    """Where the runs of a tournament or a study are carried out."""

    executor: Literal["local", "ray"] = "local"
    """Where runs are carried out: local, one after the other; or ray, as many at once as a Ray cluster has room
    for (pip install "lossmith[ray]"): that of RAY_ADDRESS, or the one this machine belongs to, or this machine."""
    cpus_per_run: float | None = None
    """Cores that a run reserves on the Ray cluster, and threads that it uses [default: 1 for each device
    of a run]."""
    gpus_per_run: float | None = None
    """GPUs that a run reserves on the Ray cluster; 0.25 puts four runs on one GPU [default: 1 for each
    device of a run where the cluster has GPUs, otherwise 0]."""

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

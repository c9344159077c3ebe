"""The runs of a tournament, spread over a Ray cluster."""

import logging
import os
import tarfile
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import torch
from torch import Tensor

from lossmith.commands.compare.job import Job, RunResult
from lossmith.core.errors import LossmithError
from lossmith.core.progress import ProgressBar
from lossmith.core.signals import StopFlag
from lossmith.data import PreparedData
from lossmith.losses import Loss

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ModuleNotFoundError as error:
    raise LossmithError('a Ray cluster needs Ray, which comes with: pip install "lossmith[ray]"') from error

RETRIES = 3
"""How often a run is taken up again after its worker died."""
POLL_INTERVAL_S = 0.5
"""Seconds between two looks whether this process was told to stop."""
STOP_TIMEOUT_S = 60.0
"""Seconds that runs which are told to stop have to save their state."""


@dataclass(frozen=True)
class RayExecutor:
    """As many runs at once as the cluster has room for.

    A run computes with as many threads as it takes up cores, and gives, to the last bit, what it gives in any
    process with so many. When its worker dies, it is taken up again by whichever is free.
    """

    devices: int
    cpus_per_run: float | None
    gpus_per_run: float | None

    def run_jobs(
        self, jobs: Sequence[Job], losses: Mapping[str, Loss], data: PreparedData
    ) -> Generator[RunResult]:
        to_do = []
        for job in jobs:
            if entry := job.load_result():  # it lies here, and perhaps here alone
                yield entry
            else:
                to_do.append(job)
        if to_do:
            stop = StopFlag()  # noted, since Ray takes no exception of another kind from within
            with _connected(), stop.deferred():
                yield from self._spread(to_do, losses, data, stop)

    def _spread(
        self, jobs: Sequence[Job], losses: Mapping[str, Loss], prepared: PreparedData, stop: StopFlag
    ) -> Generator[RunResult]:
        task, images = self._task(), _put_images(prepared)
        criteria = {name: ray.put(criterion) for name, criterion in losses.items()}
        with _shared_folder_marker(jobs) as mark, ProgressBar("tournament") as bar:

            def submit(job: Job) -> Any:
                return task.remote(replace(job, folder=job.folder.absolute()), criteria[job.loss], images, mark)

            running = {submit(job): job for job in jobs}
            deaths = dict.fromkeys(jobs, 0)
            try:
                while running:
                    stop.raise_if_set()
                    ended, _ = ray.wait(list(running), timeout=POLL_INTERVAL_S)
                    if not ended:
                        continue
                    job = running.pop(done := ended[0])
                    try:
                        entry, files = ray.get(done)
                    except RayTaskError as error:  # it is the run that failed
                        raise error.cause from error
                    except RayError as error:  # and here its worker
                        deaths[job] += 1
                        if deaths[job] <= RETRIES:
                            running[submit(job)] = job
                            continue
                        entry, files = _given_up(job, error), None
                    if files:
                        unpack(files, job.folder)
                    count = len(jobs) - len(running)
                    bar.show("tournament", count / len(jobs), f"{count} of {len(jobs)} runs")
                    yield replace(entry, folder=job.folder)
            finally:
                _stop(list(running))

    def _task(self) -> Any:
        gpus = self.gpus_per_run
        if gpus is None:
            gpus = self.devices if ray.cluster_resources().get("GPU") else 0  # type: ignore[no-untyped-call]
        # its own retries would not take up what was stopped by a signal
        return ray.remote(num_cpus=self.cpus_per_run or self.devices, num_gpus=gpus, max_retries=0)(run_job)


def run_job(job: Job, criterion: Loss, prepared: PreparedData, mark: Path) -> tuple[RunResult, bytes | None]:
    """What a worker does: the outcome, and the run's files where the tournament's folder is not seen from here."""
    cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)  # type: ignore[no-untyped-call]
    torch.set_num_threads(max(1, int(cores)))
    if mark.exists():
        return job.run(criterion, prepared), None
    with TemporaryDirectory() as place:
        folder = Path(place) / "run"
        return replace(job, folder=folder).run(criterion, prepared), pack(folder)


def pack(folder: Path) -> bytes:
    """The files of a run, but for those that it would go on from."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and name.parts[0] != "checkpoints":
                tar.add(path, name)
    return archive.getvalue()


def unpack(files: bytes, folder: Path) -> None:
    """Put the files of a run into its folder. That it is finished is said last, as a run does."""
    with tarfile.open(fileobj=BytesIO(files)) as tar:
        for member in sorted(tar, key=lambda each: each.name == "summary.json"):
            tar.extract(member, folder, filter="data")


def _stop(running: list[Any]) -> None:
    """Let the runs save their state and end; what waits for its turn never begins."""
    for each in running:
        ray.cancel(each)
    if running:
        ray.wait(running, num_returns=len(running), timeout=STOP_TIMEOUT_S)


def _given_up(job: Job, error: RayError) -> RunResult:
    reason = " ".join(str(error).split())
    return job.failed(f"its worker died {RETRIES + 1} times: {reason}")


@contextmanager
def _shared_folder_marker(jobs: Sequence[Job]) -> Iterator[Path]:
    """A file beside the runs; who sees it sees the folder of the tournament."""
    beside = Path(os.path.commonpath([job.folder.absolute() for job in jobs]))
    beside.mkdir(parents=True, exist_ok=True)
    mark = beside / f".{uuid4().hex}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


@contextmanager
def _connected() -> Iterator[None]:
    """Connected to a cluster: as this program is already, or as Ray finds one, or to a new one on this machine."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RayError) as error:
        raise LossmithError(f"no Ray cluster answers: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _put_images(prepared: PreparedData) -> Any:
    """The images: once in the memory of every machine, however many of its runs read them."""
    ray.util.register_serializer(Tensor, serializer=Tensor.numpy, deserializer=_tensor)
    try:
        return ray.put(prepared)
    finally:
        ray.util.deregister_serializer(Tensor)


def _tensor(array: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that nobody may write into it; nobody does
        return torch.from_numpy(array)

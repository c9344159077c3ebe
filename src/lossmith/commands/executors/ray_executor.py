"""The Ray executor: carries out jobs, such as the runs of a tournament, on a Ray cluster."""

import logging
import os
import tarfile
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar
from uuid import uuid4

import torch
from torch import Tensor, nn

from lossmith.commands.executors.base import Job
from lossmith.core.errors import LossmithError
from lossmith.core.progress import ProgressBar
from lossmith.core.signals import StopFlag

try:
    import ray
    from ray.exceptions import RayError, RayTaskError
except ModuleNotFoundError as error:
    raise LossmithError('a Ray cluster needs Ray, which comes with: pip install "lossmith[ray]"') from error

R = TypeVar("R")

RETRIES = 3
"""How often a job is resubmitted after its worker died."""
POLL_INTERVAL_S = 0.5
"""Seconds between two checks for a stop signal."""
STOP_TIMEOUT_S = 60.0
"""Seconds that cancelled jobs have to save their state."""


@dataclass(frozen=True)
class RayExecutor:
    """Carries out as many jobs at once as the cluster has room for.

    A job uses as many threads as it reserves cores, and its result is the same, to the last bit, as in any process
    with as many threads. A job whose worker dies is resubmitted and resumes from its checkpoint.
    """

    devices: int
    cpus_per_run: float | None
    gpus_per_run: float | None

    def connection(self) -> AbstractContextManager[None]:
        return _connected()

    def capacity(self) -> int:
        present = ray.cluster_resources()  # type: ignore[no-untyped-call]
        needed = {"CPU": self._cpus, "GPU": self._gpus}
        return max(1, min(int(present.get(name, 0) / number) for name, number in needed.items() if number))

    def run_jobs(
        self, jobs: Sequence[Job[R]], shared: Mapping[str, Any], title: Callable[[Job[R]], str] | None = None
    ) -> Generator[R]:
        unfinished = []
        for job in jobs:
            if result := job.load_result():  # workers may not see this folder
                yield result
            else:
                unfinished.append(job)
        if unfinished:
            stop = StopFlag()  # deferred, since Ray does not pass on exceptions raised by a signal handler
            with _connected(), stop.deferred():
                yield from self._submit_all(unfinished, shared, stop)

    def _submit_all(self, jobs: Sequence[Job[R]], shared: Mapping[str, Any], stop: StopFlag) -> Generator[R]:
        task = self._task()
        needed = dict.fromkeys(key for job in jobs for key in job.inputs)
        stored = {key: _put(shared[key]) for key in needed}
        with _shared_folder_marker(jobs) as marker, ProgressBar("runs") as bar:

            def submit(job: Job[R]) -> Any:
                return task.remote(_moved(job, job.folder.absolute()), marker, *map(stored.get, job.inputs))

            running = {submit(job): job for job in jobs}
            bar.count(0, len(jobs))
            deaths = {job.folder: 0 for job in jobs}
            try:
                while running:
                    stop.raise_if_set()
                    finished, _ = ray.wait(list(running), timeout=POLL_INTERVAL_S)
                    if not finished:
                        continue
                    job = running.pop(finished[0])
                    try:
                        result, files = ray.get(finished[0])
                    except RayTaskError as error:  # the job raised
                        raise error.cause from error
                    except RayError as error:  # the worker died
                        deaths[job.folder] += 1
                        if deaths[job.folder] <= RETRIES:
                            running[submit(job)] = job
                            continue
                        result, files = _worker_failure(job, error), None
                    if files:
                        unpack(files, job.folder)
                    bar.count(len(jobs) - len(running), len(jobs))
                    yield _moved(result, job.folder)
            finally:
                _stop(list(running))

    @property
    def _cpus(self) -> float:
        return self.cpus_per_run or self.devices

    @property
    def _gpus(self) -> float:
        if self.gpus_per_run is not None:
            return self.gpus_per_run
        return self.devices if ray.cluster_resources().get("GPU") else 0  # type: ignore[no-untyped-call]

    def _task(self) -> Any:
        # Ray's own retries do not cover tasks that a signal stopped
        return ray.remote(num_cpus=self._cpus, num_gpus=self._gpus, max_retries=0)(run_job)


def run_job(job: Job[R], marker: Path, *inputs: Any) -> tuple[R, bytes | None]:
    """Carry out a job in a worker: its result, and its files as a tar where `marker` shows no shared folder."""
    cores = ray.get_runtime_context().get_assigned_resources().get("CPU", 1)  # type: ignore[no-untyped-call]
    torch.set_num_threads(max(1, int(cores)))
    if marker.exists():
        return job.run(*inputs), None
    with TemporaryDirectory() as temporary:
        folder = Path(temporary) / "run"
        return _moved(job, folder).run(*inputs), pack(folder)


def _moved(instance: Any, folder: Path) -> Any:
    """A job or a result, with another folder."""
    return replace(instance, folder=folder)


def pack(folder: Path) -> bytes:
    """The files of a job, without its checkpoints, as a tar."""
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder)
            if path.is_file() and path.suffix != ".ckpt" and "checkpoints" not in name.parts:
                tar.add(path, name)
    return archive.getvalue()


def unpack(files: bytes, folder: Path) -> None:
    """Unpack the files of a job into its folder; the summary, which marks it as finished, is the last."""
    with tarfile.open(fileobj=BytesIO(files)) as tar:
        # the first patch releases of Python 3.11 have no filters
        tar.extraction_filter = getattr(tarfile, "data_filter", None)
        for member in sorted(tar, key=lambda member: member.name == "summary.json"):
            tar.extract(member, folder)


def _stop(running: list[Any]) -> None:
    """Cancel all jobs; those that have begun save their state."""
    for task in running:
        ray.cancel(task)
    if running:
        ray.wait(running, num_returns=len(running), timeout=STOP_TIMEOUT_S)


def _worker_failure(job: Job[R], error: RayError) -> R:
    reason = " ".join(str(error).split())
    return job.failed(f"its worker died {RETRIES + 1} times: {reason}")


@contextmanager
def _shared_folder_marker(jobs: Sequence[Job[Any]]) -> Iterator[Path]:
    """A temporary file beside the jobs' folders; a worker that sees it shares them."""
    parent = Path(os.path.commonpath([job.folder.absolute() for job in jobs]))
    parent.mkdir(parents=True, exist_ok=True)
    marker = parent / f".{uuid4().hex}"
    marker.touch()
    try:
        yield marker
    finally:
        marker.unlink(missing_ok=True)


@contextmanager
def _connected() -> Iterator[None]:
    """Connect to a cluster: the one in use already, one that Ray finds, or a new one on this machine."""
    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no telemetry
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RayError) as error:
        raise LossmithError(f"no Ray cluster answers: {error}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _put(value: Any) -> Any:
    """Put an object into Ray's object store: once per machine, its tensors shared by all jobs on it.

    Modules, which may change their tensors, are copied for every job.
    """
    if isinstance(value, nn.Module):
        return ray.put(value)
    ray.util.register_serializer(Tensor, serializer=Tensor.numpy, deserializer=_tensor)
    try:
        return ray.put(value)
    finally:
        ray.util.deregister_serializer(Tensor)


def _tensor(array: Any) -> Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the array is read-only, and nothing writes into the tensor
        return torch.from_numpy(array)

"""The check of training in several processes: DistributedDataParallel on two, with a tiny network."""

import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from lossmith.soundness.asking import Finding, NotRun, example, little_input, make_check, steady_value
from lossmith.soundness.check import Criterion, Subject
from lossmith.soundness.examine import in_words

PROCESSES = 2
STEPS = 2
"""Steps of each process, since what a loss keeps from the first may be wrong in the second."""
TIMEOUT_S = 120
"""Seconds until processes that wait for one another are ended."""
TOLERANCE = 1e-2
"""Of the gradient's norm."""
CANNOT_BE_READ = "cannot-be-read"
"""The file in which the processes say why they cannot make the loss."""


class TinyNetwork(nn.Module):
    """A residual that adds a filtered picture, within [0, 1], whose weights are the same in every process."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.filter = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        with torch.no_grad():
            self.filter.weight.copy_(
                torch.linspace(-0.1, 0.1, self.filter.weight.numel()).view_as(self.filter.weight)
            )

    def forward(self, x: Tensor) -> Tensor:
        return x.add(self.filter(x)).clamp(0, 1)


def gradients(criterion: Criterion, network: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """The gradients of the network's weights for a batch, in each of `STEPS` steps: (STEPS, weights)."""
    rows = []
    for _ in range(STEPS):
        network.zero_grad()
        torch.autograd.backward(criterion(network(x), y).sum())
        rows.append(
            torch.cat([weight.grad.flatten() for weight in network.parameters() if weight.grad is not None])
        )
    return torch.stack(rows).double()


def _agrees_between_processes(subject: Subject) -> Finding:
    """Whether the mean of the gradients of two halves is that of the whole batch."""
    if not torch.distributed.is_available() or not torch.distributed.is_gloo_available():
        raise NotRun("this PyTorch has no gloo, by which processes on the CPU talk")
    if not sys.executable:
        raise NotRun("this Python does not know how to start another")
    shown = little_input(subject)
    x, y = shown.pair()
    criterion = subject.make()
    steady_value(criterion, x, y)
    expected = gradients(criterion, TinyNetwork(x.shape[1]), x, y)
    every = distributed_gradients(subject.make(), x, y)
    distances = [float((actual - expected).norm() / expected.norm().clamp(min=1e-30)) for actual in every]
    if max(distances) <= TOLERANCE:
        return Finding("two processes get the gradient of the whole batch")
    statements = (
        "from lossmith.soundness.ddp import TinyNetwork, distributed_gradients, gradients; "
        "print(gradients(criterion, TinyNetwork(x.shape[1]), x, y).norm().item(), "
        "[g.norm().item() for g in distributed_gradients(criterion, x, y)])"
    )
    return Finding(
        f"the gradient of two processes is off by {max(distances):.2g} of the norm of that of the whole batch",
        faults=1,
        examples=(example(subject, shown, statements),),
    )


def distributed_gradients(criterion: Criterion, x: Tensor, y: Tensor) -> list[Tensor]:
    """`gradients` of a tiny network, one for each of two processes that have half of the batch each.

    Raises NotRun for a loss that cannot be sent to another process, or where processes cannot meet, and
    RuntimeError with what the loss raised in one.
    """
    try:
        payload = pickle.dumps((criterion, x, y))
    except Exception as error:  # whatever an object may raise
        raise NotRun(f"it cannot be sent to another process: {in_words(error)}") from None
    with TemporaryDirectory(prefix="lossmith-") as name:
        folder = Path(name)
        (folder / "payload").write_bytes(payload)
        with _processes(folder) as processes:
            try:
                output = processes.communicate(timeout=TIMEOUT_S)[0]
            except subprocess.TimeoutExpired:
                raise RuntimeError(f"the processes did not end within {TIMEOUT_S} seconds") from None
        if (folder / CANNOT_BE_READ).exists():
            reason = (folder / CANNOT_BE_READ).read_text(encoding="utf-8")
            raise NotRun(f"it cannot be sent to another process: {reason}")
        # where one fails, the other fails because of it, later
        failures = [file for rank in range(PROCESSES) if (file := failure(folder, rank)).exists()]
        if failures:
            first = min(failures, key=lambda file: file.stat().st_mtime_ns)
            raise RuntimeError(f"in one of two processes: {first.read_text(encoding='utf-8')}")
        if not all((folder / str(rank)).exists() for rank in range(PROCESSES)):
            raise NotRun(f"the processes ended before the loss was called: {' '.join(output.split())[-200:]}")
        return [torch.load(folder / str(rank), weights_only=True) for rank in range(PROCESSES)]


def failure(folder: Path, rank: int) -> Path:
    """The file in which a process says why it failed."""
    return folder / f"failure-{rank}"


@contextmanager
def _processes(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """The process that starts the others, none of which outlives the block.

    It is started by a command and not by `multiprocessing`, which would run the user's script again.
    """
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }
    with subprocess.Popen(
        [sys.executable, "-m", "lossmith.soundness.ddp_process", str(folder)],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,  # so that they can be ended together
    ) as process:
        try:
            yield process
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    """Kill a process and those that it started."""
    with suppress(ProcessLookupError, PermissionError):  # nothing is left of them
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


CHECKS = (
    make_check(
        "several processes",
        "tools",
        "batch mean",
        "Do two processes with DistributedDataParallel get the gradient of the whole batch?",
        _agrees_between_processes,
        "from lossmith.soundness.ddp import distributed_gradients; print(distributed_gradients(criterion, x, y))",
    ),
)
"""In the order of the page."""

__all__ = ["CHECKS", "TinyNetwork", "distributed_gradients", "gradients"]

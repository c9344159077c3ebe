"""The training loop of the benchmarks that train no restorer: resumable, and the same every time on a CPU."""

import json
import math
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lossmith.core.errors import Diverged
from lossmith.core.files import write_text
from lossmith.core.progress import ProgressBar
from lossmith.core.signals import StopFlag
from lossmith.core.state_file import CheckpointFile
from lossmith.core.timer import Timer
from lossmith.training import RunFolder

SAVE_EVERY_S = 30.0
"""Seconds between two checkpoints."""
COST_FILE = "cost.json"
"""Beside the checkpoint of a finished training."""
CHECKPOINT_FORMAT = "lossmith study 1"


def fit(
    network: nn.Module,
    objective: Callable[[int], Tensor],
    steps: int,
    checkpoint: Path,
    title: str,
    learning_rate: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    schedule: Callable[[float], float] = lambda progress: 1.0,
) -> float:
    """Train with Adam, from the checkpoint if there is one; returns milliseconds per step.

    Parameters
    ----------
    network
        What is trained, on its device; its buffers are saved with its weights.
    objective
        The loss of a step by its number from 0, a scalar. What it draws at random it draws by that number, see
        `batches`, so that a resumed training is the same as one that was never stopped.
    steps
        How many.
    checkpoint
        The file in which a stopped training is kept; also when finished, so that another call returns at once.
    title
        Of the progress bar.
    schedule
        The factor of the learning rate by the progress, 0 to 1.

    Raises
    ------
    Diverged
        When the loss is not finite.
    Interrupted
        A KeyboardInterrupt, after Ctrl-C or SIGTERM; the state is saved.
    """
    file = CheckpointFile(checkpoint, CHECKPOINT_FORMAT, "begin this training again")
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, betas=betas)
    parts: dict[str, nn.Module | torch.optim.Optimizer] = {"network": network, "optimizer": optimizer}
    step, seconds = 0, 0.0
    if (state := file.load()) is not None:
        step, seconds = state["step"], state["seconds"]
        for name, part in parts.items():
            part.load_state_dict(state[name])
    timer, stop = Timer(seconds), StopFlag()

    def save() -> None:
        states = {name: part.state_dict() for name, part in parts.items()}
        file.save({"step": step, "seconds": timer.elapsed, **states})

    network.train()
    with stop.deferred(), torch.enable_grad(), ProgressBar(title) as bar:
        saved_at, resumed_at = time.monotonic(), step
        timer.start()
        while step < steps:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate * schedule(step / steps)
            optimizer.zero_grad()
            loss = objective(step)
            if not math.isfinite(value := loss.item()):
                raise Diverged(f"the loss is {value} at step {step + 1} of {steps}")
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            step += 1
            bar.update(step / steps, partial("loss {:.4g}".format, value))
            if stop.signal_number is not None or time.monotonic() - saved_at > SAVE_EVERY_S:
                save()
                saved_at = time.monotonic()
                stop.raise_if_set()
        timer.stop()
        if step > resumed_at:
            save()
    network.eval()
    milliseconds = 1000 * timer.elapsed / steps
    write_text(checkpoint.with_name(COST_FILE), json.dumps({"milliseconds_per_step": milliseconds}) + "\n")
    return milliseconds


def milliseconds_per_step(folder: Path) -> float:
    """What a step of the trainings in a folder took, by `fit` or of a restorer; nan where there are none."""
    costs = [json.loads(path.read_text())["milliseconds_per_step"] for path in sorted(folder.rglob(COST_FILE))]
    runs = [RunFolder(path.parent).load_summary() for path in sorted(folder.rglob("model.safetensors"))]
    costs += [summary.milliseconds_per_step for summary in runs if summary]
    return max(costs, default=math.nan)


def batches(count: int, size: int, seed: int) -> Callable[[int], NDArray[np.int64]]:
    """Which of `count` items are in the batch of a step: epoch after epoch, each in an order of its own.

    >>> batch = batches(10, 4, seed=0)
    >>> sorted(np.concatenate([batch(0), batch(1), batch(2)[:2]]).tolist()) == list(range(10))
    True
    """

    @lru_cache(maxsize=2)
    def order(epoch: int) -> NDArray[np.int64]:
        return np.random.default_rng((seed, epoch)).permutation(count)

    def batch(step: int) -> NDArray[np.int64]:
        positions = range(step * size, (step + 1) * size)
        return np.array([order(position // count)[position % count] for position in positions])

    return batch


__all__ = ["batches", "fit", "milliseconds_per_step"]

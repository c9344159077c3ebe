"""The scores of many images, in parallel on the CPU."""

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.evaluation.protocol import Protocol
from lossmith.evaluation.results import Row
from lossmith.evaluation.scoring import score_row
from lossmith.evaluation.views import Targets


@dataclass(frozen=True)
class Restored:
    """An image to score, as one method restored it."""

    image: str
    method: str
    pair: tuple[Tensor, Tensor] | Callable[[], tuple[Tensor, Tensor]]
    """Prediction and target, both (C, H, W) floats on the scale of the range, or what reads them in their turn."""
    seed: int = 0


def score_images(
    items: Iterable[Restored],
    protocol: Protocol,
    metrics: Iterable[str] | None = None,
    *,
    progress: Callable[[int], object] | None = None,
    on_error: Callable[[str], object] | None = None,
    targets: Targets | None = None,
) -> list[Row]:
    """The rows of many images, in their order and exactly as `score` gives them, computed on all cores.

    Few images are in memory at a time, so `items` may be a generator that restores them.

    Parameters
    ----------
    items
        What to score.
    protocol
        Color, border and format of the pixels.
    metrics
        Names of metrics; those of `default_metrics` for the format if None.
    progress
        Called with the number of images that are done, whenever one is.
    on_error
        Called with the sentence of an image that cannot be read or scored, which then has no row; without it the
        first such sentence is raised.
    targets
        Keeps what metrics see in targets, if more images will be compared with the same ones after this call.

    Raises
    ------
    LossmithError
        For unknown names, missing weights and, without `on_error`, images that cannot be read or scored.
    """
    names, targets = None if metrics is None else list(metrics), targets or Targets()
    workers = cores()
    rows: list[Row] = []
    waiting: deque[Future[Row]] = deque()
    finished = 0

    def collect() -> None:
        nonlocal finished
        try:
            rows.append(waiting.popleft().result())
        except LossmithError as error:
            if on_error is None:
                raise
            on_error(str(error))
        finished += 1
        if progress:
            progress(finished)

    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, "scoring", initializer=torch.set_num_threads, initargs=(1,))
    try:
        for item in items:
            waiting.append(pool.submit(_row, item, protocol, names, targets))
            if len(waiting) > 2 * workers:
                collect()
        while waiting:
            collect()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)  # a new thread of PyTorch takes the number that was set last
    return rows


def _row(item: Restored, protocol: Protocol, metrics: list[str] | None, targets: Targets) -> Row:
    prediction, target = item.pair() if callable(item.pair) else item.pair
    return score_row(item.image, item.method, prediction, target, protocol, metrics, item.seed, targets)


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


__all__ = ["Restored", "cores", "score_images"]

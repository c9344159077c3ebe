"""The endless stream of training batches, which can start at any batch."""

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lossmith.core.errors import LossmithError
from lossmith.core.signals import SIGNALS
from lossmith.data.patches import PatchDataset

T = TypeVar("T")
Batch = tuple[Tensor, Tensor]
"""(degraded, clean), each (N, 3, H, W)."""

Shard = tuple[int, int]
"""(index, number of shards): (0, 1) for whole batches, (1, 2) for the second half of every batch, and so on."""
NO_SHARDING: Shard = (0, 1)


class BatchDataset(IterableDataset[Batch | LossmithError]):
    """Endless batches of patches: batch k holds patches k * size to (k + 1) * size - 1, whichever worker makes it.

    A LossmithError ends the stream as its last item: raised in a worker, its message would be the worker's
    traceback.

    Parameters
    ----------
    patches
        The patches.
    size
        Patches per batch, a multiple of the number of shards.
    start
        The number of the first batch; a resumed run starts at its next one.
    shard
        The part of every batch to make.
    """

    def __init__(self, patches: PatchDataset, size: int, start: int, shard: Shard = NO_SHARDING) -> None:
        self.patches, self.size, self.start = patches, size, start
        index, shards = shard
        self.count = size // shards
        self.offset = index * self.count

    def __iter__(self) -> Iterator[Batch | LossmithError]:
        worker = get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        try:
            for k in count(self.start + first, stride):
                yield self.patches.batch(k * self.size + self.offset, self.count)
        except LossmithError as error:
            yield error


def batches(patches: PatchDataset, size: int, start: int, shard: Shard = NO_SHARDING) -> Iterator[Batch]:
    """Endless batches from number `start` on. Raises LossmithError if one cannot be made."""
    for batch in make_loader(patches, size, start, shard):
        if isinstance(batch, LossmithError):
            raise batch
        yield batch


def make_loader(
    patches: PatchDataset, size: int, start: int, shard: Shard = NO_SHARDING, workers: int | None = None
) -> Iterable[Batch | LossmithError]:
    """Endless batches from number `start` on, made by `workers` processes.

    By default up to eight workers feed a CUDA device. On a CPU the training process makes them itself, which takes
    next to no time; if images are on the disk, a thread prefetches one batch.
    """
    cuda = torch.cuda.is_available()
    if workers is None:
        workers = min(8, (os.cpu_count() or 1) // shard[1]) if cuda else 0
    stream = BatchDataset(patches, size, start, shard)
    if not workers:
        return prefetch(stream) if patches.on_disk else stream
    return DataLoader(
        stream,
        batch_size=None,
        num_workers=workers,
        pin_memory=cuda,  # for asynchronous copies to the device
        worker_init_fn=_leave_signals_to_the_trainer,
        generator=torch.Generator(),  # or it would draw from the global one, which a resumed run restores
    )


def prefetch(stream: Iterable[T]) -> Iterator[T]:
    """The same items, each made by a thread while the previous one is in use."""
    items = iter(stream)
    with ThreadPoolExecutor(1) as pool:
        upcoming = pool.submit(next, items, None)
        while (item := upcoming.result()) is not None:
            upcoming = pool.submit(next, items, None)
            yield item


def _leave_signals_to_the_trainer(_: int) -> None:
    """Ignore Ctrl-C and the signals of clusters, which reach workers too: the current step still needs them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)

"""The endless stream of training batches, which can start anywhere."""

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
"""(degraded, clean)"""


Shard = tuple[int, int]
"""(0, 1) for all of every batch, (1, 2) for the second half of it, and so on."""
NO_SHARDING: Shard = (0, 1)


class BatchDataset(IterableDataset[Batch | LossmithError]):
    """Batch k holds patches k * size to (k + 1) * size - 1, whoever makes it: resuming is starting at k.

    Of every batch, `shard` is made; `size` is a multiple of the number of shares.

    What cannot be made ends the stream with the error as its last item; raised in a worker, it would arrive with
    the worker's traceback for a message.
    """

    def __init__(self, patches: PatchDataset, size: int, start: int, shard: Shard = NO_SHARDING) -> None:
        self.patches, self.size, self.start = patches, size, start
        which, shares = shard
        self.count = size // shares
        self.skipped = which * self.count

    def __iter__(self) -> Iterator[Batch | LossmithError]:
        worker = get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        try:
            for k in count(self.start + first, stride):
                yield self.patches.batch(k * self.size + self.skipped, self.count)
        except LossmithError as error:
            yield error


def batches(patches: PatchDataset, size: int, start: int, shard: Shard = NO_SHARDING) -> Iterator[Batch]:
    """Batches from number `start` on, without end. Raises what kept one from being made."""
    for batch in make_loader(patches, size, start, shard):
        if isinstance(batch, LossmithError):
            raise batch
        yield batch


def make_loader(
    patches: PatchDataset, size: int, start: int, shard: Shard = NO_SHARDING, workers: int | None = None
) -> Iterable[Batch | LossmithError]:
    """Batches from number `start` on, cut by `workers` processes.

    By default up to eight feed a CUDA device; on a CPU the training process cuts them itself, in next to no time,
    one batch ahead where images lie on a disk.
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
        pin_memory=cuda,  # to be copied without waiting
        worker_init_fn=_leave_signals_to_the_trainer,
        generator=torch.Generator(),  # its own, or it draws from the global one, which a resume restores
    )


def prefetch(stream: Iterable[T]) -> Iterator[T]:
    """The same, each made by a thread while the one before is at work: a disk may let one wait."""
    coming = iter(stream)
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, coming, None)
        while (item := following.result()) is not None:
            following = pool.submit(next, coming, None)
            yield item


def _leave_signals_to_the_trainer(_: int) -> None:
    """Ctrl-C and a cluster's signals reach workers too, but the step under way still needs them."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)

"""The endless stream of training batches, which can start anywhere."""

import signal
from collections.abc import Iterator
from itertools import count

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from lossmith.images.patches import Patches


class BatchStream(IterableDataset[tuple[Tensor, Tensor]]):
    """Batch k holds patches k * size to (k + 1) * size - 1, whoever makes it: resuming is starting at k."""

    def __init__(self, patches: Patches, size: int, start: int) -> None:
        self.patches, self.size, self.start = patches, size, start

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        first, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        for k in count(self.start + first, stride):
            yield self.patches.batch(k * self.size, self.size)


def _leave_interrupts_to_the_trainer(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches workers too, and the step under way needs them


def loader(patches: Patches, size: int, start: int) -> DataLoader[tuple[Tensor, Tensor]]:
    """Batches from number `start` on. On a CPU they are cut in the training process, which takes no time."""
    cuda = torch.cuda.is_available()
    return DataLoader(
        BatchStream(patches, size, start),
        batch_size=None,
        num_workers=4 if cuda else 0,
        pin_memory=cuda,
        worker_init_fn=_leave_interrupts_to_the_trainer,
        generator=torch.Generator(),  # its own, or it draws from the global one, which a resume restores
    )

"""The processes of the check of training in several: each has its part of the batch, by DistributedDataParallel.

    python -m lossmith.soundness.ddp_process FOLDER

The loss and the batch are in FOLDER/payload, pickled. Each process writes its gradients there, or why not.
"""

import multiprocessing
import os
import pickle
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed
from torch.nn.parallel import DistributedDataParallel

from lossmith.soundness.check import Criterion
from lossmith.soundness.ddp import CANNOT_BE_READ, PROCESSES, TIMEOUT_S, TinyNetwork, failure, gradients
from lossmith.soundness.examine import in_words

LOOPBACK = {"linux": "lo", "darwin": "lo0"}
"""The network interface that reaches no other machine, by system."""


def main(folder: Path) -> None:
    """Start the processes, and wait for them."""
    torch.set_num_threads(1)
    try:
        criterion, x, y = pickle.loads((folder / "payload").read_bytes())
    except Exception as error:  # whatever an object may raise
        (folder / CANNOT_BE_READ).write_text(in_words(error), encoding="utf-8")
        return
    import_module("torch._dynamo")  # DistributedDataParallel does, which takes half of the time; once is enough
    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    processes = [context.Process(target=train, args=(folder, rank, criterion, x, y)) for rank in range(PROCESSES)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def train(folder: Path, rank: int, criterion: Criterion, x: Tensor, y: Tensor) -> None:
    """What one of the processes does with its part of the batch."""
    if sys.platform in LOOPBACK:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK[sys.platform])
    distributed.init_process_group(
        "gloo",
        init_method=(folder / "meeting").as_uri(),
        rank=rank,
        world_size=PROCESSES,
        timeout=timedelta(seconds=TIMEOUT_S),
    )
    network = DistributedDataParallel(TinyNetwork(x.shape[1]))
    try:
        part = gradients(criterion, network, x.chunk(PROCESSES)[rank], y.chunk(PROCESSES)[rank])
    except Exception as error:  # whatever a loss may raise
        failure(folder, rank).write_text(in_words(error), encoding="utf-8")
        os._exit(1)  # without a farewell to the other, which waits for this one
    torch.save(part, folder / str(rank))
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))

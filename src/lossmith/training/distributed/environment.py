"""Fabric set-up: device, precision, DDP environment."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import distributed

from lossmith.core.devices import best_device, resolve_precision
from lossmith.training.fabric import (
    ClusterEnvironment,
    DDPStrategy,
    Fabric,
    MixedPrecision,
    Precision,
    find_free_network_port,
)
from lossmith.training.recipe import Recipe


@dataclass(frozen=True)
class ProcessEnvironment(ClusterEnvironment):
    """Lightning's cluster environment for one of the processes that train a run on this machine.

    Without it Lightning would use what it finds in the environment, such as Slurm's variables, or start processes
    by running this program again from its first line.
    """

    rank: int
    num_processes: int
    port: int

    creates_processes_externally = True
    main_address = "127.0.0.1"

    @property
    def main_port(self) -> int:
        return self.port

    def world_size(self) -> int:
        return self.num_processes

    def global_rank(self) -> int:
        return self.rank

    def local_rank(self) -> int:
        return self.rank

    def node_rank(self) -> int:
        return 0

    def set_world_size(self, size: int) -> None: ...

    def set_global_rank(self, rank: int) -> None: ...

    @staticmethod
    def detect() -> bool:
        return False


def environments(processes: int) -> list[ProcessEnvironment]:
    """The environments of all processes, by rank."""
    port = find_free_network_port()
    return [ProcessEnvironment(rank, processes, port) for rank in range(processes)]


def single_process_fabric(recipe: Recipe) -> Fabric:
    """The Fabric of a process that trains alone, on the current device."""
    cuda = torch.cuda.is_available()
    return Fabric(
        accelerator=best_device().type,
        devices=[torch.cuda.current_device()] if cuda else 1,
        plugins=[ProcessEnvironment(0, 1, 0), _precision(recipe)],
    )


@contextmanager
def ddp_fabric(recipe: Recipe, environment: ProcessEnvironment, threads: int) -> Iterator[Fabric]:
    """The Fabric of one of several processes, on its own device; they are connected within the block.

    On a CPU the processes share the cores, `threads` each.
    """
    # no broadcast: `sync_batch_norm` keeps the buffers of batch normalization equal
    strategy = DDPStrategy(cluster_environment=environment, broadcast_buffers=False)
    fabric = Fabric(
        accelerator=best_device().type,
        devices=environment.num_processes,
        strategy=strategy,
        plugins=[_precision(recipe)],
    )
    names = ("MASTER_ADDR", "MASTER_PORT", "OMP_NUM_THREADS")  # set by Fabric
    saved = {name: os.environ.get(name) for name in names}
    own_threads = torch.get_num_threads()
    try:
        fabric.launch()
        torch.set_num_threads(threads)
        yield fabric
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()
        torch.set_num_threads(own_threads)
        for name, value in saved.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


class Autocast(MixedPrecision):
    """bfloat16 in the layers of a network, which gets its images in full precision.

    Lightning rounds the images to bfloat16, too, by up to half a level of 8 bits; a network that adds them to what
    it computes would then learn from images that it never meets again.
    """

    def __init__(self) -> None:
        super().__init__("bf16-mixed", best_device().type)

    def convert_input(self, data: Any) -> Any:
        return data


def _precision(recipe: Recipe) -> Precision:
    return Autocast() if resolve_precision(recipe.precision) == "bfloat16" else Precision()

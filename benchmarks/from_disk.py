"""The cost of a training step with the decoded images on a disk, beside images in memory.

    python benchmarks/from_disk.py [--images FOLDER] [--degradation "jpeg(10)"] [--steps 200] [--cold]

Both train one network on the same patches in one process and take turns every 20 steps, so that changes in the
machine's speed affect both. A check compares their final weights bit for bit. `--cold` drops the file from the
page cache before every step, the worst case: each patch comes from the disk itself. Prints the medians of all
turns and their ratio.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import torch

from lossmith.core.devices import synchronize
from lossmith.data import PatchDataset, degraded_images, find_images, sample_images
from lossmith.data.disk_cache import DiskCache
from lossmith.data.loader import batches
from lossmith.data.storage import IN_MEMORY, Storage
from lossmith.degradations import degradation
from lossmith.losses import loss
from lossmith.networks import network
from lossmith.training import Recipe
from lossmith.training.distributed.environment import single_process_fabric
from lossmith.training.supervised import SupervisedModule

STEPS_PER_TURN = 20


def turns(
    patches: PatchDataset, recipe: Recipe, forget: Callable[[], None]
) -> Iterator[tuple[float, torch.Tensor]]:
    """The seconds per step of every turn, and the weights after it."""
    torch.manual_seed(0)
    module = SupervisedModule(network(recipe.network, patches.images.scale), loss("l1"), recipe)
    module.setup(single_process_fabric(recipe))
    stream = batches(patches, recipe.batch, 0)
    while True:
        start = time.perf_counter()
        for _ in range(STEPS_PER_TURN):
            forget()
            module.training_step(next(stream), 0.0)
        synchronize()
        seconds = (time.perf_counter() - start) / STEPS_PER_TURN
        yield seconds, torch.cat([weights.detach().flatten() for weights in module.restorer.parameters()])


def forget(cache: DiskCache) -> None:
    """Drop the file from the page cache."""
    descriptor = cache._file.fileno()
    os.fdatasync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path)
    parser.add_argument("--degradation", default="jpeg(10)")
    parser.add_argument("--network", default="srresnet_small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--disk", type=Path, default=Path(tempfile.gettempdir()))
    options = parser.parse_args()
    paths = find_images(options.images) if options.images else sample_images("train")
    kind, cache = degradation(options.degradation), DiskCache(options.disk)
    recipe = Recipe(network=options.network, batch=options.batch, patch=options.patch, steps=options.steps)
    memory, disk = (
        turns(PatchDataset(degraded_images(paths, kind, storage=storage), recipe.patch, seed=0), recipe, before)
        for storage, before in (
            (IN_MEMORY, lambda: None),
            (Storage(cache), (lambda: forget(cache)) if options.cold else lambda: None),
        )
    )
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(1 + -(-options.steps // STEPS_PER_TURN)):
        (memory_time, weights), (disk_time, disk_weights) = next(memory), next(disk)
        assert torch.equal(weights, disk_weights)
        if turn:  # the first warms up
            times[0].append(memory_time)
            times[1].append(disk_time)
    medians = [1000 * median(series) for series in times]
    print("| images | in memory, ms per step | on a disk, ms per step | ratio |")
    print("| --- | --- | --- | --- |")
    print(f"| {len(paths)} | {medians[0]:.1f} | {medians[1]:.1f} | {medians[1] / medians[0]:.3f} |")


if __name__ == "__main__":
    main()

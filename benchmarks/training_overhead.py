"""The cost of a training step beyond a bare PyTorch loop with the same network, loss and patches.

    python benchmarks/training_overhead.py [--case demo] [--case zhao] [--rounds 2] [--steps 400]

Both loops train in one process and take turns step by step, so that changes in the machine's speed affect both.
Every round times `--steps` steps of each after a warm-up of ten. Prints the ratio of the medians of all steps, and
the ratio of their sums. A bare step cuts its patches, moves them and trains; lossmith's also contains logging (100
rows of metrics.csv in any run, TensorBoard events, the progress bar), and the sum contains what the timer of a run
leaves out: its 10 validations on crops, however long the run.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from lossmith.core.devices import autocast, best_device, synchronize
from lossmith.data import ImagePair, PatchDataset, degraded_images, make_test_pairs, sample_images
from lossmith.degradations import degradation
from lossmith.losses import loss
from lossmith.networks import network
from lossmith.training import Recipe, RunFolder
from lossmith.training.isolation import isolated_global_state
from lossmith.training.loop import fit
from lossmith.training.supervised import SupervisedModule

WARMUP_STEPS = 10
CASES = {
    "demo": ("the demo's network, 8 patches of 48", "srresnet_small", 8, 48),
    "zhao": ("Zhao's network, 4 patches of 32", "fcn", 4, 32),
}


def bare_loop(restorer: nn.Module, patches: PatchDataset, recipe: Recipe) -> Iterator[None]:
    """A minimal training loop, one step at a time."""
    device = best_device()
    restorer = restorer.to(device, memory_format=torch.channels_last)
    criterion = loss("l1")
    optimizer = torch.optim.Adam(restorer.parameters(), lr=recipe.learning_rate, fused=True)
    for step in count():
        degraded, clean = patches.batch(step * recipe.batch, recipe.batch)
        degraded = degraded.to(device, memory_format=torch.channels_last)
        clean = clean.to(device, memory_format=torch.channels_last)
        with autocast(recipe.precision):
            value = criterion(restorer(degraded), clean)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        yield


class InterleavedModule(SupervisedModule):
    """A training module that runs a step of the bare loop before each of its own, and times both."""

    def __init__(self, bare: Iterator[None], *arguments: Any) -> None:
        super().__init__(*arguments)
        self.bare = bare
        self.bare_steps: list[float] = []
        self.loop_steps: list[float] = []
        """From the end of one bare step to the start of the next: everything that lossmith's loop does."""
        self._start: float | None = None

    def training_step(self, batch: tuple[Tensor, Tensor], progress: float) -> dict[str, Tensor]:
        end = now()
        if self._start is not None:
            self.loop_steps.append(end - self._start)
        next(self.bare)
        self._start = now()
        self.bare_steps.append(self._start - end)
        return super().training_step(batch, progress)


def now() -> float:
    """The time when the device has finished its queue."""
    synchronize()
    return time.perf_counter()


def compete(
    net: str, patches: PatchDataset, recipe: Recipe, tests: list[ImagePair]
) -> tuple[list[float], list[float]]:
    """Seconds of each bare step and each of lossmith's."""
    module = InterleavedModule(bare_loop(network(net), patches, recipe), network(net), loss("l1"), recipe)
    with tempfile.TemporaryDirectory() as folder, isolated_global_state():
        fit(module, patches, tests, RunFolder(Path(folder)), "in turns")
    return module.bare_steps[WARMUP_STEPS:-1], module.loop_steps[WARMUP_STEPS:]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--case", action="append", choices=list(CASES), help="default: all")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    kind = degradation("jpeg(10)")
    source = degraded_images(sample_images("train"), kind)
    tests = make_test_pairs(sample_images("color"), kind)
    print("| case | bare, ms per step | lossmith, ms per step | ratio | ratio of whole loops |")
    print("| --- | --- | --- | --- | --- |")
    for name, net, batch, patch in (CASES[case] for case in options.case or CASES):
        recipe = Recipe(network=net, batch=batch, patch=patch, steps=options.steps + WARMUP_STEPS + 1)
        patches = PatchDataset(source, patch, seed=0)
        rounds = [compete(net, patches, recipe, tests) for _ in range(options.rounds)]
        bare, loop = (list(chain(*steps)) for steps in zip(*rounds, strict=True))
        medians = [1000 * median(steps) for steps in (bare, loop)]
        ratios = f"{medians[1] / medians[0]:.3f} | {sum(loop) / sum(bare):.3f}"
        print(f"| {name} | {medians[0]:.1f} | {medians[1]:.1f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()

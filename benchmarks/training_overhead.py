"""What a training step costs beyond a bare PyTorch loop with the same network, loss and patches.

    python benchmarks/training_overhead.py [--rounds 5] [--steps 60]

Both train in one process, in turns; every round times `--steps` steps of each after a warm-up of ten. Printed are
the medians over all steps and the ratio of the medians; the training loop's steps contain its journal, TensorBoard
events and progress line.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback

from lossmith.degradations import degradation
from lossmith.images import Patches, degraded_source, sample_pictures, test_pairs
from lossmith.losses import loss
from lossmith.networks import network
from lossmith.training import Recipe, RunFolder
from lossmith.training.module import Restoration
from lossmith.training.run import fit

WARM_UP = 10
CASES = {
    "small network, small patches (8 of 48)": ("srresnet_small", 8, 48),
    "Zhao's network (8 of 48)": ("fcn", 8, 48),
    "small network, larger batch (16 of 64)": ("srresnet_small", 16, 64),
}


class Clock(Callback):
    """Notes the time at the end of every step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.times.append(time.perf_counter())


def bare_steps(restorer: torch.nn.Module, patches: Patches, recipe: Recipe) -> list[float]:
    """Seconds per step of the plainest loop there is."""
    restorer = restorer.to(memory_format=torch.channels_last)
    criterion = loss("l1")
    optimiser = torch.optim.Adam(restorer.parameters(), lr=recipe.learning_rate, fused=True)
    times = []
    for step in range(recipe.steps or 0):
        times.append(time.perf_counter())
        degraded, clean = patches.batch(step * recipe.batch, recipe.batch)
        degraded = degraded.to(memory_format=torch.channels_last)
        clean = clean.to(memory_format=torch.channels_last)
        value = criterion(restorer(degraded), clean)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return intervals(times)


def our_steps(restorer: torch.nn.Module, patches: Patches, recipe: Recipe, tests: list[Any]) -> list[float]:
    """Seconds per step of lossmith's training, everything on."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder:
        fit(
            Restoration(restorer, loss("l1"), recipe),
            patches,
            tests,
            RunFolder(Path(folder)),
            "ours",
            extra=[clock],
        )
    return intervals(clock.times)


def intervals(times: list[float]) -> list[float]:
    return [after - before for before, after in zip(times[WARM_UP:], times[WARM_UP + 1 :], strict=False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    kind = degradation("jpeg(10)")
    source, tests = (
        degraded_source(sample_pictures("train"), kind),
        test_pairs(sample_pictures("test"), kind),
    )
    print("| case | bare, ms per step | lossmith, ms per step | ratio |\n| --- | --- | --- | --- |")
    for name, (net, batch, patch) in CASES.items():
        recipe = Recipe(network=net, batch=batch, patch=patch, steps=options.steps + WARM_UP)
        patches = Patches(source, patch, seed=0)
        bare, ours = [], []
        for _ in range(options.rounds):
            bare += bare_steps(network(net), patches, recipe)
            ours += our_steps(network(net), patches, recipe, tests)
        ratio = median(ours) / median(bare)
        print(f"| {name} | {1000 * median(bare):.1f} | {1000 * median(ours):.1f} | {ratio:.3f} |", flush=True)


if __name__ == "__main__":
    main()

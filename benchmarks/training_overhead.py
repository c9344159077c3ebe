"""What a training step costs beyond a bare PyTorch loop with the same network, loss and patches.

    python benchmarks/training_overhead.py [--rounds 3] [--steps 200]

Both train in one process, in turns; every round times `--steps` steps of each after a warm-up of ten. Printed
are the ratio of the medians of all steps, and the ratio of the whole loops from the first timed step to the
last. lossmith's steps contain the journal (100 rows of metrics.csv in any run), TensorBoard events and the
progress line; its whole loop also contains what the clock of a run leaves out, namely the 10 looks at the test
crops.
"""

import argparse
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import torch
from lightning.pytorch import Callback

from lossmith.degradations import degradation
from lossmith.devices import autocast, best_device, synchronize
from lossmith.images import Patches, degraded_source, sample_pictures, test_pairs
from lossmith.losses import loss
from lossmith.networks import network
from lossmith.training import Recipe, RunFolder
from lossmith.training.confined import confined
from lossmith.training.module import Restoration
from lossmith.training.run import fit

WARM_UP = 10
CASES = {
    "the demo's network, 8 patches of 48": ("srresnet_small", 8, 48),
    "Zhao's network, 4 patches of 32": ("fcn", 4, 32),
}


class Clock(Callback):
    """Notes the time at the beginning of every step, when the device has done the one before."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_start(self, *_: Any) -> None:
        self.times.append(now())


def bare_steps(restorer: torch.nn.Module, patches: Patches, recipe: Recipe) -> list[float]:
    """When each step of the plainest loop there is began."""
    device = best_device()
    restorer = restorer.to(device, memory_format=torch.channels_last)
    criterion = loss("l1")
    optimiser = torch.optim.Adam(restorer.parameters(), lr=recipe.learning_rate, fused=True)
    times = []
    for step in range(recipe.steps or 0):
        times.append(now())
        degraded, clean = patches.batch(step * recipe.batch, recipe.batch)
        degraded = degraded.to(device, memory_format=torch.channels_last)
        clean = clean.to(device, memory_format=torch.channels_last)
        with autocast(recipe.precision):
            value = criterion(restorer(degraded), clean)
        optimiser.zero_grad()
        value.backward()
        optimiser.step()
    return times[WARM_UP:]


def our_steps(restorer: torch.nn.Module, patches: Patches, recipe: Recipe, tests: list[Any]) -> list[float]:
    """When each step of lossmith's training began."""
    clock = Clock()
    with tempfile.TemporaryDirectory() as folder, confined():
        fit(
            Restoration(restorer, loss("l1"), recipe),
            patches,
            tests,
            RunFolder(Path(folder)),
            "ours",
            extra=[clock],
        )
    return clock.times[WARM_UP:]


def now() -> float:
    synchronize()
    return time.perf_counter()


def intervals(times: list[float]) -> list[float]:
    return [after - before for before, after in pairwise(times)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=200)
    options = parser.parse_args()
    kind = degradation("jpeg(10)")
    source, tests = (
        degraded_source(sample_pictures("train"), kind),
        test_pairs(sample_pictures("test"), kind),
    )
    print("| case | bare, ms per step | lossmith, ms per step | ratio | ratio of whole loops |")
    print("| --- | --- | --- | --- | --- |")
    for name, (net, batch, patch) in CASES.items():
        recipe = Recipe(network=net, batch=batch, patch=patch, steps=options.steps + WARM_UP)
        patches = Patches(source, patch, seed=0)
        bare: list[list[float]] = []
        ours: list[list[float]] = []
        for _ in range(options.rounds):
            bare.append(bare_steps(network(net), patches, recipe))
            ours.append(our_steps(network(net), patches, recipe, tests))
        steps = [1000 * median(step for run in runs for step in intervals(run)) for runs in (bare, ours)]
        loops = [median(run[-1] - run[0] for run in runs) for runs in (bare, ours)]
        ratios = f"{steps[1] / steps[0]:.3f} | {loops[1] / loops[0]:.3f}"
        print(f"| {name} | {steps[0]:.1f} | {steps[1]:.1f} | {ratios} |", flush=True)


if __name__ == "__main__":
    main()

"""The cost of percentages in a loss beside the same loss with numbers, in steps of training.

    python benchmarks/shares_cost.py [--terms l1 ssim] [--terms l1 "lpips(squeeze)"] [--steps 60] [--patch 48]

Four runs of one network take turns step by step in one process, so that changes in the machine's speed affect all:
with numbers, after the warm-up, in it, and with `always`. Prints the median of each one's steps after ten, and by
how much it is longer than that of the numbers: the median of the differences within a turn.
"""

import argparse
import time
from collections.abc import Sequence
from statistics import median

import torch

from lossmith.core.devices import device_name, synchronize
from lossmith.data import PatchDataset, degraded_images, sample_images
from lossmith.degradations import degradation
from lossmith.losses import ShareLoss, loss
from lossmith.losses.share_loss import end_warm_up
from lossmith.networks import network
from lossmith.training import Recipe
from lossmith.training.distributed.environment import single_process_fabric
from lossmith.training.supervised import SupervisedModule

WARMUP_STEPS = 10


def modules(terms: Sequence[str], recipe: Recipe) -> dict[str, SupervisedModule]:
    """The runs that take turns."""
    shares = " + ".join(f"{100 / len(terms):.6g}%*{term}" for term in terms)
    losses = {
        "numbers": loss(" + ".join(f"0.5*{term}" for term in terms)),
        "after the warm-up": loss(shares),
        "in the warm-up": loss(shares),
        "always": loss(f"{shares} always"),
    }
    end_warm_up(losses["after the warm-up"])
    made = {name: SupervisedModule(network(str(recipe.network)), each, recipe) for name, each in losses.items()}
    for module in made.values():
        module.setup(single_process_fabric(recipe))
    return made


def measure(terms: Sequence[str], recipe: Recipe, patches: PatchDataset, steps: int) -> dict[str, list[float]]:
    """The seconds of each run's steps."""
    seconds: dict[str, list[float]] = {}
    runs = modules(terms, recipe)
    for step in range(WARMUP_STEPS + steps):
        batch = patches.batch(step * recipe.batch, recipe.batch)
        for name, module in runs.items():
            if name == "in the warm-up" and isinstance(module.loss, ShareLoss):
                module.loss.steps.zero_()  # as long as the benchmark takes
            start = now()
            module.training_step(batch, 0.0)
            seconds.setdefault(name, []).append(now() - start)
    return {name: values[WARMUP_STEPS:] for name, values in seconds.items()}


def now() -> float:
    synchronize()
    return time.perf_counter()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", nargs="+", action="append", help="of the loss; l1 and ssim by default")
    parser.add_argument("--network", default="srresnet_small")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--patch", type=int, default=48)
    parser.add_argument("--steps", type=int, default=60)
    options = parser.parse_args()
    torch.manual_seed(0)
    recipe = Recipe(network=options.network, batch=options.batch, patch=options.patch, steps=options.steps)
    patches = PatchDataset(degraded_images(sample_images("train"), degradation("noise(25)")), recipe.patch)
    size = f"{options.batch} patches of {options.patch}, {options.network}"
    print(f"{size}; {device_name()}, torch {torch.__version__}")
    for terms in options.terms or [["l1", "ssim"]]:
        seconds = measure(terms, recipe, patches, options.steps)
        print(" and ".join(terms))
        for name, steps in seconds.items():
            longer = median(own - plain for own, plain in zip(steps, seconds["numbers"], strict=True))
            share = longer / median(seconds["numbers"])
            print(f"  {name:18} {1e3 * median(steps):7.1f} ms a step, {share:+.1%}")


if __name__ == "__main__":
    main()

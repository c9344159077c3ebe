"""How much narrower do more test pictures make the intervals of a tournament? Nothing is trained again.

The models in the folder of a finished tournament (such as runs/demo of `make demo`) restore all sample photographs
for testing. For the loss of --first minus every other, the table has the mean difference and half the width of its
95 % interval, on the first --few pictures and on all. The interval is over pictures and seeds: the former one,
Student's t with degrees of freedom after Satterthwaite, to whose width the bootstrap was stretched; and today's,
with a quantile for each part of the variance (`statistics/intervals.py`). Then over pictures alone, as if there
were no other seeds. The last line of a metric has the geometric means of the widths on all pictures over those on
few. Below is by how much a difference changes from one seed to the next, on average.

    python benchmarks/test_pictures.py runs/demo
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import yaml

from lossmith.core.files import safe_file_name
from lossmith.data import make_test_pairs, sample_images
from lossmith.degradations import degradation
from lossmith.evaluation import find_metric, protocol_of, restore_images, score
from lossmith.evaluation.statistics.intervals import Array, estimate, students_t
from lossmith.models import load_model

METRICS = ("psnr", "ms_ssim", "efficientnet_lite0")


def scores_of(folder: Path, loss: str, config: dict[str, object]) -> dict[str, Array]:
    """The scores of a loss by metric: (seeds, pictures)."""
    pairs = make_test_pairs(sample_images("test"), degradation(str(config["degradation"])))
    protocol = protocol_of(pairs)
    by_seed = []
    for model in sorted((folder / "runs" / safe_file_name(loss)).glob("seed-*/model.safetensors")):
        restored = restore_images(load_model(model).restorer.eval(), pairs)
        by_seed.append([score(x, y.clean, protocol, METRICS) for x, y in zip(restored, pairs, strict=True)])
    return {name: np.array([[scored[name] for scored in rows] for rows in by_seed]) for name in METRICS}


def half_widths(values: Array) -> list[float]:
    """Half the widths of intervals of the mean of (seeds, pictures): former, today's, over pictures alone."""
    both, pictures = estimate(values), estimate(values.mean(0, keepdims=True))
    return [students_t(both.freedom) * both.error, both.half_width(), pictures.half_width()]


def row(cells: Sequence[object]) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of a finished tournament")
    parser.add_argument("--first", default="l1", help="the loss whose differences from the others are taken")
    parser.add_argument("--few", type=int, default=4, help="how many pictures to compare with all of them")
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = yaml.safe_load((options.folder / "compare.yaml").read_text())
    scores = {loss: scores_of(options.folder, loss, config) for loss in config["losses"]}
    counts = options.few, len(sample_images("test"))
    kinds = "mean", "former", "today", "pictures alone"
    print(row(["metric", "`" + options.first + "` minus", *(f"{kind}, {n}" for n in counts for kind in kinds)]))
    print(row(["---", "---", *["---:"] * 8]))
    changes = []
    for name in METRICS:
        metric, ratios, steps = find_metric(name), [], []
        for other in (loss for loss in scores if loss != options.first):
            values = scores[options.first][name] - scores[other][name]
            steps.append(np.abs(np.diff(values, axis=0)).mean(0))
            few, every = ([float(part.mean()), *half_widths(part)] for part in (values[:, : counts[0]], values))
            ratios.append(np.divide(every, few)[1:])
            numbers = [f"{cell:.{metric.digits + 1}f}" for cell in (*few, *every)]
            print(row([metric.label, f"`{other}`", *numbers]))
        shrunk = [f"x {ratio:.2f}" for ratio in np.exp(np.log(ratios).mean(0))]
        print(row([metric.label, "all", *[""] * 5, *shrunk]), flush=True)
        on_few, on_others = (np.mean(part) for part in np.split(np.array(steps), [counts[0]], axis=1))
        changes.append(
            f"{metric.label} by {on_few:.3g} on the first {counts[0]}, by {on_others:.3g} on the others"
        )
    print(f"\nFrom seed to seed a difference changes in {'; in '.join(changes)}.")


if __name__ == "__main__":
    main()

"""Judge losses in minutes: a restorer trained under L1 goes on under each of them, and what that changed is shown.

    python benchmarks/mdf_finetune.py jpeg l1 l2 "mdf(jpeg)" "l1 + mdf(jpeg)" --train DIR --test DIR

Every loss begins with the same weights and meets the same patches, of every second picture of --train. Adam's
learning rate is 0.002 before and 0.001 afterwards, each with a warm-up of 20 steps and cosine decay; its betas are
0.9 and 0.99. LPIPS is there when its weights are. Printed are
the means of the first loss over pictures and seeds, and the mean differences of the others from it, with 1.96
standard errors. For a loss that is nothing but mdf(FILE), the column "told" says what its critics have learned:
in what share of the patches of the test pictures the clean one scores above the same one restored (0.5 by
chance), for each critic from the coarsest.
"""

import argparse
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from lossmith.degradations import TASKS, degradation
from lossmith.evaluation import find_metric, restore_pictures
from lossmith.images import Pair, Patches, degraded_source, find_pictures, test_pairs
from lossmith.losses import MDF, load_loss, loss
from lossmith.losses.discriminative_network import shrink
from lossmith.losses.loss_file import find_loss, load_critics
from trials import LEARNING_RATE_BEFORE, cut, fit, fresh, judged, usable_metrics

NETWORK = "srresnet_small(features=16, blocks=3)"
BATCH, PATCH, LEARNING_RATE = 4, 64, 1e-3


@torch.no_grad()
def told(file: str, restored: Sequence[Tensor], pairs: Sequence[Pair]) -> str:
    state, card = load_loss(find_loss(file))
    low, high = card["range"]
    shares = []
    for critic, scale in zip(load_critics(state, card), card["scales"], strict=True):
        wins = []
        for made, pair in zip(restored, pairs, strict=True):
            views = (shrink(picture[None], scale["factor"]) * (high - low) + low for picture in (pair.clean, made))
            clean, other = map(critic, views)
            wins.append((clean > other).double().mean())
        shares.append(f"{torch.stack(wins).mean():.2f}")
    return " ".join(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("damage", help=", ".join(TASKS) + ", or an expression")
    parser.add_argument("losses", nargs="+")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--before", type=int, default=1500, help="steps under L1")
    parser.add_argument("--steps", type=int, default=250)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--tests", type=int, default=8)
    options = parser.parse_args()
    damage = degradation(options.damage)
    source = degraded_source(find_pictures([options.train])[::2], damage)
    found = find_pictures([options.test])
    pairs = test_pairs(found[:: max(1, len(found) // options.tests)][: options.tests], damage)
    names = usable_metrics()
    results: dict[str, list[Tensor]] = {name: [] for name in options.losses}
    restored: list[Tensor] = []
    for seed in range(options.seeds):
        batches = cut(Patches(source, PATCH, seed), BATCH, options.before + options.steps)
        before = fresh(NETWORK, damage.scale, seed)
        fit(before, loss("l1"), batches.part(0, options.before), LEARNING_RATE_BEFORE)
        restored = restored or list(restore_pictures(before, pairs))
        for name in options.losses:
            restorer = deepcopy(before)
            fit(restorer, loss(name), batches.part(options.before), LEARNING_RATE)
            rows = judged(name, seed, restore_pictures(restorer, pairs), pairs, names)
            scores = [[row.scores[each] for each in names] for row in rows]
            results[name].append(torch.tensor(scores, dtype=torch.float64))
    metrics = [find_metric(name) for name in names]
    print(
        f"{damage}: {options.before} steps of L1, then {options.steps}; "
        f"{options.seeds} seeds, {len(pairs)} pictures\n"
    )
    print(f"| | {' | '.join(metric.label for metric in metrics)} | told |")
    print("| --- |" + " --- |" * (len(metrics) + 1))
    base = torch.stack(results[options.losses[0]])
    for name, rows in results.items():
        means = torch.stack(rows).mean((0, 1)) if name == options.losses[0] else None
        changes = (torch.stack(rows) - base).flatten(0, 1)
        change, error = changes.mean(0), 1.96 * changes.std(0) / len(changes) ** 0.5
        cells = [
            f"{change[k]:+.{m.digits}f} ± {error[k]:.{m.digits}f}" if means is None else f"{means[k]:.{m.digits}f}"
            for k, m in enumerate(metrics)
        ]
        criterion = loss(name)
        learned = told(criterion.file, restored, pairs) if isinstance(criterion, MDF) else ""
        print(f"| `{name}` | {' | '.join(cells)} | {learned} |")


if __name__ == "__main__":
    main()

"""Which loss, added to L1, makes better restorers by judges that are independent of it? One factor at a time.

    export LOSSMITH_DATA=... LOSSMITH_WEIGHTS=...
    python benchmarks/learned_losses.py run l1 laplace/log/8@10 squeeze-fire3/log/4@10
    python benchmarks/learned_losses.py table

A restorer is trained under L1 once for every seed (--base-steps) and kept in --work. Every loss then trains a copy
of it for --steps on the same patches; so what a loss changes is compared with what as many further steps of L1
change. `NAME@S` is L1 beside the candidate NAME of `texture_losses.py`, whose gradient at the restored picture has
S percent of the sum of the two norms; `NAME` without a share is `loss("NAME")` alone. With --scratch there is no
base.
Every score is a row of the table --out; runs that are in it are not repeated. `table` prints the differences from
L1 with 95 % intervals over pictures and seeds, as a Markdown table.
"""

import argparse
import csv
import os
import time
from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from lossmith.data import Data, ImagePair, PatchDataset, find_images, prepare_data
from lossmith.evaluation import Protocol, restore_images, score
from lossmith.evaluation.statistics.intervals import estimate
from lossmith.losses import loss
from texture_losses import candidate
from trials import cut_batches, learning_rate, new_restorer

METRICS = ("psnr", "ssim", "efficientnet_lite0", "niqe", "lpips_squeeze")
NETWORKS = {
    True: "srresnet_small(features=32, blocks=4)",
    False: "srresnet_small(features=32, blocks=4, unshuffle=2)",
}
"""By whether they enlarge."""
COLUMNS = ("degradation", "method", "loss", "seed", "image")
DECAY = 0.9
"""Of the running means of the gradients' norms."""


class SharedGradient:
    """The gradient at the restored picture of L1 and a candidate that has a share of the sum of their norms."""

    def __init__(self, name: str) -> None:
        label, _, percent = name.partition("@")
        self.share = float(percent) / 100 if percent else 0
        self.base = loss("l1" if percent else label)
        self.candidate = candidate(label) if percent else None
        self.ratio: float | None = None

    def __call__(self, restored: Tensor, clean: Tensor) -> Tensor:
        restored = restored.detach().float().requires_grad_()
        (gradient,) = torch.autograd.grad(self.base(restored, clean), restored)
        if self.candidate is None:
            return gradient
        (other,) = torch.autograd.grad(self.candidate(restored, clean), restored)
        ratio = float(gradient.norm() / other.norm().clamp(min=1e-20))
        self.ratio = ratio if self.ratio is None else DECAY * self.ratio + (1 - DECAY) * ratio
        return gradient + self.share / (1 - self.share) * self.ratio * other


def fit(restorer: nn.Module, name: str, data: PatchDataset, steps: int, peak: float, batch: int) -> float:
    """Train with Adam, in bfloat16, under a loss; returns the seconds."""
    batches, gradient, start = cut_batches(data, batch, steps), SharedGradient(name), time.perf_counter()
    optimizer = torch.optim.Adam(restorer.parameters(), peak, betas=(0.9, 0.99), fused=True)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = learning_rate(peak, step, steps)
        degraded, clean = batches.at(torch.tensor([step]))
        with torch.autocast("cpu", torch.bfloat16):
            restored = restorer(degraded)
        optimizer.zero_grad()
        restored.backward(gradient(restored, clean).to(restored.dtype))
        optimizer.step()
    return time.perf_counter() - start


def scores(restorer: nn.Module, pairs: Sequence[ImagePair], scale: int) -> list[dict[str, float]]:
    """The scores of every picture, under RGB, with `scale` pixels cropped, rounded to 8 bits."""
    grid = f"grid{scale if scale > 1 else 8}"
    protocol = Protocol(color="rgb", border=scale if scale > 1 else 0)
    restored = restore_images(restorer.eval(), pairs)
    return [score(x, pair.clean, protocol, [*METRICS, grid]) for x, pair in zip(restored, pairs, strict=True)]


def test_images(folder: Path) -> list[Path]:
    return [*find_images([folder / "train/BSDS500_test"])[:: 200 // 14][:14], *find_images([folder / "test/Set5"])]


def append(table: Path, rows: Sequence[dict[str, object]]) -> None:
    new = not table.exists()
    with table.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerows(rows)


def run(options: argparse.Namespace) -> None:
    """Train and score what the table lacks."""
    folder = Path(os.environ["LOSSMITH_DATA"])
    data = prepare_data(Data([folder / "train/BSDS500_train"], test=test_images(folder)), options.degradation)
    scale, pairs = data.source.scale, data.test_pairs
    method = f"scratch {options.steps}" if options.scratch else f"{options.base_steps} + {options.steps}"
    for seed in options.seeds or [0]:
        patches = PatchDataset(data.source, options.patch, 2 * seed)
        base = new_restorer(NETWORKS[scale > 1], scale, seed)
        file = options.work / f"{options.degradation}-{options.base_steps}-{seed}.pt"
        if not options.scratch:
            if not file.exists():
                seconds = fit(base, "l1", patches, options.base_steps, options.rate, options.batch)
                print(f"base of seed {seed} in {seconds:.0f} s", flush=True)
                options.work.mkdir(parents=True, exist_ok=True)
                torch.save(base.state_dict(), file)
            base.load_state_dict(torch.load(file))
            patches = PatchDataset(data.source, options.patch, 2 * seed + 1)
        for name in options.losses:
            key = {"degradation": options.degradation, "method": method, "loss": name, "seed": str(seed)}
            if options.out.exists():
                with options.out.open(encoding="utf-8", newline="") as rows:
                    if any(key.items() <= row.items() for row in csv.DictReader(rows)):
                        continue
            restorer = deepcopy(base)
            rate = options.rate if options.scratch else options.rate / 4
            seconds, start = fit(restorer, name, patches, options.steps, rate, options.batch), time.perf_counter()
            scored = scores(restorer, pairs, scale)
            rows_of_run = [
                {
                    **key,
                    "image": pair.name,
                    **{("grid" if m.startswith("grid") else m): round(v, 4) for m, v in s.items()},
                }
                for pair, s in zip(pairs, scored, strict=True)
            ]
            append(options.out, rows_of_run)
            means = {m: np.mean([s[m] for s in scored]) for m in scored[0]}
            print(name, seed, f"{seconds:.0f}+{time.perf_counter() - start:.0f} s",
                  *(f"{m} {v:.3f}" for m, v in means.items()), flush=True)  # fmt: skip


def table(options: argparse.Namespace) -> None:
    """Print the differences from L1 of the same seed and picture."""
    with options.out.open(encoding="utf-8", newline="") as file:
        rows = [r for r in csv.DictReader(file) if not options.seeds or int(r["seed"]) in options.seeds]
    if options.each_seed:
        rows = [{**row, "method": f"{row['method']}, seed {row['seed']}"} for row in rows]
    metrics = [name for name in rows[0] if name not in COLUMNS]
    for degradation, method in dict.fromkeys((row["degradation"], row["method"]) for row in rows):
        of_run: dict[str, dict[str, list[list[float]]]] = {}
        for row in rows:
            if (row["degradation"], row["method"]) == (degradation, method):
                runs = of_run.setdefault(row["loss"], {})
                runs.setdefault(row["seed"], []).append([float(row[name]) for name in metrics])
        baseline = options.baseline
        if baseline not in of_run:
            continue
        print(f"\n`{degradation}`, steps {method}\n")
        print(f"| loss | seeds | {' | '.join(metrics)} |")
        print("| --- " * (len(metrics) + 2) + "|")
        for name, runs in of_run.items():
            seeds = [seed for seed in runs if seed in of_run[baseline]]
            values, base = (np.array([of[seed] for seed in seeds]) for of in (runs, of_run[baseline]))
            cells = [
                f"{base[..., n].mean():.4f}" if name == baseline else with_interval((values - base)[..., n])
                for n in range(len(metrics))
            ]
            print(f"| `{name}` | {len(seeds)} | {' | '.join(cells)} |")


def with_interval(differences: np.ndarray) -> str:
    """The mean of differences, (seeds, images), and half the width of its 95 % interval."""
    mean = estimate(differences)
    return f"{mean.mean:+.3f} ±{mean.half_width():.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("losses", nargs="*")
    parser.add_argument("--degradation", default="bicubic(4)")
    parser.add_argument("--seeds", type=int, nargs="+", help="[default: 0; for `table` all]")
    parser.add_argument("--base-steps", type=int, default=2500)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--scratch", action="store_true")
    parser.add_argument("--patch", type=int, default=96)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--rate", type=float, default=0.002)
    parser.add_argument("--baseline", default="l1", help="whose scores `table` subtracts")
    parser.add_argument("--each-seed", action="store_true", help="a `table` for each seed")
    parser.add_argument("--work", type=Path, default=Path("runs/learned_losses"))
    parser.add_argument("--out", type=Path, default=Path("docs/learned_losses/results.csv"))
    options = parser.parse_args()
    {"run": run, "table": table}[options.what](options)


if __name__ == "__main__":
    main()

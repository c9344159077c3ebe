"""ESRGAN's two stages, trained by the named recipe and held against each other.

    python benchmarks/esrgan.py --scale small --train DIR --test DIR [--out DIR]

`tiny` only shows that everything works: a minute, and nothing to be learned from its numbers. `small` is the
recipe `esrgan_small`, for two CPU cores; `full` the paper's, for a GPU and many days. A stopped run goes on.

Written into the folder of the run: `table.md`, and for every test picture `crops/NAME.png`, from left to right the
input (bicubic), the stage psnr, the stage gan and the original, at the window where the original has most detail.

PSNR and SSIM are on Y with 4 pixels cropped; LPIPS needs the weights of SqueezeNet and its heads in the folder
LOSSMITH_WEIGHTS. "Blur" looks at no original: the perceptual blur of Crete et al. (SPIE 2007) as scikit-image has
it, from 0 for sharp to 1, on the luma; noise is sharp to it too, so read it beside the row of the original.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from skimage.measure import blur_effect
from torch import Tensor

import lossmith
from lossmith.degradations import degradation, from_8bit
from lossmith.evaluation import available_deep_metrics, baseline, find_metric, protocol_for, score
from lossmith.evaluation.luma import full_luma
from lossmith.images import find_pictures, read_picture, test_pairs, write_picture
from lossmith.report.spots import box_sum
from lossmith.training import RunFolder

SIDE = 128
METHODS = ("bicubic", "psnr", "gan", "original")


def settings(scale: str) -> dict[str, Any]:
    """The recipe and the contest of a scale."""
    if scale != "tiny":
        return lossmith.named_recipe({"small": "esrgan_small", "full": "esrgan"}[scale])
    small = lossmith.named_recipe("esrgan_small")
    recipe = replace(small["recipe"], network="srresnet_small", steps=20, batch=4)
    return {"recipe": recipe, "contest": replace(small["contest"], psnr_steps=60)}


def blur(picture: Tensor) -> float:
    return float(blur_effect(full_luma(picture)[0].numpy()))


def versions(out: Path, test: Path) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every test picture as each method has it."""
    for pair in test_pairs(find_pictures([test]), degradation("bicubic(4)")):
        stages = {
            stage: from_8bit(read_picture(RunFolder(out / stage).picture(pair.name))) for stage in METHODS[1:3]
        }
        yield pair.name, {"bicubic": baseline(pair), **stages, "original": pair.clean}


def detail(original: Tensor) -> tuple[slice, slice]:
    """The window in which the original changes most from pixel to pixel."""
    side = min(SIDE, *original.shape[1:])
    down, right = torch.gradient(full_luma(original)[0].double())
    sums = box_sum((down.abs() + right.abs()).numpy(), side)
    top, left = (int(i) for i in np.unravel_index(sums.argmax(), sums.shape))
    return slice(top, top + side), slice(left, left + side)


def table(out: Path, test: Path) -> str:
    names = ["psnr", "ssim", *(name for name in available_deep_metrics() if name == "lpips_squeeze")]
    metrics = [find_metric(name) for name in names]
    rows: dict[str, list[list[float]]] = {method: [] for method in METHODS}
    for name, pictures in versions(out, test):
        original = pictures["original"]
        rows_, columns = detail(original)
        crops = [pictures[method][:, rows_, columns] for method in METHODS]
        write_picture(out / "crops" / f"{name}.png", torch.cat(crops, dim=2).clamp(0, 1))
        for method in METHODS[:-1]:
            scores = score(pictures[method], original, protocol_for(4), names)
            rows[method].append([*scores.values(), blur(pictures[method])])
        rows["original"].append([float("nan")] * len(names) + [blur(original)])
    lines = [
        "| | " + " | ".join([*(metric.label for metric in metrics), "Blur"]) + " |",
        "| --- |" + " --- |" * (len(metrics) + 1),
    ]
    for method, values in rows.items():
        means = [fmean(column) for column in zip(*values, strict=True)]
        digits = [*(metric.digits for metric in metrics), 3]
        cells = ["" if np.isnan(m) else f"{m:.{d}f}" for m, d in zip(means, digits, strict=True)]
        lines.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(lines) + f"\n\nMeans over {len(rows['gan'])} pictures.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("tiny", "small", "full"), default="tiny")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    out = options.out or Path(f"runs/esrgan-{options.scale}")
    data = lossmith.Data([options.train], test=[options.test])
    print(lossmith.train(data, out=out, **settings(options.scale)))
    text = table(out, options.test)
    (out / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

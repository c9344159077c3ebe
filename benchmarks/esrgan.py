"""ESRGAN's two stages, trained by a preset and compared.

    python benchmarks/esrgan.py --scale small --train DIR --test DIR [--out DIR] [--show DIR]

`tiny` only shows that everything works: it takes a minute, and its numbers mean nothing. `small` is the preset
`esrgan_small`, for two CPU cores; `full` the paper's, for a GPU and many days. A stopped run continues.

Written into the folder of the run: `table.md`, and for every image of --show `crops/NAME.png`, from left to
right the input (bicubic), stage psnr, stage gan and the original, where the original has most detail.
--show is a folder of images; without it they are the photographs of scikit-image of the demonstration.

PSNR and SSIM are on Y with 4 pixels cropped; LPIPS needs the weights of SqueezeNet and its heads in the folder
LOSSMITH_WEIGHTS. "Blur" needs no original: it is the perceptual blur of Crete et al. (SPIE 2007) in scikit-image,
from 0 for sharp to 1, on the luma; noise is sharp to it too, so read it beside the row of the original.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from skimage.measure import blur_effect
from torch import Tensor

import lossmith
from lossmith.data import find_images, make_test_pairs, sample_images, write_image
from lossmith.degradations import degradation
from lossmith.evaluation import (
    available_deep_metrics,
    baseline,
    find_metric,
    protocol_for,
    restore_images,
    score,
)
from lossmith.metrics.luma import full_luma
from lossmith.models.model_file import load_model
from lossmith.report.crops import box_sum
from lossmith.training import RunFolder

CROP_SIDE = 128
METHODS = ("bicubic", "psnr", "gan", "original")


def settings(scale: str) -> dict[str, Any]:
    """The recipe and the adversarial recipe of a scale."""
    if scale != "tiny":
        return lossmith.preset({"small": "esrgan_small", "full": "esrgan"}[scale])
    small = lossmith.preset("esrgan_small")
    recipe = replace(small["recipe"], network="srresnet_small", steps=20, batch=4)
    return {"recipe": recipe, "adversarial": replace(small["adversarial"], psnr_steps=60)}


def blur(image: Tensor) -> float:
    return float(blur_effect(full_luma(image)[0].numpy()))


def versions(out: Path, images: Sequence[Path]) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """The name of every image, and its versions by method."""
    pairs = make_test_pairs(images, degradation("bicubic(4)"))
    stages = {
        stage: restore_images(load_model(RunFolder(out / stage).model).restorer, pairs) for stage in METHODS[1:3]
    }
    for pair, *restored in zip(pairs, *stages.values(), strict=True):
        yield (
            pair.name,
            {"bicubic": baseline(pair), **dict(zip(stages, restored, strict=True)), "original": pair.clean},
        )


def detail(original: Tensor, side: int = CROP_SIDE) -> tuple[slice, slice]:
    """The crop with the largest sum of gradients of the original."""
    side = min(side, *original.shape[1:])
    down, right = torch.gradient(full_luma(original)[0].double())
    sums = box_sum((down.abs() + right.abs()).numpy(), side)
    top, left = (int(i) for i in np.unravel_index(sums.argmax(), sums.shape))
    return slice(top, top + side), slice(left, left + side)


def write_crops(out: Path, shown: Sequence[Path]) -> None:
    """Write the crops, one file an image."""
    for name, images in versions(out, shown):
        rows, columns = detail(images["original"])
        crops = [images[method][:, rows, columns] for method in METHODS]
        write_image(out / "crops" / f"{name}.png", torch.cat(crops, dim=2).clamp(0, 1))


def table(out: Path, tests: Sequence[Path]) -> str:
    names = ["psnr", "ssim", *(name for name in available_deep_metrics() if name == "lpips_squeeze")]
    metrics = [find_metric(name) for name in names]
    rows: dict[str, list[list[float]]] = {method: [] for method in METHODS}
    for _, images in versions(out, tests):
        original = images["original"]
        for method in METHODS[:-1]:
            scores = score(images[method], original, protocol_for(4), names)
            rows[method].append([*scores.values(), blur(images[method])])
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
    return "\n".join(lines) + f"\n\nMeans over {len(rows['gan'])} images.\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("tiny", "small", "full"), default="tiny")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--show", type=Path)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    out = options.out or Path(f"runs/esrgan-{options.scale}")
    data = lossmith.Data([options.train], test=[options.test])
    print(lossmith.train(data, out=out, **settings(options.scale)))
    write_crops(out, find_images([options.show]) if options.show else sample_images("color"))
    text = table(out, find_images([options.test]))
    (out / "table.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()

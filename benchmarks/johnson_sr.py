"""Super-resolution by features against super-resolution by pixels, as Johnson et al. compare them.

    python benchmarks/johnson_sr.py --scale small [--train DIR] [--test SET ...] [--out DIR]

Two runs with the same network, first weights, patches and steps: under the features of the network at hand, and
under the squared difference of pixels. `tiny` only shows that everything works: it takes a minute, and its
numbers mean nothing. `small` is the preset `johnson_sr_small`, for two CPU cores; `full` is `johnson_sr`, the
paper's, for a GPU. A stopped run continues. Without --train the photographs are those that scikit-image ships;
its test photographs are scored beside the sets of --test, and shown.

Written into the folder of the runs: `table.md` and `crops.png`, a row for each photograph, where it has most
detail: the input enlarged (bicubic), pixels, features, features with the histogram of the input, the original.

PSNR and SSIM are on Y with `scale` pixels cropped. Two measures of sharpness share nothing with the loss and need
no network: "Blur", the perceptual blur of Crete et al. (SPIE 2007) in scikit-image, from 0 for sharp to 1, and
"Edges", the sum of squared gradients relative to the original's, both on the luma. Noise and hatching are sharp to
them, too; so both are also measured at half the size, where a pixel is the mean of four.
"""

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

import lossmith
from esrgan import blur, detail
from lossmith.core.devices import device_name
from lossmith.core.files import write_text
from lossmith.data import Data, ImagePair, find_images, make_test_pairs, sample_images, write_image
from lossmith.data.folders import is_pattern
from lossmith.degradations import degradation
from lossmith.evaluation import Metric, Row, baseline, differences, find_metric, protocol_of, restore_images, score
from lossmith.metrics.luma import full_luma
from lossmith.models.model_file import load_model
from lossmith.restoration import match_histogram
from lossmith.training import RunFolder

LOSSES = {"pixels": "l2", "features": "johnson_at_hand"}
MATCHED = "{}, matched"
METRICS = [
    find_metric("psnr"),
    find_metric("ssim"),
    Metric("blur", "Blur", False, 3),
    Metric("edges", "Edges", True, 3),
    Metric("blur_half", "Blur, half", False, 3),
    Metric("edges_half", "Edges, half", True, 3),
]
COMPARISONS = [("features", "pixels"), ("features, matched", "pixels, matched"), ("features, matched", "features")]
SHOWN = ("bicubic", "pixels", "features", "features, matched", "original")
CROP_SIDE = 76
Images = dict[str, Tensor]


def settings(scale: str) -> dict[str, Any]:
    """The arguments of `train` at a scale."""
    small = lossmith.preset("johnson_sr_small")
    tiny = small | {"recipe": replace(small["recipe"], steps=20, patch=32, batch=2)}
    return {"tiny": tiny, "small": small, "full": lossmith.preset("johnson_sr")}[scale]


def gradient_energy(image: Tensor) -> float:
    down, right = torch.gradient(full_luma(image)[0].double())
    return float((down.square() + right.square()).mean())


def sharpness(image: Tensor, original: Tensor) -> dict[str, float]:
    """The measures of sharpness by name, at full and half size."""
    scores = {}
    for suffix, side in (("", 1), ("_half", 2)):
        small, reference = (avg_pool2d(each.clamp(0, 1)[None], side)[0] for each in (image, original))
        scores[f"blur{suffix}"] = blur(small)
        scores[f"edges{suffix}"] = gradient_energy(small) / gradient_energy(reference)
    return scores


def versions(out: Path, paths: Sequence[Path], kind: str) -> Iterator[tuple[ImagePair, Images]]:
    """Every image with its versions by method."""
    pairs = make_test_pairs(paths, degradation(kind))
    restored = [restore_images(load_model(RunFolder(out / name).model).restorer, pairs) for name in LOSSES]
    for pair, *results in zip(pairs, *restored, strict=True):
        plain = dict(zip(LOSSES, results, strict=True))
        matched = {MATCHED.format(name): match_histogram(image, baseline(pair)) for name, image in plain.items()}
        yield pair, {"bicubic": baseline(pair), **plain, **matched}


def rows(out: Path, paths: Sequence[Path], kind: str) -> list[Row]:
    """The scores of every image, method by method."""
    results = []
    for pair, images in versions(out, paths, kind):
        for method, image in images.items():
            scores = score(image, pair.clean, protocol_of([pair]), ["psnr", "ssim"])
            results.append(Row(pair.name, method, 0, scores | sharpness(image, pair.clean)))
    return results


def table(scored: dict[str, list[Row]]) -> str:
    """The means of every set, and the paired differences with their intervals."""
    header = [metric.label for metric in METRICS]
    lines = [f"| | | {' | '.join(header)} |", "| --- " * (len(header) + 2) + "|"]
    for name, of_set in scored.items():
        for method in dict.fromkeys(row.method for row in of_set):
            means = [
                fmean(row.scores[metric.name] for row in of_set if row.method == method) for metric in METRICS
            ]
            cells = [f"{mean:.{metric.digits}f}" for mean, metric in zip(means, METRICS, strict=True)]
            lines.append(f"| {name} | {method} | {' | '.join(cells)} |")
    lines += ["", f"| | first - second, 95 % | {' | '.join(header)} |", "| --- " * (len(header) + 2) + "|"]
    for name, of_set in scored.items():
        for pair in COMPARISONS:
            cells = []
            for metric in METRICS:
                (difference,) = differences(of_set, metric, pair)
                numbers = (difference.mean, difference.low, difference.high)
                mean, low, high = (f"{number:+.{metric.digits}f}" for number in numbers)
                cells.append(f"{mean} ({low} to {high})")
            lines.append(f"| {name} | {' - '.join(pair)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_crops(out: Path, kind: str) -> None:
    """Write the crops of scikit-image's test photographs, below each other."""
    strips = []
    for pair, images in versions(out, sample_images("color"), kind):
        rows, columns = detail(pair.clean, CROP_SIDE)
        crops = [{**images, "original": pair.clean}[method][:, rows, columns] for method in SHOWN]
        strips.append(torch.cat(crops, dim=2).clamp(0, 1))
    write_image(out / "crops.png", torch.cat(strips, dim=1))


def set_name(images: str) -> str:
    """The name of a folder, or of that of a pattern of files.

    >>> set_name("test/Set5"), set_name("BSDS500_test/1*.jpg")
    ('Set5', 'BSDS500_test')
    """
    path = Path(images)
    return path.parent.name if is_pattern(path) else path.name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", choices=("tiny", "small", "full"), default="tiny")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", nargs="*", default=[], help="folders, or patterns of files")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    out = options.out or Path(f"runs/johnson_sr-{options.scale}")
    chosen = settings(options.scale)
    seconds = {}
    for name, loss in reversed(LOSSES.items()):
        result = lossmith.train(
            Data([options.train] if options.train else None), out=out / name, **chosen | {"loss": loss}
        )
        seconds[name] = result.summary.seconds
    kind = chosen["recipe"].degradation
    sets = {"scikit-image": sample_images("color")}
    sets |= {set_name(images): find_images([images]) for images in options.test}
    scored = {f"{name} ({len(paths)})": rows(out, paths, kind) for name, paths in sets.items()}
    trained = ", ".join(f"{name} {time:.0f} s" for name, time in seconds.items())
    text = f"{table(scored)}\n{device_name(1)}; trained: {trained}\n"
    write_text(out / "table.md", text)
    write_crops(out, kind)
    print(text)


if __name__ == "__main__":
    main()

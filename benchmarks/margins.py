"""What 0.1 dB of PSNR come with in every other metric, from which the margins of `metrics/registry.py` are taken.

    LOSSMITH_WEIGHTS=... python benchmarks/margins.py  # 3 minutes
    python benchmarks/margins.py photos/  # other pictures

Each photograph (those of scikit-image) is damaged until its PSNR is 29.5 and 30.5 dB, by noise, by blur, by
reducing and enlarging it, and by JPEG. The table shows what a metric changes by per 0.1 dB between both: the
median over photographs and kinds of damage, and the medians of each kind, on RGB, rounded to 8 bits. Beside it
is how much the score of a damaged picture changes when 8 rows and columns are cropped from its corner, which is
chance: a margin below that would decide by it. The margins are the larger of the former and twice the latter,
rounded to one significant digit.
"""

import argparse
import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from statistics import median

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lossmith.data import find_images, read_image, sample_images
from lossmith.degradations import from_8bit, resize
from lossmith.evaluation import (
    METRICS,
    NO_REFERENCE_METRICS,
    Protocol,
    Restored,
    Row,
    available_deep_metrics,
    find_metric,
    score,
    score_images,
)
from lossmith.losses.structural.filtering import gaussian_window, separable_filter

PSNR_DB, HALF_STEP_DB, TOLERANCE_DB = 30.0, 0.5, 1.0
"""Where the change is measured, between which PSNR, and how far a level may miss these."""
STEP_DB = 0.1
SHIFT = 8
"""Rows and columns that are cropped to see what is chance."""

Damage = Callable[[Tensor, float], Tensor]
"""Of a picture (3, H, W) in [0, 1] and a level from 0 to 1, the damaged picture; more is worse."""


def noise(image: Tensor, level: float) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return image + 0.3 * level * torch.randn(image.shape, generator=generator)


def blur(image: Tensor, level: float) -> Tensor:
    sigma = 0.3 + 8 * level
    side = 2 * int(3 * sigma + 1) + 1
    reach = side // 2
    padded = torch.nn.functional.pad(image[None], (reach, reach, reach, reach), mode="reflect")
    return separable_filter(padded, gaussian_window(sigma, side, padded))[0]


def reduce(image: Tensor, level: float) -> Tensor:
    height, width = image.shape[1:]
    factor = 1 + 15 * level
    small = resize(image, (max(8, round(height / factor)), max(8, round(width / factor))))
    return resize(small, (height, width))


def jpeg(image: Tensor, level: float) -> Tensor:
    pixels = (image.movedim(0, 2) * 255).round().clamp(0, 255).to(torch.uint8).numpy()
    with BytesIO() as file:
        Image.fromarray(pixels).save(file, "jpeg", quality=round(98 - 97 * level))
        return from_8bit(torch.from_numpy(np.array(Image.open(file))).movedim(2, 0))


DAMAGES: dict[str, Damage] = {"noise": noise, "blur": blur, "reduction": reduce, "JPEG": jpeg}


def psnr_of(damaged: Tensor, image: Tensor) -> float:
    return score(damaged, image, Protocol(), ["psnr"])["psnr"]


def damaged_to(image: Tensor, damage: Damage, psnr: float) -> Tensor | None:
    """The picture at this PSNR, or None where the damage does not reach it; the level is found by bisection."""
    low, high = 0.0, 1.0
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if psnr_of(damage(image, middle), image) > psnr else (low, middle)
    result = damage(image, high)
    return result if abs(psnr_of(result, image) - psnr) < TOLERANCE_DB else None


def items(images: Sequence[Path]) -> list[Restored]:
    """Every picture and damage twice, above and below 30 dB, and each of these with a corner cropped."""
    pairs = []
    for path in images:
        image = from_8bit(read_image(path))
        for kind, damage in DAMAGES.items():
            ends = [damaged_to(image, damage, PSNR_DB + sign * HALF_STEP_DB) for sign in (1, -1)]
            if ends[0] is None or ends[1] is None:
                continue
            for crop in (0, SHIFT):
                for end, damaged in zip(("above", "below"), ends, strict=True):
                    assert damaged is not None
                    pair = damaged[:, crop:, crop:], image[:, crop:, crop:]
                    pairs.append(Restored(f"{path.stem}/{kind}", f"{end}{crop}", pair))
    return pairs


def changes(rows: Sequence[Row], metric: str) -> tuple[dict[str, list[float]], list[float]]:
    """What the metric changes by per 0.1 dB, by kind of damage, and by cropping a corner."""
    by_place = {(row.image, row.method): row.scores for row in rows}
    slopes: dict[str, list[float]] = {}
    chance = []
    for name in dict.fromkeys(row.image for row in rows):
        above, below = (by_place[name, f"{end}0"] for end in ("above", "below"))
        step = above["psnr"] - below["psnr"]
        if step > 0:
            slopes.setdefault(name.split("/")[1], []).append(abs(above[metric] - below[metric]) / step * STEP_DB)
        chance.append(abs(by_place[name, f"below{SHIFT}"][metric] - below[metric]))
    return slopes, chance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", nargs="*", type=Path, help="pictures or folders [those of scikit-image]")
    arguments = parser.parse_args()
    images = find_images(arguments.photos) if arguments.photos else sample_images("train") + sample_images("test")
    names = [*METRICS, *NO_REFERENCE_METRICS, *available_deep_metrics()]
    rows = score_images(items(images), Protocol(), names)
    print(f"{len({row.image for row in rows})} damaged photographs of {len(images)}\n")
    print("| metric | per 0.1 dB |", " | ".join(DAMAGES), "| a cropped corner | margin |")
    print("| --- |" + " --- |" * (len(DAMAGES) + 3))
    for name in names:
        slopes, chance = changes(rows, name)
        kinds = " | ".join(f"{median(slopes[kind]):.2g}" if kind in slopes else "" for kind in DAMAGES)
        overall = median(value for values in slopes.values() for value in values)
        metric = find_metric(name)
        print(f"| {metric.label} | {overall:.2g} | {kinds} | {median(chance):.2g} | {metric.margin:g} |")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()

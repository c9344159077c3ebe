"""Recovering an image by minimizing a loss: the inversion benchmark of the authors of MDF.

    python benchmarks/inversion.py mdf.safetensors --out docs/inversion.md [--losses l1 mdf] [--size 384x512]
                                                   [--image photo.png]

A photograph, by default the coffee cup of scikit-image, is the target, and uniform noise the start; Adam with a
learning rate of 0.1 changes the pixels so that the loss falls. The PSNR is on RGB, clipped to [0, 1]. The losses
are those of the catalog, or of `--losses`, and those of the loss files that are given.
"""

import argparse
import shlex
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from lossmith.core.devices import best_device, device_name
from lossmith.core.errors import LossmithError
from lossmith.core.files import write_text
from lossmith.data import read_image, sample_images
from lossmith.degradations import from_8bit
from lossmith.losses import LOSSES, loss
from lossmith.losses.mdf.discriminator import downscale
from lossmith.losses.mdf.loss_file import expression_of
from lossmith.soundness.measuring import invert

REPORTED_STEPS = (10, 50, 100, 200, 500)
AUTHORS_PSNRS = {
    "L2": (19.17, 36.95, 59.02, 104.00, 149.48),
    "SSIM": (15.75, 35.90, 58.50, 56.71, 53.29),
    "MS-SSIM": (12.59, 17.32, 20.00, 26.02, 52.75),
    "MDF": (13.49, 19.44, 24.33, 32.45, 50.79),
    "L1": (21.71, 34.52, 34.89, 35.39, 35.31),
    "L2 + 0.01 VGG": (17.33, 26.44, 27.15, 27.10, 27.16),
    "L2 + 0.1 VGG": (11.82, 18.00, 20.68, 21.83, 22.00),
    "VGG": (9.62, 10.27, 10.37, 10.32, 9.95),
}
"""PSNRs stored by the authors of MDF: another photograph of 384 x 512, the same optimizer."""


def photograph(path: Path | None, height: int, width: int) -> Tensor:
    """(1, 3, height, width): the center of the photograph, downscaled first to cover the authors' size."""
    path = path or next(path for path in sample_images("train") if path.stem == "coffee")
    image = from_8bit(read_image(path))[None]
    image = downscale(image, min(1.0, max(384 / image.shape[2], 512 / image.shape[3])))
    if height > image.shape[2] or width > image.shape[3]:
        raise LossmithError(f"--size can be {image.shape[2]}x{image.shape[3]} at most, not {height}x{width}")
    top, left = (image.shape[2] - height) // 2, (image.shape[3] - width) // 2
    return image[..., top : top + height, left : left + width].to(best_device())


def row(*cells: str | float) -> str:
    return f"| {' | '.join(cell if isinstance(cell, str) else f'{cell:.2f}' for cell in cells)} |"


def table(marks: Iterable[int], *more: str) -> str:
    heads = ["loss", *(f"{mark} steps" for mark in marks), *more]
    return f"{row(*heads)}\n{row(*['---'] * len(heads))}"


def attempt(expression: str, target: Tensor, marks: list[int]) -> str:
    """A row of the table: the PSNRs and the time, or the error."""
    start = time.perf_counter()
    try:
        psnrs = invert(loss(expression).to(target.device), target, marks)
    except LossmithError as error:
        return row(f"`{expression}`", *[""] * len(marks), str(error))
    return row(f"`{expression}`", *psnrs, f"{time.perf_counter() - start:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*")
    parser.add_argument("--losses", nargs="*", default=list(LOSSES))
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--size", default="384x512", help="height x width")
    parser.add_argument("--image", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    height, width = map(int, options.size.split("x"))
    marks = [mark for mark in REPORTED_STEPS if mark < options.steps] + [options.steps]
    target = photograph(options.image, height, width)
    lines = [f"{height} x {width} pixels, {device_name()}; PSNR in dB.", "", table(marks, "time")]
    print(*lines, sep="\n", flush=True)
    for expression in [*options.losses, *map(expression_of, options.files)]:
        lines.append(attempt(expression, target, marks))
        print(lines[-1], flush=True)
    published = ["", "The authors' own, on another photograph of 384 x 512 pixels:", "", table(REPORTED_STEPS)]
    published += [row(name, *curve) for name, curve in AUTHORS_PSNRS.items()]
    print(*published, sep="\n")
    if options.out:
        title = ["# Recovering an image through a loss", "", f"    {shlex.join(['python', *sys.argv])}", ""]
        write_text(options.out, "\n".join([*title, *lines, *published, ""]))


if __name__ == "__main__":
    main()

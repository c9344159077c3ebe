"""What a loss asks for: how much it makes of small errors, by their frequency and their colour.

    python benchmarks/loss_spectrum.py l2 ssim "mdf(jpeg)" "mdf(mine.safetensors)" [--pictures DIR]

Noise of one band of frequencies and one colour, so faint that a loss answers with its square, is added to
pictures. A row is a colour: grey, blue-yellow and red-green. A column is a band, in cycles per pixel. A number
is the loss of that noise over the mean of all, so that L2 has 1 everywhere; a restorer trained under the loss
mends first what has a large number.
"""

import argparse
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from lossmith.degradations import from_8bit
from lossmith.images import find_pictures, read_picture, sample_pictures
from lossmith.losses import Loss, loss

EDGES = (0.0, 0.01, 0.03, 0.06, 0.12, 0.25, 0.5, 0.71)
COLOURS = {"grey": (1, 1, 1), "blue": (-1, -1, 2), "red": (1, -1, 0)}
FAINT = 0.01
"""Root mean square of the noise."""
SIDE, PICTURES = 256, 6


def noise(low: float, high: float, colour: tuple[int, ...], rng: torch.Generator) -> Tensor:
    """(3, SIDE, SIDE), of frequencies from `low` to below `high`, without a mean."""
    rows, columns = torch.fft.fftfreq(SIDE)[:, None], torch.fft.fftfreq(SIDE)[None]
    frequency = (rows.square() + columns.square()).sqrt()
    inside = (frequency >= low) & (frequency < high) & (frequency > 0)
    made = torch.fft.ifft2(torch.fft.fft2(torch.randn(SIDE, SIDE, generator=rng)) * inside).real
    direction = torch.tensor(colour, dtype=torch.float32)
    return FAINT * made / made.square().mean().sqrt() * (direction / direction.norm())[:, None, None]


@torch.no_grad()
def spectrum(criterion: Loss, pictures: list[Tensor]) -> list[list[float]]:
    """By colour and band."""
    rng = torch.Generator().manual_seed(0)
    bands = list(pairwise(EDGES))
    rows = []
    for colour in COLOURS.values():
        errors = [[noise(*band, colour, rng) for _ in pictures] for band in bands]
        rows.append(
            [
                sum(float(criterion((x + e)[None], x[None])) for x, e in zip(pictures, each, strict=True))
                for each in errors
            ]
        )
    mean = sum(map(sum, rows)) / (len(rows) * len(bands))
    return [[value / mean for value in row] for row in rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("losses", nargs="+")
    parser.add_argument("--pictures", type=Path, help="a folder; else the photographs of the demo")
    options = parser.parse_args()
    paths = find_pictures([options.pictures]) if options.pictures else sample_pictures("test")
    whole = [from_8bit(read_picture(path)) for path in paths]
    pictures = [x[:, :SIDE, :SIDE] for x in whole if min(x.shape[1:]) >= SIDE][:PICTURES]
    heads = [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]
    print("| loss | colour |", " | ".join(heads), "|")
    print("| --- " * (2 + len(heads)) + "|")
    for expression in options.losses:
        for colour, row in zip(COLOURS, spectrum(loss(expression), pictures), strict=True):
            print(f"| `{expression}` | {colour} |", " | ".join(f"{value:.2f}" for value in row), "|", flush=True)


if __name__ == "__main__":
    main()

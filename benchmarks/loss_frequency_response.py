"""The frequency response of losses, by color axis: `lossmith.losses.frequency_response` as a table.

python benchmarks/loss_frequency_response.py l2 ssim "mdf(jpeg)" "mdf(mine.safetensors)" [--images DIR]
"""

import argparse
from pathlib import Path

from lossmith.data import find_images, read_image, sample_images
from lossmith.degradations import from_8bit
from lossmith.losses import loss
from lossmith.losses.frequency_response import band_names, frequency_response

CROP_SIDE, MAX_IMAGES = 256, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("losses", nargs="+")
    parser.add_argument("--images", type=Path, help="a folder; else the photographs of the demo")
    options = parser.parse_args()
    paths = find_images([options.images]) if options.images else sample_images("color")
    photographs = [from_8bit(read_image(path)) for path in paths]
    images = [x[:, :CROP_SIDE, :CROP_SIDE] for x in photographs if min(x.shape[1:]) >= CROP_SIDE][:MAX_IMAGES]
    print("| loss | color |", " | ".join(band_names()), "|")
    print("| --- " * (2 + len(band_names())) + "|")
    for expression in options.losses:
        for color, row in frequency_response(loss(expression), images).items():
            print(f"| `{expression}` | {color} |", " | ".join(f"{value:.2f}" for value in row), "|", flush=True)


if __name__ == "__main__":
    main()

"""What losses ask for, by the frequency and the colour of errors: `lossmith.losses.spectrum` as a table.

python benchmarks/loss_spectrum.py l2 ssim "mdf(jpeg)" "mdf(mine.safetensors)" [--pictures DIR]
"""

import argparse
from pathlib import Path

from lossmith.degradations import from_8bit
from lossmith.images import find_pictures, read_picture, sample_pictures
from lossmith.losses import loss
from lossmith.losses.spectrum import bands, spectrum

SIDE, PICTURES = 256, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("losses", nargs="+")
    parser.add_argument("--pictures", type=Path, help="a folder; else the photographs of the demo")
    options = parser.parse_args()
    paths = find_pictures([options.pictures]) if options.pictures else sample_pictures("test")
    whole = [from_8bit(read_picture(path)) for path in paths]
    pictures = [x[:, :SIDE, :SIDE] for x in whole if min(x.shape[1:]) >= SIDE][:PICTURES]
    print("| loss | colour |", " | ".join(bands()), "|")
    print("| --- " * (2 + len(bands())) + "|")
    for expression in options.losses:
        for colour, row in spectrum(loss(expression), pictures).items():
            print(f"| `{expression}` | {colour} |", " | ".join(f"{value:.2f}" for value in row), "|", flush=True)


if __name__ == "__main__":
    main()

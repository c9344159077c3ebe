"""The share of each loss's error that is a constant shift of an image's colors.

    python benchmarks/color_drift.py runs/zhao-small/jpeg --test BSDS500_test

Prints, for the restored RGB images of a tournament, the PSNR, the PSNR after subtracting each image's mean error
per channel, and that mean error in levels of 255.
"""

import argparse
from pathlib import Path
from statistics import fmean

from lossmith.data import find_images, read_image
from lossmith.degradations import from_8bit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tournament", type=Path)
    parser.add_argument("--test", type=Path, required=True)
    options = parser.parse_args()
    targets = {path.stem: path for path in find_images(options.test)}
    print("| loss | PSNR, dB | without the shift, dB | shift, levels |\n| --- | --- | --- | --- |")
    for run in sorted((options.tournament / "runs").iterdir()):
        psnrs, corrected_psnrs, shifts = [], [], []
        for path in sorted(run.glob("seed-*/images/*.png")):
            error = from_8bit(read_image(path)) - from_8bit(read_image(targets[path.stem]))
            shift = error.mean((1, 2), keepdim=True)
            psnrs.append(-10 * float(error.square().mean().log10()))
            corrected_psnrs.append(-10 * float((error - shift).square().mean().log10()))
            shifts.append(255 * float(shift.abs().mean()))
        print(f"| {run.name} | {fmean(psnrs):.2f} | {fmean(corrected_psnrs):.2f} | {fmean(shifts):.2f} |")


if __name__ == "__main__":
    main()

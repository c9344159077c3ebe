"""A metric of your own over the restored images of a tournament, with lossmith's paired statistics.

The folder is that of a finished `lossmith compare`, the targets are its test images:

    python custom_metric.py runs/jpeg --targets holiday/
"""

import argparse
from pathlib import Path

from torch import Tensor

from lossmith.data import find_images, read_image
from lossmith.degradations import from_8bit
from lossmith.evaluation import Metric, Row, ranking

COLOR_SHIFT = Metric("color_shift", "Color shift", higher_is_better=False, digits=3, unit="levels")


def color_shift(prediction: Tensor, target: Tensor) -> float:
    """The mean absolute shift of an image's mean color, in levels of 255; images (3, H, W) in [0, 1]."""
    return 255 * float((prediction - target).mean((1, 2)).abs().mean())


def rows_of(tournament: Path, targets: Path) -> list[Row]:
    """A row for every restored image of every loss and seed."""
    clean = {path.stem: from_8bit(read_image(path)) for path in find_images([targets])}
    return [
        Row(path.stem, folder.parent.name, int(folder.name.removeprefix("seed-")), {COLOR_SHIFT.name: score})
        for folder in sorted((tournament / "runs").glob("*/seed-*"))
        for path in sorted((folder / "images").glob("*.png"))
        for score in [color_shift(from_8bit(read_image(path)), clean[path.stem])]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tournament", type=Path, help="the folder of `lossmith compare`")
    parser.add_argument("--targets", type=Path, required=True, help="the folder of its test images")
    options = parser.parse_args()
    standing = ranking(rows_of(options.tournament, options.targets), COLOR_SHIFT)
    for loss in standing.order:
        low, high = standing.intervals[loss]
        print(f"{loss}: {standing.means[loss]:.3f} ({low:.3f} to {high:.3f})")
    print(f"best, or not distinguishable from the best: {', '.join(standing.leaders)}")


if __name__ == "__main__":
    main()

"""The gray benchmarks of the field, by its protocol: DnCNN on Set12 and BSD68, JPEG on classic5.

Pictures are read as one channel of 8 bits and scored as gray, rounded to 8 bits, without cropping. Zhang et al.
(IEEE TIP 26(7), 2017) add Gaussian noise of standard deviation 25, on 0 to 255, to a picture of floats, and
neither clip nor round the sum; they round what the network returns. So does this, with lossmith's `noise(25)`,
whose drawings are others than those of MATLAB's `randn('seed', 0)`: shown are the mean and the standard deviation
over --drawings of them. The network is the DnCNN-S for this noise, with batch normalization merged into its
convolutions, in the layout of KAIR.

    LOSSMITH_DATA=DIR python benchmarks/gray_protocol.py [--drawings 5]

DIR holds `test/Set12`, `test/classic5`, `weights/sr/dncnn_25.pth` and, if it is there, `test/BSD68`.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

from lossmith.core.pixel_format import PixelFormat
from lossmith.data import ImagePair, find_images, make_test_pairs
from lossmith.data.picture_reader import PictureReader
from lossmith.degradations import degradation
from lossmith.evaluation import baseline, protocol_of, restore_images, score
from lossmith.models import Model
from lossmith.restoration import open_restorer

GRAY = PixelFormat(1)
PICTURES = (
    ("Cameraman", 30.18),
    ("House", 33.06),
    ("Peppers", 30.87),
    ("Starfish", 29.41),
    ("Monarch", 30.28),
    ("Airplane", 29.13),
    ("Parrot", 29.43),
    ("Lena", 32.44),
    ("Barbara", 30.00),
    ("Boat", 30.21),
    ("Man", 30.10),
    ("Couple", 30.12),
)
"""Set12 in the order of its files, with the PSNR of DnCNN-S at sigma 25 in the paper's table III."""
SET12_MEAN, BSD68_MEAN = 30.436, 29.23
"""The means in the paper's tables III and II."""
JPEG = {10: (27.82, 0.7595), 20: (30.12, 0.8344), 30: (31.48, 0.8666), 40: (32.43, 0.8849)}
"""PSNR and SSIM of classic5 after JPEG at these qualities, as papers on deblocking state them."""
NAMES = ("psnr", "ssim")


def gray_pairs(folder: Path, expression: str, drawing: int = 0) -> Sequence[ImagePair]:
    """The pictures of a folder, and what a degradation makes of them."""
    return make_test_pairs(find_images([folder]), degradation(expression), drawing, reader=PictureReader(GRAY))


def denoised_psnr(model: Model, folder: Path, drawing: int) -> list[float]:
    """The PSNR of every picture, denoised."""
    pairs = gray_pairs(folder, "noise(25)", drawing)
    protocol = protocol_of(pairs, GRAY)
    restored = restore_images(model.restorer, pairs)
    return [score(x, pair.clean, protocol, NAMES)["psnr"] for x, pair in zip(restored, pairs, strict=True)]


def degraded_scores(folder: Path, expression: str) -> tuple[float, float]:
    """Mean PSNR and SSIM of the degraded pictures of a folder."""
    pairs = gray_pairs(folder, expression)
    scores = [score(baseline(pair), pair.clean, protocol_of(pairs, GRAY), NAMES) for pair in pairs]
    return fmean(s["psnr"] for s in scores), fmean(s["ssim"] for s in scores)


def row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def denoising_table(model: Model, data: Path, drawings: int) -> list[str]:
    by_drawing = [denoised_psnr(model, data / "test/Set12", drawing) for drawing in range(drawings)]
    lines = [row("picture", "published", "measured", "difference"), row("---", "---:", "---:", "---:")]
    for (name, published), values in zip(PICTURES, zip(*by_drawing, strict=True), strict=True):
        lines.append(row(name, f"{published:.2f}", _spread(values), f"{fmean(values) - published:+.2f}"))
    means = {"Set12": (SET12_MEAN, [fmean(values) for values in by_drawing])}
    if (bsd68 := data / "test/BSD68").is_dir():
        means["BSD68"] = BSD68_MEAN, [fmean(denoised_psnr(model, bsd68, k)) for k in range(drawings)]
    for name, (published, values) in means.items():
        lines.append(
            row(f"all of {name}", f"{published:.2f}", _spread(values), f"{fmean(values) - published:+.2f}")
        )
    return lines


def jpeg_table(data: Path) -> list[str]:
    lines = [row("quality", "published", "measured"), row("---:", "---", "---")]
    for quality, published in JPEG.items():
        measured = degraded_scores(data / "test/classic5", f"jpeg({quality})")
        lines.append(row(quality, *(f"{psnr:.2f} dB, {ssim:.4f}" for psnr, ssim in (published, measured))))
    return lines


def _spread(values: Sequence[float]) -> str:
    return f"{fmean(values):.2f}" + (f" ± {stdev(values):.2f}" if len(values) > 1 else "")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawings", type=int, default=5, help="of the noise")
    options = parser.parse_args()
    data = Path(os.environ["LOSSMITH_DATA"])
    model = open_restorer(data / "weights/sr/dncnn_25.pth")
    print("\n".join([*denoising_table(model, data, options.drawings), "", *jpeg_table(data)]))


if __name__ == "__main__":
    main()

"""The picture of the README: photographs before and after `lossmith restore`, details side by side.

    python benchmarks/before_after.py --out docs/before-after.jpg

The photographs are scikit-image's astronaut, chelsea and rocket, on which no shipped model was trained. Each is
damaged (JPEG at quality 10; noise of sigma 25; reduced to a quarter), saved as a file, and restored by its task.
The columns are the damage (enlarged by Pillow's bicubic filter, where it is small), faithful, sharp, the original.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from skimage import data

import lossmith
from lossmith.models import Character, Task, shipped_models, shipped_name

GAP, LABEL = 4, 22
"""Pixels between the details, and of the line of labels above them."""


@dataclass(frozen=True)
class Row:
    """A photograph, how it is damaged and restored, and which part of it is shown."""

    photograph: Literal["astronaut", "chelsea", "rocket"]
    task: Task
    damage: str
    corner: tuple[int, int]
    """Left and top of the detail."""


ROWS = (
    Row("chelsea", "jpeg", "JPEG, quality 10", (108, 68)),
    Row("astronaut", "denoise", "noise, sigma 25", (140, 30)),
    Row("rocket", "x4", "a quarter of the size", (300, 190)),
)

ALPHAS = {
    character: alpha
    for alpha, character in enumerate(get_args(Character))
    if all(shipped_name(row.task, character) in shipped_models() for row in ROWS)
}
"""The characters that ship for all of these tasks."""


def original(name: str) -> Image.Image:
    """A photograph, cropped to sides that are multiples of 4."""
    image = Image.fromarray(getattr(data, name)())
    return image.crop((0, 0, image.width // 4 * 4, image.height // 4 * 4))


def damaged(image: Image.Image, task: Task, folder: Path) -> Path:
    """The file of the damaged photograph, as somebody would have it."""
    if task == "jpeg":
        image.save(folder / "damaged.jpg", quality=10)
        return folder / "damaged.jpg"
    if task == "denoise":
        noise = np.random.default_rng(0).normal(0, 25, (image.height, image.width, 3))
        image = Image.fromarray((np.asarray(image) + noise).round().clip(0, 255).astype(np.uint8))
    else:
        factor = int(task.removeprefix("x"))
        image = image.resize((image.width // factor, image.height // factor), Image.Resampling.BICUBIC)
    image.save(folder / "damaged.png")
    return folder / "damaged.png"


def panels(row: Row, side: int) -> list[Image.Image]:
    """The detail before, restored in each character, and as it was."""
    truth = original(row.photograph)
    box = (*row.corner, row.corner[0] + side, row.corner[1] + side)
    with tempfile.TemporaryDirectory() as name:
        file = damaged(truth, row.task, Path(name))
        images = [Image.open(file).convert("RGB").resize(truth.size, Image.Resampling.BICUBIC)]
        for alpha in ALPHAS.values():
            (result,) = lossmith.restore(file, task=row.task, alpha=alpha, out=Path(name) / f"{alpha}.png").results
            images.append(Image.open(result).convert("RGB"))
    return [image.crop(box) for image in (*images, truth)]


def compose(rows: list[list[Image.Image]], titles: list[list[str]]) -> Image.Image:
    """Rows of details on white, each with its title above it."""
    side, columns = rows[0][0].width, len(rows[0])
    width = columns * side + (columns - 1) * GAP
    sheet = Image.new("RGB", (width, len(rows) * (side + LABEL + GAP) - GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for index, (images, words) in enumerate(zip(rows, titles, strict=True)):
        top = index * (side + LABEL + GAP)
        for column, (image, title) in enumerate(zip(images, words, strict=True)):
            left = column * (side + GAP)
            draw.text((left + 2, top + 3), title, "black", font)
            sheet.paste(image, (left, top + LABEL))
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/before-after.jpg"))
    parser.add_argument("--side", type=int, default=220, help="of a detail, in pixels")
    options = parser.parse_args()
    restored = [f"restored, {character}" for character in ALPHAS]
    titles = [[row.damage, *restored, "the original"] for row in ROWS]
    sheet = compose([panels(row, options.side) for row in ROWS], titles)
    sheet.save(options.out, quality=93, subsampling=0, optimize=True)
    print(f"{options.out}: {sheet.width} x {sheet.height}, {options.out.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()

"""How small the images of a page become, and in what time: lossless WebP with several settings, and PNG.

    python benchmarks/page_images.py FOLDER...

The folders hold images as a page shows them, such as `runs/demo/runs/*/seed-0/images`.
"""

import argparse
import io
from collections.abc import Callable
from pathlib import Path
from time import process_time

from PIL import Image

SETTINGS = [(0, 0), (1, 0), (2, 0), (3, 0), (4, 60), (6, 60)]
"""Pillow's `method` and `quality`, which change nothing but size and time of lossless WebP."""


def webp(image: Image.Image, method: int, quality: int) -> int:
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True, method=method, quality=quality)
    return file.tell()


def png(image: Image.Image) -> int:
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.tell()


def measure(name: str, images: list[Image.Image], size: Callable[[Image.Image], int]) -> None:
    start = process_time()
    total = sum(map(size, images))
    pixels = sum(image.width * image.height for image in images)
    seconds = process_time() - start
    print(f"| {name} | {total / pixels:.3f} | {seconds / pixels * 1e6:.2f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    paths = [path for folder in parser.parse_args().folders for path in sorted(folder.glob("*.png"))]
    images = [Image.open(path).convert("RGB") for path in paths]
    print("| format | bytes per pixel | seconds per megapixel |\n| --- | --- | --- |")
    for method, quality in SETTINGS:
        measure(
            f"WebP, method {method}, quality {quality}",
            images,
            lambda image, m=method, q=quality: webp(image, m, q),  # type: ignore[misc]
        )
    measure("PNG", images, png)


if __name__ == "__main__":
    main()

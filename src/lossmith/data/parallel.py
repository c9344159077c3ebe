"""Reading many image files in parallel threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError
from lossmith.data.reading import read_image

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with the number of images that are done, and of all."""


def read_cropped(path: Path, scale: int) -> Tensor:
    """The image in a file, uint8 (3, H, W), cropped at the bottom and the right to multiples of `scale`.

    Raises LossmithError for an image that cannot be read, or with a side below `scale`.
    """
    image = read_image(path)
    height, width = (side // scale * scale for side in image.shape[1:])
    if not height or not width:
        size = f"{image.shape[1]}x{image.shape[2]}"
        raise LossmithError(f"image '{path}' has {size} pixels, too few to be downscaled by {scale}")
    return image[:, :height, :width].contiguous()


def read_image_pair(clean: Path, degraded: Path, scale: int) -> tuple[Tensor, Tensor]:
    """A clean image and its degraded one, cropped to the part that both have: uint8 (3, H, W), (3, H / s, W / s).

    Some programs round the sides of a downscaled image up: of 101 pixels to 51, the last of which is half a pixel.
    """
    large, small = read_cropped(clean, scale), read_image(degraded)
    height, width = (side // scale for side in large.shape[1:])
    return large, small[:, :height, :width].contiguous()


def parallel_map(
    loads: Sequence[Callable[[], T]], progress: Progress | None = None, threads: int | None = None
) -> list[T]:
    """The results of all `loads`, called in threads; decoding and resampling release the interpreter's lock.

    Raises the first error of a call at once, and LossmithError when the memory runs out.
    """
    if not loads:
        raise LossmithError("no images were given")
    results: list[T] = []
    with ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(load) for load in loads]
        try:
            for future in futures:
                results.append(future.result())
                if progress:
                    progress(len(results), len(loads))
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise LossmithError(
                f"the memory ran out with {len(results)} of {len(loads)} images read; take fewer, or smaller ones"
            ) from error
        finally:  # do not wait for the other calls before an error is reported
            pool.shutdown(wait=False, cancel_futures=True)
    return results

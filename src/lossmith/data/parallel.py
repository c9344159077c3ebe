"""Many files at once."""

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
"""Told how many images are done, of how many."""


def read_cropped(path: Path, scale: int) -> Tensor:
    """The image in a file, without the last rows and columns that are no multiple of `scale`."""
    image = read_image(path)
    height, width = (side // scale * scale for side in image.shape[1:])
    if not height or not width:
        size = f"{image.shape[1]}x{image.shape[2]}"
        raise LossmithError(f"image '{path}' has {size} pixels, too few to be shrunk by {scale}")
    return image[:, :height, :width].contiguous()


def read_image_pair(clean: Path, degraded: Path, scale: int) -> tuple[Tensor, Tensor]:
    """A clean image and its degraded one, without the last rows and columns that only one of them has.

    Some programs round the sides of what they shrink up: of 101 pixels the half is 51, of which 50 are whole.
    """
    large, small = read_cropped(clean, scale), read_image(degraded)
    height, width = (side // scale for side in large.shape[1:])
    return large, small[:, :height, :width].contiguous()


def parallel_map(
    loads: Sequence[Callable[[], T]], progress: Progress | None = None, threads: int | None = None
) -> list[T]:
    """Call them all, in threads: decoding and resampling let others run meanwhile.

    Raises what they raise, and LossmithError when the memory runs out.
    """
    if not loads:
        raise LossmithError("no images were given")
    done: list[T] = []
    with ThreadPoolExecutor(threads or min(8, os.cpu_count() or 1)) as pool:
        futures = [pool.submit(load) for load in loads]
        try:
            for future in futures:
                done.append(future.result())
                if progress:
                    progress(len(done), len(loads))
        except Exception as error:
            if not out_of_memory(error):
                raise
            raise LossmithError(
                f"the memory ran out with {len(done)} of {len(loads)} images read; take fewer, or smaller ones"
            ) from error
        finally:  # the first mistake is reported at once
            pool.shutdown(wait=False, cancel_futures=True)
    return done

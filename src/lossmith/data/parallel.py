"""Many calls in parallel threads."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with the number of images that are done, and of all."""


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

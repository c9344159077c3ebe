"""The dissimilarity of planes and its gradient by the compiled loops of `strips`, several threads at once.

No two strips write to the same place, so the result does not depend on how many threads there are.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.losses.similarity.formulas import rough_centre_of
from lossmith.losses.similarity.plan import Plan
from lossmith.losses.similarity.strips import Array, memory, strip
from lossmith.losses.similarity.windows import inside
from lossmith.losses.windows import gaussian

STRIP = 2**16
"""Pixels that a strip has about."""


def sweep(x: Tensor, y: Tensor, plan: Plan, share: float, slopes: bool) -> tuple[Tensor, Tensor | None]:
    """Of (P, H, W) planes the summed dissimilarity, (P,), and if wanted its slopes by x, both times `share`."""
    planes, height, width = x.shape
    gradient = torch.empty_like(x) if slopes else None
    shared: tuple[Any, ...] = (
        x.numpy(),
        y.numpy(),
        (x.new_empty(0, 0, 0) if gradient is None else gradient).numpy(),
        *_windows(plan, x),
        *(each.flatten().numpy() for each in rough_centre_of(x, y)),
        np.array([2 * plan.constants.c1, 2 * plan.constants.c2, share], dtype=x.numpy().dtype),
        plan.luminance,
        plan.same,
    )
    strips = max(1, round(height * width / STRIP))
    rows = -(-height // strips)
    tasks = [(plane, top, min(top + rows, height)) for plane in range(planes) for top in range(0, height, rows)]
    sums = np.zeros(len(tasks))
    left = iter(list(enumerate(tasks)))  # whoever is free takes the next, as torch's own threads may hold a core

    def work(*_: object) -> None:
        # once, as fresh memory costs more than the arithmetic
        own = memory(rows, width, len(plan.windows), plan.windows[-1].side // 2, shared[0].dtype)
        for index, task in left:
            sums[index] = strip(*(*shared, *own, *task))

    helpers = min(torch.get_num_threads(), len(tasks)) - 1
    others = _pool(os.getpid()).map(work, range(helpers)) if helpers else ()
    work()
    list(others)
    return torch.from_numpy(share * sums.reshape(planes, -1).sum(1)).to(x.dtype), gradient


def _windows(plan: Plan, x: Tensor) -> tuple[Array, Array, Array, Array]:
    """Taps (K, side) amid zeros, their reaches, and what a mean is multiplied by in each row and column."""
    height, width = x.shape[1:]
    taps = [gaussian(sigma, side, x) for sigma, side in plan.windows]
    reach = len(taps[-1]) // 2
    table = torch.stack([torch.nn.functional.pad(each, (reach - len(each) // 2,) * 2) for each in taps])
    scales = []
    for length in (height, width):
        ones = x.new_ones(len(taps), length - plan.lost)
        scales.append(1 / torch.stack([inside(length, each) for each in taps]) if plan.same else ones)
    reaches = np.array([len(each) // 2 for each in taps])
    return table.numpy(), reaches, scales[0].numpy(), scales[1].numpy()


@cache
def _pool(process: int) -> ThreadPoolExecutor:
    """One for each process, as threads do not survive a fork; they begin when they are first needed."""
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="lossmith")

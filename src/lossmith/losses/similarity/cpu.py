"""The dissimilarity of planes and its gradient by the compiled loops of `strips`, several threads at once.

No two strips write to the same place, so the result does not depend on how many threads there are.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.losses.similarity.formulas import rough_centre_of
from lossmith.losses.similarity.halving_loops import halve, spread_plane
from lossmith.losses.similarity.plan import Plan
from lossmith.losses.similarity.strips import Array, memory, strip
from lossmith.losses.similarity.threads import at_once
from lossmith.losses.similarity.windows import inside
from lossmith.losses.windows import gaussian

STRIP = 2**16
"""Pixels that a strip has about."""
LEAST = 2**16
"""Pixels under one window for a thread: fewer are done before another thread has woken up."""
LEAST_HALVED = 2**20
"""The same for halving them and back."""


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

    def work() -> None:
        own: tuple[Array, ...] = ()
        for index, task in left:
            # once, as fresh memory costs more than the arithmetic
            own = own or memory(rows, width, len(plan.windows), plan.windows[-1].side // 2, shared[0].dtype)
            sums[index] = strip(*(*shared, *own, *task))

    at_once(work, min(len(tasks), 1 + x.numel() * len(plan.windows) // LEAST))
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


def halved(pictures: Tensor) -> Tensor:
    """See `halving`."""
    planes, height, width = pictures.shape
    out = pictures.new_empty(planes, -(-height // 2), -(-width // 2))
    _plane_by_plane(partial(halve, pictures.numpy(), out.numpy()), pictures)
    return out


def spread(coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
    """See `halving`."""
    _plane_by_plane(partial(spread_plane, coarse.numpy(), fine.numpy(), by.numpy()), fine)
    return fine


def _plane_by_plane(do: Callable[[int], object], pictures: Tensor) -> None:
    planes = iter(range(len(pictures)))

    def work() -> None:
        for plane in planes:
            do(plane)

    at_once(work, 1 + pictures.numel() // LEAST_HALVED)

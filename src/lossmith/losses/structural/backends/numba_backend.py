"""The dissimilarity of planes and its gradient by the compiled loops of `strips`, several threads at once.

No two strips write to the same place, so the result does not depend on how many threads there are.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lossmith.losses.structural.backends.numba_downsample import downsample_plane, upsample_plane_add
from lossmith.losses.structural.backends.numba_kernels import Array, scratch_buffers, strip
from lossmith.losses.structural.backends.threads import run_parallel
from lossmith.losses.structural.filtering import covered_weight, gaussian_window
from lossmith.losses.structural.formulas import SSIMSpec, subsampled_center

STRIP = 2**16
"""Pixels that a strip has about."""
MIN_PIXELS_PER_THREAD = 2**16
"""Pixels under one window for a thread: fewer are done before another thread has woken up."""
MIN_DOWNSAMPLED_PIXELS_PER_THREAD = 2**20
"""The same for halving them and back."""


def dissimilarity_and_grad(
    x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Of (P, H, W) planes the summed dissimilarity, (P,), and if wanted its slopes by x, both times `scale`."""
    planes, height, width = x.shape
    gradient = torch.empty_like(x) if need_grad else None
    shared: tuple[Any, ...] = (
        x.numpy(),
        y.numpy(),
        (x.new_empty(0, 0, 0) if gradient is None else gradient).numpy(),
        *_windows(spec, x),
        *(each.flatten().numpy() for each in subsampled_center(x, y)),
        np.array([2 * spec.constants.c1, 2 * spec.constants.c2, scale], dtype=x.numpy().dtype),
        spec.luminance,
        spec.same,
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
            own = own or scratch_buffers(
                rows, width, len(spec.windows), spec.windows[-1].side // 2, shared[0].dtype
            )
            sums[index] = strip(*(*shared, *own, *task))

    run_parallel(work, min(len(tasks), 1 + x.numel() * len(spec.windows) // MIN_PIXELS_PER_THREAD))
    return torch.from_numpy(scale * sums.reshape(planes, -1).sum(1)).to(x.dtype), gradient


def _windows(spec: SSIMSpec, x: Tensor) -> tuple[Array, Array, Array, Array]:
    """Taps (K, side) amid zeros, their reaches, and what a mean is multiplied by in each row and column."""
    height, width = x.shape[1:]
    taps = [gaussian_window(sigma, side, x) for sigma, side in spec.windows]
    reach = len(taps[-1]) // 2
    table = torch.stack([torch.nn.functional.pad(each, (reach - len(each) // 2,) * 2) for each in taps])
    scales = []
    for length in (height, width):
        ones = x.new_ones(len(taps), length - spec.border)
        scales.append(1 / torch.stack([covered_weight(length, each) for each in taps]) if spec.same else ones)
    reaches = np.array([len(each) // 2 for each in taps])
    return table.numpy(), reaches, scales[0].numpy(), scales[1].numpy()


def downsample2x(images: Tensor) -> Tensor:
    """See `halving`."""
    planes, height, width = images.shape
    out = images.new_empty(planes, -(-height // 2), -(-width // 2))
    _plane_by_plane(partial(downsample_plane, images.numpy(), out.numpy()), images)
    return out


def upsample2x_add(coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
    """See `halving`."""
    _plane_by_plane(partial(upsample_plane_add, coarse.numpy(), fine.numpy(), by.numpy()), fine)
    return fine


def _plane_by_plane(do: Callable[[int], object], images: Tensor) -> None:
    planes = iter(range(len(images)))

    def work() -> None:
        for plane in planes:
            do(plane)

    run_parallel(work, 1 + images.numel() // MIN_DOWNSAMPLED_PIXELS_PER_THREAD)

"""The dissimilarity of planes and its gradient by the compiled loops of `numba_kernels`, in several threads.

No two strips write to the same place, so the result does not depend on the number of threads.
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

STRIP_PIXELS = 2**16
"""About the number of pixels of a strip."""
MIN_PIXELS_PER_THREAD = 2**16
"""Pixels under one window for a thread: fewer are done before another thread has started."""
MIN_DOWNSAMPLED_PIXELS_PER_THREAD = 2**20
"""The same for downsampling and its adjoint."""


def dissimilarity_and_grad(
    x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """The summed dissimilarity of (P, H, W) planes, (P,), and if needed its gradient by x, both times `scale`."""
    planes, height, width = x.shape
    gradient = torch.empty_like(x) if need_grad else None
    shared: tuple[Any, ...] = (
        x.numpy(),
        y.numpy(),
        (x.new_empty(0, 0, 0) if gradient is None else gradient).numpy(),
        *_windows(spec, x),
        *(center.flatten().numpy() for center in subsampled_center(x, y)),
        np.array([2 * spec.constants.c1, 2 * spec.constants.c2, scale], dtype=x.numpy().dtype),
        spec.luminance,
        spec.same,
    )
    strips = max(1, round(height * width / STRIP_PIXELS))
    rows = -(-height // strips)
    tasks = [(plane, top, min(top + rows, height)) for plane in range(planes) for top in range(0, height, rows)]
    sums = np.zeros(len(tasks))
    queue = iter(list(enumerate(tasks)))  # each free thread takes the next task

    def work() -> None:
        buffers: tuple[Array, ...] = ()
        for index, task in queue:
            # allocated once per thread, since fresh memory costs more than the arithmetic
            buffers = buffers or scratch_buffers(
                rows, width, len(spec.windows), spec.windows[-1].side // 2, shared[0].dtype
            )
            sums[index] = strip(*(*shared, *buffers, *task))

    run_parallel(work, min(len(tasks), 1 + x.numel() * len(spec.windows) // MIN_PIXELS_PER_THREAD))
    return torch.from_numpy(scale * sums.reshape(planes, -1).sum(1)).to(x.dtype), gradient


def _windows(spec: SSIMSpec, x: Tensor) -> tuple[Array, Array, Array, Array]:
    """Zero-padded taps (K, side), their reaches, and the factors of means in each row and in each column."""
    height, width = x.shape[1:]
    taps = [gaussian_window(sigma, side, x) for sigma, side in spec.windows]
    reach = len(taps[-1]) // 2
    table = torch.stack([torch.nn.functional.pad(row, (reach - len(row) // 2,) * 2) for row in taps])
    scales = []
    for length in (height, width):
        ones = x.new_ones(len(taps), length - spec.border)
        scales.append(1 / torch.stack([covered_weight(length, row) for row in taps]) if spec.same else ones)
    reaches = np.array([len(row) // 2 for row in taps])
    return table.numpy(), reaches, scales[0].numpy(), scales[1].numpy()


def downsample2x(images: Tensor) -> Tensor:
    """See `torch_backend.downsample2x`."""
    planes, height, width = images.shape
    out = images.new_empty(planes, -(-height // 2), -(-width // 2))
    _plane_by_plane(partial(downsample_plane, images.numpy(), out.numpy()), images)
    return out


def upsample2x_add(coarse: Tensor, fine: Tensor, by: Tensor) -> Tensor:
    """See `torch_backend.upsample2x_add`."""
    _plane_by_plane(partial(upsample_plane_add, coarse.numpy(), fine.numpy(), by.numpy()), fine)
    return fine


def _plane_by_plane(process_plane: Callable[[int], object], images: Tensor) -> None:
    planes = iter(range(len(images)))

    def work() -> None:
        for plane in planes:
            process_plane(plane)

    run_parallel(work, 1 + images.numel() // MIN_DOWNSAMPLED_PIXELS_PER_THREAD)

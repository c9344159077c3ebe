"""Quality metrics of restored images, as functions and as `torchmetrics.Metric`.

Functions take (prediction, target), both (N, C, H, W) floats on one device, and give one value per image, (N,).
Values are on the scale of the range of the images: 0 is its low end, 1 its high end.

    psnr, ssim, ms_ssim     follow `color`: "rgb", or "y" for BT.601 luma
    l1, l2                  1000 times the mean absolute and squared error; follow `color`, too
    gmsd, fsim, fsimc,      are defined on RGB or on a luma of their own, for 1 or 3 channels
    iw_ssim, lpips, dists,
    efficientnet_lite0
    niqe                    does not look at the target, which may be left out
    grid_artifacts          energy at the grid of an upsampling network, by its `period`

All take `border`, the pixels to crop from each side, and `round_to_8bit`; PSNR, SSIM, L1 and L2 also `valid`,
(N, 1, H, W) bool, the pixels that count. With `round_to_8bit=True` they give the scores of `lossmith evaluate` for
8-bit images; without it they are differentiable in the prediction. They compute in the precision of the images,
float32 or float64 (FSIM, IW-SSIM, NIQE and the grid always in float64, those on networks in float32). NIQE has no
gradient.

PSNR, SSIM, MSSSIM, GMSD, FSIM, FSIMc, IWSSIM, L1, L2, LPIPS, DISTS, EfficientNetLite0, NIQE and GridArtifacts are
the same metrics as classes for Lightning and torchmetrics; their value is the mean over all images. They need
torchmetrics; the functions need only torch.

>>> import torch
>>> from lossmith.metrics import psnr
>>> target = torch.zeros(2, 3, 32, 32)
>>> psnr(target + 0.1, target, color="rgb", border=4)
tensor([20., 20.])
"""

from typing import TYPE_CHECKING

from lossmith.core.lazy import lazy_exports

if TYPE_CHECKING:
    from lossmith.metrics.deep import dists, efficientnet_lite0, lpips
    from lossmith.metrics.feature_similarity import fsim, fsimc
    from lossmith.metrics.gradient_magnitude import gmsd
    from lossmith.metrics.information_weighted import iw_ssim
    from lossmith.metrics.modules import (
        DISTS,
        FSIM,
        GMSD,
        IWSSIM,
        L1,
        L2,
        LPIPS,
        MSSSIM,
        NIQE,
        PSNR,
        SSIM,
        EfficientNetLite0,
        FSIMc,
        GridArtifacts,
    )
    from lossmith.metrics.natural_quality import niqe
    from lossmith.metrics.pixel import l1, l2, psnr
    from lossmith.metrics.registry import (
        GRID_METRICS,
        METRICS,
        NO_REFERENCE_METRICS,
        Metric,
        available_deep_metrics,
        default_metrics,
        find_metric,
        metric_function,
    )
    from lossmith.metrics.structural import ms_ssim, ssim
    from lossmith.metrics.upsampling_grid import grid_artifacts
else:
    __getattr__, __dir__ = lazy_exports(__name__, {"lossmith.metrics.modules": "torchmetrics"})

__all__ = [
    "DISTS",
    "FSIM",
    "GMSD",
    "GRID_METRICS",
    "IWSSIM",
    "L1",
    "L2",
    "LPIPS",
    "METRICS",
    "MSSSIM",
    "NIQE",
    "NO_REFERENCE_METRICS",
    "PSNR",
    "SSIM",
    "EfficientNetLite0",
    "FSIMc",
    "GridArtifacts",
    "Metric",
    "available_deep_metrics",
    "default_metrics",
    "dists",
    "efficientnet_lite0",
    "find_metric",
    "fsim",
    "fsimc",
    "gmsd",
    "grid_artifacts",
    "iw_ssim",
    "l1",
    "l2",
    "lpips",
    "metric_function",
    "ms_ssim",
    "niqe",
    "psnr",
    "ssim",
]

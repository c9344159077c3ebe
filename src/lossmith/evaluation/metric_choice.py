"""The metrics of a tournament."""

from collections.abc import Sequence

from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.evaluation.statistics.metric_overlap import is_independent
from lossmith.metrics.deep import has_weights
from lossmith.metrics.registry import (
    GRID_METRICS,
    JUDGE,
    METRICS,
    NO_REFERENCE_METRICS,
    available_deep_metrics,
    known_metric,
)


def tournament_metrics(losses: Sequence[str], scale: int = 1, pixels: PixelFormat = RGB_8BIT) -> list[str]:
    """The metrics that restorers trained with these losses are compared by.

    All of METRICS and NIQE; the metric of the upsampling grid where a network enlarges; of LPIPS and DISTS, where
    their weights are on this machine, the first that is independent of all losses, or else the first; and
    EfficientNet-Lite0 where its weights are. Those that do not apply to the format of the images are left out.

    Parameters
    ----------
    losses
        The contenders, as they are written.
    scale
        By how much the network enlarges.
    pixels
        The format of the images.

    >>> tournament_metrics(["l1", "mix"], scale=4)[:11]
    ['psnr', 'ssim', 'ms_ssim', 'iw_ssim', 'gmsd', 'fsim', 'fsimc', 'l1', 'l2', 'niqe', 'grid4']
    >>> tournament_metrics(["l1"], pixels=PixelFormat(8, "uint16", 0, 65535))
    ['psnr', 'ssim', 'ms_ssim', 'l1', 'l2']
    """
    learned = [name for name in available_deep_metrics() if name != JUDGE]
    independent = [name for name in learned if all(is_independent(name, loss) for loss in losses)]
    grid = f"grid{scale}"
    names = [
        *METRICS,
        *NO_REFERENCE_METRICS,
        *([grid] if grid in GRID_METRICS else []),
        *(independent or learned)[:1],
        *([JUDGE] if has_weights(JUDGE) else []),
    ]
    return [name for name in names if known_metric(name).takes(pixels)]


__all__ = ["tournament_metrics"]

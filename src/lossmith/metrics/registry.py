"""The registry of metrics: their names, labels, directions, minimum sizes and functions."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from inspect import signature
from math import inf
from typing import Literal

from torch import Tensor

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat, describe_channels
from lossmith.metrics import information_weighted, structural
from lossmith.metrics.deep import (
    DEEP_METRICS,
    dists,
    efficientnet_lite0,
    has_weights,
    lpips,
    missing_weights,
)
from lossmith.metrics.feature_similarity import fsim, fsimc
from lossmith.metrics.gradient_magnitude import gmsd
from lossmith.metrics.information_weighted import iw_ssim
from lossmith.metrics.natural_quality import MIN_SIDE as NIQE_MIN_SIDE
from lossmith.metrics.natural_quality import niqe
from lossmith.metrics.pixel import l1, l2, psnr
from lossmith.metrics.structural import ms_ssim, ssim
from lossmith.metrics.upsampling_grid import PERIODS, grid_artifacts, min_side

MetricFunction = Callable[..., Tensor]

Goal = Literal["fidelity", "structure", "perception"]
"""What a metric speaks for: pixels that are right, edges and textures that are right, or an image that looks
right."""

GOALS: tuple[Goal, ...] = ("fidelity", "structure", "perception")


@dataclass(frozen=True)
class Metric:
    """The name, direction, format and minimum size of a metric."""

    name: str
    label: str
    """The name in tables and charts."""
    higher_is_better: bool
    digits: int
    """Decimals shown."""
    unit: str = ""
    min_side: int = 1
    """Minimum height and width of an image in pixels."""
    compares: bool = True
    """Whether it looks at the target; otherwise the target has a score of its own, which need not be the best."""
    goal: Goal | None = None
    """The goal that it speaks for, if any."""
    margin: float = 0.0
    """The largest difference that matters to nobody; methods that differ by less are called equivalent.

    By convention what comes with 0.1 dB of PSNR, as `benchmarks/margins.py` measures it, or what cropping
    changes by chance, if that is more, to one significant digit.
    """
    range: tuple[float, float] = (-inf, inf)
    """The least and the greatest possible score."""
    channels: tuple[int, ...] | None = None
    """The numbers of channels of the studies that it scores; None for all."""
    needs_8bit: bool = False
    """Whether it is defined on images of 8 bits alone."""

    def takes(self, pixels: PixelFormat) -> bool:
        """Whether it scores images of this format."""
        return (self.channels is None or pixels.channels in self.channels) and (
            pixels.is_8bit or not self.needs_8bit
        )


_ERROR, _SIMILARITY = (0.0, inf), (-1.0, 1.0)
_LUMA, _COLOR = (1, 3), (3,)

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR", True, 2, "dB", goal="fidelity", margin=0.1),
        Metric("ssim", "SSIM", True, 4, "", structural.SSIM_MIN_SIDE, True, "structure", 0.002, _SIMILARITY),
        Metric(
            "ms_ssim", "MS-SSIM", True, 4, "", structural.MS_SSIM_MIN_SIDE, True, "structure", 0.0006, _SIMILARITY
        ),
        Metric(
            "iw_ssim",
            "IW-SSIM",
            True,
            4,
            "",
            information_weighted.MIN_SIDE,
            True,
            "structure",
            0.0005,
            _SIMILARITY,
            _LUMA,
        ),
        Metric("gmsd", "GMSD", False, 4, goal="structure", margin=0.0007, range=_ERROR, channels=_LUMA),
        Metric("fsim", "FSIM", True, 4, goal="structure", margin=0.0005, range=_SIMILARITY, channels=_LUMA),
        Metric("fsimc", "FSIMc", True, 4, goal="structure", margin=0.0005, range=_SIMILARITY, channels=_COLOR),
        Metric("l1", "1000·L1", False, 2, goal="fidelity", margin=0.3, range=_ERROR),
        Metric("l2", "1000·L2", False, 3, goal="fidelity", margin=0.02, range=_ERROR),
    )
}
"""The metrics that compare with the target and need no weights."""

NO_REFERENCE_METRICS: dict[str, Metric] = {
    "niqe": Metric("niqe", "NIQE", False, 2, "", NIQE_MIN_SIDE, False, "perception", 0.4, _ERROR, _LUMA, True),
}
"""The metrics that do not look at the target; they are taken by name only."""

GRID_METRICS: dict[str, Metric] = {
    f"grid{period}": Metric(
        f"grid{period}", f"Grid of {period} px", False, 2, "dB", min_side(period), margin=0.5, channels=_LUMA
    )
    for period in PERIODS
}
"""The metrics of the grid that a network leaves which enlarges by 2, 3, 4 or 8; they are taken by name only."""

_LABELS = {"dists": "DISTS", "efficientnet_lite0": "EfficientNet-Lite0"}

_DEEP_MARGINS = {"efficientnet_lite0": 0.02}

_DEEP = {
    name: Metric(
        name,
        _LABELS.get(name, f"LPIPS ({spec.network})"),
        higher_is_better=False,
        digits=4,
        min_side=spec.min_side,
        goal="perception",
        margin=_DEEP_MARGINS.get(name, 0.003),
        range=_ERROR,
        channels=_LUMA,
    )
    for name, spec in DEEP_METRICS.items()
}

JUDGE = "efficientnet_lite0"
"""The deep metric on a network that few losses are made of."""

_FUNCTIONS: dict[str, MetricFunction] = {
    "psnr": psnr,
    "ssim": ssim,
    "ms_ssim": ms_ssim,
    "iw_ssim": iw_ssim,
    "gmsd": gmsd,
    "fsim": fsim,
    "fsimc": fsimc,
    "l1": l1,
    "l2": l2,
    "lpips_alex": partial(lpips, network="alex"),
    "lpips_squeeze": partial(lpips, network="squeeze"),
    "lpips_vgg": partial(lpips, network="vgg"),
    "dists": dists,
    "efficientnet_lite0": efficientnet_lite0,
    "niqe": niqe,
    **{f"grid{period}": partial(grid_artifacts, period=period) for period in PERIODS},
}


def find_metric(name: str, pixels: PixelFormat = RGB_8BIT) -> Metric:
    """The metric of this name, for images of this format.

    Raises LossmithError if it is not known, does not take such images, or lacks its weights.

    >>> find_metric("psnr").unit
    'dB'
    >>> find_metric("psrn")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: metric 'psrn' is not known; did you mean 'psnr'?
    >>> find_metric("fsim", PixelFormat(8))
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: metric 'fsim' is for gray and RGB images; these are 8 channels, 8 bits
    """
    metric = known_metric(name)
    if not metric.takes(pixels):
        kinds = " and ".join(map(describe_channels, metric.channels or ()))
        bits = " of 8 bits" if metric.needs_8bit else ""
        raise LossmithError(f"metric '{name}' is for {kinds} images{bits}; these are {pixels}")
    if name in _DEEP and not has_weights(name):
        raise LossmithError(missing_weights(name))
    return metric


def known_metric(name: str) -> Metric:
    """The metric of this name, for scores that exist: its weights need not be here.

    >>> known_metric("dists").goal
    'perception'
    """
    for metrics in (METRICS, NO_REFERENCE_METRICS, GRID_METRICS, _DEEP):
        if name in metrics:
            return metrics[name]
    raise unknown_name_error("metric", name, _FUNCTIONS)


def metric_function(name: str) -> MetricFunction:
    """The function of this name: (prediction, target), both (N, C, H, W) in [0, 1], and options, to (N,).

    >>> metric_function("psnr") is psnr
    True
    """
    if name not in _FUNCTIONS:
        raise unknown_name_error("metric", name, _FUNCTIONS)
    return _FUNCTIONS[name]


def follows_color(name: str) -> bool:
    """Whether a metric has the option `color`; the others are defined on RGB or on a luma of their own.

    >>> follows_color("psnr"), follows_color("gmsd")
    (True, False)
    """
    return "color" in signature(metric_function(name)).parameters


def counts_valid(name: str) -> bool:
    """Whether a metric has the option `valid`, the pixels that count; the others need all.

    >>> counts_valid("psnr"), counts_valid("gmsd")
    (True, False)
    """
    return "valid" in signature(metric_function(name)).parameters


def available_deep_metrics() -> dict[str, Metric]:
    """The deep metrics whose weights are on this machine, by name, in order of preference; often none.

    Looks in the folder named by LOSSMITH_WEIGHTS and in torch.hub's checkpoint folder.

    >>> list(available_deep_metrics())  # doctest: +SKIP
    ['lpips_alex', 'lpips_squeeze', 'efficientnet_lite0']
    """
    return {name: metric for name, metric in _DEEP.items() if has_weights(name)}


def default_metrics(pixels: PixelFormat = RGB_8BIT) -> list[str]:
    """All of METRICS and, where their weights are on this machine, the first of LPIPS and DISTS, and JUDGE.

    Those that do not take images of this format are left out.
    """
    learned = [name for name in available_deep_metrics() if name != JUDGE]
    names = [*METRICS, *learned[:1], *([JUDGE] if has_weights(JUDGE) else [])]
    return [name for name in names if known_metric(name).takes(pixels)]

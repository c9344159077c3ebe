"""The catalog of metrics, and one call that applies them under a protocol."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import isnan
from pathlib import Path

from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError, and_more, unknown_name_error
from lossmith.evaluation.metrics.deep import DEEP_METRICS, available_deep_metrics, missing_weights
from lossmith.evaluation.metrics.fsim import fsim, fsimc
from lossmith.evaluation.metrics.gmsd import gmsd
from lossmith.evaluation.metrics.iw_ssim import iw_ssim
from lossmith.evaluation.metrics.pixel import l1, l2, psnr
from lossmith.evaluation.metrics.ssim import ms_ssim, ssim
from lossmith.evaluation.protocol import Protocol, prepare
from lossmith.evaluation.results import Metric, Row

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("psnr", "PSNR", higher_is_better=True, digits=2, unit="dB"),
        Metric("ssim", "SSIM", higher_is_better=True, digits=4, min_side=11),
        Metric("ms_ssim", "MS-SSIM", higher_is_better=True, digits=4, min_side=161),
        Metric("iw_ssim", "IW-SSIM", higher_is_better=True, digits=4, min_side=161),
        Metric("gmsd", "GMSD", higher_is_better=False, digits=4),
        Metric("fsim", "FSIM", higher_is_better=True, digits=4),
        Metric("fsimc", "FSIMc", higher_is_better=True, digits=4),
        Metric("l1", "1000·L1", higher_is_better=False, digits=2),
        Metric("l2", "1000·L2", higher_is_better=False, digits=3),
    )
}
"""What needs no weights: the metrics of Zhao et al.'s tables."""

_IN_PROTOCOL_COLOR = {"psnr": psnr, "ssim": ssim, "ms_ssim": ms_ssim, "l1": l1, "l2": l2}
_IN_OWN_COLOR = {"iw_ssim": iw_ssim, "gmsd": gmsd, "fsim": fsim, "fsimc": fsimc}


def find_metric(name: str) -> Metric:
    """The metric of this name, deep ones included; LossmithError says what is missing or misspelt.

    >>> find_metric("psnr").unit
    'dB'
    >>> find_metric("psrn")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: metric 'psrn' is not known; did you mean 'psnr'?
    """
    return METRICS[name] if name in METRICS else _deep(name)[0]


def default_metrics() -> list[str]:
    """All of METRICS, and LPIPS with the preferred of the backbones whose weights are on this machine."""
    return [*METRICS, *list(available_deep_metrics())[:1]]


def score(
    prediction: Tensor, target: Tensor, protocol: Protocol, metrics: Sequence[str] | None = None
) -> dict[str, float]:
    """The scores of one image, (3, H, W) RGB floats in [0, 1] on any device, prediction first.

    `metrics` are names from METRICS or of deep metrics; by default those of `default_metrics`. PSNR, SSIM,
    MS-SSIM and the errors follow the protocol's color. IW-SSIM, GMSD, FSIM and LPIPS are defined on RGB or on
    their own luma and always get RGB; crop and rounding are the protocol's for all. Of a gray target, whose three
    channels are equal, one channel is scored, against the luma of the prediction. NaN where an image is too
    small for a metric (MS-SSIM and IW-SSIM below 161 pixels, SSIM below 11) or the prediction holds NaN.

    Raises LossmithError for unknown names, missing weights, and images that `prepare` refuses.

    >>> import torch
    >>> target = torch.zeros(3, 32, 32)
    >>> score(target + 1, target, Protocol(), ["l1", "ms_ssim"])
    {'l1': 1000.0, 'ms_ssim': nan}
    """
    names = default_metrics() if metrics is None else list(metrics)
    functions = {name: _function(name) for name in names}
    images = prepare(prediction, target, protocol)
    color = images if protocol.color == "rgb" else prepare(prediction, target, replace(protocol, color="rgb"))
    return {
        name: function(*(images if name in _IN_PROTOCOL_COLOR else color)) for name, function in functions.items()
    }


def score_row(image: str, method: str, prediction: Tensor, target: Tensor, protocol: Protocol) -> Row:
    """The row of one image, under the default metrics; what `score` refuses is said with the image's name.

    >>> import torch
    >>> gray = torch.full((3, 8, 8), 0.5)
    >>> score_row("gray", "mix", gray[:, 1:], gray, Protocol())
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: image 'gray': prediction and target differ in size, 7x8 and 8x8 pixels
    """
    try:
        return Row(image, method, 0, score(prediction, target, protocol))
    except LossmithError as error:
        raise LossmithError(f"image '{image}': {str(error).removeprefix('score: ')}") from error
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LossmithError(
            f"image '{image}': there is not enough memory to score it; cut it into parts"
        ) from error


def why_nan(rows: Sequence[Row]) -> list[str]:
    """A sentence for each least size of metrics that were not measured on some images, since these are smaller.

    >>> why_nan([Row("stamp", "mix", 0, {"psnr": 30.0, "ms_ssim": float("nan"), "iw_ssim": float("nan")})])
    ["MS-SSIM and IW-SSIM are nan, for these have fewer than 161 pixels to a side: 'stamp'"]
    """
    sentences: dict[tuple[int, tuple[str, ...]], list[str]] = {}
    for name in rows[0].scores if rows else ():
        metric = find_metric(name)
        small = dict.fromkeys(
            row.image for row in rows if isnan(row.scores.get(name, 0)) and not isnan(row.scores.get("psnr", 0))
        )
        if small and metric.min_side > 1:
            sentences.setdefault((metric.min_side, tuple(small)), []).append(metric.label)
    return [
        f"{' and '.join(labels)} {'are' if len(labels) > 1 else 'is'} nan, for these have fewer than {least} "
        f"pixels to a side: {and_more([Path(image) for image in small])}"
        for (least, small), labels in sentences.items()
    ]


def _function(name: str) -> Callable[[Tensor, Tensor], float]:
    return (_IN_PROTOCOL_COLOR | _IN_OWN_COLOR).get(name) or _deep(name)[1]


def _deep(name: str) -> tuple[Metric, Callable[[Tensor, Tensor], float]]:
    if name not in DEEP_METRICS:
        raise unknown_name_error("metric", name, [*METRICS, *DEEP_METRICS])
    try:
        return available_deep_metrics()[name]
    except KeyError:
        raise LossmithError(missing_weights(name)) from None

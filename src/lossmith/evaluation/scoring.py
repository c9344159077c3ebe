"""The scores of images under a protocol."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import isnan, nan
from pathlib import Path

import torch
from torch import Tensor

from lossmith.core.devices import out_of_memory
from lossmith.core.errors import LossmithError, and_more
from lossmith.evaluation.protocol import Protocol, check_pair
from lossmith.evaluation.results import Row
from lossmith.evaluation.views import STEPS, Targets, TargetView, View
from lossmith.metrics.registry import (
    counts_valid,
    default_metrics,
    find_metric,
    follows_color,
    metric_function,
)


def score(
    prediction: Tensor,
    target: Tensor,
    protocol: Protocol,
    metrics: Sequence[str] | None = None,
    targets: Targets | None = None,
) -> dict[str, float]:
    """The scores of one image by the names of the metrics.

    PSNR, SSIM, MS-SSIM and the errors follow the protocol's color. IW-SSIM, GMSD, FSIM and the deep metrics are
    defined on RGB or on a luma of their own and always get RGB; crop and rounding are the protocol's for all. Of a
    gray RGB target, whose three channels are equal, one channel is scored, against the luma of the prediction. The
    width of the range is the peak of PSNR, and what L1 and L2 are 1000ths of. A score is NaN where the image is
    too small for the metric (below 161 pixels for MS-SSIM and IW-SSIM, 11 for SSIM) or the prediction holds NaN.
    Scores are computed in one thread, so they are the same on any number of cores; see `score_images` for many
    images.

    Pixels where the target is NaN are invalid. PSNR, L1 and L2 are means over the valid pixels, SSIM over the
    windows without an invalid one (NaN if there is none). For all other metrics both images are filled alike
    there, with the nearest valid pixel of the target.

    Parameters
    ----------
    prediction, target
        (C, H, W) floats on the scale of the range, on any device.
    protocol
        Color, border and format of the pixels.
    metrics
        Names from METRICS or of deep metrics; those of `default_metrics` for the format if None.
    targets
        Keeps what metrics see in the target, for the next image that is compared with it.

    Raises
    ------
    LossmithError
        For unknown names, missing weights, metrics that do not take such images, and images that `prepare`
        refuses.

    >>> import torch
    >>> target = torch.zeros(3, 32, 32)
    >>> score(target + 1, target, Protocol(), ["l1", "ms_ssim"])
    {'l1': 1000.0, 'ms_ssim': nan}
    """
    names = default_metrics(protocol.pixels) if metrics is None else list(metrics)
    specs = [find_metric(name, protocol.pixels) for name in names]
    check_pair(prediction, target, protocol)
    with in_one_thread(), torch.no_grad():
        y = (targets or Targets()).view(target, protocol)
        x = y.of_prediction(prediction)
        large_enough = {metric.name: min(y.channels.shape[-2:]) >= metric.min_side for metric in specs}
        return {name: _score(name, x, y) if large_enough[name] else nan for name in large_enough}


def _score(name: str, prediction: View, target: TargetView) -> float:
    if name in STEPS:
        describe, compare = STEPS[name]
        return compare(prediction.described(describe), target.described(describe)).item()
    pair = (
        (prediction.in_color, target.in_color) if follows_color(name) else (prediction.channels, target.channels)
    )
    options = {"valid": target.valid} if target.valid is not None and counts_valid(name) else {}
    return float(metric_function(name)(*pair, **options))


@contextmanager
def in_one_thread() -> Iterator[None]:
    """A context in which PyTorch computes in one thread, since with several it adds up in another order."""
    if (threads := torch.get_num_threads()) == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def score_row(
    image: str,
    method: str,
    prediction: Tensor,
    target: Tensor,
    protocol: Protocol,
    metrics: Sequence[str] | None = None,
    seed: int = 0,
    targets: Targets | None = None,
) -> Row:
    """The row of one image; errors of `score` name the image.

    >>> import torch
    >>> gray = torch.full((3, 8, 8), 0.5)
    >>> score_row("gray", "mix", gray[:, 1:], gray, Protocol())
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: image 'gray': prediction and target differ in size, 7x8 and 8x8 pixels
    """
    try:
        return Row(image, method, seed, score(prediction, target, protocol, metrics, targets))
    except LossmithError as error:
        raise LossmithError(f"image '{image}': {str(error).removeprefix('score: ')}") from error
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise LossmithError(
            f"image '{image}': there is not enough memory to score it; cut it into parts"
        ) from error


def why_nan(rows: Sequence[Row], masked: bool = False) -> list[str]:
    """One sentence per minimum size of metrics that could not be measured on smaller images.

    `masked` says that there are images with invalid pixels, which may leave SSIM no window.

    >>> why_nan([Row("stamp", "mix", 0, {"psnr": 30.0, "ms_ssim": float("nan"), "iw_ssim": float("nan")})])
    ["MS-SSIM and IW-SSIM are nan, for these have fewer than 161 pixels to a side: 'stamp'"]
    """
    without_invalid = " without invalid ones" if masked else ""
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
        f"pixels to a side{without_invalid}: {and_more([Path(image) for image in small])}"
        for (least, small), labels in sentences.items()
    ]

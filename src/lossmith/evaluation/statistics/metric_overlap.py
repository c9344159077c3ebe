"""Whether a loss was trained on what a metric measures: then its score says less than that of others."""

from collections.abc import Iterator

from lossmith.core.errors import LossmithError
from lossmith.expressions import Call, Node, Product, Sum, Timeline, parse_loss

MEASURED = {
    "l1": {"l1"},
    "l2": {"l2", "psnr"},
    "ssim": {"ssim"},
    "ms_ssim": {"ms_ssim"},
    "ms_ssim_sigmas": {"ssim", "ms_ssim"},
    "mix": {"l1", "ssim", "ms_ssim"},
    "mix_pl4nn": {"l1", "ssim", "ms_ssim"},
    "lpips": {"lpips"},
    "dists": {"dists"},
}
"""For each loss of the catalog, the metrics that it contains, up to windows, scales and networks."""


def optimizes_metric(loss: str, metric: str) -> bool:
    """Whether a loss, as it is written, contains what a metric of this name measures.

    LPIPS counts with any network, and a schedule's losses at any time of a run. Objects and losses given by an
    import path are unknown, so the answer for them is no.

    >>> optimizes_metric("l1 + 0.1*lpips(vgg)", "lpips_alex"), optimizes_metric("l1 + 0.1*lpips(vgg)", "ssim")
    (True, False)
    """
    try:
        names = set(_names(parse_loss(loss)))
    except LossmithError:  # the name of an object
        return False
    measure = "lpips" if metric.startswith("lpips_") else metric
    return any(measure in MEASURED.get(name, ()) for name in names)


def _names(node: Node) -> Iterator[str]:
    match node:
        case Call(name):
            yield name
        case Product(weight, of):
            yield from _names(of) if weight else ()
        case Sum(parts) | Timeline(parts):
            for part in parts:
                yield from _names(part)


__all__ = ["MEASURED", "optimizes_metric"]

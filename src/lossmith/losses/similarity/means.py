"""Means of pictures under one Gaussian: at every pixel, over all pixels, or at the middle."""

from torch import Tensor
from torch.nn.functional import pad

from lossmith.losses.similarity.plan import Gaussian
from lossmith.losses.similarity.windows import Span, Window, filter_rows, inside
from lossmith.losses.transforms import recorded
from lossmith.losses.windows import gaussian


def local_means(pictures: Tensor, under: Gaussian) -> Tensor:
    """At every pixel, over the part of the window inside the picture: (..., H, W)."""
    height, width = pictures.shape[-2:]
    window = Window(gaussian(under.sigma, under.side, pictures), True, height, width)
    return window.means(pictures, Span(0, height, 0, height))


def mean_of_means(under: Gaussian, like: Tensor) -> tuple[Tensor, Tensor]:
    """The weights, of rows and of columns, with which pixels enter the mean of their `local_means`."""
    taps = gaussian(under.sigma, under.side, like)
    rows, columns = (_correlated(1 / inside(side, taps), taps) / side for side in like.shape[-2:])
    return rows, columns


def _correlated(values: Tensor, taps: Tensor) -> Tensor:
    """Weighted sums around each of the values, (S,); there is nothing beyond the first and the last."""
    reach = len(taps) // 2
    if recorded():  # where windows that overlap in memory would make a condition of the size
        return filter_rows(values[None, :, None], taps, reach)[0, :, 0]
    return (pad(values, (reach, reach)).unfold(0, len(taps), 1) * taps).sum(-1)


def around_the_centre(sigma: float, like: Tensor) -> tuple[Tensor, Tensor]:
    """The weights, of rows and of columns, of a Gaussian as large as the picture."""
    height, width = like.shape[-2:]
    return gaussian(sigma, height, like), gaussian(sigma, width, like)


def weighted_mean(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """(..., H, W) to (...)."""
    return (pictures @ columns) @ rows

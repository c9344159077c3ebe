"""How much information an eye could gain from each place of a picture, about the reference and the distortion.

Natural pictures are modelled as Gaussian scale mixtures (GSM), distortion as a gain and added noise, the eye as
further noise. Source: Wang, Li, IEEE TIP 20(5), 2011, section III, and info_content_weight_map.m.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

EYE_NOISE = 0.4
TINY = 1e-15


def information(distorted: Tensor, reference: Tensor, parent: Tensor | None = None) -> Tensor:
    """Information content in bits, (1, H - 2, W - 2), of one band of two Laplacian pyramids, both (1, H, W).

    The neighbourhood of a pixel is 3x3, and its parent in the next coarser band of the reference, if given.

    >>> band = torch.randn(1, 16, 16, dtype=torch.float64)
    >>> bits = information(band, band)
    >>> tuple(bits.shape), bool((bits >= 0).all())
    ((1, 14, 14), True)
    """
    gain, noise = _distortion(distorted, reference)
    neighbours = _neighbourhoods(reference, parent)
    energy, variances = _scale_mixture(neighbours)
    energy = energy.reshape(gain.shape)
    signal = (noise + (1 + gain.square()) * EYE_NOISE) * energy
    bits = torch.zeros_like(signal)
    for variance in variances:
        bits += torch.log2(1 + (signal * variance + EYE_NOISE * noise) / EYE_NOISE**2)
    return torch.where(bits < TINY, 0, bits)


def _distortion(distorted: Tensor, reference: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and noise variance of the distortion in every 3x3 window inside the picture: least squares."""
    products = [distorted, reference, distorted.square(), reference.square(), distorted * reference]
    means = F.avg_pool2d(torch.cat(products), 3, stride=1)
    mean_d, mean_r, dd, rr, dr = means.chunk(5)
    var_d = (dd - mean_d.square()).clamp(min=0)
    var_r = (rr - mean_r.square()).clamp(min=0)
    covariance = dr - mean_d * mean_r
    known = (var_r >= TINY) & (var_d >= TINY)
    gain = torch.where(known, covariance / (var_r + TINY), 0)
    noise = torch.where(known, var_d - gain * covariance, torch.where(var_d >= TINY, var_d, 0))
    return gain, noise


def _neighbourhoods(band: Tensor, parent: Tensor | None) -> Tensor:
    """(pixels, 9 or 10): every 3x3 window inside the band, and the parent of its centre."""
    height, width = band.shape[-2:]
    columns = [F.unfold(band[None], 3)[0]]
    if parent is not None:
        columns.append(_enlarge(parent)[:, 1 : height - 1, 1 : width - 1].reshape(1, -1))
    return torch.cat(columns).T


def _scale_mixture(neighbours: Tensor) -> tuple[Tensor, Tensor]:
    """Of a GSM fitted to the neighbourhoods: the local energy of each, and the variances of its components.

    The energy y C^-1 y / n is the maximum-likelihood scale. A direction in which nothing varies (a flat
    picture) is left out, where the authors' code divides by zero.
    """
    count = neighbours.shape[1]
    variances, directions = torch.linalg.eigh(neighbours.T @ neighbours / len(neighbours))
    kept = variances > max(variances[-1].item() * TINY, TINY)
    # Rounding may leave small negative variances; the authors rescale the others to keep the sum.
    rescaled = variances[kept] * (variances.sum() / variances[kept].sum())
    energy = ((neighbours @ directions[:, kept]).square() / rescaled).sum(1) / count
    return energy, rescaled


def _enlarge(band: Tensor) -> Tensor:
    """Twice the size, bilinear, lined up as parents are (the authors' imenlarge2.m)."""
    height, width = band.shape[-2:]
    fine = F.interpolate(band[None], (4 * height - 3, 4 * width - 3), mode="bilinear", align_corners=False)
    # One more line at each side, extrapolated linearly; then every second line.
    fine = torch.cat(
        [2 * fine[..., :1, :] - fine[..., 1:2, :], fine, 2 * fine[..., -1:, :] - fine[..., -2:-1, :]], -2
    )
    fine = torch.cat([2 * fine[..., :1] - fine[..., 1:2], fine, 2 * fine[..., -1:] - fine[..., -2:-1]], -1)
    return fine[0, :, ::2, ::2]

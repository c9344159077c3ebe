"""Phase congruency: the agreement in phase of the Fourier components at each pixel.

It is high at edges and lines of any contrast. It is computed with log-Gabor wavelets of 4 scales and 4
orientations; the energy expected of noise is subtracted. Source: Kovesi, "Image features from phase congruency",
Videre 1(3), 1999, in the form of `phasecong2` in the FSIM authors' FeatureSIM.m.
"""

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from lossmith.metrics.matlab_filters import power

SCALES, ORIENTATIONS = 4, 4
SHORTEST_WAVE, WAVE_RATIO = 6, 2
RADIAL_SIGMA = 0.55
"""Width of the log-Gabor's transfer function, as a ratio to its center frequency."""
ANGULAR_SIGMA = math.pi / ORIENTATIONS / 1.2
NOISE_DEVIATIONS = 2.0
NOISE_RESCALE = 1.7
EPSILON = 1e-4
MIN_AMPLITUDE = 1e-9
"""Smaller wavelet responses (of images on 0 to 255) are rounding errors."""


class WaveletBank(NamedTuple):
    """The wavelets for one image size."""

    filters: Tensor
    """(orientations, scales, H, W), in the frequency domain, zero frequency first."""
    noise: Tensor
    """(orientations,): the noise threshold for a squared response of 1 in the smallest scale's median."""


def phase_congruency(luma: Tensor) -> Tensor:
    """Phase congruency of (N, 1, H, W) on 0 to 255: (N, 1, H, W), 0 to 1, 0 where the image is flat.

    >>> step = torch.zeros(1, 1, 64, 64, dtype=torch.float64)
    >>> step[..., 32:] = 100
    >>> phase_congruency(step)[0, 0, 32, 28:36]
    tensor([0.3023, 0.3483, 0.4549, 0.7912, 0.7912, 0.4549, 0.3483, 0.3023],
           dtype=torch.float64)
    """
    filters, noise = wavelets(*luma.shape[-2:], luma.dtype, luma.device)
    spectrum = torch.view_as_real(torch.fft.fft2(luma))
    # one orientation after the other: the numbers of all together do not fit into the caches
    orientations = [_energy(spectrum, *wavelet) for wavelet in zip(filters, noise, strict=True)]
    energy, amplitude = (torch.stack(maps).sum(0)[:, None] for maps in zip(*orientations, strict=True))
    is_flat = amplitude <= MIN_AMPLITUDE
    return torch.where(is_flat, 0, energy / amplitude.masked_fill(is_flat, 1))


def _energy(spectrum: Tensor, filters: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The energy beyond the noise's, and the amplitude, (N, H, W), of the responses to wavelets (scales, H, W)."""
    responses = torch.fft.ifft2(torch.view_as_complex(spectrum * filters[..., None]))  # (N, scales, H, W)
    # in real numbers, which take half the time: what lies along the mean direction, and what across
    real, imaginary = responses.real.contiguous(), responses.imag.contiguous()
    squares = real.square() + imaginary.square()
    total = responses.sum(1, keepdim=True)
    magnitude = total.abs()
    direction = total / (magnitude + EPSILON)
    along = (magnitude.square() / (magnitude + EPSILON)).squeeze(1)
    across = (imaginary * direction.real - real * direction.imag).abs().sum(1)
    threshold = power(_median(squares[:, 0].flatten(1)), 0.5) * noise
    energy = (along - across - threshold[:, None, None]).clamp(min=0)
    return energy, power(squares, 0.5).sum(1)


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # the cached bank may be needed for a gradient later
def wavelets(height: int, width: int, dtype: torch.dtype, device: torch.device) -> WaveletBank:
    """The log-Gabor wavelets for images of this size; those of the last few sizes are cached."""
    v, u = torch.meshgrid(_frequencies(height), _frequencies(width), indexing="ij")
    radius, angle = torch.hypot(u, v), torch.atan2(-v, u)
    corners = 1 / (1 + (radius / 0.45) ** 30)  # a Butterworth low-pass, so that no wave runs off the grid
    radius[0, 0] = 1
    radial = []
    for scale in range(SCALES):
        center = 1 / (SHORTEST_WAVE * WAVE_RATIO**scale)
        wave = torch.exp(-((radius / center).log() ** 2) / (2 * math.log(RADIAL_SIGMA) ** 2)) * corners
        wave[0, 0] = 0
        radial.append(wave)
    angular = []
    for orientation in range(ORIENTATIONS):
        difference = angle - orientation * math.pi / ORIENTATIONS
        distance = torch.atan2(difference.sin(), difference.cos())
        angular.append(torch.exp(-(distance**2) / (2 * ANGULAR_SIGMA**2)))
    filters = torch.stack(angular)[:, None] * torch.stack(radial)
    return WaveletBank(*(tensor.to(device, dtype) for tensor in (filters, _noise_threshold(filters))))


def _noise_threshold(filters: Tensor) -> Tensor:
    """Mean plus k deviations of the energy of pure noise, per unit of the median amplitude.

    Squared amplitudes of noise are exponential, so their mean is the median / log 2; its energy is Rayleigh.
    """
    area = filters.shape[-2] * filters.shape[-1]
    shapes = torch.fft.ifft2(filters).real * math.sqrt(area)
    power = 1 / (math.log(2) * filters[:, 0].square().sum((-2, -1)))
    tau = (power * shapes.sum(1).square().sum((-2, -1))).sqrt()
    mean, deviation = math.sqrt(math.pi / 2), math.sqrt(2 - math.pi / 2)
    threshold: Tensor = tau * ((mean + NOISE_DEVIATIONS * deviation) / NOISE_RESCALE)
    return threshold


def _frequencies(length: int) -> Tensor:
    """-1/2 to 1/2 with zero first; odd lengths reach both ends, as in Kovesi's code."""
    ramp = torch.arange(length, dtype=torch.float64, device="cpu") - length // 2
    frequencies: Tensor = torch.fft.ifftshift(ramp / (length - length % 2 or 1))
    return frequencies


def _median(values: Tensor) -> Tensor:
    """The median along the last axis; the mean of the middle two for an even number of values."""
    count = values.shape[-1]
    low = values.kthvalue((count + 1) // 2).values
    if count % 2:
        return low
    is_above = values > low[..., None]
    next_above = values.masked_fill(~is_above, torch.inf).amin(-1)
    return (low + torch.where(is_above.sum(-1) < count // 2, low, next_above)) / 2

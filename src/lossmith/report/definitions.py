"""Definitions of the metrics, one sentence each."""

from lossmith.metrics.registry import GRID_METRICS, Metric

DEFINITIONS = {
    "psnr": "Peak signal-to-noise ratio, −10·log10 of the mean squared error, averaged over the images.",
    "l1": "Mean absolute error as a share of the range, times 1000.",
    "l2": "Mean squared error as a share of the squared range, times 1000.",
    "ssim": "Structural similarity, 11×11 Gaussian, sigma 1.5, K 0.01 and 0.03, valid region (Wang et al. 2004).",
    "ms_ssim": "Structural similarity over five scales (Wang et al. 2003).",
    "iw_ssim": "Multi-scale structural similarity weighted by local information (Wang and Li 2011).",
    "gmsd": "Deviation of the gradient magnitude similarity over the image (Xue et al. 2014).",
    "fsim": "Feature similarity: phase congruency and gradient magnitude of the luma (Zhang et al. 2011).",
    "fsimc": "Feature similarity with chroma (Zhang et al. 2011).",
    "lpips": "Learned perceptual distance between deep features (Zhang et al. 2018).",
    "dists": "Deep distance of structure and texture (Ding et al. 2020).",
    "efficientnet_lite0": "Distance between unit feature vectors of EfficientNet-Lite0, five stages, not learned.",
    "niqe": "Distance of the image's statistics from those of pristine photographs (Mittal et al. 2013).",
    **{
        name: f"Energy at a grid of {name.removeprefix('grid')} pixels, as networks leave it, above the target's."
        for name in GRID_METRICS
    },
}

AGREEMENT = {
    "psnr": 0.844,
    "l1": 0.800,
    "l2": 0.844,
    "ssim": 0.731,
    "ms_ssim": 0.891,
    "iw_ssim": 0.946,
    "gmsd": 0.962,
    "fsim": 0.966,
    "fsimc": 0.966,
    "lpips_squeeze": 0.903,
    "efficientnet_lite0": 0.914,
    "niqe": 0.906,
}
"""How far each metric ranks 54 pictures of LIVE as people do: Spearman's correlation (`benchmarks/judges.py`)."""


def definition(metric: Metric) -> str:
    """What the metric measures, or the label, if it is not a known one; and how far it agrees with people.

    >>> definition(Metric("lpips_alex", "LPIPS (AlexNet)", higher_is_better=False, digits=4))
    'Learned perceptual distance between deep features (Zhang et al. 2018).'
    >>> definition(Metric("fsimc", "FSIMc", higher_is_better=True, digits=4))
    'Feature similarity with chroma (Zhang et al. 2011). It ranks 54 pictures as people do with 0.97 (1: exactly).'
    """
    stem = metric.name if metric.name in DEFINITIONS else metric.name.split("_")[0]
    meaning = DEFINITIONS.get(stem, f"{metric.label}, as scored by lossmith.")
    if metric.name not in AGREEMENT:
        return meaning
    return f"{meaning} It ranks 54 pictures as people do with {AGREEMENT[metric.name]:.2f} (1: exactly)."

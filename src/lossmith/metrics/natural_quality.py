"""NIQE, the natural image quality evaluator, which needs no target."""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.core.safetensors_io import load_tensors
from lossmith.losses.perceptual.weights import find_file, missing_file_hint
from lossmith.metrics.inputs import in_full_precision, prepare
from lossmith.metrics.scene_statistics import BLOCK, scene_statistics

MIN_SIDE = BLOCK
FORMAT = "lossmith-niqe-1"
SHIPPED = Path(__file__).with_name("shipped") / "niqe.safetensors"
"""Fitted by `benchmarks/fit_niqe.py`; its card names the photographs and their licenses."""
FEATURES = 36


@dataclass(frozen=True)
class PristineModel:
    """The Gaussian distribution of the features of pristine blocks."""

    mean: Tensor
    """(36,) float64."""
    covariance: Tensor
    """(36, 36) float64."""


@in_full_precision
def niqe(
    prediction: Tensor,
    target: Tensor | None = None,
    *,
    model: str | None = None,
    border: int = 0,
    round_to_8bit: bool = False,
) -> Tensor:
    """Distance of a picture's statistics from those of pristine photographs, (N,); 0 at least, lower is better.

    The target is not looked at, and may be left out: pass it as the prediction to know its own score. Without a
    gradient, since shapes of distributions are looked up in a table. In float64, on the luma rounded to 8 bits. A
    picture without contrast anywhere has the features 0.

    Parameters
    ----------
    prediction
        (N, C, H, W) floats in [0, 1], at least 96 pixels a side.
    target
        Of the same shape, or None.
    model
        A file of the statistics of pristine photographs, or the name of a file in the folder LOSSMITH_WEIGHTS:
        safetensors, the authors' `modelparameters.mat`, or their `niqe_pris_params.npz`. By default ours; scores
        under different models cannot be compared.
    border, round_to_8bit
        As for `psnr`.

    Raises
    ------
    LossmithError
        For less than 96 pixels a side, and for files that do not hold such statistics.

    References
    ----------
    Mittal, Soundararajan, Bovik, Making a completely blind image quality analyzer, IEEE Signal Processing Letters
    2013.
    """
    pair = prediction, prediction.detach() if target is None else target
    images, _ = prepare("niqe", *pair, "own", border, round_to_8bit, MIN_SIDE)
    pristine = load_model(_find_model(model))
    features, _ = scene_statistics(images.detach())
    has_nan = images.isnan().flatten(1).any(1)
    scores = torch.stack([_distance(of_blocks, pristine) for of_blocks in features])
    return scores.masked_fill(has_nan, torch.nan).to(images.dtype)


def fit_gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (36,) and the covariance (36, 36) of features (blocks, 36), without the blocks that hold NaN.

    The covariance of less than two blocks, and the mean of none, are 0.
    """
    features = features[features.isfinite().all(1)]
    mean = features.sum(0) / max(len(features), 1)
    centered = features - mean
    return mean, centered.T @ centered / max(len(features) - 1, 1)


@lru_cache(maxsize=4)
@torch.inference_mode(False)
def load_model(path: Path) -> PristineModel:
    """The statistics in a file: safetensors of ours, or the authors', as .mat or .npz; no code in it is run.

    Raises LossmithError, in one sentence, for other files.
    """
    if path.suffix not in (".mat", ".npz"):
        tensors, _ = load_tensors(path, FORMAT)
        mean, covariance = tensors.get("mean"), tensors.get("covariance")
    else:
        arrays = _read_arrays(path)
        mean, covariance = (
            next((torch.from_numpy(array) for name, array in arrays.items() if name.startswith(part)), None)
            for part in ("mu_pris", "cov_pris")
        )
    if (
        mean is None
        or covariance is None
        or mean.numel() != FEATURES
        or covariance.shape != (FEATURES, FEATURES)
        or not (mean.isfinite().all() and covariance.isfinite().all())
    ):
        raise LossmithError(
            f"{path} does not hold a model of NIQE: the mean of {FEATURES} features and their covariance"
        )
    return PristineModel(mean.double().flatten(), covariance.double())


def _distance(features: Tensor, pristine: PristineModel) -> Tensor:
    mean, covariance = fit_gaussian(features)
    difference = pristine.mean.to(mean.device) - mean
    inverse = torch.linalg.pinv((pristine.covariance.to(mean.device) + covariance) / 2)
    distance: Tensor = (difference @ inverse @ difference).clamp(min=0).sqrt()
    return distance


def _find_model(model: str | None) -> Path:
    if model is None:
        return SHIPPED
    path = Path(model) if Path(model).is_file() else find_file([model])
    if path is None:
        raise LossmithError(f"niqe needs `model='{model}'`, which is not a file: {missing_file_hint(model)}")
    return path


def _read_arrays(path: Path) -> dict[str, Any]:
    try:
        if path.suffix == ".mat":
            from scipy.io import loadmat

            return dict(loadmat(path))
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except Exception as error:  # a damaged file can make both packages raise anything
        raise LossmithError(f"cannot read the model of NIQE in {path}: {error}") from error


__all__ = ["FORMAT", "MIN_SIDE", "PristineModel", "fit_gaussian", "load_model", "niqe"]

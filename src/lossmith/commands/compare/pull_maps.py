"""Where the terms of the losses pull at the restored images that a report shows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from lossmith.core.errors import LossmithError
from lossmith.expressions import error_in_words
from lossmith.losses import Loss, as_loss
from lossmith.losses.share_loss import has_shares
from lossmith.models import load_model
from lossmith.report import ImageComparison, PullMaps, find_crops
from lossmith.training import pull_maps

logger = logging.getLogger(__name__)

SIDE = 192
"""Pixels of the window that is looked at, or more where a loss needs more: cheap for any network."""
MARGIN = 24
"""Pixels around the window that are measured with it, where the image has them, so that it has no edges."""
GRAIN = 5
"""Pixels over which the strength of a pull is averaged, so that it is seen where a term pulls."""


def with_pull_maps(
    comparison: ImageComparison,
    losses: Mapping[str, Loss],
    restored: Mapping[str, Tensor],
    target: Tensor,
    names: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> ImageComparison:
    """A test image with the maps of each loss of several terms, in the window where the losses differ most.

    Parameters
    ----------
    comparison
        The test image as it is shown.
    losses
        By their expressions. Those of one term, and those that do not take a window of the image, have no maps.
    restored, target
        What each loss made of it, and what it should be, (C, H, W) on the scale of the range.
    names
        Of the terms of some losses, where the page knows them by others: by percentages, not by the numbers that
        a run found for them. They count where there are as many of them as terms.
    """
    maps = {
        loss: _maps(comparison, criterion, restored[loss], target, names.get(loss, ()))
        for loss, criterion in losses.items()
    }
    return replace(comparison, pulls={loss: several for loss, several in maps.items() if several})


def as_trained(loss: Loss, model: Path) -> Loss | None:
    """A loss with the factors that its percentages had in the run of this model; None where none can be read."""
    if not has_shares(loss):
        return loss
    try:
        return as_loss(load_model(model).receipt["loss_as_trained"])
    except (LossmithError, KeyError):  # a loss or a network of somebody's own that only an object can give
        return None


def _maps(
    comparison: ImageComparison, loss: Loss, restored: Tensor, target: Tensor, names: Sequence[str]
) -> PullMaps | None:
    crop = find_crops(comparison, max(SIDE, loss.min_side))[0]
    (outer_y, inner_y), (outer_x, inner_x) = _slices(crop.y, crop.side), _slices(crop.x, crop.side)
    try:
        measured = pull_maps(loss, restored[:, outer_y, outer_x], target[:, outer_y, outer_x])
    except LossmithError:  # the image is smaller than the loss needs
        return None
    except Exception as error:  # a loss of the user's may raise anything for images that are no patches
        logger.warning(
            "the report does not show where the terms of %s pull: %s", loss.label, error_in_words(error)
        )
        return None
    terms = names if len(names) == len(measured) else list(measured)
    norms = {term: norm[inner_y, inner_x] for term, norm in zip(terms, measured.values(), strict=True)}
    totals = {term: float(norm.nan_to_num().square().sum().sqrt()) for term, norm in norms.items()}
    total, mean = sum(totals.values()), sum(float(norm.nanmean()) for norm in norms.values())
    if len(norms) < 2 or not 0 < total < torch.inf or not mean > 0:
        return None
    return PullMaps(
        crop.x,
        crop.y,
        {term: (_local_mean(norm) / mean).numpy() for term, norm in norms.items()},
        {term: norm / total for term, norm in totals.items()},
    )


def _slices(start: int, side: int) -> tuple[slice, slice]:
    """The window with its margin, in the image, and the window itself in that."""
    outer = max(0, start - MARGIN)
    return slice(outer, start + side + MARGIN), slice(start - outer, start - outer + side)


def _local_mean(values: Tensor) -> Tensor:
    """The mean around each pixel, (H, W), of the values there that are not NaN; NaN stays NaN."""
    valid = (~values.isnan()).float()
    sums, counts = (
        avg_pool2d(each[None, None], GRAIN, 1, GRAIN // 2)[0, 0] for each in (values.nan_to_num(), valid)
    )
    return (sums / counts).where(valid > 0, torch.nan)

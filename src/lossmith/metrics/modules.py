"""The metrics as `torchmetrics.Metric`: means over all images of all batches and processes."""

from collections.abc import Callable
from inspect import Parameter, Signature, signature
from typing import Any, ClassVar

import torch
from torch import Tensor
from torchmetrics import Metric

from lossmith.metrics import (
    deep,
    feature_similarity,
    gradient_magnitude,
    information_weighted,
    natural_quality,
    pixel,
    structural,
    upsampling_grid,
)
from lossmith.metrics.inputs import check_options
from lossmith.metrics.registry import find_metric


class ImageMetric(Metric):
    """The mean of a metric over all images of all batches and processes.

    `update(prediction, target)` takes (N, C, H, W) floats in [0, 1], prediction first. The options, by keyword,
    are those of the function of the same name and those of `torchmetrics.Metric`. The sum is kept in float32, or
    in float64 after `.set_dtype(torch.float64)`.
    """

    function: ClassVar[Callable[..., Tensor]]
    """Takes (prediction, target) and options, and returns one value per image."""
    higher_is_better: bool
    is_differentiable = True
    full_state_update = False

    __signature__: ClassVar[Signature]
    total: Tensor
    images: Tensor

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        options = [p for p in signature(cls.function).parameters.values() if p.kind is Parameter.KEYWORD_ONLY]
        cls.__signature__ = Signature([*options, Parameter("kwargs", Parameter.VAR_KEYWORD)])

    def __init__(self, **kwargs: Any) -> None:
        names = signature(type(self)).parameters.keys() - {"kwargs"}
        super().__init__(**{name: value for name, value in kwargs.items() if name not in names})
        self.options = {name: value for name, value in kwargs.items() if name in names}
        check_options(**{name: self.options[name] for name in ("color", "border") if name in self.options})
        self.add_state("total", torch.tensor(0.0), dist_reduce_fx="sum")
        self.add_state("images", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, prediction: Tensor, target: Tensor) -> None:
        """Add the images of one batch."""
        values = type(self).function(prediction, target, **self.options)
        self.total = self.total + values.sum().to(self.total.dtype)
        self.images = self.images + len(values)

    def compute(self) -> Tensor:
        """The mean over all images so far, a scalar."""
        return self.total / self.images

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.options.items())})"


class PSNR(ImageMetric):
    """Peak signal-to-noise ratio in dB; see `lossmith.metrics.psnr`."""

    function = staticmethod(pixel.psnr)
    higher_is_better = True


class SSIM(ImageMetric):
    """Structural similarity; see `lossmith.metrics.ssim`."""

    function = staticmethod(structural.ssim)
    higher_is_better = True


class MSSSIM(ImageMetric):
    """Multi-scale structural similarity; see `lossmith.metrics.ms_ssim`."""

    function = staticmethod(structural.ms_ssim)
    higher_is_better = True


class IWSSIM(ImageMetric):
    """Information-content weighted SSIM; see `lossmith.metrics.iw_ssim`."""

    function = staticmethod(information_weighted.iw_ssim)
    higher_is_better = True


class GMSD(ImageMetric):
    """Gradient magnitude similarity deviation; see `lossmith.metrics.gmsd`."""

    function = staticmethod(gradient_magnitude.gmsd)
    higher_is_better = False


class FSIM(ImageMetric):
    """Feature similarity of the luma; see `lossmith.metrics.fsim`."""

    function = staticmethod(feature_similarity.fsim)
    higher_is_better = True


class FSIMc(ImageMetric):
    """Feature similarity of luma and chrominance; see `lossmith.metrics.fsimc`."""

    function = staticmethod(feature_similarity.fsimc)
    higher_is_better = True


class L1(ImageMetric):
    """1000 times the mean absolute error; see `lossmith.metrics.l1`."""

    function = staticmethod(pixel.l1)
    higher_is_better = False


class L2(ImageMetric):
    """1000 times the mean squared error; see `lossmith.metrics.l2`."""

    function = staticmethod(pixel.l2)
    higher_is_better = False


class LPIPS(ImageMetric):
    """Learned perceptual image patch similarity; see `lossmith.metrics.lpips`."""

    function = staticmethod(deep.lpips)
    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        find_metric(f"lpips_{self.options.get('network', 'alex')}")  # raises now if weights are missing


class DISTS(ImageMetric):
    """Deep image structure and texture similarity; see `lossmith.metrics.dists`."""

    function = staticmethod(deep.dists)
    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        find_metric("dists")  # raises now if weights are missing


class EfficientNetLite0(ImageMetric):
    """Distance on features of EfficientNet-Lite0; see `lossmith.metrics.efficientnet_lite0`."""

    function = staticmethod(deep.efficientnet_lite0)
    higher_is_better = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        find_metric("efficientnet_lite0")  # raises now if weights are missing


class NIQE(ImageMetric):
    """Natural image quality evaluator, which does not look at the target; see `lossmith.metrics.niqe`."""

    function = staticmethod(natural_quality.niqe)
    higher_is_better = False
    is_differentiable = False

    def update(self, prediction: Tensor, target: Tensor | None = None) -> None:
        """Add the images of one batch; the target may be left out."""
        super().update(prediction, prediction.detach() if target is None else target)


class GridArtifacts(ImageMetric):
    """Energy at an upsampling grid above the target's, in dB; see `lossmith.metrics.grid_artifacts`."""

    function = staticmethod(upsampling_grid.grid_artifacts)
    higher_is_better = False

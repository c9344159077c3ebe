"""The structural losses of other packages, each as a function of (prediction, target) to minimize."""

from collections.abc import Callable

from torch import Tensor

Criterion = Callable[[Tensor, Tensor], Tensor]


def ssim() -> dict[str, Criterion]:
    """SSIM under an 11x11 Gaussian of sigma 1.5, without a border, for images in [0, 1]."""
    import kornia
    import piq
    import piqa
    import pytorch_msssim
    from torchmetrics.functional.image import structural_similarity_index_measure

    piqa_ssim = piqa.SSIM()
    return {
        "pytorch-msssim": lambda x, y: 1 - pytorch_msssim.ssim(x, y, data_range=1),
        "piq": lambda x, y: 1 - piq.ssim(x, y, data_range=1.0, downsample=False),
        "piqa": lambda x, y: 1 - piqa_ssim(x, y),
        "kornia": lambda x, y: 2 * kornia.losses.ssim_loss(x, y, 11, padding="valid"),
        "torchmetrics": lambda x, y: 1 - structural_similarity_index_measure(x, y, data_range=1.0),
    }


def ms_ssim() -> dict[str, Criterion]:
    """MS-SSIM over five halvings, for images in [0, 1]; kornia has none."""
    import piq
    import piqa
    import pytorch_msssim
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    piqa_ms_ssim = piqa.MS_SSIM()
    return {
        "pytorch-msssim": lambda x, y: 1 - pytorch_msssim.ms_ssim(x, y, data_range=1),
        "piq": lambda x, y: 1 - piq.multi_scale_ssim(x, y, data_range=1.0),
        "piqa": lambda x, y: 1 - piqa_ms_ssim(x, y),
        "torchmetrics": lambda x, y: 1 - multiscale_structural_similarity_index_measure(x, y, data_range=1.0),
    }


def mix() -> dict[str, Criterion]:
    """Zhao's mix, alpha 0.84."""
    import kornia

    return {"kornia": kornia.losses.MS_SSIMLoss(alpha=0.84, compensation=1.0)}


def ssim_by_default() -> dict[str, Criterion]:
    """SSIM with required options only, as a first use of each package."""
    import kornia
    import piq
    import piqa
    import pytorch_msssim
    from torchmetrics.functional.image import structural_similarity_index_measure

    piqa_ssim = piqa.SSIM()
    return {
        "pytorch-msssim": lambda x, y: 1 - pytorch_msssim.ssim(x, y),
        "piq": lambda x, y: 1 - piq.ssim(x, y),
        "piqa": lambda x, y: 1 - piqa_ssim(x, y),
        "kornia": lambda x, y: kornia.losses.ssim_loss(x, y, 11),
        "torchmetrics": lambda x, y: 1 - structural_similarity_index_measure(x, y),
    }


def ms_ssim_by_default() -> dict[str, Criterion]:
    """MS-SSIM with required options only."""
    import piq
    import piqa
    import pytorch_msssim
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    piqa_ms_ssim = piqa.MS_SSIM()
    return {
        "pytorch-msssim": lambda x, y: 1 - pytorch_msssim.ms_ssim(x, y),
        "piq": lambda x, y: 1 - piq.multi_scale_ssim(x, y),
        "piqa": lambda x, y: 1 - piqa_ms_ssim(x, y),
        "torchmetrics": lambda x, y: 1 - multiscale_structural_similarity_index_measure(x, y),
    }


def mix_by_default() -> dict[str, Criterion]:
    """The mix with required options only."""
    import kornia

    return {"kornia": kornia.losses.MS_SSIMLoss()}

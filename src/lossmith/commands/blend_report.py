"""The page of a blend: every blend of two models applied to the test images and scored."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn

from lossmith.core.devices import best_device
from lossmith.core.pixel_format import PixelFormat
from lossmith.core.progress import ProgressBar
from lossmith.core.provenance import environment
from lossmith.data import ImagePair, to_uint8_hwc
from lossmith.evaluation import (
    Protocol,
    Row,
    available_deep_metrics,
    baseline,
    check_border,
    find_metric,
    protocol_of,
    restore_images,
    score,
    without_level,
    write_csv,
)
from lossmith.models.interpolation import interpolate_networks
from lossmith.models.model_file import Model
from lossmith.report import ImageComparison
from lossmith.report.crops import absolute_error, find_crops
from lossmith.report.pages.blend import BlendContents, Point, Strip, write_blend

MAX_IMAGES = 4
"""The most images on the page: those on which the two models differ most."""
WEIGHTS, IMAGES = "weights", "images"
"""The two ways of interpolation."""


@dataclass(frozen=True)
class ModelPair:
    """Two models of one architecture."""

    models: tuple[Model, Model]
    names: tuple[str, str]

    @property
    def scale(self) -> int:
        return self.models[0].scale

    @property
    def pixels(self) -> PixelFormat:
        return self.models[0].pixels

    def between(self, alpha: float) -> nn.Module:
        """The network of weights (1 - alpha) * first + alpha * second."""
        first, second = (model.restorer for model in self.models)
        return interpolate_networks(first, second, alpha)


def write_page(
    out: Path,
    model_pair: ModelPair,
    alphas: Sequence[float],
    pairs: Sequence[ImagePair],
    *,
    degradation: str,
    note: str,
    cosine: float,
    command: str,
) -> None:
    """Restore and score the test images with every blend; write `blend.csv` and `blend.html`."""
    protocol = protocol_of(pairs)
    check_border(pairs, protocol)
    names = ["psnr", "ssim", *(list(available_deep_metrics())[:1] or ["gmsd"])]
    rows: list[Row] = []
    strips: list[Strip] = []
    with ProgressBar("blending") as bar:
        for index, pair in enumerate(pairs):
            bar.count(index, len(pairs))
            mixed = _mixed(model_pair, alphas, pair)
            rows += _rows(mixed, alphas, pair, protocol, names)
            strips.append(_strip(mixed, pair))
        bar.count(len(pairs), len(pairs))
    write_csv(out / "blend.csv", rows, protocol)
    contents = BlendContents(
        names=model_pair.names,
        degradation=degradation,
        network=str(model_pair.models[0].receipt["network"]),
        protocol=str(protocol),
        metrics=[find_metric(name) for name in names],
        points={way: [_mean(rows, way, alpha, names) for alpha in alphas] for way in (WEIGHTS, IMAGES)},
        strips=sorted(strips, key=lambda strip: -strip.spread)[:MAX_IMAGES],
        images=len({without_level(pair.name) for pair in pairs}),
        note=note,
        command=command,
        facts={
            "Cosine of the weights": f"{cosine:.4f}",
            **environment(),
        },
    )
    write_blend(out / "blend.html", contents)


Mixed = dict[str, list[Tensor]]
"""An image for every alpha, by the way of interpolation."""


def _mixed(model_pair: ModelPair, alphas: Sequence[float], pair: ImagePair) -> Mixed:
    def restored(alpha: float) -> Tensor:
        (image,) = restore_images(model_pair.between(alpha).to(best_device()), [pair])
        return image

    ends = restored(0), restored(1)
    return {
        WEIGHTS: [ends[int(alpha)] if alpha in (0, 1) else restored(alpha) for alpha in alphas],
        IMAGES: [torch.lerp(*ends, alpha) for alpha in alphas],
    }


def _rows(
    mixed: Mixed, alphas: Sequence[float], pair: ImagePair, protocol: Protocol, names: Sequence[str]
) -> list[Row]:
    return [
        Row(pair.name, _method(way, alpha), 0, score(image, pair.clean, protocol, names))
        for way, images in mixed.items()
        for alpha, image in zip(alphas, images, strict=True)
    ]


def _method(way: str, alpha: float) -> str:
    return f"{way} {alpha:g}"


def _mean(rows: Sequence[Row], way: str, alpha: float, names: Sequence[str]) -> Point:
    scores = [row.scores for row in rows if row.method == _method(way, alpha)]
    return Point(alpha, {name: fmean(score[name] for score in scores) for name in names})


def _strip(mixed: Mixed, pair: ImagePair) -> Strip:
    """The crop in which the first and the last blend differ most."""
    first, last = to_uint8_hwc(mixed[WEIGHTS][0]), to_uint8_hwc(mixed[WEIGHTS][-1])
    target, degraded = to_uint8_hwc(pair.clean), to_uint8_hwc(baseline(pair))
    crop = find_crops(ImageComparison(pair.name, target, degraded, {"first": first, "last": last}))[0]
    inner = (slice(crop.y, crop.y + crop.side), slice(crop.x, crop.x + crop.side))
    return Strip(
        image=pair.name,
        degraded=degraded[inner],
        target=target[inner],
        mixed={way: [to_uint8_hwc(image)[inner] for image in images] for way, images in mixed.items()},
        spread=float(absolute_error(first, last)[inner].mean()),
    )

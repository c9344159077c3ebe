"""Every blend of two models applied to the test pictures, scored, and put on a page."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import torch
from torch import Tensor, nn

import lossmith
from lossmith.devices import best_device, device_name
from lossmith.evaluation import (
    Protocol,
    Row,
    available_deep_metrics,
    baseline,
    check_border,
    find_metric,
    protocol_of,
    restore_pictures,
    score,
    without_level,
    write_csv,
)
from lossmith.images import Pair, to_bytes
from lossmith.models import Model
from lossmith.networks.interpolation import interpolate
from lossmith.progress_bar import ProgressBar
from lossmith.report import Exhibit
from lossmith.report.blend import BlendContents, Point, Strip, write_blend
from lossmith.report.spots import absolute_error, find_spots

SHOWN = 4
"""Pictures on the page: those on which the two models differ most."""
WEIGHTS, PICTURES = "weights", "pictures"
"""The two ways to mix."""


@dataclass(frozen=True)
class Couple:
    """Two models of one architecture."""

    models: tuple[Model, Model]
    names: tuple[str, str]

    @property
    def scale(self) -> int:
        return self.models[0].scale

    def between(self, alpha: float) -> nn.Module:
        """The network whose weights are (1 - alpha) of the first and alpha of the second."""
        first, second = (model.restorer for model in self.models)
        restorer = deepcopy(first)
        restorer.load_state_dict(interpolate(first.state_dict(), second.state_dict(), alpha))
        return restorer


def write_page(
    out: Path,
    couple: Couple,
    alphas: Sequence[float],
    pairs: Sequence[Pair],
    *,
    damage: str,
    note: str,
    cosine: float,
    command: str,
) -> None:
    """Write `blend.csv` and `blend.html`."""
    protocol = protocol_of(pairs)
    check_border(pairs, protocol)
    names = ["psnr", "ssim", *(list(available_deep_metrics())[:1] or ["gmsd"])]
    rows: list[Row] = []
    strips: list[Strip] = []
    with ProgressBar() as bar:
        for index, pair in enumerate(pairs):
            if bar.due(done := index / len(pairs)):
                bar.show("blending", done, pair.name)
            mixed = _mixed(couple, alphas, pair)
            rows += _rows(mixed, alphas, pair, protocol, names)
            strips.append(_strip(mixed, pair))
    write_csv(out / "blend.csv", rows, protocol)
    contents = BlendContents(
        names=couple.names,
        degradation=damage,
        network=str(couple.models[0].receipt["network"]),
        protocol=str(protocol),
        metrics=[find_metric(name) for name in names],
        points={way: [_mean(rows, way, alpha, names) for alpha in alphas] for way in (WEIGHTS, PICTURES)},
        strips=sorted(strips, key=lambda strip: -strip.spread)[:SHOWN],
        pictures=len({without_level(pair.name) for pair in pairs}),
        note=note,
        command=command,
        facts={
            "Cosine of the weights": f"{cosine:.4f}",
            "Device": device_name(),
            "Versions": f"lossmith {lossmith.__version__}, torch {torch.__version__}",
        },
    )
    write_blend(out / "blend.html", contents)


Mixed = dict[str, list[Tensor]]
"""By the way of mixing, one picture for every alpha."""


def _mixed(couple: Couple, alphas: Sequence[float], pair: Pair) -> Mixed:
    def restored(alpha: float) -> Tensor:
        (picture,) = restore_pictures(couple.between(alpha).to(best_device()), [pair])
        return picture

    ends = restored(0), restored(1)
    return {
        WEIGHTS: [ends[int(alpha)] if alpha in (0, 1) else restored(alpha) for alpha in alphas],
        PICTURES: [torch.lerp(*ends, alpha) for alpha in alphas],
    }


def _rows(
    mixed: Mixed, alphas: Sequence[float], pair: Pair, protocol: Protocol, names: Sequence[str]
) -> list[Row]:
    return [
        Row(pair.name, _method(way, alpha), 0, score(picture, pair.clean, protocol, names))
        for way, pictures in mixed.items()
        for alpha, picture in zip(alphas, pictures, strict=True)
    ]


def _method(way: str, alpha: float) -> str:
    return f"{way} {alpha:g}"


def _mean(rows: Sequence[Row], way: str, alpha: float, names: Sequence[str]) -> Point:
    mine = [row for row in rows if row.method == _method(way, alpha)]
    return Point(alpha, {name: fmean(row.scores[name] for row in mine) for name in names})


def _strip(mixed: Mixed, pair: Pair) -> Strip:
    """The detail where the first and the last blend differ most."""
    first, last = to_bytes(mixed[WEIGHTS][0]), to_bytes(mixed[WEIGHTS][-1])
    target, degraded = to_bytes(pair.clean), to_bytes(baseline(pair))
    spot = find_spots(Exhibit(pair.name, target, degraded, {"first": first, "last": last}))[0]
    inner = (slice(spot.y, spot.y + spot.side), slice(spot.x, spot.x + spot.side))
    return Strip(
        picture=pair.name,
        degraded=degraded[inner],
        target=target[inner],
        mixed={way: [to_bytes(picture)[inner] for picture in pictures] for way, pictures in mixed.items()},
        spread=float(absolute_error(first, last)[inner].mean()),
    )

"""In tiles or in one piece, results equal the network on the whole image, or the error is reported."""

import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import event, example, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.networks import network
from lossmith.restoration.channels import ChannelAdapter
from lossmith.restoration.engine import TorchEngine
from lossmith.restoration.tiling import plan as planning
from lossmith.restoration.tiling.plan import Halo, Planner
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import sizes_of
from lossmith.restoration.tiling.run import finalize, new_canvas, restore_tiles
from lossmith.restoration.verification import verify

SPREAD = 1e-6
"""Tolerance relative to the largest value: results are float32, of which 6e-8 is half a unit in the last place."""


def conv(channels: int = 3, kernel: int = 3, **options: Any) -> nn.Conv2d:
    padding = options.get("dilation", 1) * (kernel // 2)
    return nn.Conv2d(channels, channels, kernel, padding=padding, **options)


class UnshuffleNetwork(nn.Module):
    """Processes blocks of `block` x `block` pixels; takes multiples of it only."""

    def __init__(self, block: int) -> None:
        super().__init__()
        self.block, self.layer = block, conv(3 * block**2)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.layer(F.pixel_unshuffle(x, self.block)), self.block)


class Windows(nn.Module):
    """Means over windows of `side`; pads images to multiples of it, at the end or, unevenly, at both ends."""

    def __init__(self, side: int, both_ends: bool = False) -> None:
        super().__init__()
        self.side, self.both_ends = side, both_ends

    def forward(self, x: Tensor) -> Tensor:
        side, (height, width) = self.side, x.shape[-2:]
        down, across = -height % side, -width % side
        top, left = (down // 2, across // 2) if self.both_ends else (0, 0)
        padded = F.pad(x, (left, across - left, top, down - top), "replicate")
        means = F.interpolate(F.avg_pool2d(padded, side), scale_factor=float(side))
        return x + means[..., top : top + height, left : left + width]


class UNet(nn.Module):
    """A U-Net of three levels; takes multiples of 8."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(nn.Conv2d(3, 3, 4, stride=2, padding=1) for _ in range(3))
        self.up = nn.ModuleList(nn.ConvTranspose2d(3, 3, 2, stride=2) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        levels = [x]
        for layer in self.down:
            levels.append(layer(levels[-1]))
        x = levels.pop()
        for layer in self.up:
            x = layer(x) + levels.pop()
        return x


class StridedNetwork(nn.Module):
    """A strided network; odd sides give an output one too large, so they are refused."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 12, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.layer(x), 2)


class Table(nn.Module):
    """Gathers values by an index computed from neighbors, which loses NaN."""

    def forward(self, x: Tensor) -> Tensor:
        shifted = F.pad(x, (0, 5))[..., 5:]
        return x + torch.linspace(0, 1, 16)[(shifted * 15).nan_to_num().clamp(0, 15).long()]


class Mean(nn.Module):
    """Depends weakly on the whole image."""

    def forward(self, x: Tensor) -> Tensor:
        return x - 0.2 * x.mean((2, 3), keepdim=True)


class Vignette(nn.Module):
    """Depends on the position of a pixel in the image."""

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = (torch.linspace(0.5, 1, length) for length in x.shape[-2:])
        return x * rows[:, None] * columns


class WideNetwork(nn.Module):
    """Needs at least 7 pixels, since it reflects 6."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 3, 13, padding=6, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class InFloat64(nn.Module):
    """A network that computes in float64, where the order of sums, which depends on the size, does not matter."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module.double()

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.module(x.double()).float()
        return output


@dataclass(frozen=True)
class Case:
    """A network, and the sizes that it takes."""

    make: Any
    scale: int = 1
    channels: int = 3
    multiple: int = 1
    min_side: int = 1
    is_bounded: bool = True


CASES = {
    "identity": Case(nn.Identity),
    "layers": Case(lambda: nn.Sequential(conv(), nn.ReLU(), conv(kernel=5))),
    "gray": Case(lambda: nn.Sequential(conv(1), nn.ReLU(), conv(1)), channels=1),
    "dilated": Case(lambda: nn.Sequential(conv(dilation=9), conv(dilation=2))),
    "fcn": Case(lambda: network("fcn", 1)),
    "srresnet x3": Case(lambda: network("srresnet_small(features=4, blocks=1)", 3), scale=3),
    "srresnet x4": Case(lambda: network("srresnet(features=4, blocks=1)", 4), scale=4),
    "rrdbnet x2": Case(lambda: network("rrdbnet(features=4, blocks=1, growth=2)", 2), scale=2),
    "rrdbnet x1": Case(lambda: network("rrdbnet(features=4, blocks=1, growth=2)", 1)),
    "unshuffled 2": Case(lambda: UnshuffleNetwork(2), multiple=2),
    "unshuffled 3": Case(lambda: UnshuffleNetwork(3), multiple=3),
    "unshuffled 7": Case(lambda: UnshuffleNetwork(7), multiple=7),
    "windows 5": Case(lambda: Windows(5)),
    "windows 8": Case(lambda: Windows(8)),
    "windows 24": Case(lambda: Windows(24)),
    "windows at both ends": Case(lambda: Windows(6, both_ends=True), is_bounded=False),
    "u-net": Case(UNet, multiple=8),
    "strided": Case(StridedNetwork, multiple=2),
    "table": Case(Table, is_bounded=False),
    "mean": Case(Mean, is_bounded=False),
    "vignette": Case(Vignette, is_bounded=False),
    "mirrored": Case(WideNetwork, min_side=7),
}


@cache
def planner_of(name: str) -> Planner:
    case = CASES[name]
    torch.manual_seed(5)
    module = case.make().eval().requires_grad_(False)
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):  # so that all that is seen matters
            nn.init.kaiming_normal_(layer.weight)
            if layer.bias is not None:
                nn.init.normal_(layer.bias, 0, 0.1)
    engine = TorchEngine(InFloat64(module).eval(), case.scale, name, channels=case.channels)
    return Planner(engine, engine, sizes_of(engine))


def mirror_pad(image: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    """The image padded to `tall` x `wide` by numpy's reflection."""
    for axis, side in enumerate((height, width)):
        pad = [(0, 0)] * image.ndim
        pad[axis] = (0, side - image.shape[axis])
        image = np.pad(image, pad, "reflect" if image.shape[axis] > 1 else "edge")
    return image


def reference(name: str, image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The network on the whole image, padded to a size that it takes and cropped."""
    case, module = CASES[name], planner_of(name).reference.module  # type: ignore[attr-defined]
    height, width = image.shape[:2]
    padded_height, padded_width = (
        -(-max(side, case.min_side) // case.multiple) * case.multiple for side in (height, width)
    )
    planes = torch.from_numpy(mirror_pad(image, padded_height, padded_width)).permute(2, 0, 1).float()[None] / 255
    with torch.no_grad():
        result = module(planes)[0].permute(1, 2, 0).numpy()
    return result[: case.scale * height, : case.scale * width]


def restore_file(
    name: str, image: np.ndarray[Any, Any], room: int, halo: Halo, folder: Path
) -> tuple[np.ndarray[Any, Any], planning.TilePlan]:
    """The result of the tiling before rounding, with memory for `room` pixels, and its plan."""
    source, painted_raster, finished_raster, to = (
        Raster(folder / part, *image.shape, "uint8") for part in ("source", "painted", "finished", "settled")
    )
    source.create().mapped("r+")[:] = image
    planner = planner_of(name)
    plan = planner.plan(source, room * planner.bytes_per_pixel + 1, halo, 0)
    canvas = new_canvas(source, planner.reference.scale, plan, "float32", painted_raster, finished_raster)
    restore_tiles(source, canvas, ChannelAdapter(planner.engine), plan)
    return np.array(finalize(canvas, plan, "float32", to).mapped()), plan


short_sides, long_sides = st.integers(1, 12), st.integers(1, 150)
primes = st.sampled_from([2, 3, 5, 7, 13, 17, 31, 61, 73, 97, 127])
near = st.sampled_from([side + offset for side in (16, 32, 48, 64, 96, 128) for offset in (-1, 0, 1)])
sides = st.one_of(
    st.tuples(long_sides, long_sides), st.tuples(short_sides, st.integers(150, 700)), st.tuples(primes, near)
)


@settings(max_examples=120, deadline=None)
@given(
    name=st.sampled_from(list(CASES)),
    size=sides,
    transposed=st.booleans(),
    grid=st.sampled_from([1, 16 * 16, 50 * 50, planning.MAX_WHOLE_PIXELS]),
    room=st.one_of(st.just(10**6), st.integers(200, 20_000)),
    halo=st.sampled_from(["auto", "exact", 0, 5, 40]),
)
@example(name="srresnet x3", size=(1, 257), transposed=False, grid=1, room=10**6, halo="auto")
def test_a_restored_file_equals_the_network_on_the_whole_image(
    name: str, size: tuple[int, int], transposed: bool, grid: int, room: int, halo: Halo
) -> None:
    height, width = size[::-1] if transposed else size
    rng = np.random.default_rng(height * width)
    image = rng.integers(0, 256, (height, width, CASES[name].channels), np.uint8)
    expected = reference(name, image)
    refusal = ""
    with mock.patch.object(planning, "MAX_WHOLE_PIXELS", grid), tempfile.TemporaryDirectory() as folder:
        try:
            result, plan = restore_file(name, image, room, halo, Path(folder))
        except LossmithError as error:
            refusal = str(error)
    if refusal:
        event("refused")
        assert "`memory`" in refusal
        assert room < 10**6  # where there is room for the whole image, nothing is refused
        return
    bound = SPREAD * np.abs(expected).max()
    if plan.blended:
        event("blended")
        assert halo != "exact"
        assert plan.note
        assert room < 10**6  # where there is room for the whole image, it is exact
        assert not CASES[name].is_bounded or halo in (0, 5) or room < 150**2
    else:
        event("whole" if plan.whole else "tiles")
        assert np.abs(result - expected).max() <= bound


def test_the_reported_error_of_a_shortened_halo_holds_for_the_image(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = [conv(kernel=9) for _ in range(5)]
    for layer in layers:  # smooth, so that what is far counts a little
        nn.init.constant_(layer.weight, 0.3 / 81)
    engine = TorchEngine(nn.Sequential(*layers).eval().requires_grad_(False), 1, "smooth")
    planner = Planner(engine, engine, sizes_of(engine))
    source = Raster(tmp_path / "source", 200, 300, 3, "uint8").create()
    source.mapped("r+")[:] = np.random.default_rng(0).integers(0, 256, (200, 300, 3))
    plan = planner.plan(source, 60 * 60 * planner.bytes_per_pixel, 12, 0)
    assert plan.blended
    stated_error = float(plan.note.split("at most ")[1].split()[0])
    actual = verify(planner, source, plan)
    assert actual.window is None
    assert 0 < actual.max_error <= 3 * stated_error  # measured at one place, the busiest


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.is_bounded])
def test_a_halo_that_is_too_small_changes_the_result(name: str, tmp_path: Path) -> None:
    """Shows that the test above can fail."""
    image = np.random.default_rng(0).integers(0, 256, (70, 130, CASES[name].channels), np.uint8)
    radius = planner_of(name).receptive_field().pixels
    assert radius is not None
    result, plan = restore_file(name, image, 10**6, "exact", tmp_path)
    assert np.abs(result - reference(name, image)).max() <= SPREAD * np.abs(result).max()
    if radius:
        inexact, plan = restore_file(name, image, 60 * 60, radius // 4, tmp_path)
        assert plan.blended
        assert np.abs(inexact - reference(name, image).clip(0, 1)).max() > SPREAD


def test_sizes_and_strides_of_networks_are_found() -> None:
    for name, case in CASES.items():
        planner = planner_of(name)
        assert (planner.sizes.multiple_of, planner.sizes.minimum >= case.min_side) == (case.multiple, True), name
        assert (planner.receptive_field().pixels is not None) == case.is_bounded, name
    grids = {
        name: planner_of(name).receptive_field().stride for name in ("windows 5", "windows 24", "u-net", "layers")
    }
    assert grids == {"windows 5": 5, "windows 24": 24, "u-net": 8, "layers": 1}

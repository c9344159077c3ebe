"""Tiled output equals whole-image output; lack of memory and interruptions lose nothing."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from lossmith.core.errors import LossmithError
from lossmith.networks import network
from lossmith.restoration import FileRestorer, RestoreOptions
from lossmith.restoration.channels import ChannelAdapter
from lossmith.restoration.engine import TorchEngine
from lossmith.restoration.tiling.plan import Planner, TilePlan
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import measure_receptive_field, sizes_of
from lossmith.restoration.tiling.run import TileCanvas, finalize, new_canvas, restore_tiles
from lossmith.restoration.tiling.tiles import Rectangle

SPREAD = 1e-5
"""Tolerance relative to the largest value: float32 sums over up to 40 layers have another order."""

Values = np.ndarray[Any, Any]


def image(folder: Path, height: int, width: int, channels: int = 3, dtype: str = "uint16") -> Raster:
    raster = Raster(folder / "source", height, width, channels, dtype).create()
    values = np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, (height, width, channels))
    raster.mapped("r+")[:] = values.astype(dtype)
    return raster


def canvas_for(
    source: Raster, scale: int, plan: TilePlan, dtype: str = "float32", keep: bool = False
) -> TileCanvas:
    painted_raster, finished_raster = (
        replace(source, path=source.path.with_name(name)) for name in ("painted", "finished")
    )
    return new_canvas(source, scale, plan, dtype, painted_raster, finished_raster, keep=keep)


def restore_in_tiles(source: Raster, engine: TorchEngine, plan: TilePlan) -> Values:
    """The image restored in tiles, as floats, neither rounded nor clipped."""
    canvas = canvas_for(source, engine.scale, plan)
    restore_tiles(source, canvas, ChannelAdapter(engine), plan)
    return np.array(
        finalize(canvas, plan, "float32", replace(source, path=source.path.with_name("settled"))).mapped()
    )


def lively(expression: str, scale: int) -> TorchEngine:
    """A network with random biases, whose output depends on its whole receptive field."""
    torch.manual_seed(3)
    net = network(expression, scale).eval().requires_grad_(False)
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight)
            nn.init.normal_(part.bias, 0, 0.1)
    return TorchEngine(net, scale)


@pytest.mark.parametrize(
    ("expression", "scale"),
    [
        ("fcn", 1),
        ("fcn", 3),  # bicubic enlargement first
        ("srresnet_small", 1),
        ("srresnet_small", 4),  # one pixel shuffle, bicubic skip
        ("srresnet_small(blocks=2, unshuffle=2)", 1),  # places on a grid of 2, and a skip that is not
        ("srresnet(features=8, blocks=4)", 1),
        ("srresnet(features=8, blocks=4)", 4),  # two pixel shuffles, bilinear skip
        ("rrdbnet(features=8, blocks=1, growth=4)", 4),  # nearest enlargement
        ("rrdbnet(features=8, blocks=1, growth=4)", 2),  # pixel unshuffle: places on a grid of 2
    ],
)
def test_tiled_output_equals_whole_image_output_to_float_rounding(
    expression: str, scale: int, tmp_path: Path
) -> None:
    engine = lively(expression, scale)
    source = image(tmp_path, 101, 87)  # odd sides, for networks that work at half the size
    reach = measure_receptive_field(engine)
    assert reach.pixels is not None
    plan = TilePlan((32, 32), reach.pixels, reach.stride, reach.multiple_of)
    expected = ChannelAdapter(engine)(source.mapped()[:])
    bound = SPREAD * np.abs(expected).max()
    assert np.abs(restore_in_tiles(source, engine, plan) - expected).max() <= bound
    # with much less context it does not: this test can fail
    smaller_plan = replace(plan, halo=reach.pixels // 8 * reach.stride)
    assert np.abs(restore_in_tiles(source, engine, smaller_plan) - expected).max() > bound


@pytest.mark.slow
@pytest.mark.parametrize("scale", [1, 4])
def test_tiled_output_of_the_full_srresnet_equals_whole_image_output(scale: int, tmp_path: Path) -> None:
    engine = lively("srresnet", scale)
    source = image(tmp_path, 150, 110)
    expected = ChannelAdapter(engine)(source.mapped()[:])
    assert (
        np.abs(restore_in_tiles(source, engine, TilePlan((48, 48), 35)) - expected).max()
        <= SPREAD * np.abs(expected).max()
    )


@dataclass(frozen=True)
class CrampedEngine(TorchEngine):
    """An engine with memory for so many pixels, which records the sizes of its inputs."""

    room: int = 1 << 30
    sizes: list[tuple[int, int]] = field(default_factory=list)

    def __call__(self, images: Tensor) -> Tensor:
        if images.shape[-1] * images.shape[-2] > self.room:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes")
        self.sizes.append((images.shape[-2], images.shape[-1]))
        return super().__call__(images)


def test_tiles_shrink_when_memory_runs_out_and_finished_tiles_stay(tmp_path: Path) -> None:
    engine = CrampedEngine(lively("srresnet_small(features=4, blocks=1)", 2).module, 2, room=64 * 64)
    source = image(tmp_path, 120, 130)
    plan = TilePlan((128, 128), halo=4)
    canvas, steps = canvas_for(source, 2, plan), []
    restore_tiles(source, canvas, ChannelAdapter(engine), plan, steps.append)
    assert sum(steps) == 120 * 130
    assert max(height * width for height, width in engine.sizes) <= 64 * 64
    expected = ChannelAdapter(TorchEngine(engine.module, 2))(source.mapped()[:])
    assert np.abs(canvas.pixels.mapped() - expected).max() <= SPREAD * np.abs(expected).max()


def test_too_little_memory_for_the_smallest_tile_is_one_sentence(tmp_path: Path) -> None:
    engine = CrampedEngine(nn.Identity(), 1, room=100)
    source = image(tmp_path, 64, 64)
    with pytest.raises(LossmithError, match=r"^there is not enough memory even for tiles of 16 pixels"):
        restore_tiles(
            source, canvas_for(source, 1, TilePlan((32, 32))), ChannelAdapter(engine), TilePlan((32, 32))
        )


class InterruptionError(Exception):
    pass


def test_a_stopped_image_resumes_at_the_next_tile(tmp_path: Path) -> None:
    engine = CrampedEngine(nn.Identity(), 1)
    source = image(tmp_path, 64, 96)
    plan, tiles = TilePlan((32, 32)), []

    def stop(pixels: int) -> None:
        tiles.append(pixels)
        if len(tiles) == 4:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        restore_tiles(source, canvas_for(source, 1, plan), ChannelAdapter(engine), plan, stop)
    engine.sizes.clear()
    canvas = canvas_for(source, 1, plan, keep=True)
    restore_tiles(source, canvas, ChannelAdapter(engine), plan)
    assert len(engine.sizes) == 2  # of six
    assert np.array_equal(np.round(canvas.pixels.mapped() * 65535), source.mapped())


class Average(nn.Module):
    """Subtracts a thousandth of the mean of the input."""

    def forward(self, images: Tensor) -> Tensor:
        return images - 1e-3 * images.mean((1, 2, 3), keepdim=True)


def test_tiles_of_a_global_network_are_blended_and_the_error_is_reported(tmp_path: Path) -> None:
    engine = TorchEngine(Average(), 1, name="mean")
    source = image(tmp_path, 200, 180)
    whole_need = 200 * 180 * 3 * 4
    plan = Planner(engine, engine, sizes_of(engine)).plan(source, whole_need / 4, "auto", 0)
    assert plan.blended
    assert "changes at most" in plan.note
    values, expected = restore_in_tiles(source, engine, plan), ChannelAdapter(engine)(source.mapped()[:])
    assert 0 < np.abs(values.clip(0, 1) - expected.clip(0, 1)).max() < 1e-3


def test_a_global_network_gets_the_whole_image_where_it_fits(tmp_path: Path) -> None:
    engine = TorchEngine(Average(), 1)
    plan = Planner(engine, engine, sizes_of(engine)).plan(image(tmp_path, 200, 180), 1e9, "auto", 0)
    assert plan.whole
    assert not plan.blended


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 17), (61, 73), (96, 100), (255, 3), (64, 48)])
@pytest.mark.parametrize(("expression", "scale"), [("fcn", 1), ("rrdbnet(features=8, blocks=1, growth=4)", 2)])
def test_an_image_of_any_size_that_fits_is_one_piece(
    height: int, width: int, expression: str, scale: int, tmp_path: Path
) -> None:
    engine = lively(expression, scale)
    source = image(tmp_path, height, width)
    plan = Planner(engine, engine, sizes_of(engine)).plan(source, 1e9, "auto", 0)
    padded_height, padded_width = (-(-side // plan.multiple_of) * plan.multiple_of for side in (height, width))
    expected = ChannelAdapter(engine)(source.read(Rectangle(0, 0, padded_height, padded_width)))[
        : scale * height, : scale * width
    ]
    assert np.abs(restore_in_tiles(source, engine, plan) - expected).max() <= SPREAD * np.abs(expected).max()


def test_an_image_that_does_not_fit_in_one_piece_is_restored_in_overlapping_tiles(tmp_path: Path) -> None:
    module = lively("srresnet_small(features=4, blocks=1)", 2).module
    values = np.random.default_rng(1).integers(0, 256, (120, 131, 3), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "a.png")
    options = RestoreOptions(precision="float32", memory=1.0)
    for room, name in ((1 << 30, "whole"), (100 * 100, "tiles")):
        restorer = FileRestorer(CrampedEngine(module, 2, room=room), options)
        restorer.restore(tmp_path / "a.png", tmp_path / f"{name}.png")
    at_once, tiles = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("whole", "tiles"))
    assert (
        np.abs(at_once.astype(int) - tiles).max() <= 1
    )  # a seam of this network is tens of levels; float rounding, 1


def test_halo_exact_is_exact_or_refused(tmp_path: Path) -> None:
    engine = TorchEngine(Average(), 1, name="mean")
    with pytest.raises(LossmithError, match=r"^model 'mean' depends on the whole image, so tiles cannot be exact"):
        Planner(engine, engine, sizes_of(engine)).plan(image(tmp_path, 200, 180), 1e5, "exact", 0)


def test_a_costly_halo_is_shortened_unless_halo_is_exact(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 3, 9, padding=4) for _ in range(8)]
    engine = TorchEngine(nn.Sequential(*layers).eval().requires_grad_(False), 1)
    source = image(tmp_path, 300, 300)
    budget = 110 * 110 * 30.0  # room for about 110 pixels a side
    auto, exact = (
        Planner(engine, engine, sizes_of(engine)).plan(source, budget, wish, 0) for wish in ("auto", "exact")
    )
    assert auto.blended
    assert auto.halo < 32
    assert not exact.blended
    assert exact.halo == 32
    assert (
        Planner(engine, engine, sizes_of(engine)).plan(source, budget, 40, 0).halo == 32
    )  # asked for more than it sees


@pytest.mark.parametrize("budget", [1e5, 1e6, 1e7])
def test_a_plan_keeps_to_its_memory_budget(budget: float, tmp_path: Path) -> None:
    from lossmith.restoration.tiling.memory import PeakMemory

    engine = lively("srresnet_small(features=8, blocks=1)", 1)
    source = image(tmp_path, 400, 400)
    plan = Planner(engine, engine, sizes_of(engine)).plan(source, budget, "auto", 0)
    side = min(max(plan.tile) + 2 * plan.halo, 400)
    with PeakMemory() as peak:
        engine(torch.zeros(1, 3, side, side))
    assert peak.bytes <= budget


def test_peak_memory_counts_tensors_alive_at_the_same_time() -> None:
    from lossmith.restoration.tiling.memory import PeakMemory

    with PeakMemory() as peak:
        buffer = torch.zeros(1000)
        for _ in range(5):
            buffer = buffer + 1  # two at a time
        view = buffer[:10]
    assert peak.bytes == 2 * 4000
    assert len(view) == 10


def test_a_network_with_nan_output_is_named(tmp_path: Path) -> None:
    class NanNetwork(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images / 0 * 0

    source = image(tmp_path, 20, 20)
    with pytest.raises(LossmithError, match=r"^model 'broken' gives NaN or infinity"):
        restore_tiles(
            source,
            canvas_for(source, 1, TilePlan((32, 32))),
            ChannelAdapter(TorchEngine(NanNetwork(), 1, "broken")),
            TilePlan((32, 32)),
        )

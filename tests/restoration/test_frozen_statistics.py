"""Networks that normalize by the whole image, tile by tile."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lossmith.networks import network
from lossmith.restoration import FileRestorer, RestoreOptions, TorchEngine
from lossmith.restoration.frozen_statistics import freeze_statistics, normalizes_whole_images
from lossmith.restoration.statistics_of_image import freeze_planner
from lossmith.restoration.tiling import plan as planning
from lossmith.restoration.tiling.plan import Planner
from lossmith.restoration.tiling.raster import Raster
from lossmith.restoration.tiling.receptive_field import sizes_of
from lossmith.restoration.verification import verify


def style() -> nn.Module:
    torch.manual_seed(0)
    return network("transform_net(width=0.125, blocks=2)", 1).eval().requires_grad_(False)


def test_frozen_on_an_image_a_network_gives_the_same_for_it() -> None:
    image, module = torch.rand(1, 3, 48, 64), style()
    frozen = freeze_statistics(module, image)
    assert torch.allclose(frozen(image), module(image), atol=1e-5)
    assert normalizes_whole_images(module)
    assert not normalizes_whole_images(frozen)


def test_a_frozen_network_sees_the_neighborhood_alone() -> None:
    image, module = torch.rand(1, 3, 32, 256), style()
    changed = image.clone()
    changed[..., 128:] = 0
    frozen = freeze_statistics(module, image)
    assert torch.allclose(frozen(changed)[..., :64], frozen(image)[..., :64], atol=1e-5)
    assert not torch.allclose(module(changed)[..., :64], module(image)[..., :64], atol=1e-3)


def photograph(folder: Path, height: int = 200, width: int = 280) -> Raster:
    """Soft waves."""
    y, x = np.mgrid[:height, :width] / 20
    pixels = np.stack([np.sin(x), np.cos(y), np.sin(x + y)], -1) * 100 + 128
    source = Raster(folder / "source", height, width, 3, "uint8").create()
    source.mapped("r+")[:] = pixels.round()
    return source


def test_tiles_differ_from_the_whole_by_about_what_is_said(tmp_path: Path) -> None:
    engine = TorchEngine(style(), 1, "style")
    planner, source = Planner(engine, engine, sizes_of(engine)), photograph(tmp_path)
    budget = 180 * 180 * planner.bytes_per_pixel
    assert not planner.fits_whole(source, budget)
    frozen = freeze_planner(planner, source, budget, tmp_path)
    plan = frozen.planner.plan(source, budget, "exact", 0)
    assert not plan.whole
    report = verify(frozen.planner, source, plan)
    assert report.window is None
    said = float(frozen.note.split("changes ")[1].split()[0])
    assert 0.01 < report.mean_error <= 3 * said  # that of the middle of the image
    # the same statistics without tiles: the tiles fit together to float rounding, so there is no seam
    local = Planner(frozen.planner.reference, frozen.planner.engine, planner.sizes)
    assert verify(local, source, plan).max_error < 0.01


def test_restoring_says_what_was_frozen(tmp_path: Path) -> None:
    Image.fromarray(np.array(photograph(tmp_path).mapped())).save(tmp_path / "a.png")
    engine = TorchEngine(style(), 1, "style", metadata={"network": "transform_net"})
    budget = 150 * 150 * Planner(engine, engine, sizes_of(engine)).bytes_per_pixel
    restorer = FileRestorer(engine, RestoreOptions(memory=budget / 1e9))
    restorer.restore(tmp_path / "a.png", tmp_path / "b.png")
    assert "normalizes by the whole image" in restorer.final_notes()[0]
    assert Image.open(tmp_path / "b.png").size == (280, 200)


@pytest.mark.parametrize("order", [("large", "small"), ("small", "large")])
def test_statistics_frozen_for_one_image_are_not_those_of_the_next(
    order: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "MAX_WHOLE_PIXELS", 1000)
    sizes = {"large": (320, 320), "small": (290, 290)}
    engine = TorchEngine(style(), 1, "style", metadata={"network": "transform_net"})
    budget = 300 * 300 * Planner(engine, engine, sizes_of(engine)).bytes_per_pixel
    restorer = FileRestorer(engine, RestoreOptions(memory=budget / 1e9, precision="float32"))
    for name in order:
        pixels = np.array(photograph(tmp_path, *sizes[name]).mapped())
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        restorer.restore(tmp_path / f"{name}.png", tmp_path / f"{name}-restored.png")
    (note,) = restorer.notes  # nothing is blended, since tiles with frozen statistics fit together
    assert "normalizes by the whole image" in note
    restored = np.asarray(Image.open(tmp_path / "small-restored.png"), float)
    image = torch.from_numpy(np.array(Image.open(tmp_path / "small.png"))).permute(2, 0, 1)[None] / 255
    whole = 255 * style()(image).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    assert np.abs(restored - whole).max() <= 1

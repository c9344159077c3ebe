"""A frame is painted as an image file is, under the same options."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lossmith.core.errors import LossmithError
from lossmith.restoration import FileRestorer, PaintOptions, RestoreOptions, TorchEngine, to_levels
from lossmith.video import FramePainter

FRAME = np.random.default_rng(0).integers(0, 256, (6, 8, 3), np.uint8).repeat(4, 0).repeat(4, 1)


def engine(scale: int = 1) -> TorchEngine:
    torch.manual_seed(0)
    upsampled = nn.Upsample(scale_factor=scale, mode="bilinear")
    return TorchEngine(
        nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), upsampled), scale, metadata={"network": "test"}
    )


@pytest.mark.parametrize(
    ("scale", "options"),
    [
        (1, PaintOptions()),
        (1, PaintOptions(strength=0.4, keep_color=True)),
        (1, PaintOptions(size=16)),
        (2, RestoreOptions()),
        (2, RestoreOptions(scale_to=1.5)),
    ],
    ids=["painted", "mixed", "smaller", "enlarged", "resampled"],
)
def test_a_frame_is_painted_as_an_image_is(tmp_path: Path, scale: int, options: RestoreOptions) -> None:
    Image.fromarray(FRAME).save(tmp_path / "frame.png")
    FileRestorer(engine(scale), options).restore(tmp_path / "frame.png", tmp_path / "painted.png")
    expected = np.asarray(Image.open(tmp_path / "painted.png"))
    painter = FramePainter(engine(scale), options)
    painted = to_levels(painter(FRAME).clip(0, 1), "uint8")
    assert painted.shape[:2] == painter.size_of(*FRAME.shape[:2])
    # an image is rounded to 8 bits before it is resampled, a frame only after that
    assert np.abs(painted.astype(int) - expected).max() <= 1


def test_a_network_that_gives_no_numbers_is_refused() -> None:
    broken = TorchEngine(nn.Threshold(2.0, float("nan")), 1)
    with pytest.raises(LossmithError, match="NaN or infinity"):
        FramePainter(broken)(FRAME)


class Scaled(nn.Module):
    """A network for values from 0 to so much more than 1."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.factor * pixels


def test_frames_that_are_no_image_are_refused_or_noted() -> None:
    with pytest.raises(LossmithError, match="was it trained on 0 to 255"):
        FramePainter(TorchEngine(Scaled(255), 1))(FRAME)
    for factor, note in ((1, ""), (2, "lies outside of 0 to 1 and was clipped"), (1e-3, "is almost black")):
        painter = FramePainter(TorchEngine(Scaled(factor), 1))
        painter(FRAME)
        assert note in painter.range_check.note
        assert bool(note) == bool(painter.range_check.note)

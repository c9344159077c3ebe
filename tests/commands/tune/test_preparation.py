"""What a search needs before its first step."""

from pathlib import Path

import pytest
import torch

from lossmith.commands.tune.preparation import prepare
from lossmith.commands.tune.search_space import space
from lossmith.data import Data, write_image
from lossmith.training import Recipe


@pytest.mark.parametrize(("loss", "goal"), [("l1 + W*tv", "ms_ssim"), ("l1 + W*ms_ssim", "psnr")])
def test_crops_are_large_enough_for_every_goal_under_its_protocol_and_for_every_loss(
    loss: str, goal: str, tmp_path: Path
) -> None:
    for seed, name in enumerate(("train", "test")):
        picture = torch.rand(3, 192, 256, generator=torch.Generator().manual_seed(seed))
        write_image(tmp_path / name / "image.png", picture)
    data = Data([tmp_path / "train"], test=[tmp_path / "test"])
    recipe = Recipe(degradation="bicubic(2)", network="srresnet_small", patch=32)
    ready = prepare(space(loss, "W=0..1"), [goal], data, recipe, tmp_path / "out", 60.0, 1)
    border = ready.settings.protocol.border if goal == "ms_ssim" else 0
    assert border == (2 if goal == "ms_ssim" else 0)
    for pair in ready.split.test_pairs:
        assert min(pair.clean.shape[1:]) >= 161 + 2 * border

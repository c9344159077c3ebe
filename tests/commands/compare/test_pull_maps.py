"""Where the terms of a loss pull at a restored image, for images of any format."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

import lossmith
from lossmith.commands.compare.pull_maps import MARGIN, as_trained, with_pull_maps
from lossmith.core.pixel_format import RGB_8BIT, PixelFormat
from lossmith.losses import CallableLoss, ShareLoss, loss
from lossmith.report import PullMaps, comparison_of
from lossmith.training import pull_maps

LOSS = "l1 + 3*l2"


def maps_of(
    expression: str, channels: int = 3, side: int = 64, hole: int = 0, pixels: PixelFormat = RGB_8BIT
) -> tuple[PullMaps | None, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    target = torch.rand(channels, side, side)
    restored = (target + 0.1 * torch.randn_like(target)).clamp(0, 1)
    target[:, :hole, :hole] = math.nan
    comparison = comparison_of("a", target, None, {expression: restored}, pixels)
    shown = with_pull_maps(comparison, {expression: loss(expression)}, {expression: restored}, target)
    return shown.pulls.get(expression), restored, target


def test_they_are_the_norms_of_the_gradients_over_the_channels() -> None:
    _, restored, target = maps_of(LOSS)
    maps = pull_maps(loss(LOSS), restored, target)
    count = restored.numel()
    torch.testing.assert_close(maps["l1"], torch.full((64, 64), math.sqrt(3) / count).where(maps["l1"] > 0, 0))
    torch.testing.assert_close(maps["3*l2"], 6 / count * (restored - target).norm(dim=0))


def test_they_are_relative_to_the_mean_pull_of_all_terms() -> None:
    maps, restored, target = maps_of(LOSS)
    assert maps is not None
    gradients = pull_maps(loss(LOSS), restored, target)
    norms = {term: float(gradient.norm()) for term, gradient in gradients.items()}
    assert maps.shares == pytest.approx({term: norm / sum(norms.values()) for term, norm in norms.items()})
    mean = sum(float(gradient.mean()) for gradient in gradients.values())
    center = gradients["3*l2"][30:35, 30:35].mean() / mean  # a mean over 5 x 5 pixels
    assert maps.maps["3*l2"][32, 32] == pytest.approx(float(center), rel=1e-5)


def test_a_schedule_is_taken_as_it_is_at_its_end() -> None:
    maps, _, _ = maps_of(f"l2 until 50% then {LOSS}")
    assert maps is not None
    assert list(maps.maps) == ["l1", "3*l2"]


@pytest.mark.parametrize("expression", ["l1", f"{LOSS} until 50% then l2"])
def test_a_loss_of_one_term_has_none(expression: str) -> None:
    assert maps_of(expression)[0] is None


def test_an_image_smaller_than_the_loss_needs_has_none() -> None:
    assert maps_of("l1 + ms_ssim", side=32)[0] is None


class PatchesOnly(torch.nn.Module):
    """A loss that takes patches of one size, as one with a window of that size does."""

    def forward(self, prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return ((prediction - target) * torch.ones(48, 48)).abs().mean()


def test_a_loss_that_takes_nothing_but_patches_has_none_and_a_remark(caplog: pytest.LogCaptureFixture) -> None:
    criterion = CallableLoss(PatchesOnly(), "my:PatchesOnly") + loss("l1")
    target, restored = torch.rand(2, 3, 64, 64)
    comparison = comparison_of("a", target, None, {"a": restored}, RGB_8BIT)
    assert not with_pull_maps(comparison, {"a": criterion}, {"a": restored}, target).pulls
    assert "does not show where the terms of my:PatchesOnly + l1 pull: RuntimeError: The size" in caplog.text


def test_a_window_of_a_large_image_is_as_if_the_whole_had_been_measured() -> None:
    """SSIM looks at 11 x 11 pixels, so nothing in the window depends on what is beyond the margin."""
    assert MARGIN >= 11
    expression = "l1 + ssim"
    maps, restored, target = maps_of(expression, side=300)
    assert maps is not None
    whole = pull_maps(loss(expression), restored, target)["ssim"]
    inside = whole[maps.y : maps.y + 192, maps.x : maps.x + 192]
    assert maps.maps["ssim"].shape == (192, 192)
    smooth = torch.nn.functional.avg_pool2d(inside[None], 5, 1)[0].numpy()
    assert np.corrcoef(smooth.ravel(), maps.maps["ssim"][2:-2, 2:-2].ravel())[0, 1] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("channels", "pixels"),
    [
        (1, PixelFormat(1, "uint8", 0, 255)),
        (1, PixelFormat(1, "uint16", 0, 65535)),
        (5, PixelFormat(5, "float32")),
    ],
)
def test_any_format_with_holes(channels: int, pixels: PixelFormat) -> None:
    maps, _, _ = maps_of("l1 + 0.1*ssim", channels, hole=16, pixels=pixels)
    assert maps is not None
    for strength in maps.maps.values():
        assert np.isnan(strength[:16, :16]).all()
        assert np.isfinite(strength[16:]).all()
    assert sum(maps.shares.values()) == pytest.approx(1)


def test_terms_have_the_names_of_the_page_where_they_are_as_many() -> None:
    numbers, percentages = loss("0.5*l1 + 3*l2"), loss("50%*l1 + 50%*l2")
    assert isinstance(percentages, ShareLoss)
    target, restored = torch.rand(2, 3, 64, 64)
    comparison = comparison_of("a", target, None, {"a": restored}, RGB_8BIT)
    for names, expected in (
        (percentages.term_names, ["50%*l1", "50%*l2"]),
        (["100%*(l1 + 6*l2)"], ["0.5*l1", "3*l2"]),
    ):
        shown = with_pull_maps(comparison, {"a": numbers}, {"a": restored}, target, {"a": names})
        assert list(shown.pulls["a"].maps) == list(shown.pulls["a"].shares) == expected


def test_a_tournament_says_the_shares_everywhere(photos: Path, tmp_path: Path) -> None:
    recipe = lossmith.Recipe(
        degradation="noise(25)", network="srresnet_small(features=8, blocks=1)", steps=3, batch=2, patch=32
    )
    outcome = lossmith.compare(
        lossmith.Data([photos]), losses=["l1", LOSS], seeds=1, recipe=recipe, out=tmp_path, progress=False
    )
    assert list(outcome.pulls) == [LOSS]
    assert sum(outcome.pulls[LOSS].shares.values()) == pytest.approx(1, abs=1e-6)
    page = outcome.report.read_text("utf-8")
    assert "Which term pulls where" in page
    plain, several = json.loads((tmp_path / "results.json").read_text("utf-8"))["losses"]
    assert (plain["shares"], plain["cosines"]) == ({}, [])
    assert several["shares"] == pytest.approx(outcome.pulls[LOSS].shares)
    assert several["cosines"] == [
        {"terms": ["l1", "3*l2"], "cosine": pytest.approx(outcome.pulls[LOSS].cosines["l1", "3*l2"])}
    ]


def test_percentages_are_the_factors_of_the_run(photos: Path, tmp_path: Path) -> None:
    recipe = lossmith.Recipe(
        degradation="noise(25)", network="srresnet_small(features=8, blocks=1)", steps=3, batch=2, patch=32
    )
    expression = "50%*l1 + 50%*l2"
    outcome = lossmith.compare(
        lossmith.Data([photos]), losses=[expression], seeds=1, recipe=recipe, out=tmp_path, progress=False
    )
    assert list(outcome.pulls[expression].shares) == ["50%*l1", "50%*l2"]
    assert outcome.pulls[expression].shares["50%*l1"] == pytest.approx(0.5)  # at the first step, which measures it
    as_numbers = as_trained(loss(expression), outcome.runs[0].run_folder.model)
    assert as_numbers is not None
    first, second = str(as_numbers).split(" + ")
    assert (first, second[-3:]) == ("0.5*l1", "*l2")
    assert float(second[:-3]) > 1  # the gradient of L2 is smaller
    assert "where 50%*l2 pulls" in outcome.report.read_text("utf-8")  # by the name that the chart has, too
    assert as_trained(loss("l1"), Path()) is not None

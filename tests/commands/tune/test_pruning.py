"""A trial is stopped when a finished one was better at the same look in every goal."""

import itertools
import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from lossmith.commands.tune.pruning import FIRST_LOOK, Look, Pruned, Pruner, Rival, better_rival, read_looks
from lossmith.core.errors import LossmithError
from lossmith.evaluation import Protocol, find_metric
from lossmith.training import Validation
from lossmith.training.validation import VALIDATIONS_PER_RUN

PSNR, GMSD = find_metric("psnr"), find_metric("gmsd")


def rival(number: int = 3, look: int = 5, **scores: float) -> Rival:
    return Rival(number, {look: Look(scores, 50, 1.0)})


def test_a_rival_must_be_better_by_more_than_the_margin_in_every_goal() -> None:
    own = {"psnr": 30.0, "gmsd": 0.1}
    for psnr, gmsd in itertools.product((-2, -1, 0, 0.9, 1.1, 2), repeat=2):  # gains, in margins
        other = rival(psnr=30.0 + psnr * PSNR.margin, gmsd=0.1 - gmsd * GMSD.margin)
        expected = other if psnr > 1 and gmsd > 1 else None
        assert better_rival(own, 5, [other], [PSNR, GMSD]) is expected


def test_only_the_same_look_counts_and_the_first_rival_is_named() -> None:
    own = {"psnr": 30.0}
    rivals = [rival(1, psnr=29.0), rival(2, look=6, psnr=40.0), rival(3, psnr=31.0), rival(4, psnr=32.0)]
    found = better_rival(own, 5, rivals, [PSNR])
    assert found is not None
    assert found.number == 3
    assert better_rival(own, 7, rivals, [PSNR]) is None


@pytest.mark.parametrize(("own", "other"), [(math.nan, 40.0), (30.0, math.nan)])
def test_what_has_no_score_is_neither_better_nor_worse(own: float, other: float) -> None:
    assert better_rival({"psnr": own}, 5, [rival(psnr=other)], [PSNR]) is None


def validation(number: int, error: float = 0.1) -> Validation:
    clean = torch.full((2, 3, 32, 32), 0.5)
    clean[1] += 0.1
    return Validation(number, 10 * number, 2.0 * number, clean, clean + error, clean)


def test_looks_begin_at_half_of_the_budget_and_end_before_its_end(tmp_path: Path) -> None:
    pruner = Pruner(tmp_path / "looks.json", [PSNR], Protocol())
    for number in range(VALIDATIONS_PER_RUN + 1):
        pruner.observe(validation(number))
    looks = read_looks(tmp_path / "looks.json")
    assert list(looks) == list(range(FIRST_LOOK, VALIDATIONS_PER_RUN))
    assert looks[6].step == 60
    assert looks[6].seconds == 12.0
    rounded = 26 / 255  # 0.6 in 8 bits is 153, and 0.5 of the target stays as it is: see `prepare`
    assert looks[6].scores["psnr"] == pytest.approx(-20 * math.log10(rounded), abs=0.2)


def test_a_run_that_is_behind_is_stopped_and_the_reason_is_said(tmp_path: Path) -> None:
    looks = {7: Look({"psnr": 60.0}, 70, 1.0)}
    pruner = Pruner(tmp_path / "looks.json", [PSNR], Protocol(), [Rival(4, looks)])
    for number in range(7):
        pruner.observe(validation(number))
    with pytest.raises(Pruned, match=r"^at 70% of its budget trial 4 had been better in PSNR$") as stop:
        pruner.observe(validation(7))
    assert stop.value.look == read_looks(tmp_path / "looks.json")[7]


def test_pixels_that_do_not_count_are_left_out(tmp_path: Path) -> None:
    scene = validation(5)
    scene.clean[0] = math.nan
    pruner = Pruner(tmp_path / "looks.json", [PSNR], Protocol(masked=True))
    pruner.observe(scene)
    alone = Pruner(tmp_path / "alone.json", [PSNR], Protocol())
    one = validation(5)
    alone.observe(Validation(5, 50, 10.0, one.degraded[1:], one.restored[1:], one.clean[1:]))
    assert read_looks(pruner.file) == read_looks(alone.file)


def test_a_run_that_goes_on_keeps_the_looks_that_it_had(tmp_path: Path) -> None:
    file = tmp_path / "looks.json"
    whole, first = Pruner(tmp_path / "whole.json", [PSNR], Protocol()), Pruner(file, [PSNR], Protocol())
    for number in range(5, 10):
        whole.observe(validation(number))
    first.observe(validation(5))
    first.observe(validation(6))  # and killed before the state was saved, so that this look is repeated
    second = Pruner(file, [PSNR], Protocol())
    for number in range(6, 10):
        second.observe(validation(number))
    assert file.read_text() == whole.file.read_text()


@pytest.mark.parametrize("text", ["{", "[]", '{"5": 3}', '{"5": {"scores": {}}}', '{"a": {}}'])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "looks.json"
    file.write_text(text)
    with pytest.raises(LossmithError, match=r"looks\.json is damaged"):
        read_looks(file)


def test_looks_that_are_not_numbers_are_kept_too(tmp_path: Path) -> None:
    pruner = Pruner(tmp_path / "looks.json", [PSNR], Protocol())
    broken: Any = validation(5, math.nan)
    pruner.observe(broken)
    assert math.isnan(read_looks(pruner.file)[5].scores["psnr"])
    json.loads(pruner.file.read_text(), parse_constant=pytest.fail)

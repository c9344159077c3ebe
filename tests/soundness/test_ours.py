"""Every loss of ours is sound."""

from dataclasses import replace

import pytest

from lossmith.soundness.battery import conduct
from lossmith.soundness.meaningless import CHECKS as MEANINGLESS
from lossmith.soundness.pictures import CHECKS as PICTURES
from lossmith.soundness.subjects import subject_of
from lossmith.testing import assert_sound

from ..hostile.subjects import EXPRESSIONS, HEAVY

QUICK = (
    *("l1", "l2", "charbonnier", "tv", "ssim", "mix", "ms_ssim(levels=2)", "0.84*ms_ssim_sigmas + 0.16*l1"),
    "features(squeezenet1_1, fire3, weights=random)",
    "mdf(jpeg)",
)


@pytest.mark.parametrize("expression", QUICK)
def test_a_loss_has_no_fault_on_pictures(expression: str) -> None:
    subject = replace(subject_of(expression), cases=20)
    outcomes = [conduct(check, subject) for check in (*PICTURES, *MEANINGLESS)]
    assert not [outcome for outcome in outcomes if outcome.status == "failed"]


@pytest.mark.slow
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_loss_is_sound(expression: str) -> None:
    assert_sound(expression, cases=40 if expression in HEAVY else 200, seed=1)

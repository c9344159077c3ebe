"""Every loss of ours is sound."""

import pytest

from lossmith.testing import assert_sound

from ..hostile.subjects import EXPRESSIONS, HEAVY

QUICK = (
    *("l1", "l2", "charbonnier", "tv", "ssim", "mix", "ms_ssim(levels=2)", "0.84*ms_ssim_sigmas + 0.16*l1"),
    "features(squeezenet1_1, fire3, weights=random)",
    "mdf(jpeg)",
)


@pytest.mark.parametrize("expression", QUICK)
def test_a_loss_is_sound(expression: str) -> None:
    assert_sound(expression, cases=20)


@pytest.mark.slow
@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_loss_is_sound(expression: str) -> None:
    assert_sound(expression, cases=40 if expression in HEAVY else 200, seed=1)

"""The forms in which margins are given, and what is refused."""

from typing import Any

import pytest

from lossmith.core.errors import LossmithError
from lossmith.evaluation import parse_margins


@pytest.mark.parametrize(
    "margins", [{"psnr": 0.05}, {"psnr": "0.05"}, "psnr=0.05", ["psnr=0.05"], ("psnr = 0.05",)]
)
def test_a_margin_is_given_in_any_of_these_forms(margins: Any) -> None:
    assert parse_margins(margins) == {"psnr": 0.05}


@pytest.mark.parametrize(
    ("margins", "sentence"),
    [
        ({"psnr": "x"}, "the margin of psnr must be a number, not 'x'"),
        ({"psnr": None}, "the margin of psnr must be a number, not None"),
        ({"psnr": True}, "the margin of psnr must be a number, not True"),
        (0.05, "a margin is METRIC=NUMBER, such as psnr=0.05, not 0.05"),
        ([("psnr", 0.05)], r"a margin is METRIC=NUMBER, such as psnr=0.05, not \('psnr', 0.05\)"),
        (["psnr=1", "psnr=2"], "the margin of psnr is given twice"),
    ],
)
def test_margins_of_another_form_are_refused_in_a_sentence(margins: Any, sentence: str) -> None:
    with pytest.raises(LossmithError, match=f"^{sentence}$"):
        parse_margins(margins)

"""The smallest case that shows what a case shows."""

from math import prod
from random import Random

import pytest
import torch

from lossmith.soundness import KINDS, Subject
from lossmith.soundness.cases import FLOAT32, PLAIN, Case, planned_cases, random_case
from lossmith.soundness.shrink import shrink

SUBJECT = Subject("anything", lambda: torch.nn.functional.l1_loss, KINDS["distance"], "", min_side=5)
LARGE = Case((4, 4, 130, 18), "tiny", (torch.float16, torch.float64), ("cut out", "transposed"), 7, autocast=True)
PLAINEST = Case((1, 1, 5, 5), "two constants", FLOAT32, PLAIN, 0)


def test_what_every_input_shows_is_shown_by_the_plainest() -> None:
    assert shrink(LARGE, lambda case: True, SUBJECT) == PLAINEST


def test_what_nothing_else_shows_stays() -> None:
    assert shrink(LARGE, lambda case: case == LARGE, SUBJECT) == LARGE


@pytest.mark.parametrize(
    ("shows", "part"),
    [
        (lambda case: case.shape[0] >= 2, {"shape": (2, 1, 5, 5)}),
        (lambda case: case.shape[2] >= 23, {"shape": (1, 1, 23, 5)}),
        (lambda case: torch.float16 in case.dtypes, {"dtypes": (torch.float16, torch.float16)}),
        (lambda case: case.layouts[0] == "cut out", {"layouts": ("cut out", "plain")}),
        (lambda case: case.autocast, {"autocast": True}),
        (lambda case: not case.tame, {"values": "negated"}),
    ],
)
def test_all_is_made_plain_but_what_the_fault_needs(shows, part) -> None:
    smallest = shrink(LARGE, shows, SUBJECT)
    assert {name: getattr(smallest, name) for name in part} == part
    others = {name: value for name, value in vars(smallest).items() if name not in part}
    assert others == {name: value for name, value in vars(PLAINEST).items() if name not in part}


@pytest.mark.parametrize("seed", range(20))
def test_the_smallest_shows_it_and_the_loss_takes_it(seed: int) -> None:
    rng = Random(seed)
    case = random_case(rng, (1, 3), 6, odd=True)
    odd = Subject("odd", SUBJECT.make, KINDS["distance"], "", channels=(1, 3), min_side=6, odd=True)
    needed = rng.randrange(prod(case.shape))
    smallest = shrink(case, lambda other: prod(other.shape) > needed, odd)
    assert needed < prod(smallest.shape) <= prod(case.shape)
    assert smallest.shape[1] in (1, 3)
    assert all(side >= 7 and side % 2 for side in smallest.shape[2:])


def test_cases_are_a_function_of_the_seed() -> None:
    first, second, other = (planned_cases(80, seed, (1, 3), 4) for seed in (0, 0, 1))
    assert first == second != other
    assert len(first) == 80
    for case in first:
        for image in case.pair():
            assert image.shape == case.shape
            assert image.isfinite().all()

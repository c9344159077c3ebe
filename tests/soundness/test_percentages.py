"""Losses whose factors are measured while they are called: examined with factors that stay."""

import torch

from lossmith import check_loss, loss
from lossmith.losses import as_numbers
from lossmith.soundness.subjects import subject_of


def test_percentages_are_no_reason_to_fail() -> None:
    certificate = check_loss("80%*l1 + 20%*l2", cases=10)
    assert certificate.loss == "80%*l1 + 20%*l2"
    assert not certificate.failures


def test_a_loss_is_examined_with_the_factors_that_it_has() -> None:
    criterion = loss("80%*l1 + 20%*l2")
    criterion(torch.rand(1, 3, 8, 8, requires_grad=True), torch.rand(1, 3, 8, 8))
    subject = subject_of(criterion)
    assert subject.name == str(as_numbers(criterion))
    assert "%" not in subject.name
    assert criterion.steps == 1

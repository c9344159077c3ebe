"""Gradients of the structural losses: under autocast, to second order, and only where they are required."""

import pytest
import torch
from torch import Tensor

from lossmith.losses import SSIMLoss, loss
from lossmith.losses.structural.backends import dispatch, torch_backend
from lossmith.losses.structural.formulas import SSIMSpec

from .backends.samples import BrokenBackend
from .samples import planes, ssim_gradient


@pytest.mark.parametrize("order", ["a second time", "to be differentiated"])
def test_the_gradient_is_in_full_precision_under_autocast(order: str) -> None:
    x, y = (image[None].float() for image in planes(3, 40, 44, 1.0))
    expected = ssim_gradient(x, y)
    leaf = x.clone().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        value = SSIMLoss()(leaf, y)
        if order == "a second time":
            torch.autograd.grad(value, leaf, retain_graph=True)
        (actual,) = torch.autograd.grad(value, leaf, create_graph=order == "to be differentiated")
    torch.testing.assert_close(actual.detach(), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))


@pytest.mark.parametrize(
    "expression",
    [
        "ssim(window=5)",
        "ms_ssim(levels=2, window=3)",
        "ms_ssim(levels=2, window=3, padding=reflect)",
        "ms_ssim_sigmas",
        "mix",
    ],
)
def test_second_derivatives_equal_finite_differences_of_the_first(expression: str) -> None:
    x, y = (image[None] for image in planes(1, 7, 8, 1.0))
    criterion = loss(expression)
    assert torch.autograd.gradgradcheck(lambda p: criterion(p, y), x.requires_grad_(), fast_mode=True, atol=1e-6)


def test_no_gradient_is_computed_where_none_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    requests = []

    class RecordingBackend(BrokenBackend):
        def dissimilarity_and_grad(
            self, x: Tensor, y: Tensor, spec: SSIMSpec, scale: float, need_grad: bool
        ) -> tuple[Tensor, Tensor | None]:
            requests.append(need_grad)
            return torch_backend.dissimilarity_and_grad(x, y, spec, scale, need_grad)

    monkeypatch.setattr(dispatch, "backend_for", lambda x: RecordingBackend())
    x, y = (image[None] for image in planes(1, 20, 20, 1.0))
    SSIMLoss()(x, y)
    with torch.no_grad():
        SSIMLoss()(x.clone().requires_grad_(), y)
    SSIMLoss()(x.requires_grad_(), y)
    assert requests == [False, False, True]

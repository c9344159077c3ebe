"""The losses under torch.func and twice differentiated: rows of docs/pytorch.md."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, hessian, jacrev, jvp, vmap

from lossmith.core.errors import LossmithError

from .samples import EXPRESSIONS, NETWORK, close, gradient, loss, pair


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_every_reduction_is_made_of_the_values_of_the_images(expression: str) -> None:
    x, y = pair(3)
    values = loss(expression, reduction="none")(x, y)
    assert values.shape == (3,)
    for reduction, expected in {"mean": values.mean(), "sum": values.sum(), "none": values}.items():
        criterion = loss(expression, reduction=reduction)
        close(criterion(x, y), expected)
        close(criterion.with_target(y)(x), expected)
        close(sum(criterion.terms(x, y).values(), torch.zeros(())), expected)
    gradients = [gradient(loss(expression, reduction=reduction), x, y) for reduction in ("sum", "none")]
    close(*gradients, 1e-6)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_func_grad_and_jvp_equal_autograd(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    expected, direction = gradient(criterion, x, y), torch.randn_like(x)
    close(grad(criterion)(x, y), expected)
    value, slope = jvp(lambda p: criterion(p, y), (x,), (direction,))
    close(value, criterion(x, y))
    assert abs(slope - (expected * direction).sum()) < 1e-4 * expected.norm() * direction.norm()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_vmap_goes_over_stacks_of_images_and_over_single_ones(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    predictions, targets = torch.stack([x, x.flip(0), 0.9 * y]), torch.stack([y, y.flip(0), y])
    values = torch.stack([criterion(*images) for images in zip(predictions, targets, strict=True)])
    close(vmap(criterion)(predictions, targets), values)
    close(vmap(criterion, in_dims=(0, None))(predictions, y)[0], values[0])
    close(vmap(criterion, in_dims=(None, 0))(x, targets)[0], values[0])
    with torch.no_grad():
        close(vmap(criterion)(predictions, targets), values)
    slopes = torch.stack([gradient(criterion, *images) for images in zip(predictions, targets, strict=True)])
    close(vmap(grad(criterion))(predictions, targets), slopes)
    of_one = vmap(grad(lambda p, t: criterion(p[None], t[None])))(x, y)
    close(of_one, 2 * gradient(criterion, x, y))
    with pytest.raises(LossmithError, match=r"images must be \(N, C, H, W\), not \(3, 43, 45\)$"):
        vmap(criterion)(x, y)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_jacrev_has_the_gradient_of_every_images_value(expression: str) -> None:
    x, y = pair()
    jacobian = jacrev(loss(expression, reduction="none"))(x, y)
    close(jacobian.sum(0) / 2, gradient(loss(expression), x, y))


@pytest.mark.parametrize("expression", ["ssim", "mix", f"contextual({NETWORK})", "mdf(jpeg)"])
def test_second_derivatives_are_differences_of_first_ones(expression: str) -> None:
    criterion, (x, y) = loss(expression).double(), (image.double() for image in pair(1))
    direction, step = torch.zeros_like(x).index_fill_(2, torch.tensor([20]), 1.0), 1e-5
    (_, along) = jvp(lambda p: grad(criterion)(p, y), (x,), (direction,))
    differences = (grad(criterion)(x + step * direction, y) - grad(criterion)(x - step * direction, y)) / (
        2 * step
    )
    close(along, differences, 1e-2)  # which are of float32 where a network is


FIRST_ONLY = [f"contextual({NETWORK})", f"contextual({NETWORK}, distance=l2)", "mdf(jpeg)"]
"""What has no second derivative but by `torch.func`."""


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_a_graph_of_the_gradient_gives_the_second_derivative(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair(1)
    leaf = x.clone().requires_grad_()
    if expression in FIRST_ONLY:
        with pytest.raises(LossmithError, match="first derivative only: call backward without create_graph"):
            torch.autograd.grad(criterion(leaf, y), leaf, create_graph=True)
        return
    (first,) = torch.autograd.grad(criterion(leaf, y), leaf, create_graph=True)
    direction = torch.cos(x)
    (second,) = torch.autograd.grad((first * direction).sum() + 0 * leaf.sum(), leaf)
    # l1 and tv are straight but for their kinks: both are 0
    close(second, grad(lambda p: (grad(criterion)(p, y) * direction).sum())(x), 1e-3)


def test_hessian_of_a_few_parameters() -> None:
    criterion, (x, y) = loss("ssim").double(), (image.double() for image in pair(1, 13, 13))
    actual = hessian(lambda shift: criterion(x + shift, y))(torch.zeros((), dtype=torch.float64))
    steps = torch.tensor([1e-5, -1e-5], dtype=torch.float64)
    first = [grad(lambda shift: criterion(x + shift, y))(step) for step in steps]
    torch.testing.assert_close(actual, (first[0] - first[1]) / 2e-5, rtol=1e-4, atol=0)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_functional_call_trains_one_network_and_an_ensemble(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = nn.Conv2d(3, 3, 3, padding=1)
    expected = torch.autograd.grad(criterion(network(x), y), network.weight)[0]

    def loss_of(parameters: dict[str, Tensor]) -> Tensor:
        return criterion(functional_call(network, parameters, (x,)), y)

    parameters = {name: parameter.detach() for name, parameter in network.named_parameters()}
    close(grad(loss_of)(parameters)["weight"], expected)
    ensemble = {name: torch.stack([parameter, 1.1 * parameter]) for name, parameter in parameters.items()}
    close(vmap(grad(loss_of))(ensemble)["weight"][0], expected)
    close(functional_call(criterion, dict(criterion.named_buffers()), (x, y)), criterion(x, y))

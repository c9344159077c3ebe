"""The losses traced, exported and compiled: rows of docs/pytorch.md."""

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import grad, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from lossmith.core.errors import LossmithError

from .samples import EXPRESSIONS, NETWORK, close, gradient, loss, pair

OTHER_PAIRS = [pair(1, 47, 51, seed=1), pair(3, 57, 43, seed=2)]
"""Images of other sizes, and more or fewer of them."""


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.filterwarnings("error::torch.jit.TracerWarning", "ignore:.*deprecated")
def test_a_traced_loss_takes_other_sizes(expression: str) -> None:
    criterion = loss(expression)
    traced = torch.jit.trace(criterion, pair(), check_trace=False)
    for x, y in [pair(), *OTHER_PAIRS]:
        close(traced(x, y), criterion(x, y))
        close(gradient(traced, x, y), gradient(criterion, x, y), 1e-3)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_exported_loss_gives_equal_values(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    exported = torch.export.export(criterion, (x, y), strict=False).module()
    other = pair(seed=1)
    close(exported(*other), criterion(*other))
    close(gradient(exported, *other), gradient(criterion, *other), 1e-3)


SIZES = [
    "l1",
    "ssim",
    "ms_ssim(levels=2)",
    f"style({NETWORK})",
    pytest.param("mix", marks=pytest.mark.slow),
    pytest.param("mdf(jpeg)", marks=pytest.mark.slow),
]


@pytest.mark.parametrize("expression", SIZES)
def test_an_exported_loss_takes_all_sizes(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair(2, 62, 69)
    height, width = (torch.export.Dim(name, min=48, max=512) for name in ("height", "width"))
    sizes = {0: torch.export.Dim("number", min=1, max=64), 2: height, 3: width}
    exported = torch.export.export(criterion, (x, y), dynamic_shapes=(sizes, sizes), strict=False).module()
    for other in [pair(3, 57, 64, seed=1), pair(2, 80, 53, seed=2)]:
        close(exported(*other), criterion(*other))


def test_dispatch_modes_see_the_operations() -> None:
    criterion, (x, y) = loss("mix"), pair()
    graph = make_fx(criterion)(x, y)
    other = pair(seed=1)
    close(graph(*other), criterion(*other))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_fake_tensors_give_shapes(expression: str) -> None:
    criterion, images = loss(expression, reduction="none"), pair()
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert criterion(*map(mode.from_tensor, images)).shape == (2,)


@pytest.mark.parametrize(
    "expression",
    [
        "l1",
        f"style({NETWORK})",
        *(
            pytest.param(slow_expression, marks=pytest.mark.slow)
            for slow_expression in ("mix", "ms_ssim(levels=2)")
        ),
    ],
)
def test_losses_compile_with_dynamic_shapes(expression: str) -> None:
    torch.compiler.reset()
    criterion = loss(expression)
    compiled = torch.compile(criterion, dynamic=True, fullgraph=True, backend="eager")
    for x, y in [pair(), *OTHER_PAIRS]:
        close(compiled(x, y), criterion(x, y))
        close(gradient(compiled, x, y), gradient(criterion, x, y), 1e-3)


@pytest.mark.filterwarnings("ignore:.*deprecated")
@pytest.mark.parametrize("expression", ["l1", "mix + l1", "mdf(jpeg)"])
def test_torchscript_is_refused_in_one_sentence(expression: str) -> None:
    class Holder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.criterion = loss(expression)

    for module in (loss(expression), Holder()):
        with pytest.raises(LossmithError, match=r"torch\.jit\.script cannot read losses; torch\.compile"):
            torch.jit.script(module)


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_the_meta_device_gives_shapes(expression: str) -> None:
    x, y = (image.to("meta") for image in pair())
    actual = loss(expression, reduction="none").to("meta")(x.requires_grad_(), y)
    assert actual.shape == (2,)
    (slope,) = torch.autograd.grad(actual.sum(), x)
    assert slope.shape == x.shape


@pytest.mark.parametrize("expression", ["ssim", "ms_ssim(levels=2)", "mix"])
@pytest.mark.usefixtures("without_numba")
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_function_transforms_and_tracing_work_without_numba(expression: str) -> None:
    criterion, (x, y) = loss(expression), pair()
    close(grad(criterion)(x, y), gradient(criterion, x, y))
    close(vmap(criterion)(x[None], y[None])[0], criterion(x, y))
    close(torch.jit.trace(criterion, (y, y), check_trace=False)(x, y), criterion(x, y))

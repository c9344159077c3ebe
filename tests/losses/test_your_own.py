"""Losses of the user, given by import path."""

import copy
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from lossmith import LossmithError
from lossmith.losses import CallableLoss, L1Loss, Schedule, loss

MODULE = '''
import torch
from torch import nn

class Offset(nn.Module):
    """With a weight of its own and options of every kind."""

    def __init__(self, by: float, twice: bool = False, name: str = "a", steps: int | None = None, loose=1):
        super().__init__()
        self.by = nn.Parameter(torch.tensor(float(by)))
        self.twice, self.name, self.steps, self.loose = twice, name, steps, loose

    def forward(self, prediction, target):
        value = (prediction - target - self.by).abs().mean()
        return 2 * value if self.twice else value

class Open:
    def __init__(self, *numbers, **options):
        self.numbers, self.options = numbers, options

    def __call__(self, prediction, target):
        return (prediction - target).square().mean() * sum(self.numbers)

def power(prediction, target, exponent: float = 1.0):
    return (prediction - target).abs().pow(exponent).mean()

def vector(prediction, target):
    return (prediction - target).abs().mean((1, 2, 3))

def number(prediction, target):
    return float((prediction - target).abs().mean())

def one_in_a_row(prediction, target):
    return (prediction - target).abs().mean().reshape(1)

def both(prediction, target):
    return (prediction - target).abs().mean() + target.square().mean()

def first(prediction, target):
    assert prediction.dtype == torch.float32
    return (prediction - 0 * target).mean()

class NotCalled:
    pass

ready = Offset(0.25)
constant = 3
'''


@pytest.fixture(autouse=True)
def my_losses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "my_losses.py").write_text(MODULE)
    (tmp_path / "my_broken_losses.py").write_text("import a_package_that_is_not_there\n")
    (tmp_path / "my_faulty_losses.py").write_text("import math\nmath.no_such_function\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("my_losses", "my_broken_losses", "my_faulty_losses"):
        sys.modules.pop(name, None)


def pair() -> tuple[Tensor, Tensor]:
    x, y = torch.rand(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return x, y


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("my_losses:Offset(0)", lambda d: d.abs().mean()),
        ("my_losses:Offset(0.5)", lambda d: (d - 0.5).abs().mean()),
        ("my_losses:Offset(by=1, twice=true)", lambda d: 2 * (d - 1).abs().mean()),
        ('my_losses:Offset(0.5, name="b, c", steps=4, loose=x)', lambda d: (d - 0.5).abs().mean()),
        ("my_losses:Offset(0.5, steps=none)", lambda d: (d - 0.5).abs().mean()),
        ("my_losses:Open(1, 2, size=3)", lambda d: 3 * d.square().mean()),
        ("my_losses:power", lambda d: d.abs().mean()),
        ("my_losses:power(exponent=3)", lambda d: d.abs().pow(3).mean()),
        ("my_losses:ready", lambda d: (d - 0.25).abs().mean()),
        ("my_losses:one_in_a_row", lambda d: d.abs().mean()),
        ("2*my_losses:power + 0.5*l1", lambda d: 2.5 * d.abs().mean()),
        ("torch.nn.functional:mse_loss", lambda d: d.square().mean()),
    ],
)
def test_a_users_class_or_function_is_imported_with_its_options(expression: str, expected: object) -> None:
    x, y = pair()
    criterion = loss(expression)
    assert callable(expected)
    torch.testing.assert_close(criterion(x, y), expected(x - y))
    assert criterion(x, y).shape == ()
    assert str(loss(str(criterion))) == str(criterion)
    torch.testing.assert_close(loss(str(criterion))(x, y), criterion(x, y))


def test_a_users_loss_is_checked_and_summed_like_any_other() -> None:
    x, y = pair()
    leaf = x.clone().requires_grad_()
    loss("my_losses:both")(leaf, y).backward()
    assert leaf.grad is not None
    with pytest.raises(
        LossmithError, match=r"^my_losses:both: the gradient goes to the prediction, which comes first"
    ):
        loss("my_losses:both")(y, leaf)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss("my_losses:first")(x.bfloat16(), y.bfloat16()).dtype == torch.float32
    with pytest.raises(LossmithError, match=r"^my_losses:both: the batch is empty$"):
        loss("my_losses:both")(x[:0], y[:0])


def test_parameters_of_a_users_loss_are_registered() -> None:
    criterion = loss("l1 + 2*my_losses:Offset(0.5)")
    (weight,) = criterion.parameters()
    assert list(criterion.state_dict()) == ["losses.1.loss.function.by"]
    assert criterion.to(torch.float64).losses[1].loss.function.by.dtype == torch.float64  # type: ignore[attr-defined]
    x, y = pair()
    (gradient,) = torch.autograd.grad(criterion(x, y), weight)
    assert gradient != 0
    for twin in (copy.deepcopy(criterion), pickle.loads(pickle.dumps(criterion))):
        assert torch.equal(twin(x, y), criterion(x, y))


@pytest.mark.parametrize("expression", ["my_losses:power(exponent=3)", "my_losses:Offset(0.5)"])
def test_a_users_loss_compiles_without_graph_breaks(expression: str) -> None:
    torch.compiler.reset()
    x, y = pair()
    compiled = torch.compile(loss(expression), fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x, y), loss(expression)(x, y))


def test_a_users_loss_can_be_a_stage_of_a_schedule() -> None:
    schedule = loss("l1 until 20% then my_losses:power(exponent=2)")
    assert isinstance(schedule, Schedule)
    assert isinstance(schedule.stages[1], CallableLoss)
    assert isinstance(schedule.stages[0], L1Loss)


@pytest.mark.parametrize(("name", "description"), [("vector", r"\(2,\)"), ("number", "float")])
def test_a_users_loss_that_gives_no_scalar_is_refused(name: str, description: str) -> None:
    criterion = loss(f"l1 + my_losses:{name}")
    message = rf"^loss 'my_losses:{name}' must return one number in a tensor, not {description}$"
    with pytest.raises(LossmithError, match=message):
        criterion(*pair())


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (
            "no_such_package:loss",
            "loss 'no_such_package:loss' cannot be imported: No module named 'no_such_package'",
        ),
        (
            "my_losses.deeper:loss",
            "loss 'my_losses.deeper:loss' cannot be imported: "
            "No module named 'my_losses.deeper'; 'my_losses' is not a package",
        ),
        (
            "my_broken_losses:loss",
            "loss 'my_broken_losses:loss' cannot be imported: No module named 'a_package_that_is_not_there' "
            "(my_broken_losses.py, line 1)",
        ),
        ("my_losses:Missing", "loss 'my_losses:Missing': module 'my_losses' has no 'Missing'"),
        (
            "my_losses:NotCalled",
            "loss 'my_losses:NotCalled' makes objects that cannot be called with two images",
        ),
        ("my_losses:constant", "loss 'my_losses:constant' is neither a class nor a function"),
        ("my_losses:Offset", "loss 'my_losses:Offset': missing a required argument: 'by'"),
        ("my_losses:Offset(1, buy=2)", "option of loss my_losses:Offset: 'buy' is not known; did you mean 'by'?"),
        ("my_losses:Offset(abc)", "loss 'my_losses:Offset': by must be a number, not 'abc'"),
        ("my_losses:Offset(1, twice=1)", "loss 'my_losses:Offset': twice must be true or false, not 1"),
        ("my_losses:Offset(1, name=2)", "loss 'my_losses:Offset': name must be text, not 2"),
        (
            "my_losses:Offset(1, steps=2.5)",
            "loss 'my_losses:Offset': steps must be a whole number or none, not 2.5",
        ),
        ("my_losses:Offset(1, by=2)", "loss 'my_losses:Offset': multiple values for argument 'by'"),
        (
            "my_losses:power(2)",
            "loss 'my_losses:power' is a function: write its options with their names, such as weight=3",
        ),
        (
            "my_losses:power(exponnent=2)",
            "option of loss my_losses:power: 'exponnent' is not known; did you mean 'exponent'?",
        ),
        ("my_losses:power(exponent=abc)", "loss 'my_losses:power': exponent must be a number, not 'abc'"),
        (
            "my_losses:power(target=2)",
            "loss 'my_losses:power': multiple values for argument 'target'; "
            "it is called with a prediction and a target",
        ),
        ("my_losses:vector(size=2)", "option of loss my_losses:vector: 'size' is not known; there is none"),
    ],
)
def test_invalid_users_losses_are_refused_in_one_sentence(expression: str, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        loss(expression)
    assert str(error.value) == message


def test_an_error_in_a_users_module_is_shown_as_raised() -> None:
    with pytest.raises(AttributeError, match="no_such_function"):
        loss("my_faulty_losses:Loss")


def test_a_users_loss_has_no_value_per_image() -> None:
    with pytest.raises(LossmithError, match=r"^loss 'my_losses:power' gives one number for all images"):
        loss("l1 + my_losses:power", reduction="none")


@pytest.mark.parametrize("value", [None, 3, ["l1"]])
def test_loss_takes_only_text(value: Any) -> None:
    with pytest.raises(LossmithError, match=r"^the expression of a loss is text, such as 'l1 \+ 0.1\*tv', not"):
        loss(value)

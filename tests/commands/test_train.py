"""`lossmith.train` as a Python function: which losses it takes, and what it returns."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mypy import api
from safetensors.torch import load_file
from torch import Tensor

import lossmith
from lossmith.losses import LossLike, loss

RECIPE = lossmith.Recipe(
    degradation="bicubic(2)", network="srresnet_small(features=8, blocks=1)", steps=2, batch=2, patch=32
)


class TwiceNearest(torch.nn.Conv2d):
    """A network of the user's own, for a scale of 2."""

    def __init__(self, scale: int) -> None:
        super().__init__(3, 3, 1)

    def forward(self, degraded: Tensor) -> Tensor:
        return super().forward(degraded).repeat_interleave(2, 2).repeat_interleave(2, 3)


def half_l1(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).abs().mean() / 2


@pytest.mark.parametrize("criterion", ["l1", loss("l1"), torch.nn.L1Loss(), half_l1])
def test_a_loss_is_an_expression_a_module_or_a_function(criterion: LossLike, photos: Path, tmp_path: Path) -> None:
    result = lossmith.train(lossmith.Data([photos]), loss=criterion, recipe=RECIPE, out=tmp_path)
    assert result.summary.steps == 2


def test_the_model_of_the_result_restores_batches(photos: Path, tmp_path: Path) -> None:
    result = lossmith.train(lossmith.Data([photos]), recipe=RECIPE, out=tmp_path)
    assert isinstance(result, lossmith.TrainResult)
    assert result.model is result.model, "it is loaded once"
    assert not result.model.training
    assert result.model(torch.rand(2, 3, 9, 7)).shape == (2, 3, 18, 14)
    weights = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(weights[name], tensor) for name, tensor in result.model.state_dict().items())


def test_the_model_of_the_result_may_be_a_network_of_ones_own(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "my_nets", SimpleNamespace(TwiceNearest=TwiceNearest))
    recipe = lossmith.Recipe(degradation="bicubic(2)", network="my_nets:TwiceNearest", steps=1, patch=32)
    result = lossmith.train(lossmith.Data([photos]), recipe=recipe, out=tmp_path)
    assert isinstance(result.model, TwiceNearest)


def test_a_model_that_was_deleted_is_named(photos: Path, tmp_path: Path) -> None:
    result = lossmith.train(lossmith.Data([photos]), recipe=RECIPE, out=tmp_path)
    result.model_path.unlink()
    with pytest.raises(lossmith.LossmithError, match=r"model\.safetensors' does not exist"):
        result.model  # noqa: B018


CALLS = """
import torch
from lossmith import compare, train
from lossmith.losses import L1Loss

def absolute(prediction: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return (prediction - target).abs().mean()

train(loss="l1")
train(loss=L1Loss())
train(loss=torch.nn.L1Loss())
train(loss=absolute)
compare(losses="l1")
compare(losses=["l1", "mix"])
compare(losses=("l1", L1Loss(), torch.nn.L1Loss(), absolute))
restored: torch.Tensor = train().model(torch.rand(1, 3, 8, 8))
name: str | None = compare().winner
folders = [run.folder / run.loss for run in compare().runs]
"""
MISTAKES = ["train(loss=5)", 'compare(losses=["l1", 5])', "train().winner"]


@pytest.mark.slow
def test_type_checkers_accept_what_is_accepted_and_nothing_else(tmp_path: Path) -> None:
    package = Path(lossmith.__file__).parents[1]
    file = tmp_path / "calls.py"
    file.write_text(CALLS + "\n".join(MISTAKES))
    options = ["--strict", "--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={tmp_path}"]
    report, _, _ = api.run([*options, str(package / "lossmith" / "__init__.py"), str(file)])
    lines = [int(line.split(":")[1]) for line in report.splitlines() if ": error:" in line]
    first = len(CALLS.splitlines()) + 1
    assert sorted(set(lines)) == [first, first + 1, first + 2], report

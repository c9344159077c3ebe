"""Losses of percentages in runs: receipts, resumed runs, several processes, and what tries a loss beforehand."""

import json
import signal
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from lossmith.data import ImagePair, PatchDataset, PreparedData
from lossmith.degradations import resize
from lossmith.evaluation import protocol_for
from lossmith.losses import Loss, ShareLoss, as_numbers, gradient_shares, loss
from lossmith.losses.adversarial import adversarial
from lossmith.losses.share_loss import WARM_UP_STEPS
from lossmith.networks import discriminator, network
from lossmith.training import Recipe, RunFolder, RunSettings, validation_loss
from lossmith.training.adversarial import AdversarialModule
from lossmith.training.distributed.environment import single_process_fabric
from lossmith.training.dry_run import dry_run, measure_durations
from lossmith.training.memory import saved_activation_bytes
from lossmith.training.run import SupervisedTask, train_run
from lossmith.training.supervised import SupervisedModule
from lossmith.training.validation import Validation

LOSS = "60%*l1 + 40%*ssim"
RECIPE = Recipe(network="srresnet_small(features=8, blocks=1)", steps=20, batch=4, patch=24)
RunOf = Callable[..., Path]


@pytest.fixture
def run(prepared_photos: PreparedData) -> RunOf:
    """`run(out, loss, recipe, devices, observer)`: a run, and its folder."""

    def start(
        out: Path, expression: str = LOSS, recipe: Recipe = RECIPE, devices: int = 1, observer: Any = None
    ) -> Path:
        settings = RunSettings(protocol=protocol_for(1), seed=3, devices=devices)
        task = SupervisedTask(loss(expression), recipe)
        train_run(RunFolder(out), task, prepared_photos, settings, observer=observer)
        return out

    return start


def receipt(out: Path) -> dict[str, Any]:
    with safe_open(out / "model.safetensors", "pt") as file:
        entries: dict[str, Any] = json.loads(next(iter(file.metadata().values())))
    return entries


def assert_same_run(out: Path, other: Path) -> None:
    weights, expected = (load_file(each / "model.safetensors") for each in (out, other))
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert receipt(out) == receipt(other)
    assert (out / "scores.csv").read_bytes() == (other / "scores.csv").read_bytes()


class StopsAfter:
    """Interrupts the run at a validation, once."""

    min_side = 1

    def __init__(self, step: int) -> None:
        self.step = step

    def observe(self, validation: Validation) -> None:
        if validation.step == self.step:
            signal.raise_signal(signal.SIGTERM)


def test_the_receipt_has_the_percentages_and_the_numbers_that_were_found(run: RunOf, tmp_path: Path) -> None:
    entries = receipt(run(tmp_path / "run"))
    config = yaml.safe_load((tmp_path / "run" / "run.yaml").read_text())
    assert entries["loss"] == config["loss"] == LOSS
    assert "loss_as_trained" not in config
    first, second = entries["loss_as_trained"].split(" + ")
    assert first == "0.6*l1"
    assert 0 < float(second.removesuffix("*ssim")) < 1
    assert "loss_as_trained" not in receipt(run(tmp_path / "plain", "l1 + 0.1*ssim"))


@pytest.mark.parametrize("always", [False, True])
def test_the_numbers_of_the_receipt_are_the_loss_at_the_end_of_the_run(
    always: bool, run: RunOf, prepared_photos: PreparedData, tmp_path: Path
) -> None:
    expression = LOSS + " always" * always
    out = run(tmp_path / "run", expression)
    criterion = loss(expression)
    state = torch.load(out / "checkpoints" / "last.ckpt", weights_only=True)["module"]["modules"]
    criterion.load_state_dict({name.removeprefix("loss."): v for name, v in state.items() if name[:5] == "loss."})
    x, y = PatchDataset(prepared_photos.source, 24).batch(0, 4)
    numbers = loss(receipt(out)["loss_as_trained"])
    torch.testing.assert_close(numbers(x, y), criterion.eval()(x, y), rtol=1e-6, atol=0)


@pytest.mark.parametrize("always", [False, True])
@pytest.mark.parametrize("step", [4, 16])
def test_a_run_that_is_killed_in_or_after_the_warm_up_resumes_exactly(
    step: int, always: bool, run: RunOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lossmith.losses.share_loss.WARM_UP_STEPS", 10)
    expression = LOSS + " always" * always
    whole = run(tmp_path / "whole", expression)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", expression, observer=StopsAfter(step))
    assert not (tmp_path / "stopped" / "summary.json").exists()
    assert_same_run(run(tmp_path / "stopped", expression), whole)


def test_a_run_of_two_processes_is_that_of_one(run: RunOf, tmp_path: Path) -> None:
    """Weights as in `test_distributed`; the factors are means of norms, which only sum up rounding.

    If the processes had factors of their own, or those of half a batch, weights and factors would be off by more
    than a hundredth.
    """
    one, two = run(tmp_path / "one"), run(tmp_path / "two", devices=2)
    torch.manual_seed(3)
    initial = network(RECIPE.network, 1).state_dict()
    weights, expected = (load_file(out / "model.safetensors") for out in (two, one))
    distances = [
        torch.cat([(a[name] - b[name]).double().flatten() for name in expected]).norm()
        for a, b in ((weights, expected), (expected, initial))
    ]
    assert distances[0] / distances[1] < 1e-4
    factors = [float(receipt(out)["loss_as_trained"].split(" + ")[1].removesuffix("*ssim")) for out in (two, one)]
    assert factors[0] == pytest.approx(factors[1], rel=1e-5)


def test_the_norms_of_parts_of_a_batch_are_those_of_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = torch.rand(2, 6, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    whole = loss("50%*l1 + 50%*l2")
    whole(x.requires_grad_(), y)
    squares = [_squared_norms(x[part], y[part]) for part in (slice(0, 3), slice(3, 6))]

    def all_reduce(values: Tensor) -> None:
        torch.testing.assert_close(values, squares[0])
        values += squares[1]

    monkeypatch.setattr("torch.distributed.is_initialized", lambda: True)
    monkeypatch.setattr("torch.distributed.get_world_size", lambda: 2)
    monkeypatch.setattr("torch.distributed.all_reduce", all_reduce)
    part = loss("50%*l1 + 50%*l2")
    part(x[:3].detach().requires_grad_(), y[:3])
    torch.testing.assert_close(part.norms, whole.norms)
    torch.testing.assert_close(part.factors, whole.factors)


def _squared_norms(x: Tensor, y: Tensor) -> Tensor:
    result = gradient_shares("l1 + l2", x, y)
    return torch.tensor(list(result.norms.values()), dtype=torch.float64).square()


def test_a_skipped_step_is_not_measured(prepared_photos: PreparedData) -> None:
    module = SupervisedModule(network(RECIPE.network), loss(LOSS), replace(RECIPE, on_nan="skip"))
    module.setup(single_process_fabric(RECIPE))
    degraded, clean = PatchDataset(prepared_photos.source, RECIPE.patch).batch(0, 4)
    module.training_step((degraded, clean), 0.0)
    before = deepcopy(module.loss.state_dict())
    assert "skipped" in module.training_step((degraded * torch.nan, clean), 0.1)
    assert all(torch.equal(value, before[name]) for name, value in module.loss.state_dict().items())
    assert module.loss.steps == 1


def test_after_the_warm_up_of_a_run_its_terms_have_their_shares(prepared_photos: PreparedData) -> None:
    """The restorer hardly learns, so fresh patches show it the errors of those on which the factors were found.

    Patches of few photographs differ: single gradients by a tenth, the means over 20 steps by less than 2 %.
    """
    recipe = replace(RECIPE, learning_rate=1e-9, batch=16)
    torch.manual_seed(0)
    module = SupervisedModule(network(recipe.network), loss("50%*l1 + 50%*ssim"), recipe)
    module.setup(single_process_fabric(recipe))
    patches = PatchDataset(prepared_photos.source, recipe.patch)
    for step in range(WARM_UP_STEPS):
        module.training_step(patches.batch(16 * step, 16), 0.0)
    assert module.loss.steps == WARM_UP_STEPS
    norms = torch.zeros(2)
    for step in range(WARM_UP_STEPS, WARM_UP_STEPS + 50):
        degraded, clean = patches.batch(16 * step, 16)
        with torch.no_grad():
            restored = module.restorer(degraded)
        norms += torch.tensor(list(gradient_shares(module.loss, restored, clean).norms.values()))
    assert (norms[0] / norms[1]).item() == pytest.approx(1, abs=0.02)


def test_percentages_of_the_content_stand_beside_an_adversarial_term(prepared_photos: PreparedData) -> None:
    torch.manual_seed(0)
    patch = 32  # the least that the discriminator takes
    module = AdversarialModule(
        network(RECIPE.network),
        loss(LOSS),
        discriminator("vgg_any(features=2)", patch),
        adversarial("ragan"),
        5e-3,
        replace(RECIPE, patch=patch),
    )
    module.setup(single_process_fabric(RECIPE))
    values = module.training_step(PatchDataset(prepared_photos.source, patch).batch(0, 4), 0.0)
    assert list(values)[:4] == ["loss", "60%*l1", "40%*ssim", "0.005*ragan"]
    assert isinstance(module.content, ShareLoss)
    assert module.content.steps == 1
    assert str(as_numbers(module.content)).startswith("0.6*l1 + ")


def test_a_trial_leaves_the_loss_as_it_is(prepared_photos: PreparedData) -> None:
    criterion, settings = loss(LOSS), RunSettings(protocol=protocol_for(1))
    dry_run([criterion], RECIPE, prepared_photos, settings.protocol)
    measure_durations([criterion], RECIPE, prepared_photos, settings)
    assert criterion.steps == 0
    module = SupervisedModule(network(RECIPE.network), criterion, RECIPE)
    assert saved_activation_bytes(module, PatchDataset(prepared_photos.source, RECIPE.patch).batch(0, 2)) > 0
    assert criterion.steps == 0
    assert criterion.training


class Brighter(nn.Module):
    """Enlarges images, and adds a number."""

    def __init__(self, offset: float) -> None:
        super().__init__()
        self.offset = nn.Parameter(torch.tensor(offset))

    def forward(self, images: Tensor) -> Tensor:
        return images.repeat_interleave(2, -1).repeat_interleave(2, -2) + self.offset


def test_networks_are_validated_by_the_same_factors() -> None:
    """Those that give the terms their shares on the degraded images, enlarged."""
    generator = torch.Generator().manual_seed(0)
    pairs = [
        ImagePair(str(i), torch.rand(3, 8, 9, generator=generator), torch.rand(3, 16, 18, generator=generator), 2)
        for i in range(3)
    ]
    criterion: Loss = loss("80%*l1 + 20%*l2")
    measured = deepcopy(criterion)
    for pair in pairs:
        measured(resize(pair.degraded, (16, 18))[None].requires_grad_(), pair.clean[None])
    numbers = as_numbers(measured)
    for offset in (0.0, 0.3):
        expected = validation_loss(numbers, Brighter(offset), pairs)
        assert validation_loss(criterion, Brighter(offset), pairs) == pytest.approx(expected, rel=1e-5)
    assert criterion.steps == 0

"""Which term of a loss pulls how much, measured at looks during a run."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from lossmith.core.errors import Diverged
from lossmith.data import PatchDataset, PreparedData
from lossmith.evaluation.pulls import Pulls, is_pull
from lossmith.losses import CallableLoss, Loss, loss, term_gradients
from lossmith.losses.adversarial import adversarial
from lossmith.networks import discriminator
from lossmith.training import Recipe, RunFolder, RunSummary
from lossmith.training.adversarial import AdversarialModule
from lossmith.training.distributed.environment import single_process_fabric
from lossmith.training.loggers import format_status
from lossmith.training.pulls import GradientLooks
from lossmith.training.state import TrainState
from lossmith.training.supervised import SKIPPED, SupervisedModule
from lossmith.training.valid_pixels import zero_invalid

from .sample_networks import NormalizedNetwork

Train = Callable[..., RunSummary]
LOSS = "l1 + 0.1*ssim"
# of values that a run keeps in float32, which has 24 bits
FLOAT32 = 1e-6


@pytest.fixture(scope="module")
def logged(train: Train, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    train(out := tmp_path_factory.mktemp("logged"), LOSS)
    return RunFolder(out)


def test_a_run_logs_the_shares_and_cosines_of_its_terms(logged: RunFolder) -> None:
    pulls = logged.pulls()
    assert pulls.steps == [1]  # 12 steps are too few for a second look
    assert list(pulls.shares) == ["l1", "0.1*ssim"]
    assert list(pulls.cosines) == [("l1", "0.1*ssim")]
    assert sum(values[0] for values in pulls.shares.values()) == pytest.approx(1, abs=FLOAT32)
    assert -1 <= pulls.cosines["l1", "0.1*ssim"][0] <= 1


def test_curves_are_without_them(logged: RunFolder) -> None:
    assert list(logged.curves()[1]) == ["psnr", "loss", "l1", "0.1*ssim"]


def test_tensorboard_has_them(logged: RunFolder) -> None:
    (events,) = (logged.path / "tensorboard").iterdir()
    assert b"share of 0.1*ssim" in events.read_bytes()


def test_a_loss_of_one_term_has_none(train: Train, tmp_path: Path) -> None:
    train(tmp_path, "l1")
    assert RunFolder(tmp_path).pulls() == Pulls([], {}, {})


def test_a_run_of_an_earlier_version_has_none(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("step,seconds,psnr,loss,l1,l2\n0,0.1,20,,,\n1,0.2,,0.3,0.1,0.2\n")
    assert RunFolder(tmp_path).pulls() == Pulls([], {}, {})


def test_the_weights_are_those_of_a_run_without_looks(
    logged: RunFolder, train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(GradientLooks, "_is_due", lambda self, progress: False)
    train(tmp_path, LOSS)
    assert not RunFolder(tmp_path).pulls().steps
    expected, actual = (load_file(folder / "model.safetensors") for folder in (tmp_path, logged.path))
    assert all(torch.equal(actual[name], expected[name]) for name in expected)


# --- when ------------------------------------------------------------------------------------------------------


def looks_of(steps: int, looks: GradientLooks) -> list[int]:
    """The steps at which a run of two terms looks, the first of which is 1."""
    seen = []
    restored = torch.rand(1, 1, 2, 2, requires_grad=True)
    for step in range(steps):
        terms = {"a": restored.sum(), "b": restored.square().sum()}
        if looks.measure(terms, restored, step / steps):
            seen.append(step + 1)
        looks.advance(step / steps)
    return seen


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (99, [1]),
        (300, [1, 101, 201]),
        (1000, list(range(1, 1000, 100))),
        (5000, list(range(1, 5000, 500))),
    ],
)
def test_looks_are_a_tenth_of_the_budget_apart_and_a_hundred_steps(steps: int, expected: list[int]) -> None:
    assert looks_of(steps, GradientLooks()) == expected


def test_a_resumed_run_looks_at_the_same_steps() -> None:
    looks, restored = GradientLooks(), torch.rand(1, 1, 2, 2, requires_grad=True)
    seen = []
    for step in range(1000):
        if step % 77 == 0:  # it is killed and resumed now and then
            state = looks.state_dict()
            looks = GradientLooks()
            looks.load_state_dict(state)
        if looks.measure({"a": restored.sum(), "b": restored.square().sum()}, restored, step / 1000):
            seen.append(step + 1)
        looks.advance(step / 1000)
    assert seen == list(range(1, 1000, 100))


def test_the_state_of_a_training_has_its_looks(prepared_photos: PreparedData, small: Recipe) -> None:
    module, other = (FirstStep(prepared_photos, small, loss(LOSS), is_adversarial=False).module for _ in range(2))
    other.looks = GradientLooks()
    other.load_state_dict(module.state_dict())
    assert other.looks.state_dict() == module.looks.state_dict() == {"steps": 1, "latest": {"step": 0, "tenth": 0}}


def test_a_stage_of_one_term_waits_for_the_next(train: Train, small: Recipe, tmp_path: Path) -> None:
    train(tmp_path, f"l1 until 50% then {LOSS}", small)
    assert RunFolder(tmp_path).pulls().steps == [7]


# --- what ------------------------------------------------------------------------------------------------------


def quadratics() -> tuple[dict[str, Tensor], Tensor]:
    """Terms whose gradients are 2*(x - 1) and 6*x at x = (3, 4, 0, 0)."""
    x = torch.tensor([3.0, 4.0, 0.0, 0.0]).view(1, 1, 2, 2).requires_grad_()
    return {"a": (x - 1).square().sum(), "b": 3 * x.square().sum(), "c": 0 * x.sum()}, x


def test_shares_and_cosines_are_those_of_the_closed_form() -> None:
    terms, x = quadratics()
    first, second = 2 * math.sqrt(4 + 9 + 1 + 1), 6 * 5.0
    assert {name: float(value) for name, value in GradientLooks().measure(terms, x, 0.0).items()} == pytest.approx(
        {
            "share of a": first / (first + second),
            "share of b": second / (first + second),
            "share of c": 0.0,
            # the third term has no direction
            "cosine of a and b": 2 * 6 * (2 * 3 + 3 * 4) / (first * second),
        },
        rel=FLOAT32,
    )


def test_terms_that_undo_each_other_have_the_cosine_minus_one() -> None:
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    values = GradientLooks().measure({"up": -x.sum(), "down": 3 * x.sum()}, x, 0.0)
    assert float(values["cosine of up and down"]) == pytest.approx(-1, abs=FLOAT32)
    assert float(values["share of down"]) == pytest.approx(0.75, abs=FLOAT32)


def test_gradients_that_are_not_finite_are_not_logged() -> None:
    x = torch.zeros(1, 1, 1, 1, requires_grad=True)
    assert GradientLooks().measure({"a": x.sqrt().sum() * 0, "b": x.sum()}, x, 0.0) == {}


class FirstStep:
    """A module that trains on two patches with a hole in one of them, and what it logs of a step."""

    def __init__(self, prepared: PreparedData, recipe: Recipe, criterion: Loss, is_adversarial: bool) -> None:
        torch.manual_seed(1)
        if is_adversarial:
            network = discriminator("vgg_any(features=2)", 32)
            self.module: SupervisedModule = AdversarialModule(
                NormalizedNetwork(), criterion, network, adversarial("ragan"), 0.1, recipe, masked=True
            )
        else:
            self.module = SupervisedModule(NormalizedNetwork(), criterion, recipe, masked=True)
        self.module.setup(single_process_fabric(recipe))
        degraded, clean = PatchDataset(prepared.source, recipe.patch, 0).batch(0, 2)
        clean[0, :, :8, :8] = math.nan
        self.values = self.module.training_step((degraded, clean), 0.0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("is_adversarial", [False, True])
def test_the_adversarial_term_is_a_term_and_masks_and_precisions_are_no_matter(
    is_adversarial: bool, precision: str, prepared_photos: PreparedData, small: Recipe
) -> None:
    recipe = replace(small, precision=precision)
    values = FirstStep(prepared_photos, recipe, loss(LOSS), is_adversarial).values
    terms = ["l1", "0.1*ssim", *(["0.1*ragan"] if is_adversarial else [])]
    shares = {name: float(value) for name, value in values.items() if name.startswith("share")}
    assert list(shares) == [f"share of {term}" for term in terms]
    assert sum(shares.values()) == pytest.approx(1, abs=FLOAT32)
    assert all(share > 0 for share in shares.values())


def test_pixels_that_do_not_count_pull_nothing(prepared_photos: PreparedData, small: Recipe) -> None:
    """The gradients are those at the output of the network, where a hole has none."""
    module = SupervisedModule(torch.nn.Conv2d(3, 3, 3, padding=1), loss(LOSS), small, masked=True)
    module.setup(single_process_fabric(small))
    degraded, clean = PatchDataset(prepared_photos.source, small.patch, 0).batch(0, 2)
    clean[0, :, :8, :8] = math.nan
    output = module.restorer(degraded)
    values = module.training_step((degraded, clean), 0.0)
    gradients = term_gradients(loss(LOSS).terms(zero_invalid(output, clean), zero_invalid(clean, clean)), output)
    assert not any(gradient[0, :, :8, :8].any() for gradient in gradients.values())
    norms = [float(gradient.norm()) for gradient in gradients.values()]
    shares = [float(value) for name, value in values.items() if name.startswith("share")]
    assert shares == pytest.approx([norm / sum(norms) for norm in norms], rel=1e-5)


def test_a_skipped_step_is_no_look(prepared_photos: PreparedData, small: Recipe) -> None:
    module = FirstStep(prepared_photos, small, loss(LOSS), is_adversarial=False).module
    module.looks = GradientLooks()
    degraded, clean = PatchDataset(prepared_photos.source, small.patch, 0).batch(0, 2)
    before = module.looks.state_dict()
    assert SKIPPED in module.training_step((degraded * math.nan, clean), 0.0)
    assert module.looks.state_dict() == before
    assert any(map(is_pull, module.training_step((degraded, clean), 0.0)))


class NanGradient(torch.nn.Module):
    """An L1 whose value stays finite and whose gradient does not."""

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        difference = prediction - target
        return difference.abs().mean() + 0 * (difference - difference).sqrt().sum()


def test_no_divergence_is_blamed_on_a_share(train: Train, tmp_path: Path) -> None:
    with pytest.raises(Diverged, match=r"^the gradient is not finite at step 1, though the loss"):
        train(tmp_path, CallableLoss(NanGradient(), "my:NanGradient") + loss("l2"))


def test_the_text_beside_the_progress_bar_does_without_them(small: Recipe) -> None:
    values = {"loss": 0.3, "l1": 0.1, "share of l1": 0.5, "cosine of l1 and l2": 0.1}
    text = format_status(TrainState(small), {name: torch.tensor(value) for name, value in values.items()})
    assert text.endswith("/s  l1 0.1")

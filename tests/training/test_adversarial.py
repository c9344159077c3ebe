"""Adversarial training is the paper's, step by step, and tells when it goes wrong."""

import csv
import warnings
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, l1_loss

from lossmith.core.errors import Diverged, LossmithError
from lossmith.data import PatchDataset, PreparedData
from lossmith.losses import loss
from lossmith.losses.adversarial import adversarial
from lossmith.networks import network
from lossmith.training import AdversarialRecipe, Recipe, RunFolder
from lossmith.training.adversarial import AdversarialModule, DiscriminatorDominanceMonitor
from lossmith.training.distributed.environment import single_process_fabric
from lossmith.training.loop import fit
from lossmith.training.lr_schedule import learning_rate
from lossmith.training.supervised import SupervisedModule
from lossmith.training.validation import SampleWriter


class TinyDiscriminator(nn.Sequential):
    """Normalizes as the paper's does.

    Without a bias before that, nor at the end, which a relativistic loss does not see: their gradients would be
    rounding alone, which Adam makes as large as any.
    """

    def __init__(self, size: int = 32) -> None:
        norm = nn.BatchNorm2d(4)
        super().__init__(
            nn.Conv2d(3, 4, 4, 2, bias=False), norm, nn.LeakyReLU(0.2), nn.Flatten(), nn.LazyLinear(1, bias=False)
        )
        self(torch.zeros(2, 3, size, size))


@pytest.fixture
def recipe(small: Recipe) -> Recipe:
    return replace(small, decay="esrgan", learning_rate=1e-3, ema=0.9)


def adversarial_module(
    recipe: Recipe, kind: str = "ragan", weight: float = 5e-3, rate: float | None = None
) -> AdversarialModule:
    torch.manual_seed(7)
    restorer = network(recipe.network)
    return AdversarialModule(
        restorer, loss("l2 + 0.01*l1"), TinyDiscriminator(), adversarial(kind), weight, recipe, rate
    )


def set_up_module(recipe: Recipe, **options: object) -> AdversarialModule:
    module = adversarial_module(recipe, **options)  # type: ignore[arg-type]
    module.setup(single_process_fabric(replace(recipe, precision="float32")))
    return module


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.named_parameters()}


def differ(before: dict[str, Tensor], module: nn.Module) -> bool:
    return any(not torch.equal(before[name], now) for name, now in module.named_parameters())


def mean_of_the_other_side(real: Tensor, fake: Tensor) -> Tensor:
    """Equations 1 and 2 of ESRGAN, by torch's cross entropy: how far `real` looks more real than `fake`."""
    first = binary_cross_entropy_with_logits(real - fake.mean(), torch.ones_like(real))
    return first + binary_cross_entropy_with_logits(fake - real.mean(), torch.zeros_like(fake))


@pytest.mark.parametrize("steps", [1, 3])
def test_steps_are_those_of_a_plain_loop_with_two_optimizers(
    steps: int, recipe: Recipe, prepared_photos: PreparedData
) -> None:
    module = set_up_module(recipe, rate=5e-4)
    torch.manual_seed(7)
    restorer, discriminator = network(recipe.network).train(), TinyDiscriminator().train()
    of_restorer = torch.optim.Adam(restorer.parameters(), lr=1e-3, betas=(0.9, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=5e-4, betas=(0.9, 0.999))
    patches = PatchDataset(prepared_photos.source, recipe.patch)
    for step in range(steps):
        degraded, clean = patches.batch(2 * step, 2)
        progress = (0.0, 0.2, 0.5)[step]  # beyond none, the first and the third milestone
        for optimizer, rate in ((of_restorer, 1e-3), (of_discriminator, 5e-4)):
            optimizer.param_groups[0]["lr"] = rate / (1, 2, 8)[step]
        output = restorer(degraded)
        of_restorer.zero_grad()
        content = (output - clean).square().mean() + 0.01 * l1_loss(output, clean)
        against = mean_of_the_other_side(discriminator(output), discriminator(clean).detach())
        (content + 5e-3 * against).backward()
        of_restorer.step()
        of_discriminator.zero_grad()
        real, fake = discriminator(clean), discriminator(output.detach())
        generator_logits = mean_of_the_other_side(real, fake)
        generator_logits.backward()
        of_discriminator.step()
        values = module.training_step((degraded, clean), progress)
        # float32 through two networks, summed in other orders
        close = {"rtol": 1e-4, "atol": 1e-6}
        torch.testing.assert_close(values["loss"], (content + 5e-3 * against).detach(), **close)
        torch.testing.assert_close(values["0.005*ragan"], 5e-3 * against.detach(), **close)
        torch.testing.assert_close(values["discriminator_loss"], generator_logits.detach(), **close)
        torch.testing.assert_close(values["discriminator_real"], real.detach().mean(), **close)
        torch.testing.assert_close(values["discriminator_fake"], fake.detach().mean(), **close)
        # Adam's first steps are of the size of the rate whatever the gradient, so one of nothing may turn its sign
        for trained_network, reference in ((module.restorer, restorer), (module.discriminator, discriminator)):
            for weight, expected in zip(trained_network.parameters(), reference.parameters(), strict=True):
                off = ((weight - expected).abs() > 2e-5).float().mean()
                assert float(off) < 0.02


def test_both_optimizers_have_the_papers_betas(recipe: Recipe) -> None:
    """Which a few steps under falling rates hardly tell from others."""
    module = set_up_module(recipe)
    for optimizer in (module._optimizer, module._discriminator_optimizer):
        assert optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_generator_and_discriminator_losses_change_only_their_own_weights(
    recipe: Recipe, prepared_photos: PreparedData
) -> None:
    module = set_up_module(recipe)
    degraded, clean = module.to_device(PatchDataset(prepared_photos.source, recipe.patch).batch(0, 2))
    discriminator, restorer = weights(module.discriminator), weights(module.restorer)
    _, output = SupervisedModule.forward_backward(module, degraded, clean, 0.5)
    assert all(parameter.grad is None for parameter in module.discriminator.parameters())
    gradients = [
        parameter.grad.clone() for parameter in module.restorer.parameters() if parameter.grad is not None
    ]
    assert gradients
    module._discriminator_forward_backward(clean, output, 0.5)
    assert all(parameter.grad is not None for parameter in module.discriminator.parameters())
    restorer_gradients = [
        parameter.grad for parameter in module.restorer.parameters() if parameter.grad is not None
    ]
    assert all(map(torch.equal, gradients, restorer_gradients))
    assert not differ(discriminator, module.discriminator)
    assert not differ(restorer, module.restorer)


def test_a_step_after_loading_a_checkpoint_equals_the_uninterrupted_one(
    recipe: Recipe, prepared_photos: PreparedData
) -> None:
    patches = PatchDataset(prepared_photos.source, recipe.patch)
    uninterrupted = set_up_module(recipe)
    uninterrupted.training_step(patches.batch(0, 2), 0.1)
    other = set_up_module(recipe)
    other.load_state_dict(deepcopy(uninterrupted.state_dict()))
    for module in (uninterrupted, other):
        module.training_step(patches.batch(2, 2), 0.2)
    states = (uninterrupted.state_dict()["modules"], other.state_dict()["modules"])
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert {name.partition(".")[0] for name in states[0]} == {"restorer", "loss", "ema"}


def test_learning_rate_milestones_are_the_papers() -> None:
    gan, psnr = (Recipe(learning_rate=1e-4, decay=decay) for decay in ("esrgan", "fifths"))
    paper = {0: 1, 49_999: 1, 50_000: 2, 100_000: 4, 199_999: 4, 200_000: 8, 300_000: 16, 400_000: 16}
    assert {step: 1e-4 / learning_rate(gan, step / 400_000) for step in paper} == pytest.approx(paper)
    paper = {0: 1, 199_999: 1, 200_000: 2, 400_000: 4, 600_000: 8, 800_000: 16, 999_999: 16}
    assert {step: 1e-4 / learning_rate(psnr, step / 1_000_000) for step in paper} == pytest.approx(paper)


def test_every_term_and_both_scores_are_logged_with_samples(
    recipe: Recipe, prepared_photos: PreparedData, tmp_path: Path
) -> None:
    folder = RunFolder(tmp_path)
    patches = PatchDataset(prepared_photos.source, recipe.patch)
    fit(
        adversarial_module(recipe),
        patches,
        prepared_photos.test_pairs,
        folder,
        "a run",
        observer=SampleWriter(tmp_path / "samples"),
    )
    with folder.metrics_csv.open(newline="") as file:
        rows = list(csv.DictReader(file))
    terms = ("l2", "0.01*l1", "0.005*ragan")
    for row in rows[1:]:
        assert sum(float(row[term]) for term in terms) == pytest.approx(float(row["loss"]), rel=1e-5)
        assert all(
            row[name]
            for name in ("discriminator_loss", "discriminator_real", "discriminator_fake", "learning_rate")
        )
    samples = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert samples[0] == "step-0000000.png"
    assert samples[-1] == "step-0000012.png"
    assert len(samples) == sum(bool(row["psnr"]) for row in rows) == 11


def test_a_discriminator_with_nan_weights_is_not_saved(
    recipe: Recipe, prepared_photos: PreparedData, tmp_path: Path
) -> None:
    module = adversarial_module(recipe, weight=1e-30)  # so that the restorer stays well
    with torch.no_grad():
        module.discriminator[1].running_mean.fill_(torch.nan)  # which no step looks at
    with pytest.raises(Diverged, match="the weights are not finite"):
        fit(
            module,
            PatchDataset(prepared_photos.source, recipe.patch),
            prepared_photos.test_pairs,
            RunFolder(tmp_path),
            "a run",
        )
    assert not RunFolder(tmp_path).checkpoint.exists()


# --- a discriminator that wins
# ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "chance"), [("gan", 1.386294), ("lsgan", 1.0), ("hinge", 2.0), ("ralsgan", 2.0)])
def test_undecided_loss_is_that_of_a_constant_discriminator(kind: str, chance: float) -> None:
    assert DiscriminatorDominanceMonitor(adversarial(kind)).undecided_loss == pytest.approx(chance)


def remarks_of(hand: DiscriminatorDominanceMonitor, value: float, steps: int) -> list[str]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(steps):
            hand.update(torch.tensor(value))
    return [str(warning.message) for warning in caught]


def test_a_dominant_discriminator_is_reported_once() -> None:
    hand = DiscriminatorDominanceMonitor(adversarial("ragan"), window_steps=5)
    assert remarks_of(hand, 0.2, 50) == [], "far ahead, but not out of reach"
    assert remarks_of(hand, 1e-4, 4) == [], "not for long enough"
    (sentence,) = remarks_of(hand, 1e-4, 50)
    assert sentence.startswith("the discriminator dominates: over 5 steps its loss was 0.0001")


def test_a_resumed_run_reports_dominance_at_the_same_step_and_once() -> None:
    before, after = (DiscriminatorDominanceMonitor(adversarial("ragan"), window_steps=5) for _ in range(2))
    remarks_of(before, 1e-4, 4)
    after.load_state_dict(before.state_dict())
    assert len(remarks_of(after, 1e-4, 1)) == 1
    before.load_state_dict(after.state_dict())
    assert remarks_of(before, 1e-4, 50) == []


def test_a_loss_without_an_undecided_level_reports_no_dominance() -> None:
    assert remarks_of(DiscriminatorDominanceMonitor(adversarial("wgan"), window_steps=5), -1e9, 50) == []


class SeesTheGrid(nn.Module):
    """Knows how much images differ from what they are between their pixels: nothing else would be so easy."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.ones(2))

    def forward(self, images: Tensor) -> Tensor:
        rough = (images[..., 1:] - images[..., :-1]).abs().mean((1, 2, 3))
        return self.slope[0] + 1000 * self.slope[1] * (0.05 - rough)


def test_a_discriminator_that_tells_noise_from_images_is_dominant(
    recipe: Recipe, prepared_photos: PreparedData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images are smooth and the restorer, which hardly learns, leaves the noise in them."""
    monkeypatch.setattr(
        "lossmith.training.adversarial.DiscriminatorDominanceMonitor",
        lambda kind: DiscriminatorDominanceMonitor(kind, window_steps=5),
    )
    module = AdversarialModule(
        network(recipe.network),
        loss("l1"),
        SeesTheGrid(),
        adversarial("gan"),
        5e-3,
        replace(recipe, learning_rate=1e-6),
    )
    module.setup(single_process_fabric(replace(recipe, precision="float32")))
    patches = PatchDataset(prepared_photos.source, recipe.patch)
    for step in range(4):
        module.training_step(patches.batch(2 * step, 2), 0.0)
    with pytest.warns(UserWarning, match="the discriminator dominates"):
        module.training_step(patches.batch(8, 2), 0.0)


# --- what does not fit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"psnr_steps": 5}, "`psnr_steps` is for training against a discriminator, and none is named"),
        ({"adversarial": "gan"}, "`adversarial` is for training against a discriminator, and none is named"),
        (
            {"discriminator": "vgg", "adversarial_weight": 0.0},
            "`adversarial_weight` must be above 0 and finite, not 0.0",
        ),
        ({"discriminator": "vgg", "psnr_steps": 2.5}, "`psnr_steps` must be a whole number, not 2.5"),
        ({"discriminator": 3}, "`discriminator` must be text, not 3"),
        (
            {"discriminator": "vgg", "psnr_decay": "slow"},
            "`psnr_decay` must be cosine or none or fifths or esrgan, not 'slow'",
        ),
    ],
)
def test_invalid_adversarial_recipes_are_refused(options: dict[str, object], sentence: str) -> None:
    with pytest.raises(LossmithError) as error:
        AdversarialRecipe(**options)  # type: ignore[arg-type]
    assert str(error.value) == sentence


def test_a_discriminator_without_weights_is_refused(recipe: Recipe) -> None:
    with pytest.raises(LossmithError, match="discriminator Flatten has no parameters to train"):
        AdversarialModule(network("fcn"), loss("l1"), nn.Flatten(), adversarial("gan"), 1.0, recipe)


def test_the_first_stage_has_its_own_budget_and_rate() -> None:
    gan = Recipe(steps=40, learning_rate=1e-4, decay="esrgan", patch=96)
    adversarial = AdversarialRecipe(
        discriminator="vgg", psnr_steps=100, psnr_learning_rate=2e-4, psnr_decay="fifths"
    )
    assert adversarial.pretrain_recipe(gan) == Recipe(steps=100, learning_rate=2e-4, decay="fifths", patch=96)
    assert AdversarialRecipe(discriminator="vgg").pretrain_recipe(gan) == gan
    assert adversarial.pretrain_recipe(replace(gan, steps=None, minutes=3)).minutes is None

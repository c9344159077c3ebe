"""The pyramid, the WGAN-GP training of a scale, and the calibration of its features."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lossmith.degradations import degradation, resize
from lossmith.loss_learning import PUBLISHED, DegradedSample, LossRecipe, wgan
from lossmith.loss_learning.calibration import calibrate_layers, rescale
from lossmith.loss_learning.pyramid import NOISE_DRAWS, ImagePyramid, Scale
from lossmith.loss_learning.recipe import RECEPTIVE_FIELD
from lossmith.loss_learning.visualization import score_maps
from lossmith.loss_learning.wgan import ScaleWGAN, gradient_penalty
from lossmith.losses.mdf.discriminator import PatchDiscriminator, downscale

CPU = torch.device("cpu")


def sample(scene: Tensor, expression: str) -> DegradedSample:
    return DegradedSample(scene, degradation(expression))


def test_with_input_scale_scale_the_degradation_is_downscaled_with_the_image(
    scene: Tensor, loss_recipe: LossRecipe
) -> None:
    pyramid = ImagePyramid(sample(scene, "jpeg(10)"), loss_recipe, seed=0)
    degraded = degradation("jpeg(10)")(scene)
    expected = downscale(degraded[None], 0.5) - downscale(scene[None], 0.5)
    assert pyramid.scale_factors == [0.5, 1.0]
    torch.testing.assert_close(pyramid.errors(0), expected)


def test_with_input_scale_full_the_downscaled_image_is_degraded(scene: Tensor, loss_recipe: LossRecipe) -> None:
    pyramid = ImagePyramid(sample(scene, "jpeg(10)"), replace(loss_recipe, input_scale="full"), seed=0)
    half = downscale(scene[None], 0.5)[0]
    torch.testing.assert_close(pyramid.errors(0)[0], degradation("jpeg(10)")(half) - half)


def test_random_degradation_is_drawn_several_times_and_follows_from_the_seed(
    scene: Tensor, loss_recipe: LossRecipe
) -> None:
    errors = [ImagePyramid(sample(scene, "noise(25)"), loss_recipe, seed).errors(1) for seed in (0, 0, 1)]
    assert torch.equal(errors[0], errors[1])
    assert not torch.equal(errors[0], errors[2])
    assert len({float(error.sum()) for error in errors[0]}) == NOISE_DRAWS
    assert float(errors[0].std()) == pytest.approx(25 / 255, rel=0.02)  # 48,384 draws


def test_for_super_resolution_the_upsampled_previous_scale_is_the_degraded_image(
    scene: Tensor, loss_recipe: LossRecipe
) -> None:
    pyramid = ImagePyramid(sample(scene, "bicubic(4)"), loss_recipe, seed=0)
    coarsest = pyramid.scale(0, None)
    assert torch.equal(coarsest.base, coarsest.degraded)
    assert not torch.allclose(coarsest.base[0], coarsest.clean, atol=0.05)


def test_a_degradation_that_also_downscales_keeps_its_other_part(scene: Tensor, loss_recipe: LossRecipe) -> None:
    odd = scene[:, :47, :55]  # no multiples of 2
    errors = ImagePyramid(sample(odd, "bicubic(2) | noise(25)"), loss_recipe, seed=0).errors(1)
    assert errors.shape == (NOISE_DRAWS, 3, 47, 55)
    small_noise = degradation("noise(25)")(scene[:, :23, :27], np.random.default_rng(0)) - scene[:, :23, :27]
    upscaled = resize(small_noise, (46, 54))
    assert float(errors[..., :46, :54].std()) == pytest.approx(float(upscaled.std()), rel=0.05)
    assert not ImagePyramid(sample(odd, "bicubic(2)"), loss_recipe, seed=0).errors(1).any()


def test_the_residual_is_the_difference_of_the_pair(scene: Tensor, loss_recipe: LossRecipe) -> None:
    for recipe in (loss_recipe, replace(loss_recipe, input_scale="full"), replace(loss_recipe, max_side=40)):
        pyramid = ImagePyramid(DegradedSample(scene, None, scene), recipe, seed=0)
        lighter = ImagePyramid(DegradedSample(scene, None, scene + 0.1), recipe, seed=0)
        for scale in range(len(pyramid.scale_factors)):
            assert not pyramid.errors(scale).any()
            torch.testing.assert_close(lighter.errors(scale), torch.full_like(pyramid.errors(scale), 0.1))


def test_no_scale_is_smaller_than_the_critics_receptive_field(scene: Tensor, loss_recipe: LossRecipe) -> None:
    pyramid = ImagePyramid(sample(scene, "jpeg"), replace(loss_recipe, min_side=11, factor=0.75), seed=0)
    assert min(pyramid.clean(0).shape[1:]) >= RECEPTIVE_FIELD


def test_the_crops_of_an_iteration_show_the_same_place(scene: Tensor, loss_recipe: LossRecipe) -> None:
    scale = ImagePyramid(sample(scene, "noise(0)"), loss_recipe, seed=0).scale(
        1, 2 * downscale(scene[None], 0.5) - 1
    )
    clean, base, degraded = scale.crops(loss_recipe, np.random.default_rng(0))
    assert clean.shape == (2, 3, 24, 24)
    assert torch.equal(base, degraded)  # noise without strength
    assert float((base - clean).abs().mean()) < 0.1 < float((base - clean.flip(0)).abs().mean())


def test_the_published_recipe_updates_the_critic_as_often_as_the_published_weights_show(scene: Tensor) -> None:
    """Their normalizations have counted 12,000 batches in 1000 iterations per scale."""
    recipe = replace(PUBLISHED, iterations=2, width=4, max_width=4)
    pyramid = ImagePyramid(sample(scene, "noise(25)"), recipe, seed=0)
    gan = ScaleWGAN(recipe, 0, 0, CPU)
    for _ in range(2):
        gan.train_iteration(pyramid.scale(0, None))
    assert int(gan.critic.head.norm.num_batches_tracked) == 12 * 2


def test_the_gradient_penalty_equals_its_closed_form() -> None:
    critic = nn.Conv2d(3, 1, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([2.0, 3.0, 6.0]).reshape(1, 3, 1, 1))  # a vector of length 7
    images = torch.rand(2, 3, 5, 4, dtype=torch.float64)
    assert gradient_penalty(critic, images).item() == pytest.approx(36.0, rel=1e-9)
    gradient_penalty(critic, images).backward()
    # d (|w| - 1)^2 / dw = 2 (|w| - 1) w / |w|
    expected = 12 * torch.tensor([2.0, 3.0, 6.0], dtype=torch.float64) / 7
    torch.testing.assert_close(critic.weight.grad.flatten(), expected)


def test_the_gradient_penalty_is_taken_between_real_and_fake_images(
    scene: Tensor, loss_recipe: LossRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = replace(loss_recipe, fake_samples="restored")
    scale = ImagePyramid(sample(scene, "noise(25)"), recipe, seed=0).scale(0, None)
    gan = ScaleWGAN(recipe, 0, 0, CPU)
    clean, base, degraded = (torch.rand(2, 3, 24, 24) for _ in range(3))
    with torch.no_grad():
        fake = gan.generator(degraded, base)
    shares: list[float] = []

    def record(critic: nn.Module, images: Tensor) -> Tensor:
        along = fake - clean
        share = float(((images - clean) * along).sum() / along.square().sum())
        torch.testing.assert_close(images, torch.lerp(clean, fake, share))
        shares.append(share)
        return gradient_penalty(critic, images)

    monkeypatch.setattr(wgan, "gradient_penalty", record)
    monkeypatch.setattr(gan, "_crops", lambda scale, rng: (clean, base, degraded))
    monkeypatch.setattr(gan, "_generator_step", lambda *crops: torch.zeros(()))  # the fake images stay the same
    for _ in range(3):
        gan.train_iteration(scale)
    assert len({round(share, 3) for share in shares}) > 1
    assert all(0 < share < 1 for share in shares)


def train_scale(scene: Tensor, recipe: LossRecipe, iterations: int) -> tuple[ScaleWGAN, Scale]:
    scale = ImagePyramid(sample(scene, "noise(50)"), recipe, seed=0).scale(0, None)
    gan = ScaleWGAN(recipe, 0, 0, CPU)
    for _ in range(iterations):
        gan.train_iteration(scale)
    return gan, scale


def test_the_critic_learns_to_prefer_the_clean_image(scene: Tensor, loss_recipe: LossRecipe) -> None:
    gan, scale = train_scale(
        scene, replace(loss_recipe, width=8, critic_steps=2, batch=4, learning_rate=2e-3), iterations=40
    )
    critic = gan.critic.eval()
    with torch.no_grad():
        assert critic(scale.clean[None]).mean() > critic(scale.degraded).mean()


def test_the_generator_learns_to_restore(scene: Tensor, loss_recipe: LossRecipe) -> None:
    gan, scale = train_scale(
        scene, replace(loss_recipe, width=8, reconstruction_weight=1e3, learning_rate=2e-3), iterations=60
    )
    before = (scale.degraded - scale.clean).square().mean()
    assert (gan.reconstructions(scale) - scale.clean).square().mean() < 0.7 * before


def test_an_iteration_depends_on_the_state_alone(scene: Tensor, loss_recipe: LossRecipe) -> None:
    scale = ImagePyramid(sample(scene, "noise(25)"), loss_recipe, seed=0).scale(0, None)
    reference_wgan, first_wgan, second_wgan = (ScaleWGAN(loss_recipe, 0, 5, CPU) for _ in range(3))
    reference_wgan.train_iteration(scale)
    first_wgan.train_iteration(scale)
    torch.rand(7)  # the global generator is not used
    second_wgan.restore(first_wgan.state())
    assert reference_wgan.train_iteration(scale) == second_wgan.train_iteration(scale)
    for one, other in zip(
        reference_wgan.critic.state_dict().values(), second_wgan.critic.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)


def random_discriminator(width: int) -> PatchDiscriminator:
    """A discriminator whose normalizations are not the identity."""
    torch.manual_seed(0)
    discriminator = PatchDiscriminator(width).double()
    for _ in range(3):
        discriminator(torch.rand(2, 3, 24, 24, dtype=torch.float64))
    for module in discriminator.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    return discriminator.eval().requires_grad_(False)


def test_scaling_changes_the_size_of_the_features_and_nothing_else() -> None:
    discriminator, image = random_discriminator(5), torch.rand(1, 3, 20, 20, dtype=torch.float64)
    before = discriminator.features(image)
    rescale(discriminator, 2.0, 3.0, 5.0)
    for factor, old, new in zip((2, 3, 5), before, discriminator.features(image), strict=True):
        torch.testing.assert_close(new, factor * old)


def test_calibrated_layers_have_the_variance_of_their_weights() -> None:
    discriminators, factors = [random_discriminator(4), random_discriminator(6)], [0.5, 1.0]
    clean = [torch.rand(1, 3, 20, 20, dtype=torch.float64) for _ in discriminators]
    degraded = [image + 0.1 * torch.randn_like(image) for image in clean]
    calibrate_layers(discriminators, factors, clean, degraded, target_value=0.3)
    variances = [
        [float(features.var((0, 2, 3), correction=0).mean()) for features in discriminator.features(target)]
        for discriminator, target in zip(discriminators, clean, strict=True)
    ]
    total = variances[1][0] / 0.9
    assert variances[0] == pytest.approx([0.25 * weight * total for weight in (0.9, 0.09, 0.01)])
    assert variances[1] == pytest.approx([weight * total for weight in (0.9, 0.09, 0.01)])
    distances = [
        float((prediction - target).square().mean())
        for discriminator, reference, image in zip(discriminators, clean, degraded, strict=True)
        for prediction, target in zip(
            discriminator.features(image), discriminator.features(reference), strict=True
        )
    ]
    assert sum(distances) == pytest.approx(0.3)


def test_calibration_does_not_scale_up_constant_discriminators() -> None:
    discriminator, image = random_discriminator(4), torch.rand(1, 3, 20, 20, dtype=torch.float64)
    calibrate_layers([discriminator], [1.0], [image], [image], target_value=0.3)
    assert float(discriminator.features(image)[0].var((0, 2, 3), correction=0).mean()) == pytest.approx(0.9)


def test_calibration_leaves_constant_layers_unchanged() -> None:
    discriminator, constant = random_discriminator(4), torch.full((1, 3, 20, 20), 0.5, dtype=torch.float64)
    before = discriminator.features(constant)
    calibrate_layers(
        [discriminator], [1.0], [constant], [constant + 0.1 * torch.randn_like(constant)], target_value=0.3
    )
    ratios = [float((new / old).mean()) for old, new in zip(before, discriminator.features(constant), strict=True)]
    assert ratios == pytest.approx([ratios[0]] * 3)  # all are multiplied by one factor


def test_scores_of_a_single_patch_are_the_same_everywhere() -> None:
    discriminator, image = random_discriminator(4), torch.rand(1, 3, 11, 11, dtype=torch.float64)
    calibrate_layers([discriminator], [1.0], [image], [image + 0.1 * torch.randn_like(image)], target_value=0.3)
    assert all(weights.isfinite().all() for weights in discriminator.state_dict().values())


def test_score_maps_are_bright_where_the_degradation_is() -> None:
    discriminator, clean = random_discriminator(6).float(), torch.full((1, 3, 60, 60), 0.2)
    degraded = clean.clone()
    degraded[..., 40:, :] += 0.5
    maps = score_maps(discriminator, clean, degraded)
    for name, image in vars(maps).items():
        assert image.shape[0] == (3 if name in ("clean", "degraded") else 1)
        assert 0 <= float(image.min()) <= float(image.max()) <= 1
    assert float(maps.distance[:, :20].max()) == 0 < float(maps.distance[:, -10:].mean())

"""WGAN-GP at one scale: a critic learns to tell the clean image from the generator's restorations.

Gulrajani et al., NeurIPS 2017, over patches as in SinGAN, Shaham et al., ICCV 2019. The critic's features become
the loss; the generator is discarded.
"""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from lossmith.loss_learning.generator import Generator, init_weights
from lossmith.loss_learning.pyramid import Crops, Scale
from lossmith.loss_learning.recipe import LossRecipe
from lossmith.losses.mdf.discriminator import PatchDiscriminator

ADAM_BETAS = (0.5, 0.999)


class ScaleWGAN:
    """The critic and the generator of a scale, their optimizers, and the number of iterations so far.

    Parameters
    ----------
    recipe
        The networks' width, the optimizer and the weights of the losses.
    scale
        The number of the scale; 0 is the coarsest.
    seed
        Of first weights, crops and draws.
    device
        Where the networks are trained.
    channels
        Of the image.
    """

    def __init__(self, recipe: LossRecipe, scale: int, seed: int, device: torch.device, channels: int = 3) -> None:
        self.recipe, self.number, self.seed, self.device = recipe, scale, seed, device
        self.iteration = 0
        width = recipe.width_at(scale)
        weights = torch.Generator().manual_seed(_stream(seed, scale, 0).integers(1 << 62).item())
        self.critic, self.generator = PatchDiscriminator(width, channels=channels), Generator(width, channels)
        for network in (self.critic, self.generator):
            init_weights(network, weights)
            network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers = [
            torch.optim.Adam(network.parameters(), lr=recipe.learning_rate, betas=ADAM_BETAS, fused=True)
            for network in self.networks
        ]

    @property
    def networks(self) -> tuple[PatchDiscriminator, Generator]:
        return self.critic, self.generator

    def init_from(self, coarser: "ScaleWGAN") -> None:
        """Copy the weights of the coarser scale, if its networks have the same width."""
        if coarser.critic.width == self.critic.width:
            for network, trained in zip(self.networks, coarser.networks, strict=True):
                network.load_state_dict(trained.state_dict())

    def train_iteration(self, scale: Scale) -> dict[str, float]:
        """Train both networks for one iteration, and return its metrics by name.

        The result depends on the networks, the seed and the number of the iteration only.
        """
        rng = _stream(self.seed, self.number, self.iteration + 1)
        for _ in range(self.recipe.critic_steps):
            metrics = self._critic_step(*self._crops(scale, rng), rng)
        self.critic.requires_grad_(
            False
        )  # the generator's gradient passes through it and must not accumulate in it
        for _ in range(self.recipe.generator_steps):
            metrics["mse"] = self._generator_step(*self._crops(scale, rng))
        self.critic.requires_grad_(True)
        self.iteration += 1
        return {name: value.item() for name, value in metrics.items()}

    def _critic_step(
        self, clean: Tensor, base: Tensor, degraded: Tensor, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """A step of the critic; returns accuracy, Wasserstein distance and gradient penalty."""
        with torch.no_grad():
            fake = self.generator(degraded, base)
        if self.recipe.fake_samples == "path":
            weights = torch.from_numpy(rng.random((len(fake), 1, 1, 1), np.float32)).to(fake)
            fake = torch.lerp(fake, degraded, weights)
            fake_scores, clean_scores = self.critic(torch.cat([fake, clean])).chunk(2)
        else:  # separate batches are normalized separately, so the critic cannot use their mean and contrast
            fake_scores, clean_scores = self.critic(fake), self.critic(clean)
        wasserstein = clean_scores.mean() - fake_scores.mean()
        penalty = gradient_penalty(self.critic, torch.lerp(clean, fake, float(rng.random())))
        _step(self.optimizers[0], self.recipe.gradient_penalty * penalty - wasserstein)
        return {
            "accuracy": (clean_scores > fake_scores).float().mean(),
            "wasserstein": wasserstein,
            "gradient_penalty": penalty,
        }

    def _generator_step(self, clean: Tensor, base: Tensor, degraded: Tensor) -> Tensor:
        """A step of the generator; returns the mean squared error."""
        fake = self.generator(degraded, base)
        mse = mse_loss(fake, clean)
        _step(self.optimizers[1], self.recipe.reconstruction_weight * mse - self.critic(fake).mean())
        return mse

    def _crops(self, scale: Scale, rng: np.random.Generator) -> Crops:
        crops = scale.crops(self.recipe, rng)
        clean, base, degraded = (crop.to(self.device, memory_format=torch.channels_last) for crop in crops)
        return clean, base, degraded

    @torch.no_grad()
    def reconstructions(self, scale: Scale) -> Tensor:
        """The generator's output for each draw of the degradation, (D, C, H, W) on the CPU."""
        self.generator.eval()
        pairs = zip(scale.degraded, scale.base, strict=True)
        outputs = [self.generator(d[None].to(self.device), b[None].to(self.device)).cpu() for d, b in pairs]
        self.generator.train()
        return torch.cat(outputs)

    @property
    def is_finite(self) -> bool:
        """Whether all weights are finite."""
        return all(bool(torch.isfinite(weight).all()) for net in self.networks for weight in net.parameters())

    def state(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "iteration": self.iteration,
            "networks": [network.state_dict() for network in self.networks],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Load a `state`."""
        self.iteration = state["iteration"]
        for network, saved in zip(self.networks, state["networks"], strict=True):
            network.load_state_dict(saved)
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)


def gradient_penalty(critic: nn.Module, images: Tensor) -> Tensor:
    """The gradient penalty of WGAN-GP, per pixel: the mean of (|gradient of the scores| - 1)^2.

    `images` are (N, C, H, W), interpolated between real and fake ones.

    >>> flat = gradient_penalty(nn.Conv2d(3, 1, 1).requires_grad_(False).apply(lambda m: m.weight.fill_(3**-0.5)),
    ...                   torch.rand(1, 3, 4, 4))
    >>> round(flat.item(), 6)
    0.0
    """
    images = images.detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    # the square root is not differentiable at 0
    norm = (gradient.square().sum(1) + 1e-12).sqrt()
    return (norm - 1).square().mean()


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _stream(seed: int, scale: int, number: int) -> np.random.Generator:
    """The random numbers of an iteration, as a function of the seed, the scale and the iteration's number."""
    return np.random.Generator(np.random.Philox(key=[seed, scale], counter=number << 128))

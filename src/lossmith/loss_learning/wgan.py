"""The game of one scale: a critic learns to tell the clean image from a generator's attempts to restore it.

A Wasserstein critic with gradient penalty, Gulrajani et al., NeurIPS 2017, over patches as in SinGAN, Shaham et
al., ICCV 2019. What is read off the critic afterwards is a loss, so the generator is thrown away.
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
"""Of Adam."""


class ScaleWGAN:
    """The two networks of one scale, what they are trained with, and how many rounds have been played."""

    def __init__(self, recipe: LossRecipe, scale: int, seed: int, device: torch.device) -> None:
        self.recipe, self.number, self.seed, self.device = recipe, scale, seed, device
        self.iteration = 0
        width = recipe.width_at(scale)
        weights = torch.Generator().manual_seed(_stream(seed, scale, 0).integers(1 << 62).item())
        self.critic, self.generator = PatchDiscriminator(width), Generator(width)
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

    def init_from(self, before: "ScaleWGAN") -> None:
        """Begin where the coarser scale has ended, if the networks are of one width."""
        if before.critic.width == self.critic.width:
            for own, former in zip(self.networks, before.networks, strict=True):
                own.load_state_dict(former.state_dict())

    def train_iteration(self, scale: Scale) -> dict[str, float]:
        """One round, which follows from the networks and its number alone; returns what is worth a curve."""
        rng = _stream(self.seed, self.number, self.iteration + 1)
        for _ in range(self.recipe.critic_steps):
            found = self._critic_step(*self._crops(scale, rng), rng)
        self.critic.requires_grad_(False)  # the generator's gradient goes through it, and stops there
        for _ in range(self.recipe.generator_steps):
            found["mse"] = self._generator_step(*self._crops(scale, rng))
        self.critic.requires_grad_(True)
        self.iteration += 1
        return {name: value.item() for name, value in found.items()}

    def _critic_step(
        self, clean: Tensor, base: Tensor, degraded: Tensor, rng: np.random.Generator
    ) -> dict[str, Tensor]:
        """One step to tell images apart: how often it did, by how much, how far its slope was from 1."""
        with torch.no_grad():
            fake = self.generator(degraded, base)
        if self.recipe.fake_samples == "path":
            shares = torch.from_numpy(rng.random((len(fake), 1, 1, 1), np.float32)).to(fake)
            fake = torch.lerp(fake, degraded, shares)
            lower, higher = self.critic(torch.cat([fake, clean])).chunk(2)
        else:  # in a batch of its own each side is normalized, and loses what its mean and contrast would say
            lower, higher = self.critic(fake), self.critic(clean)
        wasserstein = higher.mean() - lower.mean()
        penalty = gradient_penalty(self.critic, torch.lerp(clean, fake, float(rng.random())))
        _step(self.optimizers[0], self.recipe.gradient_penalty * penalty - wasserstein)
        return {
            "accuracy": (higher > lower).float().mean(),
            "wasserstein": wasserstein,
            "gradient_penalty": penalty,
        }

    def _generator_step(self, clean: Tensor, base: Tensor, degraded: Tensor) -> Tensor:
        """One step to restore and to deceive; returns the squared error."""
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
        """What the generator makes of each draw of the damage, (D, 3, H, W) on the CPU."""
        self.generator.eval()
        pairs = zip(scale.degraded, scale.base, strict=True)
        made = [self.generator(d[None].to(self.device), b[None].to(self.device)).cpu() for d, b in pairs]
        self.generator.train()
        return torch.cat(made)

    @property
    def is_finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(torch.isfinite(weight).all()) for net in self.networks for weight in net.parameters())

    def state(self) -> dict[str, Any]:
        """Everything that the next round depends on."""
        return {
            "iteration": self.iteration,
            "networks": [network.state_dict() for network in self.networks],
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go back to a `state`."""
        self.iteration = state["iteration"]
        for network, kept in zip(self.networks, state["networks"], strict=True):
            network.load_state_dict(kept)
        for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(kept)


def gradient_penalty(critic: nn.Module, images: Tensor) -> Tensor:
    """How far the critic's slope is from 1: (|gradient of the scores at a pixel| - 1)^2, mean over pixels.

    >>> flat = gradient_penalty(nn.Conv2d(3, 1, 1).requires_grad_(False).apply(lambda m: m.weight.fill_(3**-0.5)),
    ...                   torch.rand(1, 3, 4, 4))
    >>> round(flat.item(), 6)
    0.0
    """
    images = images.detach().requires_grad_(True)
    (slope,) = torch.autograd.grad(critic(images).sum(), images, create_graph=True)
    # the root of exactly 0 has no slope of its own
    length = (slope.square().sum(1) + 1e-12).sqrt()
    return (length - 1).square().mean()


def _step(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def _stream(seed: int, scale: int, number: int) -> np.random.Generator:
    """The random numbers of one round: a function of the seed, the scale and the round."""
    return np.random.Generator(np.random.Philox(key=[seed, scale], counter=number << 128))

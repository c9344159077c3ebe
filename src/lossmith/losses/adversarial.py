"""Adversarial losses: what a discriminator minimizes, and what the restorer minimizes against it.

Both are functions of the discriminator's outputs on real and on restored ("fake") images, logits of any shape,
and give a scalar:

    discriminator_loss = adversary.discriminator_loss(discriminator(clean), discriminator(restored.detach()))
    restorer_loss = adversary.generator_loss(discriminator(clean), discriminator(restored))

Where gradients go. `discriminator_loss` sends them to both of its arguments, so the restored images must be
detached there, or the restorer would be trained to please the discriminator's loss. `generator_loss` sends them to
`fake` alone: what the discriminator says of real images does not depend on the restorer, so `real` is detached,
exactly and not as an approximation. The discriminator's own weights collect gradients in the restorer's step
unless `requires_grad_(False)` says otherwise.

Means are taken over all outputs, whether one an image or one a pixel, and in float32 whatever comes in. Sums of
two means are sums, not halves, except where the name says so.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression, instantiate, parse_call, resolve


class AdversarialLoss(HasExpression):
    """A pair of losses that work against each other.

    A subclass says in `looks_real` and `looks_fake` what it costs, output by output, that a discriminator did not
    call something real, or fake. With `relativistic`, every output is measured against the mean of the other side,
    as a relativistic average discriminator is asked whether real images are *more* real than restored ones.

    Raises LossmithError when an argument is empty or holds no floats.
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]

    def looks_real(self, logits: Tensor) -> Tensor:
        raise NotImplementedError

    def looks_fake(self, logits: Tensor) -> Tensor:
        raise NotImplementedError

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the discriminator minimizes."""
        real, fake = self._checked(real, fake)
        return self.looks_real(real).mean() + self.looks_fake(fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """What the restorer minimizes; no gradient reaches `real`."""
        _, fake = self._checked(real, fake)
        return self.looks_real(fake).mean()

    def _checked(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        for side, logits in (("real", real), ("restored", fake)):
            if not (isinstance(logits, Tensor) and logits.is_floating_point() and logits.numel()):
                found = (
                    f"{tuple(logits.shape)} of {logits.dtype}"
                    if isinstance(logits, Tensor)
                    else f"a {type(logits).__name__}; of a discriminator with several, add up the loss of each"
                )
                raise LossmithError(
                    f"{self.name}: the discriminator's output on {side} images must be a tensor of floats, not "
                    f"{found}"
                )
        if real.device != fake.device:
            raise LossmithError(
                f"{self.name}: the discriminator's outputs are on {real.device} (real) and {fake.device} "
                "(restored); "
                "move one of them"
            )
        wide = torch.promote_types(torch.promote_types(real.dtype, fake.dtype), torch.float32)
        return real.to(wide), fake.to(wide)


class RelativisticLoss(AdversarialLoss):
    """On differences to the other side's mean; the restorer's loss is the discriminator's with the sides
    swapped.
    """

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = self._checked(real, fake)
        return super().discriminator_loss(real - fake.mean(), fake - real.mean())

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = self._checked(real, fake)
        return self.discriminator_loss(fake, real.detach())


class GANLoss(AdversarialLoss):
    """Cross entropy with logits; the restorer's is the one that does not saturate, -log D(fake).

    >>> one = torch.ones(1)
    >>> loss = GANLoss().discriminator_loss
    >>> round(loss(0 * one, 0 * one).item(), 6), loss(1e4 * one, -1e4 * one).item()
    (1.386294, 0.0)
    """

    name = "gan"
    formula = "discriminator: -mean log s(r) - mean log(1 - s(f)); restorer: -mean log s(f); s the sigmoid"
    source = "Goodfellow et al., NeurIPS 2014"

    def looks_real(self, logits: Tensor) -> Tensor:
        return F.softplus(-logits)  # -log sigmoid, without its overflow

    def looks_fake(self, logits: Tensor) -> Tensor:
        return F.softplus(logits)


class LSGANLoss(AdversarialLoss):
    """Squared distance to 1 for real and 0 for fake; twice the paper's, which halves every term."""

    name = "lsgan"
    formula = "discriminator: mean (r - 1)^2 + mean f^2; restorer: mean (f - 1)^2"
    source = "Mao et al., ICCV 2017"

    def looks_real(self, logits: Tensor) -> Tensor:
        return (logits - 1).square()

    def looks_fake(self, logits: Tensor) -> Tensor:
        return logits.square()


class HingeLoss(AdversarialLoss):
    """Outputs beyond a margin of 1 cost the discriminator nothing; the restorer's is linear."""

    name = "hinge"
    formula = "discriminator: mean max(0, 1 - r) + mean max(0, 1 + f); restorer: -mean f"
    source = "Lim and Ye, 2017; Miyato et al., ICLR 2018"

    def looks_real(self, logits: Tensor) -> Tensor:
        return F.relu(1 - logits)

    def looks_fake(self, logits: Tensor) -> Tensor:
        return F.relu(1 + logits)

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        _, fake = self._checked(real, fake)
        return -fake.mean()


class WGANLoss(AdversarialLoss):
    """The difference of the means; the discriminator must be kept Lipschitz by other means, such as a gradient
    penalty.

    It has no relativistic average form of its own: its differences to the other side's mean are twice itself.
    """

    name = "wgan"
    formula = "discriminator: mean f - mean r; restorer: -mean f"
    source = "Arjovsky et al., ICML 2017"

    def looks_real(self, logits: Tensor) -> Tensor:
        return -logits

    def looks_fake(self, logits: Tensor) -> Tensor:
        return logits


class RaGANLoss(RelativisticLoss, GANLoss):
    """ESRGAN's: the sum of both sides, so that real and restored images both count for the restorer.

    >>> zero = torch.zeros(4, 1)
    >>> round(RaGANLoss().generator_loss(zero, zero).item(), 6)
    1.386294
    """

    name = "ragan"
    formula = "discriminator: gan of r - mean f and f - mean r; restorer: the same with r and f swapped"
    source = "Jolicoeur-Martineau, ICLR 2019; Wang et al., ECCVW 2018, equations 1 and 2"


class RaGANBasicSRLoss(RaGANLoss):
    """Half of `ragan`, for the discriminator and for the restorer, as BasicSR trains ESRGAN.

    A weight of 5e-3 there is one of 2.5e-3 of the paper's. Its latest versions also let no gradient through the
    means in the discriminator's step, which is not done here.
    """

    name = "ragan_basicsr"
    formula = "half of ragan"
    source = "BasicSR's ESRGANModel"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:  # the restorer's goes through it too
        return super().discriminator_loss(real, fake) / 2


class RaLSGANLoss(RelativisticLoss, LSGANLoss):
    """Differences to the other side's mean should be 1 for real and -1 for fake."""

    name = "ralsgan"
    formula = "discriminator: mean (r - mean f - 1)^2 + mean (f - mean r + 1)^2; restorer: with r and f swapped"
    source = "Jolicoeur-Martineau, ICLR 2019"

    def looks_fake(self, logits: Tensor) -> Tensor:
        return (logits + 1).square()


class RaHingeLoss(RelativisticLoss, HingeLoss):
    """The hinge on differences to the other side's mean, for both."""

    name = "rahinge"
    formula = "discriminator: hinge of r - mean f and f - mean r; restorer: with r and f swapped"
    source = "Jolicoeur-Martineau, ICLR 2019"


ADVERSARIAL: dict[str, Callable[..., AdversarialLoss]] = {
    kind.name: kind
    for kind in (GANLoss, LSGANLoss, HingeLoss, WGANLoss, RaGANLoss, RaGANBasicSRLoss, RaLSGANLoss, RaHingeLoss)
}


def adversarial(expression: str) -> AdversarialLoss:
    """The adversarial loss of this name, or anybody's as `import.path:Name` with `discriminator_loss` and
    `generator_loss`.

    Raises LossmithError, in one sentence, for what cannot be understood.

    >>> str(adversarial("ragan"))
    'ragan'
    >>> adversarial("hing")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: adversarial loss 'hing' is not known; did you mean 'hinge'?
    """
    call = parse_call(expression, "adversarial loss")
    made = instantiate(call, resolve(call, ADVERSARIAL, "adversarial loss"), "adversarial loss")
    if not all(callable(getattr(made, side, None)) for side in ("discriminator_loss", "generator_loss")):
        raise LossmithError(
            f"adversarial loss '{call.name}' must have the functions 'discriminator' and 'generator'"
        )
    return made  # type: ignore[no-any-return]


__all__ = ["ADVERSARIAL", "AdversarialLoss", "RelativisticLoss", "adversarial"]

"""Adversarial losses: of a discriminator, and of the restorer (the generator) that is trained against it.

Both are functions of the discriminator's outputs on real and on restored ("fake") images, logits of any shape,
and give a scalar:

    discriminator_loss = adversary.discriminator_loss(discriminator(clean), discriminator(restored.detach()))
    restorer_loss = adversary.generator_loss(discriminator(clean), discriminator(restored))

Gradients. `discriminator_loss` has gradients by both of its arguments, so detach the restored images there, or
the restorer is trained to lower the discriminator's loss. `generator_loss` has a gradient by `fake` alone: the
outputs on real images do not depend on the restorer, so detaching `real` is no approximation. In the restorer's
step, the discriminator's weights accumulate gradients too, unless they are frozen by `requires_grad_(False)`.

Means are over all outputs, one per image or one per pixel, and at least in float32. The two sides are added and
not averaged, but for `ragan_basicsr`.
"""

from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.expressions import HasExpression, instantiate, parse_call, resolve


class AdversarialLoss(HasExpression):
    """Base class: the losses of a discriminator and of the restorer against it.

    A subclass defines `looks_real` and `looks_fake`: the loss of each logit, if the image should be called real,
    or fake.

    Raises
    ------
    LossmithError
        When called with logits that are empty, not floating point, or on different devices.
    """

    name: ClassVar[str]
    formula: ClassVar[str]
    source: ClassVar[str]

    def looks_real(self, logits: Tensor) -> Tensor:
        """The loss of each logit of an image that should be called real, in the shape of the logits."""
        raise NotImplementedError

    def looks_fake(self, logits: Tensor) -> Tensor:
        """The loss of each logit of an image that should be called fake, in the shape of the logits."""
        raise NotImplementedError

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The discriminator's loss, a scalar, from its logits on real and on detached restored images."""
        real, fake = self._checked(real, fake)
        return self.looks_real(real).mean() + self.looks_fake(fake).mean()

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        """The restorer's loss, a scalar, from the logits on real and on restored images; `real` is detached."""
        _, fake = self._checked(real, fake)
        return self.looks_real(fake).mean()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def _checked(self, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        for side, logits in (("real", real), ("restored", fake)):
            if not (isinstance(logits, Tensor) and logits.is_floating_point() and logits.numel()):
                description = (
                    f"{tuple(logits.shape)} of {logits.dtype}"
                    if isinstance(logits, Tensor)
                    else f"a {type(logits).__name__}; of a discriminator with several, add up the loss of each"
                )
                raise LossmithError(
                    f"{self.name}: the discriminator's output on {side} images must be a tensor of floats, not "
                    f"{description}"
                )
        if real.device != fake.device:
            raise LossmithError(
                f"{self.name}: the discriminator's outputs are on {real.device} (real) and {fake.device} "
                "(restored); move one of them"
            )
        dtype = torch.promote_types(torch.promote_types(real.dtype, fake.dtype), torch.float32)
        return real.to(dtype), fake.to(dtype)


class RelativisticLoss(AdversarialLoss):
    """Base class: losses of the differences between logits and the mean of the other side's logits.

    A relativistic average discriminator says whether real images are more realistic than restored ones. The
    restorer's loss is the discriminator's with the sides swapped.
    """

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = self._checked(real, fake)
        return super().discriminator_loss(real - fake.mean(), fake - real.mean())

    def generator_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = self._checked(real, fake)
        return self.discriminator_loss(fake, real.detach())


class GANLoss(AdversarialLoss):
    """Cross entropy with logits; the restorer's loss is the non-saturating one, -log D(fake).

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
    """Squared distance to 1 (real) and to 0 (fake): twice the paper's loss, which halves every term."""

    name = "lsgan"
    formula = "discriminator: mean (r - 1)^2 + mean f^2; restorer: mean (f - 1)^2"
    source = "Mao et al., ICCV 2017"

    def looks_real(self, logits: Tensor) -> Tensor:
        return (logits - 1).square()

    def looks_fake(self, logits: Tensor) -> Tensor:
        return logits.square()


class HingeLoss(AdversarialLoss):
    """Hinge loss with a margin of 1 for the discriminator; the restorer's loss is linear."""

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
    """The difference of the mean logits, for a discriminator that is kept Lipschitz, as by a gradient penalty.

    There is no relativistic form, which would be twice the loss itself.
    """

    name = "wgan"
    formula = "discriminator: mean f - mean r; restorer: -mean f"
    source = "Arjovsky et al., ICML 2017"

    def looks_real(self, logits: Tensor) -> Tensor:
        return -logits

    def looks_fake(self, logits: Tensor) -> Tensor:
        return logits


class RaGANLoss(RelativisticLoss, GANLoss):
    """Relativistic average GAN loss, as in ESRGAN: real and restored images both count for the restorer.

    >>> zero = torch.zeros(4, 1)
    >>> round(RaGANLoss().generator_loss(zero, zero).item(), 6)
    1.386294
    """

    name = "ragan"
    formula = "discriminator: gan of r - mean f and f - mean r; restorer: the same with r and f swapped"
    source = "Jolicoeur-Martineau, ICLR 2019; Wang et al., ECCVW 2018, equations 1 and 2"


class RaGANBasicSRLoss(RaGANLoss):
    """Half of `ragan`, for the discriminator and for the restorer, as in BasicSR's training of ESRGAN.

    A weight of 5e-3 in BasicSR is 2.5e-3 of the paper's loss. Its latest versions also detach the means in the
    discriminator's step, which is not done here.
    """

    name = "ragan_basicsr"
    formula = "half of ragan"
    source = "BasicSR's ESRGANModel"

    def discriminator_loss(self, real: Tensor, fake: Tensor) -> Tensor:  # `generator_loss` calls it as well
        return super().discriminator_loss(real, fake) / 2


class RaLSGANLoss(RelativisticLoss, LSGANLoss):
    """Relativistic average LSGAN loss: differences to the other side's mean should be 1 (real) and -1 (fake)."""

    name = "ralsgan"
    formula = "discriminator: mean (r - mean f - 1)^2 + mean (f - mean r + 1)^2; restorer: with r and f swapped"
    source = "Jolicoeur-Martineau, ICLR 2019"

    def looks_fake(self, logits: Tensor) -> Tensor:
        return (logits + 1).square()


class RaHingeLoss(RelativisticLoss, HingeLoss):
    """Relativistic average hinge loss: the hinge of differences to the other side's mean, for both sides."""

    name = "rahinge"
    formula = "discriminator: hinge of r - mean f and f - mean r; restorer: with r and f swapped"
    source = "Jolicoeur-Martineau, ICLR 2019"


ADVERSARIAL: dict[str, Callable[..., AdversarialLoss]] = {
    kind.name: kind
    for kind in (GANLoss, LSGANLoss, HingeLoss, WGANLoss, RaGANLoss, RaGANBasicSRLoss, RaLSGANLoss, RaHingeLoss)
}


METHODS = ("discriminator_loss", "generator_loss")


def adversarial(expression: str) -> AdversarialLoss:
    """The adversarial loss of a name, or of an `import.path:Name` with both methods of `AdversarialLoss`.

    Raises LossmithError for an expression that cannot be understood.

    >>> str(adversarial("ragan"))
    'ragan'
    >>> adversarial("hing")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: adversarial loss 'hing' is not known; did you mean 'hinge'?
    """
    call = parse_call(expression, "adversarial loss")
    loss = instantiate(call, resolve(call, ADVERSARIAL, "adversarial loss"), "adversarial loss")
    if not all(callable(getattr(loss, method, None)) for method in METHODS):
        raise LossmithError(f"adversarial loss '{call.name}' must have the methods {' and '.join(METHODS)}")
    return loss  # type: ignore[no-any-return]


__all__ = ["ADVERSARIAL", "AdversarialLoss", "RelativisticLoss", "adversarial"]

"""Losses whose terms have shares of the gradient instead of weights: `"80%*l1 + 20%*lpips(squeeze)"`."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from numbers import Real
from typing import Any, NoReturn

import torch
from torch import Tensor, distributed, nn

from lossmith.core.errors import LossmithError
from lossmith.expressions import brief
from lossmith.losses.base import Loss, SumLoss, WeightedLoss, collect_terms, parenthesized
from lossmith.losses.function_transforms import full_precision, plainly, quiet_tracer, recorded
from lossmith.losses.gradients import gradient_norm, term_gradients
from lossmith.losses.kinds import weakest_kind
from lossmith.losses.pair_check import check_pair
from lossmith.losses.schedule import Schedule

WARM_UP_STEPS = 100
"""Training steps over which the gradients are measured."""
DECAY = 0.95
"""What a step leaves of the running means of the norms: they look back about 20 steps."""
TOLERANCE = 1e-4
"""By how much the sum of the shares may miss 1, as a part of it."""


class ShareLoss(Loss):
    """A sum of losses, each of which has a share of the gradient: `"80%*l1 + 20%*lpips(squeeze)"`.

    The share of a term is the norm of its gradient to the prediction over the sum of these norms. A weight that
    gives a term its share depends on the images, the network and all options, so it is measured: by running means
    of the norms over the first 100 training steps, the warm-up, in which the factors follow the means. Then the
    factors stay as they are, or go on following with `always`. The factor of the first term is its share, so the
    loss keeps that term's scale.

    A training step is a call in train mode with a prediction that requires a gradient; in eval mode, without a
    gradient, and under the transforms of `torch.func` nothing is measured. Under `torch.compile` a step that would
    measure is refused. A step in which the gradient of a term is 0 or not finite does not count for this term.
    Until there is a mean for it and for the first term, its factor is its share.

    The means are buffers, so they are saved and copied with the loss. Where `torch.distributed` connects several
    processes, each of which has a part of the batch, all of them get the factors of the whole batch.

    Parameters
    ----------
    losses
        One loss at least, all of one reduction.
    shares
        The share of each, above 0; they add up to 1.
    always
        Whether the shares are held for the whole run, not only found in the warm-up. Each step then costs another
        backward pass through the losses, without the network.

    Raises
    ------
    LossmithError
        For losses of different reductions, and for shares that are not above 0 or do not add up to 1; when
        compiled, in a training step that would measure.

    >>> from lossmith.losses import L1Loss, TVLoss
    >>> criterion = ShareLoss([L1Loss(), TVLoss()], [0.8, 0.2])
    >>> str(criterion)
    '80%*l1 + 20%*tv'
    >>> x = torch.eye(8).expand(1, 3, 8, 8).clone().requires_grad_()
    >>> value = criterion(x, torch.zeros(1, 3, 8, 8))
    >>> str(criterion.as_numbers())
    '0.8*l1 + 0.03913119*tv'
    """

    needs_parentheses = True
    proportions: Tensor
    means: Tensor
    mean_weights: Tensor
    steps: Tensor

    def __init__(self, losses: list[Loss], shares: list[float], always: bool = False) -> None:
        if not losses or len(losses) != len(shares):
            raise LossmithError("a loss of shares needs one loss at least, and a share for each")
        super().__init__(losses[0].reduction)
        if len({loss.reduction for loss in losses}) > 1:
            raise LossmithError("losses that are added must share one reduction")
        numbers = all(isinstance(share, Real) and share > 0 for share in shares)
        if not numbers or not math.isclose(sum(shares), 1, rel_tol=1.0001 * TOLERANCE):
            raise LossmithError(f"shares must be above 0 and add up to 1, and {list(shares)} are not so")
        self.losses: Sequence[Loss] = nn.ModuleList(losses)  # type: ignore[assignment]
        self.shares, self.always = list(shares), always
        self.min_side = max(loss.min_side for loss in losses)
        self.kind = weakest_kind(loss.kind for loss in losses)
        self.register_buffer("proportions", torch.tensor(self.shares, dtype=torch.float32), persistent=False)
        for name in ("means", "mean_weights"):  # a mean is `means / mean_weights`, so that it has no bias to 0
            self.register_buffer(name, torch.zeros(len(losses), dtype=torch.float32))
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))
        self._warmed_up = False  # as `steps` says, which compiled code cannot ask, and waits for the device
        self.register_load_state_dict_post_hook(_know_steps)  # type: ignore[no-untyped-call]

    @property
    def norms(self) -> Tensor:
        """The running mean of the norm of each term's gradient, (terms,); NaN for one that has none yet."""
        return self.means / self.mean_weights

    @property
    def factors(self) -> Tensor:
        """The factor of each term, (terms,): so that factors times norms are in the proportion of the shares."""
        factors = self.proportions * (self.norms[0] / self.norms)
        return torch.where(factors.isfinite(), factors, self.proportions)

    @property
    def is_measured(self) -> bool:
        """Whether there has been a training step."""
        return int(self.steps) > 0

    def forward(self, prediction: Tensor, target: Tensor) -> Tensor:
        return torch.stack(self._weighted(prediction, target)).sum(dim=0)

    def terms(self, prediction: Tensor, target: Tensor) -> dict[str, Tensor]:
        names = (f"{_percent(share)}*{parenthesized(loss)}" for share, loss in self._pairs)
        return collect_terms(
            (name, {brief(name): value})
            for name, value in zip(names, self._weighted(prediction, target), strict=True)
        )

    @property
    def term_names(self) -> list[str]:
        """The name of each of the losses in `terms`, which adds up equal ones."""
        return [brief(f"{_percent(share)}*{parenthesized(loss)}") for share, loss in self._pairs]

    def with_target(self, target: Tensor) -> nn.Module:
        return TargetedShares(self, target)

    def weigh(self, values: list[Tensor], prediction: Tensor) -> list[Tensor]:
        """The values of the losses times their factors, which are measured first if this is a training step."""
        if self._measures(prediction):
            self._measure(values, prediction)
        return [factor * value for factor, value in zip(self.factors.unbind(), values, strict=True)]

    def as_numbers(self) -> Loss:
        """The sum of the same losses with numbers for percentages: the factors in force, rounded to float32."""
        pairs = zip(self.factors.tolist(), self.losses, strict=True)
        return SumLoss([WeightedLoss(_shortest(factor), as_numbers(loss)) for factor, loss in pairs])

    def _weighted(self, prediction: Tensor, target: Tensor) -> list[Tensor]:
        with quiet_tracer():
            check_pair(prediction, target, self, self.min_side)
        prediction = at_least_float32(prediction)
        return self.weigh([loss(prediction, target) for loss in self.losses], prediction)

    def _measures(self, prediction: Tensor) -> bool:
        is_step = self.training and torch.is_grad_enabled() and prediction.requires_grad
        if not is_step or self._warmed_up:
            return False
        if torch.compiler.is_compiling() and not recorded():
            _refuse_to_compile_training_steps(self)
        if plainly(prediction) or prediction.is_meta:
            return False
        self.know_steps()  # others may have changed the buffer, as a broadcast from another process does
        return not self._warmed_up

    def _measure(self, values: list[Tensor], prediction: Tensor) -> None:
        with full_precision(prediction.device):
            gradients = term_gradients({str(i): value for i, value in enumerate(values)}, prediction)
        with torch.no_grad():
            norms = torch.stack([gradient_norm(gradient) for gradient in gradients.values()])
            norms = _of_whole_batch(norms).to(self.means.dtype)
            counts = norms.isfinite() & (norms > 0)
            pull = (1 - DECAY) * counts.to(norms.dtype)
            self.means.lerp_(torch.where(counts, norms, 0), pull)
            self.mean_weights.lerp_(torch.ones_like(norms), pull)
            self.steps.add_(1)
        self.know_steps()

    def know_steps(self) -> None:
        """Look whether the warm-up is over."""
        self._warmed_up = not (self.always or self.steps.is_meta) and int(self.steps) >= WARM_UP_STEPS

    @property
    def _pairs(self) -> Iterator[tuple[float, Loss]]:
        return zip(self.shares, self.losses, strict=True)

    def __str__(self) -> str:
        text = " + ".join(f"{_percent(share)}*{parenthesized(loss)}" for share, loss in self._pairs)
        return f"{text} always" if self.always else text


class TargetedShares(nn.Module):
    """A loss of shares against a fixed target, called with the prediction alone; it measures for that loss."""

    def __init__(self, loss: ShareLoss, target: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.losses = nn.ModuleList([each.with_target(target) for each in loss.losses])

    def forward(self, prediction: Tensor) -> Tensor:
        prediction = at_least_float32(prediction)
        return torch.stack(self.loss.weigh([loss(prediction) for loss in self.losses], prediction)).sum(dim=0)


def at_least_float32(prediction: Tensor) -> Tensor:
    """The prediction in float32 or float64, as a tensor of its own, whose gradient calls no hooks of others."""
    dtype = torch.promote_types(prediction.dtype, torch.float32)
    return prediction.to(dtype) if dtype != prediction.dtype else prediction.view_as(prediction)


def as_numbers(loss: Loss) -> Loss:
    """A loss with the factors in force for all its percentages; the loss itself if it has none.

    >>> from lossmith.losses import loss
    >>> str(as_numbers(loss("l1 + 0.1*(50%*l2 + 50%*tv)")))
    'l1 + 0.1*(0.5*l2 + 0.5*tv)'
    """
    match loss:
        case _ if not has_shares(loss):
            return loss
        case ShareLoss():
            return loss.as_numbers()
        case WeightedLoss():
            return WeightedLoss(loss.weight, as_numbers(loss.loss))
        case SumLoss():
            return SumLoss([as_numbers(term) for term in loss.losses])
        case Schedule():
            return Schedule([as_numbers(stage) for stage in loss.stages], loss.ends)
    return loss


def has_shares(loss: nn.Module) -> bool:
    """Whether a loss has percentages."""
    return any(_share_losses(loss))


@contextmanager
def _measuring(loss: nn.Module, measures: Callable[[ShareLoss], bool]) -> Iterator[None]:
    """Let those parts of a loss that have percentages measure within the block for which `measures` is true."""
    modes = [(part, part.training) for part in _share_losses(loss)]
    for part, _ in modes:
        part.training = measures(part)
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


def shares_kept(loss: nn.Module) -> AbstractContextManager[None]:
    """Let a loss measure no shares within the block."""
    return _measuring(loss, lambda part: False)


def shares_followed(loss: nn.Module) -> AbstractContextManager[None]:
    """Let a loss measure its shares within the block, as in train mode; all else in it keeps its mode."""
    return _measuring(loss, lambda part: True)


def shares_found(loss: nn.Module) -> AbstractContextManager[None]:
    """Let the parts of a loss that have not yet measured their shares measure them within the block, no others."""
    return _measuring(loss, lambda part: not part.is_measured)


def end_warm_up(loss: nn.Module) -> None:
    """Take the warm-up of all percentages for done, as after the first steps of a run."""
    for part in _share_losses(loss):
        part.steps.fill_(WARM_UP_STEPS)
        part.know_steps()


def _share_losses(loss: nn.Module) -> list[ShareLoss]:
    return [part for part in loss.modules() if isinstance(part, ShareLoss)]


def _of_whole_batch(norms: Tensor) -> Tensor:
    """The norms for a batch whose parts are in several processes, each of which has the mean over its part."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return norms
    processes = distributed.get_world_size()
    squares = norms.square()
    distributed.all_reduce(squares)
    return squares.sqrt() / processes  # the gradient of the mean of all parts is a part's over their number


def _know_steps(loss: Any, _: Any) -> None:
    loss.know_steps()


@torch.compiler.disable  # type: ignore[untyped-decorator]
def _refuse_to_compile_training_steps(loss: ShareLoss) -> NoReturn:
    """Raise the error. Compiled code cannot: it would go on without being compiled, or say something else."""
    steps = "training steps" if loss.always else f"the first {WARM_UP_STEPS} training steps"
    raise LossmithError(
        f"'{loss}' measures its percentages in {steps}, which torch.compile cannot do: leave these uncompiled, or "
        "compile the loss in numbers that `as_numbers(loss)` gives after some of them"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.12g}%"


def _shortest(factor: float) -> float:
    """The number of the fewest digits that is this factor in float32.

    >>> _shortest(torch.tensor(0.8).item())
    0.8
    """
    texts = (f"{factor:.{digits}g}" for digits in range(6, 10))
    numbers = (float(text) for text in texts)
    return next((n for n in numbers if torch.tensor(n, dtype=torch.float32).item() == factor), factor)


__all__ = [
    "WARM_UP_STEPS",
    "ShareLoss",
    "as_numbers",
    "end_warm_up",
    "has_shares",
    "shares_followed",
    "shares_found",
    "shares_kept",
]

"""The checks of `lossmith check-loss`, for test suites.

>>> import torch
>>> from lossmith.testing import assert_sound, gradient, pair
>>> x, y = pair("two constants", (1, 3, 8, 8))
>>> round(torch.nn.functional.l1_loss(x, y).item(), 6), gradient(torch.nn.functional.l1_loss, x, y).shape
(0.6, torch.Size([1, 3, 8, 8]))
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from lossmith.core.errors import LossmithError
from lossmith.losses.base import LossLike
from lossmith.soundness.cases import LAYOUTS, TAME, WILD, Case
from lossmith.soundness.certificate import Outcome
from lossmith.soundness.check import Criterion
from lossmith.soundness.damage import damaged
from lossmith.soundness.examination import check_loss
from lossmith.soundness.examine import answer


def assert_sound(
    loss: LossLike,
    *,
    kind: str | None = None,
    channels: Sequence[int] | None = None,
    cases: int = 100,
    seed: int = 0,
) -> None:
    """Raise AssertionError with what is wrong with a loss, the smallest input and a line that repeats it.

    The parameters are those of `lossmith.check_loss`.
    """
    certificate = check_loss(loss, kind=kind, channels=channels, cases=cases, seed=seed)
    if not certificate.sound:
        raise AssertionError(
            f"{certificate.loss} is not sound:\n" + "\n".join(map(_in_words, certificate.failures))
        )


def _in_words(outcome: Outcome) -> str:
    examples = [
        f"    {shown.input}: {' '.join(shown.answer.split())}\n    {shown.code}" for shown in outcome.examples
    ]
    return "\n".join([f"  {outcome.check}: {outcome.says}", *examples])


def pair(
    contents: str,
    shape: tuple[int, int, int, int],
    *,
    dtype: str | tuple[str, str] = "float32",
    layout: str | tuple[str, str] = "plain",
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """A prediction and a target with which `check_loss` found a fault.

    Parameters
    ----------
    contents
        Such as "two constants"; an unknown one names all.
    shape
        (N, C, H, W).
    dtype, layout
        Of both, or of prediction and target.
    seed
        Of the random numbers in them.

    Raises
    ------
    LossmithError
        For unknown contents, dtypes and layouts.
    """
    dtypes, layouts = ((names, names) if isinstance(names, str) else names for names in (dtype, layout))
    for what, names, known in (
        ("contents", (contents,), [*TAME, *WILD]),
        ("dtype", dtypes, ["float16", "bfloat16", "float32", "float64"]),
        ("layout", layouts, [*LAYOUTS]),
    ):
        for name in names:
            if name not in known:
                raise LossmithError(f"`{what}` is one of {', '.join(map(repr, known))}, not {name!r}")
    first, second = (getattr(torch, name) for name in dtypes)
    return Case(shape, contents, (first, second), (layouts[0], layouts[1]), seed).pair()


def gradient(criterion: Criterion, prediction: Tensor, target: Tensor, scale: float = 1.0) -> Tensor:
    """The gradient of a loss to the prediction, in float64; 0 where the loss has none.

    It is computed with the value times `scale`, and divided by it, as one trains in float16.
    """
    return answer(criterion, prediction, target, scale).gradient


__all__ = ["assert_sound", "damaged", "gradient", "pair"]

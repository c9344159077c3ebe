"""What the methods were trained on, as far as that is known: metrics that share it may not judge."""

from collections import Counter
from collections.abc import Mapping, Sequence

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.evaluation.statistics.metric_overlap import is_known_loss
from lossmith.expressions import parse_loss


def training_losses(
    methods: Sequence[str], trained_on: Mapping[str, str] | Sequence[str] | None
) -> dict[str, str]:
    """The loss of each method that is known: as `trained_on` says, or the method's name if it is that of a loss.

    Parameters
    ----------
    methods
        Their names.
    trained_on
        A mapping of names to expressions, or texts NAME=EXPRESSION.

    Raises
    ------
    LossmithError
        For names of no method, and for what is no expression of a loss.

    >>> training_losses(["l1", "new"], ["new=l1 + 0.1*lpips(vgg)"])
    {'l1': 'l1', 'new': 'l1 + 0.1*lpips(vgg)'}
    """
    if not isinstance(trained_on, Mapping):
        texts = [trained_on] if isinstance(trained_on, str) else trained_on or []
        entries = [_split(text, methods) for text in texts]
        trained_on = dict(entries)
        if twice := [name for name, count in Counter(name for name, _ in entries).items() if count > 1]:
            raise LossmithError(f"`trained_on` of {twice[0]} is given twice; give each method one loss")
    for name, expression in trained_on.items():
        if name not in methods:
            raise unknown_name_error("method", name, methods)
        try:
            parse_loss(expression)
        except LossmithError as error:
            raise LossmithError(f"`trained_on` of {name}: {error}") from error
    return {name: name for name in methods if is_known_loss(name)} | dict(trained_on)


def _split(text: str, methods: Sequence[str]) -> tuple[str, str]:
    """The name and the expression, either of which may hold the sign."""
    if "=" not in text:
        raise LossmithError(
            f"`trained_on` takes NAME=LOSS, such as {methods[0]}=\"l1 + 0.1*lpips(vgg)\", not '{text}'"
        )
    name = next((name for name in methods if text.startswith(f"{name}=")), text.partition("=")[0])
    return name, text.removeprefix(f"{name}=")


__all__ = ["training_losses"]

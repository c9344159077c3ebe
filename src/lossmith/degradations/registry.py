"""Degradations by name, and of expressions."""

from collections.abc import Callable

from torch import Tensor

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.degradations.base import Degradation
from lossmith.degradations.bicubic import Bicubic
from lossmith.degradations.blur import Blur
from lossmith.degradations.compose import Chain
from lossmith.degradations.custom import Custom
from lossmith.degradations.jpeg import JPEG
from lossmith.degradations.mosaic import Mosaic
from lossmith.degradations.noise import Noise, Poisson, ShotNoise
from lossmith.expressions import Call, import_path, instantiate, parse_chain

DEGRADATIONS: dict[str, type[Degradation]] = {
    kind.name: kind for kind in (Bicubic, Blur, Noise, ShotNoise, Poisson, JPEG, Mosaic)
}
"""The degradations by name."""

TASKS: dict[str, str] = {
    "sr": "bicubic(4)",
    "denoise": "noise(25)",
    "jpeg": "jpeg(10)",
    "demosaic": "shot_noise | mosaic",
}
"""Tasks of the literature and the degradations they stand for; `jpeg(40)`, with an option, is not a task."""

DegradationLike = str | Degradation | Callable[..., Tensor]
"""An expression, a degradation, or a function of a module; see `Custom` for what a function takes and returns."""


def degradation(description: DegradationLike) -> Degradation:
    """The degradation of an expression; a degradation is returned as it is, and a function is wrapped.

    Parameters
    ----------
    description
        An expression: names of DEGRADATIONS or TASKS, or import paths of functions, with `|` between. Numbers may
        be ranges, as in `noise(0..50)`, from which every call draws uniformly. Or a degradation, or a function
        that a module has under its own name.

    Raises
    ------
    LossmithError
        When the expression cannot be parsed, a name is not known or an option does not fit.

    Examples
    --------
    >>> str(degradation("bicubic(2) | noise(5)"))
    'bicubic(2) | noise(5)'
    >>> str(degradation("demosaic"))
    'shot_noise | mosaic'
    >>> degradation("bicubik(2)")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: degradation 'bicubik' is not known; did you mean 'bicubic'?
    """
    if isinstance(description, Degradation):
        return description
    if not isinstance(description, str):
        return Custom(import_path(description, "degradation"))
    links = [_link(call) for call in parse_chain(description)]
    return links[0] if len(links) == 1 else Chain(links)


def _link(call: Call) -> Degradation:
    bare = not call.arguments and not call.options
    if bare and call.name in TASKS:
        links = [_link(part) for part in parse_chain(TASKS[call.name])]
        return links[0] if len(links) == 1 else Chain(links)
    if ":" in call.name:
        if call.arguments:
            raise LossmithError(f"degradation '{call.name}': write its options with their names, such as amount=3")
        return Custom(call.name, **dict(call.options))
    if call.name in DEGRADATIONS:
        link: Degradation = instantiate(call, DEGRADATIONS[call.name], "degradation")
        return link
    if call.name in TASKS:
        meaning = TASKS[call.name]
        raise LossmithError(f"degradation '{call.name}' is short for '{meaning}' and takes no options; write that")
    raise unknown_name_error("degradation", call.name, {*DEGRADATIONS, *TASKS})

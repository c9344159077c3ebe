"""Degradations by name, and from text."""

from lossmith.core.errors import LossmithError, unknown_name_error
from lossmith.degradations.base import Degradation
from lossmith.degradations.bicubic import Bicubic
from lossmith.degradations.blur import Blur
from lossmith.degradations.compose import Chain
from lossmith.degradations.custom import Custom
from lossmith.degradations.jpeg import JPEG
from lossmith.degradations.mosaic import Mosaic
from lossmith.degradations.noise import Noise, ShotNoise
from lossmith.expressions import Call, instantiate, parse_chain

DEGRADATIONS: dict[str, type[Degradation]] = {
    kind.name: kind for kind in (Bicubic, Blur, Noise, ShotNoise, JPEG, Mosaic)
}
"""The catalog."""

TASKS: dict[str, str] = {
    "sr": "bicubic(4)",
    "denoise": "noise(25)",
    "jpeg": "jpeg(10)",
    "demosaic": "shot_noise | mosaic",
}
"""What papers call a task, and the degradation it stands for. Only the bare word counts: `jpeg(40)` is itself."""


def degradation(expression: str) -> Degradation:
    """The degradation that an expression describes: names of DEGRADATIONS or TASKS or import paths, `|` between.

    Numbers may be ranges, `noise(0..50)`: then one is drawn, evenly, at every call, whole ones for jpeg. `str()`
    of the result gives an expression that makes it again.

    Raises LossmithError when it cannot be read, a name is not known or an option does not fit.

    >>> str(degradation("bicubic(2) | noise(5)"))
    'bicubic(2) | noise(5)'
    >>> str(degradation("demosaic"))
    'shot_noise | mosaic'
    >>> degradation("bicubik(2)")
    Traceback (most recent call last):
    lossmith.core.errors.LossmithError: degradation 'bicubik' is not known; did you mean 'bicubic'?
    """
    links = [_link(call) for call in parse_chain(expression)]
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
        made: Degradation = instantiate(call, DEGRADATIONS[call.name], "degradation")
        return made
    if call.name in TASKS:
        meant = TASKS[call.name]
        raise LossmithError(f"degradation '{call.name}' is short for '{meant}' and takes no options; write that")
    raise unknown_name_error("degradation", call.name, {*DEGRADATIONS, *TASKS})

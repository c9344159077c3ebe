"""Options that are objects in Python, such as losses and networks, and expressions on the command line."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from lossmith.degradations import DegradationLike
from lossmith.losses import LossLike
from lossmith.networks import NetworkLike


def _text(_: Any, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def _texts(_: Any, tokens: Sequence[Token]) -> list[str]:
    return [token.value for token in tokens]


LossOption = Annotated[LossLike | None, Parameter(converter=_text, n_tokens=1, accepts_keys=False, metavar="STR")]
DegradationOption = Annotated[
    DegradationLike | None, Parameter(converter=_text, n_tokens=1, accepts_keys=False, metavar="STR")
]
NetworkOption = Annotated[
    NetworkLike | None, Parameter(converter=_text, n_tokens=1, accepts_keys=False, metavar="STR")
]
AlphaOption = Annotated[
    str | float | Sequence[float], Parameter(converter=_text, n_tokens=1, accepts_keys=False, metavar="STR")
]
SizeOption = Annotated[
    str | tuple[int, int] | None, Parameter(converter=_text, n_tokens=1, accepts_keys=False, metavar="STR")
]
LossesOption = Annotated[
    LossLike | Sequence[LossLike] | None,
    Parameter(converter=_texts, n_tokens=-1, accepts_keys=False, metavar="STR..."),
]

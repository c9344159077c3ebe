"""Options that are losses: anything that is a loss from Python, expressions on the command line."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token

from lossmith.losses import LossLike


def _text(_: Any, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def _texts(_: Any, tokens: Sequence[Token]) -> list[str]:
    return [token.value for token in tokens]


LossOption = Annotated[LossLike | None, Parameter(converter=_text, n_tokens=1, accepts_keys=False, metavar="STR")]
LossesOption = Annotated[
    LossLike | Sequence[LossLike] | None,
    Parameter(converter=_texts, n_tokens=-1, accepts_keys=False, metavar="STR..."),
]

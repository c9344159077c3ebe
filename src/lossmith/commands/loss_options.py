"""Types of options that may be objects in Python and are words on the command line: losses, networks, paths."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from lossmith.degradations import DegradationLike
from lossmith.losses import LossLike
from lossmith.networks import NetworkLike


def _text(_: Any, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def _texts(_: Any, tokens: Sequence[Token]) -> list[str]:
    return [token.value for token in tokens]


def _path(kind: Any, tokens: Sequence[Token]) -> Path:
    return Path(_text(kind, tokens))


def _paths(_: Any, tokens: Sequence[Token]) -> list[Path]:
    return [Path(token.value) for token in tokens]


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
PathOption = Annotated[str | Path, Parameter(converter=_path, n_tokens=1, accepts_keys=False, metavar="PATH")]
PathsOption = Annotated[
    str | Path | Sequence[str | Path],
    Parameter(converter=_paths, n_tokens=-1, accepts_keys=False, metavar="PATH..."),
]
ProgressOption = Annotated[bool, Parameter(negative="--no-progress")]

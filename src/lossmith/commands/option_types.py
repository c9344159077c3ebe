"""Types of options that may be objects in Python and are words on the command line: losses, networks, paths."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from cyclopts import Parameter, Token

from lossmith.commands.option_values import parse_alpha, parse_seeds
from lossmith.core.errors import LossmithError

if TYPE_CHECKING:
    from lossmith.degradations import DegradationLike
    from lossmith.losses import LossLike
    from lossmith.networks import NetworkLike
else:  # all that the command line takes; the types of the objects would import torch
    DegradationLike = LossLike = NetworkLike = str


def _text(_: Any, tokens: Sequence[Token]) -> str:
    return tokens[0].value


def _texts(_: Any, tokens: Sequence[Token]) -> list[str]:
    return [token.value for token in tokens]


def _path(kind: Any, tokens: Sequence[Token]) -> Path:
    return Path(_text(kind, tokens))


def _seeds(kind: Any, tokens: Sequence[Token]) -> tuple[int, int]:
    return parse_seeds(_text(kind, tokens))


def _alpha(kind: Any, tokens: Sequence[Token]) -> float:
    return parse_alpha(_text(kind, tokens))


def _rates(_: Any, tokens: Sequence[Token]) -> list[float]:
    try:
        return [float(token.value) for token in tokens]
    except ValueError:
        words = " ".join(token.value for token in tokens)
        raise LossmithError(f"`learning_rates` must be numbers such as 5e-4 1e-3, not '{words}'") from None


def _paths(_: Any, tokens: Sequence[Token]) -> list[Path]:
    return [Path(token.value) for token in tokens]


_TEXT = Parameter(converter=_text, n_tokens=1, accepts_keys=False, metavar="STR")
_TEXTS = Parameter(converter=_texts, n_tokens=-1, accepts_keys=False, metavar="STR...")
_PATH = Parameter(converter=_path, n_tokens=1, accepts_keys=False, metavar="PATH")
_PATHS = Parameter(converter=_paths, n_tokens=-1, accepts_keys=False, metavar="PATH...")

LossOption = Annotated[LossLike | None, _TEXT]
LossesOption = Annotated[LossLike | Sequence[LossLike] | None, _TEXTS]
DegradationOption = Annotated[DegradationLike | None, _TEXT]
NetworkOption = Annotated[NetworkLike | None, _TEXT]
NamesOption = Annotated[str | Sequence[str] | None, _TEXTS]
TextsOption = Annotated[str | Sequence[str], _TEXTS]
MarginsOption = Annotated[Mapping[str, float] | Sequence[str] | None, _TEXTS]
"""The largest differences that matter to nobody, for `evaluation.parse_margins`."""
SeedsOption = Annotated[
    int | str | tuple[int, int], Parameter(converter=_seeds, n_tokens=1, accepts_keys=False, metavar="INT|INT:INT")
]
"""How many seeds, for `option_values.parse_seeds`."""
DurationOption = Annotated[float | str | None, _TEXT]
"""A time, for `option_values.parse_duration`."""
RatesOption = Annotated[
    Sequence[float] | None, Parameter(converter=_rates, n_tokens=-1, accepts_keys=False, metavar="FLOAT...")
]
"""Learning rates to choose from, for `compare.learning_rates.check_learning_rates`."""
AlphaOption = Annotated[str | float | Sequence[float], _TEXT]
MixOption = Annotated[float | None, Parameter(converter=_alpha, n_tokens=1, accepts_keys=False, metavar="FLOAT")]
"""Where between two models, for `option_values.parse_alpha`."""
SizeOption = Annotated[str | tuple[int, int] | None, _TEXT]
PathOption = Annotated[str | Path, _PATH]
PathsOption = Annotated[str | Path | Sequence[str | Path], _PATHS]
ProgressOption = Annotated[bool, Parameter(negative="--no-progress")]
NamedFoldersOption = Annotated[
    Mapping[str, str | Path | Sequence[str | Path]] | Sequence[str | Path],
    Parameter(converter=_texts, n_tokens=-1, accepts_keys=False, metavar="FOLDER..."),
]
NamedLossesOption = Annotated[
    Mapping[str, str] | Sequence[str] | None,
    Parameter(converter=_texts, n_tokens=-1, accepts_keys=False, metavar="NAME=LOSS..."),
]


def takes_several(hint: Any) -> bool:
    """Whether an option of this type takes several values."""
    several = get_origin(hint) is list or getattr(hint, "n_tokens", 1) == -1
    return several or any(map(takes_several, get_args(hint)))

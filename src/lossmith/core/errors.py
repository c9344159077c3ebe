"""Errors that the user can correct, and helpers that word them."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path


class LossmithError(ValueError):
    """An error that the user can correct; its message is one sentence that says what to do.

    On the command line it ends the program with status 2 and no traceback.
    """


class Diverged(LossmithError):
    """The loss of a run is no longer finite."""


def unknown_name_error(kind: str, name: str, known: Iterable[str]) -> LossmithError:
    """The error for a name that is not in a catalog, with the nearest name that is.

    >>> str(unknown_name_error("loss", "mixx", ["l1", "mix"]))
    "loss 'mixx' is not known; did you mean 'mix'?"
    """
    names = sorted(known)
    nearest = get_close_matches(name.lower(), names, n=1, cutoff=0.5)
    choices = f"known are {', '.join(names)}" if names else "there is none"
    hint = f"did you mean '{nearest[0]}'?" if nearest else choices
    return LossmithError(f"{kind} '{name}' is not known; {hint}")


def escape_control(text: str) -> str:
    """Untrusted text with control characters escaped, for a terminal.

    >>> print(escape_control("red" + chr(27) + "[31m"))
    red\\x1b[31m
    """
    return "".join(letter if letter.isprintable() else f"\\x{ord(letter):02x}" for letter in text)


def and_more(paths: Sequence[Path], more: str = "") -> str:
    """The name of the first file and the number of the others; with `more`, only the number, in that format.

    >>> and_more([Path("a/1.png"), Path("a/2.png"), Path("a/3.png")])
    "'1.png' and 2 more"
    >>> and_more([Path("1.png"), Path("2.png")], ", as is {} more"), and_more([Path("1.png")], ", as is {} more")
    (', as is 1 more', '')
    """
    others = (more or " and {} more").format(len(paths) - 1) if len(paths) > 1 else ""
    return others if more else f"'{paths[0].name}'{others}"


def counted(number: int, thing: str) -> str:
    """A count with its noun, in singular or plural.

    >>> counted(1, "step"), counted(2000, "step")
    ('1 step', '2,000 steps')
    """
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


class MissingExtra(ImportError):
    """A package is not installed that an extra of lossmith brings; the message is one sentence."""


def missing_extra(what: str, error: ModuleNotFoundError) -> MissingExtra:
    """The error for a function whose library is missing, as in a bare installation.

    >>> print(missing_extra("lossmith.compare", ModuleNotFoundError(name="lightning_fabric")))
    lossmith.compare needs 'lightning_fabric', which comes with: pip install "lossmith[workbench]"
    """
    return MissingExtra(f"{what} needs '{error.name}', which comes with: pip install \"lossmith[workbench]\"")

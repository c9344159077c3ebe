"""The public functions on the command line, and nothing else: options and help come from their signatures."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints
from warnings import filterwarnings

from cyclopts import App, ArgumentCollection, CycloptsError, Parameter, Token, convert
from cyclopts.config import Dict

import lossmith
from lossmith.errors import LossmithError, printable, unknown
from lossmith.images import Data
from lossmith.learning import LossRecipe
from lossmith.losses import LEARNED, LOSSES, PRESETS, describe
from lossmith.settings_file import read_settings
from lossmith.studies import (
    blend,
    compare,
    convert_mdf,
    evaluate,
    export,
    learn_loss,
    reproduce,
    restore,
    show_loss,
    train,
)
from lossmith.studies.command import changed
from lossmith.studies.executors import Machines
from lossmith.studies.named_recipes import named_recipe
from lossmith.training import Contest, Recipe

# The fields of these become options of the commands that take them.
for settings in (Data, Recipe, Contest, Machines, LossRecipe):
    Parameter(name="*")(settings)


def _unrounded(kind: Any, tokens: Sequence[Token]) -> Any:
    """Convert as cyclopts does, without rounding 2.5 where a whole number is meant."""
    if int in (kind, *get_args(kind)) and "." in tokens[0].value:
        raise ValueError(f'must be a whole number, not "{tokens[0].value}".')
    return convert(kind, tokens)


app = App(
    name="lossmith",
    help="Choose, compose and compare the loss function of an image-restoration network.",
    version=lossmith.__version__,
    default_parameter=Parameter(converter=_unrounded, negative=(), negative_iterable=(), consume_multiple=True),
    suppress_keyboard_interrupt=False,  # `main` says what to do next
    help_epilogue="Every command also takes its options from a YAML file: --config FILE.",
)
for command in (compare, train, evaluate, learn_loss, show_loss, convert_mdf, export, blend, restore, reproduce):
    app.command(command)

LISTS = {
    name
    for owner in (Data, compare, train, evaluate, blend, restore, reproduce)
    for name, hint in get_type_hints(owner).items()
    if any(get_origin(part) is list for part in (hint, *get_args(hint)))
}
"""The options that take several values."""


@app.command
def losses() -> str:
    """List the losses: name, definition, range, least size, source and options."""
    return "\n\n".join(map(describe, [*LOSSES, *PRESETS, *LEARNED])) + (
        '\n\nOptions go in brackets: "ssim(sigma=2)". Losses add up: "0.84*ms_ssim_sigmas + 0.16*l1".\n'
        'They may change during a run: "l1 until 50% then l2". Your own: "my_package.my_module:MyLoss".'
    )


def run(words: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0, 1 when a part failed, 2 after the user's mistake."""
    filterwarnings("ignore", module=r"PIL\.")  # of damaged pictures; what matters of them is said
    try:
        words = list(words)
        _check_words(words)
        app.config = _take_configuration(words)
        result = app(
            [_not_an_option(word) for word in words],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        if result is not None:
            print(result)
    except BrokenPipeError:  # an OSError that is nobody's mistake; `main` ends quietly
        raise
    except (LossmithError, CycloptsError, OSError) as error:
        print(f"lossmith: {_sentence(error)}", file=sys.stderr)
        return 2
    return int(getattr(result, "status", 0))


@dataclass(frozen=True)
class Configuration:
    """Options from a file, for cyclopts."""

    source: str
    options: dict[str, str | list[str]]

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        names = (name for argument in arguments for name in argument.names if name.startswith("--"))
        known = {name.removeprefix("--").replace("-", "_") for name in names}
        for name in self.options:
            if name not in known:
                raise unknown(f"{self.source}: option", name, known)
        # under the command's name, since cyclopts takes a key that is also a command, as `losses` is, for that one
        Dict(dict.fromkeys(commands, self.options), source=self.source)(app, commands, arguments)


class NamedConfiguration(Configuration):
    """The options of a recipe that has a name. They yield to others, and its steps to --minutes."""

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        if commands != ("train",):
            raise LossmithError("--recipe is an option of train")
        if any("--minutes" in argument.names and argument.tokens for argument in arguments):
            self.options.pop("steps", None)
        super().__call__(app, commands, arguments)


def _take_configuration(words: list[str]) -> list[Configuration]:
    """Take `--config FILE` and `--recipe NAME` out of the words; what comes first counts."""
    found = []
    path, recipe = _take(words, "--config", "the name of a YAML file"), _take(words, "--recipe", "a name")
    if path:
        options = read_settings(Path(path))
        named = options.pop("recipe", None)
        recipe = recipe or (str(named) if named is not None else None)
        # on the command line one value is a list of one where a list is taken, and so it is here
        alone = {name: [value] for name, value in options.items() if name in LISTS and isinstance(value, str)}
        found.append(Configuration(str(Path(path)), {**options, **alone}))
    if recipe:
        settings = named_recipe(recipe).values()
        values: dict[str, str | list[str]] = {
            name: str(value) for part in settings for name, value in changed(part).items()
        }
        found.append(NamedConfiguration(f"recipe {recipe}", values))
    return found


def _take(words: list[str], option: str, needed: str) -> str | None:
    """Take an option and its value out of the words."""
    words[:] = [
        part for word in words for part in (word.split("=", 1) if word.startswith(f"{option}=") else [word])
    ]
    if option not in words:
        return None
    at = words.index(option)
    if at + 1 == len(words):
        raise LossmithError(f"{option} needs {needed}")
    value = words[at + 1]
    del words[at : at + 2]
    if option in words:
        raise LossmithError(f"{option} may be given once")
    return value


def _check_words(words: Sequence[str]) -> None:
    for before, word in pairwise(["lossmith", *words]):
        if not word or re.fullmatch("--[a-z-]+=", word):
            raise LossmithError(f"the value after '{word or before}' is empty")
        try:
            word.encode()
        except UnicodeEncodeError as error:
            raise LossmithError(f"{word!a} is not text in UTF-8; rename it") from error


def _not_an_option(word: str) -> str:
    """Keep "-1*l1" from being taken for an option: a space before it changes nothing for who reads expressions."""
    return f" {word}" if re.match(r"-[\d.].*\*", word) else word


def _sentence(error: Exception) -> str:
    if isinstance(error, CycloptsError) and isinstance(error.__cause__, LossmithError):
        error = error.__cause__
    if isinstance(error, OSError):
        return f"'{error.filename}': {error.strerror}" if error.filename else error.strerror or str(error)
    text = re.sub(r"\[(\w+)\](?= from |:)", r"\1", str(error))  # how cyclopts names an option of a file
    return printable(" ".join(text.split()))

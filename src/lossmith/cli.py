"""The public functions on the command line, and nothing else: options and help come from their signatures."""

import logging
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, is_dataclass
from difflib import get_close_matches
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints
from warnings import filterwarnings

from cyclopts import App, ArgumentCollection, CoercionError, CycloptsError, Group, Parameter, Token, convert
from cyclopts.config import Dict
from cyclopts.exceptions import MissingArgumentError, UnusedCliTokensError
from cyclopts.help import DefaultFormatter, HelpPanel, InlineText
from rich.markdown import Markdown

from lossmith._version import __version__
from lossmith.commands import (
    blend,
    check_loss,
    compare,
    convert_mdf,
    evaluate,
    export,
    judge,
    learn_loss,
    learn_style,
    reproduce,
    restore,
    show_loss,
    study,
    stylize,
    train,
    tune,
)
from lossmith.commands.command_line import changed
from lossmith.commands.examples import EXAMPLES, epilogue
from lossmith.commands.executors.execution import Execution
from lossmith.commands.listings import degradations, losses, metrics, models, networks
from lossmith.commands.option_types import takes_several
from lossmith.config_file import read_config_file
from lossmith.core.devices import use_device
from lossmith.core.errors import LossmithError, escape_control, unknown_name_error
from lossmith.data import Data
from lossmith.data.folders import SUFFIXES
from lossmith.loss_learning import LossRecipe
from lossmith.option_synonyms import command_for, option_for
from lossmith.training import AdversarialRecipe, PaintingRecipe, Recipe, StyleRecipe
from lossmith.training.presets import preset
from lossmith.training.style_recipe import STYLE_PRESETS
from lossmith.video import FilmOptions

# The fields of these become options of the commands that take them, each in a group of the help.
OPTIONS = Group("Options", sort_key=1)
GROUPS = {
    Data: "Data",
    LossRecipe: "Learning",
    Recipe: "Training",
    StyleRecipe: "Style",
    PaintingRecipe: "Painting without a model",
    AdversarialRecipe: "Discriminator",
    Execution: "Machines",
    FilmOptions: "Films",
}
for place, (settings, group) in enumerate(GROUPS.items()):
    Parameter(name="*", group=Group(group, sort_key=2 * place))(settings)


KINDS = {int: "a whole number", float: "a number"}


def _convert(kind: Any, tokens: Sequence[Token]) -> Any:
    """Convert as cyclopts does, but 2.5 is no whole number, words of a choice may be in upper case, and what does
    not fit is said in plain words."""
    kinds = [part for part in (kind, *get_args(kind)) if part in KINDS]
    words = [word for part in (kind, *get_args(kind)) if get_origin(part) is Literal for word in get_args(part)]
    value = tokens[0].value
    if value not in words and value.lower() in words:
        return convert(kind, [tokens[0].evolve(value=value.lower())])
    try:
        if int in kinds and "." in value:
            raise ValueError
        return convert(kind, tokens)
    except (CoercionError, ValueError):
        if not kinds:
            raise
        source = "" if tokens[0].source == "cli" else f" as {tokens[0].source} says"
        may_be = " or ".join([*(KINDS[each] for each in kinds), *map(str, words)])
        raise ValueError(f'must be {may_be}, not "{value}"{source}.') from None


class HelpFormatter(DefaultFormatter):
    """Help of a command in which the parameters that docstrings name are options."""

    def __init__(self, command: str = "") -> None:
        super().__init__()
        self.command = command

    def __call__(self, console: Any, options: Any, panel: HelpPanel) -> None:
        entries = [entry.copy(description=self._typed(entry.description)) for entry in panel.entries]
        super().__call__(console, options, panel.copy(entries=entries))

    def render_description(self, console: Any, options: Any, description: Any) -> None:
        super().render_description(console, options, self._typed(description))

    def _typed(self, description: Any) -> Any:
        if not isinstance(markdown := getattr(description, "primary_renderable", None), Markdown):
            return description
        text = InlineText(Markdown(as_typed(markdown.markup, self.command)))
        text.force_empty_end, text.texts = description.force_empty_end, description.texts
        return text


app = App(
    name="lossmith",
    help="Choose, compose and compare the loss function of an image-restoration network.",
    version=__version__,
    group_parameters=OPTIONS,
    default_parameter=Parameter(converter=_convert, negative=(), negative_iterable=(), consume_multiple=True),
    suppress_keyboard_interrupt=False,  # `main` says what to do next
    help_epilogue="`lossmith COMMAND --help` tells of a command. Its options may also be in a YAML file, "
    "--config FILE, and --device cpu or --device cuda:1 says where it computes.",
)
FUNCTIONS = (
    compare,
    tune,
    train,
    evaluate,
    judge,
    study,
    check_loss,
    learn_loss,
    learn_style,
    show_loss,
    convert_mdf,
    export,
    blend,
    restore,
    stylize,
    reproduce,
)
COMMANDS = [function.__name__.replace("_", "-") for function in FUNCTIONS]
for command in FUNCTIONS:
    app.command(command, help_epilogue=epilogue(command))
for listing in (losses, networks, degradations, metrics, models):
    app.command(listing, help_epilogue="")
app.register_install_completion_command(help="Install completion for your shell.")


LIST_OPTIONS = {
    name
    for owner in (Data, *FUNCTIONS)
    for name, hint in get_type_hints(owner, include_extras=True).items()
    if takes_several(hint)
}
"""The options that take several values."""

GLOBAL_OPTIONS = {"config", "preset", "device", "help", "version", "h"}
"""Options of every command that are not parameters of its function."""
SHORT_OPTIONS = {"h"}


def run(words: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0, 1 when a part failed, 2 after the user's mistake."""
    filterwarnings("ignore", module=r"PIL\.")  # of damaged images; what matters of them is said
    words = list(words)
    with _log_to_stderr(words[0] if words else ""):
        return _run(words)


def _run(words: list[str]) -> int:
    try:
        _check_words(words)
        _translate(words)
        app.config = _take_file_options(words)
        app.help_formatter = HelpFormatter(words[0] if words else "")
        result = app(
            [_not_an_option(word) for word in words],
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        if result is not None and (text := str(result)):
            print(as_typed(text, words[0]))
    except BrokenPipeError:  # an OSError, but not an error of the user; `main` ends quietly
        raise
    except (LossmithError, CycloptsError, OSError) as error:
        print(f"lossmith: {as_typed(_sentence(error, words), words[0] if words else '')}", file=sys.stderr)
        return 2
    return int(getattr(result, "status", 0))


@contextmanager
def _log_to_stderr(command: str) -> Iterator[None]:
    """Print what the package logs, from INFO on, while a command runs."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(f"lossmith: {as_typed(record.getMessage(), command)}", file=sys.stderr)

    logger, handler = logging.getLogger("lossmith"), Handler()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def as_typed(text: str, command: str = "") -> str:
    """A text for Python, in which parameters stand in backticks, for the command line of a command.

    An option gets its hyphens and a positional argument capital letters; other backticks stay.

    >>> as_typed("leave `save_every` out, or take `init='a.pth'`: `lossmith losses`", "train")
    "leave --save-every out, or take --init 'a.pth': `lossmith losses`"
    >>> as_typed("give `images`", "train"), as_typed("give `images`", "reproduce")
    ('give IMAGES', 'give --images')
    """

    def typed(match: re.Match[str]) -> str:
        name, value = match.groups()
        option = _options_by_parameter(command).get(name)
        return match[0] if option is None else f"{option} {value}" if value else option

    return re.sub(r"`([a-z]\w*)(?:=([^`]*))?`", typed, text)


@cache
def _options_by_parameter(command: str) -> dict[str, str]:
    """What is typed for a parameter: of this command, or of any where it has none of that name."""
    options = {name: f"--{name}" for name in GLOBAL_OPTIONS}
    for other in sorted(COMMANDS, key=lambda name: name == command):  # its own come last, in the place of others
        for argument in app[other].assemble_argument_collection():
            name = argument.name.removeprefix("--")
            options[name.replace("-", "_")] = name.upper() if argument.field_info.is_positional else argument.name
    return options


@dataclass(frozen=True)
class FileOptions:
    """Options from a file, for cyclopts."""

    source: str
    options: dict[str, str | list[str]]

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        names = (name for argument in arguments for name in argument.names if name.startswith("--"))
        known = {name.removeprefix("--").replace("-", "_") for name in names}
        for name in list(self.options):
            meant = option_for(name, {each.replace("_", "-") for each in known}).replace("-", "_")
            if meant not in known:
                raise unknown_name_error(f"{self.source}: option", name, known)
            value = self.options.pop(name)
            if isinstance(value, list) and meant not in LIST_OPTIONS:
                raise LossmithError(f"{self.source}: option '{name}' takes one value, not {len(value)}")
            # on the command line one value is a list of one where a list is taken, and so it is here
            self.options[meant] = [value] if meant in LIST_OPTIONS and isinstance(value, str) else value
        # under the command's name, since cyclopts takes a key that is also a command, as `losses` is, for that one
        Dict(dict.fromkeys(commands, self.options), source=self.source)(app, commands, arguments)


@dataclass(frozen=True)
class PresetOptions(FileOptions):
    """The options of a recipe that has a name. They yield to others, and its steps to --minutes."""

    command: str = "train"
    """The command that the recipe is for."""

    def __call__(self, app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
        if commands != (self.command,):
            raise LossmithError(f"{self.source.replace('preset', '--preset', 1)} is an option of {self.command}")
        if any("--minutes" in argument.names and argument.tokens for argument in arguments):
            self.options.pop("steps", None)
        super().__call__(app, commands, arguments)


def _take_file_options(words: list[str]) -> list[FileOptions]:
    """Take `--config FILE` and `--preset NAME` out of the words; what comes first counts."""
    sources = []
    path, recipe = _take(words, "--config", "the name of a YAML file"), _take(words, "--preset", "a name")
    device = _take(words, "--device", "the name of a device, such as cpu or cuda:1") or ""
    if path:
        options = read_config_file(Path(path))
        preset_name = options.pop("preset", None) or options.pop("recipe", None)
        recipe = recipe or (str(preset_name) if preset_name is not None else None)
        device = device or str(options.pop("device", ""))
        sources.append(FileOptions(str(Path(path)), options))
    if recipe:
        values: dict[str, str | list[str]] = {}
        for argument, setting in preset(recipe).items():
            options = changed(setting) if is_dataclass(setting) else {argument: setting}
            values |= {name: str(value) for name, value in options.items()}
        command = "learn-style" if recipe in STYLE_PRESETS else "train"
        sources.append(PresetOptions(f"preset {recipe}", values, command))
    if device:
        use_device(device)
    return sources


def _translate(words: list[str]) -> None:
    """Put our names in the place of other tools' names, or say how it is done here."""
    if not words or words[0].startswith("-"):
        return
    command = words[0]
    if command in ("help", "version"):
        words[:] = [*words[1:2], "--help"] if command == "help" else ["--version"]
        return
    if command not in app:
        if (meant := command_for(command)) is not None:
            raise LossmithError(f"there is no command '{command}'; `lossmith {meant}` does that")
        return
    names = {name for argument in app[command].assemble_argument_collection() for name in argument.names}
    option_names = {name.removeprefix("--") for name in names} | GLOBAL_OPTIONS
    for index, word in enumerate(words):
        if match := re.fullmatch(r"(--?)([A-Za-z][\w-]*)(=.*)?", word, re.DOTALL):
            hyphens, name, value = match.groups()
            if (meant := option_for(name, option_names)) in option_names:
                words[index] = f"{'-' if meant in SHORT_OPTIONS else '--'}{meant}{value or ''}"
            else:
                near = get_close_matches(name, sorted(option_names - SHORT_OPTIONS), n=1, cutoff=0.7)
                hint = (
                    f"did you mean --{near[0]}?" if near else f"`lossmith {command} --help` lists those that are"
                )
                raise LossmithError(f"option {hyphens}{name} of {command} is not known; {hint}")
    if "images" in option_names:
        _refuse_swallowed(words)


def _refuse_swallowed(words: Sequence[str]) -> None:
    """An option that takes several values takes all that follow, and images may be among them."""
    if not words[1:2] or not words[1].startswith("-") or "--images" in words:
        return
    option = ""
    for before, word in pairwise(words):
        option = before if before.startswith("--") else option
        follows = not before.startswith("-") and not word.startswith("-")
        swallows = option in ("--losses", "--model", "--style", "--goals", "--search")
        if swallows and follows and (Path(word).is_dir() or Path(word).suffix.lower() in SUFFIXES):
            raise LossmithError(f"'{word}' is taken for a value of {option}; name images before the options")


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
    """Keep "-1*l1" and "-" from being taken for options, by what changes nothing in expressions and in paths."""
    return "./-" if word == "-" else f" {word}" if re.match(r"-[\d.].*\*", word) else word


def _sentence(error: Exception, words: Sequence[str]) -> str:
    if isinstance(error, CycloptsError) and isinstance(error.__cause__, LossmithError):
        error = error.__cause__
    example = EXAMPLES.get(words[0].replace("-", "_")) if words else None
    such = f"; for example: {example}" if example else ""
    if isinstance(error, MissingArgumentError) and error.argument is not None:
        name = error.argument.name
        if name in words:
            return f"the value after '{name}' is missing"
        positional = error.argument.field_info.is_positional
        return f"{words[0]} needs {name.removeprefix('--').upper() if positional else name}{such}"
    if isinstance(error, UnusedCliTokensError) and error.unused_tokens:
        return escape_control(f"{words[0]} has no use for '{error.unused_tokens[0]}'{such}")
    if isinstance(error, CoercionError) and (token := error.token) and token.source == "cli" and not token.value:
        return f"the value after '{token.keyword}' is missing"
    if isinstance(error, OSError):
        return f"'{error.filename}': {error.strerror}" if error.filename else error.strerror or str(error)
    text = re.sub(r"\[(\w+)\](?= from |:)", r"\1", str(error))  # how cyclopts names an option of a file
    return escape_control(" ".join(text.split()))

"""The public functions on the command line, and nothing else: options and help come from their signatures."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args, get_origin, get_type_hints

import yaml
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Dict

import lossmith
from lossmith.errors import LossmithError
from lossmith.images import Data
from lossmith.losses import LOSSES, PRESETS, describe
from lossmith.studies import compare, evaluate, train
from lossmith.training import Recipe

# The fields of these two become options of the commands that take them.
for settings in (Data, Recipe):
    Parameter(name="*")(settings)

app = App(
    name="lossmith",
    help="Choose, compose and compare the loss function of an image-restoration network.",
    version=lossmith.__version__,
    default_parameter=Parameter(negative=(), consume_multiple=True),
    suppress_keyboard_interrupt=False,  # `run` says what to do next
    help_epilogue="Every command also takes its options from a YAML file: --config FILE.",
)
for command in (compare, train, evaluate):
    app.command(command)

LISTS = {
    name
    for owner in (Data, compare, train, evaluate)
    for name, hint in get_type_hints(owner).items()
    if any(get_origin(part) is list for part in (hint, *get_args(hint)))
}
"""The options that take several values."""


@app.command
def losses() -> None:
    """List the losses: name, definition, range, least size, source and options."""
    print("\n\n".join(map(describe, [*LOSSES, *PRESETS])))
    print(
        '\nOptions go in brackets: "ssim(sigma=2)". Losses add up: "0.84*ms_ssim_sigmas + 0.16*l1".\n'
        'They may change during a run: "l1 until 50% then l2". Your own: "my_package.my_module:MyLoss".'
    )


def run(words: Sequence[str]) -> int:
    """Run one command; returns the exit status: 0, 2 after the user's mistake, 130 when interrupted."""
    try:
        app.config = _configuration(words := list(words))
        result = app(
            words,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except (LossmithError, CycloptsError, OSError) as error:
        print(f"lossmith: {_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lossmith: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    if result is not None:
        print(result)
    return 0


def _configuration(words: list[str]) -> list[Dict]:
    """Take `--config FILE` out of the words."""
    words[:] = [
        part for word in words for part in (word.split("=", 1) if word.startswith("--config=") else [word])
    ]
    if "--config" not in words:
        return []
    at = words.index("--config")
    if at + 1 == len(words):
        raise LossmithError("--config needs the name of a YAML file")
    path = Path(words[at + 1])
    del words[at : at + 2]
    try:
        options = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LossmithError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(options, dict):
        raise LossmithError(f"{path} must hold options and their values, such as 'steps: 400'")
    # on the command line one value is a list of one where a list is taken, and so it is here
    alone = {key: [value] for key, value in options.items() if key in LISTS and not isinstance(value, list)}
    # below the command's name, since cyclopts takes a key that is also a command, as `losses` is, for that command
    return [Dict({words[0] if words else "": {**options, **alone}}, source=str(path), allow_unknown=False)]


def _sentence(error: Exception) -> str:
    cause = error.__cause__
    text = str(cause if isinstance(cause, LossmithError) else error)
    return " ".join(text.split())

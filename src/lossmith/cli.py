"""The public functions on the command line, and nothing else: options and help come from their signatures."""

import sys
from collections.abc import Sequence
from pathlib import Path

import yaml
from cyclopts import App, CycloptsError, Parameter
from cyclopts.config import Yaml

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
    help_epilogue="Every command also takes its options from a YAML file: --config FILE.",
)
for command in (compare, train, evaluate):
    app.command(command)


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
        result = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (LossmithError, CycloptsError, OSError) as error:
        print(f"lossmith: {_sentence(error)}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("lossmith: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    if result is not None:
        print(result)
    return 0


def _configuration(words: list[str]) -> list[Yaml]:
    """Take `--config FILE` out of the words."""
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
    return [Yaml(path, use_commands_as_keys=False, allow_unknown=False)]


def _sentence(error: Exception) -> str:
    cause = error.__cause__
    text = str(cause if isinstance(cause, LossmithError) else error)
    return " ".join(text.split())

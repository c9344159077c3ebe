"""Options and commands of other tools: accepted where they mean the same, and answered where they do not."""

from importlib.metadata import version

import pytest

from lossmith.cli import app, epilogue, run
from lossmith.core.errors import LossmithError
from lossmith.option_synonyms import ANSWERS, COMMANDS, SYNONYMS, command_for, option_for

COMPUTING = (
    *("compare", "tune", "train", "evaluate", "judge", "learn-loss", "restore", "export", "blend", "reproduce"),
)


def options(command: str) -> set[str]:
    names = (name for argument in app[command].assemble_argument_collection() for name in argument.names)
    return {name.removeprefix("--") for name in names}


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("lr", "learning-rate"),
        ("batch_size", "batch"),
        ("patch-size", "patch"),
        ("max-steps", "steps"),
        ("output", "out"),
        ("criterion", "loss"),
        ("arch", "network"),
        ("val", "test"),
        ("learning_rate", "learning-rate"),
    ],
)
def test_synonyms_of_options_are_taken(word: str, option: str) -> None:
    assert option_for(word, options("train")) == option


@pytest.mark.parametrize(
    ("command", "word", "option"),
    [
        ("restore", "i", "images"),
        ("restore", "s", "scale-to"),
        ("restore", "r", "recursive"),
        ("restore", "outscale", "scale-to"),
        ("train", "data-dir", "images"),
        ("evaluate", "pred", "subject"),
        ("evaluate", "model", "subject"),
        ("train", "in_channels", "channels"),
        ("compare", "img-range", "range"),
        ("evaluate", "gt", "test"),
        ("train", "gt", "clean"),
        ("learn-loss", "iters", "iterations"),
    ],
)
def test_a_synonym_means_the_option_that_the_command_has(command: str, word: str, option: str) -> None:
    assert option_for(word, options(command)) == option


def test_help_and_version_can_be_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["help", "restore"]) == 0
    assert "Usage: lossmith restore" in capsys.readouterr().out
    assert run(["version"]) == 0
    assert capsys.readouterr().out.strip() == version("lossmith")


def test_choices_can_be_in_upper_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["evaluate", "nothing.pth", "--color", "RGB"]) == 2
    assert "'nothing.pth' does not exist" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("resume", "the same command goes on by itself"),
        ("epochs", "--steps or --minutes"),
        ("scale", "bicubic"),
        ("gpu", "--device"),
        ("num_workers", "OMP_NUM_THREADS"),
        ("lr-decay", "--decay"),
        ("weight-decay", "Adam"),
        ("fp16", "--precision"),
        ("opt", "--config"),
        ("jpeg-quality", "jpeg"),
        ("val-freq", "by themselves"),
        ("launcher", "--devices"),
    ],
)
def test_options_of_other_programs_are_answered_with_advice(word: str, part: str) -> None:
    with pytest.raises(LossmithError, match=part):
        option_for(word, options("train"))


def test_existing_options_are_never_replaced_by_synonyms() -> None:
    for command in COMPUTING:
        for option in options(command):
            assert option_for(option, options(command)) == option


def test_every_synonym_stands_for_an_existing_option() -> None:
    option_names = set().union(*map(options, COMPUTING))
    assert set(SYNONYMS) <= option_names
    spread = [word for words in ANSWERS for word in words.split()]
    assert len(spread) == len(set(spread)), "a word has two answers"


def test_commands_of_other_programs_are_answered_with_ours() -> None:
    assert all(command in app for command in COMMANDS)
    assert (command_for("inference"), command_for("test"), command_for("nothing")) == ("restore", "evaluate", None)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["train", "--resume"], "there is no --resume: the same command goes on"),
        (["train", "-opt", "x.yml"], "--config FILE"),
        (["train", "-x"], "option -x of train is not known; `lossmith train --help` lists those that are"),
        (["train", "--stepz", "3"], "option --stepz of train is not known; did you mean --steps?"),
        (["train", "--qqq"], "option --qqq of train is not known; `lossmith train --help` lists those that are"),
        (["train", "--lr", "fast"], 'must be a number, not "fast"'),
        (["inference", "-i", "x"], "there is no command 'inference'; `lossmith restore` does that"),
        (
            ["train", "--device", "tpu"],
            "--device must be cpu, mps, cuda or a certain one such as cuda:1, not 'tpu'",
        ),
        (["train", "--device"], "--device needs the name of a device"),
    ],
)
def test_the_command_line_answers_in_one_sentence(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == 2
    message = capsys.readouterr().err
    assert sentence in message
    assert message.count("\n") == 1


@pytest.mark.parametrize("command", ["losses", "networks", "degradations", "metrics", "models"])
def test_lists_of_losses_metrics_and_networks_are_printed(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    first = {
        "losses": "charbonnier",
        "networks": "features=32, blocks=4",
        "degradations": "blur",
        "metrics": "gmsd",
        "models": "x4-faithful",
    }
    assert run([command]) == 0
    assert first[command] in capsys.readouterr().out
    assert run([command, "--help"]) == 0
    assert "YAML" not in capsys.readouterr().out


def test_help_examples_run_their_own_command() -> None:
    for command in COMPUTING:
        if "Example" in (text := epilogue(app[command].default_command)):
            assert f"Example: lossmith {command} " in text

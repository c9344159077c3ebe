"""Options from a YAML file: what is read, and what is refused with its line."""

from pathlib import Path

import pytest

from lossmith.config_file import read_config_file
from lossmith.core.errors import LossmithError


def test_yaml_options_are_read_as_on_the_command_line(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(
        "# a study\nsteps: 400\nlearning-rate: 2e-3\nlosses: [l1, '0.5*l2 + 0.5*tv']\nminutes: null\nema:\n"
        "test:\n- a b\n- 'true'\nnetwork: &n srresnet(blocks=8)\nloss: *n\n"
    )
    assert read_config_file(path) == {
        "steps": "400",
        "learning_rate": "2e-3",
        "losses": ["l1", "0.5*l2 + 0.5*tv"],
        "test": ["a b", "true"],
        "network": "srresnet(blocks=8)",
        "loss": "srresnet(blocks=8)",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("steps: 2\nloss: l1\nsteps: 3\n", ": 'steps' is in line 1 and in line 3; remove one"),
        ("save-every: 2\nsave_every: 3\n", ": 'save_every' is in line 1 and in line 2; remove one"),
        ("? [a, b]\n: 3\n", ", line 1: the name of an option must be one word"),
        ("recipe: {steps: 3}\n", ", line 1: 'recipe' must be a value or a list of values"),
        ("test: [[a]]\n", ", line 1: 'test' must be a value or a list of values, none of them empty"),
        ("out: ''\n", ", line 1: 'out' must be a value or a list of values, none of them empty"),
        ("test: &a [*a]\n", ", line 1: 'test' must be a value or a list of values, none of them empty"),
        ("steps\n", " must hold options and their values, such as 'steps: 400'"),
        ("", " must hold options and their values, such as 'steps: 400'"),
    ],
)
def test_unknown_yaml_options_are_named_with_their_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(LossmithError) as error:
        read_config_file(path)
    assert str(error.value) == f"{path}{message}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"loss: l1\nsteps: [3\n", ", line 3: expected ',' or ']', but got '<stream end>'"),
        (b"a: b: c\n", ", line 1: mapping values are not allowed here"),
        (b"[" * 3000, ": it is not YAML"),
        (b"a: \x00\n", ": it is not YAML"),
        (b"loss: caf\xe9\n", ": it is not text in UTF-8"),
        (None, ": No such file or directory"),
    ],
)
def test_unreadable_yaml_files_are_refused(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LossmithError) as error:
        read_config_file(path)
    assert str(error.value) == f"cannot read {path}{message}"

"""YAML files of options that somebody else wrote: options or a sentence, in Python and on the command line."""

import io
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.cli import run
from lossmith.config_file import read_config_file

from .amounts import FEW, MANY, count_fuzzed
from .corruption import damage, result_or_refusal

STUDY = b"""# a study
images: [nowhere, 'else']
losses: [l1, "0.84*ms_ssim + 0.16*l1", &a mix, *a]
steps: 100
learning-rate: 2e-3
out: runs/x
degradation: "bicubic(2) | noise(5)"
network: !!str fcn
seed: !!int "3"
minutes: ~
test: |
  some
  lines
"""
SYMBOLS = (
    *(
        "a",
        "steps",
        "losses",
        "&a",
        "*a",
        "{",
        "}",
        "[",
        "]",
        ":",
        " ",
        "\n",
        "- ",
        "? ",
        "|",
        ">",
        "'",
        '"',
        "<<",
    ),
    *("\ufeff", "%YAML 9.9\n---\n", "%TAG ! x\n", "---\n", "...\n", "~", "=", "#", ",", "\t", "!", "!<>", "\\"),
    *("!!python/object/apply:os.system", "!!python/name:os.system", "!!binary", "!!set", "!!timestamp", "!!"),
    *("\x00", '"\\ud800"', '"\\U00110000"', '"\\UFFFFFFFF"', '"\\x00"', "9" * 5000, "1e999", ".nan", "12:30:45"),
)
KEYS = (
    "images",
    "losses",
    "steps",
    "out",
    "network",
    "seed",
    "batch",
    "patch",
    "test",
    "recipe",
    "learning_rate",
)
VALUES = (
    *SYMBOLS,
    "-1",
    "[]",
    "{}",
    "[[]]",
    "yes",
    "null",
    ".inf",
    "1_000",
    "0o17",
    "2020-01-01",
    "'/'",
    "..",
    "''",
)
symbols = st.lists(st.sampled_from(SYMBOLS) | st.text(max_size=3), max_size=25).map("".join)
options = st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=5).map(
    lambda options: "\n".join(f"{key}: {value}" for key, value in options.items())
)
yaml = (
    damage(STUDY) | st.binary(max_size=60) | (symbols | options).map(lambda text: text.encode("utf8", "replace"))
)


def assert_one_line_and_status_2(content: bytes, folder: Path) -> str:
    """Run the command line with a YAML file and missing images; returns the message."""
    path, stderr = folder / "study.yaml", io.StringIO()
    path.write_bytes(content)
    result_or_refusal(lambda: read_config_file(path))
    with redirect_stderr(stderr), redirect_stdout(io.StringIO()):
        status = run(["compare", "--images", str(folder / "there are none"), "--config", str(path)])
    message = stderr.getvalue()
    assert status == 2
    assert message.startswith("lossmith: ")
    assert message.count("\n") == 1
    assert message.encode()
    count_fuzzed("YAML files")
    return message


@settings(max_examples=10 * FEW, deadline=None, derandomize=True)
@given(content=yaml)
def test_any_yaml_is_read_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert_one_line_and_status_2(content, tmp_path_factory.getbasetemp())


@pytest.mark.slow
@settings(max_examples=10 * MANY, deadline=None, derandomize=True)
@given(content=yaml)
def test_many_yaml_files_are_read_or_refused(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert_one_line_and_status_2(content, tmp_path_factory.getbasetemp())


LAUGHS = "a: &a [ha, ha, ha, ha, ha, ha, ha, ha, ha]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
LARGE = {
    "a billion laughs": LAUGHS.encode(),
    "a mapping that holds itself": b"a: &a\n  <<: *a\n",
    "a list that holds itself": b"a: &a [*a, *a]\n",
    "brackets": b"[" * 5000,
    "dashes": b"- " * 5000,
    "braces": b"{a: " * 5000,
    "questions": b"? " * 5000,
    "tags": b"!" * 5000,
    "anchors": b"&a " * 1000 + b"b: 1",
    "a long word": b"steps: " + b"9" * 300_000,
    "options without end": b"".join(b"a%d: 1\n" % number for number in range(5000)),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_huge_yaml_file_is_one_sentence(kind: str, tmp_path: Path) -> None:
    assert assert_one_line_and_status_2(LARGE[kind], tmp_path)


@pytest.mark.parametrize("key", ["recipe", "out", "losses", "device", "steps"])
@pytest.mark.parametrize("escape", ["\\ud800", "\\udfff", "\\0", "a\\0b", "\\ud83d\\ude00"])
def test_control_characters_in_yaml_are_refused(key: str, escape: str, tmp_path: Path) -> None:
    assert "has characters that UTF-8 text cannot hold" in assert_one_line_and_status_2(
        f'{key}: "{escape}"'.encode(), tmp_path
    )
    assert "has characters that UTF-8 text cannot hold" in assert_one_line_and_status_2(
        f'{key}: [fine, "{escape}"]'.encode(), tmp_path
    )
    assert "has characters that UTF-8 text cannot hold" in assert_one_line_and_status_2(
        f'"{escape}{key}": fine'.encode(), tmp_path
    )


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.mkdir [MARK]",
        "!!python/object/new:os.mkdir [MARK]",
        "!!python/object/apply:subprocess.check_call [[mkdir, MARK]]",
        "!!python/name:os.mkdir",
        "!!python/module:antigravity",
    ],
)
def test_a_yaml_object_tag_runs_nothing(tag: str, tmp_path: Path) -> None:
    mark = tmp_path / "it ran"
    path = tmp_path / "study.yaml"
    path.write_text(f"losses: {tag.replace('MARK', str(mark))}\n")
    result_or_refusal(lambda: read_config_file(path))
    assert_one_line_and_status_2(path.read_bytes(), tmp_path)
    assert not mark.exists()


def test_a_yaml_object_tag_runs_nothing_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("losses: !!python/object/apply:os.mkdir [mark]\n")
    command = [sys.executable, "-m", "lossmith", "compare", "--config", "study.yaml", "--images", "none"]
    process = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 2
    assert process.stderr.startswith("lossmith: loss 'mark' is not known; ")
    assert process.stderr.count("\n") == 1
    assert {path.name for path in tmp_path.iterdir()} == {"study.yaml"}

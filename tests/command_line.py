"""A short training on the command line, and a refusal."""

import pytest

from lossmith.cli import run

QUICK = ["--network", "srresnet_small(features=8, blocks=1)", "--steps", "2", "--batch", "2", "--patch", "32"]


def refused(words: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a command is refused."""
    status = run([str(word) for word in words])
    captured = capsys.readouterr()
    assert status == 2, captured
    assert captured.out == ""
    assert captured.err.startswith("lossmith: ")
    assert captured.err.count("\n") == 1, captured.err
    assert "Traceback" not in captured.err
    return captured.err.removeprefix("lossmith: ").strip()

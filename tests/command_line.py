"""A short training on the command line, and a refusal."""

import pytest

from lossmith.cli import run

QUICK = ["--network", "srresnet_small(features=8, blocks=1)", "--steps", "2", "--batch", "2", "--patch", "32"]


def refusal(words: list[object], capsys: pytest.CaptureFixture[str]) -> str:
    """The sentence with which a command is refused."""
    status = run([str(word) for word in words])
    output = capsys.readouterr()
    assert status == 2, output
    assert output.out == ""
    assert output.err.startswith("lossmith: ")
    assert output.err.count("\n") == 1, output.err
    assert "Traceback" not in output.err
    return output.err.removeprefix("lossmith: ").strip()

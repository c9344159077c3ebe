"""Damages files at random, and checks that a reader gives their content or refuses them in one sentence."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from lossmith.core.errors import LossmithError

T = TypeVar("T")


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> bytes:
    """The content of a file after one to three random damages."""
    file = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        position = draw(st.integers(0, len(file)))
        length = draw(st.sampled_from([1, 2, 4, 8, 64]))
        kind = draw(st.sampled_from(["cut", "flip", "write", "zero", "repeat", "take out"]))
        if kind == "cut":
            del file[position:]
        elif kind == "flip" and position < len(file):
            file[position] ^= 1 << draw(st.integers(0, 7))
        elif kind == "write":
            file[position : position + length] = draw(st.sampled_from(EXTREMES) | st.binary(max_size=8))
        elif kind == "zero":
            file[position : position + length] = bytes(len(file[position : position + length]))
        elif kind == "repeat":
            file[position:position] = file[position : position + length]
        else:
            del file[position : position + length]
    return bytes(file)


EXTREMES = [
    b"\0" * 8,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x01",
    b"\xff\xff",
]
"""Numbers at the limits of their types."""


def result_or_refusal(call: Callable[[], T]) -> T | str:
    """The result of a call, or the message of its LossmithError; any other exception fails the test."""
    try:
        return call()
    except LossmithError as error:
        message = str(error)
        assert message, "a refusal without a message"
        assert "Traceback" not in message
        return message


class Trap:
    """An object whose pickle creates the folder `mark` when it is run."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)

"""What may be wrong with a file, and what a reader may do about it: give what is in it, or say one sentence."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import strategies as st

from lossmith.core.errors import LossmithError

T = TypeVar("T")


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file of this content after one to three accidents."""
    found = bytearray(content)
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(found)))
        length = draw(st.sampled_from([1, 2, 4, 8, 64]))
        kind = draw(st.sampled_from(["cut", "flip", "write", "zero", "repeat", "take out"]))
        if kind == "cut":
            del found[at:]
        elif kind == "flip" and at < len(found):
            found[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "write":
            found[at : at + length] = draw(st.sampled_from(EXTREMES) | st.binary(max_size=8))
        elif kind == "zero":
            found[at : at + length] = bytes(len(found[at : at + length]))
        elif kind == "repeat":
            found[at:at] = found[at : at + length]
        else:
            del found[at : at + length]
    return bytes(found)


EXTREMES = [
    b"\0" * 8,
    b"\xff" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\xff\xff\xff\x7f",
    b"\x80\0\0\0",
    b"\0\0\0\x01",
    b"\xff\xff",
]
"""Numbers at the ends of their types."""


def sentence(read: Callable[[], T]) -> T | str:
    """What is read, or the one line in which it is refused; whatever else is raised is a fault."""
    try:
        return read()
    except LossmithError as error:
        words = str(error)
        assert words, "a refusal without words"
        assert "Traceback" not in words
        return words


class Trap:
    """A pickle that leaves a mark when anybody runs what it says."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.mark),)

"""Sentences marked up for the page: the names of losses, and the headline and the rest of a verdict."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lossmith.report.formatting import MINUS
from lossmith.report.methods import Method


@dataclass(frozen=True)
class TextSpan:
    """A stretch of text, and the loss that it names, if it names one."""

    text: str
    method: Method | None = None


def verdict_lines(verdict: str, methods: Sequence[Method]) -> tuple[list[TextSpan], list[TextSpan]]:
    """The first sentence or line, and what follows it."""
    headline, *elsewhere = re.split(r"\n|(?<=\.) ", verdict, maxsplit=1)
    return text_spans(headline, methods), text_spans(" ".join(elsewhere), methods)


def text_spans(text: str, methods: Sequence[Method]) -> list[TextSpan]:
    """The text in pieces, each a loss's name or none; joined, they are the text with real minus signs.

    Losses are found as whole words, the longest name first: "l1" is not meant in "0.16*l1".
    """
    text = re.sub(r"(?<=[\s(])-(?=\d)", MINUS, text)
    methods_by_name = {method.name: method for method in methods if method.kind == "loss" and method.name}
    if not methods_by_name or not text:
        return [TextSpan(text)] if text else []
    names = "|".join(re.escape(name) for name in sorted(methods_by_name, key=len, reverse=True))
    parts = re.split(rf"(?<![\w*.])({names})(?![\w*])", text)
    return [TextSpan(part, methods_by_name.get(part)) for part in parts if part]

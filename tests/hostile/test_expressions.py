"""Losses, degradations, networks and discriminators written down by anybody: made, or refused in a sentence."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.degradations import degradation
from lossmith.degradations.registry import DEGRADATIONS, TASKS
from lossmith.losses import loss
from lossmith.losses.registry import CATALOGUE
from lossmith.networks import DISCRIMINATORS, NETWORKS, discriminator, network

from .amounts import FEW, MANY, count_fuzzed
from .corruption import result_or_refusal

VALUES = (
    *("1", "2", "3", "0", "-1", "0.5", "1.5", "11", "33", "1025", "99999999999999999999", "9" * 400),
    *("1e308", "-1e308", "1e-308", "1e400", "nan", "inf", "none", "true", "''", '""', "1 2 3", "2 1", "nan nan"),
    *(
        "random",
        "vgg16",
        "squeezenet1_1",
        "relu1",
        "relu1 + 0.5*fire3",
        "1e999*relu1",
        "+",
        "1*",
        "*",
        "a*b",
        ".",
        "..",
    ),
    *("l2", "valid", "same", "centre", "jpeg", "rggb", "4:2:0", "../../x", "/etc/passwd", "/dev/null", "/", "é"),
    *("x.safetensors", "x.pth", "\0", "\ud800", "-0", "+5", "1e300 1e301"),
)
WEIGHTS = (
    "2*",
    "50%*",
    "100%*",
    "0%*",
    "-1%*",
    "50%*50%*",
    "1e308%*",
    "%*",
    "-1*",
    "1e308*",
    "1e-308*",
    "0*",
    "nan*",
    "",
    "1e308*1e308*",
    "-0*",
    "1e400*",
)
BETWEEN = (
    " + ",
    " always + ",
    " until 50% then ",
    " until 0% then ",
    "*",
    "+(",
    " until 1e308% then ",
    ") + (",
    "",
)
Table = Mapping[str, Callable[..., Any] | None]
MAKERS: dict[str, tuple[Callable[[str], object], Table]] = {
    "loss": (loss, CATALOGUE),
    "degradation": (degradation, {**DEGRADATIONS, **dict.fromkeys(TASKS)}),
    "network": (network, NETWORKS),
    "discriminator": (discriminator, DISCRIMINATORS),
}


@st.composite
def calls(draw: st.DrawFn, table: Table) -> str:
    """A name of ours with options that it has, and values that it may not want."""
    name = draw(st.sampled_from([*table]))
    factory = table[name]
    names = [*inspect.signature(factory).parameters] if factory else ["x"]
    values = st.sampled_from(VALUES)
    positional = draw(st.lists(values, max_size=2))
    options = draw(st.lists(st.tuples(st.sampled_from([*names, "reduction", "zzz"]), values), max_size=3))
    return f"{name}({', '.join([*positional, *(f'{key}={value}' for key, value in options)])})"


@st.composite
def expressions(draw: st.DrawFn, kind: str) -> str:
    terms = draw(st.lists(calls(MAKERS[kind][1]), min_size=1, max_size=3))
    if kind == "loss":
        terms = [draw(st.sampled_from(WEIGHTS)) + call for call in terms]
        return draw(st.sampled_from(BETWEEN)).join(terms)
    return " | ".join(terms) if kind == "degradation" else terms[0]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network in this test")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("LOSSMITH_WEIGHTS", "/nowhere")


def assert_built_or_refused(kind: str, text: str) -> None:
    """An expression gives an object that can be formatted, or raises LossmithError."""
    result = result_or_refusal(lambda: MAKERS[kind][0](text))
    if not isinstance(result, str):
        assert str(result)
    count_fuzzed(f"expressions: {kind}")


for_each_kind = pytest.mark.parametrize("kind", MAKERS)
anything = st.text(max_size=20) | st.text("()+*|,=%'\" 1e9untilthelways%\n.", max_size=40)


@for_each_kind
@settings(max_examples=4 * FEW, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_expression_is_built_or_refused(kind: str, data: st.DataObject) -> None:
    assert_built_or_refused(kind, data.draw(expressions(kind) | anything))


@pytest.mark.slow
@for_each_kind
@settings(max_examples=4 * MANY, deadline=None, derandomize=True)
@given(data=st.data())
def test_many_expressions_are_built_or_refused(kind: str, data: st.DataObject) -> None:
    assert_built_or_refused(kind, data.draw(expressions(kind) | anything))


LONG_EXPRESSIONS = {
    "brackets": "(" * 100_000,
    "closed brackets": ")" * 100_000,
    "a word": "a" * 100_000,
    "digits": "9" * 100_000 + "*l1",
    "plus": "l1 + " * 1000 + "l1",
    "times": "2*" * 1000 + "l1",
    "bars": "noise(5) | " * 1000 + "noise(5)",
    "stages": "l1 until 1% then " * 1000 + "l1",
    "options": "ssim(" + "sigma=1," * 5000 + "sigma=1)",
    "spaces": " " * 100_000,
    "quotes": "l1('" + "x" * 100_000,
    "dots": "a." * 10_000 + "a:b",
    "colons": ":" * 10_000,
}


@for_each_kind
@pytest.mark.parametrize("expression", LONG_EXPRESSIONS)
def test_long_expressions_are_built_or_refused(kind: str, expression: str) -> None:
    assert_built_or_refused(kind, LONG_EXPRESSIONS[expression])

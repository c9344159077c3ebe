"""The grammar of expressions: parsing, errors, formatting and building."""

import math
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lossmith.core.errors import LossmithError, missing_extra, unknown_name_error
from lossmith.expressions import (
    Call,
    HasExpression,
    Node,
    Product,
    Sum,
    Timeline,
    Value,
    bind_arguments,
    error_in_words,
    format_call,
    format_value,
    instantiate,
    parse_call,
    parse_chain,
    parse_loss,
    resolve,
)

A, B = Call("a"), Call("b")


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("a", A),
        ("  a\t( )\n", A),
        ("a()", A),
        ("a + b", Sum((A, B))),
        ("a+b+a", Sum((A, B, A))),
        ("(a)", A),
        ("((a + b))", Sum((A, B))),
        ("2*a", Product(2, A)),
        ("a*2", Product(2, A)),
        ("2*a*3", Product(6, A)),
        ("-.5 * a", Product(-0.5, A)),
        ("+1e-3*a", Product(0.001, A)),
        ("2.*a", Product(2, A)),
        ("a + -2*b", Sum((A, Product(-2, B)))),
        ("2*(a + b)", Product(2, Sum((A, B)))),
        ("(a + b)*2 + a", Sum((Product(2, Sum((A, B))), A))),
        ("2*(3*a)", Product(2, Product(3, A))),
        ("1*a", A),
        ("2*a*0.5 + b", Sum((A, B))),
        ("a until 50% then b", Timeline((A, B), (0.5,))),
        ("a until 12.5 % then 2*b until 99% then a + b", Timeline((A, Product(2, B), Sum((A, B))), (0.125, 0.99))),
        ("a + (a until 50% then b)", Sum((A, Timeline((A, B), (0.5,))))),
        ("2*(a until 50% then b)", Product(2, Timeline((A, B), (0.5,)))),
        ("until until 5% then then", Timeline((Call("until"), Call("then")), (0.05,))),
        ("my.own.module:Loss(3)", Call("my.own.module:Loss", (3,))),
    ],
)
def test_losses_are_sums_of_weighted_calls(text: str, node: Node) -> None:
    assert parse_loss(text) == node


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("+3", 3),
        ("3.0", 3.0),
        (".5", 0.5),
        ("1e3", 1000.0),
        ("true", True),
        ("False", False),
        ("NONE", None),
        ("vgg19", "vgg19"),
        ("vgg19:conv5_4", "vgg19:conv5_4"),
        ("my loss.safetensors", "my loss.safetensors"),
        ("/a/b-c_d/1.5x.pt", "/a/b-c_d/1.5x.pt"),
        ("4:2:0", "4:2:0"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("1.2.3", "1.2.3"),
        ("a+b*c|d", "a+b*c|d"),
        ('"3"', "3"),
        ("'true'", "true"),
        ('""', ""),
        ("\"a, (b) = 'c'\"", "a, (b) = 'c'"),
        ("'say \"a\"'", 'say "a"'),
    ],
)
def test_values_are_numbers_constants_or_text(text: str, value: Value) -> None:
    for source in (f"f({text})", f"f( {text} )", f"f(x={text})", f"f(x = {text} )"):
        call = parse_call(source, "loss")
        (actual,) = (*call.arguments, *(actual for _, actual in call.options))
        assert (actual, type(actual)) == (value, type(value))


def test_arguments_come_before_options() -> None:
    assert parse_call("f(1, x, key=2, other = a b)", "loss") == Call("f", (1, "x"), (("key", 2), ("other", "a b")))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "loss expression '' ends where the name of a loss was expected (column 1)"),
        ("   ", "loss expression '   ' ends where the name of a loss was expected (column 4)"),
        ("a +", "loss expression 'a +' ends where the name of a loss was expected (column 4)"),
        ("+ a", "loss expression '+ a' has '+ a' where the name of a loss was expected (column 1)"),
        ("a b", "loss expression 'a b' has 'b' where the end was expected (column 3)"),
        ("a - b", "loss expression 'a - b' has '- b' where the end was expected (column 3)"),
        ("a / 2", "loss expression 'a / 2' has '/ 2' where the end was expected (column 3)"),
        ("a*b", "loss expression 'a*b' has 'b' where a number was expected (column 3)"),
        ("2", "loss expression '2' ends where '*' and a loss was expected (column 2)"),
        ("2 + a", "loss expression '2 + a' has '+ a' where '*' and a loss was expected (column 3)"),
        ("2*", "loss expression '2*' ends where the name of a loss was expected (column 3)"),
        ("(a", "loss expression '(a' ends where ')' was expected (column 3)"),
        ("a)", "loss expression 'a)' has ')' where the end was expected (column 2)"),
        ("()", "loss expression '()' has ')' where the name of a loss was expected (column 2)"),
        ("a(", "loss expression 'a(' ends where a value was expected (column 3)"),
        ("a(1", "loss expression 'a(1' ends where ')' was expected (column 4)"),
        ("a(1,)", "loss expression 'a(1,)' has ')' where a value was expected (column 5)"),
        ("a(,)", "loss expression 'a(,)' has ',)' where a value was expected (column 3)"),
        ("a(x=1, 2)", "loss expression 'a(x=1, 2)' has '2)' where a named argument was expected (column 8)"),
        ("a(x=)", "loss expression 'a(x=)' has ')' where a value was expected (column 5)"),
        ("a('b)", "loss expression 'a('b)' has ''b)' where a value was expected (column 3)"),
        ("a('b'c)", "loss expression 'a('b'c)' has 'c)' where ')' was expected (column 6)"),
        ("a(b(c))", "loss expression 'a(b(c))' has '(c))' where ')' was expected (column 4)"),
        ("a until", "loss expression 'a until' ends where a percentage was expected (column 8)"),
        ("a until x", "loss expression 'a until x' has 'x' where a percentage was expected (column 9)"),
        ("a until 5 then b", "loss expression 'a until 5 then b' has 'then b' where '%' was expected (column 11)"),
        ("a until 5% b", "loss expression 'a until 5% b' has 'b' where 'then' was expected (column 12)"),
        ("a until 0% then b", "loss expression 'a until 0% then b' needs rising percentages between 0 and 100"),
        (
            "a until 100% then b",
            "loss expression 'a until 100% then b' needs rising percentages between 0 and 100",
        ),
        (
            "a until 5% then b until 5% then a",
            "loss expression 'a until 5% then b until 5% then a' needs rising percentages between 0 and 100",
        ),
        ("1e400*a", "loss expression '1e400*a': the number 1e400 is too large"),
        ("a(1e400)", "loss expression 'a(1e400)': the number 1e400 is too large"),
        ("a(x=-1e400)", "loss expression 'a(x=-1e400)': the number -1e400 is too large"),
        ("a until 1e400% then b", "loss expression 'a until 1e400% then b': the number 1e400 is too large"),
        (":a", "loss expression ':a' has ':a' where the name of a loss was expected (column 1)"),
        ("a:", "loss expression 'a:' has ':' where the end was expected (column 2)"),
        ("a | b", "loss expression 'a | b' has '| b' where the end was expected (column 3)"),
    ],
)
def test_syntax_errors_name_their_position(text: str, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        parse_loss(text)
    assert str(error.value) == message


def test_a_number_of_thousands_of_digits_is_too_large_as_well() -> None:
    for text in (f"{'9' * 5000}*a", f"a({'9' * 5000})"):
        with pytest.raises(LossmithError, match=r"is too large$"):
            parse_loss(text)


@pytest.mark.parametrize("brackets", [51, 2000])
def test_nesting_that_is_too_deep_is_refused(brackets: int) -> None:
    with pytest.raises(LossmithError, match=r"^loss expression has more than 50 nested parentheses$"):
        parse_loss("(" * brackets + "a" + ")" * brackets)
    assert parse_loss("(" * 50 + "a" + ")" * 50 + " + (a)" * 50) == Sum((A,) * 51)


def test_chains_are_calls_in_order() -> None:
    assert parse_chain("a") == (A,)
    assert parse_chain("a | b(2)|a") == (A, Call("b", (2,)), A)
    with pytest.raises(LossmithError, match=r"^task expression 'a \|' ends where the name of a task was expected"):
        parse_chain("a |", kind="task")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.text("ab1.5e*+-()=,:|%'\" \n\tuntilthen", max_size=30) | st.text(max_size=12))
def test_any_text_is_parsed_or_refused_in_one_sentence(text: str) -> None:
    for parse in (parse_loss, parse_chain, partial(parse_call, kind="network")):
        try:
            parse(text)
        except LossmithError as error:
            assert "expression" in str(error)  # noqa: PT017


# --- written ---------------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12).filter(lambda text: not {"'", '"'} <= set(text)),  # both quotes cannot be written
    st.sampled_from(
        ["true", "None", "5", "-1e5", " a", "a ", "a=b", "a,b", "(a)", "", "1.5x", "ä ö", 'a"b', "a'b"]
    ),
)
NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}(\.[a-z]{1,3}){0,2}(:[A-Z][a-z]{0,4})?", fullmatch=True)
KEYS = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    name=NAMES,
    arguments=st.lists(VALUES, max_size=3),
    options=st.dictionaries(KEYS, VALUES, max_size=3),
)
def test_formatted_expressions_round_trip(name: str, arguments: list[Value], options: dict[str, Value]) -> None:
    call = Call(name, tuple(arguments), tuple(options.items()))
    copy = parse_call(format_call(call), "loss")
    assert copy == call
    assert format_call(copy) == format_call(call)
    for value, actual in zip(
        [*arguments, *options.values()], [*copy.arguments, *dict(copy.options).values()], strict=True
    ):
        # Whole floats become integers, which every float parameter takes; never the other way round.
        assert type(value) is type(actual) or (isinstance(value, float) and value.is_integer())


def test_integers_stay_integers_however_large() -> None:
    assert format_value(10_000_000) == "10000000"
    assert format_value(1e7) == "1e+07"


class Filter(HasExpression):
    name = "filter"

    def __init__(self, strength: float, mode: str = "soft", *, steps: int | None = None) -> None:
        self.strength, self.mode, self.steps = strength, mode, steps


@pytest.mark.parametrize(
    ("original", "expression"),
    [
        (Filter(0.5), "filter(0.5)"),
        (Filter(2, "soft", steps=None), "filter(2)"),
        (Filter(2, "a, b", steps=3), 'filter(2, mode="a, b", steps=3)'),
    ],
)
def test_formatting_leaves_out_default_arguments(original: Filter, expression: str) -> None:
    assert str(original) == expression
    copy = instantiate(parse_call(expression, "filter"), Filter, "filter")
    assert vars(copy) == vars(original)


# --- looked up and called --------------------------------------------------------------------------------------


def test_a_name_is_looked_up_in_the_registry_and_a_path_is_imported() -> None:
    assert resolve(Call("a"), {"a": Filter}, "filter") is Filter
    assert resolve(Call("math:hypot"), {}, "filter") is math.hypot


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("b", "filter 'b' is not known; known are aaa"),
        ("aba", "filter 'aba' is not known; did you mean 'aaa'?"),
        ("AAA", "filter 'AAA' is not known; did you mean 'aaa'?"),
        ("no_such_module:b", "filter 'no_such_module:b' cannot be imported: No module named 'no_such_module'"),
        ("math.no:b", "filter 'math.no:b' cannot be imported: No module named 'math.no'; 'math' is not a package"),
        ("math:no", "filter 'math:no': module 'math' has no 'no'"),
        ("math:pi", "filter 'math:pi' is neither a class nor a function"),
    ],
)
def test_unknown_names_are_refused_with_a_hint(name: str, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        resolve(Call(name), {"aaa": Filter}, "filter")
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def f(:\n", "filter 'theirs:F' cannot be imported: invalid syntax (theirs.py, line 1)"),
        (
            "\nimport a_missing_one\n",
            "filter 'theirs:F' cannot be imported: No module named 'a_missing_one' (theirs.py, line 2)",
        ),
        (
            "import sys\n\nsys.exit('used as a script')\n",
            "filter 'theirs:F' cannot be imported: 'theirs' ends the program (theirs.py, line 3); "
            "move what it does as a program under if __name__ == '__main__'",
        ),
        (
            "class F:\n    def __init__(self, weight: int) -> None:\n        raise ValueError('too heavy')\n",
            "filter 'theirs:F' fails with ValueError: too heavy (theirs.py, line 3)",
        ),
        (
            "def F(weight: int) -> None:\n    raise SystemExit(weight)\n",
            "filter 'theirs:F' fails with SystemExit: 3 (theirs.py, line 2)",
        ),
    ],
)
def test_import_errors_of_a_users_code_are_reported(
    source: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "theirs.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "theirs", raising=False)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # the next module of this name must be read anew
    call = Call("theirs:F", (3,))
    with pytest.raises(LossmithError) as error:
        instantiate(call, resolve(call, {}, "filter"), "filter")
    assert str(error.value) == message


def test_the_place_of_an_error_is_in_the_code_of_the_user() -> None:
    source = "import json\n\ndef f():\n    json.loads('')\n"
    names: dict[str, Any] = {}
    exec(compile(source, "/home/anybody/theirs.py", "exec"), names)
    with pytest.raises(ValueError, match="Expecting value") as error:
        names["f"]()
    assert error_in_words(error.value) == (
        "JSONDecodeError: Expecting value: line 1 column 1 (char 0) (theirs.py, line 4)"
    )


def test_defaults_fill_arguments_that_a_call_leaves_out() -> None:
    def function(a: int, b: int = 2, **options: int) -> dict[str, int]:
        return {"a": a, "b": b, **options}

    def picky(a: int, b: int = 2) -> dict[str, int]:
        return {"a": a, "b": b}

    assert instantiate(parse_call("f(1)", "f"), picky, "f", b=5, c=6) == {"a": 1, "b": 5}
    assert instantiate(parse_call("f(1, 3)", "f"), picky, "f", b=5, c=6) == {"a": 1, "b": 3}
    assert instantiate(parse_call("f(1, b=4)", "f"), picky, "f", b=5, c=6) == {"a": 1, "b": 4}
    assert instantiate(parse_call("f(1)", "f"), function, "f", b=5, c=6) == {"a": 1, "b": 5, "c": 6}
    assert instantiate(parse_call("f(1, c=7)", "f"), function, "f", b=5, c=6) == {"a": 1, "b": 5, "c": 7}


def test_a_partial_call_may_lack_arguments() -> None:
    def multiply(x: float, y: float, by: int = 1) -> float:
        return by * (x + y)

    assert bind_arguments(parse_call("f(by=3)", "f"), multiply, "f", ahead=2)(1, 2) == 9
    with pytest.raises(LossmithError, match=r"^f 'f': too many positional arguments$"):
        bind_arguments(Call("f"), lambda x: x, "f", ahead=2)


def test_a_builtin_without_a_signature_is_called_as_it_is() -> None:
    assert instantiate(parse_call("max(3, 7)", "f"), max, "f", unknown=1) == 7


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("f", "filter 'f': missing a required argument: 'strength'"),
        ("f(1, a, 3)", "filter 'f': too many positional arguments"),
        ("f(1, strength=2)", "filter 'f': multiple values for argument 'strength'"),
        ("f(strenght=1)", "option of filter f: 'strenght' is not known; did you mean 'strength'?"),
        ("f(1, zzz=1)", "option of filter f: 'zzz' is not known; known are mode, steps, strength"),
        ("f(abc)", "filter 'f': strength must be a number, not 'abc'"),
        ("f(true)", "filter 'f': strength must be a number, not True"),
        ("f(1, mode=2)", "filter 'f': mode must be text, not 2"),
        ("f(1, steps=2.5)", "filter 'f': steps must be a whole number or none, not 2.5"),
        ("f(1, steps=false)", "filter 'f': steps must be a whole number or none, not False"),
    ],
)
def test_arguments_that_do_not_fit_the_signature_are_refused(text: str, message: str) -> None:
    with pytest.raises(LossmithError) as error:
        instantiate(parse_call(text, "filter"), Filter, "filter")
    assert str(error.value) == message


def test_only_annotations_of_plain_types_are_enforced() -> None:
    def free(a, b: list[int], c: "int", *rest: int, d: dict[str, int] | None = None, **options: int) -> tuple:  # type: ignore[no-untyped-def,type-arg]
        return a, b, c, *rest, d, *options.values()

    actual = instantiate(parse_call("f(x, y, z, w, d=v, e=u)", "f"), free, "f")
    assert actual == ("x", "y", "z", "w", "v", "u")


def test_an_error_inside_a_factory_is_not_hidden() -> None:
    def fail(size: int) -> None:
        raise TypeError("a fault of its own")

    with pytest.raises(TypeError, match="a fault of its own"):
        instantiate(Call("f", (1,)), fail, "f")


# --- sentences -------------------------------------------------------------------------------------------------


def test_expression_errors_are_value_errors_with_a_hint() -> None:
    assert isinstance(unknown_name_error("loss", "x", []), ValueError)
    assert str(unknown_name_error("loss", "x", [])) == "loss 'x' is not known; there is none"
    assert str(unknown_name_error("loss", "x", ["b", "a"])) == "loss 'x' is not known; known are a, b"


def test_a_missing_package_says_how_to_get_it() -> None:
    error = missing_extra("lossmith.compare", ModuleNotFoundError(name="lightning_fabric"))
    assert isinstance(error, ImportError)
    message = "lossmith.compare needs 'lightning_fabric', which comes with: pip install \"lossmith[workbench]\""
    assert str(error) == message

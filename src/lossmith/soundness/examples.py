"""Inputs that show a fault, as lines of Python that repeat it."""

import io
from contextlib import redirect_stdout

import torch

from lossmith.soundness.cases import FLOAT32, PLAIN, Case
from lossmith.soundness.certificate import Example
from lossmith.soundness.check import Subject
from lossmith.soundness.examine import in_words


def pair_code(case: Case) -> str:
    """The call of `lossmith.testing.pair` that makes the images of a case."""
    arguments = [f"'{case.values}'", str(case.shape)]
    if case.dtypes != FLOAT32:
        arguments.append(f"dtype={_one_or_two(tuple(str(dtype).removeprefix('torch.') for dtype in case.dtypes))}")
    if case.layouts != PLAIN:
        arguments.append(f"layout={_one_or_two(case.layouts)}")
    if case.seed:
        arguments.append(f"seed={case.seed}")
    return f"pair({', '.join(arguments)})"


def _one_or_two(names: tuple[str, ...]) -> str:
    return repr(names[0]) if len({*names}) == 1 else repr(names)


def example(subject: Subject, case: Case, statements: str, input: str = "", scale: float = 1.0) -> Example:
    """The example of a case: what `statements`, about `criterion`, `x` and `y`, print of it.

    Parameters
    ----------
    subject
        The loss.
    case
        The images, `x` and `y`.
    statements
        Python on one line, which may use `torch`, `gradient` and `pair` of `lossmith.testing`, and `reference`,
        the loss outside of autocast.
    input
        The images in words, if more was done with them than the case says.
    scale
        Of the gradient to the images in float16, as one trains.
    """
    if torch.float16 in case.dtypes and scale != 1:
        statements = statements.replace(
            "gradient(criterion, x, y", f"gradient(criterion, x, y, scale={scale:.12g}"
        )
    if not case.autocast:
        statements = statements.replace("reference", "criterion")
    code = _line(case, statements)
    answer = printed(subject, code)
    if ".double()" in code and answer.startswith(ERROR):  # of a loss that takes no float64
        code = code.replace(".double()", ".float()").replace("float64", "float32")
        answer = printed(subject, code)
    return Example(input or str(case), answer.removeprefix(ERROR), f"{subject.code}; {code}")


def _line(case: Case, statements: str) -> str:
    cast = "torch.autocast('cpu', torch.bfloat16)(criterion)"
    names = ", ".join(name for name in ("gradient", "pair") if f"{name}(" in f"pair({statements}")
    return "; ".join(
        [
            *(["import torch"] if case.autocast or "torch." in statements else []),
            f"from lossmith.testing import {names}",
            *([f"reference, criterion = criterion, {cast}"] if case.autocast else []),
            f"x, y = {pair_code(case)}",
            statements,
        ]
    )


ERROR = "raises "


def printed(subject: Subject, code: str) -> str:
    """What a line of Python about `criterion` prints, or the error that it raises."""
    output = io.StringIO()
    try:
        with redirect_stdout(output):
            exec(code, {"criterion": subject.make()})
    except Exception as error:  # whatever a loss may raise
        return ERROR + in_words(error)
    return output.getvalue().strip()


__all__ = ["example", "pair_code", "printed"]

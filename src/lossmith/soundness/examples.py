"""Inputs that show a fault, as lines of Python that repeat it."""

import io
from contextlib import redirect_stdout
from warnings import catch_warnings, simplefilter

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


def example(subject: Subject, case: Case, statements: str, input: str = "") -> Example:
    """The example of a case: what `statements`, about `criterion`, `x` and `y`, print of it.

    Parameters
    ----------
    subject
        The loss.
    case
        The images, `x` and `y`.
    statements
        Python on one line, which may use `torch`, and `gradient` and `pair` of `lossmith.testing`.
    input
        The images in words, if more was done with them than the case says.
    """
    names = ", ".join(name for name in ("gradient", "pair") if f"{name}(" in f"pair({statements}")
    uses_torch = case.autocast or "torch." in statements
    lines = [
        *(["import torch"] if uses_torch else []),
        f"from lossmith.testing import {names}",
        *(["criterion = torch.autocast('cpu', torch.bfloat16)(criterion)"] if case.autocast else []),
        f"x, y = {pair_code(case)}",
        statements,
    ]
    code = "; ".join(lines)
    return Example(input or str(case), printed(subject, code), f"{subject.code}; {code}")


def printed(subject: Subject, code: str) -> str:
    """What a line of Python about `criterion` prints, or the error that it raises."""
    output = io.StringIO()
    try:
        with redirect_stdout(output), catch_warnings():
            simplefilter("ignore")
            exec(code, {"criterion": subject.make()})
    except Exception as error:  # whatever a loss may raise
        return in_words(error)
    return output.getvalue().strip()


__all__ = ["example", "pair_code", "printed"]

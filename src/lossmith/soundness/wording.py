"""A certificate in sentences."""

from typing import get_args

from lossmith.core.errors import counted
from lossmith.soundness.certificate import Certificate, Status


def verdict(certificate: Certificate) -> str:
    """What is said of the loss, to be read after its name.

    >>> verdict(Certificate("l1", "distance", 1, (3,), ()))
    'is sound'
    """
    return f"has {counted(len(certificate.failures), 'fault')}" if certificate.failures else "is sound"


def tally(certificate: Certificate) -> str:
    """How many checks ended how, in a sentence.

    >>> from lossmith.soundness import Outcome
    >>> outcomes = [Outcome("a", "tools", status, "") for status in ("passed", "passed", "excused")]
    >>> tally(Certificate("lpips", "perceptual", 1, (3,), tuple(outcomes)))
    'Of 3 checks 2 passed; 1 is excused, since losses of the kind "perceptual" do not promise it.'
    >>> tally(Certificate("l1", "distance", 1, (3,), tuple(outcomes[:2])))
    'All 2 checks passed.'
    """
    total = counted(len(certificate.outcomes), "check")
    count = {status: sum(each.status == status for each in certificate.outcomes) for status in get_args(Status)}
    if count["passed"] == len(certificate.outcomes):
        return f"All {total} passed."
    parts = [f"Of {total} {count['passed']} passed"]
    if count["failed"]:
        parts.append(f"{count['failed']} failed")
    if excused := count["excused"]:
        verb, what = ("is", "it") if excused == 1 else ("are", "them")
        parts.append(
            f'{excused} {verb} excused, since losses of the kind "{certificate.kind}" do not promise {what}'
        )
    if count["not run"]:
        parts.append(f"{count['not run']} did not run")
    return "; ".join(parts) + "."


def summary(certificate: Certificate) -> str:
    """The outcome in some lines, failures first, each with the smallest input that shows it."""
    lines = [f"{certificate.loss} {verdict(certificate)}"]
    for outcome in certificate.failures:
        lines.append(f"  {outcome.check}: {outcome.says}")
        lines += [f"    {shown.input}: {' '.join(shown.answer.split())}" for shown in outcome.examples[:1]]
    return "\n".join([*lines, f"  {tally(certificate)}"])


def sentence(text: str) -> str:
    """A text with a capital letter and a full stop; what begins with code keeps its small letter.

    >>> sentence("the value is finite"), sentence("Does it pass?"), sentence("torch.compile gives another value")
    ('The value is finite.', 'Does it pass?', 'torch.compile gives another value.')
    """
    begin = text[:1].upper() if text.partition(" ")[0].strip(":,;").isalpha() else text[:1]
    return f"{begin}{text[1:]}{'' if text[-1:] in '.!?' else '.'}"


__all__ = ["sentence", "summary", "tally", "verdict"]

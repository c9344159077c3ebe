"""The page of a certificate: what is wrong with a loss, on which images, and what was measured of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lossmith.report.example_pictures import ExamplePicture, example_pictures
from lossmith.report.formatting import significant, typeset
from lossmith.report.soundness_charts import BOX, FRAME, inversion_chart, response_chart
from lossmith.report.templates import write_page
from lossmith.soundness import KINDS, Certificate, Example, Outcome, sentence, tally, verdict

STYLES = ("theme", "base", "charts", "certificate", "print")
SCRIPTS = ("copy",)
GROUPS = {
    "pictures": "On awkward pictures",
    "direction": "Whether a better picture costs less",
    "symmetry": "Whether order and orientation matter",
    "precision": "In other number formats and layouts",
    "manners": "What a call leaves behind",
    "tools": "With PyTorch's tools",
}
"""The headings of the groups of checks."""
MAX_EXAMPLES = 3
"""Shown of a fault."""


@dataclass(frozen=True)
class CertificateContents:
    """The content of the page."""

    certificate: Certificate
    questions: Mapping[str, str] = field(default_factory=dict)
    """What each check asks, by its name."""
    command: str = ""
    """What makes the page again."""


@dataclass(frozen=True)
class ShownExample:
    """An input that shows a fault, with its pictures where they can be drawn."""

    example: Example
    pictures: Sequence[ExamplePicture]


@dataclass(frozen=True)
class CostBar:
    """A cost beside that of L1; shares of the longer bar."""

    name: str
    value: str
    of_l1: str
    ratio: str
    share: float
    share_of_l1: float


def write_certificate(path: Path, contents: CertificateContents) -> None:
    """Write the page as a self-contained HTML file; all values are escaped.

    Raises LossmithError when the file cannot be written.
    """
    certificate, measured = contents.certificate, contents.certificate.measurements
    write_page(
        path,
        "certificate.html.j2",
        STYLES,
        SCRIPTS,
        contents=contents,
        certificate=certificate,
        kind=KINDS.get(certificate.kind),
        groups=GROUPS,
        failures=certificate.failures,
        examples={
            outcome.check: [
                ShownExample(example, example_pictures(example.code))
                for example in outcome.examples[:MAX_EXAMPLES]
            ]
            for outcome in certificate.outcomes
        },
        passed=_by_group(certificate, "passed"),
        excused=[outcome for outcome in certificate.outcomes if outcome.status == "excused"],
        not_run=[outcome for outcome in certificate.outcomes if outcome.status == "not run"],
        verdict=verdict(certificate),
        tally=tally(certificate),
        response=response_chart(measured.frequency_response) if measured.frequency_response else None,
        inversion=inversion_chart(measured.inversion) if measured.inversion else None,
        costs=cost_bars(certificate),
        channels=channels_in_words(certificate.channels),
        box=BOX,
        frame=FRAME,
        typeset=typeset,
        sentence=sentence,
    )


def channels_in_words(channels: Sequence[int]) -> str:
    """Numbers of channels that a loss takes.

    >>> channels_in_words((1, 2, 3, 4)), channels_in_words((3,)), channels_in_words((1, 3))
    ('any number', '3', '1 or 3')
    """
    return "any number" if tuple(channels) == (1, 2, 3, 4) else " or ".join(map(str, channels)) or "none"


def cost_bars(certificate: Certificate) -> list[CostBar]:
    """Time and memory beside L1's, where both were measured."""
    measured = certificate.measurements
    bars = []
    for name, unit, value, of_l1 in (
        ("Time, forward and backward", "ms", measured.milliseconds, measured.milliseconds_of_l1),
        ("Memory for the backward pass", "MB", measured.megabytes, measured.megabytes_of_l1),
    ):
        if value is not None and of_l1 is not None:
            longest = max(value, of_l1) or 1.0
            ratio = f"{significant(value / of_l1, 2)} × L1" if of_l1 else ""
            words = [f"{significant(number, 2)} {unit}" for number in (value, of_l1)]
            bars.append(CostBar(name, words[0], words[1], ratio, value / longest, of_l1 / longest))
    return bars


def _by_group(certificate: Certificate, status: str) -> dict[str, list[Outcome]]:
    """The outcomes of a status by the title of their group, in the order of the battery."""
    groups: dict[str, list[Outcome]] = {}
    for outcome in certificate.outcomes:
        if outcome.status == status:
            groups.setdefault(GROUPS.get(outcome.group, outcome.group), []).append(outcome)
    return groups


__all__ = ["CertificateContents", "write_certificate"]

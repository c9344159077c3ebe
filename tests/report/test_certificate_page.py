"""The page of a certificate."""

import math
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from lossmith.report.pages.certificate import CertificateContents, write_certificate
from lossmith.report.soundness_charts import FRAME, inversion_chart, response_chart
from lossmith.soundness import Certificate, Example, Measurements, Outcome

MADE_UP = "from lossmith import loss; criterion = loss('theirs:L<b>'); x, y = make(); print(criterion(x, y))"
OUTCOMES = (
    Outcome("finite value", "pictures", "passed", "It is finite.", inputs=100),
    Outcome(
        *("live gradient", "pictures", "failed", "The gradient is 0 where the images differ."),
        inputs=100,
        faults=7,
        examples=(Example("two <constants>", "value 0.36, gradient 0", MADE_UP),),
    ),
    Outcome("zero at identity", "pictures", "excused", "Equal images give 0.02.", inputs=9, faults=9),
    Outcome("several processes", "tools", "not run", "It cannot be sent to another process."),
)
MEASURED = Measurements(
    frequency_response={"gray": [0.02, 0.1, 0.5, 1, 3, 4, math.nan], "red to green": [0.0] * 7},
    inversion=[(10, 9.5), (100, 22.0), (500, math.inf)],
    milliseconds=12.0,
    milliseconds_of_l1=0.8,
    megabytes=40.0,
    megabytes_of_l1=0.8,
)
FAULTY = Certificate(
    "theirs:L<b>", "perceptual", 11, (1, 3), OUTCOMES, MEASURED, environment={"device": "CPU (x86_64)"}
)
SOUND = replace(FAULTY, loss="l1", outcomes=OUTCOMES[:1], measurements=Measurements())


def page_of(certificate: Certificate, folder: Path, **options: object) -> str:
    write_certificate(folder / "a.html", CertificateContents(certificate, **options))  # type: ignore[arg-type]
    return (folder / "a.html").read_text(encoding="utf-8")


def words(page: str) -> str:
    """What a reader sees, without the tags."""
    body = page[page.index("<body>") : page.index('<script type="module">')]
    return " ".join(re.sub("<[^>]+>", " ", body).split())


def assert_in_order(text: str, parts: Sequence[str]) -> None:
    for part in parts:
        _, found, text = text.partition(part)
        assert found, part


def test_the_page_opens_with_the_outcome_and_then_shows_what_failed_first(tmp_path: Path) -> None:
    text = words(
        page_of(FAULTY, tmp_path, questions={"live gradient": "Is there a slope?"}, command="lossmith go")
    )
    parts = (
        "has 1 fault.",
        "Of 4 checks",
        "What is wrong",
        "live gradient",
        "The gradient is 0",
        "7 of 100 inputs",
    )
    parts += ("Is there a slope?", "two &lt;constants&gt;", "value 0.36, gradient 0", "x, y = make()", "Copy")
    parts += ("What passed", "It is finite.", "not blamed for", "Equal images give 0.02.")
    parts += ("not checked", "cannot be sent to another process", "What was measured", "Frequency response")
    assert_in_order(text, [*parts, "Inversion", "Cost", "15 × L1", "Repeat it", "lossmith go", "CPU (x86_64)"])


def test_a_sound_loss_has_no_section_of_faults_and_what_was_not_measured_is_left_out(tmp_path: Path) -> None:
    text = words(page_of(SOUND, tmp_path))
    assert_in_order(text, ["l1", "is sound.", "All 1 check passed.", "What passed"])
    assert not [part for part in ("What is wrong", "not blamed", "not checked", "measured") if part in text]


def test_what_a_loss_is_called_never_becomes_markup(tmp_path: Path) -> None:
    page = page_of(FAULTY, tmp_path)
    assert "L<b>" not in page
    assert "theirs:L&lt;b&gt;" in page


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = page_of(FAULTY, tmp_path)
    assert not re.search(r'(?:src|href)="(?!data:|#)', page)
    assert len(page) < 60_000


def test_numbers_of_channels_are_said_in_words(tmp_path: Path) -> None:
    for channels, said in (
        ((1, 2, 3, 4), "Channels any number"),
        ((3,), "Channels 3"),
        ((1, 3), "Channels 1 or 3"),
    ):
        assert said in words(page_of(replace(SOUND, channels=channels), tmp_path))


def test_the_response_is_drawn_on_powers_of_ten_and_zero_at_the_bottom() -> None:
    chart = response_chart({"gray": [0.01, 0.1, 1, 10, 1, 1, math.nan], "red to green": [0.0] * 7})
    left, top, right, bottom = FRAME
    assert [label for _, label in chart.up] == ["0.01", "0.1", "1", "10"]
    gray, red = chart.lines
    heights = [y for _, y, _ in gray.dots]
    assert heights[:4] == pytest.approx([bottom - (bottom - top) * step / 3 for step in range(4)])
    assert len(heights) == 6  # the band that was not measured has no dot
    assert {y for _, y, _ in red.dots} == {bottom}
    assert all(left < x < right for x, _, _ in gray.dots)
    assert gray.dots[0][2] == "gray, 0 to 0.01: 0.01"


def test_the_inversion_is_drawn_over_logarithmic_steps_and_infinity_at_the_top() -> None:
    chart = inversion_chart([(1, -5.0), (10, 20.0), (100, math.inf)])
    (line,) = chart.lines
    (first, low, _), (middle, _, _), (last, high, words) = line.dots
    assert middle == pytest.approx((first + last) / 2)
    assert (high, words) == (FRAME[1], "after 100 steps: inf dB")
    assert [label for _, label in chart.up] == ["-10", "0", "10", "20", "30", "40"]
    assert low < FRAME[3]


def test_a_curve_of_one_look_is_a_dot() -> None:
    (line,) = inversion_chart([(10, 20.0)]).lines
    assert len(line.dots) == 1

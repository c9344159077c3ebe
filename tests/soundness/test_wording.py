"""A certificate in sentences."""

from lossmith.soundness import Certificate, Example, Outcome, summary, tally, verdict

OUTCOMES = (
    Outcome("finite value", "pictures", "passed", "the value is finite", inputs=100),
    Outcome(
        *("live gradient", "pictures", "failed", "the gradient is 0 where the images differ"),
        inputs=100,
        faults=7,
        examples=(Example("two constants", "0.36 0.0", "print(1)"), Example("noisy", "0.1 0.0", "print(2)")),
    ),
    Outcome("zero at identity", "pictures", "excused", "equal images give 0.02"),
    Outcome("several processes", "tools", "not run", "it cannot be sent to another process"),
)
FAULTY = Certificate("theirs:Loss", "perceptual", 11, (1, 3), OUTCOMES)
SOUND = Certificate("l1", "distance", 1, (3,), OUTCOMES[:1])


def test_the_verdict_counts_the_faults() -> None:
    assert (verdict(FAULTY), verdict(SOUND)) == ("has 1 fault", "is sound")


def test_the_tally_says_how_many_checks_ended_how() -> None:
    assert tally(FAULTY) == (
        'Of 4 checks 1 passed; 1 failed; 1 is excused, since losses of the kind "perceptual" do not promise it; '
        "1 did not run."
    )


def test_the_summary_tells_the_faults_first_each_with_the_first_example() -> None:
    assert summary(FAULTY).splitlines() == [
        "theirs:Loss has 1 fault",
        "  live gradient: the gradient is 0 where the images differ",
        "    two constants: 0.36 0.0",
        f"  {tally(FAULTY)}",
    ]
    assert summary(SOUND).splitlines() == ["l1 is sound", "  All 1 check passed."]

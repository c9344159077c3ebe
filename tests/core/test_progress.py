"""A plain line now and then, where the output is no terminal."""

import pytest

from lossmith.core.progress import PLAIN_EVERY, ProgressBar


class Clock:
    """Shows what it is told."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("lossmith.core.progress.time", clock)
    return clock


def test_a_bar_is_due_after_a_pause_and_at_the_end(clock: Clock) -> None:
    with ProgressBar() as bar:
        assert not bar.due(0.0)
        assert bar.due(1.0), "the end is always shown"
        clock.now += PLAIN_EVERY
        assert bar.due(0.5)
        bar.show("reading", 0.5, "")
        assert not bar.due(0.6), "it has just been shown"


def test_progress_lines_go_to_stderr_unchanged(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressBar() as bar:
        bar.show("l1 + 0.1*tv", 0.5, "step 3 [not markup]")
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err == "l1 + 0.1*tv   50%  step 3 [not markup]\n"

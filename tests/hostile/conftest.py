"""Prints the number of fuzzed inputs after the tests."""

import pytest

from .amounts import counts


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counts:
        terminalreporter.section("inputs fuzzed")
        for kind, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:6,}  {kind}")
        terminalreporter.write_line(f"{counts.total():6,}  in all")

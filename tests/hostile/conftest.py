"""Prints the number of fuzzed inputs after the tests."""

import pytest

from .amounts import counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counted:
        terminalreporter.section("inputs fuzzed")
        for kind, count in sorted(counted.items()):
            terminalreporter.write_line(f"{count:6,}  {kind}")
        terminalreporter.write_line(f"{counted.total():6,}  in all")

"""Says at the end how many inputs were fuzzed."""

import pytest

from .amounts import counted


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if counted:
        terminalreporter.section("inputs fuzzed")
        for what, count in sorted(counted.items()):
            terminalreporter.write_line(f"{count:6,}  {what}")
        terminalreporter.write_line(f"{counted.total():6,}  in all")

"""Which version is deployed over which, told at the end of the run with what the callers were answered."""

from __future__ import annotations

import pytest

from tests.upgrade.rollout import SEEN


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that a reader of the run wants to see, whether or not output is captured."""
    for line in SEEN:
        terminalreporter.write_line(line)

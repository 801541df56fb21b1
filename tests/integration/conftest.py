"""Fixtures shared by the integration tests."""

from __future__ import annotations

import pytest

from tests.integration.cluster import RECOVERIES
from tests.integration.live import cluster, spans
from tests.integration.pg import database, postgresql

__all__ = ["cluster", "database", "postgresql", "spans"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Figures that a reader of the run wants to see, whether or not output is captured."""
    for line in RECOVERIES:
        terminalreporter.write_line(line)

"""Fixtures shared by the integration tests."""

from __future__ import annotations

from tests.integration.live import cluster, spans
from tests.integration.pg import database, postgresql

__all__ = ["cluster", "database", "postgresql", "spans"]

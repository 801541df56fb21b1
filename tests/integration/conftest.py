"""Fixtures shared by the integration tests."""
from __future__ import annotations

from tests.integration.pg import database, postgresql

__all__ = ["database", "postgresql"]

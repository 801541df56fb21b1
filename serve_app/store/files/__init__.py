"""The file of a SQLite database: whether it is still the one that was opened, copies of it, and what is set aside."""

from __future__ import annotations

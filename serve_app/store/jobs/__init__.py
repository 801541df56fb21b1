"""The tables of jobs: rows, pages, details of one, search, figures, and JSON lines."""

from __future__ import annotations

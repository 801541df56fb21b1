"""The tables of jobs: rows, pages, search, figures, diagnoses, and JSON lines."""

from __future__ import annotations

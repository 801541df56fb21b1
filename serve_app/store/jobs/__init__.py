"""The tables of jobs: what their JSON holds, rows, pages, details of one, search, figures, and JSON lines."""

from __future__ import annotations

"""Benchmarks: this project beside the limit of Serve and beside what it replaces: ``python -m tests.bench``."""

from __future__ import annotations

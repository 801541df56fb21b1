"""Benchmarks: this project beside the limit of Serve and beside the shape that it replaces. ``python -m tests.bench``."""
from __future__ import annotations

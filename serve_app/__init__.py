"""SeedCore Serve: the Cognitive Organism Architecture as one Ray Serve application."""

from __future__ import annotations

__version__ = "0.1.0"

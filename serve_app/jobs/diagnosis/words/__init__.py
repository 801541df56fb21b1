"""A diagnosis told: as JSON, on a terminal, in sentences, by a model."""

from __future__ import annotations

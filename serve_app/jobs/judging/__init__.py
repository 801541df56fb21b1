"""What each job is, what became of it, and whether that was expected. Pure: no Ray, no clock, no store."""

from __future__ import annotations

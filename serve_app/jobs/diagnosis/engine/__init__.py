"""From sources to one cause: scan, clues, rank. Pure."""

from __future__ import annotations

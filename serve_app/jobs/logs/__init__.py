"""Logs of submissions: their last lines, following them, and the ends that are kept."""

from __future__ import annotations

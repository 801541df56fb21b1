"""Alerts: conditions that someone should know of, how long they have held, and who was told."""

from __future__ import annotations

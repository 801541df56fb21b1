"""Figures over time: how used the nodes are, and how fast and how well this API answers."""

from __future__ import annotations

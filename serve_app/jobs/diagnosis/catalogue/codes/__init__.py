"""The causes, one file for a group of them."""

from __future__ import annotations

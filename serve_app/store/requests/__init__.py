"""Requests that may be sent again, and what was answered to them."""

from __future__ import annotations

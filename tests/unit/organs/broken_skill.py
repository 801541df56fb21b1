"""A user's module that fails while it is imported."""

from __future__ import annotations

raise RuntimeError("it needs something that is not there")

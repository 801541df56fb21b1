"""Is a configuration acceptable? Told before anything is deployed."""

from __future__ import annotations

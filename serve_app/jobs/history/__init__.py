"""Jobs of this and of earlier sessions: recorded, read, paged, counted."""

from __future__ import annotations

"""What all queries have in common: how one is read, pages, and windows. Each model stands beside what answers it."""

from __future__ import annotations

"""What may be asked for by a query: one model for each, pages, and windows."""

from __future__ import annotations

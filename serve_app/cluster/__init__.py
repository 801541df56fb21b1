"""The way to Ray: its dashboard, handles of its Serve, its private names, the fields of its rows."""

from __future__ import annotations

"""Alembic's scripts, run by ``serve_app.store.migrate``; revisions are only ever added."""

from __future__ import annotations

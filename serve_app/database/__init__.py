"""``python -m serve_app.database``: the SQLite database of the home, its copies, and going back."""

from __future__ import annotations

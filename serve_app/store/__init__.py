"""What must outlive Ray: agents' state, memories, and the record of initializations, in SQLite or PostgreSQL."""

from __future__ import annotations

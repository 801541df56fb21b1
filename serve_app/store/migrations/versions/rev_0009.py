"""Where the head of a session listened, and requests that may be sent again."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Integer, Text
from sqlalchemy.types import TypeEngine

revision = "0009"
down_revision: str | None = "0008"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add a column and a table. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    op.add_column("sessions", Column("place", name, nullable=True))
    op.create_table(
        "requests",
        Column("key", name, primary_key=True),
        Column("digest", name, nullable=False),
        Column("status", Integer, nullable=True),
        Column("answer", Text, nullable=True),
        Column("begun_at", DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_requests_begun_at", "requests", ["begun_at"])

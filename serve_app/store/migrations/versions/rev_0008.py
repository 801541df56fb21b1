"""When running jobs last gave a sign of life."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Text
from sqlalchemy.types import TypeEngine

revision = "0008"
down_revision: str | None = "0007"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the table. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    op.create_table(
        "trails",
        Column("session", name, primary_key=True),
        Column("id", name, primary_key=True),
        Column("content", Text, nullable=False),
        Column("updated_at", DateTime(timezone=True), nullable=False),
    )

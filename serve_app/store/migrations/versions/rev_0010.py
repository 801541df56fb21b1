"""What alerts are told together, and receivers that are waited for."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Integer, Text
from sqlalchemy.types import TypeEngine

revision = "0010"
down_revision: str | None = "0009"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add two columns and the table. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    op.add_column("alerts", Column("reason", Text, nullable=True))
    op.add_column("alerts", Column("told", Text, nullable=True))
    op.create_table(
        "receivers",
        Column("name", name, primary_key=True),
        Column("failures", Integer, nullable=False),
        Column("failing_since", DateTime(timezone=True), nullable=False),
        Column("next_at", DateTime(timezone=True), nullable=False),
        Column("last_error", Text, nullable=False),
        Column("code", Text, nullable=False),
    )

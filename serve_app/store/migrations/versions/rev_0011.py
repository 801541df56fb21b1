"""The settings that each deployment accepted last, and what it refused since."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Text
from sqlalchemy.types import TypeEngine

revision = "0011"
down_revision: str | None = "0010"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the table. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    op.create_table(
        "settings",
        Column("application", name, primary_key=True),
        Column("deployment", name, primary_key=True),
        Column("content", Text, nullable=True),
        Column("kept_at", DateTime(timezone=True), nullable=True),
        Column("refused", Text, nullable=True),
        Column("refused_at", DateTime(timezone=True), nullable=True),
    )

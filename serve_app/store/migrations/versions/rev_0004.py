"""Figures over time: samples."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, DateTime, Integer, PrimaryKeyConstraint, Text
from sqlalchemy.types import TypeEngine

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create the table. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    op.create_table(
        "samples",
        Column("series", name, nullable=False),
        Column("label", name, nullable=False),
        Column("width_s", Integer, nullable=False, autoincrement=False),
        Column("starts_at", DateTime(timezone=True), nullable=False),
        Column("payload", Text, nullable=False),
        PrimaryKeyConstraint("series", "label", "width_s", "starts_at", name="pk_samples"),
    )
    op.create_index("ix_samples_starts_at", "samples", ["starts_at"])

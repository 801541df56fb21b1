"""Why jobs failed: the diagnosis beside each job."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Text
from sqlalchemy.types import TypeEngine

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Add the columns. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    op.add_column("jobs", Column("code", name, nullable=True))
    op.add_column("jobs", Column("diagnosis", Text, nullable=True))

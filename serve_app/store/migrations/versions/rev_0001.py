"""The first tables: agents, memories, initializations and their steps, heartbeats."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create them. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    time = DateTime(timezone=True)
    op.create_table(
        "agents",
        Column("agent_id", name, nullable=False),
        Column("organ_id", name, nullable=False),
        Column("epoch", BigInteger, nullable=False),
        Column("owner", name, nullable=False),
        Column("state", Text),
        Column("updated_at", time, nullable=False),
        _primary_key("agents", "agent_id"),
    )
    op.create_index("ix_agents_organ_id", "agents", ["organ_id"])
    op.create_table(
        "memories",
        Column("key", name, nullable=False),
        Column("value", Text, nullable=False),
        Column("tags", name, nullable=False),
        Column("agent_id", name),
        Column("revision", BigInteger, nullable=False),
        Column("searchable", Text, nullable=False),
        Column("created_at", time, nullable=False),
        Column("updated_at", time, nullable=False),
        _primary_key("memories", "key"),
    )
    op.create_index("ix_memories_newest", "memories", [text("updated_at DESC"), "key"])
    op.create_table(
        "initializations",
        Column("submission_id", name, nullable=False),
        Column("number", Integer, nullable=False),
        Column("config_hash", name, nullable=False),
        Column("state", name, nullable=False),
        Column("sentence", Text),
        Column("started_at", time, nullable=False),
        Column("ended_at", time),
        _primary_key("initializations", "submission_id"),
        UniqueConstraint("number", name="uq_initializations_number"),
    )
    op.create_index("ix_initializations_config_hash", "initializations", ["config_hash"])
    op.create_table(
        "initialization_steps",
        Column("config_hash", name, nullable=False),
        Column("organ_id", name, nullable=False),
        Column("submission_id", name, nullable=False),
        Column("agent_ids", Text, nullable=False),
        Column("self_test", Text, nullable=False),
        Column("done_at", time, nullable=False),
        _primary_key("initialization_steps", "config_hash", "organ_id"),
        ForeignKeyConstraint(
            ["submission_id"], ["initializations.submission_id"], name="fk_initialization_steps_submission_id"
        ),
    )
    op.create_table(
        "heartbeats",
        Column("name", name, nullable=False),
        Column("beat_at", time, nullable=False),
        _primary_key("heartbeats", "name"),
    )


def _primary_key(table: str, *columns: str) -> PrimaryKeyConstraint:
    return PrimaryKeyConstraint(*columns, name=f"pk_{table}")

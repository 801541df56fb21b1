"""The tables of the store, the same on SQLite and PostgreSQL.

A change here needs a revision in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import BigInteger, Column, DateTime, Dialect, ForeignKey, Index, Integer, MetaData, Table, Text
from sqlalchemy.types import TypeDecorator, TypeEngine


class UtcTime(TypeDecorator[datetime]):
    """An aware time: ``timestamptz`` in PostgreSQL; in SQLite, which has no zones, UTC text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


def name_type() -> TypeEngine[str]:
    """Text that sorts by code point on both databases; PostgreSQL would follow the locale of its cluster."""
    return Text().with_variant(Text(collation="C"), "postgresql")


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

agents = Table(
    "agents",
    metadata,
    Column("agent_id", name_type(), primary_key=True),
    Column("organ_id", name_type(), nullable=False, index=True),
    # How many replicas have claimed this agent; only the newest claim may write.
    Column("epoch", BigInteger, nullable=False),
    Column("owner", name_type(), nullable=False),
    Column("state", Text, nullable=True),
    Column("updated_at", UtcTime, nullable=False),
)

memories = Table(
    "memories",
    metadata,
    Column("key", name_type(), primary_key=True),
    Column("value", Text, nullable=False),
    # Each tag between line ends, so that one substring test finds a whole tag.
    Column("tags", name_type(), nullable=False),
    Column("agent_id", name_type(), nullable=True),
    Column("revision", BigInteger, nullable=False),
    Column("searchable", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
Index("ix_memories_newest", memories.c.updated_at.desc(), memories.c.key)

initializations = Table(
    "initializations",
    metadata,
    Column("submission_id", name_type(), primary_key=True),
    # Order of the runs: clocks of different nodes are no order.
    Column("number", Integer, nullable=False, unique=True),
    Column("config_hash", name_type(), nullable=False, index=True),
    Column("state", name_type(), nullable=False),
    Column("sentence", Text, nullable=True),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=True),
)

initialization_steps = Table(
    "initialization_steps",
    metadata,
    Column("config_hash", name_type(), primary_key=True),
    Column("organ_id", name_type(), primary_key=True),
    Column("submission_id", name_type(), ForeignKey("initializations.submission_id"), nullable=False),
    Column("agent_ids", Text, nullable=False),
    Column("self_test", Text, nullable=False),
    Column("done_at", UtcTime, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", name_type(), primary_key=True),
    Column("beat_at", UtcTime, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("series", name_type(), primary_key=True),
    Column("label", name_type(), primary_key=True),
    # Length of the bucket: minutes are later replaced by half hours.
    Column("width_s", Integer, primary_key=True, autoincrement=False),
    Column("starts_at", UtcTime, primary_key=True, index=True),
    Column("payload", Text, nullable=False),
)


def rfc3339(time: datetime) -> str:
    """A time as it leaves the store: RFC 3339, UTC."""
    return time.astimezone(UTC).isoformat()

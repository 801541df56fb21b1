"""The tables of the store, the same on SQLite and PostgreSQL.

A change here needs a revision in ``migrations/versions``; a test compares the two.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Double,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
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
        # asyncpg keeps the first and the last moment of the calendar as infinities, which come back without a zone.
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def build_name_type() -> TypeEngine[str]:
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
    Column("agent_id", build_name_type(), primary_key=True),
    Column("organ_id", build_name_type(), nullable=False, index=True),
    # How many replicas have claimed this agent; only the newest claim may write.
    Column("epoch", BigInteger, nullable=False),
    Column("owner", build_name_type(), nullable=False),
    Column("state", Text, nullable=True),
    Column("updated_at", UtcTime, nullable=False),
)

memories = Table(
    "memories",
    metadata,
    Column("key", build_name_type(), primary_key=True),
    Column("value", Text, nullable=False),
    # Each tag between line ends, so that one substring test finds a whole tag.
    Column("tags", build_name_type(), nullable=False),
    Column("agent_id", build_name_type(), nullable=True),
    Column("revision", BigInteger, nullable=False),
    Column("searchable", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
Index("ix_memories_newest", memories.c.updated_at.desc(), memories.c.key)

initializations = Table(
    "initializations",
    metadata,
    Column("submission_id", build_name_type(), primary_key=True),
    # Order of the runs: clocks of different nodes are no order.
    Column("number", Integer, nullable=False, unique=True),
    Column("config_hash", build_name_type(), nullable=False, index=True),
    Column("state", build_name_type(), nullable=False),
    Column("sentence", Text, nullable=True),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=True),
)

initialization_steps = Table(
    "initialization_steps",
    metadata,
    Column("config_hash", build_name_type(), primary_key=True),
    Column("organ_id", build_name_type(), primary_key=True),
    Column("submission_id", build_name_type(), ForeignKey("initializations.submission_id"), nullable=False),
    Column("agent_ids", Text, nullable=False),
    Column("self_test", Text, nullable=False),
    Column("done_at", UtcTime, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", build_name_type(), primary_key=True),
    # The same for the same thing going wrong again.
    Column("fingerprint", build_name_type(), nullable=False),
    Column("rule", build_name_type(), nullable=False),
    Column("subject", build_name_type(), nullable=False),
    # The same as facts, by which it is joined: what it is about, its name, and of a job the session it belongs to.
    Column("subject_type", build_name_type(), nullable=True),
    Column("subject_id", build_name_type(), nullable=True),
    Column("session", build_name_type(), nullable=True),
    Column("severity", build_name_type(), nullable=False),
    Column("state", build_name_type(), nullable=False, index=True),
    Column("sentence", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("value", Double, nullable=True),
    Column("threshold", Double, nullable=True),
    Column("pending_since", UtcTime, nullable=False),
    Column("firing_since", UtcTime, nullable=True),
    Column("clear_since", UtcTime, nullable=True),
    Column("resolved_at", UtcTime, nullable=True),
    Column("notified", Boolean, nullable=False),
    Column("silenced_by", Text, nullable=True),
    # By what it is told together with others, and in which message it was told (JSON).
    Column("reason", Text, nullable=True),
    Column("told", Text, nullable=True),
)
Index("ix_alerts_newest", alerts.c.firing_since.desc(), alerts.c.id.desc())

notifications = Table(
    "notifications",
    metadata,
    Column("id", build_name_type(), primary_key=True),
    Column("alert_id", build_name_type(), ForeignKey("alerts.id"), nullable=False, index=True),
    Column("webhook", build_name_type(), nullable=False),
    Column("payload", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    # None when it was delivered or given up.
    Column("next_at", UtcTime, nullable=True),
    Column("delivered_at", UtcTime, nullable=True),
    Column("given_up_at", UtcTime, nullable=True),
    Column("last_error", Text, nullable=True),
)
Index("ix_notifications_due", notifications.c.webhook, notifications.c.next_at)

receivers = Table(
    "receivers",
    metadata,
    # A webhook that fails: how often in a row, since when, and when it is tried again.
    Column("name", build_name_type(), primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("failing_since", UtcTime, nullable=False),
    Column("next_at", UtcTime, nullable=False),
    Column("last_error", Text, nullable=False),
    Column("code", Text, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", build_name_type(), primary_key=True),
    Column("beat_at", UtcTime, nullable=False),
)

sessions = Table(
    "sessions",
    metadata,
    # Ray's name for one life of a cluster; job ids begin anew with each.
    Column("session", build_name_type(), primary_key=True),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False, index=True),
    # When its open jobs were declared lost because nobody had seen it for long.
    Column("closed_at", UtcTime, nullable=True),
    # On which machine its head listens, and where; None where an older inspector did not tell.
    Column("place", build_name_type(), nullable=True),
)

jobs = Table(
    "jobs",
    metadata,
    # Session and id, and of a submission when it was submitted (``job_names.build_key``).
    Column("key", build_name_type(), primary_key=True),
    Column("session", build_name_type(), nullable=False),
    Column("id", build_name_type(), nullable=False, index=True),
    Column("job_id", build_name_type(), nullable=True, index=True),
    Column("submission_id", build_name_type(), nullable=True),
    Column("kind", build_name_type(), nullable=False),
    Column("series", build_name_type(), nullable=False),
    Column("status", build_name_type(), nullable=False),
    Column("outcome", build_name_type(), nullable=False),
    Column("verdict", build_name_type(), nullable=False),
    Column("rule", build_name_type(), nullable=False),
    # Why it failed, in a word that can be counted; None when it did not.
    Column("cause", build_name_type(), nullable=True),
    # The order of lists: microseconds since 1970, -1 for not known, and the name that travels in cursors.
    Column("started_us", BigInteger, nullable=False),
    Column("name", build_name_type(), nullable=False),
    Column("ended_us", BigInteger, nullable=True),
    Column("duration_s", Float, nullable=True),
    # What Ray said of the end of a submission; None where it said nothing, or nobody had kept it.
    Column("error_type", build_name_type(), nullable=True),
    Column("exit_code", BigInteger, nullable=True),
    Column("content", Text, nullable=False),
    Column("searchable", Text, nullable=False),
    Column("log_excerpt", Text, nullable=True),
    # What its diagnosis says, and its code, which is counted; None until it was made.
    Column("code", build_name_type(), nullable=True),
    Column("diagnosis", Text, nullable=True),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)
# One index for the list, and one for the list under each filter: a page costs the same however long the history is.
_AND_KIND = ((jobs.c.kind, jobs.c.outcome), (jobs.c.kind, jobs.c.verdict))
for _filter in ((), (jobs.c.kind,), (jobs.c.status,), (jobs.c.outcome,), (jobs.c.verdict,), *_AND_KIND):
    _name = "_".join(["ix_jobs_newest", *(column.name for column in _filter)])
    Index(_name, *_filter, jobs.c.started_us, jobs.c.name)
Index("ix_jobs_series", jobs.c.series, jobs.c.ended_us)
Index("ix_jobs_ended", jobs.c.ended_us)
Index("ix_jobs_session", jobs.c.session, jobs.c.outcome)

job_transitions = Table(
    "job_transitions",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("key", build_name_type(), nullable=False, index=True),
    Column("at", UtcTime, nullable=False),
    Column("status", build_name_type(), nullable=False),
    Column("outcome", build_name_type(), nullable=False),
    Column("verdict", build_name_type(), nullable=False),
    Column("rule", build_name_type(), nullable=False),
    Column("reason", Text, nullable=False),
)

samples = Table(
    "samples",
    metadata,
    Column("series", build_name_type(), primary_key=True),
    Column("label", build_name_type(), primary_key=True),
    # Length of the bucket: minutes are later replaced by half hours.
    Column("width_s", Integer, primary_key=True, autoincrement=False),
    Column("starts_at", UtcTime, primary_key=True, index=True),
    Column("payload", Text, nullable=False),
)

requests = Table(
    "requests",
    metadata,
    # Of whom, to which route, and the ``Idempotency-Key``, as a digest.
    Column("key", build_name_type(), primary_key=True),
    # Of the body: another body under the same key is another request.
    Column("digest", build_name_type(), nullable=False),
    # None while it is at work, or when nobody knows how it ended.
    Column("status", Integer, nullable=True),
    Column("answer", Text, nullable=True),
    Column("begun_at", UtcTime, nullable=False, index=True),
)

trails = Table(
    "trails",
    metadata,
    Column("session", build_name_type(), primary_key=True),
    # Of the job's row.
    Column("id", build_name_type(), primary_key=True),
    Column("content", Text, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

settings = Table(
    "settings",
    metadata,
    Column("application", build_name_type(), primary_key=True),
    Column("deployment", build_name_type(), primary_key=True),
    # What was accepted last; None where nothing ever was.
    Column("content", Text, nullable=True),
    Column("kept_at", UtcTime, nullable=True),
    # What was refused since, redacted; None where what is deployed is in force.
    Column("refused", Text, nullable=True),
    Column("refused_at", UtcTime, nullable=True),
)

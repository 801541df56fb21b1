"""The history of jobs: sessions, jobs, and their transitions."""

from __future__ import annotations

from alembic import op
from sqlalchemy import BigInteger, Column, DateTime, Float, Integer, PrimaryKeyConstraint, Text
from sqlalchemy.types import TypeEngine

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create them. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    time = DateTime(timezone=True)
    op.create_table(
        "sessions",
        Column("session", name, nullable=False),
        Column("first_seen_at", time, nullable=False),
        Column("last_seen_at", time, nullable=False),
        Column("closed_at", time),
        PrimaryKeyConstraint("session", name="pk_sessions"),
    )
    op.create_index("ix_sessions_last_seen_at", "sessions", ["last_seen_at"])
    op.create_table(
        "jobs",
        Column("key", name, nullable=False),
        Column("session", name, nullable=False),
        Column("id", name, nullable=False),
        Column("job_id", name),
        Column("submission_id", name),
        Column("kind", name, nullable=False),
        Column("series", name, nullable=False),
        Column("status", name, nullable=False),
        Column("outcome", name, nullable=False),
        Column("verdict", name, nullable=False),
        Column("rule", name, nullable=False),
        Column("cause", name),
        Column("started_us", BigInteger, nullable=False),
        Column("name", name, nullable=False),
        Column("ended_us", BigInteger),
        Column("duration_s", Float),
        Column("content", Text, nullable=False),
        Column("searchable", Text, nullable=False),
        Column("log_excerpt", Text),
        Column("first_seen_at", time, nullable=False),
        Column("updated_at", time, nullable=False),
        PrimaryKeyConstraint("key", name="pk_jobs"),
    )
    op.create_index("ix_jobs_id", "jobs", ["id"])
    op.create_index("ix_jobs_job_id", "jobs", ["job_id"])
    for columns in ([], ["kind"], ["status"], ["outcome"], ["verdict"], ["kind", "outcome"], ["kind", "verdict"]):
        op.create_index("_".join(["ix_jobs_newest", *columns]), "jobs", [*columns, "started_us", "name"])
    op.create_index("ix_jobs_series", "jobs", ["series", "ended_us"])
    op.create_index("ix_jobs_ended", "jobs", ["ended_us"])
    op.create_index("ix_jobs_session", "jobs", ["session", "outcome"])
    op.create_table(
        "job_transitions",
        Column("number", Integer, nullable=False),
        Column("key", name, nullable=False),
        Column("at", time, nullable=False),
        Column("status", name, nullable=False),
        Column("outcome", name, nullable=False),
        Column("verdict", name, nullable=False),
        Column("rule", name, nullable=False),
        Column("reason", Text, nullable=False),
        PrimaryKeyConstraint("number", name="pk_job_transitions"),
    )
    op.create_index("ix_job_transitions_key", "job_transitions", ["key"])

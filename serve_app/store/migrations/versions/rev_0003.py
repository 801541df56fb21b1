"""Alerts with their history, and the outbox of what webhooks are told."""

from __future__ import annotations

from alembic import op
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Integer,
    PrimaryKeyConstraint,
    Text,
    text,
)
from sqlalchemy.types import TypeEngine

revision = "0003"
down_revision: str | None = "0002"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create them. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    time = DateTime(timezone=True)
    op.create_table(
        "alerts",
        Column("id", name, nullable=False),
        Column("fingerprint", name, nullable=False),
        Column("rule", name, nullable=False),
        Column("subject", name, nullable=False),
        Column("severity", name, nullable=False),
        Column("state", name, nullable=False),
        Column("sentence", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("value", Double),
        Column("threshold", Double),
        Column("pending_since", time, nullable=False),
        Column("firing_since", time),
        Column("clear_since", time),
        Column("resolved_at", time),
        Column("notified", Boolean, nullable=False),
        Column("silenced_by", Text),
        PrimaryKeyConstraint("id", name="pk_alerts"),
    )
    op.create_index("ix_alerts_state", "alerts", ["state"])
    op.create_index("ix_alerts_newest", "alerts", [text("firing_since DESC"), text("id DESC")])
    op.create_table(
        "notifications",
        Column("id", name, nullable=False),
        Column("alert_id", name, nullable=False),
        Column("webhook", name, nullable=False),
        Column("payload", Text, nullable=False),
        Column("created_at", time, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("next_at", time),
        Column("delivered_at", time),
        Column("given_up_at", time),
        Column("last_error", Text),
        PrimaryKeyConstraint("id", name="pk_notifications"),
        ForeignKeyConstraint(["alert_id"], ["alerts.id"], name="fk_notifications_alert_id"),
    )
    op.create_index("ix_notifications_alert_id", "notifications", ["alert_id"])
    op.create_index("ix_notifications_due", "notifications", ["webhook", "next_at"])

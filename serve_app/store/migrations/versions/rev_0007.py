"""Facts that were sentences: how a submission ended, and what an alert is about.

They are read once, and only as they were when nothing but sentences was kept. What cannot be read stays null: it was
not kept.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeAlias

from alembic import op
from sqlalchemy import BigInteger, Column, Connection, Text, bindparam, column, func, select, table, text, update
from sqlalchemy.types import TypeEngine

from organs.times import format_time
from serve_app.store.migrations.sentences import NOTHING, Ending, read_ending

revision = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None

Report: TypeAlias = Callable[[str], None]

# So many jobs are read and written at a time: some megabytes.
_BATCH = 1_000
_jobs = table("jobs", column("key"), column("content"), column("error_type"), column("exit_code"))
# The subjects of alerts, by their rules: a word before a name, or a name alone.
_SUBJECTS = (
    ("job", "job ", ("stuck-job", "past-deadline", "leftover-actors")),
    ("kind", "kind ", ("missing-job",)),
    ("node", "", ("cpu-high", "memory-high")),
    ("organ", "", ("organ-not-responding",)),
)
_CUT_CHARS = 200
_ALERT_TIMES = ("pending_since", "firing_since", "resolved_at")
_WITHOUT_NAME = (("cluster", "job-failure-rate"), ("api", "api-slow"))


def upgrade() -> None:
    """Add the columns and fill them. Types are written out: a revision must not change when ``tables`` does."""
    name: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
    connection = op.get_bind()
    report = _find_report()
    usual = _usual_ending(connection, report) if connection.dialect.name == "postgresql" else NOTHING
    error_type, exit_code = (None if value is None else str(value) for value in usual)
    op.add_column("jobs", Column("error_type", name, nullable=True, server_default=error_type))
    op.add_column("jobs", Column("exit_code", BigInteger, nullable=True, server_default=exit_code))
    if usual != NOTHING:
        op.alter_column("jobs", "error_type", server_default=None)
        op.alter_column("jobs", "exit_code", server_default=None)
    _fill_jobs(connection, usual, report)
    for each in ("subject_type", "subject_id", "session"):
        op.add_column("alerts", Column(each, name, nullable=True))
    _fill_alerts(connection)
    _format_outbox(connection)


def _find_report() -> Report:
    """What takes the word on how far it is; who gives none has no limit either."""
    config = op.get_context().config
    report: Report = (lambda done: None) if config is None else config.attributes.get("report", lambda done: None)
    return report


def _usual_ending(connection: Connection, report: Report) -> Ending:
    """The most frequent ending. PostgreSQL gives it to all jobs at once, as the default of a new column, and only the
    others are written: each of them anew into every index, the one of searching included, a millisecond a job.
    """
    endings = Counter(ending for read in _read(connection, "read", report) for _, ending in read)
    return max(endings, key=endings.__getitem__, default=NOTHING)


def _fill_jobs(connection: Connection, usual: Ending, report: Report) -> None:
    """Whatever differs from ``usual``. While it is written, the index of searching gathers what is new in it, which
    takes half the time; searches would pay for what stays gathered, so that is entered in the end.
    """
    gathers = connection.dialect.name == "postgresql"
    if gathers:
        connection.exec_driver_sql("ALTER INDEX ix_jobs_search SET (fastupdate = on)")
    one = update(_jobs).where(_jobs.c.key == bindparam("of"))
    one = one.values(error_type=bindparam("type"), exit_code=bindparam("code"))
    for read in _read(connection, "filled", report):
        values = [{"of": key, "type": ending[0], "code": ending[1]} for key, ending in read if ending != usual]
        if values:
            connection.execute(one, values)
    if gathers:
        connection.exec_driver_sql("SELECT gin_clean_pending_list('ix_jobs_search')")
        connection.exec_driver_sql("ALTER INDEX ix_jobs_search SET (fastupdate = off)")


def _read(connection: Connection, what: str, report: Report) -> Iterator[list[tuple[str, Ending]]]:
    """The endings of all jobs by their keys, ``_BATCH`` at a time; each is reported when it has been dealt with."""
    total, done = connection.execute(select(func.count()).select_from(_jobs)).scalar(), 0
    report(f"the endings of {total} jobs are to be {what}")
    page = select(_jobs.c.key, _jobs.c.content).order_by(_jobs.c.key).limit(_BATCH)
    after = ""
    while rows := connection.execute(page.where(_jobs.c.key > after)).all():
        yield [(row.key, read_ending(row.content)) for row in rows]
        after, done = rows[-1].key, done + len(rows)
        report(f"the endings of {done} of {total} jobs are {what}")


def _fill_alerts(connection: Connection) -> None:
    """A subject was cut at ``_CUT_CHARS``: of one that is so long nobody knows whether the name in it is whole."""
    for subject_type, word, rules in _SUBJECTS:
        statement = text(
            "UPDATE alerts SET subject_type = :type, subject_id = substr(subject, :begin) "
            "WHERE rule IN :rules AND substr(subject, 1, :chars) = :word AND length(subject) < :cut"
        ).bindparams(bindparam("rules", expanding=True))
        values = {"type": subject_type, "begin": len(word) + 1, "chars": len(word), "word": word, "rules": rules}
        connection.execute(statement, {**values, "cut": _CUT_CHARS})
    for subject_type, rule in _WITHOUT_NAME:
        connection.execute(
            text("UPDATE alerts SET subject_type = :type WHERE rule = :rule"), {"type": subject_type, "rule": rule}
        )


def _format_outbox(connection: Connection) -> None:
    """What waits to be told has its times in the one form, too; of what was told nobody reads them again."""
    notifications = table("notifications", column("id"), column("payload"), column("next_at"))
    waiting = select(notifications.c.id, notifications.c.payload).where(notifications.c.next_at.is_not(None))
    for id, payload in connection.execute(waiting).all():
        try:
            told = json.loads(payload)
            for part, names in ((told, ("at",)), (told["alert"], _ALERT_TIMES)):
                part.update({name: format_time(datetime.fromisoformat(part[name])) for name in names if part.get(name)})
        except (ValueError, OverflowError, TypeError, KeyError, AttributeError, RecursionError):
            # Not as we tell it: whoever wrote it knows why, and it is told as it is.
            continue
        change = update(notifications).where(notifications.c.id == id)
        connection.execute(change.values(payload=json.dumps(told, separators=(",", ":"))))

"""Alerts and the outbox of what webhooks are told: written together, so that nothing that happened goes untold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, delete, exists, func, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from organs.times import format_exactly, parse_exactly
from serve_app.errors import InvalidInput
from serve_app.store.bounds import MAX_ID_CHARS, encode, make_storable, require_limit, require_name
from serve_app.store.dialect import insert
from serve_app.store.tables import alerts, notifications, receivers

MAX_ALERTS = 500
MAX_NOTIFICATIONS = 20_000
MAX_PAYLOAD_BYTES = 65_536
MAX_SENTENCE_CHARS = 2_000
# One deletion must not hold the writer for long; the next time goes on.
_PRUNED_AT_ONCE = 5_000

_NAMES = ("id", "fingerprint", "rule", "subject", "severity", "state")
_TEXTS = ("sentence", "action", "silenced_by")
_TIMES = ("pending_since", "firing_since", "clear_since", "resolved_at")
_PLAIN = ("value", "threshold", "notified")
# Facts of the subject; None in what was written before there were any.
_FACTS = ("subject_type", "subject_id", "session", "reason")
MAX_TOLD_BYTES = 8_192
MAX_RECEIVERS = 100
# Beyond that of ``alerts.receivers.compute_pause``.
_LONGEST_PAUSE = timedelta(hours=1)


async def list_active(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Alerts that are not resolved, as ``Alert.to_json`` has them, the oldest first, at most 1000."""
    waiting = select(alerts).where(alerts.c.state != "resolved").order_by(alerts.c.pending_since, alerts.c.id)
    return [_read_alert(row) for row in (await connection.execute(waiting.limit(2 * MAX_ALERTS))).mappings()]


async def apply(
    connection: AsyncConnection,
    now: datetime,
    changed: Sequence[Mapping[str, Any]],
    dropped: Sequence[str],
    outbox: Sequence[Mapping[str, Any]],
) -> None:
    """Write alerts, forget those (by id) that never fired, and put notifications into the outbox: all of it or nothing.

    Again is the same.
    """
    if len(changed) + len(dropped) > MAX_ALERTS or len(outbox) > MAX_NOTIFICATIONS:
        raise InvalidInput(f"at most {MAX_ALERTS} alerts and {MAX_NOTIFICATIONS} notifications are written at once.")
    if changed:
        statement = insert(connection, alerts)
        names = (*_NAMES, *_TEXTS, *_TIMES, *_PLAIN, *_FACTS, "told")
        values = {name: statement.excluded[name] for name in names if name != "id"}
        upsert = statement.on_conflict_do_update(index_elements=["id"], set_=values)
        await connection.execute(upsert, [_build_alert_values(alert) for alert in _sort_by_id(changed)])
    if dropped:
        unfired = alerts.c.id.in_(list(dropped)) & alerts.c.firing_since.is_(None)
        await connection.execute(delete(alerts).where(unfired))
    if outbox:
        new = insert(connection, notifications).on_conflict_do_nothing(index_elements=["id"])
        await connection.execute(new, [_build_notification_values(row, now) for row in _sort_by_id(outbox)])


async def list_due(connection: AsyncConnection, now: datetime, webhook: str, limit: int) -> list[dict[str, Any]]:
    """What a webhook shall be told now: ``id, alert_id, payload, created_at, attempts``; what was tried least comes
    first, so that one that it never takes holds up no other, and of these the oldest.

    What is told of one message comes in its order: that it is over waits until that it fires was told.
    """
    earlier = notifications.alias()
    first = exists().where(
        earlier.c.alert_id == notifications.c.alert_id,
        earlier.c.webhook == notifications.c.webhook,
        earlier.c.next_at.is_not(None),
        earlier.c.created_at < notifications.c.created_at,
    )
    # What is said to be due later than any pause is long was so before the clock was set back.
    is_due = or_(notifications.c.next_at <= now, notifications.c.next_at > now + _LONGEST_PAUSE)
    statement = (
        select(notifications)
        .where(notifications.c.webhook == require_name("webhook", webhook), is_due, ~first)
        .order_by(notifications.c.attempts, notifications.c.created_at, notifications.c.id)
        .limit(require_limit(limit))
    )
    return [
        {
            "id": row["id"],
            "alert_id": row["alert_id"],
            "payload": json.loads(row["payload"]),
            "created_at": format_exactly(row["created_at"]),
            "attempts": row["attempts"],
        }
        for row in (await connection.execute(statement)).mappings()
    ]


async def record_delivered(connection: AsyncConnection, now: datetime, notification_id: str) -> None:
    """Record that a notification arrived; it is not due again."""
    values = {"attempts": notifications.c.attempts + 1, "delivered_at": now, "next_at": None, "last_error": None}
    await connection.execute(update(notifications).where(_match_waiting(notification_id)).values(values))


async def record_failed(
    connection: AsyncConnection, now: datetime, notification_id: str, error: str, next_at: str | None
) -> None:
    """Record a failed attempt, and when the next is due, as RFC 3339; None gives it up."""
    values = {
        "attempts": notifications.c.attempts + 1,
        "last_error": make_storable(error, MAX_SENTENCE_CHARS),
        "next_at": parse_exactly(next_at),
        "given_up_at": now if next_at is None else None,
    }
    await connection.execute(update(notifications).where(_match_waiting(notification_id)).values(values))


async def list_receivers(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Webhooks that fail: ``name, failures, failing_since, next_at, last_error, code``, at most 100."""
    rows = await connection.execute(select(receivers).order_by(receivers.c.name).limit(MAX_RECEIVERS))
    return [
        {**row, "failing_since": format_exactly(row["failing_since"]), "next_at": format_exactly(row["next_at"])}
        for row in rows.mappings()
    ]


async def save_receiver(
    connection: AsyncConnection, now: datetime, name: str, trouble: Mapping[str, Any] | None
) -> None:
    """Keep what ``list_receivers`` tells of a webhook that fails; None: it takes what it is told again.

    Again is the same, whenever that is: ``now`` plays no part.
    """
    name = require_name("name", name)
    if trouble is None:
        await connection.execute(delete(receivers).where(receivers.c.name == name))
        return
    values = {
        "failures": int(trouble["failures"]),
        "failing_since": parse_exactly(trouble["failing_since"]),
        "next_at": parse_exactly(trouble["next_at"]),
        "last_error": make_storable(trouble["last_error"], MAX_SENTENCE_CHARS),
        "code": make_storable(trouble["code"], MAX_ID_CHARS),
    }
    new = insert(connection, receivers).values(name=name, **values)
    await connection.execute(new.on_conflict_do_update(index_elements=["name"], set_=values))


async def list_history(connection: AsyncConnection, query: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Alerts that fired, the newest first: ``rule, state, severity, since`` (fired at or after), ``before`` (a time and
    an id, after which the page begins), ``limit``. One row more than ``limit`` tells that there are more.
    """
    wanted: list[ColumnElement[bool]] = [alerts.c.firing_since.is_not(None)]
    wanted += [alerts.c[name] == query[name] for name in ("rule", "state", "severity") if query.get(name)]
    if query.get("since"):
        wanted.append(alerts.c.firing_since >= datetime.fromisoformat(query["since"]))
    if query.get("before"):
        at, name = datetime.fromisoformat(query["before"][0]), require_name("cursor", query["before"][1])
        wanted.append(or_(alerts.c.firing_since < at, and_(alerts.c.firing_since == at, alerts.c.id < name)))
    newest = select(alerts).where(*wanted).order_by(alerts.c.firing_since.desc(), alerts.c.id.desc())
    rows = await connection.execute(newest.limit(require_limit(query["limit"]) + 1))
    return [_read_alert(row) for row in rows.mappings()]


async def prune(
    connection: AsyncConnection, now: datetime, kept_history: int, kept_days: float, give_up_after_h: float
) -> dict[str, Any]:
    """Give up what has waited too long, then forget resolved alerts that are too old or too many, with their
    notifications: ``{"given_up", "forgotten"}``. What is not resolved, or not yet told, is never forgotten, nor what
    began a message that is still open.
    """
    late = notifications.c.next_at.is_not(None) & (notifications.c.created_at < now - timedelta(hours=give_up_after_h))
    why = func.coalesce(notifications.c.last_error, "Nobody tried to deliver it: no such webhook is configured.")
    given_up = await connection.execute(
        update(notifications).where(late).values(next_at=None, given_up_at=now, last_error=why)
    )
    telling = exists().where(notifications.c.alert_id == alerts.c.id, notifications.c.next_at.is_not(None))
    open_messages = await _list_open_messages(connection)
    over = and_(alerts.c.state == "resolved", ~telling, alerts.c.id.not_in(open_messages))
    newest = select(alerts.c.id).where(alerts.c.state == "resolved")
    newest = newest.order_by(alerts.c.resolved_at.desc(), alerts.c.id.desc()).limit(kept_history)
    too_old = alerts.c.resolved_at < now - timedelta(days=kept_days)
    old = select(alerts.c.id).where(over, or_(too_old, alerts.c.id.not_in(newest))).limit(_PRUNED_AT_ONCE)
    ids = list((await connection.execute(old)).scalars())
    await connection.execute(delete(notifications).where(notifications.c.alert_id.in_(ids)))
    await connection.execute(delete(alerts).where(alerts.c.id.in_(ids)))
    return {"given_up": given_up.rowcount, "forgotten": len(ids)}


async def _list_open_messages(connection: AsyncConnection) -> list[str]:
    """The alerts that began the messages in which active ones are told: more is told under their ids."""
    told = select(alerts.c.told).where(alerts.c.state != "resolved", alerts.c.told.is_not(None)).limit(2 * MAX_ALERTS)
    return sorted({str(json.loads(each)["id"]) for each in (await connection.execute(told)).scalars()})


def _sort_by_id(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """By id, so that two who write at once do not wait for each other."""
    return sorted(rows, key=lambda row: str(row["id"]))


def _match_waiting(notification_id: str) -> ColumnElement[bool]:
    return and_(notifications.c.id == require_name("id", notification_id), notifications.c.next_at.is_not(None))


def _build_alert_values(alert: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **{name: require_name(name, alert[name]) for name in _NAMES},
        **{name: None if alert[name] is None else make_storable(alert[name], MAX_SENTENCE_CHARS) for name in _TEXTS},
        **{name: parse_exactly(alert[name]) for name in _TIMES},
        **{name: alert[name] for name in _PLAIN},
        **{name: None if alert.get(name) is None else make_storable(alert[name], MAX_ID_CHARS) for name in _FACTS},
        "told": None if alert.get("told") is None else encode("told", alert["told"], max_bytes=MAX_TOLD_BYTES),
    }


def _build_notification_values(row: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    return {
        "id": require_name("id", row["id"]),
        "alert_id": require_name("alert_id", row["alert_id"]),
        "webhook": require_name("webhook", row["webhook"]),
        "payload": encode("payload", row["payload"], max_bytes=MAX_PAYLOAD_BYTES, ascii_only=True),
        "created_at": parse_exactly(row["created_at"]),
        "attempts": 0,
        "next_at": now,
    }


def _read_alert(row: RowMapping) -> dict[str, Any]:
    told = None if row["told"] is None else json.loads(row["told"])
    return {**row, "told": told, **{name: format_exactly(row[name]) for name in _TIMES}}

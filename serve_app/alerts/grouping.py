"""Who is to be told what: one message for all that fire by one rule for one reason. Pure.

A message begins with the first alert that is told. What fires for the same reason while it is open belongs to it; it is
told again when it grew, at most once a minute while all can be named or the number doubled, else after a longer while,
and once more when the last of its alerts is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from serve_app.alerts.models import Alert, Event, Told

MAX_SUBJECTS = 10
# However fast a storm grows, an open message is told again once in this time at most.
_LEAST_PAUSE = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Telling:
    """The alerts with the messages in which they are told, and what is due, at most one event for each message."""

    active: tuple[Alert, ...]
    resolved: tuple[Alert, ...]
    events: tuple[Event, ...]


def tell_together(
    active: Sequence[Alert], resolved: Sequence[Alert], seen: frozenset[str], update_s: float, now: datetime
) -> Telling:
    """Join what fires and was not told to the message of its reason, and say which messages are to be told.

    ``seen`` are the fingerprints of what is seen to be wrong now: after a silence, only that is worth telling. Who was
    told that something fires is told that it is over, silenced or not: a silence must not leave an incident open.
    """
    alerts = {alert.id: _keep_promise(alert) for alert in (*active, *resolved)}
    open_messages: dict[tuple[str, str | None], Told] = {}
    for alert in alerts.values():
        if alert.told is not None and alert.told.reason is not None:
            open_messages.setdefault((alert.rule.value, alert.told.reason), alert.told)
    for alert in active:
        if alert.state != "firing" or alert.notified or alert.silenced_by is not None or alert.fingerprint not in seen:
            continue
        told = open_messages.get((alert.rule.value, alert.reason)) if alert.reason is not None else None
        if told is None:
            told = Told(alert.id, alert.reason, alert.subject)
            if alert.reason is not None:
                open_messages[alert.rule.value, alert.reason] = told
        joined = Told(told.id, told.reason, told.subject)
        alerts[alert.id] = replace(alert, notified=True, told=joined)
    news = frozenset(alert.id for alert in active if not alert.notified and alerts[alert.id].notified)
    messages: dict[str, list[Alert]] = {}
    for alert in alerts.values():
        if alert.told is not None:
            messages.setdefault(alert.told.id, []).append(alert)
    events = []
    for members in messages.values():
        changed, event = _tell_message(members, news, update_s, now)
        alerts |= {alert.id: alert for alert in changed}
        events += [] if event is None else [event]
    return Telling(
        tuple(alerts[alert.id] for alert in active), tuple(alerts[alert.id] for alert in resolved), tuple(events)
    )


def group_members(alerts: Iterable[Alert]) -> dict[str, list[Alert]]:
    """What fires, was told and is not silenced, by the message that it belongs to; the newest first."""
    firing = (each for each in alerts if each.state == "firing" and each.notified and each.silenced_by is None)
    members: dict[str, list[Alert]] = {}
    for alert in _sort_newest_first(firing):
        members.setdefault(alert.id if alert.told is None else alert.told.id, []).append(alert)
    return members


def name_subjects(alerts: Iterable[Alert]) -> tuple[str, ...]:
    """The names of some."""
    return tuple(alert.subject for alert in alerts)[:MAX_SUBJECTS]


def choose_speaker(alerts: Sequence[Alert]) -> Alert:
    """Who speaks for all: the worst that is wrong for the reason that was told, and of these the oldest."""
    return min(
        alerts,
        key=lambda each: (
            each.told is not None and each.told.reason != each.reason,
            each.severity != "critical",
            each.pending_since,
            each.id,
        ),
    )


def _keep_promise(alert: Alert) -> Alert:
    """One that was told when each was told by itself is a message of its own."""
    if not alert.notified or alert.told is not None:
        return alert
    at = alert.firing_since or alert.pending_since
    return replace(alert, told=Told(alert.id, None, alert.subject, at, 1, 1))


def _tell_message(
    members: Sequence[Alert], news: frozenset[str], update_s: float, now: datetime
) -> tuple[list[Alert], Event | None]:
    """The alerts of one message that change, and what is to be told of it."""
    active = [alert for alert in members if alert.state != "resolved"]
    keeper = next((alert for alert in members if alert.told is not None and alert.told.at is not None), None)
    first = next(alert for alert in members if alert.told is not None)
    before = first.told if keeper is None else keeper.told
    if before is None:
        return [], None
    joined = sum(alert.id in news for alert in members)
    told = replace(before, size=before.size + joined, untold=before.untold + joined)
    if not active:
        speaker = replace(choose_speaker(members), told=told)
        return [], Event("resolved", speaker, now, told.size, name_subjects(_sort_newest_first(members)))
    firing = _sort_newest_first(each for each in active if each.silenced_by is None)
    kind = _choose_kind(told, len(firing), update_s, now)
    if kind is not None:
        told = replace(told, at=now, count=len(firing), untold=0)
    # What was told is kept with one that is active: of what is over, a restart knows nothing.
    holder = keeper if keeper is not None and keeper.state != "resolved" else active[0]
    changed = [] if told == holder.told else [replace(holder, told=told)]
    if keeper is not None and keeper.id != holder.id:
        changed.append(replace(keeper, told=Told(told.id, told.reason, told.subject)))
    if kind is None:
        return changed, None
    speaker = choose_speaker(firing)
    return changed, Event(kind, replace(speaker, told=told), now, len(firing), name_subjects(firing))


def _choose_kind(told: Told, count: int, update_s: float, now: datetime) -> Literal["fired", "updated"] | None:
    """What is to be told of a message of which so many fire; None: nothing new, or not yet."""
    if count == 0:
        return None
    if told.at is None:
        return "fired"
    if told.untold == 0:
        return None
    # As long as all can be named, none waits for long.
    soon = count <= MAX_SUBJECTS or count >= 2 * told.count
    pause = _LEAST_PAUSE if soon else max(_LEAST_PAUSE, timedelta(seconds=update_s))
    # A clock that was set back since must not keep it waiting.
    return "updated" if abs(now - told.at) >= pause else None


def _sort_newest_first(alerts: Iterable[Alert]) -> list[Alert]:
    by_name = sorted(alerts, key=lambda alert: (alert.subject, alert.id))
    return sorted(by_name, key=lambda alert: alert.firing_since or alert.pending_since, reverse=True)

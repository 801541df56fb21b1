"""From conditions to alerts: how long they have held, when they are over, who is to be told. Pure.

pending --held--> firing --gone and held--> resolved
   |                ^                          |
   gone: dropped    +--- back: nothing new     wrong again: a new alert
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serve_app.alerts.grouping import tell_together
from serve_app.alerts.models import Alert, Condition, Event, Gap, compute_alert_id
from serve_app.alerts.settings import AlertsConfig, Rule

MAX_ACTIVE = 500


@dataclass(frozen=True, slots=True)
class AlertsUpdate:
    """The active alerts, those that ended with this step, events in the order of the alerts, and what was left out."""

    active: tuple[Alert, ...]
    resolved: tuple[Alert, ...] = ()
    dropped: tuple[Alert, ...] = ()
    events: tuple[Event, ...] = ()
    note: str | None = None


def advance_alerts(
    alerts: Iterable[Alert],
    conditions: Sequence[Condition],
    unknown: frozenset[Gap],
    config: AlertsConfig,
    now: datetime,
    session: str | None = None,
) -> AlertsUpdate:
    """Go on from the active alerts with what is wrong now. The same again, at the same time, changes nothing.

    ``session``: the one that was looked at. What was wrong in another one is over with it, whatever is not known now.
    """
    holding = {condition.fingerprint: condition for condition in conditions}
    seen = frozenset(holding)
    active: list[Alert] = []
    resolved: list[Alert] = []
    dropped: list[Alert] = []
    for before in alerts:
        condition = holding.pop(before.fingerprint, None)
        is_over = session is not None and before.session not in (None, session)
        alert = _continue_alert(before, condition, frozenset() if is_over else unknown, config, now)
        if alert is None:
            dropped.append(before)
            continue
        (resolved if alert.state == "resolved" else active).append(_silence_alert(alert, config, now))
    fresh = sorted(holding.values(), key=lambda condition: condition.severity != "critical")
    room = max(0, MAX_ACTIVE - len(active))
    for condition in fresh[:room]:
        active.append(_silence_alert(_raise_alert(_begin_alert(condition, now), config, now), config, now))
    left_out = len(fresh) - room
    note = f"{left_out} conditions are not tracked: there are {MAX_ACTIVE} alerts already." if left_out > 0 else None
    telling = tell_together(active, resolved, seen, config.update_s, now)
    return AlertsUpdate(telling.active, telling.resolved, tuple(dropped), telling.events, note)


def adopt(stored: Iterable[Alert], own: Iterable[Alert], now: datetime) -> AlertsUpdate:
    """Go on from what the store holds, after a restart, or when the store is back.

    A stored alert takes the place of our own about the same thing: it is older, and people know its id. Of two stored
    ones, which replicas made at the same time, the older goes on; the other is resolved without a word.
    """
    kept: dict[str, Alert] = {}
    ended: list[Alert] = []
    for alert in sorted(stored, key=lambda each: (not each.notified, each.pending_since, each.id)):
        if alert.fingerprint in kept:
            ended.append(replace(alert, state="resolved", resolved_at=now, clear_since=None))
        else:
            kept[alert.fingerprint] = alert
    replaced = tuple(alert for alert in own if alert.fingerprint in kept)
    gone = {alert.id for alert in replaced}
    active = (*kept.values(), *(_leave_message(alert, gone) for alert in own if alert.fingerprint not in kept))
    return AlertsUpdate(active, tuple(ended), replaced)


def _leave_message(alert: Alert, gone: Collection[str]) -> Alert:
    """What was to be told in the message of an alert that another one has taken the place of is told anew."""
    return replace(alert, notified=False, told=None) if alert.told is not None and alert.told.id in gone else alert


def count_alerts(active: Iterable[Alert]) -> Mapping[str, Mapping[str, int]]:
    """Active alerts by rule and state; rules without any are there with zeros."""
    counted = {rule.value: {"pending": 0, "firing": 0} for rule in Rule}
    for alert in active:
        counted[alert.rule.value][alert.state] += 1
    return counted


def _begin_alert(condition: Condition, now: datetime) -> Alert:
    fingerprint = condition.fingerprint
    return Alert(
        compute_alert_id(fingerprint, now),
        fingerprint,
        condition.rule,
        condition.subject,
        condition.severity,
        "pending",
        condition.sentence,
        condition.action,
        condition.value,
        condition.threshold,
        pending_since=now,
        subject_type=condition.subject_type,
        subject_id=condition.subject_id,
        session=condition.session,
        reason=condition.reason,
    )


def _continue_alert(
    alert: Alert, condition: Condition | None, unknown: frozenset[Gap], config: AlertsConfig, now: datetime
) -> Alert | None:
    """The alert after this look, before anyone is told; None when it is dropped."""
    if condition is not None:
        seen = replace(
            alert,
            severity=condition.severity,
            sentence=condition.sentence,
            action=condition.action,
            value=condition.value,
            threshold=condition.threshold,
            # What is known of the subject stays known when an older inspector does not tell it.
            subject_type=condition.subject_type or alert.subject_type,
            subject_id=condition.subject_id or alert.subject_id,
            session=condition.session or alert.session,
            reason=condition.reason or alert.reason,
            clear_since=None,
        )
        return _raise_alert(seen, config, now)
    if Gap(alert.rule) in unknown or Gap(alert.rule, alert.subject) in unknown:
        return alert
    if alert.state == "pending":
        return None
    # What lies in the future began before the clock was set back: it counts from now.
    clear_since = min(alert.clear_since or now, now)
    if now - clear_since < timedelta(seconds=config.get_resolve_hold(alert.rule)):
        return replace(alert, clear_since=clear_since)
    return replace(alert, state="resolved", resolved_at=now, clear_since=None)


def _raise_alert(alert: Alert, config: AlertsConfig, now: datetime) -> Alert:
    """Firing when it has held long enough."""
    if alert.state != "pending":
        return alert
    if alert.pending_since > now:
        alert = replace(alert, pending_since=now)
    if now - alert.pending_since < timedelta(seconds=config.get_hold(alert.rule)):
        return alert
    return replace(alert, state="firing", firing_since=now)


def _silence_alert(alert: Alert, config: AlertsConfig, now: datetime) -> Alert:
    """The alert with the silence that covers it now, if one does."""
    covering = (each for each in config.silences if each.covers(alert.rule, alert.subject, now))
    silence = next(covering, None)
    return replace(alert, silenced_by=None if silence is None else silence.reason)

"""Conditions, alerts and events. Standard library only, all frozen; alerts travel between replicas as plain JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from organs.times import format_exactly, format_time, parse_exactly
from serve_app.alerts.settings import Rule
from serve_app.schemas.alerts import AlertView

Severity = Literal["warning", "critical"]
State = Literal["pending", "firing", "resolved"]
EventKind = Literal["fired", "updated", "resolved"]
SubjectType = Literal["job", "kind", "deployment", "node", "organ", "cluster", "api"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_TIMES = ("pending_since", "firing_since", "clear_since", "resolved_at")
# What changes at every look and is worth no writing by itself.
_FLEETING = {"sentence": "", "action": "", "value": None, "threshold": None}


@dataclass(frozen=True, slots=True)
class Condition:
    """Something is wrong now. ``value`` and ``threshold`` are None where nothing is measured.

    ``subject`` is what it is about, in words; ``subject_type``, ``subject_id`` and of a job its ``session`` say the
    same as facts. The cluster and the API have no id. ``reason`` is a fact that all have in common that are wrong for
    the same reason, by which they are told together; None: it is told by itself.
    """

    rule: Rule
    subject: str
    severity: Severity
    sentence: str
    action: str
    value: float | None = None
    threshold: float | None = None
    subject_type: SubjectType | None = None
    subject_id: str | None = None
    session: str | None = None
    reason: str | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same thing going wrong again."""
        return compute_fingerprint(self.rule, self.subject)


@dataclass(frozen=True, slots=True)
class Told:
    """In which message an alert is told of: all that fire by one rule for one reason are told in one (``grouping``).

    ``id`` is the alert that began the message, ``reason`` what it was told for, ``subject`` what it was first about.
    What was told last is kept with one of its alerts that is active: ``at`` is None in the others. ``count``: how many
    were active when it was told last, ``size``: how many it had in all, ``untold``: how many came since.
    """

    id: str
    reason: str | None
    subject: str
    at: datetime | None = None
    count: int = 0
    size: int = 0
    untold: int = 0

    def to_json(self) -> dict[str, Any]:
        """As the store takes it, with the alert."""
        return {**asdict(self), "at": format_exactly(self.at)}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Told:
        """What ``to_json`` gave."""
        return cls(**{**row, "at": parse_exactly(row["at"])})


@dataclass(frozen=True, slots=True)
class Alert:
    """A condition with its history. ``clear_since`` is set while the condition is gone and the alert not yet resolved;
    ``notified`` when it was told that the alert fires, ``told`` in which message. The facts of its subject are None
    until a condition tells them, in alerts of before they were kept; so is ``told``.
    """

    id: str
    fingerprint: str
    rule: Rule
    subject: str
    severity: Severity
    state: State
    sentence: str
    action: str
    value: float | None
    threshold: float | None
    pending_since: datetime
    firing_since: datetime | None = None
    clear_since: datetime | None = None
    resolved_at: datetime | None = None
    notified: bool = False
    silenced_by: str | None = None
    subject_type: SubjectType | None = None
    subject_id: str | None = None
    session: str | None = None
    reason: str | None = None
    told: Told | None = None

    def to_json(self) -> dict[str, Any]:
        """All of it, as the store takes it: times to the last digit, since pages and holds are reckoned from them."""
        times = {name: format_exactly(getattr(self, name)) for name in _TIMES}
        told = None if self.told is None else self.told.to_json()
        return {**asdict(self), "rule": self.rule.value, "told": told, **times}

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Alert:
        """What ``to_json`` gave, now or in another version; raises ``ValueError`` for a rule that this one does not
        know."""
        known = {each.name: row[each.name] for each in fields(cls) if each.name in row}
        times = {name: parse_exactly(row[name]) for name in _TIMES}
        told = None if row.get("told") is None else Told.from_json(row["told"])
        return cls(**{**known, "rule": Rule(row["rule"]), "told": told, **times})

    def select_lasting(self) -> dict[str, Any]:
        """What of it is worth writing when it changes."""
        return asdict(self) | _FLEETING

    def render(self) -> AlertView:
        """As ``GET /alerts`` answers it."""
        return render_alert(self.to_json())


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell of one message: it fires, more fire for the same reason, or all that was told is over.

    ``alert`` speaks for all. ``count``: how many fire now, or were told in all; ``subjects`` names some, the newest
    first.
    """

    kind: EventKind
    alert: Alert
    at: datetime
    count: int = 1
    subjects: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        """The id of the message that it belongs to."""
        return self.alert.id if self.alert.told is None else self.alert.told.id


@dataclass(frozen=True, slots=True)
class Gap:
    """What cannot be known now: a rule altogether, or for one subject."""

    rule: Rule
    subject: str | None = None


def render_alert(row: Mapping[str, Any]) -> AlertView:
    """What is shown of ``to_json``."""
    return {
        "id": row["id"],
        "rule": row["rule"],
        "subject": row["subject"],
        "subject_type": row.get("subject_type"),
        "subject_id": row.get("subject_id"),
        "session": row.get("session"),
        "reason": row.get("reason"),
        "severity": row["severity"],
        "state": row["state"],
        "sentence": row["sentence"],
        "action": row["action"],
        "value": row["value"],
        "threshold": row["threshold"],
        "pending_since": format_time(datetime.fromisoformat(row["pending_since"])),
        "firing_since": format_time(parse_exactly(row["firing_since"])),
        "resolved_at": format_time(parse_exactly(row["resolved_at"])),
        "silenced": row["silenced_by"] is not None,
        "silenced_by": row["silenced_by"],
    }


def compute_fingerprint(rule: Rule, subject: str) -> str:
    """Sixteen hexadecimal digits that stand for a rule and a subject."""
    return hashlib.sha256(f"{rule.value}\n{subject}".encode()).hexdigest()[:16]


def compute_alert_id(fingerprint: str, pending_since: datetime) -> str:
    """Id of one occurrence: the same when it is worked out again, another when it happens again."""
    return f"{fingerprint}-{count_microseconds(pending_since):x}"


def count_microseconds(time: datetime) -> int:
    """Since 1970: a time as an exact number, by which pages go on."""
    return (time - _EPOCH) // _MICROSECOND


def parse_microseconds(number: int) -> datetime:
    """The time that ``count_microseconds`` had; raises ``OverflowError`` when there is no such time."""
    return _EPOCH + number * _MICROSECOND

"""Webhooks that do not take what they are told: when they are tried again, and what to do about them. Pure.

One that fails is left alone for a while, whatever waits for it; so is each message that it did not take, which holds up
no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

from organs.times import format_exactly, format_time, parse_exactly
from serve_app.alerts.settings import AlertsConfig
from serve_app.schemas.alerts import ReceiverView

BEARER_MISSING: Final = "webhook_token_missing"
REDIRECTS: Final = "webhook_redirects"
REFUSED: Final = "webhook_refused"
SILENT: Final = "webhook_silent"
UNREACHABLE: Final = "webhook_unreachable"

# The longest that a receiver may ask for: an answer of somebody else must not silence alerts for good.
LONGEST_WAIT_S = 3_600.0
_FIRST_PAUSE_S = 5.0
_LONGEST_PAUSE_S = 900.0
_MOST_DOUBLINGS = 10
_JITTER_SHARE = 0.2
_MOST_DIGITS = 9
_ADVICE: Final = {
    BEARER_MISSING: "Put the token that token_env of {name} names into the file of SEEDCORE_SECRETS_FILE.",
    REDIRECTS: "Set url of {name} (user_config of Alerts, webhooks) to where it redirects to.",
    REFUSED: "See in what it answered, or in the log of {name}, why it refuses: a wrong token or address, or too much "
    "for it.",
    SILENT: "See why {name} takes so long, or give it a longer timeout_s (user_config of Alerts, webhooks).",
    UNREACHABLE: "See that {name} runs, that its url (user_config of Alerts, webhooks) is right, and that it can be "
    "reached from the head node.",
}
_WAITS = "What it is to be told waits for up to {hours:g} h."


@dataclass(frozen=True, slots=True)
class Receiver:
    """A webhook that fails: ``failures`` in a row since ``failing_since``, tried again at ``next_at``."""

    name: str
    failures: int
    failing_since: datetime
    next_at: datetime
    last_error: str
    code: str = ""

    def to_json(self) -> dict[str, Any]:
        """As the store takes it."""
        times = {"failing_since": format_exactly(self.failing_since), "next_at": format_exactly(self.next_at)}
        return asdict(self) | times

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> Receiver:
        """What ``to_json`` gave."""
        times = {"failing_since": parse_exactly(row["failing_since"]), "next_at": parse_exactly(row["next_at"])}
        return cls(**{**row, **times})

    def is_waited_for(self, now: datetime) -> bool:
        """Whether it is left alone now. A pause that is longer than any is of a clock that was set back since."""
        return now < self.next_at <= now + timedelta(seconds=LONGEST_WAIT_S)

    def render(self, config: AlertsConfig) -> ReceiverView:
        """As ``GET /alerts`` answers it."""
        advice = _ADVICE.get(self.code, _ADVICE[REFUSED]).format(name=self.name)
        return {
            "name": self.name,
            "sentence": self.last_error,
            "action": f"{advice} {_WAITS.format(hours=config.give_up_after_h)}",
            "failing_since": format_time(self.failing_since),
            "failures": self.failures,
            "next_at": format_time(self.next_at),
        }


def note_failure(
    before: Receiver | None, name: str, code: str, error: str, wait_s: float | None, now: datetime, jitter: float
) -> Receiver:
    """A receiver after one more failure; ``wait_s``: what it asked for itself, None: nothing."""
    failures = 1 if before is None else before.failures + 1
    pause_s = max(compute_pause(failures, jitter), min(wait_s or 0.0, LONGEST_WAIT_S))
    since = now if before is None else before.failing_since
    return Receiver(name, failures, since, now + timedelta(seconds=pause_s), error, code)


def compute_pause(failures: int, jitter: float) -> float:
    """Seconds after so many failures: 5 s doubling to 15 min, less up to a fifth of it, by ``jitter`` from 0 to 1."""
    pause_s: float = min(_FIRST_PAUSE_S * 2 ** min(max(failures, 1) - 1, _MOST_DOUBLINGS), _LONGEST_PAUSE_S)
    return pause_s * (1 - _JITTER_SHARE * jitter)


def plan_attempt(
    attempts: int, created_at: datetime, config: AlertsConfig, now: datetime, jitter: float
) -> datetime | None:
    """When to try a message again after ``attempts`` failures, by ``compute_pause``. None: it is given up, because it
    would be too late then.
    """
    again = now + timedelta(seconds=compute_pause(attempts, jitter))
    return None if again > created_at + timedelta(hours=config.give_up_after_h) else again


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds that a ``Retry-After`` asks for, from 0 to an hour (RFC 9110, 10.2.3: seconds, or a date of HTTP); None
    where it asks for nothing that can be understood.
    """
    text = (value or "").strip()
    if text.isascii() and text.isdecimal():
        return LONGEST_WAIT_S if len(text) > _MOST_DIGITS else min(float(text), LONGEST_WAIT_S)
    try:
        at = parsedate_to_datetime(text)
        # A date without a zone is one of HTTP, which are in UTC.
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return min(max((at - now).total_seconds(), 0.0), LONGEST_WAIT_S)

"""What every answer from observation says of itself, and what is said when there is nothing to answer from."""

from __future__ import annotations

from typing import TypeVar

from organs.times import format_time
from serve_app.errors import NotFound, Unavailable
from serve_app.jobs.models import Section, Unknown
from serve_app.jobs.reading.poll import Seen
from serve_app.redaction import redact, strip_controls
from serve_app.schemas.common import ObservedAnswer

T = TypeVar("T")


def require(section: Section[T]) -> T:
    """What is known; raises ``Unavailable`` with the reason when it is not."""
    if isinstance(section, Unknown):
        raise Unavailable(section.reason, code="ray_unavailable")
    return section.value


def refuse_unknown(wanted: str) -> NotFound:
    """There is no such job, in no session."""
    return NotFound(f"There is no job {redact(strip_controls(wanted)[:80])!r}.", code="job_not_found")


def describe_freshness(seen: Seen) -> ObservedAnswer:
    """When it was seen, and what is missing or old in it."""
    return {"as_of": format_time(seen.snapshot.taken_at), "degraded": list(seen.degraded)}

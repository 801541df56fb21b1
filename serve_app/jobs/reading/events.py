"""Events that Ray pushes: they say when to look, and at which actors; what happened is what the look then brings. Pure.

Their address cannot be kept from jobs, which inherit Ray's environment, so whoever runs one can push what it likes. No
event therefore makes, ends or blames anything by itself: Ray is asked, and an event that is lost, late, invented or not
understood is only something that is learned at another time.
Field names are those of ray/core/generated/events_*_pb2.py as JSON: camel case, ids in base64, enumerations by name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue

# An event as Ray exports it, before anything of it is understood.
RayEvent = Mapping[str, JsonValue]

MAX_EVENTS = 2_000
# What was pushed is in the tables that the next look reads; more than this is never needed.
MAX_KEPT = 20_000
_DRIVER_SUFFIX = "f" * 48
_ACTOR_KINDS = frozenset({"ACTOR_DEFINITION_EVENT", "ACTOR_LIFECYCLE_EVENT"})
_WORKER_KIND = "WORKER_LIFECYCLE_EVENT"
# By type: the field that tells, and in it that of the id.
_FIELDS: Mapping[str, tuple[str, str]] = {
    "DRIVER_JOB_DEFINITION_EVENT": ("driverJobDefinitionEvent", "jobId"),
    "DRIVER_JOB_LIFECYCLE_EVENT": ("driverJobLifecycleEvent", "jobId"),
    _WORKER_KIND: ("workerLifecycleEvent", "workerId"),
    "ACTOR_DEFINITION_EVENT": ("actorDefinitionEvent", "actorId"),
    "ACTOR_LIFECYCLE_EVENT": ("actorLifecycleEvent", "actorId"),
    "NODE_LIFECYCLE_EVENT": ("nodeLifecycleEvent", "nodeId"),
}


@dataclass
class Pushed:
    """What events spoke of since Ray was asked about it: ``actors`` by id, with the time at which that came in."""

    actors: dict[str, datetime] = field(default_factory=dict)
    latest_at: datetime | None = None
    not_understood: int = 0

    def take(self, events: Iterable[Any], now: datetime) -> int:
        """Take a batch; how many events are a reason to look. What is not understood is counted, and never raises."""
        told = 0
        for event in list(events)[:MAX_EVENTS]:
            kind = event.get("eventType") if isinstance(event, dict) else None
            # What is no text cannot be looked up.
            if not isinstance(kind, str):
                self.not_understood += isinstance(event, dict)
            elif kind in _FIELDS:
                told += self._take_one(kind, event, now)
        self.latest_at = now
        for id in list(self.actors)[: max(0, len(self.actors) - MAX_KEPT)]:
            del self.actors[id]
        return told

    def forget_before(self, time: datetime) -> None:
        """Ray was asked at ``time``: what came in before is answered."""
        for id in [id for id, at in self.actors.items() if at < time]:
            del self.actors[id]

    def list_newest_actors(self, most: int) -> list[str]:
        """Ids of actors of which something was pushed, the newest first, at most so many."""
        return list(reversed(self.actors))[:most]

    def _take_one(self, kind: str, event: Mapping[str, Any], now: datetime) -> int:
        told_by, id_field = _FIELDS[kind]
        try:
            id = _decode_id(event[told_by][id_field])
        except (KeyError, TypeError, ValueError, binascii.Error):
            self.not_understood += 1
            return 0
        if kind in _ACTOR_KINDS:
            self.actors.pop(id, None)
            self.actors[id] = now
        # Workers come and go by thousands; a driver's is how a job ends.
        return int(kind != _WORKER_KIND or id.endswith(_DRIVER_SUFFIX))


def _decode_id(value: Any) -> str:
    """The id of what an event tells of; raises ``ValueError`` when it names none."""
    if not isinstance(value, str) or not (id := base64.b64decode(value, validate=True).hex()):
        raise ValueError("an event without an id")
    return id

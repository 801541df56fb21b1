"""Parts behind handles that answer from memory, and a webhook that notes what it is told."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from serve_app.alerts.settings import Webhook
from serve_app.alerts.webhook import WebhookFailed
from serve_app.errors import AppError
from tests.unit.alerts.parts import at


class Handle:
    """A Serve handle to an object: ``handle.method.remote(…)`` awaits the object's method."""

    def __init__(self, part: Any) -> None:
        self._part = part
        self.deployment_name = type(part).__name__

    def __getattr__(self, name: str) -> Any:
        return _Method(getattr(self._part, name))


class _Method:
    def __init__(self, method: Any) -> None:
        self._method = method

    def remote(self, *args: Any) -> Any:
        return _Response(self._method(*args))


class _Response:
    def __init__(self, waiting: Any) -> None:
        self._waiting = waiting

    def __await__(self) -> Any:
        return self._waiting.__await__()

    def cancel(self) -> None:
        pass


class Part:
    """Inspector and manager: it says ``answer``, or raises it."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def alert_inputs(self) -> Any:
        return await self.status()

    async def status(self) -> Any:
        if isinstance(self.answer, AppError):
            raise self.answer
        return copy.deepcopy(self.answer)


class Clock:
    """Both clocks, seconds from noon."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return at(self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class MemoryStore:
    """The store's part for alerts; ``failure`` is raised by every method while it is set."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.failure: AppError | None = None
        self.fail_only: set[str] = set()
        self.alerts: dict[str, Any] = {}
        self.outbox: dict[str, Any] = {}
        self.receivers: dict[str, Any] = {}
        self.writes = 0
        self.pruned: list[Any] = []

    def _may(self, method: str) -> None:
        if self.failure is not None and (not self.fail_only or method in self.fail_only):
            raise self.failure

    async def active_alerts(self) -> list[Any]:
        self._may("active_alerts")
        return [dict(row) for row in self.alerts.values() if row["state"] != "resolved"]

    async def apply_alerts(self, changed: Sequence[Any], dropped: Sequence[str], outbox: Sequence[Any]) -> None:
        self._may("apply_alerts")
        self.writes += 1
        self.alerts.update({row["id"]: dict(row) for row in changed})
        for alert_id in dropped:
            self.alerts.pop(alert_id, None)
        for row in outbox:
            assert row["alert_id"] in self.alerts
            self.outbox.setdefault(row["id"], {**row, "attempts": 0, "next_at": at(0).isoformat(), "last_error": None})

    async def due_notifications(self, webhook: str, limit: int) -> list[Any]:
        self._may("due_notifications")
        now = self.clock.now()
        due = [
            dict(row)
            for row in self.outbox.values()
            if row["webhook"] == webhook and row["next_at"] and datetime.fromisoformat(row["next_at"]) <= now
        ]
        return sorted(due, key=lambda row: int(row["attempts"]))[:limit]

    async def notification_delivered(self, notification_id: str) -> None:
        self._may("notification_delivered")
        self.outbox[notification_id].update(next_at=None, delivered=True)

    async def notification_failed(self, notification_id: str, error: str, next_at: str | None) -> None:
        self._may("notification_failed")
        row = self.outbox[notification_id]
        row.update(attempts=row["attempts"] + 1, next_at=next_at, last_error=error)

    async def load_receivers(self) -> list[Any]:
        self._may("load_receivers")
        return [dict(row) for row in self.receivers.values()]

    async def save_receiver(self, name: str, trouble: Mapping[str, Any] | None) -> None:
        self._may("save_receiver")
        self.receivers.pop(name, None)
        if trouble is not None:
            self.receivers[name] = dict(trouble)

    async def alert_history(self, query: Mapping[str, Any]) -> list[Any]:
        self._may("alert_history")
        rows = [dict(row) for row in self.alerts.values() if row["firing_since"]]
        return sorted(rows, key=lambda row: str(row["firing_since"]), reverse=True)[: query["limit"] + 1]

    async def prune_alerts(self, *kept: Any) -> Any:
        self._may("prune_alerts")
        self.pruned.append(kept)
        return {"given_up": 0, "forgotten": 0}


class Listener:
    """All webhooks: it notes what each was told; those in ``dead`` fail, those in ``hanging`` never answer."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []
        self.dead: set[str] = set()
        self.asked = 0

    async def post(self, webhook: Webhook, body: Any) -> None:
        self.asked += 1
        if webhook.name in self.dead:
            raise WebhookFailed(f"{webhook.name} answered 500.")
        self.told.append((webhook.name, body))

    def events(self, name: str) -> list[str]:
        return [body["event"] for told, body in self.told if told == name and isinstance(body, dict)]

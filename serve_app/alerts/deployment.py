"""Alerts as a part of the Serve graph: one loop judges, another one tells. Neither waits for the other.

Every part that is asked may be away: what it would have said is unknown then, and the rest is judged all the same.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from serve_app.alerts.delivery import Delivery, Post
from serve_app.alerts.lifecycle import counts
from serve_app.alerts.models import Event, rfc3339, view_of
from serve_app.alerts.query import ACTIVE_STATES, PAST_STATES, AlertQuery, active_page, past_page
from serve_app.alerts.settings import AlertsConfig
from serve_app.alerts.state import Watch
from serve_app.alerts.webhook import Poster
from serve_app.background import Loop, Workers
from serve_app.cluster.handles import call
from serve_app.errors import AppError, Unavailable
from serve_app.metrics.prometheus import publisher

log = logging.getLogger("ray.serve.seedcore")

_ASK_TIMEOUT_S = 5.0
# Longer than the store's own deadline, so that its sentence arrives and not ours.
_STORE_TIMEOUT_S = 6.0
_BATCHES_AT_ONCE = 5
_PRUNE_PERIOD_S = 3600.0

Json = dict[str, Any]


class Alerts:
    """One replica: active alerts, their history, and who is told of them."""

    def __init__(
        self,
        manager: Any,
        inspector: Any,
        store: Any,
        poster: Post | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Serve gives three handles; tests give the rest, too."""
        self._manager = manager
        self._inspector = inspector
        self._store = StoreHandle(store)
        self._poster = poster or Poster()
        self._now = now
        self._clock = clock
        self._pause = pause
        self._config = AlertsConfig()
        self._watch = Watch()
        self._delivery = Delivery(self._store, self._poster, now, clock, jitter)
        self._missing: list[str] = []
        self._store_away: str | None = None
        self._loaded = False
        self._pruned_at = float("-inf")
        self._loops = Workers(
            Loop("the loop that judges alerts", partial(self._for_ever, self.look)),
            Loop("the loop that tells of alerts", partial(self._for_ever, self.tell)),
        )
        self._publish = publisher()

    async def reconfigure(self, user_config: Json) -> None:
        """Take a new ``user_config``; Serve calls this once after the start, which begins both loops."""
        self._config = AlertsConfig.model_validate(user_config)
        self._loops.start()

    async def check_health(self) -> None:
        """Fail when a loop has died, so that Serve starts a replica that judges and tells."""
        self._loops.require_alive()

    async def close(self) -> None:
        """Stop both loops and close connections."""
        await self._loops.close()
        await self._delivery.close()
        if isinstance(self._poster, Poster):
            await self._poster.close()

    async def alerts(self, query: Json) -> Json:
        """A page of active alerts, newest first; raises ``InvalidInput``, and ``Unavailable`` before the first look."""
        asked = AlertQuery.parse(query, ACTIVE_STATES, since=False)
        looked_at = self._require_look()
        found, next_cursor = active_page(self._watch.active, asked)
        return self._page([alert.view() for alert in found], next_cursor, looked_at)

    async def alert_history(self, query: Json) -> Json:
        """A page of alerts that have fired, newest first; raises ``InvalidInput`` and what the store raises."""
        asked = AlertQuery.parse(query, PAST_STATES, since=True)
        rows = await self._store.alert_history(asked.for_store())
        found, next_cursor = past_page(rows, asked)
        return self._page([view_of(row) for row in found], next_cursor, self._now())

    async def active_counts(self) -> Json:
        """``{rule: {"pending": n, "firing": n}}``, every rule; raises ``Unavailable`` before the first look."""
        self._require_look()
        return {rule: dict(states) for rule, states in counts(self._watch.active).items()}

    async def look(self) -> None:
        """Ask, judge, and write what has changed."""
        (inputs, no_inputs), (organism, no_organism) = await asyncio.gather(
            _asked("JobInspector", self._inspector.alert_inputs), _asked("OrganismManager", self._manager.status)
        )
        self._missing = [reason for reason in (no_inputs, no_organism) if reason is not None]
        try:
            if not self._loaded:
                self._watch.load(await self._store.active_alerts(), self._now())
                self._loaded = True
        except AppError as error:
            self._store_says(error.detail)
        _log_events(self._watch.look(inputs, organism, self._config, self._now()))
        self._publish({"alerts": counts(self._watch.active)})
        # Before the store's alerts are known, ours would be written beside them.
        if self._loaded:
            await self._save()

    async def tell(self) -> None:
        """Begin a round of deliveries, and keep the store's tables within bounds."""
        self._delivery.begin_round(self._config, lambda: self._watch.active)
        if self._clock() - self._pruned_at < _PRUNE_PERIOD_S:
            return
        config = self._config
        try:
            done = await self._store.prune_alerts(config.kept_history, config.kept_days, config.give_up_after_h)
        except AppError:
            return  # the next round tries again
        self._pruned_at = self._clock()
        if any(done.values()):
            log.info("alerts pruned", extra={"action": "alerts_pruned", **done})

    async def _for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await work()
            await self._pause(self._config.period_s)

    async def _save(self) -> None:
        """Write what waits; when the store is away, it waits on."""
        try:
            for _ in range(_BATCHES_AT_ONCE):
                batch = self._watch.batch()
                if not batch:
                    break
                changed = [alert.to_json() for alert in batch.changed]
                await self._store.apply_alerts(changed, list(batch.dropped), list(batch.outbox))
                self._watch.saved(batch)
        except AppError as error:
            self._store_says(error.detail)
        else:
            self._store_says(None)

    def _store_says(self, reason: str | None) -> None:
        if (reason is None) != (self._store_away is None):
            action = "alerts_saved" if reason is None else "alerts_not_saved"
            log.warning("%s", reason or "Alerts are saved again.", extra={"action": action})
        self._store_away = reason

    def _require_look(self) -> datetime:
        if self._watch.looked_at is None:
            raise Unavailable("Alerts have not been looked at yet.", code="alerts_unavailable")
        return self._watch.looked_at

    def _page(self, items: list[Json], next_cursor: str | None, as_of: datetime) -> Json:
        return {"items": items, "next_cursor": next_cursor, "as_of": rfc3339(as_of), "degraded": self._degraded()}

    def _degraded(self) -> list[str]:
        watch, reasons = self._watch, list(self._missing)
        if watch.unknown:
            reasons.append(f"Not known now: {', '.join(sorted(watch.unknown))}.")
        if watch.note is not None:
            reasons.append(watch.note)
        if self._store_away is not None:
            reasons.append(f"{watch.unsaved} changes of alerts are not saved yet: {self._store_away}")
        if watch.lost:
            reasons.append(f"{watch.lost} resolved alerts were lost while the store was away.")
        return [*reasons, *(self._delivery.failing[name] for name in sorted(self._delivery.failing))]


class StoreHandle:
    """The store behind its handle, as far as alerts ask it."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    async def active_alerts(self) -> list[Json]:
        """See ``Store.active_alerts``."""
        rows: list[Json] = await self._ask("active_alerts")
        return rows

    async def apply_alerts(self, changed: Sequence[Json], dropped: Sequence[str], outbox: Sequence[Json]) -> None:
        """See ``Store.apply_alerts``."""
        await self._ask("apply_alerts", changed, dropped, outbox)

    async def due_notifications(self, webhook: str, limit: int) -> list[Json]:
        """See ``Store.due_notifications``."""
        rows: list[Json] = await self._ask("due_notifications", webhook, limit)
        return rows

    async def notification_delivered(self, notification_id: str) -> None:
        """See ``Store.notification_delivered``."""
        await self._ask("notification_delivered", notification_id)

    async def notification_failed(self, notification_id: str, error: str, next_at: str | None) -> None:
        """See ``Store.notification_failed``."""
        await self._ask("notification_failed", notification_id, error, next_at)

    async def alert_history(self, query: Mapping[str, Any]) -> list[Json]:
        """See ``Store.alert_history``."""
        rows: list[Json] = await self._ask("alert_history", query)
        return rows

    async def prune_alerts(self, kept_history: int, kept_days: float, give_up_after_h: float) -> Json:
        """See ``Store.prune_alerts``."""
        done: Json = await self._ask("prune_alerts", kept_history, kept_days, give_up_after_h)
        return done

    async def _ask(self, method: str, *args: Any) -> Any:
        # All of them may happen twice.
        return await call("Store", getattr(self._handle, method), *args, timeout_s=_STORE_TIMEOUT_S, retries=1)


async def _asked(part: str, method: Any) -> tuple[Json | None, str | None]:
    """What a part said, or why there is nothing."""
    try:
        return await call(part, method, timeout_s=_ASK_TIMEOUT_S, retries=1), None
    except AppError as error:
        return None, error.detail


def _log_events(events: Sequence[Event]) -> None:
    for event in events:
        alert = event.alert
        level = logging.WARNING if event.kind == "fired" else logging.INFO
        extra = {"action": f"alert_{event.kind}", "alert": alert.id, "rule": alert.rule.value, "subject": alert.subject}
        log.log(level, "%s", alert.sentence, extra=extra)

"""Alerts as a part of the Serve graph: one loop judges, another one tells, a third counts. None waits for another.

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
from typing import Any, Protocol, TypeVar

from organs.live.settings import LiveSettings, SettingsStore
from organs.replica import Versioned
from organs.times import format_time
from serve_app import parts
from serve_app.alerts.lifecycle import count_alerts
from serve_app.alerts.models import Event, render_alert
from serve_app.alerts.query import AlertsQuery, HistoryQuery, select_active_page, select_past_page
from serve_app.alerts.settings import AlertsConfig
from serve_app.alerts.state import AlertsState
from serve_app.alerts.webhook import Delivery, Outbox, Post, Poster
from serve_app.background import Loop, Workers
from serve_app.cluster.handles import connect
from serve_app.env import Env
from serve_app.errors import AppError, Unavailable
from serve_app.metrics.prometheus import choose_publisher
from serve_app.queries.query import PlainQuery, read_query
from serve_app.schemas.alerts import AlertInputs, AlertPage, AlertView
from serve_app.schemas.organism import OrganismStatus
from serve_app.tokens.environment import hold_environment

Answer = TypeVar("Answer")

log = logging.getLogger("ray.serve.seedcore")

_ASK_TIMEOUT_S = 5.0
# Longer than the store's own deadline, so that its sentence arrives and not ours.
_STORE_TIMEOUT_S = 6.0
_BATCHES_AT_ONCE = 5
_PRUNE_PERIOD_S = 3600.0
# Ray forgets a gauge that it is not told for 20 s, and a look may come seldom, or wait for others.
_COUNT_PERIOD_S = 5.0

Json = dict[str, Any]


class OrganismObserver(Protocol):
    """The organism manager, as far as alerts ask it."""

    async def status(self) -> OrganismStatus: ...


class JobObserver(Protocol):
    """The job inspector, as far as alerts ask it."""

    async def alert_inputs(self) -> AlertInputs: ...


class AlertStore(Outbox, SettingsStore, Protocol):
    """The store, as far as alerts ask it."""

    async def active_alerts(self) -> list[Json]: ...

    async def apply_alerts(
        self, changed: Sequence[Mapping[str, Any]], dropped: Sequence[str], outbox: Sequence[Mapping[str, Any]]
    ) -> None: ...

    async def alert_history(self, query: Mapping[str, Any]) -> list[Json]: ...

    async def prune_alerts(self, kept_history: int, kept_days: float, give_up_after_h: float) -> Json: ...


class Alerts(Versioned):
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
        hold_environment(Env.read())
        self._manager = connect(OrganismObserver, manager, timeout_s=_ASK_TIMEOUT_S, retries=1)
        self._inspector = connect(JobObserver, inspector, timeout_s=_ASK_TIMEOUT_S, retries=1)
        # All that is asked of the store may happen twice.
        self._store = connect(AlertStore, store, timeout_s=_STORE_TIMEOUT_S, retries=1)
        self._poster = poster or Poster()
        self._now = now
        self._clock = clock
        self._pause = pause
        self._config = AlertsConfig()
        self._settings = LiveSettings(parts.ALERTS, AlertsConfig, AlertsConfig.model_validate, self._store)
        self._state = AlertsState()
        self._delivery = Delivery(self._store, self._poster, now, clock, jitter)
        self._missing: list[str] = []
        self._store_away: str | None = None
        self._loaded = False
        self._pruned_at = float("-inf")
        self._loops = Workers(
            Loop("the loop that judges alerts", partial(self._run_for_ever, self.look)),
            Loop("the loop that tells of alerts", partial(self._run_for_ever, self.tell)),
            Loop("the loop that counts alerts for Prometheus", self._count_for_ever),
        )
        self._publish = choose_publisher()

    async def reconfigure(self, user_config: Json) -> None:
        """Take a new ``user_config``, or keep the last good one; Serve calls this once after the start, which begins
        both loops.
        """
        self._config = await self._settings.take(user_config)
        self._loops.start()

    async def check_health(self) -> None:
        """Fail when a loop has died, so that Serve starts a replica that judges and tells.

        They are begun here where Serve has not called ``reconfigure``, which it does not with an empty ``user_config``.
        """
        self._loops.start()
        self._loops.require_alive()

    async def close(self) -> None:
        """Stop both loops and close connections."""
        await self._settings.close()
        await self._loops.close()
        await self._delivery.close()
        if isinstance(self._poster, Poster):
            await self._poster.close()

    async def alerts(self, query: PlainQuery) -> AlertPage:
        """A page of active alerts, newest first; raises ``InvalidInput``, and ``Unavailable`` before the first look."""
        asked = read_query(AlertsQuery, query)
        looked_at = self._require_look()
        found, next_cursor = select_active_page(self._state.active, asked)
        return self._render_page([alert.render() for alert in found], next_cursor, looked_at)

    async def alert_history(self, query: PlainQuery) -> AlertPage:
        """A page of alerts that have fired, newest first; raises ``InvalidInput`` and what the store raises."""
        asked = read_query(HistoryQuery, query)
        rows = await self._store.alert_history(asked.for_store())
        found, next_cursor = select_past_page(rows, asked)
        return self._render_page([render_alert(row) for row in found], next_cursor, self._now())

    async def look(self) -> None:
        """Ask, judge, and write what has changed."""
        (inputs, no_inputs), (organism, no_organism) = await asyncio.gather(
            _said(self._inspector.alert_inputs()), _said(self._manager.status())
        )
        self._missing = [reason for reason in (no_inputs, no_organism) if reason is not None]
        try:
            if not self._loaded:
                self._state.load(await self._store.active_alerts(), self._now())
                self._loaded = True
        except AppError as error:
            self._note_store(error.detail)
        _report_events(self._state.look(inputs, organism, self._config, self._now()))
        # Before the store's alerts are known, ours would be written beside them.
        if self._loaded:
            await self._save()

    async def tell(self) -> None:
        """Begin a round of deliveries, and keep the store's tables within bounds."""
        self._delivery.begin_round(self._config, lambda: self._state.active)
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

    async def _run_for_ever(self, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await work()
            await self._pause(self._config.period_s)

    def count(self) -> None:
        """Tell Prometheus how many alerts there are, once they have been looked at."""
        if self._state.looked_at is not None:
            self._publish({"alerts": count_alerts(self._state.active)})

    async def _count_for_ever(self) -> None:
        while True:
            self.count()
            await self._pause(_COUNT_PERIOD_S)

    async def _save(self) -> None:
        """Write what waits; when the store is away, it waits on."""
        try:
            for _ in range(_BATCHES_AT_ONCE):
                batch = self._state.take_batch()
                if not batch:
                    break
                changed = [alert.to_json() for alert in batch.changed]
                await self._store.apply_alerts(changed, list(batch.dropped), list(batch.outbox))
                self._state.confirm_saved(batch)
        except AppError as error:
            self._note_store(error.detail)
        else:
            self._note_store(None)

    def _note_store(self, reason: str | None) -> None:
        if (reason is None) != (self._store_away is None):
            action = "alerts_saved" if reason is None else "alerts_not_saved"
            log.warning("%s", reason or "Alerts are saved again.", extra={"action": action})
        self._store_away = reason

    def _require_look(self) -> datetime:
        if self._state.looked_at is None:
            raise Unavailable("Alerts have not been looked at yet.", code="alerts_unavailable")
        return self._state.looked_at

    def _render_page(self, items: list[AlertView], next_cursor: str | None, as_of: datetime) -> AlertPage:
        failing = self._delivery.failing
        return {
            "items": items,
            "next_cursor": next_cursor,
            "as_of": format_time(as_of),
            "degraded": self._list_degraded(),
            "receivers": [failing[name].render(self._config) for name in sorted(failing)],
        }

    def _list_degraded(self) -> list[str]:
        state, reasons = self._state, list(self._missing)
        if state.unknown:
            reasons.append(f"Not known now: {', '.join(sorted(state.unknown))}.")
        if state.note is not None:
            reasons.append(state.note)
        if self._store_away is not None:
            reasons.append(f"{state.unsaved} changes of alerts are not saved yet: {self._store_away}")
        if state.lost:
            reasons.append(f"{state.lost} resolved alerts were lost while the store was away.")
        return reasons


async def _said(answer: Awaitable[Answer]) -> tuple[Answer | None, str | None]:
    """What a part said, or why there is nothing."""
    try:
        return await answer, None
    except AppError as error:
        return None, error.detail


def _report_events(events: Sequence[Event]) -> None:
    for event in events:
        alert = event.alert
        level = logging.INFO if event.kind == "resolved" else logging.WARNING
        extra = {
            "action": f"alert_{event.kind}",
            "alert": event.message,
            "rule": alert.rule.value,
            "subject": alert.subject,
            "count": event.count,
        }
        log.log(level, "%s", alert.sentence, extra=extra)

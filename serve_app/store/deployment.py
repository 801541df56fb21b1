"""The store as a part of the Serve graph: it comes up without its database, and finds it when it is back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any

from serve_app.env import Env
from serve_app.store.agents import SaveOutcome
from serve_app.store.engine import database_url, hide_url
from serve_app.store.errors import StoreUnavailable
from serve_app.store.store import Store

log = logging.getLogger("ray.serve.seedcore")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_WAIT_S = 5.0

Json = dict[str, Any]


class Opening:
    """Opens the store when it is first needed. After a failure callers get that failure until a pause is over,
    which doubles from 0.5 to 10 s, so that a dead database is not besieged.
    """

    def __init__(self, open_store: Callable[[], Awaitable[Store]], clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_store
        self._clock = clock
        self._store: Store | None = None
        self._attempt: asyncio.Task[Store] | None = None
        self._failure: StoreUnavailable | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._again_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return self._store is not None

    async def store(self) -> Store:
        """The open store; raises ``StoreUnavailable``. All who wait share one attempt, which goes on without them."""
        if self._store is not None:
            return self._store
        if self._attempt is None:
            if self._failure is not None and self._clock() < self._again_at:
                raise type(self._failure)(self._failure.detail, code=self._failure.code)
            self._attempt = asyncio.create_task(self._try())
        try:
            async with asyncio.timeout(_WAIT_S):
                return await asyncio.shield(self._attempt)
        except TimeoutError:
            raise StoreUnavailable("The store is unavailable: its database is still being opened.") from None

    async def close(self) -> None:
        """Close what is open; a later call opens it again."""
        store, self._store = self._store, None
        if store is not None:
            await store.close()

    async def _try(self) -> Store:
        try:
            self._store = await self._open()
        except StoreUnavailable as error:
            self._failure, self._again_at = error, self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise
        else:
            self._failure, self._pause_s = None, _FIRST_PAUSE_S
            return self._store
        finally:
            self._attempt = None


class StoreDeployment:
    """One replica that holds the database's connections; its methods are those of ``Store``."""

    def __init__(self) -> None:
        """Read the environment; the database is opened by the first call."""
        self._opening = Opening(partial(_open, Env.read()))

    async def check_health(self) -> None:
        """The replica is alive. The database's health is ``ping``: a new replica would not mend it."""

    async def ping(self) -> Json:
        """See ``Store.ping``."""
        return await (await self._opening.store()).ping()

    async def claim_agent(self, agent_id: str, organ_id: str, owner: str) -> Json:
        """See ``Store.claim_agent``."""
        return await (await self._opening.store()).claim_agent(agent_id, organ_id, owner)

    async def save_agent(self, agent_id: str, epoch: int, state: Json) -> SaveOutcome:
        """See ``Store.save_agent``."""
        return await (await self._opening.store()).save_agent(agent_id, epoch, state)

    async def list_agents(self, organ_id: str | None = None, limit: int = 500) -> list[Json]:
        """See ``Store.list_agents``."""
        return await (await self._opening.store()).list_agents(organ_id, limit)

    async def put_memory(self, key: str, value: Any, tags: Sequence[str], agent_id: str | None) -> Json:
        """See ``Store.put_memory``."""
        return await (await self._opening.store()).put_memory(key, value, tags, agent_id)

    async def get_memory(self, key: str) -> Json | None:
        """See ``Store.get_memory``."""
        return await (await self._opening.store()).get_memory(key)

    async def search_memory(self, query: str, tags: Sequence[str], limit: int) -> Json:
        """See ``Store.search_memory``."""
        return await (await self._opening.store()).search_memory(query, tags, limit)

    async def begin_initialization(self, submission_id: str, config_hash: str, force: bool = False) -> Json:
        """See ``Store.begin_initialization``."""
        return await (await self._opening.store()).begin_initialization(submission_id, config_hash, force)

    async def record_initialization_step(
        self, submission_id: str, config_hash: str, organ_id: str, agent_ids: Sequence[str], self_test: Json
    ) -> None:
        """See ``Store.record_initialization_step``."""
        store = await self._opening.store()
        await store.record_initialization_step(submission_id, config_hash, organ_id, agent_ids, self_test)

    async def finish_initialization(self, submission_id: str, succeeded: bool, sentence: str) -> None:
        """See ``Store.finish_initialization``."""
        await (await self._opening.store()).finish_initialization(submission_id, succeeded, sentence)

    async def save_jobs(self, session: str, records: Sequence[Json]) -> bool:
        """See ``Store.save_jobs``."""
        return await (await self._opening.store()).save_jobs(session, records)

    async def list_jobs(self, asked: Json) -> list[Json]:
        """See ``Store.list_jobs``."""
        return await (await self._opening.store()).list_jobs(asked)

    async def find_job(self, wanted: str, session: str | None = None) -> Json | None:
        """See ``Store.find_job``."""
        return await (await self._opening.store()).find_job(wanted, session)

    async def job_transitions(self, key: str) -> list[Json]:
        """See ``Store.job_transitions``."""
        return await (await self._opening.store()).job_transitions(key)

    async def save_log_excerpt(self, key: str, text: str) -> bool:
        """See ``Store.save_log_excerpt``."""
        return await (await self._opening.store()).save_log_excerpt(key, text)

    async def save_diagnosis(self, key: str, diagnosis: Json) -> bool:
        """See ``Store.save_diagnosis``."""
        return await (await self._opening.store()).save_diagnosis(key, diagnosis)

    async def diagnoses(self, keys: Sequence[str]) -> dict[str, Json]:
        """See ``Store.diagnoses``."""
        return await (await self._opening.store()).diagnoses(keys)

    async def open_jobs(self, session: str) -> list[str]:
        """See ``Store.open_jobs``."""
        return await (await self._opening.store()).open_jobs(session)

    async def close_unseen_jobs(self, session: str, keys: Sequence[str]) -> None:
        """See ``Store.close_unseen_jobs``."""
        return await (await self._opening.store()).close_unseen_jobs(session, keys)

    async def close_sessions(self, current: str) -> list[str]:
        """See ``Store.close_sessions``."""
        return await (await self._opening.store()).close_sessions(current)

    async def forget_jobs(self, kept_days: float, kept_jobs: int, batch: int = 2_000) -> int:
        """See ``Store.forget_jobs``."""
        return await (await self._opening.store()).forget_jobs(kept_days, kept_jobs, batch)

    async def delete_job(self, key: str) -> bool:
        """See ``Store.delete_job``."""
        return await (await self._opening.store()).delete_job(key)

    async def jobs_ended_since(self, since_us: int, counts_only: bool = False) -> Json:
        """See ``Store.jobs_ended_since``."""
        return await (await self._opening.store()).jobs_ended_since(since_us, counts_only)

    async def past_runs(self, series: Sequence[str]) -> dict[str, Json]:
        """See ``Store.past_runs``."""
        return await (await self._opening.store()).past_runs(series)

    async def count_jobs(self) -> Json:
        """See ``Store.count_jobs``."""
        return await (await self._opening.store()).count_jobs()

    async def latest_initialization(self, config_hash: str | None = None) -> Json | None:
        """See ``Store.latest_initialization``."""
        return await (await self._opening.store()).latest_initialization(config_hash)

    async def count_failed_initializations(self, config_hash: str) -> int:
        """See ``Store.count_failed_initializations``."""
        return await (await self._opening.store()).count_failed_initializations(config_hash)

    async def active_alerts(self) -> list[Json]:
        """See ``Store.active_alerts``."""
        return await (await self._opening.store()).active_alerts()

    async def apply_alerts(
        self, changed: Sequence[Mapping[str, Any]], dropped: Sequence[str], outbox: Sequence[Mapping[str, Any]]
    ) -> None:
        """See ``Store.apply_alerts``."""
        await (await self._opening.store()).apply_alerts(changed, dropped, outbox)

    async def due_notifications(self, webhook: str, limit: int) -> list[Json]:
        """See ``Store.due_notifications``."""
        return await (await self._opening.store()).due_notifications(webhook, limit)

    async def notification_delivered(self, notification_id: str) -> None:
        """See ``Store.notification_delivered``."""
        await (await self._opening.store()).notification_delivered(notification_id)

    async def notification_failed(self, notification_id: str, error: str, next_at: str | None) -> None:
        """See ``Store.notification_failed``."""
        await (await self._opening.store()).notification_failed(notification_id, error, next_at)

    async def alert_history(self, query: Mapping[str, Any]) -> list[Json]:
        """See ``Store.alert_history``."""
        return await (await self._opening.store()).alert_history(query)

    async def prune_alerts(self, kept_history: int, kept_days: float, give_up_after_h: float) -> Json:
        """See ``Store.prune_alerts``."""
        return await (await self._opening.store()).prune_alerts(kept_history, kept_days, give_up_after_h)

    async def save_samples(self, rows: Sequence[Json]) -> None:
        """See ``Store.save_samples``."""
        await (await self._opening.store()).save_samples(rows)

    async def load_samples(self, since_s: int, after: Sequence[Any] | None = None) -> Json:
        """See ``Store.load_samples``."""
        return await (await self._opening.store()).load_samples(since_s, after)

    async def close(self) -> None:
        """Give the connections back."""
        await self._opening.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this when it stops the replica, and awaits what it returns (ray/serve/_private/replica.py,
        ``call_destructor``). Python calls it again when nothing is left to await.
        """
        opening: Opening | None = getattr(self, "_opening", None)
        return opening.close() if opening is not None and opening.is_open else None


async def _open(env: Env) -> Store:
    url = database_url(env)
    store = await Store.open(url)
    log.info("store opened", extra={"action": "store_opened", "database": hide_url(url)})
    return store

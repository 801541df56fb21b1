"""The store as a part of the Serve graph: it comes up without its database, and finds it when it is back."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from functools import partial
from typing import Any

import ray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.schema import ApplicationStatus

from organs.live.settings import LiveSettings
from organs.replica import Versioned
from organs.times import format_time
from serve_app import parts
from serve_app.env import Env
from serve_app.forward import forward, list_public
from serve_app.schemas.findings import RefusedSettings
from serve_app.store.engine import find_database_url, find_directory, hide_url, keep_private
from serve_app.store.errors import StoreUnavailable
from serve_app.store.live.config import StoreConfig
from serve_app.store.live.file import SettingsFile
from serve_app.store.live.rows import render_refused, shorten_refusal
from serve_app.store.store import Store
from serve_app.tokens.environment import hold_environment

log = logging.getLogger("ray.serve.seedcore")

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 10.0
_WAIT_S = 5.0
# A database that is another one each time it is looked at is opened no more often than that.
_ANEW_AFTER_S = 1.0
# ``python -m serve_app.history`` opens the database itself, whether or not the application runs.
OF_THE_COMMAND = frozenset({"export_jobs", "import_jobs", "end_session", "end_serving"})
# As long as Serve has for its answer while it ends.
_STATUS_TIMEOUT_S = 3.0


class Opening:
    """Opens the store when it is first needed, and anew when its database is another one. After a failure callers get
    that failure until a pause is over, which doubles from 0.5 to 10 s, so that a dead database is not besieged.
    """

    def __init__(self, open_store: Callable[[], Awaitable[Store]], clock: Callable[[], float] = time.monotonic) -> None:
        self._open = open_store
        self._clock = clock
        self._store: Store | None = None
        self._attempt: asyncio.Task[Store] | None = None
        self._failure: StoreUnavailable | None = None
        self._pause_s = _FIRST_PAUSE_S
        self._again_at = 0.0
        self._anew_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether there is something to close."""
        return self._store is not None

    async def tell_shutdown(self, find_session: Callable[[], str | None]) -> None:
        """Let an open store know that Serve ends on request. ``find_session`` blocks, and tells in which session, or
        None where Serve goes on and only this replica is replaced."""
        if self._store is None:
            return
        try:
            async with asyncio.timeout(_STATUS_TIMEOUT_S):
                session = await asyncio.to_thread(find_session)
            if session is not None:
                await self._store.end_serving(session)
                log.info("Serve ends on request", extra={"action": "serve_ended", "session": session})
        except (TimeoutError, StoreUnavailable, RayError, RayServeException) as error:
            log.warning("that Serve ends is not kept: %s", error, extra={"action": "serve_end_not_kept"})

    async def get_store(self) -> Store:
        """The open store; raises ``StoreUnavailable``. All who wait share one attempt, which goes on without them."""
        if self._store is not None and not (self._store.is_outdated and self._clock() >= self._anew_at):
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
            # Before: the old one's last connection would write into what is opened now.
            await self.close()
            self._store = await self._open()
        except StoreUnavailable as error:
            self._failure, self._again_at = error, self._clock() + self._pause_s
            self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
            raise
        else:
            self._failure, self._pause_s = None, _FIRST_PAUSE_S
            self._anew_at = self._clock() + _ANEW_AFTER_S
            return self._store
        finally:
            self._attempt = None


@forward(
    Store,
    list_public(Store, but={*OF_THE_COMMAND, "close", "refused_settings"}),
    through=lambda replica: replica._opening.get_store(),
)
class StoreDeployment(Versioned):
    """One replica that holds the database's connections; its methods are those of ``Store``."""

    def __init__(self) -> None:
        """Read the environment; the database is opened by the first call."""
        env = Env.read()
        hold_environment(env)
        self._opening = Opening(partial(_open, env))
        file = SettingsFile(partial(find_directory, env))
        self._settings = LiveSettings(parts.STORE, StoreConfig, StoreConfig.model_validate, file)
        self._refused_since: datetime | None = None

    async def reconfigure(self, user_config: dict[str, Any]) -> None:
        """Take a new ``user_config``, or keep the last good one, which is in a file beside the database."""
        await self._settings.take(user_config)
        refused = self._settings.refused is not None
        self._refused_since = (self._refused_since or datetime.now(UTC)) if refused else None

    async def refused_settings(self, application: str) -> list[RefusedSettings]:
        """See ``store.live.rows.list_refused``; with what this deployment itself has refused."""
        told = await (await self._opening.get_store()).refused_settings(application)
        own = self._settings.refused
        if own is None:
            return told
        return [render_refused(parts.STORE, shorten_refusal(own), format_time(self._refused_since)), *told]

    async def check_health(self) -> None:
        """The replica is alive. The database's health is ``ping``: a new replica would not mend it."""

    async def close(self) -> None:
        """Give the connections back; when Serve is being shut down, tell the history before."""
        await self._settings.close()
        await self._opening.tell_shutdown(find_ended_session)
        await self._opening.close()

    def __del__(self) -> Coroutine[Any, Any, None] | None:
        """Serve calls this when it stops the replica, and awaits what it returns (ray/serve/_private/replica.py,
        ``call_destructor``). Python calls it again when nothing is left to await.
        """
        opening: Opening | None = getattr(self, "_opening", None)
        return self.close() if opening is not None and opening.is_open else None


def find_ended_session() -> str | None:
    """The session in which all of Serve is being shut down; None where it goes on."""
    if not ray.is_initialized():
        return None  # no replica; asking would begin a cluster
    applications = serve.status().applications.values()
    if any(each.status != ApplicationStatus.DELETING for each in applications):
        return None
    return str(ray.get_runtime_context().get_session_name())


async def _open(env: Env) -> Store:
    url = find_database_url(env)
    keep_private(env)
    store = await Store.open(url)
    keep_private(env)
    log.info("store opened", extra={"action": "store_opened", "database": hide_url(url)})
    return store

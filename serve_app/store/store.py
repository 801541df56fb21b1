"""The store: every question and change of the application, each in one transaction with a deadline."""

from __future__ import annotations

import functools
import inspect
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.schemas.health import StoreAnswer
from serve_app.store import agents, alerts, initializations, memories, samples, trails
from serve_app.store.database import Database
from serve_app.store.dialect import insert
from serve_app.store.engine import create_engine
from serve_app.store.errors import log
from serve_app.store.jobs import details as job_details
from serve_app.store.jobs import figures as job_figures
from serve_app.store.jobs import lines as job_lines
from serve_app.store.jobs import pages as job_pages
from serve_app.store.jobs import rows as job_rows
from serve_app.store.jobs import sessions as job_sessions
from serve_app.store.live import rows as live_rows
from serve_app.store.migrate import upgrade
from serve_app.store.requests import answers as request_answers
from serve_app.store.tables import heartbeats

TIMEOUT_S = 5.0
# The database gives up first, so that the error says what was slow and the next caller finds it idle.
_STATEMENT_SHARE = 0.8

Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")
Method = TypeVar("Method", bound=Callable[..., Any])


def get_utc_now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


def read(
    work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]],
) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """The method that does ``work`` in a transaction that is rolled back; it takes what stands after the connection."""

    async def ask(self: Store, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._database.read(lambda connection: work(connection, *args, **kwargs))

    return _sign(ask, work, given=1)


def write(
    work: Callable[Concatenate[AsyncConnection, datetime, P], Awaitable[T]],
) -> Callable[Concatenate[Store, P], Coroutine[Any, Any, T]]:
    """The method that does ``work`` in a transaction and commits it; ``work`` takes the time, too."""

    async def ask(self: Store, /, *args: P.args, **kwargs: P.kwargs) -> T:
        now = self._now()
        return await self._database.write(lambda connection: work(connection, now, *args, **kwargs))

    return _sign(ask, work, given=2)


def _sign(method: Method, work: Callable[..., Any], *, given: int) -> Method:
    """With the words of ``work``, and the signature that callers see: ``self`` for its ``given`` first parameters."""
    functools.update_wrapper(method, work)
    signature = inspect.signature(work)
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    taken = list(signature.parameters.values())[given:]
    vars(method)["__signature__"] = signature.replace(parameters=[own, *taken])
    return method


async def _write_beat(connection: AsyncConnection, now: datetime) -> bool:
    """Whether there was one before."""
    beat = {"beat_at": now}
    before = await connection.scalar(select(heartbeats.c.beat_at).where(heartbeats.c.name == "store"))
    await connection.execute(
        insert(connection, heartbeats)
        .values(name="store", **beat)
        .on_conflict_do_update(index_elements=["name"], set_=beat)
        .returning(heartbeats.c.beat_at)
    )
    return before is not None


class Store:
    """One database, and by the name of each question the function that answers it.

    Every method raises ``StoreUnavailable`` when it cannot answer within ``timeout_s`` seconds,
    ``InvalidInput`` when a value is not acceptable, and returns only when what it wrote is committed.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now
        self._opening = secrets.token_hex(8)
        self._has_beaten = False

    @property
    def is_outdated(self) -> bool:
        """Whether another database is at its place now, which is to be opened instead."""
        return self._database.is_outdated

    @classmethod
    async def open(cls, url: str, *, timeout_s: float = TIMEOUT_S, now: Callable[[], datetime] = get_utc_now) -> Self:
        """Connect and bring the tables up to date. Also raises ``StoreMisconfigured`` and ``StoreTooNew``."""
        await upgrade(url)
        engine = create_engine(url, statement_timeout_s=timeout_s * _STATEMENT_SHARE, makes_file=False)
        return cls(Database(engine, timeout_s), now)

    async def close(self) -> None:
        """Let running transactions end and give the connections back."""
        await self._database.close()

    async def ping(self) -> StoreAnswer:
        """Write, commit, and say how long it took: a full or read-only database shows only at the commit."""
        started, now = time.monotonic(), self._now()
        was_there = await self._database.write(lambda connection: _write_beat(connection, now))
        if self._has_beaten and not was_there:
            log.warning("the database was emptied by somebody else", extra={"action": "store_emptied"})
            self._opening = secrets.token_hex(8)
        self._has_beaten = True
        took_s = round(time.monotonic() - started, 6)
        answer: StoreAnswer = {"backend": self._database.backend, "latency_s": took_s}
        return answer if (note := self._database.note) is None else {**answer, "note": note}

    async def opening(self) -> str:
        """A word that is another each time the database is opened, since it may be another one or an older copy, and
        when it was emptied.

        Who has written what it does not have now writes it again. Asks nothing of the database.
        """
        return self._opening

    # What the organs ask.
    claim_agent = write(agents.claim)
    save_agent = write(agents.save)
    put_memory = write(memories.put)
    put_memory_once = write(request_answers.put_once)
    get_memory = read(memories.get)
    search_memory = read(memories.search)

    # Requests that may be sent again: the ingress.
    begin_request = write(request_answers.begin)
    renew_request = write(request_answers.renew)
    finish_request = write(request_answers.finish)

    # Initializations: the organism manager, and the job that does them.
    begin_initialization = write(initializations.begin)
    record_initialization_step = write(initializations.record_step)
    finish_initialization = write(initializations.finish)
    latest_initialization = read(initializations.find_latest)

    # The history of jobs: the inspector.
    save_jobs = write(job_rows.save)
    list_jobs = read(job_pages.list_page)
    find_job = read(job_details.find)
    find_run = read(job_details.find_run)
    job_transitions = read(job_details.list_transitions)
    save_log_excerpt = write(job_details.save_log_excerpt)
    save_diagnosis = write(job_details.save_diagnosis)
    diagnoses = read(job_details.list_diagnoses)
    open_runs = read(job_rows.open_keys)
    open_jobs = read(job_rows.open_plain_keys)
    close_unseen_jobs = write(job_rows.close_unseen)
    close_sessions = write(job_sessions.close_unseen)
    begin_session = write(job_sessions.begin)
    open_sessions = read(job_sessions.list_open)
    end_gone_sessions = write(job_sessions.end_gone)
    forget_jobs = write(job_rows.forget)
    delete_job = write(job_rows.delete_job)
    past_runs = read(job_figures.list_past_runs)
    save_samples = write(samples.save)
    load_samples = read(samples.load)
    save_trails = write(trails.save)
    load_trails = read(trails.load)

    # Settings of all deployments but the store's own.
    last_settings = read(live_rows.find_last)
    note_settings = write(live_rows.note)
    refused_settings = read(live_rows.list_refused)

    # ``python -m serve_app.history``.
    export_jobs = read(job_lines.export_page)
    import_jobs = write(job_lines.import_lines)

    # ``make down``, and the end of Serve.
    end_session = write(job_rows.end_session)
    end_serving = write(job_rows.end_serving)

    # Alerts, and what is to be told of them.
    active_alerts = read(alerts.list_active)
    apply_alerts = write(alerts.apply)
    notification_delivered = write(alerts.record_delivered)
    notification_failed = write(alerts.record_failed)
    alert_history = read(alerts.list_history)
    prune_alerts = write(alerts.prune)
    load_receivers = read(alerts.list_receivers)
    save_receiver = write(alerts.save_receiver)

    async def jobs_ended_since(self, since_us: int, counts_only: bool = False) -> Json:
        """See ``store.jobs.figures.count_ended``: until now, by the clock of the store."""
        now = self._now()
        return await self._database.read(
            lambda connection: job_figures.count_ended(connection, now, since_us, counts_only)
        )

    async def due_notifications(self, webhook: str, limit: int) -> list[Json]:
        """See ``store.alerts.list_due``: what is due now, by the clock of the store."""
        now = self._now()
        return await self._database.read(lambda connection: alerts.list_due(connection, now, webhook, limit))

"""The store: every question and change of the application, each in one transaction with a deadline."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from serve_app.schemas.diagnosis import MadeDiagnosis
from serve_app.schemas.health import StoreAnswer
from serve_app.schemas.jobs import KeptJob, KeptRow, Transition
from serve_app.store import agents, alerts, initializations, memories, samples
from serve_app.store.agents import SaveOutcome
from serve_app.store.database import Database
from serve_app.store.dialect import insert
from serve_app.store.engine import create_engine
from serve_app.store.jobs import diagnoses as job_diagnoses
from serve_app.store.jobs import figures as job_figures
from serve_app.store.jobs import lines as job_lines
from serve_app.store.jobs import pages as job_pages
from serve_app.store.jobs import rows as jobs
from serve_app.store.migrate import upgrade
from serve_app.store.tables import heartbeats

TIMEOUT_S = 5.0
# The database gives up first, so that the error says what was slow and the next caller finds it idle.
_STATEMENT_SHARE = 0.8

Json = dict[str, Any]
P = ParamSpec("P")
T = TypeVar("T")


def get_utc_now() -> datetime:
    """The time of this machine."""
    return datetime.now(UTC)


class Store:
    """One database. Every method raises ``StoreUnavailable`` when it cannot answer within ``timeout_s`` seconds,
    ``InvalidInput`` when a value is not acceptable, and returns only when what it wrote is committed.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    @classmethod
    async def open(cls, url: str, *, timeout_s: float = TIMEOUT_S, now: Callable[[], datetime] = get_utc_now) -> Self:
        """Connect and bring the tables up to date. Also raises ``StoreMisconfigured`` and ``StoreTooNew``."""
        await upgrade(url)
        engine = create_engine(url, statement_timeout_s=timeout_s * _STATEMENT_SHARE)
        return cls(Database(engine, timeout_s), now)

    async def close(self) -> None:
        """Let running transactions end and give the connections back."""
        await self._database.close()

    async def ping(self) -> StoreAnswer:
        """Write, commit, and say how long it took: a full or read-only database shows only at the commit."""
        started = time.monotonic()
        await self._write(_write_beat)
        return {"backend": self._database.backend, "latency_s": round(time.monotonic() - started, 6)}

    async def claim_agent(self, agent_id: str, organ_id: str, owner: str) -> Json:
        """Take an agent over: ``{"epoch", "state"}``, its state None when it is new. Earlier owners are fenced."""
        return await self._write(agents.claim, agent_id, organ_id, owner)

    async def save_agent(self, agent_id: str, epoch: int, state: Json) -> SaveOutcome:
        """Save an agent's state, at most 64 KiB as JSON, unless a later claim has fenced this epoch."""
        return await self._write(agents.save, agent_id, epoch, state)

    async def put_memory(self, key: str, value: Any, tags: Sequence[str], agent_id: str | None) -> Json:
        """Write or replace a memory, at most 256 KiB as JSON: ``{"key", "created", "updated_at"}``."""
        return await self._write(memories.put, key, value, tags, agent_id)

    async def get_memory(self, key: str) -> Json | None:
        """``key, value, tags, agent_id, revision, created_at, updated_at``, or None."""
        return await self._read(memories.get, key)

    async def search_memory(self, query: str, tags: Sequence[str], limit: int) -> Json:
        """``{"items", "total"}``, newest first; fewer items than ``limit`` when they would make a huge answer."""
        return await self._read(memories.search, query, tags, limit)

    async def begin_initialization(self, submission_id: str, config_hash: str, force: bool = False) -> Json:
        """Register a run: ``{"state": "fresh" | "already_succeeded" | "resumed" | "same", "steps": {organ_id: step}}``.

        With ``force`` the steps of earlier runs are forgotten. Raises ``Conflict`` when this submission has ended.
        """
        return await self._write(initializations.begin, submission_id, config_hash, force=force)

    async def record_initialization_step(
        self, submission_id: str, config_hash: str, organ_id: str, agent_ids: Sequence[str], self_test: Json
    ) -> None:
        """Record that an organ is done. Raises ``Conflict`` when the run was superseded or has ended."""
        await self._write(initializations.record_step, submission_id, config_hash, organ_id, agent_ids, self_test)

    async def finish_initialization(self, submission_id: str, succeeded: bool, sentence: str) -> None:
        """Record the outcome of a run. Raises ``NotFound``, or ``Conflict`` when it ended otherwise before."""
        await self._write(initializations.finish, submission_id, succeeded, sentence)

    async def latest_initialization(self, config_hash: str | None = None) -> Json | None:
        """``submission_id, config_hash, state, sentence, started_at, ended_at, steps`` of the run that began last."""
        return await self._read(initializations.find_latest, config_hash)

    async def save_jobs(self, session: str, records: Sequence[Json]) -> bool:
        """Write at most 500 jobs of a session as they are now, each with a transition when its judgement changed.

        Gives whether the session had been closed: its open jobs were declared lost, and must be written again.
        """
        return await self._write(jobs.save, session, records)

    async def list_jobs(self, asked: Json) -> list[KeptRow]:
        """A page of the history, newest first; see ``store.job_pages.page``."""
        return await self._read(job_pages.list_page, asked)

    async def find_job(self, wanted: str, session: str | None = None) -> KeptJob | None:
        """The newest job with this id, with transitions and log excerpt."""
        return await self._read(jobs.find, wanted, session)

    async def job_transitions(self, key: str) -> list[Transition]:
        """How the judgement of a job changed, oldest first."""
        return await self._read(jobs.list_transitions, key)

    async def save_log_excerpt(self, key: str, text: str) -> bool:
        """Keep the end of a job's log; whether the job was there."""
        return await self._write(jobs.save_log_excerpt, key, text)

    async def save_diagnosis(self, key: str, diagnosis: MadeDiagnosis) -> bool:
        """Keep why a job failed; whether the job was there."""
        return await self._write(job_diagnoses.save, key, diagnosis)

    async def diagnoses(self, keys: Sequence[str]) -> dict[str, MadeDiagnosis]:
        """Why these jobs failed, by key, as far as that is kept."""
        return await self._read(job_diagnoses.list_diagnoses, keys)

    async def open_jobs(self, session: str) -> list[str]:
        """Keys of jobs that had not ended when they were last seen."""
        return await self._read(jobs.open_keys, session)

    async def close_unseen_jobs(self, session: str, keys: Sequence[str]) -> None:
        """Record that Ray no longer lists these jobs."""
        await self._write(jobs.close_unseen, session, keys)

    async def close_sessions(self, current: str) -> list[str]:
        """Declare lost what ran in sessions that nobody has seen for five minutes; gives their names."""
        return await self._write(jobs.close_sessions, current)

    async def forget_jobs(self, kept_days: float, kept_jobs: int, batch: int = 2_000) -> int:
        """Delete ended jobs that are too old or too many, at most ``batch``."""
        return await self._write(jobs.forget, kept_days, kept_jobs, batch)

    async def delete_job(self, key: str) -> bool:
        """Forget one job; whether it was there."""
        return await self._write(jobs.delete_job, key)

    async def export_jobs(self, after: str) -> list[Json]:
        """Jobs by key after this one, whole; see ``store.job_lines``."""
        return await self._read(job_lines.export_page, after)

    async def import_jobs(self, lines: Sequence[str]) -> int:
        """Write exported lines, all of them or none; how many were newer than what was there."""
        return await self._write(job_lines.import_lines, lines)

    async def jobs_ended_since(
        self, since_us: int, counts_only: bool = False, not_counted: Sequence[str] = job_figures.NOT_COUNTED
    ) -> Json:
        """Counts, durations and causes; see ``store.job_figures.ended_since``."""
        return await self._read(job_figures.count_ended, since_us, counts_only, not_counted)

    async def past_runs(self, series: Sequence[str]) -> dict[str, Json]:
        """Durations and last times by series."""
        return await self._read(job_figures.list_past_runs, series)

    async def active_alerts(self) -> list[Json]:
        """Alerts that are not resolved, as ``Alert.to_json`` has them."""
        return await self._read(alerts.list_active)

    async def apply_alerts(
        self, changed: Sequence[Mapping[str, Any]], dropped: Sequence[str], outbox: Sequence[Mapping[str, Any]]
    ) -> None:
        """Write alerts, forget pending ones by id, and put notifications into the outbox, all of it or nothing."""
        await self._write(alerts.apply, changed, dropped, outbox)

    async def due_notifications(self, webhook: str, limit: int) -> list[Json]:
        """What a webhook shall be told now: ``id, alert_id, payload, created_at, attempts``."""
        now = self._now()
        return await self._read(alerts.list_due, now, webhook, limit)

    async def notification_delivered(self, notification_id: str) -> None:
        """Record that a notification arrived; it is not due again."""
        await self._write(alerts.record_delivered, notification_id)

    async def notification_failed(self, notification_id: str, error: str, next_at: str | None) -> None:
        """Record a failed attempt and when the next is due, as RFC 3339; None gives it up."""
        await self._write(alerts.record_failed, notification_id, error, next_at)

    async def alert_history(self, query: Mapping[str, Any]) -> list[Json]:
        """Alerts that fired, the newest first; see ``serve_app.store.alerts.list_history``."""
        return await self._read(alerts.list_history, query)

    async def prune_alerts(self, kept_history: int, kept_days: float, give_up_after_h: float) -> Json:
        """Keep history and outbox within bounds: ``{"given_up", "forgotten"}``."""
        return await self._write(alerts.prune, kept_history, kept_days, give_up_after_h)

    async def save_samples(self, rows: Sequence[Json]) -> None:
        """Save buckets of figures over time, at most 1000 in one transaction, and drop those that are too old.

        A row has ``series, label, width_s, starts_at`` (seconds since 1970) and ``payload``; one that exists is
        replaced.
        """
        await self._write(samples.save, rows)

    async def load_samples(self, since_s: int, after: Sequence[Any] | None = None) -> Json:
        """A page of buckets from ``since_s`` (seconds since 1970) on: ``{"items", "next"}``; give ``next`` for
        ``after`` until it is None."""
        return await self._read(samples.load, since_s, after)

    async def _read(
        self, work: Callable[Concatenate[AsyncConnection, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        return await self._database.read(lambda connection: work(connection, *args, **kwargs))

    async def _write(
        self, work: Callable[Concatenate[AsyncConnection, datetime, P], Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        now = self._now()
        return await self._database.write(lambda connection: work(connection, now, *args, **kwargs))


async def _write_beat(connection: AsyncConnection, now: datetime) -> None:
    beat = {"beat_at": now}
    await connection.execute(
        insert(connection, heartbeats)
        .values(name="store", **beat)
        .on_conflict_do_update(index_elements=["name"], set_=beat)
        .returning(heartbeats.c.beat_at)
    )

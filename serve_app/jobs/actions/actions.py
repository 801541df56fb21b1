"""What is done to Ray's jobs for who asks the API: submit, stop, retry, delete. A refusal is an error.

One job is submitted elsewhere: the initialization, by ``organism.manager``.

Ray keeps the truth: an id is taken when Ray says so, so two of us, or one that died half-way, make no job twice.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

from pydantic import JsonValue

from serve_app.cluster.rows import read_time_ms
from serve_app.errors import AppError, Conflict, DeadlineExceeded, NotFound, Unavailable, UpstreamFailed
from serve_app.forward import served
from serve_app.jobs.actions.bodies import MAX_STOP_WAIT_S, SubmitBody, read
from serve_app.jobs.actions.deletion import count_unsettled_s
from serve_app.jobs.actions.retry import (
    build_next_attempt,
    require_over,
    require_submission,
    require_worth_it,
)
from serve_app.jobs.actions.rules import HASH_KEY, build_payload, compute_hash, has_working_dir, require_on
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.actions.stop import (
    ListDrivers,
    Stop,
    StopSource,
    describe_process,
    read_grace_s,
    select_living,
)
from serve_app.jobs.drivers import DriverRun, select_own
from serve_app.jobs.judging.pending import NEVER_STARTS
from serve_app.jobs.judging.successors import RETRY_OF_KEY
from serve_app.jobs.models import DriverExit, JobFacts, JobRow, JobType
from serve_app.jobs.reading.find import Find
from serve_app.jobs.reading.observed import refuse_unknown
from serve_app.jobs.reading.run_log import is_run
from serve_app.outcomes import ENDED_STATUSES, JobOutcome
from serve_app.schemas.changes import DeleteAnswer, RetryAnswer, StopAnswer, SubmitAnswer
from serve_app.schemas.diagnosis import DiagnosisView
from serve_app.schemas.jobs import KeptJob

Json = dict[str, Any]

_LATER_LOOKS = 10
_MOST_STOPS = 1_000
_MOST_PASSED_OVER = 100
_LOOK_AGAIN_S = 0.5


# The diagnosis of a job as far as it was made; None: there is none.
FindDiagnosis = Callable[[JobRow], Awaitable[DiagnosisView | None]]


async def _list_no_drivers(_submission_id: str) -> tuple[DriverRun, ...]:
    return ()


async def _find_no_diagnosis(_row: JobRow) -> DiagnosisView | None:
    return None


async def _restore_nothing(row: JobRow) -> JobRow:
    return row


class JobsApi(StopSource, Protocol):
    """Ray's jobs as ``dashboard.DashboardClient`` reads and writes them."""

    async def submit_job(self, payload: Json) -> str: ...

    async def delete_job(self, submission_id: str) -> bool: ...


class PastJobArchive(Protocol):
    """Jobs that only the history knows (``archive.Archive``)."""

    async def find(self, wanted: str) -> KeptJob | None: ...

    async def forget(self, key: str) -> bool: ...


class Actions:
    """What operators do to jobs. Everything is refused while the configuration has it off."""

    def __init__(
        self,
        client: JobsApi,
        find: Find,
        rules: JobManagement,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        make_id: Callable[[], str] = lambda: f"job-{secrets.token_hex(8)}",
        report_change: Callable[[], None] = lambda: None,
        list_drivers: ListDrivers = _list_no_drivers,
        find_diagnosis: FindDiagnosis = _find_no_diagnosis,
        restore_judgement: Callable[[JobRow], Awaitable[JobRow]] = _restore_nothing,
    ) -> None:
        """``report_change`` is called after Ray took or forgot a job; ``find_diagnosis`` tells what was found out.

        ``restore_judgement`` adds what the history knows of how a job ended, and Ray has forgotten.
        """
        self._client = client
        self._find = find
        self._rules = rules
        self._now = now
        self._clock = clock
        self._pause = pause
        self._make_id = make_id
        self._report_change = report_change
        self._list_drivers = list_drivers
        self._find_diagnosis = find_diagnosis
        self._restore_judgement = restore_judgement
        # When the stop of a job was first asked for: to ask again changes nothing in Ray.
        self._stops: dict[str, datetime] = {}

    @served("submit_job")
    async def submit(self, body: Mapping[str, JsonValue]) -> SubmitAnswer:
        """Submit a job; with the id and body of a job that exists, that job is the answer (``created`` false).

        Raises ``InvalidInput``, ``Forbidden``, ``Conflict`` (the id has another body), ``DeadlineExceeded`` when Ray
        did not say whether it took the job.
        """
        require_on(self._rules)
        wanted = read(SubmitBody, body)
        submission_id = wanted.submission_id or self._make_id()
        build = partial(build_payload, wanted, self._rules, submission_id, os.path.realpath)
        # Links are followed in a thread: a directory may be on a disk that hangs.
        payload = await asyncio.to_thread(build) if has_working_dir(wanted) else build()
        made_before = None if wanted.submission_id is None else await self._look(submission_id)
        if made_before is not None:
            return _require_same(made_before, submission_id, HASH_KEY, compute_hash(wanted))
        return await self._create(payload, HASH_KEY, compute_hash(wanted))

    @served("stop_job")
    async def stop(self, id: str, wait_s: float) -> StopAnswer:
        """Stop a submission and watch for at most ``wait_s`` seconds; raises ``Conflict`` for what Ray cannot stop."""
        require_on(self._rules)
        row, facts, driver = await self._find(id)
        if row.type is not JobType.SUBMISSION or row.submission_id is None:
            raise _refuse_stop(row, facts, driver)
        _require_startable(row)
        raw = await self._client.get_job(row.submission_id)
        asked_at, grace_s = self._stops.get(row.key), read_grace_s(raw)
        stop = Stop(
            self._client,
            row.submission_id,
            self._now,
            self._clock,
            self._pause,
            self._list_drivers,
            asked_at,
            grace_s,
        )
        status = str(raw.get("status"))
        if status not in ENDED_STATUSES:
            if len(self._stops) < _MOST_STOPS:
                self._stops.setdefault(row.key, self._now())
            return await stop.run(min(max(wait_s, 0.0), MAX_STOP_WAIT_S))
        if row.outcome is JobOutcome.RUNNING and row.status == status:
            own = select_own(await self._list_drivers(row.submission_id), row.started_at)
            living = select_living(own, {})
            raise _refuse_stop(row, facts, driver) if not living else _refuse_stop_of_living(row, living[-1])
        return await stop.look_only()

    @served("retry_job")
    async def retry(self, id: str, force: bool) -> RetryAnswer:
        """Submit a job that ended once more; raises ``Conflict`` with the reason when that makes no sense."""
        require_on(self._rules)
        row, raw = await self._conclude_now(id)
        row = await self._restore_judgement(row)
        submission_id = str(row.submission_id)
        judged = require_worth_it(row, raw, await self._find_diagnosis(row), force=force)
        for passed_over in range(_MOST_PASSED_OVER):
            payload = build_next_attempt(
                raw, submission_id, most=self._rules.max_attempts, force=force, passed_over=passed_over
            )
            made_before = await self._look(payload["submission_id"])
            if made_before is None or not _began_before(made_before, row):
                break
        if made_before is None:
            made = await self._create(payload, RETRY_OF_KEY, submission_id)
        else:
            made = _require_same(made_before, payload["submission_id"], RETRY_OF_KEY, submission_id)
            if made["state"] in ENDED_STATUSES:
                raise Conflict(
                    f"It was retried already as {made['id']}, which is {made['state']}; retry that one.",
                    code="already_retried",
                    submission_id=made["id"],
                )
        attempt = int(payload["metadata"]["seedcore.attempt"])
        return {
            **made,
            "retry_of": submission_id,
            "attempt": attempt,
            "chance": judged.chance.value,
            "reason": judged.reason,
        }

    async def delete(self, id: str) -> DeleteAnswer:
        """Have Ray forget a submission that is over; raises ``Conflict`` for any other.

        Of one that has just ended, after ``deletion.SETTLED_S`` at most.
        """
        require_on(self._rules)
        row, raw = await self._conclude_now(id)
        _require_startable(row)
        submission_id = str(row.submission_id)
        require_over(row, str(raw.get("status")))
        if (left_s := count_unsettled_s(raw, self._now())) > 0:
            await self._pause(left_s)
        try:
            if not await self._client.delete_job(submission_id):
                raise UpstreamFailed("Ray did not delete the job, and did not say why.")
        finally:
            # Also where Ray did not say whether it did.
            self._report_change()
        return {
            "id": submission_id,
            "submission_id": submission_id,
            "deleted": True,
            "sentence": "Ray and the history have forgotten it: no list, figure or rate has it any more. Its log stays "
            "on its node until Ray's session ends.",
        }

    async def delete_past(self, id: str, past: PastJobArchive, session: str) -> DeleteAnswer:
        """Forget a job that only the history knows; ``session`` is the present one. Raises ``NotFound``."""
        require_on(self._rules)
        stored = await past.find(id)
        if stored is None:
            raise refuse_unknown(id)
        await past.forget(stored["key"])
        present = stored["row"]["session"] == session
        why = "Ray had forgotten it already" if present else "It was of another session"
        return {
            "id": stored["row"]["id"],
            "submission_id": stored["row"]["submission_id"],
            "deleted": True,
            "sentence": f"{why}; the history has forgotten it: no list, figure or rate has it any more.",
        }

    async def _conclude_now(self, id: str) -> tuple[JobRow, Json]:
        """A submission as it was concluded from Ray's present word: the latest look may be some seconds older."""
        for _ in range(_LATER_LOOKS):
            row, _, _ = await self._find(id)
            require_submission(row)
            raw = await self._client.get_job(str(row.submission_id))
            if row.status == raw.get("status") and is_run(row, raw):
                return row, raw
            await self._pause(_LOOK_AGAIN_S)
        raise Unavailable("What became of the job is not concluded yet; try again.", code="not_concluded")

    async def _create(self, payload: Json, key: str, value: str) -> SubmitAnswer:
        """Submit, or find that another did so in the meantime; ``key`` of the metadata says whether it is the same."""
        submission_id = str(payload["submission_id"])
        try:
            made = await self._client.submit_job(payload)
        except Unavailable as error:
            raise DeadlineExceeded(
                f"Whether Ray took the job is not known: {error.detail} Ask for the job, or send the same again with "
                "this submission_id.",
                code="submission_unknown",
                submission_id=submission_id,
            ) from None
        except UpstreamFailed as error:
            return _require_same(await self._look_after(submission_id, error), submission_id, key, value)
        finally:
            # Also where Ray did not say whether it took the job.
            self._report_change()
        return {"id": made, "submission_id": made, "state": "PENDING", "created": True}

    async def _look(self, submission_id: str) -> Json | None:
        try:
            return await self._client.get_job(submission_id)
        except NotFound:
            return None

    async def _look_after(self, submission_id: str, error: AppError) -> Json:
        """Ray refuses an id that is taken with the same HTTP 500 as anything else; the job itself tells."""
        found = await self._look(submission_id)
        if found is None:
            raise error from None
        return found


def _require_same(raw: Json, submission_id: str, key: str, value: str) -> SubmitAnswer:
    metadata = raw.get("metadata")
    if not isinstance(metadata, Mapping) or metadata.get(key) != value:
        raise Conflict(
            f"There is another job with the id {submission_id}; choose another id.",
            code="id_taken",
            submission_id=submission_id,
        )
    state = str(raw.get("status") or "UNKNOWN")
    return {"id": submission_id, "submission_id": submission_id, "state": state, "created": False}


def _began_before(raw: Json, row: JobRow) -> bool:
    """Whether a job is older than a run, and so no retry of it but of an earlier one that had its id."""
    started_at = read_time_ms(raw.get("start_time"))
    return started_at is not None and row.started_at is not None and started_at < row.started_at


def _require_startable(row: JobRow) -> None:
    """Raise ``Conflict`` for what Ray noted and never began with: it can be neither stopped nor deleted there."""
    if row.rule == NEVER_STARTS:
        raise Conflict(
            f"{row.reason} There is nothing to stop, and Ray deletes only what is over.", code="never_starts"
        )


def _refuse_stop(row: JobRow, facts: JobFacts | None, driver: DriverExit | None) -> Conflict:
    pid = (facts.pid if facts is not None else None) or (driver.pid if driver is not None else None) or None
    place = (facts.node_ip if facts is not None else None) or row.node_id or "its node"
    process = "its process" if pid is None else f"process {pid}"
    lost = row.type is JobType.SUBMISSION
    why = (
        "Ray has lost this job's supervisor and calls it over, but its driver is alive"
        if lost
        else "Ray can stop only what was submitted, and this job was started as a plain driver"
    )
    return Conflict(
        f"{why}. A person can end {process} on {place} there; a submitted job (POST /jobs) can be stopped here.",
        code="supervisor_lost" if lost else "not_a_submission",
        node_id=row.node_id,
        pid=pid,
    )


def _refuse_stop_of_living(row: JobRow, driver: DriverRun) -> Conflict:
    return Conflict(
        f"Ray calls this job over ({row.status}) and can stop only what it started, but its driver "
        f"({describe_process(driver)}) lives on. A person can end that process there.",
        code="driver_lives_on",
        node_id=driver.node_id,
        pid=driver.pid,
    )

"""What the API answers about jobs, made from the watch. All answers are plain dicts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from serve_app.cluster.dashboard import DashboardClient
from serve_app.errors import AppError, Unavailable
from serve_app.forward import served
from serve_app.jobs import views
from serve_app.jobs.answers import drawing
from serve_app.jobs.answers.deployments import REFUSED_SETTING, DeploymentTroubles
from serve_app.jobs.answers.hierarchy import build_hierarchy
from serve_app.jobs.answers.lifecycle import build_lifecycle
from serve_app.jobs.answers.sources import Causes, OwnWorkSource
from serve_app.jobs.diagnosis.words.answers import complete_kept
from serve_app.jobs.history import figures
from serve_app.jobs.history.archive import Archive, JobFilter
from serve_app.jobs.judging.contradiction import OF_EXCEPTIONS
from serve_app.jobs.judging.findings import merge_findings
from serve_app.jobs.models import ActorFacts, JobRow, Known, Section, Unknown, find_row
from serve_app.jobs.motion_views import render_motion
from serve_app.jobs.queries import HierarchyQuery
from serve_app.jobs.reading.observed import describe_freshness, refuse_unknown, require
from serve_app.jobs.reading.poll import Seen
from serve_app.jobs.reading.replica import Replica
from serve_app.jobs.reading.rows import find_start
from serve_app.jobs.reading.thread_call import ThreadCall
from serve_app.jobs.watch import JobWatch
from serve_app.queries.job_names import build_view_key
from serve_app.queries.query import PlainQuery, read_query
from serve_app.queries.windows import ALERT_WINDOWS, WINDOWS_S, Window
from serve_app.redaction import hide_everywhere, redact_end
from serve_app.schemas.alerts import EndedInWindow, JobAlertInputs
from serve_app.schemas.findings import FindingsAnswer
from serve_app.schemas.hierarchy import HierarchyAnswer, HierarchyTextAnswer, LifecycleAnswer
from serve_app.schemas.jobs import (
    ActorsOfJob,
    CurrentJobAnswer,
    JobAnswer,
    JobPage,
    JobView,
    KeptJob,
    TasksOfJob,
)
from serve_app.schemas.logs import LogAnswer
from serve_app.schemas.summary import JobFiguresAnswer

_DETAILS_AT_ONCE = 2
_FRAMES_CHARS = 4_000
_MOST_DRIVERS_ASKED = 10


class JobAnswers:
    """Lists, single jobs, figures, hierarchy and lifecycle."""

    def __init__(
        self,
        watch: JobWatch,
        archive: Archive,
        client: DashboardClient,
        here: Replica,
        parts: frozenset[str],
        causes: Causes,
        work: OwnWorkSource,
        troubles: DeploymentTroubles,
    ) -> None:
        """``parts``: deployments of this application that are no organs."""
        self._watch = watch
        self._archive = archive
        self._causes = causes
        self._work = work
        self._troubles = troubles
        self._client = client
        self._here = here
        self._parts = parts
        self._frames = ThreadCall(here.list_exception_frames)
        self._details = asyncio.Semaphore(_DETAILS_AT_ONCE)
        self._controller: tuple[ActorFacts, datetime | None] | None = None

    @served("list_jobs")
    async def list_jobs(self, query: PlainQuery) -> JobPage:
        """A page of jobs, newest first; raises ``InvalidInput`` for a filter, limit or cursor that is none."""
        asked = JobFilter.parse(query)
        seen = await self._watch.get()
        require(seen.snapshot.jobs)
        items, cursor, missing = await self._archive.list_page(asked, seen.rows, seen.by_key, self._watch.unwritten)
        answer = describe_freshness(seen)
        answer["degraded"] += [*missing, *self._describe_unwritten(missing)]
        return {"items": list(map(self._add_code, items)), "next_cursor": cursor, **answer}

    @served("get_job")
    async def get_job(self, job_or_submission_id: str) -> JobAnswer:
        """One job with all that is known of it, of this session or an earlier one; raises ``NotFound``."""
        found = await self._watch.find(job_or_submission_id)
        if found is not None:
            return await self._answer_present_job(*found)
        stored = await self._archive.find(job_or_submission_id)
        if stored is None:
            raise refuse_unknown(job_or_submission_id)
        return self._answer_past_job(stored)

    @served("current")
    async def answer_current(self) -> CurrentJobAnswer:
        """The job that this application runs in. Ray hides it when the application came by ``serve deploy``."""
        seen = await self._watch.get()
        row = next((row for row in seen.rows if row.job_id == self._here.job_id), None)
        if row is None:
            raise Unavailable("Ray's job list is not available, so our own job is not known.", code="ray_unavailable")
        return {**views.render_row(row), **describe_freshness(seen)}

    async def answer_figures(self, query: PlainQuery) -> JobFiguresAnswer:
        """The jobs' part of the summary over a window, and the counts of what is there now."""
        window = figures.parse_window(query)
        seen = await self._watch.get()
        require(seen.snapshot.jobs)
        ended, missing = await self._count_ended(seen, window)
        answer = describe_freshness(seen)
        answer["degraded"] += [*missing, *self._describe_unwritten(missing)]
        return {
            "window": window,
            "window_s": WINDOWS_S[window],
            **figures.compute_figures(ended),
            "counts": views.render_counts(seen.rows),
            **answer,
        }

    @served("hierarchy")
    async def answer_hierarchy(self, query: PlainQuery) -> HierarchyAnswer | HierarchyTextAnswer:
        """Who schedules and manages what: ``{"root"}`` or ``{"text"}``; raises ``InvalidInput`` for another format."""
        form = read_query(HierarchyQuery, query).format
        seen = await self._watch.get()
        root = build_hierarchy(seen.snapshot, seen.rows, self._here.application, self._parts)
        if form == "json":
            return {"root": root.to_json(), **describe_freshness(seen)}
        return {
            "text": drawing.draw_mermaid(root) if form == "mermaid" else drawing.draw_text(root),
            **describe_freshness(seen),
        }

    @served("lifecycle")
    async def answer_lifecycle(self) -> LifecycleAnswer:
        """How this cluster came up, step by step."""
        seen = await self._watch.get()
        started_at = await self._find_start(_find_controller(seen.snapshot.actors))
        steps = build_lifecycle(seen.snapshot, seen.rows, self._here.application, started_at)
        return {"steps": steps, **describe_freshness(seen)}

    @served("findings")
    async def answer_findings(self) -> FindingsAnswer:
        """What is wrong beyond the verdict on one job."""
        seen = await self._watch.get()
        more, missing = await self._troubles.find(seen.snapshot.serve)
        answer = describe_freshness(seen)
        answer["degraded"] += missing
        found = merge_findings(self._watch.find_findings(seen), more)
        return {"items": [views.render_finding(each) for each in found], **answer}

    async def answer_kept_log(self, wanted: str, lines: int) -> LogAnswer | None:
        """What was kept of the log of a job of an earlier session; None when there is no such job."""
        stored = await self._archive.find(wanted)
        if stored is None:
            return None
        kept = (stored["log_excerpt"] or "").splitlines()
        return {
            "id": stored["row"]["id"],
            "submission_id": stored["row"]["submission_id"],
            "status": stored["row"]["status"],
            "node_id": stored["row"]["node_id"],
            "source": "history",
            "lines": kept[-lines:],
            "truncated": True,
            "size_bytes": None,
            "reason": None if kept else "Nothing of its log was kept.",
            "as_of": stored["updated_at"],
        }

    async def answer_alert_inputs(self) -> JobAlertInputs:
        """What alerts are judged by. ``windows`` lack what cannot be known.

        ``unknown_findings`` are the rules of which ``findings`` may lack something, ``unknown_subjects`` the jobs.
        """
        seen = await self._watch.get()
        windows: dict[str, EndedInWindow] = {}
        missing: list[str] = []
        for window in () if isinstance(seen.snapshot.jobs, Unknown) else ALERT_WINDOWS:
            ended, reasons = await self._count_ended(seen, window, counts_only=True)
            jobs = figures.compute_figures(ended)["jobs"]
            failed = jobs["failed"] + jobs["lost"]
            windows[window] = {"ended": jobs["succeeded"] + failed, "failed": failed, "of_all": jobs["ended"]}
            missing = reasons
        answer = describe_freshness(seen)
        answer["degraded"] += [*missing, *self._describe_unwritten(missing)]
        found = self._watch.find_findings(seen)
        unknown = self._watch.find_unknown(seen, found)
        more, unasked = await self._troubles.find(seen.snapshot.serve)
        return {
            "windows": windows,
            "findings": [views.render_finding(each) for each in merge_findings(found, more)],
            "unknown_findings": [*unknown.rules, *([REFUSED_SETTING] if unasked else [])],
            "unknown_subjects": unknown.subjects,
            "session": seen.snapshot.session,
            **answer,
        }

    def _add_code(self, row: JobView) -> JobView:
        return {**row, "code": row.get("code") or self._causes.find_code(build_view_key(row))}

    async def _answer_present_job(self, seen: Seen, row: JobRow) -> JobAnswer:
        if self._watch.history_failure is None:
            row = await self._archive.restore_judgement(row)
        snapshot = seen.snapshot
        driver, facts = snapshot.find_exit(row.job_id), snapshot.find_job(row.id)
        drivers = snapshot.list_drivers(row.submission_id)
        values = () if facts is None else facts.secret_values
        job_ids = list(dict.fromkeys([*(each.job_id for each in drivers), *([row.job_id] if row.job_id else [])]))
        ended = {each.job_id for each in drivers if each.is_dead}
        (tasks, tasks_reason), work, frames, (transitions, missing), diagnosis = await asyncio.gather(
            self._ask_tasks(row, job_ids),
            self._work.describe(row, sorted(job_ids, key=lambda id: id in ended)),
            self._find_frames(row, job_ids, values),
            self._archive.list_transitions(row.key),
            self._causes.find_known(row),
        )
        actors, actors_reason = _render_own_actors(job_ids, snapshot.actors)
        exits = snapshot.driver_exits.value if isinstance(snapshot.driver_exits, Known) else {}
        answer, view = describe_freshness(seen), views.render_row(row)
        answer["degraded"] += missing
        return {
            **view,
            **hide_everywhere(work, values),
            "code": view["code"] or (None if diagnosis is None else diagnosis["code"]),
            "diagnosis": diagnosis,
            "motion": render_motion(row.motion),
            "expectation": views.render_expectation(view, self._watch.expect(row.kind)),
            "evidence": views.render_evidence(row),
            "driver": hide_everywhere(views.render_driver(facts, row, driver, find_row(frames, row.job_id)), values),
            "drivers": hide_everywhere(views.render_drivers(drivers, exits, frames), values),
            "message": None if facts is None else facts.message,
            "log_excerpt": None,
            "timeline": views.render_timeline(row, driver, snapshot.taken_at, transitions, drivers),
            "actors": hide_everywhere(actors, values),
            "actors_reason": actors_reason,
            "tasks": hide_everywhere(tasks, values),
            "tasks_reason": tasks_reason,
            **answer,
        }

    def _answer_past_job(self, stored: KeptJob) -> JobAnswer:
        """A job that only the history knows: there is no driver, actor or task left to ask about."""
        row = stored["row"]
        expectation = self._watch.expect(row["kind"])
        why = "It is of an earlier session of the cluster, or Ray has forgotten it."
        kept = None if stored["diagnosis"] is None else complete_kept(stored["diagnosis"])
        return {
            **row,
            "diagnosis": None if kept is None else kept["diagnosis"],
            "expectation": views.render_expectation(row, expectation),
            "evidence": stored["evidence"],
            "motion": None,
            "driver": None,
            "drivers": [],
            "message": None,
            "log_excerpt": stored["log_excerpt"],
            "timeline": views.render_past_timeline(row, stored["transitions"]),
            "actors": None,
            "actors_reason": why,
            "tasks": None,
            "tasks_reason": why,
            "holds": None,
            "holds_reason": why,
            "unfinished": None,
            "unfinished_reason": why,
            "as_of": stored["updated_at"],
            "degraded": [],
        }

    async def _count_ended(
        self, seen: Seen, window: Window, *, counts_only: bool = False
    ) -> tuple[Mapping[str, Any], list[str]]:
        now = seen.snapshot.taken_at
        since = now - timedelta(seconds=WINDOWS_S[window])
        if self._watch.history_failure is not None and window in ALERT_WINDOWS:
            # A store that takes nothing but answers knows none of the failures since; what is so new is in memory.
            return figures.count_ended(seen.rows, since, now, self._causes.find_code), []
        return await self._archive.count_ended(
            since, now, seen.rows, counts_only=counts_only, code_of=self._causes.find_code
        )

    def _describe_unwritten(self, missing: list[str]) -> list[str]:
        failure, given_up = self._watch.history_failure, self._watch.jobs_given_up
        why = [] if failure is None or missing else [f"history is not being written: {failure}"]
        return [*why, f"history: {given_up} jobs wait for it no longer, too many did."] if given_up else why

    async def _ask_tasks(self, row: JobRow, job_ids: list[str]) -> tuple[TasksOfJob | None, str | None]:
        """Of all its drivers; of many, of the last."""
        if row.job_id is None:
            return None, "It never connected to Ray, so it has no tasks."
        try:
            async with asyncio.timeout(self._watch.source_timeout_s), self._details:
                asked = map(self._client.summarize_tasks, job_ids[-_MOST_DRIVERS_ASKED:])
                return views.merge_tasks([views.render_tasks(each) for each in await asyncio.gather(*asked)]), None
        except TimeoutError:
            return None, "Ray did not answer in time."
        except AppError as error:
            return None, error.detail

    async def _find_frames(self, row: JobRow, job_ids: list[str], values: Sequence[str]) -> Mapping[str, str]:
        """Where uncaught exceptions of its drivers were, by job id."""
        if not any(evidence.rule in OF_EXCEPTIONS for evidence in row.evidence):
            return {}
        frames = await self._frames.get(self._watch.source_timeout_s)
        known = frames.value if isinstance(frames, Known) else {}
        return {job_id: redact_end(known[job_id], values)[-_FRAMES_CHARS:] for job_id in job_ids if job_id in known}

    async def _find_start(self, controller: ActorFacts | None) -> datetime | None:
        """Start of Serve's controller, asked once for each process; None when Ray does not tell."""
        if controller is None or controller.pid is None:
            return None
        if self._controller is None or self._controller[0] != controller:
            try:
                rows = (await self._client.list_workers(controller.pid)).rows
            except AppError:
                return None
            self._controller = (controller, find_start(controller.node_id, rows))
        return self._controller[1]


def _find_controller(actors: Section[tuple[ActorFacts, ...]]) -> ActorFacts | None:
    known = actors.value if isinstance(actors, Known) else ()
    return next((actor for actor in known if actor.is_serve_controller and actor.state == "ALIVE"), None)


def _render_own_actors(
    job_ids: list[str], actors: Section[tuple[ActorFacts, ...]]
) -> tuple[ActorsOfJob | None, str | None]:
    if isinstance(actors, Unknown):
        return None, actors.reason
    return views.render_actors(frozenset(job_ids), actors.value), None

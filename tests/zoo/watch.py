"""What the application says unasked of the jobs that are watched, look by look."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import httpx

from tests.integration.cluster import ROOT
from tests.zoo.compare import find_urgency_s
from tests.zoo.model import ANY, Job, Words
from tests.zoo.observation import Deep, Look, Trace
from tests.zoo.ray_tables import is_driver_of
from tests.zoo.steps import Stage

Json = Mapping[str, Any]
REPORT_FRESH_S = 4.0
# So many deeper looks at once: more of them would keep the application busy.
MOST_DEEP = 2


class Watch:
    """Traces of jobs; ``look`` adds one look at each of them.

    Detail, diagnosis and report take longer, so they are asked for beside it, and added when they are there.
    """

    def __init__(self, stage: Stage, left_out: Words) -> None:
        self._stage = stage
        self._api = stage.head.cluster.api("operator")
        self._left_out = left_out
        self._pool = ThreadPoolExecutor(MOST_DEEP)
        self._deep: dict[str, Future[Look | None]] = {}
        self._reporting = threading.Lock()
        self._report: Json = {}
        self._reported_at_s = 0.0
        self.traces: dict[str, Trace] = {}
        self.jobs: dict[str, Job] = {}

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.shutdown(cancel_futures=True)
        self._api.close()

    def add(self, job: Job) -> None:
        """Watch this one from now on."""
        self.jobs[job.id] = job
        self.traces[job.id] = Trace()

    def look(self) -> None:
        """One look at the list, the alerts and the findings, and at more of those of which more is due."""
        rows = self._get("/jobs", limit="200")["items"]
        alerts = self._get("/alerts", limit="200")["items"]
        findings = self._get("/jobs/findings")["items"]
        at_s = time.time()
        self._add_deep()
        urgent: list[tuple[float, Job, Json]] = []
        for id, job in list(self.jobs.items()):
            row = find_row(rows, id)
            if row is None:
                continue
            look = build_look(row, alerts, findings, at_s)
            trace = replace(self.traces[id].add(look), begun_at_s=self._stage.begun_at_s.get(id))
            self.traces[id] = trace
            self._arm(job)
            left_s = find_urgency_s(job, self.traces[id], self._stage.head.limit_s, at_s, self._left_out)
            if left_s is not None and id not in self._deep:
                urgent.append((left_s, job, row))
        free = MOST_DEEP - len(self._deep)
        for _, job, row in sorted(urgent, key=lambda each: each[0])[:free]:
            since_s = self.traces[job.id].looks[-1].at_s
            self._deep[job.id] = self._pool.submit(self._look_deeper, job, row, alerts, findings, since_s)

    def _add_deep(self) -> None:
        for id, future in list(self._deep.items()):
            if future.done():
                del self._deep[id]
                # The next look asks again; a moment without one is missed by its own name.
                with suppress(httpx.HTTPError):
                    if (look := future.result()) is not None:
                        self.traces[id] = self.traces[id].add(look)

    def _look_deeper(
        self, job: Job, row: Json, alerts: list[Json], findings: list[Json], since_s: float
    ) -> Look | None:
        """Detail, diagnosis and report, after a look at the row, which they must agree with."""
        path = f"/jobs/{quote(str(row['id']), safe='')}"
        detail, diagnosis = self._get(path), self._get(f"{path}/diagnosis")
        deep = build_deep(row, detail, diagnosis, self._read_report(since_s), alerts)
        if any(m.answer.offline != ANY for m in job.moments):
            deep = replace(deep, offline=diagnose_offline(self._stage.tables.read_log(job.id)))
        if any(m.answer.logs_say or m.answer.logs_lack for m in job.moments):
            deep = replace(deep, logs=json.dumps(self._get(f"{path}/logs")))
        if (detail["verdict"], detail["rule"]) != (row["verdict"], row["rule"]):
            return None
        return replace(build_look(row, alerts, findings, time.time()), deep=deep)

    def _arm(self, job: Job) -> None:
        if job.armed_by is None or self.traces[job.id].armed_at_s is not None:
            return
        by, least = job.armed_by
        with suppress(httpx.HTTPError, KeyError, TypeError):
            if self._stage.tables.read_facts(job.id).count(by) >= least:
                self.traces[job.id] = self.traces[job.id].arm(time.time())

    def _read_report(self, since_s: float) -> Json:
        """Not from before the row became what it is."""
        with self._reporting:
            if self._reported_at_s < max(since_s, time.time() - REPORT_FRESH_S):
                at_s = time.time()
                self._report, self._reported_at_s = self._get("/report", format="json"), at_s
            return self._report

    def _get(self, path: str, **params: str) -> Any:
        answer = self._api.get(path, params=params)
        answer.raise_for_status()
        return answer.json()


def find_row(rows: Iterable[Json], id: str) -> Json | None:
    """The row of a submission, or of a driver that was started with ``zoo=<id>``; the newest comes first."""
    return next((row for row in rows if row.get("submission_id") == id or is_driver_of(row, id)), None)


def build_look(row: Json, alerts: Iterable[Json], findings: Iterable[Json], at_s: float) -> Look:
    """What list, alerts and findings say of one job."""
    firing = [each for each in alerts if _is_about(each, row) and each["state"] == "firing"]
    return Look(
        at_s, at_s, row["outcome"], row["verdict"], row["rule"], row["code"],
        joined=row["job_id"] is not None,
        alerts=tuple(sorted(f"{each['rule']}:{each['severity']}" for each in firing)),
        findings=tuple(sorted(each["rule"] for each in findings if _is_about(each, row))),
        reason=row["reason"],
    )  # fmt: skip


def build_deep(row: Json, detail: Json, diagnosis: Json, report: Json, alerts: Iterable[Json]) -> Deep:
    """What detail, diagnosis and report say of one job."""
    motion = detail.get("motion") or {}
    found = diagnosis["diagnosis"] or {}
    still = diagnosis["stillness"] or {}
    sentences = [each["sentence"] for each in alerts if _is_about(each, row)]
    told = [row["reason"], row["action"], *sentences, detail.get("motion"), found, still, *_find_in_report(row, report)]
    return Deep(
        detail["outcome"], detail["verdict"], detail["rule"], detail["code"], motion.get("state"),
        found.get("code") if found else still.get("code"), found.get("certainty"),
        find_reported_verdict(row, report),
        "\n".join(json.dumps(each, ensure_ascii=False) for each in told),
        dict(_list_numbers(detail.get("holds") or {})), json.dumps(detail.get("unfinished")),
    )  # fmt: skip


def find_reported_verdict(row: Json, report: Json) -> str | None:
    """What the report's findings call a job; ``none``: they do not name it; None: not all are there or named."""
    found = _find_in_report(row, report)
    if found:
        return str(found[0]["verdict"])
    unnamed = any(each["count"] > len(each["examples"]) > 0 for each in report["findings"])
    return None if unnamed or report["more"].get("findings") or report["more_jobs"] else "none"


def _find_in_report(row: Json, report: Json) -> list[Json]:
    id = row["id"]
    return [
        each for each in report["findings"] if id in each["examples"] or each["subject"].split(" ", 1)[-1] == id
    ]  # fmt: skip


def _is_about(told: Json, row: Json) -> bool:
    same_session = told.get("session") in (None, row["session"])
    return same_session and told.get("subject_type") == "job" and told.get("subject_id") == row["id"]


def _list_numbers(value: Any) -> Iterable[tuple[str, float]]:
    """Every number with its name, however deep it stands."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(each, int | float) and not isinstance(each, bool):
                yield str(name), float(each)
            else:
                yield from _list_numbers(each)


def diagnose_offline(log: str) -> str | None:
    """The code that ``python -m serve_app.diagnose`` gives to a log."""
    done = subprocess.run(
        [sys.executable, "-m", "serve_app.diagnose", "-", "--json"],
        input=log, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    return None if done.returncode else json.loads(done.stdout.splitlines()[0]).get("code")

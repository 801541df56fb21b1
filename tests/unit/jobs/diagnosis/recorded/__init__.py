"""Jobs of a real cluster of one node (Ray 2.60), those of a pair at the same time: what its tables and logs told.

Made by `python -m tests.record pairs`, which raises the limit of memory 2 GB above what is used, and gives up on a
process that does not start after eight seconds:
`asks` (64 CPUs) beside `hears`; `asksgroup` (a bundle with `fpga`) beside `hearsgroup`; `eats` (a task of 6 GB,
`max_retries=1`, stopped after four kills) beside `sits` (a task that only waits, and then raises); `eatsonce`
(`max_retries=0`); `uv-1`, `uv-3` and `uv-4` (a `py_executable` that is not there: of the job, of a task, of an actor)
beside `uv-ok`. Paths of the machine are replaced, and nothing else.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.evidence.gather import DiagnosisSubject, EvidenceGatherer
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource
from serve_app.jobs.models import DriverExit, JobFacts, JobType
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import row
from tests.unit.jobs.diagnosis.fakes import AGENT, FakeEvidence, nothing_kept

HERE = Path(__file__).parent
_OUTCOMES = {"FAILED": JobOutcome.FAILED, "STOPPED": JobOutcome.STOPPED}


@dataclass(frozen=True)
class Recorded:
    """One job; ``evidence``: Ray as gathering asks it."""

    subject: DiagnosisSubject
    evidence: FakeEvidence
    log: bytes


def load(name: str) -> Recorded:
    """The job of that name."""
    raw = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    of = raw["row"]
    node, job_id = of["driver_node_id"] or "", of["job_id"]
    driver = next((each for each in raw["workers"] if each["worker_type"] == "DRIVER"), None)
    files = {f"job-driver-{name}.log": (raw["log"] or "").encode()}
    if raw["raylet.err"]:
        files["raylet.err"] = raw["raylet.err"].encode()
    tables = {table: raw[table] for table in ("tasks", "actors", "placement_groups", "workers")}
    evidence = FakeEvidence({**of, "driver_agent_http_address": AGENT}, files, tables)
    made = row(
        name, job_id=job_id, outcome=_OUTCOMES[of["status"]], status=of["status"], node_id=node or None,
        started_at=_parse(of["start_time"]), ended_at=_parse(of["end_time"]), entrypoint=of["entrypoint"],
    )  # fmt: skip
    facts = JobFacts(
        name, JobType.SUBMISSION, of["status"], message=of["message"], error_type=of["error_type"],
        exit_code=of["driver_exit_code"],
    )  # fmt: skip
    exited = None
    if driver is not None:
        ended = _parse(driver["end_time_ms"])
        exited = DriverExit(job_id, False, driver["exit_type"], None, driver["pid"], None, ended, node)
    return Recorded(DiagnosisSubject(made, facts, exited), evidence, files[f"job-driver-{name}.log"])


async def diagnose_here(job: Recorded, **changes: Any) -> Diagnosis:
    """As the inspector diagnoses a job of its cluster; ``changes`` of Ray's tables."""
    evidence = replace(job.evidence, tables={**job.evidence.tables, **changes})
    gathered = await EvidenceGatherer(evidence, lambda node_id: AGENT, nothing_kept, clock=lambda: 0.0).gather(
        job.subject
    )
    # The files are read from the event loop by another thread.
    return await asyncio.to_thread(diagnose, gathered.fields, gathered.sources)


def diagnose_file(job: Recorded, fields: Fields | None = None) -> Diagnosis:
    """As the command diagnoses the job's log alone."""
    return diagnose(fields or Fields(), [TextSource("job.log", SourceKind.FILE, [job.log])])


def _parse(milliseconds: Any) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1_000, UTC)

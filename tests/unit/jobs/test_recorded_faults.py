"""The recording of faults replayed: lost nodes, killed supervisors, waiting, stopped, retried, left over."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from serve_app.jobs.expectations import BUILT_IN
from serve_app.jobs.findings import findings_of
from serve_app.jobs.judge import judge
from serve_app.jobs.models import JobRow, Known, Snapshot
from serve_app.jobs.ray_rows import task_counts
from serve_app.jobs.ray_source import collect
from tests.unit.jobs.recorded import FAULTS, Replay, answer, faults, taken_at

NOW = taken_at(FAULTS) + timedelta(seconds=60)
EVERY_VERDICT = {
    # case: kind, Ray's word, outcome, verdict, rule of the verdict, rule of the outcome
    "waits-for-cpus": ("user", "PENDING", "pending", "WARN", "pending-busy", "pending"),
    "waits-for-nothing": ("user", "PENDING", "pending", "BAD", "pending-infeasible", "pending"),
    "holds-cpus": ("user", "RUNNING", "running", "OK", "running", "running"),
    "second-attempt": ("user", "SUCCEEDED", "succeeded", "OK", "succeeded", "exit-code-0"),
    "first-attempt": ("user", "FAILED", "failed", "OK", "retry-succeeded", "submission-failed"),
    "driver-leaves-actor": (
        "user", "SUCCEEDED", "ended_unknown", "UNKNOWN", "ended-unknown", "driver-clean-exit",
    ),
    "driver-failed-tasks": (
        "user", "SUCCEEDED", "ended_unknown", "WARN", "ended-with-failed-tasks", "driver-clean-exit",
    ),
    "server-ended": ("application-server", "SUCCEEDED", "succeeded", "BAD", "server-ended", "exit-code-0"),
    "stubborn-stopped": ("user", "STOPPED", "stopped", "OK", "stopped", "stopped"),
    # Its supervisor was killed, and the driver went with it: here Ray's FAILED is right.
    "supervisor-killed": ("user", "FAILED", "failed", "BAD", "failed", "submission-failed"),
    "on-lost-node": ("user", "FAILED", "lost", "BAD", "failed", "node-dead"),
    "01000000": ("internal", "RUNNING", "running", "OK", "running", "running"),
    "worker node": ("worker-node", "DEAD", "lost", "WARN", "worker-died", "node-table"),
    "head": ("cluster-initialization", "SUCCEEDED", "succeeded", "OK", "head-started", "node-table"),
}  # fmt: skip


def case_of(row: JobRow) -> str:
    if row.derived:
        return "worker node" if row.kind == "worker-node" else "head"
    return row.metadata.get("case", row.id)


async def seen() -> Snapshot:
    async def free() -> Known[dict[str, float]]:
        return Known({"CPU": 0.0})

    snapshot = await collect(Replay(**faults()), NOW, free=free)  # type: ignore[arg-type]
    assert snapshot.degraded == []
    assert isinstance(snapshot.jobs, Known)
    job_id = next(job.job_id for job in snapshot.jobs.value if job.metadata.get("case") == "driver-failed-tasks")
    counts = task_counts(answer("tasks", FAULTS)["data"]["result"])
    return replace(snapshot, tasks={str(job_id): counts})


async def test_every_job_of_the_recording() -> None:
    rows = judge(await seen(), NOW)
    found = {
        case_of(row): (row.kind, row.status, row.outcome, row.verdict, row.rule, row.evidence[1].rule) for row in rows
    }
    assert found == EVERY_VERDICT
    assert len(rows) == len(EVERY_VERDICT)


async def test_the_reasons_say_what_is_the_matter() -> None:
    reasons = {case_of(row): row.reason for row in judge(await seen(), NOW)}
    assert reasons["waits-for-cpus"] == "It waits for 2 CPU; free in the whole cluster are 0 CPU; so far for 65 s."
    assert reasons["waits-for-nothing"] == (
        "It needs 1 unobtainium, which no node of this cluster has; so far for 65 s."
    )
    assert "2 of its 3 tasks failed." in reasons["driver-failed-tasks"]
    assert reasons["on-lost-node"].endswith(
        "(Unexpected termination: health check failed due to missing too many heartbeats)."
    )


async def test_what_the_driver_left_is_found() -> None:
    snapshot = await seen()
    later = NOW + timedelta(seconds=120)
    found = findings_of(snapshot, judge(snapshot, later), BUILT_IN, {}, later)
    assert [finding.sentence for finding in found if "left-behind" in finding.sentence] == [
        "It is over, and 1 of its actors live on: left-behind."
    ]


def test_the_recording_names_no_machine() -> None:
    text = "".join(path.read_text() for path in FAULTS.glob("*.json"))
    assert [word for word in ("/work", "/root", "/tmp/sct-", ".scratch") if word in text] == []
    assert len(text) < 400_000

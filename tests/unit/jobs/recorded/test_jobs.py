"""The whole verdict list of a recorded cluster, and what remains of it when a source is missing."""

from __future__ import annotations

import json
from typing import Any

import pytest

from organs.times import format_time
from serve_app.jobs import views
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobRow
from serve_app.jobs.reading.snapshot import collect
from tests.unit.jobs.recordings import DIRECTORY, Replay, answer, rows, taken_at

CLIENT = "ray.util.client.server"
EVERY_VERDICT = {
    # case: kind, Ray's word, outcome, verdict, rule of the verdict, rule of the outcome
    "coa-pending": ("coa-initialization", "PENDING", "pending", "OK", "pending", "pending"),
    # What these wait for: a runtime environment, a resource of no node, more CPUs than any node has, busy CPUs.
    "pending-environment": ("user", "PENDING", "pending", "OK", "pending", "pending"),
    "pending-no-such-resource": ("user", "PENDING", "pending", "WARN", "pending-infeasible-yet", "pending"),
    "pending-cpus-1000": ("user", "PENDING", "pending", "WARN", "pending-infeasible-yet", "pending"),
    "pending-busy": ("user", "PENDING", "pending", "OK", "pending", "pending"),
    # It waits for an actor that no node can hold.
    "driver-actor-waits": ("user", "RUNNING", "running", "WARN", "actors-infeasible", "running"),
    "driver-running": ("user", "RUNNING", "running", "OK", "running", "running"),
    "coa-running": ("coa-initialization", "RUNNING", "running", "OK", "running", "running"),
    "submission-running": ("user", "RUNNING", "running", "OK", "running", "running"),
    "server-succeeded": ("application-server", "SUCCEEDED", "succeeded", "BAD", "server-ended", "exit-code-0"),
    "attempt-2": ("user", "SUCCEEDED", "succeeded", "OK", "succeeded", "exit-code-0"),
    "coa-succeeded": ("coa-initialization", "SUCCEEDED", "succeeded", "OK", "succeeded", "exit-code-0"),
    "supervisor-killed-driver-alive": (
        "user",
        "FAILED",
        "running",
        "WARN",
        "job.status-unreliable",
        "supervisor-lost-driver-alive",
    ),
    "supervisor-killed": ("user", "FAILED", "failed", "BAD", "failed", "submission-failed"),
    # An exception at a prompt that was left in order afterwards: the row looks like that of a crash.
    "driver-prompt": ("user", "SUCCEEDED", "ended_unknown", "UNKNOWN", "ended-unknown", "prompt-exception"),
    "client": ("observer", "SUCCEEDED", "ended_unknown", "OK", "observer-ended", "driver-clean-exit"),
    # Its detached actor is alive.
    "driver-leftover": ("user", "SUCCEEDED", "ended_unknown", "UNKNOWN", "ended-unknown", "driver-clean-exit"),
    "driver-sigterm": ("user", "SUCCEEDED", "ended_unknown", "UNKNOWN", "ended-unknown", "driver-clean-exit"),
    "driver-kill-9": ("user", "SUCCEEDED", "failed", "BAD", "failed", "driver-killed"),
    "driver-os-exit": ("user", "SUCCEEDED", "failed", "BAD", "failed", "driver-killed"),
    # Two of its four tasks failed.
    "driver-tasks-failed": ("user", "SUCCEEDED", "ended_unknown", "UNKNOWN", "ended-unknown", "driver-clean-exit"),
    "driver-task-exception": ("user", "SUCCEEDED", "failed", "BAD", "failed", "driver-exception"),
    "driver-exception": ("user", "SUCCEEDED", "failed", "BAD", "failed", "driver-exception"),
    "driver-exit-3": ("user", "SUCCEEDED", "ended_unknown", "UNKNOWN", "ended-unknown", "driver-clean-exit"),
    "driver-ok": ("user", "SUCCEEDED", "ended_unknown", "UNKNOWN", "ended-unknown", "driver-clean-exit"),
    "submission-ignores-stop": ("user", "STOPPED", "stopped", "OK", "stopped", "stopped"),
    "submission-stopped": ("user", "STOPPED", "stopped", "OK", "stopped", "stopped"),
    # A later attempt, with the same job_name in its metadata, succeeded.
    # A later job of the same job_name succeeded.
    "attempt-1": ("user", "FAILED", "failed", "OK", "retry-succeeded", "submission-failed"),
    "coa-failed": ("coa-initialization", "FAILED", "failed", "OK", "initialization-repaired", "submission-failed"),
    "submission-env-broken": ("user", "FAILED", "failed", "BAD", "failed", "submission-failed"),
    "submission-killed": ("user", "FAILED", "failed", "BAD", "failed", "submission-failed"),
    "submission-exception": ("user", "FAILED", "failed", "BAD", "failed", "submission-failed"),
    "submission-exit-3": ("user", "FAILED", "failed", "BAD", "failed", "submission-failed"),
    "submission-no-ray": ("user", "FAILED", "failed", "BAD", "failed", "submission-failed"),
    "submission-secret": ("user", "SUCCEEDED", "succeeded", "OK", "succeeded", "exit-code-0"),
    "submission-ok": ("user", "SUCCEEDED", "succeeded", "OK", "succeeded", "exit-code-0"),
    "02000000": ("internal", "RUNNING", "running", "OK", "running", "running"),
    "01000000": ("application-server", "RUNNING", "running", "OK", "server-runs", "running"),
    "head": ("cluster-initialization", "SUCCEEDED", "succeeded", "OK", "head-started", "node-table"),
}
INFEASIBLE = ("pending-no-such-resource", "pending-cpus-1000")
# Ray's FAILED stands alone, and it is one that has been wrong.
UNPROVEN = ("ended_unknown", "UNKNOWN", "ended-unknown", "supervisor-lost-unproven")
RUNNING = EVERY_VERDICT["driver-running"][2:]
ON_THEIR_WAY = {case for case, (_, status, *_) in EVERY_VERDICT.items() if status in ("RUNNING", "PENDING")}


def case_of(row: JobRow) -> str:
    if row.derived:
        return "head"
    return "client" if CLIENT in row.entrypoint else row.metadata.get("case", row.id)


def judged(row: JobRow) -> tuple[str, ...]:
    return (row.kind, row.status, row.outcome, row.verdict, row.rule, row.evidence[1].rule)


async def rows_of(source: Replay, **kwargs: Any) -> list[JobRow]:
    return judge(await collect(source, taken_at(), **kwargs), taken_at())


async def test_every_job_of_the_recording_newest_first() -> None:
    found = await rows_of(Replay())
    assert {case_of(row): judged(row) for row in found} == EVERY_VERDICT
    assert len(found) == len(EVERY_VERDICT)
    starts = [row.started_at for row in found if row.started_at]
    assert starts == sorted(starts, reverse=True)


async def test_the_hidden_server_row_says_where_it_comes_from() -> None:
    row = next(row for row in await rows_of(Replay()) if row.kind == "application-server" and row.hidden)
    assert views.render_row(row) == {
        "id": "01000000",
        "job_id": "01000000",
        "submission_id": None,
        "type": "DRIVER",
        "kind": "application-server",
        "entrypoint": "Ray Serve: hello",
        "status": "RUNNING",
        "error_type": None,
        "exit_code": None,
        "outcome": "running",
        "verdict": "OK",
        "reason": "It serves, as it should until it is shut down.",
        "rule": "server-runs",
        "scheduled_by": "serve deploy (REST)",
        "managed_by": "Ray Serve controller",
        "started_at": format_time(row.started_at),
        "ended_at": None,
        "duration_s": row.duration_s,
        "node_id": rows("nodes")[0]["node_id"],
        "metadata": {},
        "derived": False,
        "hidden": True,
        "session": "",
        "owner": None,
        "action": "Nothing to do.",
        "code": None,
        "quiet_since": None,
    }


async def test_the_start_of_the_head_is_derived_and_says_so() -> None:
    row = next(row for row in await rows_of(Replay()) if row.derived)
    node = rows("nodes")[0]
    assert (row.id, row.type, row.entrypoint) == (f"node:{node['node_id']}", "NODE", "ray start --head")
    assert row.evidence[0].fact == "a head node; its start is not a Ray job"


async def test_a_submission_and_its_driver_are_one_row() -> None:
    found = [row for row in await rows_of(Replay()) if row.metadata.get("case") == "submission-ok"]
    driver = next(row for row in answer("jobs") if row["submission_id"] == "submission-ok")["driver_info"]
    assert [(row.id, row.job_id) for row in found] == [("submission-ok", driver["id"])]


async def test_no_secret_of_the_recording_is_in_any_row() -> None:
    text = json.dumps([views.render_row(row) for row in await rows_of(Replay())])
    assert [secret for secret in ("hunter2", "abcdefgh12345678", "canary-key-1") if secret in text] == []
    assert "PASSWORD=[redacted]" in text


@pytest.mark.parametrize(
    ("missing", "changes"),
    [
        (
            "drivers",
            {
                case: ("ended_unknown", "UNKNOWN", "ended-unknown", "worker-table-unavailable")
                for case, (kind, status, _, _, _, _) in EVERY_VERDICT.items()
                if case.startswith("driver") and status == "SUCCEEDED"
            }
            | {"client": ("ended_unknown", "OK", "observer-ended", "worker-table-unavailable")}
            | dict.fromkeys(("supervisor-killed", "supervisor-killed-driver-alive"), UNPROVEN),
        ),
        ("serve", {}),
        (
            "nodes",
            {"head": None, "supervisor-killed-driver-alive": UNPROVEN, "driver-actor-waits": RUNNING}
            | dict.fromkeys(INFEASIBLE, EVERY_VERDICT["pending-busy"][2:]),
        ),
    ],
)
async def test_a_missing_source_makes_answers_less_certain_and_not_wrong(
    missing: str, changes: dict[str, tuple[str, ...] | None]
) -> None:
    source = Replay()
    source.fail[missing] = "no answer"
    wanted = {
        case: values if case not in changes else values[:2] + (changes[case] or ())
        for case, values in EVERY_VERDICT.items()
        if changes.get(case, ()) is not None
    }
    assert {case_of(row): judged(row) for row in await rows_of(source)} == wanted


async def test_without_the_worker_table_the_reason_names_it() -> None:
    source = Replay()
    source.fail["drivers"] = "it is down"
    row = next(row for row in await rows_of(source) if row.metadata.get("case") == "driver-kill-9")
    assert row.reason == "It ended; how is not known (worker table not available: it is down)."


async def test_without_the_actor_table_only_our_own_hidden_job_is_known() -> None:
    source = Replay()
    source.fail["actors"] = "no answer"
    found = {case_of(row): row for row in await rows_of(source, own_job_id="01000000")}
    assert judged(found["01000000"]) == EVERY_VERDICT["01000000"]
    assert "02000000" not in found
    # That a client's job had no actors cannot be known now.
    assert found["client"].kind == "user"


async def test_nothing_at_all_is_no_row_and_five_reasons() -> None:
    source = Replay()
    source.fail = dict.fromkeys(("jobs", "drivers", "actors", "nodes", "serve"), "down")
    snapshot = await collect(source, taken_at(), own_job_id="01000000")
    assert judge(snapshot, taken_at()) == []
    assert snapshot.degraded == [
        "job list: down",
        "worker table: down",
        "node table: down",
        "actor table: down",
        "Serve: down",
    ]


async def test_looking_again_takes_over_what_had_ended() -> None:
    first = await collect(Replay(), taken_at())
    second = await collect(Replay(), taken_at(), previous=first)
    before = {job.id: job for job in first.jobs.value}  # type: ignore[union-attr]
    same = {job.id for job in second.jobs.value if job is before[job.id]}  # type: ignore[union-attr]
    assert same == {job.id for job in before.values() if job.status not in ("RUNNING", "PENDING")}
    assert judge(first, taken_at()) == judge(second, taken_at())


async def test_of_more_jobs_than_are_kept_none_that_runs_is_dropped_and_it_says_so() -> None:
    hidden = {"01000000", "02000000", "head"}
    kept = len(ON_THEIR_WAY - hidden) + 1
    snapshot = await collect(Replay(), taken_at(), retained_jobs=kept)
    assert snapshot.degraded == [
        f"job list: {kept} of {len(answer('jobs'))} jobs are kept: those on their way, and the newest."
    ]
    # Ray says FAILED of the submission whose driver lives, so it is not counted as on its way here.
    assert {case_of(row) for row in judge(snapshot, taken_at())} == {*ON_THEIR_WAY, *hidden, "server-succeeded"}


def test_the_recording_names_no_machine() -> None:
    text = "".join(path.read_text() for path in DIRECTORY.rglob("*.json"))
    assert [word for word in ("/work", "/root", "/tmp/rec-", ".scratch") if word in text] == []
    assert len(text) < 400_000

"""Every rule of the tables has a row here that fires it, and one close by that does not."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.jobs.judging.expectations import BUILT_IN, Contracts, build_contracts
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.judging.kind_specs import KindSpec, Match
from serve_app.jobs.judging.kinds import KIND_RULES
from serve_app.jobs.judging.verdicts import VERDICT_RULES
from serve_app.jobs.models import (
    JobFacts,
    JobRow,
    Known,
    NodeFacts,
    PastRuns,
    Snapshot,
    TaskCounts,
    Verdict,
    WaitingActor,
)
from serve_app.jobs.motion import Motion, Standstill
from serve_app.jobs.serve_facts import ApplicationFacts
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE, IN_PART
from tests.unit.jobs.judging.test_judge import (
    CLIENT,
    INIT,
    NOW,
    SERVER,
    actor,
    ago,
    controller,
    driver,
    exit_of,
    head,
    snapshot,
    submission,
)
from tests.unit.jobs.judging.test_outcome import node

NIGHTLY = build_contracts(
    [KindSpec(name="nightly", match=Match(entrypoint="*night.py*"), allowed_failures=1, deadline_s=3600)]
)
SERVICE = build_contracts([KindSpec(name="model", match=Match(submission_id="model-*"), must_end=False)])
USUAL = {"user:train": PastRuns(count=20, p99_s=60)}
TRAIN = {"job_name": "train"}
SUPERVISOR = ("supervisor", {"error_type": "JOB_SUPERVISOR_ACTOR_DIED", "exit_code": None, "node_id": "n"})
INTERNAL = actor("a", "JobSupervisor", "SUPERVISOR_ACTOR_RAY_NAMESPACE", "DEAD")
UNHEALTHY = ApplicationFacts("shop", "UNHEALTHY", "a replica died", ())
HERE = node("ALIVE", node_id="n", is_head=True, resources={"CPU": 4.0})


def waiting(**required: float) -> Known[tuple[WaitingActor, ...]]:
    name = "_ray_internal_job_actor_a"
    return Known((WaitingActor("x", name, "JobSupervisor", "02000000", "PENDING_CREATION", required),))


def starving(**required: float) -> Known[tuple[WaitingActor, ...]]:
    return Known((WaitingActor("x", None, "Worker", "02000000", "PENDING_CREATION", required),))


def pending(began: float = 30, **changes: Any) -> JobFacts:
    return submission("a", "PENDING", began=began, **changes)


def quiet(seconds: float, standstill: Standstill | None) -> dict[str, Any]:
    return {"motions": {"a": Motion(NOW, ago(seconds), standstill)}}


def tasks(failed: int) -> dict[str, TaskCounts]:
    return {"a": TaskCounts(3, failed, 3 - failed, 0, 0)}


# One letter more than the name of a log file has room for.
LONG = "x" * 241
CLEAN = {"exits": [exit_of("a", "INTENDED_USER_EXIT")]}
KILLED = {"exits": [exit_of("a", "SYSTEM_ERROR")]}
Row = tuple[str, list[JobFacts], dict[str, Any], Contracts, Mapping[str, PastRuns]]


def row(rule: str, *jobs: JobFacts, contracts: Contracts = BUILT_IN, past: Any = None, **sections: Any) -> Row:
    return (rule, list(jobs), sections, contracts, past or {})


def failed(id: str = "a", **changes: Any) -> JobFacts:
    return submission(id, "FAILED", **changes)


CLEAN_EXIT = "INTENDED_USER_EXIT"
LEFT = {"07000000": TaskCounts(3, 0, 1, 0, 0, 2, ("part",))}
LIVES = {"exits": [exit_of("07000000", None)], "nodes": [HERE]}


def ran(**changes: Any) -> list[JobFacts]:
    """A submission whose entrypoint exited with code 0 half a minute ago."""
    return [submission("a", "SUCCEEDED", began=60, took=30, job_id="07000000", **changes)]


# What Ray's watcher notes of a job that was deleted before it had seen the end.
NOTED_AGAIN = replace(
    submission("a", "FAILED", entrypoint="Entrypoint not found.", **SUPERVISOR[1]), started_at=None, ended_at=NOW
)
FIRES = [
    row("status-unknown", submission("a", "HELD", exit_code=None)),
    row("deleted-noted-again", NOTED_AGAIN),
    row(
        "job.status-unreliable",
        submission("a", "FAILED", job_id="07000000", **SUPERVISOR[1]),
        exits=[exit_of("07000000", None)],
        nodes=[HERE],
    ),
    row("circling", submission("a", "RUNNING"), motions={"a": Motion(NOW, circles=(CIRCLE,))}),
    row("circling-in-part", submission("a", "RUNNING"), motions={"a": Motion(NOW, circles=(IN_PART,))}),
    row("driver-lives-on", *ran(), **LIVES),
    row("worker-up", nodes=[node("ALIVE", node_id="a")]),
    row("worker-left", nodes=[node("DEAD", node_id="a", message="Expected termination: drained")]),
    row("worker-died", nodes=[node("DEAD", node_id="a", message="Unexpected termination")]),
    row("head-started", nodes=[head("a", "ALIVE", 9)]),
    row("head-replaced", nodes=[head("a", "DEAD", 9), head("b", "ALIVE", 2)]),
    row("head-dead", nodes=[head("a", "DEAD", 9)]),
    row("serve-unhealthy", actors=[controller("a")], apps=[UNHEALTHY]),
    row("server-replaced", failed(metadata=SERVER), submission("b", "RUNNING", began=2, metadata=SERVER)),
    row("server-without-serve", driver("a", "RUNNING"), actors=[controller("a", "DEAD")]),
    row("server-runs", actors=[controller("a")]),
    row("server-stopped", submission("a", "STOPPED", metadata=SERVER)),
    row("server-ended", submission("a", "SUCCEEDED", metadata=SERVER)),
    row("initialization-repaired", failed(metadata=INIT), submission("b", "SUCCEEDED", began=3, took=1, metadata=INIT)),
    row("initialization-retried", failed(metadata=INIT), submission("b", "RUNNING", began=3, metadata=INIT)),
    row("initialization-late", submission("a", "RUNNING", began=61, metadata=INIT)),
    row("initialization-stopped", submission("a", "STOPPED", metadata=INIT)),
    row("initialization-failed", failed(metadata=INIT)),
    row("observer-ended", driver("a", "SUCCEEDED", entrypoint=CLIENT), **CLEAN),
    row("observer-cut-off", driver("a", "SUCCEEDED", entrypoint=CLIENT), **KILLED),
    row("internal-ended", actors=[INTERNAL], **CLEAN),
    row("internal-died", actors=[INTERNAL], **KILLED),
    row("retry-succeeded", failed(), submission("b", "SUCCEEDED", began=3, metadata={"seedcore.retry_of": "a"})),
    row("retry-running", failed(), submission("b", "RUNNING", began=3, metadata={"seedcore.retry_of": "a"})),
    row("contradicted-tasks", *ran(), exits=[exit_of("07000000", CLEAN_EXIT)], tasks=LEFT),
    row("contradicted-driver", *ran(), exits=[exit_of("07000000", "SYSTEM_ERROR")]),
    row("pending-never-starts", submission(LONG, "PENDING", began=99, metadata={"seedcore.deadline_s": "10"})),
    row("past-deadline", submission("a", "RUNNING", began=11, metadata={"seedcore.deadline_s": "10"})),
    row("stuck", submission("a", "RUNNING"), **quiet(600, Standstill.PROVEN)),
    row("resting", submission("a", "RUNNING"), **quiet(600, Standstill.RESTING)),
    row("unseen", submission("a", "RUNNING"), **quiet(600, Standstill.UNSEEN)),
    row("pending-infeasible", pending(61), nodes=[HERE], waiting=waiting(GPU=1.0)),
    row("pending-infeasible-yet", pending(60), nodes=[HERE], waiting=waiting(CPU=5.0)),
    row("pending-busy", pending(61), nodes=[HERE], waiting=waiting(CPU=4.0), free=Known({"CPU": 3.0})),
    row("pending-building", pending(61, runtime_env_keys=("env_vars", "pip"))),
    row("pending-long", pending(61, runtime_env_keys=("env_vars",))),
    row("pending", pending(60)),
    row("late", submission("a", "RUNNING", began=61, metadata={"seedcore.expected_duration_s": "60"})),
    row("unusually-long", submission("a", "RUNNING", began=61, metadata=TRAIN), past=USUAL),
    row("actors-infeasible", submission("a", "RUNNING", job_id="02000000"), nodes=[HERE], waiting=starving(CPU=5.0)),
    row("running", submission("a", "RUNNING", began=86_400)),
    row("succeeded-late", submission("a", "SUCCEEDED", took=6, metadata={"seedcore.deadline_s": "5"})),
    row("succeeded", submission("a", "SUCCEEDED")),
    row("stopped", submission("a", "STOPPED")),
    row("failure-allowed", failed(entrypoint="python night.py"), contracts=NIGHTLY),
    row("failed", failed()),
    row("ended-with-failed-tasks", driver("a", "SUCCEEDED", began=60), tasks=tasks(2), **CLEAN),
    row("ended-unknown", driver("a", "SUCCEEDED", began=60), tasks=tasks(0), **CLEAN),
]
NEAR = [
    row("status-unknown", submission("a", "RUNNING")),
    # Somebody's own program of that name, with a start as every job has that was submitted.
    row("deleted-noted-again", replace(NOTED_AGAIN, started_at=ago(9))),
    # The driver is dead too: then Ray is right.
    row(
        "job.status-unreliable",
        submission("a", "FAILED", job_id="07000000", **SUPERVISOR[1]),
        exits=[exit_of("07000000", "SYSTEM_ERROR")],
        nodes=[HERE],
    ),
    row("circling", submission("a", "RUNNING"), motions={"a": Motion(NOW, circles=(IN_PART,))}),
    # The driver of Serve is looked after by Serve; and three attempts that were made good are only counted.
    row("circling-in-part", submission("a", "RUNNING"), motions={"a": Motion(NOW, repaired=3)}),
    row("driver-lives-on", *ran(), nodes=[HERE], exits=[exit_of("07000000", CLEAN_EXIT)]),
    row("worker-up", nodes=[node("DEAD", node_id="a", message="Unexpected termination")]),
    row("worker-left", nodes=[node("DEAD", node_id="a", message="It was Expected termination")]),
    row("worker-died", nodes=[node("ALIVE", node_id="a", message="Unexpected termination")]),
    row("head-started", nodes=[head("a", "DEAD", 9)]),
    row("head-replaced", nodes=[head("a", "DEAD", 9), head("b", "ALIVE", 99)]),
    row("head-dead", nodes=[head("a", "DEAD", 9), head("b", "ALIVE", 2)]),
    row("serve-unhealthy", actors=[controller("a")], apps=[replace(UNHEALTHY, status="DEPLOYING")]),
    row("server-replaced", failed(metadata=SERVER), submission("b", "RUNNING", began=20, metadata=SERVER)),
    row("server-without-serve", driver("a", "RUNNING"), actors=[controller("a", "ALIVE")]),
    row("server-runs", actors=[controller("a", "DEAD")]),
    row("server-stopped", failed(metadata=SERVER)),
    row("server-ended", submission("a", "SUCCEEDED", metadata={"seedcore.kind": "application-servers"})),
    row("initialization-repaired", failed(metadata=INIT), submission("b", "SUCCEEDED", began=30, metadata=INIT)),
    row("initialization-retried", failed(metadata=INIT), submission("b", "RUNNING", began=30, metadata=INIT)),
    row("initialization-late", submission("a", "RUNNING", began=60, metadata=INIT)),
    row("initialization-stopped", failed(metadata=INIT)),
    row("initialization-failed", submission("a", "STOPPED", metadata=INIT)),
    row("observer-ended", driver("a", "SUCCEEDED", began=60, entrypoint="python look.py"), **CLEAN),
    row("observer-cut-off", driver("a", "SUCCEEDED", entrypoint="python look.py"), **KILLED),
    row("internal-ended", actors=[INTERNAL], **KILLED),
    row("internal-died", actors=[actor("a", state="DEAD")], **KILLED),
    row("retry-succeeded", failed(), submission("b", "SUCCEEDED", began=3, metadata={"seedcore.retry_of": "c"})),
    row("retry-running", failed(), failed("b", began=3, metadata={"seedcore.retry_of": "a"})),
    row(
        "contradicted-tasks",
        *ran(metadata={"seedcore.may_leave_tasks": "true"}),
        exits=[exit_of("07000000", CLEAN_EXIT)],
        tasks=LEFT,
    ),
    row("contradicted-driver", *ran(), exits=[exit_of("07000000", CLEAN_EXIT)]),
    row("pending-never-starts", submission(LONG[1:], "PENDING", began=1)),
    row("past-deadline", submission("a", "RUNNING", began=10, metadata={"seedcore.deadline_s": "10"})),
    row("stuck", submission("a", "RUNNING"), **quiet(599, Standstill.PROVEN)),
    # A service is meant to be quiet.
    row("resting", submission("a", "RUNNING", metadata=SERVER), **quiet(900, Standstill.RESTING)),
    # It has ended since it was looked at.
    row("unseen", submission("a", "SUCCEEDED"), **quiet(900, Standstill.UNSEEN)),
    row("pending-infeasible", pending(61), nodes=[HERE], waiting=waiting(CPU=4.0)),
    row("pending-infeasible-yet", pending(60), nodes=[HERE], waiting=waiting(CPU=4.0)),
    row("pending-busy", pending(61), nodes=[HERE], waiting=waiting(CPU=4.0), free=Known({"CPU": 4.0})),
    row("pending-building", pending(61, runtime_env_keys=("env_vars",))),
    row("pending-long", pending(60)),
    row("pending", pending(61)),
    row("late", submission("a", "RUNNING", began=60, metadata={"seedcore.expected_duration_s": "60"})),
    row("unusually-long", submission("a", "RUNNING", began=60, metadata=TRAIN), past=USUAL),
    row("actors-infeasible", submission("a", "RUNNING", job_id="02000000"), nodes=[HERE], waiting=starving(CPU=4.0)),
    row("running", submission("a", "PENDING")),
    row("succeeded-late", submission("a", "SUCCEEDED", took=5, metadata={"seedcore.deadline_s": "5"})),
    row("succeeded", submission("a", "SUCCEEDED", exit_code=None)),
    row("stopped", submission("a", "STOPPED", metadata=SERVER)),
    row(
        "failure-allowed",
        failed(entrypoint="python night.py"),
        failed("b", began=20, entrypoint="python night.py"),
        contracts=NIGHTLY,
    ),
    row("failed", submission("a", "STOPPED")),
    row("ended-with-failed-tasks", driver("a", "SUCCEEDED", began=60), tasks=tasks(0), **CLEAN),
    row("ended-unknown", driver("a", "SUCCEEDED", began=60), **KILLED),
]


def judged(case: Row) -> JobRow:
    _, jobs, sections, contracts, past = case
    given = {name: sections[name] for name in ("waiting", "free", "tasks", "motions") if name in sections}
    seen = replace(snapshot(*jobs, **{key: value for key, value in sections.items() if key not in given}), **given)
    rows = judge(seen, NOW, contracts, past)
    return next(row for row in rows if row.id in ("a", "node:a", LONG, LONG[1:]))


@pytest.mark.parametrize("case", FIRES, ids=lambda case: case[0])
def test_a_rule_fires(case: Row) -> None:
    assert judged(case).rule == case[0]


@pytest.mark.parametrize("case", NEAR, ids=lambda case: case[0])
def test_close_by_it_does_not(case: Row) -> None:
    assert judged(case).rule != case[0]


def test_every_rule_is_in_both_tables() -> None:
    names = [rule.name for rule in VERDICT_RULES]
    assert [case[0] for case in FIRES] == names
    assert [case[0] for case in NEAR] == names


KINDS = [
    ("kind-by-metadata", submission("a", "RUNNING", metadata={"seedcore.kind": "report"}), {}, "report"),
    (
        "kind-by-program",
        submission("a", "RUNNING", metadata={"seedcore.kind": "coa-initialization"}),
        {},
        "coa-initialization",
    ),
    ("kind-by-serve", driver("a", "RUNNING"), {"actors": [controller("a")]}, "application-server"),
    ("kind-by-namespace", None, {"actors": [INTERNAL]}, "internal"),
    ("kind-declared:nightly", submission("a", "RUNNING", entrypoint="python night.py"), {}, "nightly"),
    ("kind-by-entrypoint", submission("a", "RUNNING", entrypoint="uvicorn app:app --port 1"), {}, "application-server"),
    ("kind-by-client", driver("a", "RUNNING", entrypoint=CLIENT), {}, "observer"),
    ("kind-by-default", submission("a", "RUNNING", entrypoint="python uvicorn_client.py"), {}, "user"),
]


@pytest.mark.parametrize(("rule", "job", "sections", "kind"), KINDS, ids=[case[0] for case in KINDS])
def test_each_kind_has_its_evidence(rule: str, job: JobFacts | None, sections: dict[str, Any], kind: str) -> None:
    jobs = [] if job is None else [job]
    (found,) = [row for row in judge(snapshot(*jobs, **sections), NOW, NIGHTLY) if row.id == "a"]
    assert (found.evidence[0].rule, found.kind) == (rule, kind)


def test_every_kind_rule_is_in_the_table() -> None:
    assert [case[0] for case in KINDS if not case[0].startswith("kind-declared")] == [rule.name for rule in KIND_RULES]


def test_a_declared_service_is_judged_as_a_server() -> None:
    rows = [submission("model-a", "SUCCEEDED"), submission("model-b", "RUNNING", began=5)]
    found = {row.id: (row.kind, row.verdict, row.rule) for row in judge(snapshot(rows[0]), NOW, SERVICE)}
    assert found == {"model-a": ("model", Verdict.BAD, "server-ended")}
    found = {row.id: (row.kind, row.verdict, row.rule) for row in judge(snapshot(*rows), NOW, SERVICE)}
    assert found == {
        "model-a": ("model", Verdict.OK, "server-replaced"),
        "model-b": ("model", Verdict.OK, "server-runs"),
    }


def test_a_clean_end_is_told_with_its_work_and_the_owners_note() -> None:
    note = {"seedcore.note": "writes out.csv"}
    seen = snapshot(driver("a", "SUCCEEDED", began=60, metadata=note), actors=[actor("a", state="DEAD")], **CLEAN)
    (found,) = judge(replace(seen, tasks=tasks(1)), NOW)
    assert [(each.rule, each.fact) for each in found.evidence[2:]] == [
        ("tasks-of-the-job", "2 of 3 tasks finished, 1 failed"),
        ("actors-of-the-job", "1 actors, of which 0 are alive"),
        ("owner-note", "writes out.csv"),
    ]
    assert found.reason.endswith("; 1 of its 3 tasks failed.")


def test_an_end_that_is_not_recorded_yet_is_waited_for() -> None:
    just, long_ago = driver("a", "SUCCEEDED", began=7), driver("b", "SUCCEEDED", began=60)
    found = {row.id: (row.outcome, row.ended_at) for row in judge(snapshot(just, long_ago), NOW)}
    assert found == {"a": (JobOutcome.RUNNING, None), "b": (JobOutcome.ENDED_UNKNOWN, long_ago.ended_at)}


STATUSES = ("PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED")
EXITS = (None, "SYSTEM_ERROR", "INTENDED_USER_EXIT")


def some_cluster(chance: random.Random) -> Snapshot:
    """Any jobs, drivers, actors and nodes; ids are few, so that things change from one to the next."""
    jobs: dict[str, JobFacts] = {}
    for id in chance.sample("abcdef", 4):
        changes: dict[str, Any] = {"began": chance.choice([5, 50, 500])}
        changes["metadata"] = chance.choice([{}, SERVER, INIT, {"seedcore.retry_of": chance.choice("abcdef")}])
        if chance.random() < 0.5:
            jobs[id] = submission(id, chance.choice(STATUSES), job_id=id, **changes)
        else:
            jobs[id] = driver(id, chance.choice(["RUNNING", "SUCCEEDED"]), **changes)
    actors = [actor(chance.choice("abcdef"), state=chance.choice(["ALIVE", "DEAD"])) for _ in range(3)]
    actors += [controller(chance.choice("abcdef"))] if chance.random() < 0.5 else []
    # All of them: what a table no longer tells is remembered, and that is meant.
    exits = [exit_of(id, chance.choice(EXITS)) for id in "abcdef"]
    nodes: list[NodeFacts] = [head("n", chance.choice(["ALIVE", "DEAD"]), 900)]
    made = snapshot(*jobs.values(), actors=actors, exits=exits, nodes=nodes)
    return replace(made, tasks={id: TaskCounts(2, chance.choice([0, 1]), 1, 0, 0) for id in "ab"})


@pytest.mark.parametrize("seed", range(60))
def test_memory_changes_no_answer(seed: int) -> None:
    chance, memo = random.Random(seed), Memo()
    for look in range(8):
        now = NOW + timedelta(seconds=20 * look)
        seen = some_cluster(chance)
        contracts = chance.choice([BUILT_IN, NIGHTLY])
        assert judge(seen, now, contracts, USUAL, memo) == judge(seen, now, contracts, USUAL)
    assert ago(0) == NOW

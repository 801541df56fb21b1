"""Every rule, one by one: a look in which it speaks, and one hardly different in which another does."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.jobs.declared import KindSpec
from serve_app.jobs.expectations import contracts_with
from serve_app.jobs.judge import Memo, judge
from serve_app.jobs.kinds import KIND_RULES
from serve_app.jobs.models import (
    ApplicationFacts,
    JobFacts,
    JobRow,
    Known,
    PastRuns,
    Snapshot,
    TaskCounts,
    Unknown,
    WaitingActor,
)
from serve_app.jobs.verdicts import VERDICT_RULES
from tests.unit.jobs.test_judge import (
    CLIENT,
    INIT,
    NOW,
    SERVER,
    actor,
    controller,
    driver,
    exit_of,
    head,
    snapshot,
    submission,
)
from tests.unit.jobs.test_outcome import node

OBSERVER = {"seedcore.kind": "observer"}
DEADLINE = {"seedcore.deadline_s": "20"}
EXPECTED = {"seedcore.expected_duration_s": "20"}
REPORT = {"seedcore.kind": "report"}
KINDS = [KindSpec.model_validate({"name": "report", "match": {"entrypoint": "report"}, "allowed_failures": 1})]
LOST_MONITOR = {"error_type": "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE", "job_id": "d", "node_id": "n"}
SUPERVISOR = "SUPERVISOR_ACTOR_RAY_NAMESPACE"


def look(*jobs: JobFacts, **sections: Any) -> Snapshot:
    return snapshot(*jobs, **sections)


def one(status: str, began: float = 10, metadata: dict[str, str] | None = None, **changes: Any) -> Snapshot:
    return look(submission("a", status, began=began, metadata=metadata or {}, **changes))


def two(first: str, second: str, metadata: dict[str, str], began: float = 3) -> Snapshot:
    jobs = (
        submission(id, status, began=at, took=1, metadata=metadata) for id, status, at in _pair(first, second, began)
    )
    return look(*jobs)


def _pair(first: str, second: str, began: float) -> list[tuple[str, str, float]]:
    return [("a", first, 10), ("b", second, began)]


def retried(status: str, of: str = "a") -> Snapshot:
    return look(submission("a", "FAILED"), submission("b", status, began=3, metadata={"seedcore.retry_of": of}))


def waits(began: float, has: float, free: float, **changes: Any) -> Snapshot:
    """A submission that needs 2 CPU."""
    supervisor = WaitingActor("x", "_ray_internal_job_actor_a", "JobSupervisor", "01", "PENDING", {"CPU": 2.0})
    found = look(submission("a", "PENDING", began=began, **changes), nodes=[node("ALIVE", resources={"CPU": has})])
    return replace(found, waiting=Known((supervisor,)), free=Known({"CPU": free}))


def builds(began: float) -> Snapshot:
    return one("PENDING", began, runtime_env_keys=("pip",))


def monitor_lost(is_alive: bool) -> Snapshot:
    facts = submission("a", "FAILED", exit_code=None, **LOST_MONITOR)
    return look(facts, exits=[exit_of("d", None if is_alive else "SYSTEM_ERROR")], nodes=[node("ALIVE")])


def ended_driver(failed_tasks: int) -> Snapshot:
    found = look(driver("a", "SUCCEEDED"), exits=[exit_of("a", "INTENDED_USER_EXIT")])
    return replace(found, tasks={"a": TaskCounts(4, failed_tasks, 4 - failed_tasks, 0, 0)})


def ray_s_own(exit_type: str, namespace: str = SUPERVISOR) -> Snapshot:
    return look(actors=[actor("a", "JobSupervisor", namespace, "DEAD")], exits=[exit_of("a", exit_type)])


def client(exit_type: str, **changes: Any) -> Snapshot:
    return look(driver("a", "SUCCEEDED", entrypoint=CLIENT, **changes), exits=[exit_of("a", exit_type)])


def serve(state: str, status: str = "RUNNING") -> Snapshot:
    apps = [ApplicationFacts("shop", status, "why", ())]
    return look(driver("a", "RUNNING"), actors=[controller("a", state)], apps=apps)


HEAD, WORKER = "node:h", "node:n"
WORKER_LEFT = look(nodes=[node("DEAD", message="Expected termination: drained")])
WORKER_DIED = look(nodes=[node("DEAD", message="Unexpected termination")])

# The rule, a look in which it speaks, one in which it does not, and which does there; the subject is job a.
VERDICTS: list[tuple[str, Snapshot, Snapshot, str]] = [
    ("status-unknown", one("HELD"), one("RUNNING"), "running"),
    ("job.status-unreliable", monitor_lost(is_alive=True), monitor_lost(is_alive=False), "failed"),
    ("worker-up", look(nodes=[node("ALIVE")]), WORKER_DIED, "worker-died"),
    ("worker-left", WORKER_LEFT, WORKER_DIED, "worker-died"),
    ("worker-died", WORKER_DIED, WORKER_LEFT, "worker-left"),
    ("head-started", look(nodes=[head("h", "ALIVE", 9)]), look(nodes=[head("h", "DEAD", 9)]), "head-dead"),
    (
        "head-replaced",
        look(nodes=[head("h", "DEAD", 9), head("i", "ALIVE", 2)]),
        look(nodes=[head("h", "DEAD", 9), head("i", "ALIVE", 20)]),
        "head-dead",
    ),
    ("head-dead", look(nodes=[head("h", "DEAD", 9)]), look(nodes=[head("h", "ALIVE", 9)]), "head-started"),
    ("serve-unhealthy", serve("ALIVE", "UNHEALTHY"), serve("ALIVE", "DEPLOYING"), "server-runs"),
    ("server-replaced", two("FAILED", "RUNNING", SERVER), two("FAILED", "RUNNING", SERVER, 30), "server-ended"),
    ("server-without-serve", serve("DEAD"), serve("ALIVE"), "server-runs"),
    ("server-runs", one("RUNNING", metadata=SERVER), one("RUNNING"), "running"),
    ("server-stopped", one("STOPPED", metadata=SERVER), one("STOPPED"), "stopped"),
    ("server-ended", one("SUCCEEDED", metadata=SERVER), one("SUCCEEDED"), "succeeded"),
    (
        "initialization-repaired",
        two("FAILED", "SUCCEEDED", INIT),
        two("FAILED", "SUCCEEDED", INIT, 30),
        "initialization-failed",
    ),
    (
        "initialization-retried",
        two("FAILED", "RUNNING", INIT),
        two("FAILED", "FAILED", INIT),
        "initialization-failed",
    ),
    ("initialization-late", one("RUNNING", 61, INIT), one("RUNNING", 60, INIT), "running"),
    ("initialization-stopped", one("STOPPED", metadata=INIT), one("STOPPED"), "stopped"),
    ("initialization-failed", one("FAILED", metadata=INIT), one("FAILED"), "failed"),
    ("observer-ended", one("SUCCEEDED", metadata=OBSERVER), one("SUCCEEDED"), "succeeded"),
    ("observer-cut-off", one("FAILED", metadata=OBSERVER), one("FAILED"), "failed"),
    ("internal-ended", ray_s_own("INTENDED_USER_EXIT"), ray_s_own("INTENDED_USER_EXIT", "mine"), "ended-unknown"),
    ("internal-died", ray_s_own("SYSTEM_ERROR"), ray_s_own("SYSTEM_ERROR", "mine"), "failed"),
    ("retry-succeeded", retried("SUCCEEDED"), retried("SUCCEEDED", of="c"), "failed"),
    ("retry-running", retried("RUNNING"), retried("RUNNING", of="c"), "failed"),
    ("past-deadline", one("RUNNING", 21, DEADLINE), one("RUNNING", 20, DEADLINE), "running"),
    ("pending-infeasible", waits(61, 1, 1), waits(60, 1, 1), "pending-infeasible-yet"),
    ("pending-infeasible-yet", waits(60, 1, 1), waits(60, 4, 1), "pending"),
    ("pending-busy", waits(61, 4, 1), waits(61, 4, 4), "pending-long"),
    ("pending-building", builds(61), builds(60), "pending"),
    ("pending-long", one("PENDING", 61), one("PENDING", 60), "pending"),
    ("pending", one("PENDING", 60), one("PENDING", 61), "pending-long"),
    ("late", one("RUNNING", 21, EXPECTED), one("RUNNING", 20, EXPECTED), "running"),
    ("unusually-long", one("RUNNING", 31, entrypoint="often"), one("RUNNING", 30, entrypoint="often"), "running"),
    ("running", one("RUNNING"), one("HELD"), "status-unknown"),
    (
        "succeeded-late",
        one("SUCCEEDED", 50, DEADLINE, took=21),
        one("SUCCEEDED", 50, DEADLINE, took=20),
        "succeeded",
    ),
    ("succeeded", one("SUCCEEDED"), one("SUCCEEDED", exit_code=None), "ended-unknown"),
    ("stopped", one("STOPPED"), one("STOPPED", metadata=INIT), "initialization-stopped"),
    ("failure-allowed", one("FAILED", metadata=REPORT), one("FAILED"), "failed"),
    ("failed", one("FAILED"), one("FAILED", metadata=REPORT), "failure-allowed"),
    ("ended-with-failed-tasks", ended_driver(1), ended_driver(0), "ended-unknown"),
    ("ended-unknown", ended_driver(0), ended_driver(1), "ended-with-failed-tasks"),
]
PAST = {
    "user:often": PastRuns(count=20, p99_s=30.0),
    "user:seldom": PastRuns(count=19, p99_s=30.0),
    "user:never": PastRuns(),
}


def subject(found: Snapshot) -> JobRow:
    rows = {row.id: row for row in judge(found, NOW, contracts_with(KINDS), PAST)}
    return next(rows[id] for id in ("a", HEAD, WORKER) if id in rows)


@pytest.mark.parametrize(("rule", "fires", "other", "instead"), VERDICTS, ids=[each[0] for each in VERDICTS])
def test_a_rule_speaks_when_it_should_and_only_then(rule: str, fires: Snapshot, other: Snapshot, instead: str) -> None:
    assert (subject(fires).rule, subject(other).rule) == (rule, instead)


def test_every_verdict_rule_is_tried() -> None:
    assert [each[0] for each in VERDICTS] == [rule.name for rule in VERDICT_RULES]


SHORT = {"began": 30, "ended_at": NOW}
LONG = {"began": 31, "ended_at": NOW}
DECLARED = look(driver("a", "RUNNING", entrypoint="report"))
KIND_TABLE: list[tuple[str, Snapshot, Snapshot, str]] = [
    (
        "kind-by-metadata",
        one("RUNNING", metadata=INIT),
        one("RUNNING", metadata={"seedcore.kind": "worker-node"}),
        "kind-by-default",
    ),
    ("kind-by-serve", serve("ALIVE"), look(driver("a", "RUNNING"), actors=[actor("a")]), "kind-by-default"),
    (
        "kind-by-namespace",
        ray_s_own("SYSTEM_ERROR"),
        look(driver("a", "RUNNING"), actors=[actor("a", "JobSupervisor", SUPERVISOR)]),
        "kind-by-default",
    ),
    ("kind-declared:report", DECLARED, look(driver("a", "RUNNING", entrypoint="reports")), "kind-by-default"),
    (
        "kind-by-entrypoint",
        one("RUNNING", entrypoint="python -m uvicorn app:app"),
        one("RUNNING", entrypoint="python uvicorn.py"),
        "kind-by-default",
    ),
    ("kind-by-client", client("SYSTEM_ERROR", **SHORT), client("SYSTEM_ERROR", **LONG), "kind-by-default"),
    ("kind-by-default", one("RUNNING"), one("RUNNING", metadata=INIT), "kind-by-metadata"),
]


@pytest.mark.parametrize(("rule", "fires", "other", "instead"), KIND_TABLE, ids=[each[0] for each in KIND_TABLE])
def test_a_kind_is_told_when_it_should_and_only_then(rule: str, fires: Snapshot, other: Snapshot, instead: str) -> None:
    assert (subject(fires).evidence[0].rule, subject(other).evidence[0].rule) == (rule, instead)


def test_every_rule_of_kinds_is_tried() -> None:
    built_in = [each[0] for each in KIND_TABLE if not each[0].startswith("kind-declared:")]
    assert built_in == [rule.name for rule in KIND_RULES]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (one("RUNNING", 21, DEADLINE), "It has been running for 21 s; its deadline is 20 s."),
        (one("SUCCEEDED", 50, DEADLINE, took=21), "It succeeded after 21 s; its deadline was 20 s."),
        (one("RUNNING", 21, EXPECTED), "It has been running for 21 s; expected are 20 s."),
        (
            one("RUNNING", 31, entrypoint="often"),
            "It has run for 31 s; of 20 earlier runs like it, 99 in 100 took at most 30 s.",
        ),
        (waits(61, 1, 1), "It needs 2 CPU, which no node of this cluster has; so far for 61 s."),
        (waits(61, 4, 1), "It waits for 2 CPU; free in the whole cluster are 1 CPU; so far for 61 s."),
        (builds(61), "Its environment is being built (pip); so far for 61 s."),
        (one("PENDING", 61), "It has waited to start for 61 s; usual are 60 s."),
        (one("PENDING", started_at=None), "It has not started; Ray does not tell why."),
        (one("FAILED", metadata=REPORT), "It failed with exit code 1; 1 in a row, 1 are allowed."),
        (
            monitor_lost(is_alive=True),
            "Ray says FAILED because it lost the job's supervisor, but the driver is alive.",
        ),
        (serve("ALIVE", "UNHEALTHY"), "It runs, but application shop is UNHEALTHY: why"),
    ],
)
def test_what_is_said(found: Snapshot, reason: str) -> None:
    assert subject(found).reason == reason


@pytest.mark.parametrize(
    ("began", "changes", "rule"),
    [
        # What is unusual is told from enough runs, and where nothing is declared.
        (31, {"entrypoint": "often"}, "unusually-long"),
        (31, {"entrypoint": "seldom"}, "running"),
        (31, {"entrypoint": "never"}, "running"),
        (31, {"entrypoint": "unheard-of"}, "running"),
        (31, {"entrypoint": "x", "metadata": {"job_name": "often"}}, "unusually-long"),
        (31, {"entrypoint": "often", "metadata": {"seedcore.expected_duration_s": "100"}}, "running"),
        # A deadline is worse than lateness.
        (31, {"entrypoint": "often", "metadata": DEADLINE}, "past-deadline"),
        (31, {"metadata": {**DEADLINE, **EXPECTED}}, "past-deadline"),
    ],
)
def test_what_is_unusual(began: float, changes: dict[str, Any], rule: str) -> None:
    assert subject(look(submission("a", "RUNNING", began=began, **changes))).rule == rule


def test_a_client_without_an_end_is_judged_by_the_clock_also_from_memory() -> None:
    """Whether somebody only looked depends on how long; where no end is recorded, it goes on growing."""
    memo, found = Memo(), look(driver("a", "SUCCEEDED", ended_at=None, entrypoint=CLIENT))
    kinds = [judge(found, NOW + timedelta(seconds=later), memo=memo)[0].kind for later in (0, 60)]
    assert kinds == ["observer", "user"]


def test_an_unknown_actor_table_hides_no_failure_as_a_look() -> None:
    found = replace(client("SYSTEM_ERROR", **SHORT), actors=Unknown("down"))
    assert (subject(found).kind, subject(found).verdict) == ("user", "BAD")

"""What is brought together of one job before a rule speaks, and what is taken over from the look before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.jobs.judging.case import Case, compute_age_s, find_series
from serve_app.jobs.judging.case_maker import CaseMaker
from serve_app.jobs.judging.expectations import BUILT_IN, EXPECTATIONS, Contracts, build_contracts
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.judging.kind_specs import KindSpec, Match
from serve_app.jobs.models import (
    Evidence,
    JobFacts,
    JobType,
    Known,
    NodeFacts,
    PastRuns,
    Snapshot,
    TaskCounts,
    Unknown,
    WaitingActor,
)
from serve_app.jobs.serve_facts import ApplicationFacts
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.judging.test_judge import (
    NOW,
    actor,
    ago,
    controller,
    driver,
    exit_of,
    snapshot,
    submission,
)
from tests.unit.jobs.judging.test_outcome import node

DOWN = Unknown("down")
CLEAN, KILLED = "INTENDED_USER_EXIT", "SYSTEM_ERROR"


def make_case(
    job: JobFacts,
    *,
    contracts: Contracts = BUILT_IN,
    past: Mapping[str, PastRuns] | None = None,
    look: Mapping[str, Any] | None = None,
    **sections: Any,
) -> Case:
    seen = replace(snapshot(job, **sections), **(look or {}))
    return CaseMaker.build(seen, NOW, contracts, past or {}, {}).judge_job(job).case


@pytest.mark.parametrize(
    ("job", "kind", "series"),
    [
        (submission("a", "RUNNING", entrypoint="python x"), "report", "report"),
        (submission("a", "RUNNING", entrypoint="python x"), "user", "user:python x"),
        (submission("a", "RUNNING", entrypoint="x", metadata={"job_name": "train"}), "user", "user:train"),
        (submission("a", "RUNNING", entrypoint="x", metadata={"job_name": ""}), "user", "user:x"),
        (submission("a", "RUNNING", entrypoint="x" * 300), "user", f"user:{'x' * 245}"),
    ],
)
def test_what_a_job_is_compared_with(job: JobFacts, kind: str, series: str) -> None:
    assert find_series(job, kind) == series


@pytest.mark.parametrize(
    ("began", "ended", "outcome", "wanted"),
    [
        (ago(10), None, "running", 10.0),
        (ago(10), None, "pending", 10.0),
        # One that is on its way has no end yet, whatever is said.
        (ago(10), ago(4), "running", 10.0),
        (ago(10), ago(4), "failed", 6.0),
        (ago(10), None, "failed", None),
        (None, ago(4), "failed", None),
        (None, None, "running", None),
        (ago(10), ago(9.9994), "failed", 0.001),
        # Clocks of two machines differ.
        (ago(10), ago(11), "failed", 0.0),
    ],
)
def test_its_age(began: Any, ended: Any, outcome: str, wanted: float | None) -> None:
    facts = JobFacts("a", JobType.DRIVER, "x", started_at=began, ended_at=ended)
    assert compute_age_s(facts, JobOutcome(outcome), NOW) == wanted


HERE, THERE = node("ALIVE", node_id="n"), node("ALIVE", node_id="m", ip="10.0.0.1")
GONE = node("DEAD", node_id="g", ip="10.0.0.2")


@pytest.mark.parametrize(
    ("job", "exits", "node_id", "outcome"),
    [
        # The node that the list names; then that of the worker table; then the only one of its address.
        (driver("a", "RUNNING", node_id="g"), [exit_of("a", None)], "g", "lost"),
        (driver("a", "RUNNING"), [replace(exit_of("a", None), node_id="g")], "g", "lost"),
        (driver("a", "RUNNING", node_id="x"), [replace(exit_of("a", None), node_id="g")], "x", "lost"),
        (driver("a", "RUNNING", node_ip="10.0.0.2"), [], "g", "lost"),
        (driver("a", "RUNNING", node_id="m", node_ip="10.0.0.2"), [], "m", "running"),
        (driver("a", "RUNNING", node_ip="10.0.0.9"), [], None, "running"),
        (driver("a", "RUNNING", node_id="x"), [], "x", "running"),
        (driver("a", "RUNNING"), [], None, "running"),
    ],
)
def test_where_it_runs(job: JobFacts, exits: list[Any], node_id: str | None, outcome: str) -> None:
    found = make_case(job, exits=exits, nodes=[HERE, THERE, GONE])
    assert (found.job.node_id, found.conclusion.outcome) == (node_id, outcome)
    assert make_case(job, look={"nodes": DOWN, "driver_exits": Known({e.job_id: e for e in exits})}).job.node_id == (
        job.node_id
    )


def test_an_address_of_two_nodes_tells_neither() -> None:
    job = driver("a", "RUNNING", node_ip="10.0.0.2")
    assert make_case(job, nodes=[GONE, replace(GONE, node_id="h")]).job.node_id is None


def starved(job_id: str) -> Known[tuple[WaitingActor, ...]]:
    return Known((WaitingActor("x", "main", "Trainer", job_id, "PENDING_CREATION", {"GPU": 1.0}),))


def supervised(id: str) -> Known[tuple[WaitingActor, ...]]:
    name = f"_ray_internal_job_actor_{id}"
    return Known((WaitingActor("x", name, "JobSupervisor", "09000000", "PENDING_CREATION", {"CPU": 2.0}),))


def test_only_what_is_pending_waits_and_only_what_runs_starves() -> None:
    nodes = [node("ALIVE", resources={"CPU": 4.0})]
    free = Known({"CPU": 1.0})
    pending = make_case(submission("a", "PENDING"), nodes=nodes, look={"waiting": supervised("a"), "free": free})
    assert pending.waiting is not None
    assert (pending.waiting.rule, pending.further_evidence) == ("pending-busy", pending.waiting.evidence)
    runs = make_case(submission("a", "RUNNING", job_id="02000000"), nodes=nodes, look={"waiting": starved("02000000")})
    assert runs.waiting is not None
    assert (runs.waiting.rule, runs.further_evidence) == ("actors-infeasible", runs.waiting.evidence)
    ended = submission("a", "FAILED", job_id="02000000")
    assert make_case(ended, nodes=nodes, look={"waiting": starved("02000000")}).waiting is None


def test_earlier_runs_are_asked_for_while_it_runs_alone() -> None:
    past = {"user:train": PastRuns(20), "report": PastRuns(30)}
    named = {"metadata": {"job_name": "train"}}
    assert make_case(submission("a", "RUNNING", **named), past=past).past == PastRuns(20)
    assert make_case(submission("a", "RUNNING", metadata={"seedcore.kind": "report"}), past=past).past == PastRuns(30)
    assert make_case(submission("a", "RUNNING"), past=past).past is None
    for status in ("PENDING", "FAILED", "SUCCEEDED", "STOPPED"):
        assert make_case(submission("a", status, **named), past=past).past is None


def test_what_is_expected_of_it() -> None:
    report = KindSpec(name="report", match=Match(entrypoint="report"), expected_duration_s=5, deadline_s=6)
    contracts = build_contracts([report])
    found = make_case(submission("a", "RUNNING", entrypoint="report"), contracts=contracts)
    assert (found.kind, found.limit_s, found.deadline_s, found.age_s) == ("report", 5, 6, 10.0)
    assert found.expectation is contracts.get_expectation("report")
    plain = make_case(submission("a", "RUNNING"))
    assert (plain.limit_s, plain.deadline_s, plain.expectation) == (None, None, EXPECTATIONS["user"])
    assert (plain.serving, plain.serve_problem, plain.waiting, plain.tasks) == (None, None, None, None)


NAMELESS = NodeFacts("nameless", "", False, "DEAD", None, None, None, {}, {})


@pytest.mark.parametrize("job_id", [None, ""])
def test_what_has_no_job_in_a_table_is_of_no_job(job_id: str | None) -> None:
    """Ray lists actors that no job is named for, Serve's among them; a submission has no job before its driver has."""
    tables = {
        "actors": [controller(""), actor("")],
        "exits": [replace(exit_of("", KILLED), node_id="nameless")],
        "nodes": [NAMELESS],
        "look": {"tasks": {"": TASKS["a"]}},
    }
    waits = make_case(submission("a", "PENDING", job_id=job_id), **tables)
    assert (waits.kind, waits.serving, waits.tasks, waits.job.node_id) == ("user", None, None, None)
    assert waits.conclusion.outcome == "pending"
    ended = make_case(driver("a", "SUCCEEDED", began=100, job_id=job_id), **tables)
    assert (ended.kind, ended.serving, ended.tasks, ended.job.node_id) == ("user", None, None, None)
    assert (ended.conclusion.outcome, ended.conclusion.rule) == ("ended_unknown", "worker-row-missing")
    assert ended.further_evidence == ()


def test_an_empty_address_is_that_of_no_node() -> None:
    assert make_case(driver("a", "RUNNING"), nodes=[NAMELESS]).job.node_id is None
    assert make_case(driver("a", "RUNNING", node_ip=""), nodes=[NAMELESS]).job.node_id is None


@pytest.mark.parametrize(
    ("job_id", "sections", "serving"),
    [
        ("a", {"actors": [controller("a")]}, True),
        ("a", {"actors": [controller("a", "DEAD")]}, False),
        ("a", {"actors": [controller("a", "DEAD"), actor("a", "ServeReplica", "serve")]}, True),
        # Whatever the tables say, what judges is being served.
        ("a", {"actors": [controller("a", "DEAD")], "own_job_id": "a"}, True),
        ("a", {"own_job_id": "a"}, True),
        ("a", {"actors": [controller("b")], "own_job_id": "b"}, None),
        ("a", {"actors": [actor("a")]}, None),
    ],
)
def test_whether_it_serves(job_id: str, sections: Any, serving: bool | None) -> None:
    assert make_case(driver(job_id, "RUNNING"), **sections).serving is serving


def apps(*statuses: tuple[str, str]) -> list[ApplicationFacts]:
    return [ApplicationFacts(f"app{number}", *each, ()) for number, each in enumerate(statuses)]


@pytest.mark.parametrize(
    ("sections", "problem"),
    [
        ({"apps": apps(("UNHEALTHY", "a replica died"))}, "application app0 is UNHEALTHY: a replica died"),
        ({"apps": apps(("RUNNING", "x"), ("DEPLOY_FAILED", ""))}, "application app1 is DEPLOY_FAILED: no message"),
        ({"apps": apps(("UNHEALTHY", "x" * 700))}, f"application app0 is UNHEALTHY: {'x' * 599}…"),
        ({"apps": apps(("UNHEALTHY", "first"), ("UNHEALTHY", "second"))}, "application app0 is UNHEALTHY: first"),
        ({"apps": apps(("RUNNING", ""), ("DEPLOYING", ""), ("DELETING", ""))}, None),
        ({"serve": DOWN}, None),
    ],
)
def test_what_is_wrong_with_serve(sections: Any, problem: str | None) -> None:
    assert make_case(driver("a", "RUNNING"), actors=[controller("a")], **sections).serve_problem == problem
    # It is no word on anybody's own work.
    assert make_case(driver("a", "RUNNING"), **sections).serve_problem is None


def test_what_calls_itself_something_else_has_ended_when_its_driver_has() -> None:
    """Its actors of Serve live on; it never was a server."""
    job = driver("a", "SUCCEEDED", metadata={"seedcore.kind": "report"})
    found = make_case(job, exits=[exit_of("a", KILLED)], actors=[controller("a")])
    assert (found.kind, found.conclusion.outcome, found.serving) == ("report", "failed", None)


SERVES_ON = Evidence("serve-outlives-driver", "actor table", "actors of Ray Serve that it owns are alive")


@pytest.mark.parametrize(
    ("job", "sections", "outcome", "sentence"),
    [
        (
            driver("a", "SUCCEEDED"), {"actors": [controller("a")]},
            "running", "Its driver ended; what it serves goes on.",
        ),
        (
            driver("a", "SUCCEEDED"), {"actors": [controller("a", "DEAD")]},
            "failed", "It died abnormally (killed, or crashed); Ray calls it SUCCEEDED.",
        ),
        (driver("a", "RUNNING"), {"actors": [controller("a")]}, "running", "It runs."),
        (
            driver("a", "SUCCEEDED"), {"actors": [actor("a")]},
            "failed", "It died abnormally (killed, or crashed); Ray calls it SUCCEEDED.",
        ),
    ],
)  # fmt: skip
def test_what_it_serves_outlives_its_driver(job: JobFacts, sections: Any, outcome: str, sentence: str) -> None:
    found = make_case(job, exits=[exit_of("a", KILLED)], **sections).conclusion
    assert (found.outcome, found.sentence) == (outcome, sentence)
    assert (found.evidence[0] == SERVES_ON) is (outcome == "running" and job.status == "SUCCEEDED")
    assert found.evidence[-1].source in ("worker table", "job list")


@pytest.mark.parametrize(
    ("ended_s", "exits", "outcome"),
    [
        # Its end is some seconds old, and no row tells yet how it was.
        (4.9, [], "running"),
        (5.0, [], "ended_unknown"),
        (4.9, [exit_of("a", None)], "running"),
        (4.9, [exit_of("a", KILLED)], "failed"),
        (4.9, [exit_of("a", CLEAN)], "ended_unknown"),
    ],
)
def test_how_it_ended_may_be_recorded_a_little_later(ended_s: float, exits: list[Any], outcome: str) -> None:
    job = replace(driver("a", "SUCCEEDED"), ended_at=ago(ended_s))
    found = make_case(job, exits=exits)
    assert found.conclusion.outcome == outcome
    if outcome == "running":
        assert found.conclusion.sentence == "It has just ended; how is not recorded yet."
        assert found.conclusion.evidence[0].rule == "worker-row-missing"
        assert found.age_s == 10.0


def test_an_end_without_a_time_is_not_waited_for() -> None:
    assert make_case(driver("a", "SUCCEEDED", ended_at=None)).conclusion.outcome == "ended_unknown"
    # Nor is one while the whole table is silent.
    job = replace(driver("a", "SUCCEEDED"), ended_at=ago(1))
    assert make_case(job, look={"driver_exits": DOWN}).conclusion.outcome == "ended_unknown"


TASKS = {"a": TaskCounts(total=9, failed=2, finished=7, pending=0, running=0)}
OF_TASKS = Evidence("tasks-of-the-job", "task summary", "7 of 9 tasks finished, 2 failed")
OF_ACTORS = Evidence("actors-of-the-job", "actor table", "2 actors, of which 1 are alive")
OF_OWNER = Evidence("owner-note", "metadata", "writes out.csv")
NOTE = {"metadata": {"seedcore.note": "writes out.csv"}}


@pytest.mark.parametrize(
    ("job", "exit_type", "actors", "tasks", "wanted"),
    [
        (
            driver("a", "SUCCEEDED", **NOTE), CLEAN, [actor("a"), actor("a", state="DEAD")], TASKS,
            (OF_TASKS, OF_ACTORS, OF_OWNER),
        ),
        (driver("a", "SUCCEEDED"), CLEAN, [], TASKS, (OF_TASKS,)),
        (driver("a", "SUCCEEDED"), CLEAN, [actor("a"), actor("a", state="DEAD")], {}, (OF_ACTORS,)),
        (driver("a", "SUCCEEDED", **NOTE), CLEAN, [], {}, (OF_OWNER,)),
        (driver("a", "SUCCEEDED"), CLEAN, [actor("b")], {"b": TASKS["a"]}, ()),
        # Only where an end proves nothing.
        (driver("a", "SUCCEEDED", **NOTE), KILLED, [actor("a")], TASKS, ()),
        (driver("a", "RUNNING", **NOTE), None, [actor("a")], TASKS, ()),
    ],
)  # fmt: skip
def test_what_is_known_of_its_work(job: JobFacts, exit_type: Any, actors: Any, tasks: Any, wanted: Any) -> None:
    found = make_case(job, exits=[exit_of("a", exit_type)], actors=actors, look={"tasks": tasks})
    assert (found.further_evidence, found.tasks) == (wanted, tasks.get("a"))


def judge_nodes(*nodes: NodeFacts) -> list[tuple[str, str, tuple[Evidence, ...], str]]:
    rows = judge(snapshot(nodes=nodes), NOW)
    return [(row.kind, row.outcome.value, row.evidence, row.reason) for row in rows]


@pytest.mark.parametrize(
    ("facts", "outcome", "fact"),
    [
        (node("ALIVE"), "running", "the node is alive"),
        (node("ALIVE", message="Expected termination"), "running", "the node is alive"),
        (node("DEAD"), "lost", "the node is DEAD: no reason is recorded"),
        (node("DEAD", message="Expected termination: x."), "stopped", "the node is DEAD: Expected termination: x."),
        (node("DEAD", message="no Expected termination"), "lost", "the node is DEAD: no Expected termination"),
        (node("PAUSED"), "lost", "the node is PAUSED: no reason is recorded"),
        (node("ALIVE", is_head=True), "succeeded", "the head node is alive"),
        (node("DEAD", is_head=True, message="x"), "lost", "the head node is DEAD"),
    ],
)
def test_a_node_is_judged_by_the_node_table_alone(facts: NodeFacts, outcome: str, fact: str) -> None:
    kind, why = (
        ("cluster-initialization", "a head node; its start is not a Ray job")
        if facts.is_head
        else ("worker-node", "a worker node; it is not a Ray job")
    )
    ((found_kind, found_outcome, evidence, reason),) = judge_nodes(facts)
    told = (Evidence("kind-by-node", "node table", why), Evidence("node-table", "node table", fact))
    assert (found_kind, found_outcome, evidence) == (kind, outcome, told)
    if outcome == "lost":
        assert reason == f"The node table says that {fact.rstrip('.')}."


@pytest.mark.parametrize(
    ("is_head", "state", "told"),
    [
        (False, "ALIVE", ("OK", "The node is up.", "Nothing to do.")),
        (
            False, "DEAD",
            (
                "WARN", "The node table says that the node is DEAD: no reason is recorded.",
                "Find out why it died; start it again if it should be there.",
            ),
        ),
        (True, "ALIVE", ("OK", "The head is up: the node table says that the head node is alive.", "Nothing to do.")),
        (
            True, "DEAD",
            ("BAD", "The node table says that the head node is DEAD.", "Start the head again, then deploy."),
        ),
    ],
)  # fmt: skip
def test_what_is_told_of_a_node(is_head: bool, state: str, told: tuple[str, str, str]) -> None:
    (row,) = judge(snapshot(nodes=[node(state, is_head=is_head)]), NOW)
    assert (row.verdict, row.reason, row.action) == told
    starter, keeper = (
        ("whoever ran `ray start --head`", "Ray head node")
        if is_head
        else ("whoever ran `ray start --address`, or the autoscaler", "Ray node (raylet)")
    )
    assert (row.scheduled_by, row.managed_by) == (starter, keeper)


@pytest.mark.parametrize(
    ("message", "sentence"),
    [
        (None, "The node table says that the node is DEAD: no reason is recorded."),
        ("It was lost.", "The node table says that the node is DEAD: It was lost."),
        ("lost: POSIX", "The node table says that the node is DEAD: lost: POSIX."),
        ("health check...", "The node table says that the node is DEAD: health check."),
    ],
)
def test_the_sentence_on_a_node_ends_once(message: str | None, sentence: str) -> None:
    assert [reason for *_, reason in judge_nodes(node("DEAD", message=message))] == [sentence]


def test_a_node_has_the_age_of_its_life() -> None:
    dead = node("DEAD", started_at=ago(50), ended_at=ago(20))
    alive = node("ALIVE", node_id="m", started_at=ago(50))
    rows = judge(snapshot(nodes=[dead, alive]), NOW)
    assert {row.node_id: (row.duration_s, row.ended_at) for row in rows} == {"n": (30.0, ago(20)), "m": (50.0, None)}


WHOLE = snapshot(
    driver("a", "SUCCEEDED", began=100, node_id="n"),
    exits=[exit_of("a", CLEAN)],
    nodes=[node("ALIVE", is_head=True)],
    actors=[actor("a")],
)
WITH_TASKS = replace(WHOLE, tasks=TASKS)


def judge_again(first: Snapshot, second: Snapshot) -> list[Any]:
    """What the second look finds with the memory of the first, without nodes."""
    memo = Memo()
    judge(first, NOW, memo=memo)
    rows = judge(second, NOW + timedelta(seconds=1), memo=memo)
    return [row for row in rows if not row.derived]


@pytest.mark.parametrize(
    "silence",
    [
        {"driver_exits": DOWN}, {"driver_exits": Known({})}, {"actors": DOWN}, {"tasks": {}}, {"nodes": DOWN},
        {"driver_exits": Known({}, "1 of 2 rows")}, {"driver_exits": DOWN, "actors": DOWN, "tasks": {}},
    ],
)  # fmt: skip
def test_what_a_table_told_before_it_fell_silent_stays(silence: dict[str, Any]) -> None:
    assert judge_again(WITH_TASKS, replace(WITH_TASKS, **silence)) == judge_again(WITH_TASKS, WITH_TASKS)


@pytest.mark.parametrize(
    "change",
    [
        {"driver_exits": Known({"a": exit_of("a", KILLED)})},
        {"tasks": {"a": TaskCounts(9, 3, 6, 0, 0)}},
        {"actors": Known((actor("a", state="DEAD"),))},
        {"own_job_id": "a"},
        {"jobs": Known((driver("a", "SUCCEEDED", began=100, node_id="n", entrypoint="other"),))},
        {"jobs": Known((driver("a", "RUNNING", began=100, node_id="n"),))},
        {"nodes": Known((node("DEAD", is_head=True),)), "driver_exits": Known({"a": exit_of("a", KILLED)})},
    ],
)
def test_what_a_table_tells_anew_counts(change: dict[str, Any]) -> None:
    now = replace(WITH_TASKS, **change)
    later = NOW + timedelta(seconds=1)
    assert judge_again(WITH_TASKS, now) == [row for row in judge(now, later) if not row.derived]


@pytest.mark.parametrize(
    "first", [{"driver_exits": DOWN}, {"driver_exits": Known({})}, {"nodes": DOWN}, {"actors": DOWN}]
)
def test_what_was_not_known_before_is_asked_again(first: dict[str, Any]) -> None:
    later = NOW + timedelta(seconds=1)
    fresh = [row for row in judge(WHOLE, later) if not row.derived]
    assert judge_again(replace(WHOLE, **first), WHOLE) == fresh


def test_a_silent_table_that_told_nothing_tells_why_it_is_silent() -> None:
    first, second = replace(WHOLE, driver_exits=Unknown("slow")), replace(WHOLE, driver_exits=Unknown("gone"))
    found = judge_again(first, second)
    assert found[0].reason == "It ended; how is not known (worker table not available: gone)."


def test_what_has_ended_is_not_made_again() -> None:
    """Looks over ten thousand ended jobs are cheap by that alone."""
    nodes = [node("DEAD", started_at=ago(50), ended_at=ago(20)), node("ALIVE", node_id="m")]
    seen, memo = snapshot(driver("a", "SUCCEEDED", began=100), submission("b", "RUNNING"), nodes=nodes), Memo()
    judge(seen, NOW, memo=memo)
    before = dict(memo.cases)
    judge(seen, NOW + timedelta(hours=1), memo=memo)
    same = {id: before[id] is each for id, each in memo.cases.items()}
    assert same == {"a": True, "b": False, "node:n": True, "node:m": False}


@pytest.mark.parametrize(
    ("exits", "same"),
    [
        (Known({"a": exit_of("a", CLEAN)}), True),
        # That a table is cut matters only to those whose row is not in it.
        (Known({"a": exit_of("a", CLEAN)}, "1 of 2 rows"), True),
        (Known({"a": exit_of("a", KILLED)}), False),
    ],
)
def test_what_is_made_again_when_the_worker_table_changes(exits: Known[Any], same: bool) -> None:
    memo = Memo()
    judge(WHOLE, NOW, memo=memo)
    before = memo.cases["a"]
    judge(replace(WHOLE, driver_exits=exits), NOW, memo=memo)
    assert (memo.cases["a"] is before) is same


def test_a_node_that_changes_is_judged_anew() -> None:
    memo = Memo()
    dead = node("DEAD", started_at=ago(50), ended_at=ago(20), message="x")
    first = judge(snapshot(nodes=[dead]), NOW, memo=memo)
    same = judge(snapshot(nodes=[dead]), NOW + timedelta(hours=1), memo=memo)
    assert [before is after for before, after in zip(first, same, strict=True)] == [True]
    left = judge(snapshot(nodes=[replace(dead, message="Expected termination")]), NOW, memo=memo)
    assert [row.rule for row in (*first, *left)] == ["worker-died", "worker-left"]

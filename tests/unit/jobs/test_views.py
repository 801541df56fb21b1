"""Rows and facts as the API answers them, field by field."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from organs.times import format_time
from serve_app.jobs import views
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.expectations import Expectation, Meaning
from serve_app.jobs.judging.findings import Finding
from serve_app.jobs.judging.pending import Shortage
from serve_app.jobs.models import ActorFacts, DriverExit, Evidence, JobFacts, JobRow, JobType, NodeFacts, Verdict
from serve_app.jobs.serve_facts import ApplicationFacts, DeploymentFacts, ReplicaFacts, ServeFacts
from serve_app.outcomes import JobOutcome

BEGAN = datetime(2026, 1, 1, 12, 0, 0, 1_234, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return BEGAN + timedelta(seconds=seconds)


def at(seconds: float) -> str:
    return after(seconds).isoformat(timespec="milliseconds")


ROW = JobRow(
    id="raysubmit_1", job_id="02000000", submission_id="raysubmit_1", type=JobType.SUBMISSION, kind="report",
    entrypoint="python report.py", status="FAILED", outcome=JobOutcome.FAILED, verdict=Verdict.BAD, reason="It failed.",
    rule="failed", scheduled_by="cron", managed_by="the shop", started_at=BEGAN, ended_at=after(9), duration_s=9.0,
    node_id="n", metadata={"team": "a"}, derived=False, hidden=True,
    evidence=(Evidence("kind-by-metadata", "job list", "it says so"), Evidence("exit", "job list", "exit code 1")),
    session="s1", series="report", owner="ann", action="Read its log.",
)  # fmt: skip
FACTS = JobFacts("raysubmit_1", JobType.SUBMISSION, "FAILED", pid=7, node_ip="10.0.0.7")
DRIVER = DriverExit("02000000", False, "SYSTEM_ERROR", "killed", 8, after(1), after(8), "n")
ROW_FIELDS = {
    "id": "raysubmit_1", "job_id": "02000000", "submission_id": "raysubmit_1", "type": "SUBMISSION", "kind": "report",
    "entrypoint": "python report.py", "status": "FAILED", "error_type": None, "exit_code": None,
    "outcome": "failed", "verdict": "BAD", "reason": "It failed.", "rule": "failed", "scheduled_by": "cron",
    "managed_by": "the shop",
    "started_at": at(0), "ended_at": at(9), "duration_s": 9.0, "node_id": "n", "metadata": {"team": "a"},
    "derived": False, "hidden": True, "session": "s1", "owner": "ann", "action": "Read its log.", "code": None,
    "quiet_since": None,
}  # fmt: skip


def test_a_row() -> None:
    assert views.render_row(ROW) == ROW_FIELDS
    assert (ROW_FIELDS["started_at"], ROW_FIELDS["ended_at"]) == (
        "2026-01-01T12:00:00.001+00:00",
        "2026-01-01T12:00:09.001+00:00",
    )
    never = replace(ROW, started_at=None, ended_at=None, derived=True, hidden=False)
    changes = {"started_at": None, "ended_at": None, "derived": True, "hidden": False}
    assert views.render_row(never) == {**ROW_FIELDS, **changes}


def test_what_a_verdict_rests_on() -> None:
    assert views.render_evidence(ROW) == [
        {"rule": "kind-by-metadata", "source": "job list", "fact": "it says so"},
        {"rule": "exit", "source": "job list", "fact": "exit code 1"},
        {"rule": "failed", "source": "expectation", "fact": "report, failed: BAD"},
    ]


EXPECTED = Expectation(
    "report", "The report.", "cron", "the shop", True, (1, 2), 3.0, {JobOutcome.FAILED: Meaning("It did not report.")},
    deadline_s=4.0, every_s=5.0, allowed_failures=6, owner="finance",
)  # fmt: skip
DECLARED = {
    "purpose": "The report.", "must_end": True, "usual_duration_s": [1, 2], "limit_s": 3.0, "deadline_s": 4.0,
    "every_s": 5.0, "allowed_failures": 6, "owner": "finance",
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "expected", "wanted"),
    [
        ({}, {}, {"meaning": "It did not report.", "action": "Read its log."}),
        ({"action": ""}, {}, {"meaning": "It did not report.", "action": "Nothing to do."}),
        # Where nothing is said of an outcome, the reason is all that there is.
        ({"outcome": JobOutcome.LOST}, {}, {"meaning": "It failed.", "action": "Read its log."}),
        (
            {}, {"usual_duration_s": None},
            {"meaning": "It did not report.", "action": "Read its log.", "usual_duration_s": None},
        ),
    ],
)  # fmt: skip
def test_what_was_expected(changes: dict[str, Any], expected: dict[str, Any], wanted: dict[str, Any]) -> None:
    row = views.render_row(replace(ROW, **changes))
    assert views.render_expectation(row, replace(EXPECTED, **expected)) == {**DECLARED, **wanted}


def test_what_an_older_version_kept_has_no_action() -> None:
    row: Any = {name: value for name, value in ROW_FIELDS.items() if name != "action"}
    assert views.render_expectation(row, EXPECTED)["action"] == "Nothing to do."


WHOLE = {
    "job_id": "02000000", "pid": 7, "node_ip": "10.0.0.7", "node_id": "n", "alive": False,
    "exit_type": "SYSTEM_ERROR", "exit_detail": "killed", "exception_frames": "File x",
}  # fmt: skip
NO_ROW = {"alive": None, "exit_type": None, "exit_detail": None}


@pytest.mark.parametrize(
    ("facts", "driver", "frames", "changes"),
    [
        (FACTS, DRIVER, "File x", {}),
        (FACTS, replace(DRIVER, is_alive=True), None, {"alive": True, "exception_frames": None}),
        (FACTS, None, None, {**NO_ROW, "exception_frames": None}),
        # The list tells a process first, then the worker table; 0 is none.
        (replace(FACTS, pid=None), DRIVER, "File x", {"pid": 8}),
        (replace(FACTS, pid=0), DRIVER, "File x", {"pid": 8}),
        (replace(FACTS, pid=None), replace(DRIVER, pid=0), "File x", {"pid": None}),
        (replace(FACTS, pid=None), None, "File x", {**NO_ROW, "pid": None}),
        (replace(FACTS, pid=0), None, "File x", {**NO_ROW, "pid": None}),
        (None, DRIVER, "File x", {"pid": 8, "node_ip": None}),
        (None, None, None, {**NO_ROW, "pid": None, "node_ip": None, "exception_frames": None}),
    ],
)
def test_a_driver(
    facts: JobFacts | None, driver: DriverExit | None, frames: str | None, changes: dict[str, Any]
) -> None:
    assert views.render_driver(facts, ROW, driver, frames) == {**WHOLE, **changes}


def judged(seconds: float, outcome: str, verdict: str, rule: str) -> dict[str, str]:
    return {"at": after(seconds).isoformat(), "outcome": outcome, "verdict": verdict, "rule": rule}


JUDGED = [judged(2, "running", "OK", "running"), judged(9.5, "failed", "BAD", "failed")]
RUNNING = replace(ROW, outcome=JobOutcome.RUNNING, ended_at=None)


@pytest.mark.parametrize(
    ("row", "driver", "transitions", "wanted"),
    [
        (
            ROW, DRIVER, JUDGED,
            [
                (0, "submitted", "job list"),
                (1, "driver connected", "worker table"),
                (2, "judged running: OK (running)", "history"),
                (8, "driver ended", "worker table"),
                (9, "failed", "job list"),
                (9.5, "judged failed: BAD (failed)", "history"),
            ],
        ),
        (ROW, None, [], [(0, "submitted", "job list"), (9, "failed", "job list")]),
        (
            replace(ROW, submission_id=None), replace(DRIVER, started_at=None, ended_at=None), [],
            [(0, "started", "job list"), (9, "failed", "job list")],
        ),
        # What has no end was seen, at the time of the answer.
        (RUNNING, None, [], [(0, "submitted", "job list"), (99, "seen running", "job list")]),
        (
            replace(RUNNING, started_at=None), replace(DRIVER, ended_at=None), JUDGED[1:],
            [
                (1, "driver connected", "worker table"),
                (9.5, "judged failed: BAD (failed)", "history"),
                (99, "seen running", "job list"),
            ],
        ),
        # What is later than the answer stands after it.
        (
            RUNNING, None, [judged(100, "failed", "BAD", "failed")],
            [
                (0, "submitted", "job list"),
                (99, "seen running", "job list"),
                (100, "judged failed: BAD (failed)", "history"),
            ],
        ),
        # Of one time, in the order of the sources.
        (
            replace(ROW, ended_at=BEGAN), replace(DRIVER, started_at=BEGAN, ended_at=BEGAN), [],
            [
                (0, "submitted", "job list"),
                (0, "failed", "job list"),
                (0, "driver connected", "worker table"),
                (0, "driver ended", "worker table"),
            ],
        ),
        # A node is told of by the node table, and is not looked at as a job is.
        (
            replace(RUNNING, type=JobType.NODE, submission_id=None, outcome=JobOutcome.SUCCEEDED), None, [],
            [(0, "started", "node table")],
        ),
        (
            replace(ROW, type=JobType.NODE, submission_id=None, outcome=JobOutcome.LOST), None, [],
            [(0, "started", "node table"), (9, "lost", "node table")],
        ),
    ],
)  # fmt: skip
def test_a_timeline(
    row: JobRow, driver: DriverExit | None, transitions: list[Any], wanted: list[tuple[float, str, str]]
) -> None:
    found = views.render_timeline(row, driver, after(99), transitions)
    assert found == [{"at": at(seconds), "event": event, "source": source} for seconds, event, source in wanted]


def test_a_timeline_needs_no_history() -> None:
    assert views.render_timeline(ROW, None, after(99)) == views.render_timeline(ROW, None, after(99), [])


@pytest.mark.parametrize(
    ("changes", "transitions", "wanted"),
    [
        (
            {}, [{**judged(2, "running", "OK", "running"), "at": at(2)},
                 {**judged(1, "pending", "OK", "pending"), "at": at(1)}],
            [
                (0, "submitted", "job list"),
                (1, "judged pending: OK (pending)", "history"),
                (2, "judged running: OK (running)", "history"),
                (9, "failed", "job list"),
            ],
        ),
        ({"submission_id": None, "ended_at": None}, [], [(0, "started", "job list")]),
        ({"started_at": None}, [], [(9, "failed", "job list")]),
        ({"started_at": None, "ended_at": None}, [], []),
    ],
)  # fmt: skip
def test_a_timeline_of_an_earlier_session(
    changes: dict[str, Any], transitions: list[Any], wanted: list[tuple[float, str, str]]
) -> None:
    kept: Any = {**ROW_FIELDS, **changes}
    assert views.render_past_timeline(kept, transitions) == [
        {"at": at(seconds), "event": event, "source": source} for seconds, event, source in wanted
    ]


def make_actor(id: str, state: str = "ALIVE", job_id: str = "02000000") -> ActorFacts:
    return ActorFacts(id, "Trainer", "main", state, job_id, "mine", "n", 9)


def show(actor: ActorFacts) -> dict[str, Any]:
    return {
        "actor_id": actor.actor_id, "class_name": "Trainer", "name": "main", "state": actor.state,
        "job_id": actor.job_id, "namespace": "mine", "node_id": "n", "pid": 9,
    }  # fmt: skip


def test_the_actors_of_a_job_the_living_first() -> None:
    one, two, dead, other = make_actor("1"), make_actor("2"), make_actor("0", "DEAD"), make_actor("3", job_id="x")
    found = views.render_actors({"02000000"}, [dead, two, other, one])
    assert found == {"items": [show(one), show(two), show(dead)], "total": 3, "truncated": False}
    nothing = {"items": [], "total": 0, "truncated": False}
    assert [views.render_actors(ids, [make_actor("1", job_id="")]) for ids in ([], ["y"])] == [nothing] * 2
    both = views.render_actors({"02000000", "x"}, [other, one])
    assert both == {"items": [show(one), show(other)], "total": 2, "truncated": False}


@pytest.mark.parametrize(("count", "truncated"), [(100, False), (101, True)])
def test_of_many_actors_a_hundred_are_shown(count: int, truncated: bool) -> None:
    actors = [make_actor(f"{number:03}") for number in range(count)]
    found = views.render_actors(["02000000"], reversed(actors))
    assert found == {"items": [show(each) for each in actors[:100]], "total": count, "truncated": truncated}


def summarize(*entries: Any) -> dict[str, Any]:
    by_name = {str(number): entry for number, entry in enumerate(entries)}
    return {"result": {"node_id_to_summary": {"cluster": {"summary": by_name}}}}


def count(name: str, **states: Any) -> dict[str, Any]:
    return {"func_or_class_name": name, "type": "NORMAL_TASK", "state_counts": states}


NO_TASKS: dict[str, Any] = {"total": 0, "by_state": {}, "by_name": [], "truncated": False}


@pytest.mark.parametrize(
    ("answer", "wanted"),
    [
        *(
            (nothing, NO_TASKS)
            for nothing in (
                {}, {"result": None}, {"result": {"node_id_to_summary": []}}, summarize(), summarize(None, "x", 7),
                {"result": {"node_id_to_summary": {"cluster": {"summary": [count("a", RUNNING=1)]}}}},
            )
        ),
        (
            summarize(count("few", RUNNING=1, FINISHED=1), count("many", FINISHED=9), count("none")),
            {
                "total": 11, "by_state": {"RUNNING": 1, "FINISHED": 10}, "truncated": False,
                "by_name": [
                    {"name": "many", "type": "NORMAL_TASK", "states": {"FINISHED": 9}},
                    {"name": "few", "type": "NORMAL_TASK", "states": {"RUNNING": 1, "FINISHED": 1}},
                    {"name": "none", "type": "NORMAL_TASK", "states": {}},
                ],
            },
        ),
        # What is no number counts nothing; names of others hold what they like.
        (
            summarize(count("password=hunter2", FAILED=True, RUNNING="3", PENDING=2.0), {"state_counts": 1}),
            {
                "total": 0, "by_state": {}, "truncated": False,
                "by_name": [
                    {"name": "password=[redacted]", "type": "NORMAL_TASK", "states": {}},
                    {"name": "None", "type": None, "states": {}},
                ],
            },
        ),
    ],
)  # fmt: skip
def test_tasks_by_name_and_state(answer: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert views.render_tasks(answer) == wanted


def test_each_attempt_of_a_loop_has_its_place_in_time() -> None:
    first = DriverRun("02000000", "s", "python a.py", True, started_at=after(1), ended_at=after(2))
    second = replace(first, job_id="03000000", started_at=after(3), ended_at=None, is_dead=False)
    found = views.render_timeline(
        replace(ROW, started_at=after(0), ended_at=after(9)), DRIVER, after(9), (), [first, second]
    )
    assert [(each["at"], each["event"]) for each in found][1:-1] == [
        (format_time(after(1)), "driver 02000000 connected"),
        (format_time(after(2)), "driver 02000000 ended"),
        (format_time(after(3)), "driver 03000000 connected"),
    ]


def test_the_tasks_of_several_drivers_are_one_list() -> None:
    several = [
        views.render_tasks(summarize(count("a", FAILED=1), count("b", FINISHED=4))),
        views.render_tasks(summarize(count("a", FINISHED=2))),
    ]
    assert views.merge_tasks(several) == {
        "total": 7, "by_state": {"FAILED": 1, "FINISHED": 6}, "truncated": False,
        "by_name": [
            {"name": "b", "type": "NORMAL_TASK", "states": {"FINISHED": 4}},
            {"name": "a", "type": "NORMAL_TASK", "states": {"FAILED": 1, "FINISHED": 2}},
        ],
    }  # fmt: skip
    assert views.merge_tasks(several[:1]) is several[0]
    many = [views.render_tasks(summarize(*(count(f"{each}{name}", RUNNING=1) for name in range(30)))) for each in "ab"]
    merged = views.merge_tasks(many)
    assert (merged["total"], len(merged["by_name"]), merged["truncated"]) == (60, 50, True)


def test_the_drivers_of_a_submission() -> None:
    run = DriverRun("02000000", "s", "python a.py", True, 7, "n", "10.0.0.7", after(0), after(1))
    row = DriverExit("02000000", False, "INTENDED_USER_EXIT", "bye", 0, None, after(1), "n")
    whole = {
        "job_id": "02000000", "pid": 7, "node_ip": "10.0.0.7", "node_id": "n", "alive": False,
        "exit_type": "INTENDED_USER_EXIT", "exit_detail": "bye", "exception_frames": "File x",
        "entrypoint": "python a.py", "started_at": format_time(after(0)), "ended_at": format_time(after(1)),
        "by_exception": True,
    }  # fmt: skip
    assert views.render_drivers([run], {"02000000": row}, {"02000000": "File x"}) == [whole]
    lives = replace(run, is_dead=False, ended_at=None)
    unknown = {"alive": True, "ended_at": None, "exit_type": None, "exit_detail": None, "exception_frames": None}
    assert views.render_drivers([lives], {}, {}) == [{**whole, **unknown, "by_exception": None}]
    clean = {"02000000": replace(row, pid=7, started_at=after(0))}
    assert views.render_drivers([run], clean, {})[0]["by_exception"] is False
    assert len(views.render_drivers([run] * 101, {}, {})) == 100


@pytest.mark.parametrize(("names", "truncated"), [(50, False), (51, True)])
def test_of_many_names_fifty_are_shown_and_all_are_counted(names: int, truncated: bool) -> None:
    found = views.render_tasks(summarize(*(count(f"t{number}", RUNNING=100 - number) for number in range(names))))
    assert [each["name"] for each in found["by_name"]] == [f"t{number}" for number in range(50)]
    assert (found["total"], found["truncated"]) == (sum(100 - number for number in range(names)), truncated)


def test_a_node() -> None:
    node = NodeFacts("n", "10.0.0.7", True, "DEAD", "gone", BEGAN, after(9), {"CPU": 4.0}, {"zone": "a"})
    whole = {
        "node_id": "n", "ip": "10.0.0.7", "is_head": True, "state": "DEAD", "message": "gone",
        "started_at": at(0), "ended_at": at(9), "resources": {"CPU": 4.0}, "labels": {"zone": "a"},
    }  # fmt: skip
    assert views.render_node(node) == whole
    assert views.render_node(replace(node, ended_at=None)) == {**whole, "ended_at": None}


def test_the_deployments_of_one_application() -> None:
    replicas = (ReplicaFacts("r1", "RUNNING", "n", 7), ReplicaFacts("r2", "STARTING", None, None))
    replicas = (*replicas, ReplicaFacts("r3", "STOPPING", "n", 8))
    organ = DeploymentFacts("Organ", "UPDATING", "1 of 2", 2, replicas, ({"CPU": 64.0},), least_replicas=0)
    serve = ServeFacts(
        "c",
        (
            ApplicationFacts("seedcore", "RUNNING", "", (organ, DeploymentFacts("Store", "HEALTHY", "", 1, ()))),
            ApplicationFacts("shop", "RUNNING", "", (DeploymentFacts("Till", "HEALTHY", "", 1, ()),)),
        ),
    )
    shortages = {("seedcore", "Organ"): Shortage("64 CPU.", hopeless=True), ("shop", "Store"): Shortage("No.", True)}
    assert views.render_serve(serve, "seedcore", shortages) == {
        "Organ": {
            "status": "UPDATING",
            "message": "1 of 2",
            "target_num_replicas": 2,
            "running": 1,
            "least_replicas": 0,
            "shortage": {"sentence": "64 CPU.", "hopeless": True},
            "replicas": [
                {"replica_id": "r1", "state": "RUNNING", "node_id": "n", "pid": 7},
                {"replica_id": "r2", "state": "STARTING", "node_id": None, "pid": None},
                {"replica_id": "r3", "state": "STOPPING", "node_id": "n", "pid": 8},
            ],
        },
        "Store": {
            "status": "HEALTHY",
            "message": "",
            "target_num_replicas": 1,
            "running": 0,
            "least_replicas": None,
            "shortage": None,
            "replicas": [],
        },
    }
    assert views.render_serve(serve, "none", {}) == {}


def test_a_finding() -> None:
    finding = Finding(
        "stuck-job", "job", "a", Verdict.WARN, "It runs too long.", "See GET /jobs/a.", "s1", "late: user"
    )
    assert views.render_finding(finding) == {
        "rule": "stuck-job",
        "subject": "job a",
        "subject_type": "job",
        "subject_id": "a",
        "session": "s1",
        "reason": "late: user",
        "verdict": "WARN",
        "sentence": "It runs too long.",
        "action": "See GET /jobs/a.",
    }


def test_rows_are_counted() -> None:
    rows = [ROW, replace(ROW, kind="user"), replace(ROW, outcome=JobOutcome.LOST, verdict=Verdict.WARN)]
    assert views.render_counts(iter(rows)) == {
        "total": 3,
        "by_kind": {"report": 2, "user": 1},
        "by_outcome": {"failed": 2, "lost": 1},
        "by_verdict": {"BAD": 2, "WARN": 1},
    }
    assert views.render_counts([]) == {"total": 0, "by_kind": {}, "by_outcome": {}, "by_verdict": {}}

"""What is said of a job that goes in circles: verdict, finding and advice while it runs, and what stays after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.expectations import BUILT_IN
from serve_app.jobs.judging.findings import MAX_FINDINGS, find_all, find_unknown
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.judging.motion_rules import advise, describe_circle
from serve_app.jobs.models import Evidence, JobRow, Known, Snapshot, Unknown
from serve_app.jobs.motion import Circle, Culprit, Motion, Standstill
from tests.unit.jobs.judging.test_judge import NOW, ago, snapshot, submission

JOB = "02000000"
KILLED = "1 worker(s) were killed due to the node running low on memory"
CIRCLE = Circle(
    what="task",
    id=f"t1{JOB}",
    name="shard",
    failures=4,
    first_at=ago(60),
    last_at=ago(10),
    code="memory.node-oom",
    error_type="OUT_OF_MEMORY",
    last_error=KILLED,
    others_succeed=False,
    victim_pid=4711,
    node_id="n1",
    greediest=Culprit("shard", 5_777_729_126, JOB, 4711),
    job_id=JOB,
)
IN_PART = replace(CIRCLE, others_succeed=True)
UNTOLD = replace(CIRCLE, others_succeed=None)
HOARD = replace(CIRCLE, greediest=Culprit("python hoard.py", 5_777_729_126, "03000000", 15))
STRANGER = replace(CIRCLE, greediest=Culprit("postgres", 5_777_729_126))
RAISES = replace(
    CIRCLE, code="app.task-exception", error_type="TASK_EXECUTION_EXCEPTION", last_error="ValueError: x", greediest=None
)
VANISHED = replace(
    RAISES, code="memory.process-killed", error_type="WORKER_DIED", last_error="The worker died unexpectedly"
)
ACTOR = replace(RAISES, what="actor", id="a1", name="Counter", failures=3, code="actor.died", last_error="")
MOST = replace(RAISES, what="job", id=JOB, name="score", failures=7)
SINCE, LAST = "2026-01-01T11:59:00.000+00:00", "2026-01-01T11:59:50.000+00:00"


@pytest.mark.parametrize(
    ("circle", "sentence", "action"),
    [
        (
            CIRCLE,
            f"It goes in circles: task shard has failed 4 times since {SINCE}, with no success of it since "
            f"(memory.node-oom: {KILLED}). Most memory was taken by shard (5.38 GB).",
            "Stop it; let shard take less memory, give it a `memory` request, or give the node more memory.",
        ),
        (
            IN_PART,
            f"It goes in circles: task shard has failed 4 times since {SINCE}; other tasks of it succeed "
            f"(memory.node-oom: {KILLED}). Most memory was taken by shard (5.38 GB).",
            "Stop it; let shard take less memory, give it a `memory` request, or give the node more memory.",
        ),
        (
            UNTOLD,
            f"It goes in circles: task shard has failed 4 times since {SINCE}; whether other tasks of it succeed is "
            f"not known (memory.node-oom: {KILLED}). Most memory was taken by shard (5.38 GB).",
            "Stop it; let shard take less memory, give it a `memory` request, or give the node more memory.",
        ),
        (
            HOARD,
            f"It goes in circles: task shard has failed 4 times since {SINCE}, with no success of it since "
            f"(memory.node-oom: {KILLED}). Most memory was taken by python hoard.py (5.38 GB), of another job "
            "(03000000).",
            "python hoard.py took most memory: tell job 03000000; until then, stop this job or let it run elsewhere.",
        ),
        (
            STRANGER,
            f"It goes in circles: task shard has failed 4 times since {SINCE}, with no success of it since "
            f"(memory.node-oom: {KILLED}). Most memory was taken by postgres (5.38 GB), which is no worker of Ray's.",
            "postgres took most memory: tell whoever runs it; it is no worker of Ray's; until then, stop this job or "
            "let it run elsewhere.",
        ),
        (
            RAISES,
            f"It goes in circles: task shard has failed 4 times since {SINCE}, with no success of it since "
            "(app.task-exception: ValueError: x).",
            "Stop it, mend what fails in task shard, and limit its retries; Ray goes on by itself.",
        ),
        # That it was for memory nothing proves.
        (
            VANISHED,
            f"It goes in circles: task shard has failed 4 times since {SINCE}, with no success of it since "
            "(memory.process-killed: The worker died unexpectedly).",
            "Its worker went without a word: SIGKILL (by the kernel for memory, or others), a crash in native code, "
            "or os._exit. Stop it, and read the end of that worker's own log and the kernel's (`dmesg`) on its node; "
            "then mend task shard, and limit its retries.",
        ),
        (
            ACTOR,
            f"It goes in circles: actor Counter was restarted 3 times since {SINCE}, with no success of it since "
            "(actor.died).",
            "Stop it, mend what fails in actor Counter, and limit its retries; Ray goes on by itself.",
        ),
        (
            MOST,
            "It goes in circles: 7 attempts of its tasks, most of score, have failed in five minutes, more than "
            "succeeded (app.task-exception: ValueError: x).",
            "Stop it, mend what fails in task score, and limit its retries; Ray goes on by itself.",
        ),
    ],
)
def test_the_words(circle: Circle, sentence: str, action: str) -> None:
    assert (describe_circle(circle), advise(circle)) == (sentence, action)


def seen(status: str, *circles: Circle, job: str = "a", **changes: Any) -> Snapshot:
    given = snapshot(submission(job, status, job_id=JOB, **changes), submission("b", "RUNNING", job_id="03000000"))
    return replace(given, motions={job: Motion(NOW, circles=circles)} if circles else {})


def row_of(snapshot: Snapshot, memo: Memo | None = None) -> JobRow:
    return next(row for row in judge(snapshot, NOW, memo=memo) if row.id == "a")


def test_of_a_running_job() -> None:
    row = row_of(seen("RUNNING", CIRCLE))
    assert (row.verdict, row.rule, row.code) == ("BAD", "circling", "memory.node-oom")
    assert (row.reason, row.action) == (describe_circle(CIRCLE), advise(CIRCLE))
    fact = (
        f"task shard has failed 4 times since {SINCE}, last at {LAST} (memory.node-oom: {KILLED}); last process 4711 "
        "on node n1. Most memory was taken by shard (5.38 GB)."
    )
    assert row.evidence[-1] == Evidence("circle", "task table", fact)


@pytest.mark.parametrize(
    ("status", "changes", "code"),
    [
        # Nobody knows why it circled: that it was stopped is what its diagnosis says.
        ("STOPPED", {"code": "unknown"}, None),
        ("RUNNING", {"code": "unknown"}, "unknown"),
        ("STOPPED", {}, "memory.node-oom"),
    ],
)
def test_the_code_of_the_row_is_the_circles_where_that_is_explained(
    status: str, changes: dict[str, Any], code: str | None
) -> None:
    assert row_of(seen(status, replace(CIRCLE, **changes)), Memo()).code == code


@pytest.mark.parametrize(
    ("status", "reason", "code"),
    [
        (
            "STOPPED",
            "It was stopped on request; before it was stopped, task shard had failed 4 times (memory.node-oom).",
            "memory.node-oom",
        ),
        # Why it failed at last is what its diagnosis says.
        (
            "FAILED",
            "It failed with exit code 1; before it ended, task shard had failed 4 times (memory.node-oom).",
            None,
        ),
        ("SUCCEEDED", "Its entrypoint exited with code 0.", None),
    ],
)
def test_of_one_that_ended_it_stays_known(status: str, reason: str, code: str | None) -> None:
    memo = Memo()
    row = row_of(seen(status, CIRCLE), memo)
    assert (row.reason, row.code) == (reason, code)
    assert any(each.rule == "circle" for each in row.evidence) == (status != "SUCCEEDED")
    # What told of it says nothing any more.
    assert row_of(seen(status), memo) == row


@pytest.mark.parametrize(
    ("circles", "changes", "told"),
    [
        ((CIRCLE, RAISES), {}, ("BAD", describe_circle(CIRCLE), f"See GET /jobs/a. {advise(CIRCLE)}")),
        ((IN_PART,), {}, ("WARN", describe_circle(IN_PART), f"See GET /jobs/a. {advise(IN_PART)}")),
        ((UNTOLD,), {}, ("WARN", describe_circle(UNTOLD), f"See GET /jobs/a. {advise(UNTOLD)}")),
        (
            (CIRCLE,),
            {"metadata": {"seedcore.owner": "data-team"}},
            ("BAD", describe_circle(CIRCLE), f"See GET /jobs/a. {advise(CIRCLE)} Tell data-team."),
        ),
        # To whom the greedy process belongs: the advice is for them.
        (
            (HOARD,),
            {},
            (
                "BAD",
                describe_circle(HOARD),
                "See GET /jobs/a. python hoard.py took most memory: tell job b; until then, stop this job or let it "
                "run elsewhere.",
            ),
        ),
    ],
)
def test_one_finding_for_each_job(circles: tuple[Circle, ...], changes: dict[str, Any], told: tuple[str, ...]) -> None:
    snapshot = seen("RUNNING", *circles, **changes)
    (found,) = find_all(snapshot, judge(snapshot, NOW), BUILT_IN, {}, NOW)
    assert (found.rule, found.subject_id) == ("circling-job", "a")
    assert (found.verdict, found.sentence, found.action) == told


def test_past_its_deadline_it_is_told_as_both() -> None:
    snapshot = seen("RUNNING", IN_PART, began=90, metadata={"seedcore.deadline_s": "60"})
    found = find_all(snapshot, judge(snapshot, NOW), BUILT_IN, {}, NOW)
    assert [(each.rule, each.verdict) for each in found] == [("past-deadline", "BAD"), ("circling-job", "WARN")]


def test_of_one_that_ended_there_is_no_finding() -> None:
    snapshot = seen("STOPPED", CIRCLE)
    assert find_all(snapshot, judge(snapshot, NOW), BUILT_IN, {}, NOW) == []


FINE = replace(seen("RUNNING"), motions={"a": Motion(NOW), "b": Motion(NOW)})
QUIET = Motion(NOW, quiet_since=ago(9_000), standstill=Standstill.RESTING)


@pytest.mark.parametrize(
    ("changes", "began", "asked", "unknown"),
    [
        ({}, 90, True, []),
        # One of which nothing is known keeps its own alerts, and nobody else's.
        ({"motions": {"a": Motion(ago(61)), "b": Motion(NOW)}}, 90, True, ["job a"]),
        ({"motions": {"a": Motion(ago(60)), "b": Motion(NOW)}}, 90, True, []),
        ({"motions": {"b": Motion(NOW)}}, 61, True, ["job a"]),
        ({"motions": {}}, 61, True, ["job b", "job a"]),
        # After a restart whether it serves is found out anew.
        ({"motions": {"a": replace(QUIET, may_serve=True), "b": QUIET}}, 9_000, True, ["job a"]),
        # A circle that was seen stays, and is found.
        ({"motions": {"a": Motion(ago(61), circles=(CIRCLE,)), "b": Motion(NOW)}}, 90, True, []),
        # What has just begun has no alerts; an earlier run with its id is over.
        ({"motions": {"b": Motion(NOW)}}, 60, True, []),
        ({"motions": {"a": Motion(ago(70)), "b": Motion(NOW)}}, 60, True, []),
        # Of one that began by a clock that was set back since nobody knows when it did.
        ({"motions": {"b": Motion(NOW)}}, -1_800, True, ["job a"]),
        ({"motions": {"a": Motion(ago(10)), "b": Motion(NOW)}}, -1_800, True, []),
        # Without anything that looks there is nothing to wait for.
        ({"motions": {}}, 90, False, []),
    ],
)
def test_who_was_not_looked_at_may_be_in_a_circle_by_now(
    changes: dict[str, Any], began: float, asked: bool, unknown: list[str]
) -> None:
    jobs = [submission(id, "RUNNING", job_id=job_id, began=began) for id, job_id in (("a", JOB), ("b", "03000000"))]
    jobs += [submission("c", "STOPPED"), submission("d", "RUNNING", metadata={"seedcore.kind": "application-server"})]
    given = replace(FINE, jobs=Known(tuple(jobs)), **changes)
    found = find_unknown(given, judge(given, NOW), [], BUILT_IN, NOW, past_known=True, motions_asked=asked)
    assert found.rules == []
    assert found.subjects == ({"circling-job": unknown, "stuck-job": unknown} if unknown else {})


@pytest.mark.parametrize(("circles", "unknown"), [((), {"circling-job": ["job a"]}), ((CIRCLE,), {})])
def test_where_an_actor_may_circle_only_that_alert_stays_as_it_is(circles: Any, unknown: dict[str, list[str]]) -> None:
    given = replace(FINE, motions={"a": Motion(NOW, circles=circles, may_circle=True), "b": Motion(NOW)})
    given = replace(given, jobs=Known(tuple(submission(id, "RUNNING", job_id=JOB, began=90) for id in "ab")))
    found = find_unknown(given, judge(given, NOW), [], BUILT_IN, NOW, past_known=True, motions_asked=True)
    assert (found.rules, found.subjects) == ([], unknown)


def test_of_more_than_can_be_told_one_by_one_nothing_is_over() -> None:
    for count, told in ((MAX_FINDINGS, []), (MAX_FINDINGS + 1, ["circling-job", "stuck-job"])):
        given = snapshot(*(submission(f"j{number}", "RUNNING", began=90) for number in range(count)))
        found = find_unknown(given, judge(given, NOW), [], BUILT_IN, NOW, past_known=True, motions_asked=True)
        assert (found.rules, bool(found.subjects)) == (told, not told)


EARLIER = replace(CIRCLE, job_id="01000000")
DRIVERS = Known({"a": tuple(DriverRun(id, "a", "", is_dead=False) for id in ("01000000", JOB))})


@pytest.mark.parametrize(
    ("looked_s", "circles", "changes", "drivers", "told"),
    [
        # It began 10 s ago: a look before that was one at an earlier run with its id.
        (11, (CIRCLE,), {}, Known({}), None),
        (11, (), {}, Known({}), None),
        (10, (CIRCLE,), {}, Known({}), (CIRCLE,)),
        (99, (CIRCLE,), {"started_at": None}, Known({}), (CIRCLE,)),
        # The clock was set back since it began: that tells of no earlier run.
        (11, (CIRCLE,), {"started_at": ago(-1_800)}, Known({}), (CIRCLE,)),
        # What goes in circles is another job's; a submission may have several.
        (5, (EARLIER,), {}, Known({}), ()),
        (5, (EARLIER, CIRCLE), {}, Known({}), (CIRCLE,)),
        (5, (EARLIER,), {}, DRIVERS, (EARLIER,)),
        (5, (EARLIER,), {"job_id": None}, DRIVERS, (EARLIER,)),
        (5, (replace(CIRCLE, job_id="04000000"),), {"job_id": None}, DRIVERS, ()),
        # Where its own ids are not known yet, only the time tells.
        (5, (EARLIER,), {"job_id": None}, Known({}), (EARLIER,)),
        (11, (EARLIER,), {"job_id": None}, Known({}), None),
        (5, (EARLIER,), {"job_id": None}, Unknown("no answer"), (EARLIER,)),
    ],
)
def test_what_was_found_of_an_earlier_run_with_the_same_id_does_not_count(
    looked_s: float, circles: tuple[Circle, ...], changes: dict[str, Any], drivers: Any, told: tuple[Circle, ...] | None
) -> None:
    given = snapshot(submission("a", "RUNNING", **{"job_id": JOB, **changes}))
    seen = replace(given, motions={"a": Motion(ago(looked_s), circles=circles)}, drivers=drivers)
    row = row_of(seen)
    assert (None if row.motion is None else row.motion.motion.circles) == told
    assert row.circle == (told[0] if told else None)
    assert row.rule == ("circling" if told else "running")
    assert bool(find_all(seen, [row], BUILT_IN, {}, NOW)) == bool(told)


def test_a_run_that_fails_at_once_is_not_said_to_have_done_what_the_one_before_it_did() -> None:
    failed = row_of(replace(seen("FAILED"), motions={"a": Motion(ago(11), circles=(EARLIER,))}))
    assert (failed.circle, failed.reason) == (None, "It failed with exit code 1.")

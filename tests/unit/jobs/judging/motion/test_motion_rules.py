"""What is thought of a motion: each state at its limit and just before it, with whole sentences."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from serve_app.jobs.judging.expectations import BUILT_IN
from serve_app.jobs.judging.findings import find_all
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.judging.motion_rules import (
    MOTION_RULES,
    Allowance,
    choose_motion_action,
    decide_motion,
    describe_awaited,
    find_quiet_limit_s,
)
from serve_app.jobs.models import JobRow, Known, PastRuns, Snapshot, WaitingActor
from serve_app.jobs.motion import AwaitedWork, Circle, Motion, MotionJudgement, Standstill
from serve_app.jobs.motion_views import render_motion
from tests.unit.jobs.judging.test_judge import NOW, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node

LIMIT_S = 600.0
PROVEN, RESTING, BUSY, UNSEEN = Standstill.PROVEN, Standstill.RESTING, Standstill.BUSY, Standstill.UNSEEN
CALL = AwaitedWork(
    "actor-call", "Rank.barrier", "c8ef45ccd0112571f5b1c2d3", "RUNNING", NOW - timedelta(seconds=700), 4711,
    "6b7f0d1c2a3e4f5061728394", "the driver", "01000000",
)  # fmt: skip
NO_ROOM = AwaitedWork("task", "f", "t1", "task f needs 4 GPU; the most that one node has: 0 GPU")


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def motion(quiet_s: float | None = None, standstill: Standstill | None = None, **changes: Any) -> Motion:
    quiet_since = None if quiet_s is None else ago(quiet_s)
    return replace(Motion(NOW, quiet_since, standstill, spoke_at=quiet_since or NOW, pid=7, node_id="n1"), **changes)


def decide(it: Motion, now: datetime = NOW, **allowed: Any) -> MotionJudgement:
    return decide_motion(it, Allowance("j", LIMIT_S, **allowed), now)


def stuck(quiet_s: float, **changes: Any) -> Motion:
    return motion(quiet_s, PROVEN, **{"proof": "cycle", "code": "app.get-timeout", **changes})


def holds(waited_s: float, proof: Any = "never", **changes: Any) -> Motion:
    found = motion(None, PROVEN if proof else RESTING, proof=proof, waits_for=(NO_ROOM,), waits_for_resources=True)
    fields = {"code": "scheduling.infeasible", "waits_since": ago(waited_s), "quiet_since": ago(waited_s), **changes}
    return replace(found, **fields)


@pytest.mark.parametrize(
    ("it", "allowed", "expected"),
    [
        # State, rule, verdict, what people are told of.
        (motion(), {}, ("moving", None, "OK", None)),
        (motion(59, RESTING), {}, ("moving", None, "OK", None)),
        (motion(60, RESTING), {}, ("quiet", None, "OK", None)),
        (motion(599, RESTING), {}, ("quiet", None, "OK", None)),
        (motion(600, RESTING), {}, ("resting", "resting", "WARN", None)),
        (motion(3_599, RESTING), {}, ("resting", "resting", "WARN", None)),
        (motion(3_600, RESTING), {}, ("resting", "resting", "WARN", "WARN")),
        (motion(90_000, RESTING), {}, ("resting", "resting", "WARN", "WARN")),
        (motion(600, RESTING), {"overdue": True}, ("resting", "resting", "WARN", "WARN")),
        (motion(599, RESTING), {"overdue": True}, ("quiet", None, "OK", None)),
        (stuck(599), {}, ("quiet", None, "OK", None)),
        (stuck(600), {}, ("stuck", "stuck", "WARN", "WARN")),
        (stuck(1_799), {}, ("stuck", "stuck", "WARN", "WARN")),
        (stuck(1_800), {}, ("stuck", "stuck", "BAD", "BAD")),
        (motion(600, UNSEEN), {}, ("unseen", "unseen", "WARN", None)),
        (motion(90_000, UNSEEN), {}, ("unseen", "unseen", "WARN", "WARN")),
        # A processor in use is no standstill, however long, and a note only past the limit.
        (motion(None, BUSY, spoke_at=ago(599), cores=1.0), {}, ("busy", None, "OK", None)),
        (motion(None, BUSY, spoke_at=ago(90_000), cores=1.0), {"overdue": True}, ("busy", None, "OK", None)),
        # Who serves, waits for a person, or was paused, may rest.
        (motion(90_000, RESTING, serving="a process of it listens on port 8080"), {}, ("quiet", None, "OK", None)),
        (stuck(90_000, serving="a person types in it"), {}, ("quiet", None, "OK", None)),
        (motion(90_000, RESTING, paused=True), {}, ("quiet", None, "OK", None)),
        (motion(90_000, UNSEEN, paused=True), {}, ("quiet", None, "OK", None)),
        # That it was paused is no excuse for what never comes.
        (stuck(600, paused=True), {}, ("stuck", "stuck", "WARN", "WARN")),
        (stuck(1_800, paused=True), {}, ("stuck", "stuck", "BAD", "BAD")),
        (holds(1_800, paused=True), {}, ("stuck", "stuck", "BAD", "BAD")),
        (holds(1_800, "", paused=True), {}, ("quiet", None, "OK", None)),
        (motion(90_000, RESTING), {"serves": True}, ("quiet", None, "OK", None)),
        # Whether it serves is not known yet.
        (motion(90_000, RESTING, may_serve=True), {"overdue": True}, ("unknown", None, "OK", None)),
        (motion(90_000, UNSEEN, may_serve=True), {}, ("unknown", None, "OK", None)),
        (holds(90_000, may_serve=True), {}, ("unknown", None, "OK", None)),
        (motion(599, RESTING, may_serve=True), {}, ("quiet", None, "OK", None)),
        (holds(599, may_serve=True), {}, ("waiting", None, "OK", None)),
        # Who waits for room waits; for what never comes, its limit and no longer.
        (holds(90_000, ""), {}, ("waiting", None, "OK", None)),
        (holds(599), {}, ("waiting", None, "OK", None)),
        (holds(600), {}, ("stuck", "stuck", "WARN", "WARN")),
        (holds(1_800), {}, ("stuck", "stuck", "BAD", "BAD")),
        (holds(90_000, serving="a process of it listens on port 80"), {}, ("quiet", None, "OK", None)),
        # A driver that works, or prints, may do without it; from its last sign of life on it waits in vain.
        (holds(90_000, quiet_since=None, standstill=BUSY, cores=1.0), {}, ("waiting", None, "OK", None)),
        (holds(90_000, quiet_since=None, standstill=None), {}, ("waiting", None, "OK", None)),
        (holds(90_000, quiet_since=ago(599)), {}, ("waiting", None, "OK", None)),
        (holds(90_000, quiet_since=ago(600)), {}, ("stuck", "stuck", "WARN", "WARN")),
        (holds(90_000, quiet_since=ago(1_800)), {}, ("stuck", "stuck", "BAD", "BAD")),
    ],
)
def test_states(it: Motion, allowed: dict[str, Any], expected: tuple[Any, ...]) -> None:
    found = decide(it, **allowed)
    assert (found.state, found.rule, found.verdict, found.alert) == expected
    assert found.sentence.endswith(".")


def test_who_was_not_looked_at_for_a_minute_is_not_known() -> None:
    it = stuck(90_000)
    assert decide(it, NOW + timedelta(seconds=60)).state == "stuck"
    found = decide(it, NOW + timedelta(seconds=61))
    assert (found.state, found.rule, found.quiet_since, found.code) == ("unknown", None, None, None)
    assert found.sentence == "Whether it moves is not known: it was looked at last at 2026-01-01T12:00:00.000+00:00."


def test_who_was_looked_at_in_the_future_is_not_known() -> None:
    """A clock that was set back makes what was seen before it look fresh until it has caught up."""
    it = stuck(90_000)
    assert decide(it, NOW - timedelta(seconds=5)).state == "stuck"
    found = decide(it, NOW - timedelta(seconds=6))
    assert (found.state, found.rule, found.quiet_since, found.code) == ("unknown", None, None, None)
    assert found.sentence == (
        "Whether it moves is not known: it was looked at last at 2026-01-01T12:00:00.000+00:00, by a clock that was "
        "set back since."
    )


def test_a_circle_comes_first() -> None:
    circle = Circle("task", "t", "f", 4, ago(90), ago(1), "memory.node-oom", "OUT_OF_MEMORY", "killed", False)
    found = decide(stuck(90_000, circles=(circle,)), NOW + timedelta(hours=1))
    assert (found.state, found.rule, found.code) == ("circling", None, "memory.node-oom")


CANNOT = "It cannot go on by itself: "
QUIET = "It is quiet since 2026-01-01T11:50:00.000+00:00, longer than 600 s. "
WAITS = (
    "It waits for call Rank.barrier (RUNNING since 2026-01-01T11:48:20.000+00:00; c8ef45ccd0112571, pid 4711 on node "
    "6b7f0d1c2a3e4f50), called by the driver. "
)
STACKS = "To see where it stands: GET /jobs/j/stacks (pid 4711 on node 6b7f0d1c2a3e4f50)."


@pytest.mark.parametrize(
    ("it", "sentence"),
    [
        (
            stuck(600, waits_for=(CALL,), last_line="waiting for peers"),
            f'{CANNOT}calls of it wait for each other in a circle. {QUIET}{WAITS}Its last line: "waiting for peers". '
            f"{STACKS}",
        ),
        (
            stuck(600, waits_for=(CALL,), can_show_stacks=False, proof="gone"),
            f"{CANNOT}it waits for a result whose maker is gone. {QUIET}{WAITS}To see where it stands: `py-spy dump "
            "--pid 4711` on node 6b7f0d1c2a3e4f50 (GET /jobs/j/stacks needs RAY_DASHBOARD_ENABLE_PROFILING=1 where "
            "the head starts).",
        ),
        (
            motion(600, RESTING),
            f"It rests: asleep, polling, or blocked on something that Ray does not know. {QUIET}To see where it "
            "stands: GET /jobs/j/stacks (pid 7 on node n1).",
        ),
        (
            motion(600, RESTING, may_serve=True),
            "It is quiet since 2026-01-01T11:50:00.000+00:00; whether it serves is not known yet, its processes have "
            "not all been looked at.",
        ),
        (
            motion(600, UNSEEN, last_line="Running entrypoint"),
            f"It never joined Ray, so it cannot be seen inside; its log has not grown. {QUIET}Its last line: "
            '"Running entrypoint". What it wrote: GET /jobs/j/logs.',
        ),
        (
            motion(600, UNSEEN, driver_left=True),
            "Its driver has left Ray, and its entrypoint goes on, so it cannot be seen inside; its log has not grown. "
            f"{QUIET}What it wrote: GET /jobs/j/logs.",
        ),
        (
            holds(600),
            f"{CANNOT}it waits for what no node can give, since 2026-01-01T11:50:00.000+00:00, longer than 600 s: "
            "task f needs 4 GPU; the most that one node has: 0 GPU.",
        ),
        (
            holds(2_400, quiet_since=None, standstill=BUSY, cores=1.0),
            "It goes on, but some of its work can never have a place: task f needs 4 GPU; the most that one node has: "
            "0 GPU.",
        ),
        (
            holds(5),
            "It runs, but nothing of it can go on: task f needs 4 GPU; the most that one node has: 0 GPU.",
        ),
    ],
)  # fmt: skip
def test_sentences(it: Motion, sentence: str) -> None:
    assert decide(it).sentence == sentence


@pytest.mark.parametrize(
    ("it", "note"),
    [
        (motion(), ""),
        (motion(300, RESTING), "quiet since 2026-01-01T11:55:00.000+00:00"),
        (
            motion(300, RESTING, serving="a process of it listens on port 8080"),
            "quiet since 2026-01-01T11:55:00.000+00:00; a process of it listens on port 8080",
        ),
        (
            motion(None, BUSY, spoke_at=ago(600), cores=1.25),
            "busy (1.25 cores), without another sign since 2026-01-01T11:50:00.000+00:00",
        ),
        (
            motion(None, BUSY, spoke_at=ago(600), cores=0.1, gpu=0.97),
            "busy (97% of a GPU), without another sign since 2026-01-01T11:50:00.000+00:00",
        ),
        (motion(None, BUSY, spoke_at=ago(599), cores=1.25), ""),
    ],
)
def test_what_is_added_to_another_sentence(it: Motion, note: str) -> None:
    assert decide(it).note == note


@pytest.mark.parametrize(("spoke_s", "state"), [(1, "moving"), (59, "moving"), (61, "busy"), (900, "busy")])
def test_one_that_spoke_a_moment_ago_is_not_called_silent(spoke_s: float, state: str) -> None:
    """A program that prints now and then has never spoken at the very moment of a look."""
    assert decide(motion(None, BUSY, spoke_at=ago(spoke_s), cores=1.25)).state == state


def test_how_one_that_never_came_is_told() -> None:
    rank = AwaitedWork("rank", "Rank", "r2", "ALIVE", NOW, 12, "n1", "2 of 3 Rank, in Rank.barrier", "c0")
    assert describe_awaited(rank) == (
        "Rank (actor r2, pid 12 on node n1), which has not come: no call of it is under way; 2 of 3 Rank, in "
        "Rank.barrier wait for it since 2026-01-01T12:00:00.000+00:00"
    )
    assert "(actor r2, pid 12 on node n1), which is dead; " in describe_awaited(replace(rank, state="DEAD"))


@pytest.mark.parametrize(
    ("past", "limit_s"),
    [
        (None, 600.0),
        (PastRuns(19, 100.0), 600.0),
        (PastRuns(20, None), 600.0),
        (PastRuns(20, 100.0), 100.0),
        (PastRuns(20, 3.0), 60.0),
        (PastRuns(20, 9_000.0), 600.0),
    ],
)
def test_earlier_runs_make_the_limit_shorter(past: PastRuns | None, limit_s: float) -> None:
    assert find_quiet_limit_s(LIMIT_S, past) == limit_s


def test_a_limit_below_a_minute_is_what_was_set() -> None:
    assert find_quiet_limit_s(5.0, PastRuns(20, 3.0)) == 5.0


def test_what_to_do() -> None:
    assert {rule: bool(choose_motion_action(rule, "j")) for rule in (*MOTION_RULES, "running")} == {
        "stuck": True, "resting": True, "unseen": True, "running": False,
    }  # fmt: skip
    assert choose_motion_action("stuck", "j").startswith("See what waits for what: GET /jobs/j/diagnosis.")


def judged(it: Motion, **metadata: str) -> JobRow:
    """The row of a running job, from a snapshot with its motion."""
    job = submission("a", "RUNNING", metadata=metadata)
    seen = replace(snapshot(job, **{}), motions={"a": it})
    (row,) = (row for row in judge(seen, NOW) if row.id == "a")
    return row


def test_how_bad_a_row_is_grows_with_time_and_so_does_what_people_are_told() -> None:
    told = []
    for quiet_s in (599, 600, 1_800):
        row = judged(stuck(quiet_s))
        found = find_all(snapshot(), [row], BUILT_IN, {}, NOW)
        told.append((row.rule, row.verdict.value, row.code, [(each.rule, each.verdict.value) for each in found]))
    assert told == [
        ("running", "OK", None, []),
        ("stuck", "WARN", "app.get-timeout", [("stuck-job", "WARN")]),
        ("stuck", "BAD", "app.get-timeout", [("stuck-job", "BAD")]),
    ]


def starve(it: Motion) -> Snapshot:
    """A running job of which one actor fits on no node."""
    needs = WaitingActor("x", None, "Rank", "02000000", "PENDING_CREATION", {"CPU": 500.0})
    seen = snapshot(submission("a", "RUNNING", job_id="02000000"), nodes=[node("ALIVE", resources={"CPU": 4.0})])
    return replace(seen, waiting=Known((needs,)), motions={"a": it})


TOO_LARGE = ("actors-infeasible", "WARN", None, [])


@pytest.mark.parametrize(
    ("it", "told"),
    [
        (holds(599), TOO_LARGE),
        (holds(600), ("stuck", "WARN", "scheduling.infeasible", ["WARN"])),
        (holds(1_800), ("stuck", "BAD", "scheduling.infeasible", ["BAD"])),
        # Whatever proves it: that an actor of it has no place is not why.
        (stuck(599), TOO_LARGE),
        (stuck(14_400), ("stuck", "BAD", "app.get-timeout", ["BAD"])),
        # What is not proven does not hide what is.
        (motion(90_000, RESTING), TOO_LARGE),
        (motion(90_000, UNSEEN), TOO_LARGE),
    ],
)
def test_an_actor_that_no_node_can_hold_hides_no_standstill(it: Motion, told: tuple[Any, ...]) -> None:
    seen = starve(it)
    row = next(row for row in judge(seen, NOW) if row.id == "a")
    found = [each.verdict for each in find_all(seen, [row], BUILT_IN, {}, NOW)]
    assert (row.rule, row.verdict, row.code, found) == told
    assert row.motion is not None
    assert row.reason.startswith("It runs, but 1 of its actors cannot start") or row.reason == row.motion.sentence


def test_what_rests_is_told_unasked_only_past_what_it_declared_or_six_limits() -> None:
    def find(it: Motion, **metadata: str) -> list[tuple[str, str]]:
        row = judged(it, **metadata)
        return [(row.rule, each.rule) for each in find_all(snapshot(), [row], BUILT_IN, {}, NOW)]

    assert find(motion(600, RESTING)) == []
    assert find(motion(3_600, RESTING)) == [("resting", "stuck-job")]
    assert find(motion(600, RESTING), **{"seedcore.expected_duration_s": "0.5"}) == [("resting", "stuck-job")]
    assert find(motion(600, RESTING), **{"seedcore.kind": "application-server"}) == []


def test_the_reason_says_since_when_it_is_quiet() -> None:
    assert judged(motion(300, RESTING)).reason == ("It runs; quiet since 2026-01-01T11:55:00.000+00:00.")
    assert judged(motion(600, RESTING)).action.startswith("See where it stands before it is stopped")


def test_the_page_of_a_job_has_its_motion() -> None:
    told = render_motion(judged(stuck(600, waits_for=(CALL,), unfinished=2, cores=0.0)).motion)
    assert told is not None
    assert {name: told[name] for name in ("state", "quiet_since", "limit_s", "code", "circles", "repaired")} == {  # type: ignore[literal-required]
        "state": "stuck", "quiet_since": "2026-01-01T11:50:00.000+00:00", "limit_s": 600.0, "code": "app.get-timeout",
        "circles": [], "repaired": 0,
    }  # fmt: skip
    assert told["waits_for"] == [
        {
            "what": "actor-call", "name": "Rank.barrier", "id": "c8ef45ccd0112571f5b1c2d3", "state": "RUNNING",
            "since": "2026-01-01T11:48:20.000+00:00", "pid": 4711, "node_id": "6b7f0d1c2a3e4f5061728394",
            "waiter": "the driver", "waiter_id": "01000000",
        }
    ]  # fmt: skip
    assert [(each["name"], each["value"], each["says"]) for each in told["signals"]] == [
        ("unfinished-tasks", 2, "still"), ("processor-use", 0.0, "still"), ("gpu-use", None, "unknown"),
        ("log-size", None, "unknown"),
    ]  # fmt: skip
    assert render_motion(None) is None

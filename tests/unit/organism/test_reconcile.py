"""Wanted against actual: each row is one state of the world and the one thing that follows from it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from organs.models import OrganSpec
from organs.times import format_time
from serve_app.organism.reconcile import (
    Initialization,
    Submission,
    compute_generation,
    decide,
    describe_missing,
    is_due,
    may_probe,
    render_organ,
)

COGNITIVE = OrganSpec(id="cognitive_organ_1", type="Cognitive", description="Plans.")
UTILITY = OrganSpec(id="utility_organ_1", type="Utility")


def at(minute: int) -> datetime:
    return datetime(2026, 1, 1, 12, minute, tzinfo=UTC)


def submission(number: int, status: str) -> Submission:
    ended = at(number + 1) if status in ("SUCCEEDED", "FAILED", "STOPPED") else None
    return Submission(f"coa-{number}", status, "", at(number), ended)


def recorded(number: int, state: str, sentence: str = "said so") -> dict[str, Any]:
    return {
        "submission_id": f"coa-{number}",
        "state": state,
        "sentence": sentence,
        "started_at": format_time(at(number)),
        "ended_at": format_time(at(number + 1)),
    }


def span(number: int) -> dict[str, Any]:
    return {
        "submission_id": f"coa-{number}",
        "started_at": format_time(at(number)),
        "ended_at": format_time(at(number + 1)),
    }


STOPPED = "The initialization job was stopped on request; POST /organism/initialize runs it again."


@pytest.mark.parametrize(
    ("record", "submissions", "expected"),
    [
        # a fresh cluster: submit
        (None, [], Initialization("due", "Initialization has not run yet.", submit=True)),
        # pending counts as running: nothing is submitted twice
        (
            None,
            [submission(1, "PENDING")],
            Initialization("running", "The initialization job is running.", "coa-1", format_time(at(1)), None, 1),
        ),
        # a re-run on request runs although an earlier one succeeded
        (
            recorded(1, "succeeded"),
            [submission(1, "SUCCEEDED"), submission(2, "RUNNING")],
            Initialization(
                "running",
                "The initialization job is running.",
                "coa-2",
                format_time(at(2)),
                None,
                2,
                succeeded_before=True,
            ),
        ),
        # done
        (
            recorded(1, "succeeded"),
            [submission(1, "SUCCEEDED")],
            Initialization(
                "succeeded", "said so", "coa-1", format_time(at(1)), format_time(at(2)), 1, succeeded_before=True
            ),
        ),
        # failed with its own sentence: try again
        (
            recorded(1, "failed", "utility_organ_1: 1 of 1 agents did not answer."),
            [submission(1, "FAILED")],
            Initialization(
                "failed", "utility_organ_1: 1 of 1 agents did not answer.", **span(1), attempts=1, submit=True
            ),
        ),
        # killed half-way: the store still says running, Ray says failed
        (
            recorded(1, "running"),
            [submission(1, "FAILED")],
            Initialization(
                "failed",
                "The initialization job coa-1 ended with status FAILED before it was done.",
                **span(1),
                attempts=1,
                submit=True,
            ),
        ),
        # died before it reached the store
        (
            None,
            [submission(1, "FAILED")],
            Initialization(
                "failed",
                "The initialization job coa-1 ended with status FAILED before it was done.",
                **span(1),
                attempts=1,
                submit=True,
            ),
        ),
        # SUCCEEDED is Ray's word; without a record the work is not done
        (
            None,
            [submission(1, "SUCCEEDED")],
            Initialization(
                "failed",
                "The initialization job coa-1 ended with status SUCCEEDED before it was done.",
                **span(1),
                attempts=1,
                submit=True,
                succeeded_before=True,
            ),
        ),
        # every retry has an end
        (
            None,
            [submission(1, "FAILED"), submission(2, "FAILED")],
            Initialization(
                "waiting_for_person",
                "The initialization job coa-2 ended with status FAILED before it was done. It failed 2 times; "
                "mend the cause, then POST /organism/initialize.",
                **span(2),
                attempts=2,
            ),
        ),
        # somebody stopped it: that is a wish, not a failure
        (
            recorded(1, "running"),
            [submission(1, "STOPPED")],
            Initialization("waiting_for_person", STOPPED, **span(1), attempts=1),
        ),
    ],
)
def test_decide(record: dict[str, Any] | None, submissions: list[Submission], expected: Initialization) -> None:
    assert decide(record, submissions, attempts_allowed=2, enabled=True) == expected


def test_decide_submits_nothing_when_it_is_turned_off() -> None:
    assert decide(None, [], attempts_allowed=3, enabled=False).submit is False


def test_generation_is_of_organs_and_head_and_not_of_their_order_or_words() -> None:
    here = compute_generation([COGNITIVE, UTILITY], "head-a")
    assert compute_generation([UTILITY, COGNITIVE.model_copy(update={"description": "other"})], "head-a") == here
    assert compute_generation([COGNITIVE, UTILITY], "head-b") != here
    assert compute_generation([COGNITIVE], "head-a") != here


def agent(rank: int, organ: str = "utility_organ_1", organ_type: str = "Utility") -> dict[str, Any]:
    return {"agent_id": f"{organ}_agent_{rank}", "rank": rank, "organ_type": organ_type}


@pytest.mark.parametrize(
    ("agents", "desired", "expected"),
    [
        # It sleeps, or falls asleep: nobody is missing.
        ([], 0, None),
        ([agent(0)], 0, None),
        ([agent(0), agent(1)], 2, None),
        ([agent(1)], 2, "utility_organ_1: 1 of 2 agents did not answer (utility_organ_1_agent_0)"),
        ([], 1, "utility_organ_1: 1 of 1 agents did not answer (utility_organ_1_agent_0)"),
        ([agent(0), agent(0)], 1, "utility_organ_1: two replicas claim the same agent id"),
        ([agent(0), agent(1)], 1, "utility_organ_1: agents answered that are not configured (utility_organ_1_agent_1)"),
        ([agent(0, organ_type="Actuator")], 1, "utility_organ_1: agents are of type Actuator, configured is Utility"),
        ([agent(0)], None, "utility_organ_1: Serve does not say how many agents are wanted"),
    ],
)
def test_missing(agents: list[dict[str, Any]], desired: int | None, expected: str | None) -> None:
    serve: Any = None if desired is None else {"target_num_replicas": desired, "shortage": None}
    assert describe_missing(UTILITY, agents, serve) == expected


SHORT = {"sentence": "utility_organ_1 needs 64 CPU for each replica; the most that a node has is 2.", "hopeless": True}


def test_what_no_node_can_hold_is_what_is_missing() -> None:
    serve: Any = {"target_num_replicas": 1, "shortage": SHORT}
    needed = "utility_organ_1 needs 64 CPU for each replica; the most that a node has is 2"
    assert describe_missing(UTILITY, [], serve) == needed
    assert describe_missing(UTILITY, [agent(0)], serve) is None


@pytest.mark.parametrize(
    ("submit", "attempts", "organs", "waited_s", "due"),
    [
        (True, 0, [("ready", 1)], 1.0, True),
        (False, 0, [("ready", 1)], 1.0, False),
        (True, 0, [("ready", 1), ("starting", 0)], 1.0, False),
        (True, 0, [("ready", 1), ("starting", 0)], 31.0, True),
        (True, 0, [("ready", 1), ("asleep", 0), ("waking", 0)], 1.0, True),
        # Said once, at once; and no attempt is used up by what no attempt changes.
        (True, 0, [("ready", 1), ("unplaceable", 0)], 1.0, True),
        (True, 1, [("ready", 1), ("unplaceable", 0)], 31.0, False),
        (True, 1, [("ready", 1), ("starting", 0)], 31.0, True),
    ],
)
def test_when_the_job_is_submitted(
    submit: bool, attempts: int, organs: list[tuple[str, int]], waited_s: float, due: bool
) -> None:
    now = Initialization("due", "It is due.", attempts=attempts, submit=submit)
    seen: Any = [{"status": status, "agent_count": count} for status, count in organs]
    assert is_due(now, seen, waited_s) is due


@pytest.mark.parametrize(
    ("serve", "count", "may"),
    [
        ({"target_num_replicas": 1, "running": 1, "least_replicas": 1}, 0, True),
        ({"target_num_replicas": 1, "running": 1, "least_replicas": None}, 0, True),
        # An inspector of before tells neither.
        ({"target_num_replicas": 1}, 0, True),
        ({"target_num_replicas": 1, "running": 0, "least_replicas": 1}, 0, False),
        ({"target_num_replicas": 0, "running": 0, "least_replicas": None}, 0, False),
        # It may sleep: Serve's account may be older than its sleep, its agents' own words are not.
        ({"target_num_replicas": 1, "running": 1, "least_replicas": 0}, 0, False),
        ({"target_num_replicas": 1, "running": 1, "least_replicas": 0}, 1, True),
        (None, 0, False),
        (None, 1, True),
    ],
)
def test_a_probe_wakes_nobody(serve: Any, count: int, may: bool) -> None:
    assert may_probe(serve, count) is may


ANSWERED = {"at": "t", "ok": True, "latency_s": 0.001, "detail": "answered"}
SILENT = {"at": "t", "ok": False, "latency_s": None, "detail": "no answer in 2 s"}


@pytest.mark.parametrize(
    ("agents", "serve", "probe", "status", "message"),
    [
        (
            [agent(0)],
            {"target_num_replicas": 1, "status": "HEALTHY", "message": ""},
            ANSWERED,
            "ready",
            "All agents answer.",
        ),
        (
            [agent(0)],
            {"target_num_replicas": 2, "status": "UPSCALING", "message": "adding"},
            ANSWERED,
            "degraded",
            "1 of 2 agents answer. Serve says: adding",
        ),
        # HEALTHY is Serve's word; the probe decides
        (
            [agent(0)],
            {"target_num_replicas": 1, "status": "HEALTHY", "message": ""},
            SILENT,
            "not_responding",
            "The probe failed: no answer in 2 s.",
        ),
        (
            [],
            {"target_num_replicas": 1, "status": "UPDATING", "message": ""},
            SILENT,
            "starting",
            "No agent answers yet.",
        ),
        (
            [],
            {"target_num_replicas": 1, "status": "DEPLOY_FAILED", "message": "boom"},
            SILENT,
            "not_responding",
            "No agent answers. Serve says: boom",
        ),
        # Scaled to zero: Serve's target says so, not that nobody is there.
        (
            [],
            {"target_num_replicas": 0, "status": "HEALTHY", "message": "", "least_replicas": 0},
            None,
            "asleep",
            "Scaled to zero, as configured. A task wakes it.",
        ),
        (
            [],
            {"target_num_replicas": 0, "status": "HEALTHY", "message": "", "least_replicas": None},
            None,
            "asleep",
            "Scaled to zero, as configured.",
        ),
        (
            [],
            {"target_num_replicas": 0, "status": "DEPLOY_FAILED", "message": "boom", "least_replicas": 0},
            None,
            "not_responding",
            "No agent answers. Serve says: boom",
        ),
        (
            [],
            {"target_num_replicas": 1, "status": "UPSCALING", "message": "from 0 to 1", "least_replicas": 0},
            None,
            "waking",
            "It wakes; tasks wait for it. Serve says: from 0 to 1",
        ),
        (
            [],
            {"target_num_replicas": 1, "status": "UPDATING", "message": "", "shortage": SHORT},
            None,
            "unplaceable",
            SHORT["sentence"],
        ),
        (
            [],
            {"target_num_replicas": 1, "status": "UPDATING", "message": "", "shortage": {**SHORT, "hopeless": False}},
            None,
            "starting",
            SHORT["sentence"],
        ),
        (
            [agent(0)],
            {"target_num_replicas": 2, "status": "UPSCALING", "message": "adding", "shortage": SHORT},
            ANSWERED,
            "degraded",
            f"1 of 2 agents answer. {SHORT['sentence']}",
        ),
        (
            [agent(0)],
            {"target_num_replicas": 1, "status": "UPDATING", "message": "", "shortage": SHORT},
            ANSWERED,
            "degraded",
            f"All agents answer, but another cannot be placed: {SHORT['sentence']}",
        ),
        # Serve could not be asked: how many are wanted is unknown, not zero
        ([agent(0)], None, ANSWERED, "ready", "All agents answer."),
        ([], None, SILENT, "not_responding", "No agent answers."),
        # Someone answered the probe: whoever says that nobody responds would be wrong.
        (
            [],
            {"target_num_replicas": 2, "status": "HEALTHY", "message": ""},
            ANSWERED,
            "degraded",
            "The probe was answered, but no agent told of itself.",
        ),
    ],
)
def test_organ_view(
    agents: list[dict[str, Any]], serve: dict[str, Any] | None, probe: dict[str, Any], status: str, message: str
) -> None:
    assert render_organ(UTILITY, agents, serve, probe) == {
        "organ_id": "utility_organ_1",
        "organ_type": "Utility",
        "description": "",
        "status": status,
        "message": message,
        "agent_count": len(agents),
        "desired_agent_count": serve["target_num_replicas"] if serve else None,
        "agent_ids": [each["agent_id"] for each in agents],
        "agents": agents,
        "last_probe": probe,
    }

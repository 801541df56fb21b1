"""What Ray's event export says of jobs, beside the tables of the same moment: names, ids, order and delays."""

from __future__ import annotations

import base64
from typing import Any

from tests.unit.jobs.recordings import DIRECTORY, answer, rows

EVENTS: list[dict[str, Any]] = answer("events", DIRECTORY / "events")
JOBS = {(row["metadata"] or {}).get("case"): row for row in answer("jobs", DIRECTORY / "events")}


def of(kind: str) -> list[dict[str, Any]]:
    """The bodies of a type: DRIVER_JOB_LIFECYCLE_EVENT's is under driverJobLifecycleEvent."""
    first, *rest = kind.lower().split("_")
    return [event[first + "".join(map(str.title, rest))] for event in EVENTS if event["eventType"] == kind]


def hexed(id: str) -> str:
    """An id as the tables write it."""
    return base64.b64decode(id, validate=True).hex()


def states(kind: str, key: str) -> dict[str, list[str]]:
    """The states of each id, in the order of arrival; one event may bring several."""
    found: dict[str, list[str]] = {}
    for body in of(kind):
        found.setdefault(hexed(body[key]), []).extend(each["state"] for each in body["stateTransitions"])
    return found


def test_a_driver_is_created_and_finished_however_it_ended() -> None:
    wanted = {JOBS[case]["job_id"]: ["CREATED", "FINISHED"] for case in ("submission-ok", "driver-ok", "driver-kill-9")}
    assert states("DRIVER_JOB_LIFECYCLE_EVENT", "jobId") == wanted
    transitions = [each for body in of("DRIVER_JOB_LIFECYCLE_EVENT") for each in body["stateTransitions"]]
    assert {key for each in transitions for key in each} == {"state", "timestamp"}


def test_a_definition_tells_what_the_job_list_tells_of_a_driver() -> None:
    """But for the entrypoint of a submission: here it is the command line that Ray found, there what was submitted."""
    told = {
        (hexed(body["jobId"]), body["driverPid"], hexed(body["driverNodeId"]), body["config"]["metadata"]["case"])
        for body in of("DRIVER_JOB_DEFINITION_EVENT")
    }
    node_id = rows("nodes", DIRECTORY / "events")[0]["node_id"]
    assert told == {
        (row["job_id"], row["driver_info"]["pid"], node_id, case) for case, row in JOBS.items() if row["job_id"]
    }


def test_a_submission_that_never_connected_is_seen_by_its_supervisor_alone() -> None:
    assert JOBS["submission-no-ray"]["job_id"] is None
    names = {hexed(body["actorId"]): body["name"] for body in of("ACTOR_DEFINITION_EVENT")}
    of_each = {names[actor_id]: found for actor_id, found in states("ACTOR_LIFECYCLE_EVENT", "actorId").items()}
    lived = ["DEPENDENCIES_UNREADY", "PENDING_CREATION", "ALIVE", "DEAD"]
    assert of_each == {
        "": lived,
        # A supervisor's end is told twice.
        "_ray_internal_job_actor_submission-ok": [*lived, "DEAD"],
        "_ray_internal_job_actor_submission-no-ray": [*lived, "DEAD"],
    }
    assert [event for event in EVENTS if event["eventType"].startswith("SUBMISSION_JOB")] == []


def test_no_worker_event_is_about_a_driver() -> None:
    drivers = {row["worker_id"] for row in rows("drivers", DIRECTORY / "events")}
    told = {hexed(body["workerId"]) for body in of("WORKER_LIFECYCLE_EVENT")}
    assert len(drivers) == 4
    assert drivers & told == set()


def test_events_arrive_within_seconds() -> None:
    assert all(0 <= event["delay_ms"] <= 5000 for event in EVENTS)

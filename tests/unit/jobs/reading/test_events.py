"""Events that Ray pushes become the facts that a look brings; what is not understood is counted and never raises."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import ActorFacts, Known, Unknown
from serve_app.jobs.reading.events import MAX_EVENTS, MAX_KEPT, Pushed, apply_events
from tests.unit.jobs.judging.test_judge import actor, exit_of, node, snapshot

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB, ACTOR, NODE = "05000000", "aa" * 16, "bb" * 28
DRIVER = f"{JOB}{'f' * 48}"


def b64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def at(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def event(kind: str, field: str, /, **told: Any) -> dict[str, Any]:
    return {"eventId": "AAAA", "sourceType": "GCS", "eventType": kind, "timestamp": at(0), field: told}


def driver_defined(entrypoint: str = "python x.py --token abcdefgh12345678", **metadata: str) -> dict[str, Any]:
    return event(
        "DRIVER_JOB_DEFINITION_EVENT",
        "driverJobDefinitionEvent",
        jobId=b64(JOB),
        driverPid="77",
        driverNodeId=b64(NODE),
        entrypoint=entrypoint,
        config={"serializedRuntimeEnv": "{}", "metadata": metadata},
    )


def driver_changed(*states: tuple[str, float]) -> dict[str, Any]:
    steps = [{"state": state, "timestamp": at(seconds)} for state, seconds in states]
    return event("DRIVER_JOB_LIFECYCLE_EVENT", "driverJobLifecycleEvent", jobId=b64(JOB), stateTransitions=steps)


def worker_died(exit_type: str, worker_id: str = DRIVER) -> dict[str, Any]:
    death = {"exitType": exit_type, "exitDetail": "End of file. Some common causes include: …", "memoryUsedBytes": "0"}
    steps = [{"state": "DEAD", "timestamp": at(4), "deathInfo": death}]
    told = {"workerId": b64(worker_id), "jobId": b64(JOB), "stateTransitions": steps}
    return event("WORKER_LIFECYCLE_EVENT", "workerLifecycleEvent", **told)


def actor_defined(name: str = "held") -> dict[str, Any]:
    told = {"actorId": b64(ACTOR), "jobId": b64(JOB), "name": name, "rayNamespace": "mine", "className": "Held"}
    return event("ACTOR_DEFINITION_EVENT", "actorDefinitionEvent", **told)


def actor_changed(state: str, **more: Any) -> dict[str, Any]:
    steps = [{"state": state, "timestamp": at(1), **more}]
    return event("ACTOR_LIFECYCLE_EVENT", "actorLifecycleEvent", actorId=b64(ACTOR), stateTransitions=steps)


def node_changed(state: str, **more: Any) -> dict[str, Any]:
    steps = [{"state": state, "timestamp": at(2), **more}]
    return event("NODE_LIFECYCLE_EVENT", "nodeLifecycleEvent", nodeId=b64(NODE), stateTransitions=steps)


def pushed(*events: Any) -> Pushed:
    made = Pushed()
    made.take(events, NOW)
    return made


def told_of(*events: Any, **sections: Any) -> dict[str, tuple[str, ...]]:
    joined = apply_events(snapshot(*sections.pop("jobs", ()), **sections), pushed(*events))
    return {row.id: (row.status, row.outcome, row.rule) for row in judge(joined, NOW + timedelta(seconds=60))}


def test_a_driver_is_known_before_it_is_listed() -> None:
    (job,) = apply_events(snapshot(), pushed(driver_defined(team="ops"), driver_changed(("CREATED", 0)))).jobs.value  # type: ignore[union-attr]
    assert (job.id, job.status, job.pid, job.node_id, job.started_at, job.metadata, job.entrypoint) == (
        JOB,
        "RUNNING",
        77,
        NODE,
        NOW,
        {"team": "ops"},
        "python x.py --token [redacted]",
    )


@pytest.mark.parametrize(
    ("events", "wanted"),
    [
        ([driver_defined(), driver_changed(("CREATED", 0))], {JOB: ("RUNNING", "running", "running")}),
        (
            [driver_defined(), driver_changed(("CREATED", 0), ("FINISHED", 4)), worker_died("SYSTEM_ERROR")],
            {JOB: ("SUCCEEDED", "failed", "failed")},
        ),
        # An uncaught exception ends like this too: only the worker table tells, so nothing is concluded.
        (
            [driver_defined(), driver_changed(("CREATED", 0), ("FINISHED", 4)), worker_died("INTENDED_USER_EXIT")],
            {JOB: ("SUCCEEDED", "ended_unknown", "ended-unknown")},
        ),
        # The drivers of submissions are not jobs of their own, and Ray hides its own.
        ([driver_defined(job_submission_id="s"), driver_changed(("CREATED", 0))], {}),
        ([driver_defined("ray-dashboard-ServeHead-0"), driver_changed(("CREATED", 0))], {}),
        ([driver_changed(("CREATED", 0), ("FINISHED", 4))], {}),
        ([worker_died("SYSTEM_ERROR", "cc" * 28)], {}),
    ],
)
def test_what_becomes_of_a_driver(events: list[Any], wanted: dict[str, tuple[str, ...]]) -> None:
    assert told_of(*events) == wanted


def test_a_row_of_ray_is_brought_up_to_date_and_never_back() -> None:
    alive = exit_of(JOB, None)
    (job,) = apply_events(snapshot(), pushed(driver_defined(), driver_changed(("CREATED", 0)))).jobs.value  # type: ignore[union-attr]
    events = [driver_defined(), driver_changed(("CREATED", 0), ("FINISHED", 4)), worker_died("SYSTEM_ERROR")]
    joined = apply_events(snapshot(job, exits=[alive]), pushed(*events))
    exits = joined.driver_exits
    assert isinstance(exits, Known)
    assert (exits.value[JOB].exit_type, exits.value[JOB].pid, exits.value[JOB].exit_detail) == (
        "SYSTEM_ERROR",
        alive.pid,
        "End of file.",
    )
    ended = replace(job, status="SUCCEEDED", ended_at=NOW)
    again = apply_events(snapshot(ended, exits=[exit_of(JOB, "INTENDED_USER_EXIT")]), pushed(*events))
    assert again.jobs.value == (ended,)  # type: ignore[union-attr]
    assert again.driver_exits.value[JOB].exit_type == "INTENDED_USER_EXIT"  # type: ignore[union-attr]


def test_only_an_abnormal_end_is_told_by_an_event() -> None:
    assert list(pushed(worker_died("SYSTEM_ERROR")).exits) == [JOB]
    assert list(pushed(worker_died("NODE_OUT_OF_MEMORY")).exits) == [JOB]
    assert list(pushed(worker_died("INTENDED_USER_EXIT"), worker_died("INTENDED_SYSTEM_EXIT")).exits) == []


def test_actors() -> None:
    whole = pushed(actor_defined(), actor_changed("ALIVE", nodeId=b64(NODE), pid=9))
    joined = apply_events(snapshot(), whole).actors
    assert isinstance(joined, Known)
    assert joined.value == (ActorFacts(ACTOR, "Held", "held", "ALIVE", JOB, "mine", NODE, 9),)
    # A change of an actor that was never defined to us makes no row, but changes the one that is there.
    known = replace(actor(JOB), actor_id=ACTOR)
    changed = pushed(actor_changed("DEAD"))
    assert apply_events(snapshot(), changed).actors == Known(())
    assert apply_events(snapshot(actors=[known]), changed).actors == Known((replace(known, state="DEAD"),))
    dead = replace(known, state="DEAD")
    assert apply_events(snapshot(actors=[dead]), whole).actors == Known((dead,))


def test_nodes() -> None:
    known = node("ALIVE", node_id=NODE)
    death = {"reason": "UNEXPECTED_TERMINATION", "reasonMessage": "health check failed"}
    joined = apply_events(snapshot(nodes=[known]), pushed(node_changed("DEAD", deathInfo=death))).nodes
    assert joined == Known(
        (replace(known, state="DEAD", ended_at=NOW + timedelta(seconds=2), message="health check failed"),)
    )
    assert apply_events(snapshot(), pushed(node_changed("ALIVE"))).nodes == Known(())


def test_what_is_not_known_stays_unknown() -> None:
    nothing = replace(snapshot(), jobs=Unknown("down"), actors=Unknown("down"), driver_exits=Unknown("down"))
    joined = apply_events(nothing, pushed(driver_defined(), actor_defined(), worker_died("SYSTEM_ERROR")))
    assert (joined.jobs, joined.actors, joined.driver_exits) == (Unknown("down"), Unknown("down"), Unknown("down"))


def test_what_a_later_look_has_seen_is_forgotten_and_all_is_bounded() -> None:
    made = pushed(driver_defined(), actor_defined(), worker_died("SYSTEM_ERROR"), node_changed("DEAD"))
    made.forget_before(NOW)
    assert (len(made.jobs), len(made.actors), len(made.exits), len(made.nodes)) == (1, 1, 1, 1)
    made.forget_before(NOW + timedelta(seconds=1))
    assert (made.jobs, made.actors, made.exits, made.nodes) == ({}, {}, {}, {})
    many = Pushed()
    for batch in range(MAX_KEPT // MAX_EVENTS + 2):
        numbers = range(batch * MAX_EVENTS, (batch + 1) * MAX_EVENTS)
        many.take(
            [{**actor_defined(), "actorDefinitionEvent": {"actorId": b64(f"{n:032x}"), "jobId": ""}} for n in numbers],
            NOW,
        )
    assert len(many.actors) == MAX_KEPT


@pytest.mark.parametrize(
    "broken",
    [
        {"eventType": "DRIVER_JOB_DEFINITION_EVENT"},
        {"eventType": "ACTOR_LIFECYCLE_EVENT", "actorLifecycleEvent": {"actorId": "!", "stateTransitions": []}},
        {"eventType": "NODE_LIFECYCLE_EVENT", "nodeLifecycleEvent": []},
        {"eventType": "WORKER_LIFECYCLE_EVENT", "workerLifecycleEvent": {"workerId": b64(DRIVER)}},
        # What names nothing is a row of nothing.
        event("DRIVER_JOB_DEFINITION_EVENT", "driverJobDefinitionEvent", jobId="", entrypoint="python x.py"),
        event("DRIVER_JOB_LIFECYCLE_EVENT", "driverJobLifecycleEvent", jobId=None, stateTransitions=[]),
        event("ACTOR_DEFINITION_EVENT", "actorDefinitionEvent", actorId="", jobId=b64(JOB)),
        event("ACTOR_LIFECYCLE_EVENT", "actorLifecycleEvent", actorId="", stateTransitions=[]),
        event("NODE_LIFECYCLE_EVENT", "nodeLifecycleEvent", nodeId="", stateTransitions=[{"state": "DEAD"}]),
    ],
)
def test_what_is_not_understood_is_counted(broken: Any) -> None:
    made = pushed(broken, actor_defined())
    assert (made.not_understood, list(made.actors)) == (1, [ACTOR])
    assert (made.jobs, made.exits, made.nodes) == ({}, {}, {})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(
    [driver_defined(), driver_changed(("CREATED", 0)), worker_died("SYSTEM_ERROR"), actor_defined()]
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        JSON | st.builds(lambda base, key, value: {**base, key: value}, KINDS, st.text(max_size=5), JSON), max_size=6
    )
)
def test_no_event_breaks_anything(events: list[Any]) -> None:
    apply_events(snapshot(), pushed(*events))


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([driver_defined, actor_defined]), st.sampled_from(["jobId", "actorId", "config", "name"]), JSON)
def test_no_field_of_an_event_breaks_anything(make: Any, field: str, value: Any) -> None:
    made = make()
    name = next(key for key in made if key.endswith("Event") and isinstance(made[key], dict))
    made[name][field] = value
    apply_events(snapshot(), pushed(made))

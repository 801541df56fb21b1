"""Events that Ray pushes say when to look and tell nothing themselves; what is not understood is counted."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_app.jobs.reading.events import MAX_EVENTS, MAX_KEPT, Pushed

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


@pytest.mark.parametrize(
    ("told", "reasons", "actors"),
    [
        (driver_defined(), 1, []),
        (driver_changed(("CREATED", 0)), 1, []),
        (worker_died("SYSTEM_ERROR"), 1, []),
        # Not of a driver: tasks begin and end workers by thousands.
        (worker_died("SYSTEM_ERROR", "cc" * 28), 0, []),
        (actor_defined(), 1, [ACTOR]),
        (actor_changed("DEAD"), 1, [ACTOR]),
        (node_changed("DEAD"), 1, []),
        ({"eventType": "TASK_LIFECYCLE_EVENT"}, 0, []),
        ("no event", 0, []),
    ],
)
def test_an_event_is_a_reason_to_look_and_no_more(told: Any, reasons: int, actors: list[str]) -> None:
    made = Pushed()
    assert made.take([told], NOW) == reasons
    assert made == Pushed(dict.fromkeys(actors, NOW), NOW, 0)


@pytest.mark.parametrize("kind", [["DRIVER_JOB_DEFINITION_EVENT"], {"a": 1}, 5, None, True])
def test_a_type_that_is_no_text_costs_no_other_event(kind: Any) -> None:
    made = Pushed()
    assert made.take([{"eventType": kind}, driver_defined()], NOW) == 1
    assert made.not_understood == 1


def test_what_a_later_look_has_seen_is_forgotten_and_all_is_bounded() -> None:
    made = pushed(actor_defined())
    made.forget_before(NOW)
    assert list(made.actors) == [ACTOR]
    made.forget_before(NOW + timedelta(seconds=1))
    assert made.actors == {}
    many = Pushed()
    for batch in range(MAX_KEPT // MAX_EVENTS + 2):
        numbers = range(batch * MAX_EVENTS, (batch + 1) * MAX_EVENTS)
        many.take(
            [{**actor_defined(), "actorDefinitionEvent": {"actorId": b64(f"{n:032x}"), "jobId": ""}} for n in numbers],
            NOW,
        )
    assert len(many.actors) == MAX_KEPT
    newest = (MAX_KEPT // MAX_EVENTS + 2) * MAX_EVENTS - 1
    assert many.list_newest_actors(2) == [f"{newest:032x}", f"{newest - 1:032x}"]


@pytest.mark.parametrize(
    "broken",
    [
        {"eventType": "DRIVER_JOB_DEFINITION_EVENT"},
        {"eventType": "ACTOR_LIFECYCLE_EVENT", "actorLifecycleEvent": {"actorId": "!", "stateTransitions": []}},
        {"eventType": "NODE_LIFECYCLE_EVENT", "nodeLifecycleEvent": []},
        {"eventType": "WORKER_LIFECYCLE_EVENT", "workerLifecycleEvent": {"workerId": 5}},
        # What names nothing is no reason to look.
        event("DRIVER_JOB_DEFINITION_EVENT", "driverJobDefinitionEvent", jobId="", entrypoint="python x.py"),
        event("DRIVER_JOB_LIFECYCLE_EVENT", "driverJobLifecycleEvent", jobId=None, stateTransitions=[]),
        event("ACTOR_DEFINITION_EVENT", "actorDefinitionEvent", actorId="", jobId=b64(JOB)),
        event("ACTOR_LIFECYCLE_EVENT", "actorLifecycleEvent", actorId=["x"], stateTransitions=[]),
        event("NODE_LIFECYCLE_EVENT", "nodeLifecycleEvent", nodeId="", stateTransitions=[{"state": "DEAD"}]),
    ],
)
def test_what_is_not_understood_is_counted(broken: Any) -> None:
    made = pushed(broken, actor_defined())
    assert (made.not_understood, list(made.actors)) == (1, [ACTOR])


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
    pushed(*events)


@settings(deadline=None, max_examples=60)
@given(st.sampled_from([driver_defined, actor_defined]), st.sampled_from(["jobId", "actorId", "config", "name"]), JSON)
def test_no_field_of_an_event_breaks_anything(make: Any, field: str, value: Any) -> None:
    made = make()
    name = next(key for key in made if key.endswith("Event") and isinstance(made[key], dict))
    made[name][field] = value
    pushed(made)

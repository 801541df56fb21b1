"""Routes of figures, hierarchy, lifecycle and events: what they hand on, and what they refuse."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from ray import cloudpickle

from serve_app.api.routes.events import MAX_DEPTH
from serve_app.errors import Conflict
from tests.unit.fakes import ALL_TOKENS, READER, served

KEY = "key-of-the-events-0123"


def nest(depth: int) -> Any:
    """A value so deep that a look at each of its levels would end at a limit of recursion."""
    return [nest(depth - 1)] if depth else "X"


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/jobs/summary", ("summary", {"window": "1h"})),
        ("/jobs/summary?window=7d", ("summary", {"window": "7d"})),
        ("/jobs/hierarchy", ("hierarchy", {"format": "json"})),
        ("/jobs/lifecycle", ("lifecycle", None)),
        ("/jobs/findings", ("findings", None)),
        ("/cluster/leftovers", ("cluster_leftovers", None)),
        ("/jobs/j/diagnosis", ("diagnosis", ("j", False))),
        ("/jobs/j/diagnosis?words=model", ("diagnosis", ("j", True))),
        ("/jobs/raysubmit_1/stacks", ("job_stacks", "raysubmit_1")),
    ],
)
async def test_what_is_handed_on(path: str, asked: tuple[str, Any]) -> None:
    made = served(diagnosis={})
    async with made.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert made.part.asked == [asked]


async def test_why_there_are_no_stacks_is_a_problem() -> None:
    made = served(job_stacks=Conflict("Ray's profiling endpoint is off.", code="stacks_disabled"))
    async with made.client() as client:
        answer = await client.get("/jobs/x/stacks")
    assert (answer.status_code, answer.json()["code"]) == (409, "stacks_disabled")
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("form", ["text", "mermaid"])
async def test_a_drawing_is_plain_text(form: str) -> None:
    made = served(hierarchy={"text": "<script>\n"})
    async with made.client() as client:
        answer = await client.get("/jobs/hierarchy", params={"format": form})
    assert (answer.text, answer.headers["content-type"]) == ("<script>\n", "text/plain; charset=utf-8")
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/jobs/summary?window=2h",
        "/jobs/summary?windo=1h",
        "/jobs/hierarchy?format=svg",
        "/jobs?verdict=FINE",
        "/jobs?k=1",
    ],
)
async def test_a_filter_that_means_nothing_is_refused(path: str) -> None:
    made = served()
    async with made.client() as client:
        answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert made.part.asked == []


async def test_events_are_off_without_a_key_and_the_answer_says_how_to_turn_them_on() -> None:
    async with served().client() as client:
        answer = await client.post("/events/anything", json=[])
    assert (answer.status_code, answer.json()["code"]) == (403, "events_off")
    assert "SEEDCORE_EVENTS_KEY" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"/events/{KEY}", [{"eventType": "X"}], 200),
        # A hundred levels with the list and the event, and one more.
        (f"/events/{KEY}", [{}, {"eventType": nest(98)}], 200),
        (f"/events/{KEY}", [{}, {"eventType": nest(99)}], 422),
        (f"/events/{KEY}", [{}, {"eventType": {"a": nest(98)}}], 422),
        (f"/events/{KEY}", [{"eventType": nest(500)}], 422),
        ("/events/another-key", [{"eventType": nest(500)}], 404),
        ("/events/another-key", [], 404),
        (f"/events/{KEY}/more", [], 404),
        (f"/events/{KEY}", {"no": "list"}, 422),
        (f"/events/{KEY}", ["no object"], 422),
        (f"/events/{KEY}", [{}] * 2_001, 422),
    ],
)
async def test_the_key_is_what_admits_events(path: str, body: Any, status: int) -> None:
    made = served(ALL_TOKENS)
    made.api.state.deps.events_key = KEY
    async with made.client() as client:
        answer = await client.post(path, json=body)
    assert answer.status_code == status
    assert made.part.asked == ([("take_events", body)] if status == 200 else [])


def test_what_is_admitted_can_be_sent() -> None:
    """The call to the inspector pickles it; what is refused begins well before pickle ends."""
    events = [{"eventType": nest(MAX_DEPTH - 2)}]
    assert pickle.loads(cloudpickle.dumps(events)) == events
    assert pickle.loads(cloudpickle.dumps(nest(2 * MAX_DEPTH))) == nest(2 * MAX_DEPTH)


async def test_the_key_admits_nothing_else() -> None:
    made = served(ALL_TOKENS)
    made.api.state.deps.events_key = KEY
    async with made.client() as client:
        assert (await client.get(f"/events/{KEY}")).status_code == 401
        assert (await client.delete(f"/events/{KEY}")).status_code == 401
    async with made.client(READER) as client:
        assert (await client.get(f"/events/{KEY}")).status_code == 405

"""Job management and logs over HTTP: who may, what is off, hostile bodies, and events."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.errors import Conflict, TooBusy, Unavailable
from serve_app.settings import AppArgs
from tests.unit.fakes import ALL_TOKENS, ARGS, EXECUTOR, OPERATOR, READER, served

ON = AppArgs.model_validate({**ARGS.model_dump(), "job_management": {"enabled": True}})
CHANGES = [("POST", "/jobs"), ("POST", "/jobs/j/stop"), ("POST", "/jobs/j/retry"), ("DELETE", "/jobs/j")]
MADE = {"id": "j", "submission_id": "j", "state": "PENDING", "created": True}
LOG = {"id": "j", "lines": ["a", "b"], "truncated": False, "size_bytes": 4}


@pytest.mark.parametrize(("method", "path"), CHANGES)
@pytest.mark.parametrize(("token", "status"), [(None, 401), (READER, 403), (EXECUTOR, 403)])
async def test_operators_only(method: str, path: str, token: str | None, status: int) -> None:
    api = served(ALL_TOKENS, ON)
    async with api.client(token) as client:
        assert (await client.request(method, path, json={})).status_code == status
    assert api.part.asked == []


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_off_unless_switched_on(method: str, path: str) -> None:
    api = served(ALL_TOKENS)
    async with api.client(OPERATOR) as client:
        answer = await client.request(method, path, json={"entrypoint": ["true"]})
    assert (answer.status_code, answer.json()["code"], api.part.asked) == (403, "job_management_off", [])
    assert "args.job_management.enabled" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("method", "path", "body", "said", "status", "asked"),
    [
        ("POST", "/jobs/j/stop", None, {"stop_job": {"stopped": True}}, 200, ("stop_job", ("j", 10.0))),
        ("POST", "/jobs/j/stop", {"wait_s": 1}, {"stop_job": {"stopped": False}}, 202, ("stop_job", ("j", 1.0))),
        ("POST", "/jobs/j/retry", None, {"retry_job": MADE}, 201, ("retry_job", ("j", False))),
        ("POST", "/jobs/j/retry", {"force": True}, {"retry_job": {**MADE, "created": False}}, 200,
         ("retry_job", ("j", True))),
        ("DELETE", "/jobs/j", None, {"delete_job": {"deleted": True}}, 200, ("delete_job", "j")),
        ("DELETE", "/jobs/j", None, {"delete_job": Conflict("No.", code="still_on_its_way")}, 409, ("delete_job", "j")),
        ("GET", "/jobs/j/logs", None, {"job_log": LOG}, 200, ("job_log", ("j", 200))),
        ("GET", "/jobs/j/logs?lines=7", None, {"job_log": LOG}, 200, ("job_log", ("j", 7))),
        ("GET", "/jobs/j/logs?all_runs=true", None, {"whole_log": LOG}, 200, ("whole_log", ("j", 200))),
        # Ids that are odd stand in the path as a URL writes them.
        ("GET", "/jobs/team%2Fetl%202026/logs", None, {"job_log": LOG}, 200, ("job_log", ("team/etl 2026", 200))),
        ("GET", "/jobs/a%2fb", None, {"get_job": {}}, 200, ("get_job", "a/b")),
        ("GET", "/jobs/a%252Fb", None, {"get_job": {}}, 200, ("get_job", "a%2Fb")),
        ("GET", "/jobs/%C3%A9%2F%E5%BF%97", None, {"get_job": {}}, 200, ("get_job", "\u00e9/\u5fd7")),
        ("GET", "/jobs/a%2Flogs", None, {"get_job": {}}, 200, ("get_job", "a/logs")),
        ("GET", "/jobs/a%2Fb/diagnosis", None, {"diagnosis": {}}, 200, ("diagnosis", ("a/b", False))),
        ("GET", "/jobs/a%2Fb/stacks", None, {"job_stacks": {}}, 200, ("job_stacks", "a/b")),
        ("POST", "/jobs/a%2Fb/stop", None, {"stop_job": {"stopped": True}}, 200, ("stop_job", ("a/b", 10.0))),
        ("POST", "/jobs/a%2Fb/retry", None, {"retry_job": MADE}, 201, ("retry_job", ("a/b", False))),
        ("DELETE", "/jobs/a%2Fb", None, {"delete_job": {"deleted": True}}, 200, ("delete_job", "a/b")),
        ("GET", "/jobs/j@2026-01-01T12:00:00.000+00:00", None, {"get_job": {}}, 200,
         ("get_job", "j@2026-01-01T12:00:00.000+00:00")),
    ],
)  # fmt: skip
async def test_what_is_asked(
    method: str, path: str, body: Any, said: dict[str, Any], status: int, asked: tuple[str, Any]
) -> None:
    api = served(ALL_TOKENS, ON, **said)
    async with api.client(OPERATOR) as client:
        answer = await client.request(method, path, json=body)
    assert (answer.status_code, api.part.asked) == (status, [asked])


async def test_a_path_with_slashes_of_its_own_is_another_path() -> None:
    api = served(ALL_TOKENS, ON)
    async with api.client(OPERATOR) as client:
        plain, odd = await client.get("/jobs/a/b"), await client.get("/jobs/a%2Fb/c%2Fd")
        outside = await client.get("/nowhere/a%2Fb")
    assert [answer.status_code for answer in (plain, odd, outside)] == [404, 404, 404]
    assert odd.json()["detail"] == "There is nothing at /jobs/a/b/c/d."
    assert api.part.asked == []


async def test_submit() -> None:
    api = served(ALL_TOKENS, ON, submit_job=MADE)
    async with api.client(OPERATOR) as client:
        answer = await client.post("/jobs", json={"entrypoint": ["python", "x"], "num_cpus": 1})
        assert (answer.status_code, answer.json()) == (201, MADE)
        api.part.answers["submit_job"] = {**MADE, "created": False}
        assert (await client.post("/jobs", json={"entrypoint": ["x"]})).status_code == 200
    ((_, body), _) = api.part.asked
    assert (body["entrypoint"], body["num_cpus"], body["runtime_env"]) == (["python", "x"], 1.0, {})


async def test_under_a_key_the_same_job_is_submitted_whoever_dies_meanwhile() -> None:
    api = served(ALL_TOKENS, ON, submit_job=MADE)
    async with api.client(OPERATOR) as client:
        for key, body in (("a", {}), ("a", {}), ("b", {}), ("c", {"submission_id": "mine"})):
            headers = {"Idempotency-Key": key}
            await client.post("/jobs", json={"entrypoint": ["x"], **body}, headers=headers)
    ids = [body["submission_id"] for question, body in api.part.asked if question == "submit_job"]
    assert (ids[0] == ids[1], len(set(ids)), ids[3]) == (True, 3, "mine")
    assert all(id.startswith("job-") for id in ids[:3])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/jobs", b"", 422),
        ("/jobs", b"[]", 422),
        ("/jobs", b"{", 400),
        ("/jobs", b'{"entrypoint": "rm -rf"}', 422),
        ("/jobs", b'{"entrypoint": ["x"], "shell": true}', 422),
        ("/jobs", b'{"entrypoint": ["x\\u0000"]}', 400),
        ("/jobs", b'{"entrypoint": ["x"], "num_cpus": 1e400}', 400),
        ("/jobs", b'{"entrypoint": ["x"], "runtime_env": ' + b"[" * 100 + b"]" * 100 + b"}", 400),
        ("/jobs", b'{"entrypoint": ["' + b"x" * 1_100_000 + b'"]}', 413),
        ("/jobs/j/stop", b'{"wait_s": 31}', 422),
        ("/jobs/j/stop", b'{"wait_s": -1}', 422),
        ("/jobs/j/stop", b'{"signal": 9}', 422),
        ("/jobs/j/retry", b'{"force": 1}', 422),
        ("/jobs/j/retry", b"true", 422),
    ],
)
async def test_hostile_bodies(path: str, body: bytes, status: int) -> None:
    api = served(ALL_TOKENS, ON)
    async with api.client(OPERATOR) as client:
        answer = await client.post(path, content=body)
    assert (answer.status_code, api.part.asked) == (status, [])


@pytest.mark.parametrize("query", ["lines=0", "lines=10001", "lines=x", "format=xml", "after=-1", "other=1"])
async def test_hostile_queries(query: str) -> None:
    async with served().client() as client:
        assert (await client.get(f"/jobs/j/logs?{query}")).status_code == 422


async def test_text() -> None:
    async with served(job_log=LOG).client() as client:
        answer = await client.get("/jobs/j/logs?format=text")
    assert (answer.text, answer.headers["content-type"]) == ("a\nb\n", "text/plain; charset=utf-8")


END = {"reason": "ended", "status": "FAILED", "outcome": "failed", "sentence": "All."}


async def test_events() -> None:
    items = [
        {"lines": []},
        {"lines": [["one", 4], ["two\rdata: forged", 8]]},
        {"skipped_bytes": 9},
        {"end": END, "at": 8},
    ]
    api = served(follow_log=items)
    async with api.client() as client:
        answer = await client.get("/jobs/j/logs?follow=true&lines=3", headers={"Last-Event-ID": "17"})
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert (answer.headers["x-accel-buffering"], answer.headers["cache-control"]) == ("no", "no-store")
    assert answer.text.split("\n\n") == [
        "retry: 5000\n: alive",
        "id: 4\ndata: one",
        "id: 8\ndata: two data: forged",
        'event: skipped\ndata: {"bytes":9}',
        'id: 8\nevent: end\ndata: {"reason":"ended","status":"FAILED","outcome":"failed","sentence":"All."}',
        "",
    ]
    assert api.part.asked == [("follow_log", ("j", 3, 17))]


@pytest.mark.parametrize(
    ("query", "headers", "first", "answered"),
    [
        ("", {"Last-Event-ID": "8"}, {"end": END, "at": 8}, (204, "")),
        ("&after=8", {}, {"end": END, "at": 8}, (200, "retry: 5000\nid: 8\nevent: end\n")),  # a script waits for it
        ("", {"Last-Event-ID": "4"}, {"lines": [["two", 8]], "end": END, "at": 8}, (200, "retry: 5000\nid: 8\n")),
        ("", {"Last-Event-ID": "8"}, {"end": {**END, "reason": "time_limit"}}, (200, "retry: 5000\nevent: end\n")),
    ],
)  # fmt: skip
async def test_coming_back_to_a_job_that_has_ended(
    query: str, headers: dict[str, str], first: Any, answered: tuple[int, str]
) -> None:
    async with served(follow_log=[first]).client() as client:
        answer = await client.get(f"/jobs/j/logs?follow=true{query}", headers=headers)
    assert (answer.status_code, answer.text[: len(answered[1])]) == answered
    assert (answer.text == "") is (answered[0] == 204)


@pytest.mark.parametrize(("sent", "after"), [("", 5), ("x", 5), ("1" * 16, 5), ("\u0661", 5), ("0", 0)])
async def test_an_id_that_is_none_of_ours(sent: str, after: int) -> None:
    api = served(follow_log=[{"end": END}])
    async with api.client() as client:
        await client.get("/jobs/j/logs?follow=true&after=5", headers={"Last-Event-ID": sent.encode()})
    assert api.part.asked == [("follow_log", ("j", 200, after))]


async def test_errors_before_and_within_events() -> None:
    async with served(follow_log=TooBusy("8 logs are being followed.")).client() as client:
        answer = await client.get("/jobs/j/logs?follow=true")
    assert (answer.status_code, answer.json()["code"]) == (429, "too_busy")
    async with served(follow_log=[{"lines": [["one", 4]]}, Unavailable("Gone.")]).client() as client:
        answer = await client.get("/jobs/j/logs?follow=true")
    assert answer.text.split("\n\n")[1].startswith('event: end\ndata: {"reason":"unavailable"')

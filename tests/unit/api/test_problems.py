"""Problem documents: bounded whatever the request holds, and traceable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from serve_app.api.problems import LONGEST_CHARS, answer_problem
from serve_app.errors import UpstreamFailed
from serve_app.hidden.held import hold, release
from tests.unit.fakes import asgi, piece, served

HOT = "/organism/execute/utility_organ_1"


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("POST", HOT, "", {"type": "x", "k" * 1_000_000: 1}),
        ("POST", HOT, "", {"type": "x", **{f"key{number}": 1 for number in range(50_000)}}),
        ("POST", HOT, "", {"type": "x", "task_id": "no spaces" * 100_000}),
        ("POST", HOT, "", {"task_data": {"type": "x" * 1_000_000}}),
        ("GET", "/jobs", "&".join(f"key{number}=1" for number in range(8_000)), None),
        ("GET", "/jobs", "k" * 60_000 + "=1", None),
        ("GET", "/" + "p" * 60_000, "", None),
        ("POST", "/organism/execute/" + "o" * 60_000, "", {"type": "x"}),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_document_is_not_as_long_as_the_request(method: str, path: str, query: str, body: Any) -> None:
    raw = b"" if body is None else json.dumps(body).encode()
    answer = await asgi(served().api, method, path, piece(raw), query_string=query.encode())
    assert answer.status in (404, 422)
    assert len(answer.body) < 8_000


async def test_errors_that_are_left_off_are_counted() -> None:
    body = json.dumps({"type": "x", **{f"key{number}": 1 for number in range(25)}}).encode()
    document = (await asgi(served().api, "POST", HOT, piece(body))).json()
    assert (len(document["errors"]), document["errors_left_off"]) == (20, 5)
    assert document["errors"][0] == {
        "loc": ["key0"],
        "msg": "Extra inputs are not permitted",
        "type": "extra_forbidden",
    }


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (None, None),
        ("0e1c7f9a-5b1f-4c61-9f1c-2f3a4b5c6d7e", "0e1c7f9a-5b1f-4c61-9f1c-2f3a4b5c6d7e"),
        ("a" * 64, "a" * 64),
        ("a" * 65, None),
        ("", None),
        ("<script>", None),
        ("two words", None),
        ("id\n", None),
        ("h\xe9", None),
    ],
)
@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", HOT, 422), ("GET", "/nowhere", 404), ("POST", "/organism/initialize", 403)]
)
async def test_a_document_names_the_request(
    given: str | None, named: str | None, method: str, path: str, status: int
) -> None:
    headers = [] if given is None else [(b"x-request-id", given.encode("latin-1"))]
    answer = await asgi(served().api, method, path, piece(b""), headers=headers)
    assert (answer.status, answer.json().get("request_id")) == (status, named)
    assert dict(answer.headers)[b"content-length"] == str(len(answer.body)).encode()


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/vnd.api+json", 200),
        # What a form of a web page can send without asking, and what says nothing.
        (None, 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("text/plain", 415),
        ("text/plain; application/json", 415),
        ("nonsense", 415),
    ],
)
async def test_a_body_is_json_and_says_so(content_type: str | None, status: int) -> None:
    types = [] if content_type is None else [(b"content-type", content_type.encode())]
    for path in (HOT, "/organism/execute"):
        answer = await asgi(served().api, "POST", path, piece(b'{"type": "memory.get"}'), types=types)
        assert answer.status == status
    assert (await asgi(served().api, "POST", "/jobs/x/stop", piece(b""), types=types)).status == 403


@pytest.mark.parametrize("before", ["", "x" * (LONGEST_CHARS - 5)])
async def test_what_is_held_is_in_no_problem_not_even_where_that_is_cut(before: str) -> None:
    hold(["a-token-that-is-held-1"])
    try:
        said = f"{before}a-token-that-is-held-1"
        error = UpstreamFailed(said, errors=[{"loc": ["a"], "msg": said, "type": "a-token-that-is-held-1"}])
        answer = answer_problem(error)
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "headers": [(b"x-request-id", b"a-token-that-is-held-1")]}
        await answer(scope, None, send)  # type: ignore[arg-type]
    finally:
        release()
    shown = bytes(answer.body) + sent[1]["body"]
    assert b"a-tok" not in shown
    assert json.loads(sent[1]["body"])["detail"] == f"{before}[redacted]"[:LONGEST_CHARS] + "…" * bool(before)
    assert dict(sent[0]["headers"])[b"content-length"] == str(len(sent[1]["body"])).encode()

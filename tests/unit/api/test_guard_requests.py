"""The guard below HTTP clients: halves of requests, slow ones, prefixes, proxies, and answers to bugs."""

from __future__ import annotations

import asyncio
import gzip
import logging
from pathlib import Path
from typing import Any

import pytest
from starlette._utils import get_route_path

from serve_app.api.access import Tokens
from serve_app.api.guard import Guard
from serve_app.api.limits import Limits
from serve_app.env import Env
from serve_app.metrics.responses import ResponseMeter
from serve_app.report.html import CONTENT_SECURITY_POLICY
from serve_app.route_path import strip_route_prefix
from tests.unit.fakes import ALL_TOKENS, EXECUTOR, GONE, OPERATOR, READER, Served, asgi, piece, served

AS_OPERATOR = [(b"authorization", f"Bearer {OPERATOR}".encode())]
BARE = [(b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"), (b"referrer-policy", b"no-referrer")]
STRICT = [*BARE, (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")]
TASK = b'{"type": "task.plan"}'


def guard(app: Any, **changes: Any) -> Guard:
    settings: dict[str, Any] = {
        "tokens": ALL_TOKENS,
        "allowed_hosts": frozenset(),
        "local_addresses": frozenset(),
        "max_body_bytes": 1024,
        "limits": Limits(),
    }
    return Guard(app, **{**settings, **changes})


@pytest.mark.parametrize("path", ["/organism/execute/utility_organ_1", "/organism/execute", "/organism/initialize"])
@pytest.mark.parametrize(
    "messages",
    [
        [GONE],
        [piece(b"", more=True), GONE],  # an empty body means something to /organism/initialize
        [piece(TASK, more=True), GONE],  # complete JSON, but not the complete body
        [piece(b"{", more=True), piece(b'"type"', more=True)],
    ],
)
async def test_half_a_request_does_nothing(path: str, messages: list[dict[str, Any]]) -> None:
    api = served(ALL_TOKENS)
    answer = await asgi(api.api, "POST", path, *messages, headers=AS_OPERATOR)
    assert (answer.status, answer.json()["code"]) == (400, "incomplete_body")
    assert (api.organs.tasks, api.part.asked) == ([], [])


@pytest.mark.parametrize("path", ["/organism/execute/utility_organ_1", "/organism/execute"])
async def test_a_body_in_pieces_is_whole(path: str) -> None:
    api = served(ALL_TOKENS)
    pieces = [piece(TASK[:5], more=True), piece(b"", more=True), piece(TASK[5:])]
    answer = await asgi(api.api, "POST", path, *pieces, headers=AS_OPERATOR)
    assert (answer.status, [task["type"] for _, task in api.organs.tasks]) == (200, ["task.plan"])


@pytest.mark.parametrize("drips", [False, True])
async def test_a_slow_body_is_not_waited_for(drips: bool) -> None:
    passed: list[Any] = []

    async def app(*arguments: Any) -> None:
        passed.append(arguments)

    async def receive() -> Any:
        if not drips:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return piece(b"", more=True)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/x", "headers": [(b"host", b"localhost"), *AS_OPERATOR]}
    async with asyncio.timeout(2):
        await guard(app, body_timeout_s=0.01)(scope, receive, send)
    assert (sent[0]["status"], passed) == (408, [])


@pytest.mark.parametrize("length", [b"1025", b"1" * 18, b"1" * 19, b"9" * 5000])
async def test_a_declared_length_is_believed_when_it_is_too_much(length: bytes) -> None:
    answer = await asgi(guard(None), "POST", "/x", headers=[*AS_OPERATOR, (b"content-length", length)])
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize(
    ("encoding", "status"),
    [(b"gzip", 415), (b"br, gzip", 415), (b"zstd\x1b" * 99, 415), (b"identity", 200), (b" Identity", 200), (b"", 200)],
)
@pytest.mark.parametrize("path", ["/organism/execute/utility_organ_1", "/organism/execute"])
async def test_a_compressed_body_is_not_taken_for_broken_json(path: str, encoding: bytes, status: int) -> None:
    body = gzip.compress(TASK) if status == 415 else TASK
    headers = [*AS_OPERATOR, (b"content-encoding", encoding)]
    answer = await asgi(served(ALL_TOKENS).api, "POST", path, piece(body), headers=headers)
    assert answer.status == status
    if encoding == b"gzip":
        told = answer.json()
        assert (told["code"], told["detail"]) == (
            "encoding_not_read",
            "The body is encoded (gzip); send it as it is, without Content-Encoding.",
        )


@pytest.mark.parametrize(
    ("body", "status"), [(b"x" * 1024, 200), (b"x" * 1025, 413)], ids=["the longest", "one byte more"]
)
@pytest.mark.parametrize("length", [None, b"5", b"-1", b"five"])
async def test_the_bound_is_exact_whatever_is_declared(body: bytes, status: int, length: bytes | None) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert (await receive()) == piece(body)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    headers = [*AS_OPERATOR, *([(b"content-length", length)] if length else [])]
    answer = await asgi(guard(app), "POST", "/x", piece(body[:600], more=True), piece(body[600:]), headers=headers)
    assert answer.status == status


@pytest.mark.parametrize(
    ("path", "status", "added"),
    [
        ("/health", 200, STRICT),
        ("/jobs", 200, STRICT),
        ("/report", 200, STRICT),
        ("/nowhere", 404, STRICT),
        ("/redoc", 404, STRICT),
        ("/jobs/current", 500, STRICT),
        ("/docs", 200, BARE),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_every_answer_has_the_headers(path: str, status: int, added: list[Any], method: str) -> None:
    answer = await asgi(_with_a_bug().api, method, path)
    assert answer.status == status
    assert [pair for pair in answer.headers if pair in STRICT] == added
    assert (answer.body == b"") is (method == "HEAD")
    if path == "/docs":
        policy = dict(answer.headers)[b"content-security-policy"].decode()
        assert policy.startswith("default-src 'none'; script-src https://cdn.jsdelivr.net")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_page_keeps_its_own_policy_and_gets_the_other_headers(method: str) -> None:
    answer = await asgi(served().api, method, "/report", query_string=b"format=html")
    policies = [value.decode() for name, value in answer.headers if name == b"content-security-policy"]
    assert policies == [CONTENT_SECURITY_POLICY]
    assert [pair for pair in answer.headers if pair in STRICT] == BARE


@pytest.mark.parametrize("spec", ["2.1", "2.4"])  # how starlette hears that the caller has gone
async def test_a_head_of_a_stream_is_its_headers_and_gives_everything_back(spec: str) -> None:
    told: list[str] = []

    async def follow() -> Any:
        try:
            yield {"lines": []}
            told.append("asked again")
            await asyncio.Event().wait()
        finally:
            told.append("closed")

    api = served()
    api.part.follow_log = lambda *_: follow()  # type: ignore[attr-defined]
    meter = api.api.meter = ResponseMeter()  # type: ignore[attr-defined]
    async with asyncio.timeout(2):
        answer = await asgi(api.api, "HEAD", "/jobs/j/logs", query_string=b"follow=true", asgi={"spec_version": spec})
    assert (answer.status, answer.body, told) == (200, b"", ["closed"])
    assert (b"content-type", b"text/event-stream; charset=utf-8") in answer.headers
    assert list(meter.take()) == ["jobs 2xx"]


async def test_a_head_ends_with_its_headers_before_anything_more_is_made() -> None:
    sent: list[dict[str, Any]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["method"] == "GET"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise AssertionError("it went on")

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "HEAD", "path": "/x", "headers": [(b"host", b"localhost"), *AS_OPERATOR]}
    await guard(app)(scope, None, send)  # type: ignore[arg-type]
    assert sent == [
        {"type": "http.response.start", "status": 200, "headers": STRICT},
        {"type": "http.response.body", "body": b""},
    ]


async def test_a_bug_is_answered_once_and_goes_no_further(caplog: pytest.LogCaptureFixture) -> None:
    answer = await asgi(_with_a_bug().api, "GET", "/jobs/current")
    assert answer.json() == {
        "type": "urn:seedcore:problem:internal_error",
        "title": "Internal error",
        "status": 500,
        "detail": "Something went wrong here; the log has the reason.",
        "code": "internal_error",
        "success": False,
        "error": "Something went wrong here; the log has the reason.",
    }
    logged = [(record.action, record.method, record.path) for record in caplog.records]  # type: ignore[attr-defined]
    assert logged == [("unexpected_error", "GET", "/jobs/current")]


async def test_an_answer_that_has_begun_is_not_begun_again() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("half-way")

    with pytest.raises(KeyError, match="half-way"):
        await asgi(guard(app), "GET", "/x", headers=AS_OPERATOR)


@pytest.mark.parametrize(
    ("root_path", "path", "token", "status"),
    [
        ("/seed", "/seed/health", None, 200),
        ("/seed", "/seed/jobs", None, 401),
        ("/seed", "/seed/jobs", READER, 200),
        ("/seed", "/seed/organism/execute/utility_organ_1", READER, 403),
        ("/seed", "/seed/organism/execute/utility_organ_1", EXECUTOR, 200),
        ("/seed", "/seed/organism/initialize", EXECUTOR, 403),
        ("/seed", "/seed/organism/initialize", OPERATOR, 202),
        ("/seed", "/seedy/health", None, 401),  # another path, which only begins like ours
        ("/health", "/health", None, 401),
        ("/organism/execute", "/organism/execute/organism/initialize", EXECUTOR, 403),
    ],
)
async def test_roles_under_a_route_prefix(root_path: str, path: str, token: str | None, status: int) -> None:
    headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
    method = "POST" if "/organism/" in path else "GET"
    body = b"" if path.endswith("/initialize") else TASK
    answer = await asgi(
        served(ALL_TOKENS).api, method, path, piece(body), headers=headers, root_path=root_path, client=("8.8.8.8", 1)
    )
    assert answer.status == status


@pytest.mark.parametrize("root_path", ["", "/", "/seed", "/seed/", "/jobs"])
@pytest.mark.parametrize("path", ["", "/", "/seed", "/seed/", "/seedy", "/seed/jobs", "/seed//x", "/jobs", "/jobs/1"])
def test_roles_are_checked_for_the_path_that_is_served(root_path: str, path: str) -> None:
    scope = {"path": path, "root_path": root_path}
    assert strip_route_prefix(scope) == get_route_path(scope)


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [
        ("x-forwarded-for", "127.0.0.1", 200),
        ("x-forwarded-for", "10.0.0.5, ::1", 200),
        ("x-forwarded-for", "8.8.8.8", 403),
        ("x-forwarded-for", "127.0.0.1, 8.8.8.8", 403),
        ("x-forwarded-for", "", 403),
        ("x-forwarded-for", "localhost.evil.example", 403),
        ("forwarded", "for=8.8.8.8", 403),
    ],
)
async def test_a_proxy_on_this_machine_makes_nobody_local(header: str, value: str, status: int) -> None:
    async with served().client() as client:
        without = await client.get("/jobs", headers={header: value})
    async with served(ALL_TOKENS).client(READER) as client:
        with_token = await client.get("/jobs", headers={header: value})
    assert (without.status_code, with_token.status_code) == (status, 200)


@pytest.mark.parametrize("addresses", [("127.0.0.1", "8.8.8.8"), ("8.8.8.8", "127.0.0.1")])
async def test_addresses_in_several_headers_all_count(addresses: tuple[str, ...]) -> None:
    async with served().client() as client:
        answer = await client.get("/jobs", headers=[("x-forwarded-for", each) for each in addresses])
    assert answer.status_code == 403


@pytest.mark.parametrize("tokens", [Tokens(), ALL_TOKENS])
async def test_websockets_are_closed(tokens: Tokens) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await served(tokens).api({"type": "websocket", "path": "/", "headers": []}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]


def _with_a_bug() -> Served:
    api = served()

    async def broken() -> Any:
        raise RuntimeError("a text that nobody outside shall read")

    api.part.current = broken  # type: ignore[method-assign]
    return api


@pytest.mark.parametrize("second", [OPERATOR, READER, "nobody"])
async def test_two_tokens_are_none(second: str) -> None:
    """What stands before us may have looked at the other one."""
    headers = [(b"authorization", f"Bearer {token}".encode()) for token in (READER, second)]
    answer = await asgi(served(ALL_TOKENS).api, "GET", "/jobs", headers=headers)
    assert (answer.status, answer.json()["detail"]) == (400, "The request has several Authorization headers.")


async def test_the_name_of_a_token_is_told_and_recorded(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    path = tmp_path / "tokens.yaml"
    path.write_text(f"alice: {{role: reader, token: {READER}}}\nbob: {{role: operator, token: {OPERATOR}}}\n")
    api = served(Tokens.load(Env(home=tmp_path, tokens_file=path))).api
    refused = await asgi(api, "POST", "/organism/initialize", piece(b""), headers=bearer(READER))
    assert refused.json()["detail"] == "This needs the role operator; the token of alice has the role reader."
    assert [record for record in caplog.records if getattr(record, "action", "") == "operator_request"] == []
    await asgi(api, "POST", "/organism/initialize", piece(b""), headers=bearer(OPERATOR))
    (record,) = [record for record in caplog.records if getattr(record, "action", "") == "operator_request"]
    assert (record.getMessage(), record.caller, record.role) == (  # type: ignore[attr-defined]
        "bob asks for POST /organism/initialize",
        "bob",
        "operator",
    )


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token}".encode())]

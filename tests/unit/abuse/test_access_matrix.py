"""The API as an attacker tries it: every operation with every kind of token, tokens in other places, hosts, origins,
tricks with paths. What the README's table says of roles is what the guard does.
"""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

import pytest

from serve_app.api.access import Role
from serve_app.settings import AppArgs
from tests.unit.fakes import ALL_TOKENS, ARGS, EXECUTOR, OPERATOR, READER, Answered, asgi, piece, served

README = (Path(__file__).resolve().parents[3] / "README.md").read_text()
# As the README's table of routes says: method, path, role.
TABLE = re.findall(r"^\| `(GET|POST|DELETE) ([^`?]+)` \| (none|reader|executor|operator) \|", README, re.MULTILINE)
CALLERS = {"nobody": None, "a stranger": "wrong-token-0123456789", "reader": READER, "executor": EXECUTOR}
CALLERS["operator"] = OPERATOR
ROLES = {READER: Role.READER, EXECUTOR: Role.EXECUTOR, OPERATOR: Role.OPERATOR}
APP = served(ALL_TOKENS)
MANAGED = AppArgs.model_validate({**ARGS.model_dump(), "job_management": {"enabled": True}})


async def send(method: str, path: str, *headers: tuple[bytes, bytes], **scope: Any) -> Answered:
    typed = [(b"content-type", b"application/json"), *headers]
    return await asgi(APP.api, method, path, piece(b"{}"), headers=typed, **scope)


def bearer(token: str | None) -> list[tuple[bytes, bytes]]:
    return [] if token is None else [(b"authorization", f"Bearer {token}".encode())]


def test_the_table_has_every_operation() -> None:
    assert len(TABLE) == len([each for methods in APP.api.openapi()["paths"].values() for each in methods]) == 31


@pytest.mark.parametrize(("method", "template", "role"), TABLE)
@pytest.mark.parametrize("caller", CALLERS)
async def test_every_operation_with_every_kind_of_token(method: str, template: str, role: str, caller: str) -> None:
    path, token = re.sub(r"\{[a-z_]+\}", "utility_organ_1", template), CALLERS[caller]
    answer = await send(method, path, *bearer(token))
    has = ROLES.get(token or "")
    if role == "none" or (has is not None and has >= Role[role.upper()]):
        assert answer.status != 401
        # Job management and events are off here, which is another refusal than that of a role.
        assert answer.status != 403 or answer.json()["code"] in ("job_management_off", "events_off")
    elif has is None:
        assert (answer.status, answer.json()["code"]) == (401, "not_authenticated")
    else:
        assert (answer.status, answer.json()["code"]) == (403, "forbidden")


BASIC = base64.b64encode(f"operator:{OPERATOR}".encode()).decode()
ELSEWHERE: list[tuple[str, list[tuple[bytes, bytes]], bytes]] = [
    ("in the query", [], f"token={OPERATOR}&access_token={OPERATOR}&authorization=Bearer+{OPERATOR}".encode()),
    ("in a cookie", [(b"cookie", f"token={OPERATOR}; authorization=Bearer {OPERATOR}".encode())], b""),
    ("as Basic", [(b"authorization", f"Basic {BASIC}".encode())], b""),
    ("without a scheme", [(b"authorization", OPERATOR.encode())], b""),
    ("under another scheme", [(b"authorization", f"Token {OPERATOR}".encode())], b""),
    ("in another header", [(b"x-api-key", OPERATOR.encode()), (b"x-auth-token", OPERATOR.encode())], b""),
    ("of a proxy", [(b"proxy-authorization", f"Bearer {OPERATOR}".encode())], b""),
    ("with NUL inside", [(b"authorization", f"Bearer {OPERATOR}\0".encode())], b""),
    ("with NUL and more", [(b"authorization", f"Bearer {OPERATOR}\0x".encode())], b""),
    ("twice in one", [(b"authorization", f"Bearer {OPERATOR} {OPERATOR}".encode())], b""),
    ("in a list", [(b"authorization", f"Bearer {OPERATOR}, Bearer {READER}".encode())], b""),
    ("in quotes", [(b"authorization", f'Bearer "{OPERATOR}"'.encode())], b""),
    ("in capitals", [(b"authorization", f"Bearer {OPERATOR.upper()}".encode())], b""),
    ("without its end", [(b"authorization", f"Bearer {OPERATOR[:-1]}".encode())], b""),
    ("with more behind", [(b"authorization", f"Bearer {OPERATOR}x".encode())], b""),
    ("of 64 kB", [(b"authorization", b"Bearer " + b"x" * 65_536)], b""),
    ("empty", [(b"authorization", b"Bearer ")], b""),
    ("of bytes that are no text", [(b"authorization", b"Bearer \xff\xfe\xfd")], b""),
    ("only said by a proxy", [(b"x-forwarded-user", b"operator"), (b"x-remote-user", b"operator")], b""),
    ("of this machine, says a proxy", [(b"x-forwarded-for", b"127.0.0.1"), (b"x-real-ip", b"127.0.0.1")], b""),
]


@pytest.mark.parametrize(("headers", "query"), [row[1:] for row in ELSEWHERE], ids=[row[0] for row in ELSEWHERE])
@pytest.mark.parametrize(("method", "path"), [("GET", "/jobs"), ("POST", "/organism/initialize")])
async def test_a_token_is_only_one_where_it_belongs(
    method: str, path: str, headers: list[tuple[bytes, bytes]], query: bytes
) -> None:
    answer = await send(method, path, *headers, query_string=query)
    assert (answer.status, answer.json()["code"]) == (401, "not_authenticated")
    assert OPERATOR.encode() not in answer.body


@pytest.mark.parametrize(
    ("host", "status"),
    [
        *((host, 200) for host in (b"localhost", b"LOCALHOST:1", b"localhost.", b"a.localhost", b"a.b.localhost:1")),
        *((host, 200) for host in (b"127.0.0.1", b"127.1.2.3:80", b"10.0.0.1", b"8.8.8.8", b"0.0.0.0")),
        *((host, 200) for host in (b"[::1]", b"[::1]:8000", b"[::ffff:127.0.0.1]", b"[fe80::1]")),
        *((host, 403) for host in (b"evil.example", b"localhost.evil.example", b"127.0.0.1.evil.example")),
        *((host, 403) for host in (b"xlocalhost", b"localhost-evil", b"2130706433", b"0x7f.1", b"127.1")),
        *((host, 400) for host in (b"", b" ", b"localhost:", b"localhost:x", b"user@localhost", b"localhost/x")),
        *((host, 400) for host in (b"localhost\x00", b"localhost, evil.example", b"[::1", b"[localhost]", b"l\xf6x")),
        *((host, 400) for host in (b"localhost:123456", b"localhost#x", b"http://localhost", b"localhost\r\nx: y")),
    ],
)
async def test_hosts(host: bytes, status: int) -> None:
    answer = await asgi(APP.api, "GET", "/jobs", piece(b""), hosts=[(b"host", host)], headers=bearer(READER))
    assert answer.status == status


ORIGINS = {
    b"http://localhost:8000": True,
    b"https://localhost:8000": True,
    b"HTTP://LOCALHOST:8000": True,
    b"http://localhost": False,
    b"http://localhost:80": False,
    b"http://localhost:8000.evil.example": False,
    b"http://evil.example/localhost:8000": False,
    b"http://localhost:8000@evil.example": False,
    b"http://127.0.0.1:8000": False,
    b"null": False,
    b"": False,
    b"file://": False,
    b"chrome-extension://abcdefghijklmnop": False,
}


@pytest.mark.parametrize("origin", ORIGINS, ids=lambda each: each.decode() or "empty")
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/jobs"), ("POST", "/organism/execute"), ("DELETE", "/jobs/x"), ("GET", "/health")]
)
async def test_origins(method: str, path: str, origin: bytes) -> None:
    answer = await send(method, path, (b"origin", origin), *bearer(OPERATOR))
    is_refused = answer.status == 403 and answer.json()["code"] == "origin_not_allowed"
    assert is_refused is not ORIGINS[origin]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/jobs"), ("GET", "/health"), ("OPTIONS", "/jobs"), ("OPTIONS", "/health"), ("POST", "/organism/execute")],
)
async def test_no_page_of_another_origin_is_ever_let_in(method: str, path: str) -> None:
    asked = [(b"origin", b"http://localhost:8000"), (b"access-control-request-method", b"POST")]
    for headers in (asked, [(b"origin", b"http://evil.example"), *asked[1:]]):
        answer = await send(method, path, *headers, *bearer(OPERATOR))
        assert [name for name, _ in answer.headers if name.startswith(b"access-control-")] == []


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "BREW", "get", "GET\x00"])
@pytest.mark.parametrize("token", [None, READER, OPERATOR])
async def test_other_methods_do_nothing(method: str, token: str | None) -> None:
    before = (len(APP.part.asked), len(APP.organs.tasks))
    answer = await send(method, "/jobs", (b"max-forwards", b"0"), *bearer(token))
    assert answer.status == (401 if token is None else 403 if token is READER else 405)
    assert (len(APP.part.asked), len(APP.organs.tasks)) == before
    assert READER.encode() not in answer.body


@pytest.mark.parametrize("name", [b"x-http-method-override", b"x-http-method", b"x-method-override"])
async def test_a_method_is_what_the_request_says(name: bytes) -> None:
    made = served(ALL_TOKENS)
    answer = await asgi(made.api, "GET", "/jobs/x", piece(b""), headers=[(name, b"DELETE"), *bearer(READER)])
    assert (answer.status, made.part.asked) == (404, [("get_job", "x")])


# Ways to write a path so that one part of a server takes it for open, and another one for something else.
TRICKS = [
    "/health/../jobs", "/health/..%2fjobs", "/health/%2e%2e/jobs", "/health/./../jobs", "//jobs", "///jobs", "/./jobs",
    "/jobs/", "/jobs//", "/jobs/.", "/jobs;/health", "/jobs;x=/health", "/jobs%00/health", "/jobs\x00", "/jobs?/health",
    "/jobs#/health", "/health\\..\\jobs", "/HEALTH", "/Health", "/health ", " /health", "/health/", "/health%20",
    "/health/jobs", "/events", "/events/", "/events/../jobs", "/ready/../organism/status", "/ready;/../jobs",
    "/jobs/../health", "\u2215jobs", "/\uff0e\uff0e/jobs", "/jobs/\U000f002f", "", "*", "http://localhost/jobs",
    "/\r\nx: y",
]  # fmt: skip


@pytest.mark.parametrize("path", TRICKS, ids=repr)
async def test_no_way_to_write_a_path_gets_past_the_roles(path: str) -> None:
    made = served(ALL_TOKENS)
    for method in ("GET", "HEAD", "POST", "DELETE", "OPTIONS"):
        answer = await asgi(made.api, method, path, piece(b"{}"), raw_path=path.encode(errors="replace"))
        assert answer.status in (401, 403, 404, 405), (method, answer.status, answer.body)
        # An event needs no token, but its key; everything else is not even looked for.
        assert answer.status == 401 or path.startswith("/events/"), method
    assert (made.part.asked, made.organs.tasks) == ([], [])


@pytest.mark.parametrize("path", TRICKS, ids=repr)
async def test_a_reader_gets_nothing_changed_by_a_path(path: str) -> None:
    made = served(ALL_TOKENS, args=MANAGED)
    for method in ("POST", "DELETE", "PUT"):
        answer = await asgi(made.api, method, path, piece(b"{}"), headers=bearer(READER))
        assert answer.status in (403, 404), (method, answer.status)
    assert (made.part.asked, made.organs.tasks) == ([], [])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"content-length", b"2"), (b"content-length", b"9999999")], 413),
        ([(b"content-length", b"-1")], 422),
        ([(b"content-length", b"2_0")], 422),
        ([(b"transfer-encoding", b"gzip, chunked")], 422),
        ([(b"transfer-encoding", b"identity"), (b"content-length", b"2")], 422),
        ([(b"content-encoding", b"gzip")], 415),
        ([(b"expect", b"100-continue")], 422),
        ([(b"te", b"trailers"), (b"trailer", b"authorization")], 422),
        ([(b"upgrade", b"h2c"), (b"connection", b"upgrade")], 422),
        ([(b"range", b"bytes=0-1")], 422),
    ],
)
async def test_what_headers_say_of_a_body_changes_nothing(headers: list[tuple[bytes, bytes]], status: int) -> None:
    """What arrives is the body; ``{}`` is no task."""
    answer = await send("POST", "/organism/execute/utility_organ_1", *headers, *bearer(EXECUTOR))
    assert answer.status == status

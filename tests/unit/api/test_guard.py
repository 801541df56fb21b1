"""What passes the guard: Host, Origin, roles, bodies. Each row is one request."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from serve_app.api.access import OpenAddress, Role, Tokens, TokensInvalid, require_safe_address
from serve_app.env import Env
from serve_app.errors import Unavailable
from serve_app.redaction import redact
from serve_app.settings import AppArgs
from tests.unit.fakes import ALL_TOKENS, ARGS, EXECUTOR, OPERATOR, READER, asgi, piece, served

NAMED = AppArgs.model_validate({**ARGS.model_dump(), "allowed_hosts": ["Ray.Example"]})
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")


@pytest.mark.parametrize(
    ("host", "passes"),
    [
        ("localhost:8000", True),
        ("127.0.0.1:8000", True),
        ("[::1]:8000", True),
        ("app.localhost", True),
        ("10.1.2.3", True),  # an address cannot be rebound
        ("ray.example", True),
        ("RAY.EXAMPLE:80", True),
        ("evil.example", False),
        ("ray.example.evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
    ],
)
@pytest.mark.parametrize("method", METHODS)
async def test_host(host: str, passes: bool, method: str) -> None:
    async with served(ALL_TOKENS, args=NAMED).client(OPERATOR) as client:
        answer = await client.request(method, "/nowhere", headers={"Host": host})
    assert (answer.status_code != 403) is passes
    if not passes and method != "HEAD":
        assert answer.json()["code"] == "host_not_allowed"


@pytest.mark.parametrize("host", ["", "a b", "localhost:port", "user@localhost", "localhost/", "[::1", "a\tb"])
async def test_a_host_that_is_none(host: str) -> None:
    async with served().client() as client:
        assert (await client.get("/jobs", headers={"Host": host})).status_code == 400


async def test_two_hosts_are_none() -> None:
    async with served().client() as client:
        answer = await client.get("/jobs", headers=[("Host", "localhost"), ("Host", "localhost")])
    assert answer.status_code == 400


ALIVE = b'{"status":"alive"}'


@pytest.mark.parametrize(
    ("method", "path", "headers", "answered"),
    [
        ("GET", "/health", [(b"host", b"localhost")], (200, ALIVE)),
        ("HEAD", "/health", [(b"host", b"localhost")], (200, b"")),
        ("OPTIONS", "/health", [(b"host", b"localhost")], (200, ALIVE)),
        ("GET", "/health", [], (200, ALIVE)),  # HTTP/1.0
        ("OPTIONS", "/ready", [], (503, None)),
        ("HEAD", "/ready", [], (503, b"")),
        # A page whose name was rebound to us learns no more than who opens a connection.
        ("GET", "/health", [(b"host", b"balancer.example")], (200, b"")),
        ("OPTIONS", "/health", [(b"host", b"balancer.example")], (200, b"")),
        ("GET", "/health", [(b"host", b"a b")], (200, b"")),
        ("GET", "/ready", [(b"host", b"balancer.example")], (503, b"")),
        ("GET", "/health", [(b"host", b"balancer.example"), (b"origin", b"http://evil.example")], (403, b"")),
        ("POST", "/health", [(b"host", b"balancer.example")], (403, None)),
        ("POST", "/health", [(b"host", b"localhost")], (405, None)),
        ("OPTIONS", "/jobs", [(b"host", b"localhost")], (405, None)),
        ("GET", "/jobs", [], (400, None)),
    ],
)
async def test_who_probes(
    method: str, path: str, headers: list[tuple[bytes, bytes]], answered: tuple[int, bytes | None]
) -> None:
    credentials = (b"authorization", f"Bearer {OPERATOR}".encode())
    api = served(ALL_TOKENS, ping=Unavailable("Not now.")).api
    answer = await asgi(api, method, path, piece(b""), headers=[*headers, credentials], hosts=[])
    assert (answer.status, answered[1] if answered[1] is None else answer.body) == answered
    if answered[1] is not None and method != "HEAD":
        assert dict(answer.headers)[b"content-length"] == str(len(answered[1])).encode()


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"Origin": "http://localhost:8000"}, True),
        ({"Origin": "https://localhost:8000", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://localhost:9000"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
    ],
)
@pytest.mark.parametrize("method", METHODS)
async def test_origin(headers: dict[str, str], passes: bool, method: str) -> None:
    async with served().client() as client:
        answer = await client.request(method, "/health", headers=headers)
    assert (answer.status_code != 403) is passes


ROUTES = [
    ("GET", "/health", None),
    ("GET", "/ready", None),
    ("GET", "/organism/status", Role.READER),
    ("GET", "/organism/summary", Role.READER),
    ("GET", "/jobs", Role.READER),
    ("GET", "/jobs/current", Role.READER),
    ("GET", "/ray/status", Role.READER),
    ("GET", "/cluster/resources", Role.READER),
    ("GET", "/cluster/nodes", Role.READER),
    ("GET", "/cluster/actors", Role.READER),
    ("GET", "/report", Role.READER),
    ("GET", "/openapi.json", Role.READER),
    ("GET", "/docs", Role.READER),
    ("GET", "/nowhere", Role.READER),
    ("POST", "/organism/execute", Role.EXECUTOR),
    ("POST", "/organism/execute/random", Role.EXECUTOR),
    ("POST", "/organism/execute/utility_organ_1", Role.EXECUTOR),
    ("POST", "/organism/initialize", Role.OPERATOR),
    ("POST", "/nowhere", Role.OPERATOR),
    ("DELETE", "/jobs", Role.OPERATOR),
]
CALLERS: list[tuple[str | None, Role | None]] = [
    (None, None),
    ("wrong-token-0123456789", None),
    (READER, Role.READER),
    (EXECUTOR, Role.EXECUTOR),
    (OPERATOR, Role.OPERATOR),
]


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
@pytest.mark.parametrize(("token", "role"), CALLERS)
async def test_roles_with_tokens(
    method: str, path: str, needed: Role | None, token: str | None, role: Role | None
) -> None:
    async with served(ALL_TOKENS).client(token, client="192.168.7.7") as client:
        answer = await client.request(method, path, json={"type": "task.plan"} if method == "POST" else None)
    if needed is None or (role is not None and role >= needed):
        assert answer.status_code not in (401, 403)
    elif role is None:
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    else:
        assert answer.status_code == 403


@pytest.mark.parametrize(("method", "path", "needed"), ROUTES)
@pytest.mark.parametrize(
    ("client_address", "local"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("10.0.0.5", True),
        ("10.0.0.6", False),
        ("8.8.8.8", False),
    ],
)
async def test_roles_without_tokens(
    method: str, path: str, needed: Role | None, client_address: str, local: bool
) -> None:
    async with served().client(client=client_address) as client:
        answer = await client.request(method, path, json={"type": "task.plan"} if method == "POST" else None)
    allowed = needed is None or (local and needed < Role.OPERATOR)
    assert (answer.status_code != 403) is allowed
    if local and needed is Role.OPERATOR:
        assert "SEEDCORE_OPERATOR_TOKEN" in answer.json()["detail"]


async def test_without_a_client_address_nothing_is_assumed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/jobs", "headers": [(b"host", b"localhost")], "client": None}
    await served().api(scope, None, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 403


def test_tokens_are_never_shown() -> None:
    env = Env(home="/nowhere", operator_token=OPERATOR)  # type: ignore[arg-type]
    assert OPERATOR not in repr(env) + str(env) + repr(ALL_TOKENS)


@pytest.mark.parametrize(
    ("variables", "file", "sentence"),
    [
        ({"SEEDCORE_READER_TOKEN": "short"}, None, "SEEDCORE_READER_TOKEN: a token has fewer than 16 characters."),
        (
            {"SEEDCORE_READER_TOKEN": READER, "SEEDCORE_OPERATOR_TOKEN": READER},
            None,
            "SEEDCORE_OPERATOR_TOKEN: the same token is given to two roles.",
        ),
        ({}, "absent", "SEEDCORE_TOKENS_FILE: the file cannot be read."),
        ({}, "[", "SEEDCORE_TOKENS_FILE: the file is not YAML."),
        (
            {},
            "admin: [x]",
            "SEEDCORE_TOKENS_FILE: expected a mapping of reader, executor, operator to lists of tokens, or of names "
            "to {role, token}.",
        ),
        ({}, "reader: x", "SEEDCORE_TOKENS_FILE: reader is not a list of strings."),
        ({}, "reader: [short]", "SEEDCORE_TOKENS_FILE: a token has fewer than 16 characters."),
        (
            {"SEEDCORE_READER_TOKEN": f"{READER}\n"},
            None,
            "SEEDCORE_READER_TOKEN: a token has a space, a line end or a character that is not ASCII.",
        ),
        (
            {},
            "operator: [tökén-0123456789abc]",
            "SEEDCORE_TOKENS_FILE: a token has a space, a line end or a character that is not ASCII.",
        ),
    ],
)
def test_tokens_that_are_refused(variables: dict[str, str], file: str | None, sentence: str, tmp_path: Any) -> None:
    path = tmp_path / "tokens.yaml"
    if file is not None:
        variables = {**variables, "SEEDCORE_TOKENS_FILE": str(path)}
        if file != "absent":
            path.write_text(file)
    with pytest.raises(TokensInvalid) as refused:
        Tokens.load(Env.read({**variables, "SEEDCORE_HOME": str(tmp_path)}))
    assert str(refused.value) == sentence


def test_a_file_may_have_several_tokens_for_a_role(tmp_path: Any) -> None:
    path = tmp_path / "tokens.yaml"
    path.write_text(f"reader: [{READER}, another-reader-token]\noperator: [{OPERATOR}]\n")
    tokens = Tokens.load(Env(home=tmp_path, tokens_file=path))
    roles = [tokens.find_role(token) for token in (READER, "another-reader-token", OPERATOR, EXECUTOR)]
    assert roles == [Role.READER, Role.READER, Role.OPERATOR, None]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.com", "", None])
def test_an_open_or_unknown_address_needs_tokens(host: str | None) -> None:
    with pytest.raises(OpenAddress, match="SEEDCORE_OPERATOR_TOKEN"):
        require_safe_address(host, Tokens())
    require_safe_address(host, ALL_TOKENS)


@pytest.mark.parametrize(
    ("host", "deployed", "begins"),
    [
        (None, "127.0.0.1", "Serve listens on an address that could not be learned; and no token is configured."),
        ("0.0.0.0", None, "Serve runs here with host 0.0.0.0, which other machines can reach; and no token"),
        ("0.0.0.0", "0.0.0.0", "Serve runs here with host 0.0.0.0, which other machines can reach; and no token"),
        (
            "0.0.0.0",
            "127.0.0.1",
            "Serve runs here already with host 0.0.0.0, which other machines can reach, though the file says "
            "127.0.0.1; and no token is configured.",
        ),
    ],
)
def test_what_listens_openly_is_told_as_it_is(host: str | None, deployed: str | None, begins: str) -> None:
    with pytest.raises(OpenAddress) as refused:
        require_safe_address(host, Tokens(), deployed)
    # As Serve quotes it: what is redacted of a message must not be this.
    last_line = f"{OpenAddress.__module__}.{OpenAddress.__qualname__}: {refused.value}"
    assert redact(last_line) == last_line
    assert str(refused.value).startswith(begins)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_none(host: str) -> None:
    require_safe_address(host, Tokens())


BODIES = [
    (b"", 422),
    (b"   ", 422),
    (b"{", 400),
    (b"nul", 400),
    (b"\xff\xfe", 400),
    (b'{"type": NaN}', 400),
    (b'{"type": Infinity}', 400),
    (b'{"type": "a", "parameters": {"x": 1e400}}', 400),
    (b'{"type": "a", "parameters": {"x": -1e400}}', 400),
    (b'{"type": "\\ud800"}', 400),
    (b'{"type": "a\\u0000"}', 400),
    (b'{"type": "a", "parameters": {"\\u0000": 1}}', 400),
    (b'{"type": "a", "parameters": {"x": ' + b"1" * 5000 + b"}}", 400),
    (b'{"type": "a", "parameters": ' + b'{"a":' * 62 + b"1" + b"}" * 62 + b"}", 200),
    (b'{"type": "a", "parameters": ' + b'{"a":' * 64 + b"1" + b"}" * 64 + b"}", 400),
    (b"[" * 100_000, 400),
    (b"[" * 100_000 + b"]" * 100_000, 400),
    (b"[]", 422),
    (b'"text"', 422),
    (b"5", 422),
    (b"null", 422),
    (b"{}", 422),
    (b'{"type": 5}', 422),
    (b'{"type": ""}', 422),
    (b'{"type": "' + b"a" * 129 + b'"}', 422),
    (b'{"type": "a", "parameters": []}', 422),
    (b'{"type": "a", "task_id": "no spaces"}', 422),
    (b'{"type": "a", "timeout_s": 0}', 422),
    (b'{"type": "a", "timeout_s": 301}', 422),
    (b'{"type": "a", "no_such_key": 1}', 422),
    (b'{"task_data": 5}', 422),
    (b'{"task_data": {}}', 422),
    (b'{"task_data": {"type": "a", "id": 7, "history": []}}', 200),
    (b'{"x": "' + b"a" * 1_048_576 + b'"}', 413),
]


@pytest.mark.parametrize(("body", "status"), BODIES, ids=[f"{row[0][:24]!r}" for row in BODIES])
async def test_body(body: bytes, status: int) -> None:
    async with served().client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", content=body)
    assert answer.status_code == status
    if status != 200:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["success"] is False


async def test_a_body_in_pieces_is_bounded_too() -> None:
    async def pieces() -> Any:
        for _ in range(100):
            yield b"x" * 65_536

    async with served().client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", content=pieces())
    assert answer.status_code == 413


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=200)
    | st.recursive(st.none() | st.text() | st.floats() | st.integers(), st.lists).map(lambda v: json.dumps(v).encode())
)
async def test_no_body_is_an_internal_error(body: bytes) -> None:
    async with served().client() as client:
        answer = await client.post("/organism/execute/utility_organ_1", content=body)
    assert answer.status_code in (200, 400, 422)


async def test_a_canary_is_in_no_answer_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    canary = "canary-3f9d81-secret"
    requests: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/organism/execute/utility_organ_1", {"content": b'{"type": "' + canary.encode()}),
        ("POST", "/organism/execute/utility_organ_1", {"json": {"type": "x", "timeout_s": canary}}),
        ("GET", "/jobs", {"params": {"limit": canary}}),
        ("GET", "/jobs", {"headers": {"Authorization": f"Bearer {canary}"}}),
        ("GET", "/jobs", {"headers": {"Origin": f"http://{canary}"}}),
        ("GET", "/jobs", {"headers": {"Cookie": canary, "X-Request-Id": canary}}),
    ]
    async with served(ALL_TOKENS).client(OPERATOR) as client:
        for method, path, arguments in requests:
            answer = await client.request(method, path, **arguments)
            assert canary not in answer.text + str(answer.headers)
    ours = [record for record in caplog.records if not record.name.startswith("httpx")]
    assert canary not in "".join(record.getMessage() for record in ours)

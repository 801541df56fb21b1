"""What every request passes before any route, whatever its method: Host, Origin, role, and a bounded body.

A pure ASGI middleware, because it is on the way of every task.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.access import Role, Tokens, is_loopback
from serve_app.errors import (
    AppError,
    BadRequest,
    BodyTooLarge,
    Forbidden,
    NotAuthenticated,
    RequestTimeout,
)
from serve_app.problems import problem
from serve_app.settings import variable_of

BODY_TIMEOUT_S = 10.0
_OPEN = frozenset({"/health", "/ready"})
_HOST = re.compile(r"^(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?$")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
# The interactive documentation loads its script and style from where FastAPI says.
_DOCUMENTATION = frozenset({"/docs", "/redoc"})


class Guard:
    """Wraps the API; answers a problem document instead of passing on what must not pass."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: Tokens,
        allowed_hosts: frozenset[str],
        local_addresses: frozenset[str],
        max_body_bytes: int,
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._local_addresses = local_addresses
        self._max_body_bytes = max_body_bytes
        self._known_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._other(scope, receive, send)
            return
        try:
            headers = _single(scope["headers"])
            host = self._check_host(headers.get(b"host"))
            _check_origin(headers, host)
            self._check_role(scope, headers)
            if scope["method"] not in _SAFE:
                receive = await self._bounded(headers, receive)
        except AppError as error:
            await problem(error)(scope, receive, _decorated(send, scope["path"]))
            return
        if scope["method"] == "HEAD":
            # The same as GET without the body (RFC 9110), so that no route has to think of it.
            scope, send = {**scope, "method": "GET"}, _without_body(send)
        await self._app(scope, receive, _decorated(send, scope["path"]))

    async def _other(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _check_host(self, host: bytes | None) -> bytes:
        """A rebound name is still a name: addresses and localhost are safe, other names must be configured."""
        if host is None:
            raise BadRequest("The request has no Host header, or several.")
        if host in self._known_hosts:
            return host
        match = _HOST.match(host.decode("latin-1"))
        if match is None:
            raise BadRequest("The Host header cannot be understood.")
        name = match["name"].lower().rstrip(".")
        if not (
            _is_address(name.strip("[]"))
            or name == "localhost"
            or name.endswith(".localhost")
            or name in self._allowed_hosts
        ):
            raise Forbidden(
                "This host name is not configured; add it to args.allowed_hosts in serve_config.yaml.",
                code="host_not_allowed",
            )
        if len(self._known_hosts) < 100:
            self._known_hosts.add(host)
        return host

    def _check_role(self, scope: Scope, headers: dict[bytes, bytes]) -> None:
        path = scope["path"]
        if path in _OPEN:
            return
        needed = role_needed(scope["method"], path)
        if not self._tokens.configured:
            self._check_without_tokens(scope, needed)
            return
        scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        role = self._tokens.role_of(token.strip()) if scheme.lower() == "bearer" and token else None
        if role is None:
            raise NotAuthenticated("A valid bearer token is needed.")
        if role < needed:
            raise Forbidden(f"This needs the role {needed.name.lower()}; the token has the role {role.name.lower()}.")

    def _check_without_tokens(self, scope: Scope, needed: Role) -> None:
        client = scope.get("client")
        address = client[0] if client else ""
        if not (is_loopback(address) or address in self._local_addresses):
            raise Forbidden(
                f"Without tokens only this machine is answered; set {variable_of('reader_token')} and others.",
                code="tokens_needed",
            )
        if needed is Role.OPERATOR:
            raise Forbidden(
                f"Operator routes are off until {variable_of('operator_token')} is set in the environment of the Ray "
                "nodes (before `make up` or `ray start`); then send it as a bearer token.",
                code="operator_off",
            )

    async def _bounded(self, headers: dict[bytes, bytes], receive: Receive) -> Receive:
        """Read the whole body here, so that size and time are bounded whatever the route does with it."""
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            raise self._too_large()
        first = await _within(receive)
        if first["type"] != "http.request" or not first.get("more_body"):
            if len(first.get("body", b"")) > self._max_body_bytes:
                raise self._too_large()
            return _replay(first, receive)
        body, more = bytearray(first.get("body", b"")), True
        deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT_S
        while more:
            if len(body) > self._max_body_bytes:
                raise self._too_large()
            message = await _within(receive, deadline - asyncio.get_running_loop().time())
            body += message.get("body", b"")
            more = message["type"] == "http.request" and message.get("more_body", False)
        if len(body) > self._max_body_bytes:
            raise self._too_large()
        return _replay({"type": "http.request", "body": bytes(body), "more_body": False}, receive)

    def _too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The body is longer than {self._max_body_bytes} bytes.")


def role_needed(method: str, path: str) -> Role:
    """The role for a request; what is unknown and changes something needs the highest."""
    if method in _SAFE:
        return Role.READER
    if method == "POST" and (path == "/organism/execute" or path.startswith("/organism/execute/")):
        return Role.EXECUTOR
    return Role.OPERATOR


def _single(raw: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Headers by lower-case name; a Host given twice counts as none."""
    headers: dict[bytes, bytes] = {}
    hosts = 0
    for name, value in raw:
        hosts += name == b"host"
        headers[name] = value
    if hosts > 1:
        del headers[b"host"]
    return headers


def _check_origin(headers: dict[bytes, bytes], host: bytes) -> None:
    origin = headers.get(b"origin")
    if origin is not None and origin.lower() not in (b"http://" + host.lower(), b"https://" + host.lower()):
        raise Forbidden("Requests of web pages of another origin are not answered.", code="origin_not_allowed")
    if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site"):
        raise Forbidden("Requests of web pages of another site are not answered.", code="origin_not_allowed")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _within(receive: Receive, timeout_s: float = BODY_TIMEOUT_S) -> Message:
    try:
        async with asyncio.timeout(max(0.0, timeout_s)):
            return await receive()
    except TimeoutError:
        raise RequestTimeout(f"The body did not arrive within {BODY_TIMEOUT_S:g} s.") from None


def _replay(first: Message, receive: Receive) -> Receive:
    pending = [first]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def _decorated(send: Send, path: str) -> Callable[[Message], Awaitable[Any]]:
    added = _HEADERS[:3] if path in _DOCUMENTATION else _HEADERS

    async def decorated(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return decorated


def _without_body(send: Send) -> Send:
    async def bodiless(message: Message) -> None:
        if message["type"] == "http.response.body":
            if message.get("more_body"):
                return
            message = {"type": "http.response.body", "body": b""}
        await send(message)

    return bodiless

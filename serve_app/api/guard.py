"""What every request passes before any route, whatever its method: Host, Origin, role, and a bounded body.

A pure ASGI middleware, because it is on the way of every task.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.api.access import Role, TokenOwner, TokenSource, is_loopback
from serve_app.api.headers import AUTHORIZATION, check_origin, list_forwarded, require_json, select_single
from serve_app.api.limits import Limits, Use, add_to_state, identify
from serve_app.api.problems import answer_problem, answer_unexpected
from serve_app.env import get_variable
from serve_app.errors import (
    AppError,
    BadRequest,
    BodyTooLarge,
    Forbidden,
    NotAuthenticated,
    RequestTimeout,
)
from serve_app.redaction import redact
from serve_app.route_path import keep_slashes_of_ids, strip_route_prefix

log = logging.getLogger("ray.serve.seedcore")

BODY_TIMEOUT_S = 10.0
# Ray's event export can send no token; the route compares the key that is part of its path.
_WITH_KEY = "/events/"
_WITH_IDS = "/jobs/"
_OPEN = frozenset({"/health", "/ready"})
_HOST = re.compile(r"^(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::[0-9]{1,5})?$")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LENGTH = b"content-length"
_MOST_PATH_CHARS = 200
_NO_LENGTH = (_LENGTH, b"0")
_POLICY = b"content-security-policy"
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (_POLICY, b"default-src 'none'; frame-ancestors 'none'"),
]
# The interactive documentation: a script and a style from where FastAPI says, a few lines of its own, our document.
_DOCUMENTATION = {
    "/docs": [
        *_HEADERS[:3],
        (
            _POLICY,
            b"default-src 'none'; script-src https://cdn.jsdelivr.net 'unsafe-inline'; "
            b"style-src https://cdn.jsdelivr.net 'unsafe-inline'; img-src https://fastapi.tiangolo.com data:; "
            b"connect-src 'self'; frame-ancestors 'none'",
        ),
    ]
}
# A longer number is too large whatever it is, and Python refuses to read one of thousands of digits.
_MOST_DIGITS = 18


class Guard:
    """Wraps the API; answers a problem document instead of passing on what must not pass.

    ``tokens`` tell who has a bearer token, or none; roles are ordered, each includes those below it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        tokens: TokenSource,
        allowed_hosts: frozenset[str],
        local_addresses: frozenset[str],
        max_body_bytes: int,
        limits: Limits,
        body_timeout_s: float = BODY_TIMEOUT_S,
    ) -> None:
        self._app = app
        self._tokens = tokens
        self._allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        self._local_addresses = local_addresses
        self._max_body_bytes = max_body_bytes
        self._limits = limits
        self._body_timeout_s = body_timeout_s
        self._known_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._forward_other(scope, receive, send)
            return
        method, path = scope["method"], strip_route_prefix(scope)
        answer = _Answer(send, _DOCUMENTATION.get(path, _HEADERS), bodiless=method == "HEAD")
        use = Use(self._limits)
        try:
            receive = await self._admit(scope, path, receive, answer, use)
            add_to_state(scope, use)
            if method == "HEAD" or (method == "OPTIONS" and path in _OPEN):
                # The same as GET without the body (RFC 9110), so that no route has to think of it. Load balancers
                # probe with OPTIONS, too.
                scope = {**scope, "method": "GET"}
            await self._app(keep_slashes_of_ids(scope) if path.startswith(_WITH_IDS) else scope, receive, answer)
        except _HeadAnswered:
            # The end was told with the headers; what would still send a body, perhaps for minutes, is ended by this.
            return
        except AppError as error:
            if answer.begun:
                raise
            await _send_problem(answer_problem(error), scope, receive, answer)
        except Exception as error:  # the last resort, here so that its answer too has the headers of all others
            if answer.begun:
                raise
            await _send_problem(answer_unexpected(method, path, error), scope, receive, answer)
        finally:
            use.close()

    async def _admit(self, scope: Scope, path: str, receive: Receive, answer: _Answer, use: Use) -> Receive:
        """Raise for what must not pass; otherwise what gives the application the body."""
        headers = select_single(scope["headers"])
        if path in _OPEN and scope["method"] in _SAFE:
            host = self._check_prober(headers, answer)
        else:
            host = self._check_host(headers.get(b"host"))
        check_origin(headers, host)
        self._check_role(scope, path, headers)
        if find_role_needed(scope["method"], path) is not None:
            use.count_request(identify(headers) if self._tokens.current.configured else b"")
        if scope["method"] in _SAFE:
            return receive
        return await self._read_bounded(headers, receive, use)

    async def _forward_other(self, scope: Scope, receive: Receive, send: Send) -> None:
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

    def _check_prober(self, headers: dict[bytes, bytes], answer: _Answer) -> bytes:
        """Who asks whether we live may name any host, or, in HTTP/1.0, none. A name that we do not know may be a web
        page's that was rebound to us: it gets the status alone."""
        if b"host" not in headers:
            return b""
        try:
            return self._check_host(headers[b"host"])
        except AppError:
            answer.withholds = True
            return headers[b"host"]

    def _check_role(self, scope: Scope, path: str, headers: dict[bytes, bytes]) -> None:
        needed = find_role_needed(scope["method"], path)
        if needed is None:
            return
        tokens = self._tokens.current
        if not tokens.configured:
            self._check_without_tokens(scope, headers, needed)
            return
        scheme, _, token = headers.get(AUTHORIZATION, b"").decode("latin-1").partition(" ")
        caller = tokens.find_caller(token.strip() if scheme.lower() == "bearer" else None)
        if caller is None:
            raise NotAuthenticated("A valid bearer token is needed.")
        if caller.role < needed:
            raise Forbidden(f"This needs the role {needed.name.lower()}; {_describe_caller(caller)}.")
        if needed is Role.OPERATOR:
            _record_action(scope["method"], path, caller)

    def _check_without_tokens(self, scope: Scope, headers: dict[bytes, bytes], needed: Role) -> None:
        client = scope.get("client")
        addresses = [client[0] if client else "", *list_forwarded(headers)]
        if not all(is_loopback(address) or address in self._local_addresses for address in addresses):
            raise Forbidden(
                f"Without tokens only this machine is answered; set {get_variable('reader_token')} and others.",
                code="tokens_needed",
            )
        if needed is Role.OPERATOR:
            raise Forbidden(
                f"Operator routes are off until {get_variable('operator_token')} is set in the environment of the Ray "
                "nodes (before `make up` or `ray start`); then send it as a bearer token.",
                code="operator_off",
            )

    async def _read_bounded(self, headers: dict[bytes, bytes], receive: Receive, use: Use) -> Receive:
        """Read the whole body here, so that size and time are bounded whatever the route does with it."""
        encoding = headers.get(b"content-encoding", b"identity").decode("latin-1").strip()
        if encoding.lower() not in ("identity", ""):
            raise _refuse_encoding(encoding)
        declared = headers.get(b"content-length", b"0")
        if declared.isdigit() and (len(declared) > _MOST_DIGITS or int(declared) > self._max_body_bytes):
            raise self._refuse_too_large()
        try:
            async with asyncio.timeout(self._body_timeout_s):
                body = await self._read_whole_body(receive, use)
        except TimeoutError:
            raise RequestTimeout(f"The body did not arrive within {self._body_timeout_s:g} s.") from None
        if body:
            require_json(headers)
        return _replay({"type": "http.request", "body": body, "more_body": False}, receive)

    async def _read_whole_body(self, receive: Receive, use: Use) -> bytes:
        """Half a request is none: what it asks for must not be done when its caller has gone."""
        pieces, size, more = [], 0, True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise BadRequest("The caller went away before the body was complete.", code="incomplete_body")
            piece = message.get("body", b"")
            size += len(piece)
            if size > self._max_body_bytes:
                raise self._refuse_too_large()
            use.hold(len(piece))
            pieces.append(piece)
            more = message.get("more_body", False)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _refuse_too_large(self) -> BodyTooLarge:
        return BodyTooLarge(f"The body is longer than {self._max_body_bytes} bytes.")


async def _send_problem(problem: ASGIApp, scope: Scope, receive: Receive, answer: _Answer) -> None:
    with contextlib.suppress(_HeadAnswered):
        await problem(scope, receive, answer)


def _refuse_encoding(encoding: str) -> BadRequest:
    """No class of its own: it is raised here alone, and a replica of the version before would not know it."""
    detail = f"The body is encoded ({encoding[:40]}); send it as it is, without Content-Encoding."
    error = BadRequest(detail, code="encoding_not_read")
    error.status, error.title = 415, "Unsupported media type"
    return error


def find_role_needed(method: str, path: str) -> Role | None:
    """The role for a request, None when everyone may; what is unknown and changes something needs the highest."""
    if path in _OPEN or (method == "POST" and path.startswith(_WITH_KEY)):
        return None
    if method in _SAFE:
        return Role.READER
    if method == "POST" and (path == "/organism/execute" or path.startswith("/organism/execute/")):
        return Role.EXECUTOR
    return Role.OPERATOR


def _describe_caller(caller: TokenOwner) -> str:
    role = caller.role.name.lower()
    whose = "" if caller.name == role else f" of {caller.name}"
    return f"the token{whose} has the role {role}"


def _record_action(method: str, path: str, caller: TokenOwner) -> None:
    """Who asked for what changes something. Its outcome is the request's own, in what Serve logs of it."""
    extra = {"action": "operator_request", "caller": caller.name, "role": caller.role.name.lower()}
    log.info("%s asks for %s %s", caller.name, method, redact(path[:_MOST_PATH_CHARS]), extra=extra)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _replay(first: Message, receive: Receive) -> Receive:
    pending = [first]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay


class _HeadAnswered(Exception):
    """The headers of a HEAD are sent, and with them its answer has ended."""


class _Answer:
    """``send`` with the headers that every answer has; it knows whether the answer has begun.

    ``withholds``: status and headers are answered, and an empty body.
    """

    __slots__ = ("_added", "_bodiless", "_send", "begun", "withholds")

    def __init__(self, send: Send, added: list[tuple[bytes, bytes]], *, bodiless: bool) -> None:
        self._send = send
        self._added = added
        self._bodiless = bodiless
        self.begun = False
        self.withholds = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            headers = list(message.get("headers", ()))
            # A page that has a policy of its own keeps it: a browser would enforce both, and ours forbids its style.
            own = any(name == _POLICY for name, _ in headers)
            headers += [pair for pair in self._added if not own or pair[0] != _POLICY]
            if self.withholds:
                headers = [_NO_LENGTH if pair[0] == _LENGTH else pair for pair in headers]
            message["headers"] = headers
            await self._send(message)
            if self._bodiless:
                # At once: a stream may be silent for minutes, and who asked takes the connection for free.
                await self._send({"type": "http.response.body", "body": b""})
                raise _HeadAnswered
            return
        await self._send({**message, "body": b""} if self.withholds else message)

"""``Idempotency-Key``: a request that is sent again under the same key is answered as the first, and not done again.

Below the guard, which has told who may what and read the body in one piece. The key is kept for each caller and route;
the answer for 24 hours (``store.requests``). Every other request that changes something gets a key of its own, which
goes with it wherever a part is asked again because a replica was lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
import uuid
from typing import Any, Protocol

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.errors import AppError, Conflict, InvalidInput
from serve_app.route_path import strip_route_prefix

HEADER = b"idempotency-key"
# Where routes find the key of a request that changes something.
SCOPE_KEY = "seedcore.request"
_REPLAYED = (b"idempotency-replayed", b"true")
_KEY = re.compile(rb"[\x21-\x7e]{1,200}")
_MOST_ANSWER_BYTES = 60_000
# Three times before the store takes it for left (`store.requests.answers.LEASE_S`).
_RENEWED_EVERY_S = 10.0
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
# Ray's events say the same as often as they come, and send no key.
_EVENTS = "/events/"
# What was not done, or may not have been: it may be sent again, and what it does in the store is done once.
_NOT_KEPT = frozenset({408, 429})


class RequestStore(Protocol):
    """What is asked of the store."""

    async def begin_request(self, key: str, digest: str) -> dict[str, Any]: ...

    async def renew_request(self, key: str) -> None: ...

    async def finish_request(self, key: str, status: int | None, answer: str | None) -> None: ...


def has_request_key(method: str, path: str) -> bool:
    """Whether such a request may have a key: it changes something."""
    return method not in _SAFE and not path.startswith(_EVENTS)


def get_request_key(scope: Scope) -> str:
    """The key of a request that changes something: that of its caller, or one of its own."""
    return str(scope.get(SCOPE_KEY) or f"own:{uuid.uuid4().hex}")


def name_job(scope: Scope) -> str | None:
    """The id of a job that is submitted under a key of the caller, always the same; None without one."""
    key = scope.get(SCOPE_KEY)
    return None if key is None else f"job-{_digest(str(key).encode())[:16]}"


class Once:
    """Wraps what answers requests."""

    def __init__(self, app: ASGIApp, *, requests: RequestStore) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request; raises ``InvalidInput``, ``Conflict`` and what the store raises, for a key alone."""
        if scope["type"] != "http" or not has_request_key(scope["method"], strip_route_prefix(scope)):
            await self._app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == HEADER]
        if not given:
            await self._app(scope, receive, send)
            return
        if len(given) > 1 or not _KEY.fullmatch(given[0]):
            raise InvalidInput("Idempotency-Key must be given once, as 1 to 200 printable ASCII characters.")
        first = await receive()
        key = _compute_key(scope, given[0])
        begun = await self._requests.begin_request(key, _digest(scope["query_string"], first.get("body", b"")))
        await self._answer({**scope, SCOPE_KEY: key}, _replay(first, receive), send, key, begun)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, key: str, begun: dict[str, Any]) -> None:
        if begun["state"] == "other":
            raise Conflict("This Idempotency-Key was used for another request.", code="idempotency_key_reused")
        if begun["state"] == "running":
            detail = "The request with this Idempotency-Key is being done; send it again for its answer."
            raise Conflict(detail, code="idempotency_in_progress")
        if begun["state"] == "done" and begun["answer"] is None:
            detail = "The request with this Idempotency-Key was done; its answer was too long to be kept."
            raise Conflict(detail, code="idempotency_answer_not_kept")
        if begun["state"] == "done":
            await _send_again(send, begun)
            return
        kept = _Kept(send)
        status = None
        renewing = asyncio.create_task(self._renew(key))
        try:
            await self._app(scope, receive, kept)
            status = kept.status
        except AppError as error:
            # Raised above the routes: nothing was done.
            status = None if error.status >= 500 else error.status
            raise
        finally:
            renewing.cancel()
            await self._finish(key, status, kept)

    async def _renew(self, key: str) -> None:
        """Say that it is at work, so that a long one is not begun by who sends it again."""
        while True:
            await asyncio.sleep(_RENEWED_EVERY_S)
            with contextlib.suppress(AppError):
                await self._requests.renew_request(key)

    async def _finish(self, key: str, status: int | None, kept: _Kept) -> None:
        done = status is not None and status < 500 and status not in _NOT_KEPT
        answer = kept.render() if done else None
        # The answer is on its way. Not kept, it leaves the request at work, until its time is over.
        with contextlib.suppress(AppError):
            await self._requests.finish_request(key, status if done else None, answer)


class _Kept:
    """``send`` that keeps what was sent, as far as it is not too much."""

    def __init__(self, send: Send) -> None:
        self.status: int | None = None
        self._send = send
        self._media_type = "application/json"
        self._body: list[bytes] = []

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            named = {name.lower(): value for name, value in message.get("headers", ())}
            self._media_type = named.get(b"content-type", b"application/json").decode("latin-1")
        else:
            self._body.append(message.get("body", b""))
        await self._send(message)

    def render(self) -> str | None:
        """Media type and body, as they are kept; None for what is too much or no text."""
        body = b"".join(self._body)
        try:
            return f"{self._media_type}\n{body.decode()}" if len(body) <= _MOST_ANSWER_BYTES else None
        except UnicodeDecodeError:
            return None


async def _send_again(send: Send, begun: dict[str, Any]) -> None:
    media_type, _, text = str(begun["answer"] or "").partition("\n")
    body = text.encode()
    headers = [
        (b"content-type", (media_type or "application/json").encode("latin-1")),
        (b"content-length", str(len(body)).encode()),
        _REPLAYED,
    ]
    await send({"type": "http.response.start", "status": int(begun["status"]), "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _compute_key(scope: Scope, given: bytes) -> str:
    """Of whom, to which route, under which key; what a token is cannot be told from it."""
    caller = b"\n".join(value for name, value in scope["headers"] if name == b"authorization")
    return f"key:{_digest(caller, scope['method'].encode(), scope['path'].encode(), given)}"


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _replay(first: Message, receive: Receive) -> Receive:
    pending = [first]

    async def replay() -> Message:
        return pending.pop() if pending else await receive()

    return replay

"""HTTP to Ray's dashboard: one session, a deadline on each question, a bound on each answer.

Raises ``Unavailable`` (code ``ray_unavailable``) when nobody answers in time, ``NotFound`` for 404, ``UpstreamFailed``
for any other refusal.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Self

import aiohttp

from serve_app.cluster.private import UnknownRay, build_dashboard_headers, find_dashboard_address
from serve_app.cluster.rows import DETAIL_CHARS
from serve_app.errors import NotFound, Unavailable, UpstreamFailed
from serve_app.redaction import redact_end

MAX_BYTES = 64 * 1024 * 1024
CHUNK_BYTES = 65_536

Place = tuple[str | None, dict[str, str]]
# A value that is a list is sent as the same parameter several times.
Params = Mapping[str, str | list[str]]


class DashboardTransport:
    """The way to one Ray dashboard. The session opens with the first question, in the loop that asks it.

    ``question_count`` counts the questions since the start.
    """

    def __init__(
        self,
        address: str | None,
        timeout_s: float,
        headers: Mapping[str, str] | None = None,
        *,
        locate: Callable[[], Place] | None = None,
        connector: Callable[[], aiohttp.BaseConnector] | None = None,
    ) -> None:
        """``locate`` is asked, in a thread, while the address is not known and again after nobody answered there.

        ``connector`` makes the way to the dashboard, when it is not plain TCP.
        """
        self.timeout_s = timeout_s
        self._place: Place | None = None if address is None else (address.rstrip("/"), dict(headers or {}))
        self._locate = locate
        self._connector = connector
        self._locating: asyncio.Task[Place] | None = None
        self._session: aiohttp.ClientSession | None = None
        self.question_count = 0

    @classmethod
    def build_for_this_cluster(cls, timeout_s: float) -> Self:
        """A client of the cluster in which the calling replica runs."""
        return cls(None, timeout_s, locate=_find_cluster)

    async def close(self) -> None:
        """Close the session; a later question opens a new one."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get_json(self, path: str, params: Params | None = None) -> Any:
        """JSON of a GET."""
        return await self._ask("GET", path, params=params)

    async def get_text(self, path: str, params: Mapping[str, str]) -> tuple[int, str]:
        """Status and text of a GET whose refusals say something, and are no JSON."""
        status, text = await self._fetch("GET", path, params=params)
        return status, text.decode(errors="replace")

    async def post_json(self, path: str, body: Any, timeout_s: float | None = None, hidden: Sequence[str] = ()) -> Any:
        """JSON of the answer to a POST; no refusal repeats what is ``hidden``."""
        return await self._ask("POST", path, body=body, timeout_s=timeout_s, hidden=hidden)

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Any = None,
        timeout_s: float | None = None,
        hidden: Sequence[str] = (),
    ) -> Any:
        status, text = await self._fetch(method, path, params=params, body=body, timeout_s=timeout_s)
        if status != 200:
            _raise_refused(status, path, text, hidden)
        try:
            return json.loads(text)
        except ValueError:
            raise UpstreamFailed(f"Ray's answer to {path} is not JSON.") from None

    async def _fetch(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Any = None,
        timeout_s: float | None = None,
    ) -> tuple[int, bytes]:
        timeout_s = timeout_s or self.timeout_s
        self.question_count += 1
        try:
            async with asyncio.timeout(timeout_s):
                address, headers = await self._find_place()
                request = self._open_session().request(
                    method, address + path, params=params, json=body, headers=headers, allow_redirects=False
                )
                async with request as answer:
                    text = await _read_bounded(answer, path)
        except TimeoutError:
            self._forget()
            self._raise_unavailable(f"Ray's dashboard did not answer {path} within {timeout_s:g} s.")
        except aiohttp.ClientError as error:
            self._forget()
            self._raise_unavailable(f"Ray's dashboard cannot be reached ({type(error).__name__}).")
        return answer.status, text

    async def _find_place(self) -> tuple[str, dict[str, str]]:
        if self._place is None and self._locate is not None:
            if self._locating is None or self._locating.done():
                self._locating = asyncio.create_task(asyncio.to_thread(self._locate))
            # Shielded: the thread cannot be cancelled, so the next question joins it instead of starting another.
            try:
                self._place = await asyncio.shield(self._locating)
            except UnknownRay as error:
                self._raise_unavailable(str(error))
        address, headers = self._place or (None, {})
        if address is None:
            self._place = None
            self._raise_unavailable("Ray does not say where its dashboard is; is the head's dashboard running?")
        return address, headers

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(connector=None if self._connector is None else self._connector())
        return self._session

    def _forget(self) -> None:
        if self._locate is not None:
            self._place = None

    def _raise_unavailable(self, sentence: str) -> NoReturn:
        raise Unavailable(sentence, code="ray_unavailable") from None


def _find_cluster() -> Place:
    address = find_dashboard_address()
    return address, ({} if address is None else build_dashboard_headers())


async def _read_bounded(answer: aiohttp.ClientResponse, path: str) -> bytes:
    read = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        read += chunk
        if len(read) > MAX_BYTES:
            raise UpstreamFailed(f"Ray's answer to {path} is longer than {MAX_BYTES} bytes.")
    return bytes(read)


def _raise_refused(status: int, path: str, text: bytes, hidden: Sequence[str]) -> NoReturn:
    # A traceback says the most in its last line.
    lines = [line for line in redact_end(text.decode(errors="replace"), hidden).splitlines() if line.strip()]
    said = lines[-1].strip()[:DETAIL_CHARS] if lines else "no reason"
    if status == 404:
        raise NotFound(f"Ray does not know it: {said}")
    if status in (401, 403):
        raise UpstreamFailed("Ray's dashboard refused our token (RAY_AUTH_TOKEN).", code="ray_refused_token")
    if status in (429, 503):
        raise Unavailable(f"Ray is too busy for {path}: {said}", code="ray_unavailable")
    raise UpstreamFailed(f"Ray answered {path} with HTTP {status}: {said}")

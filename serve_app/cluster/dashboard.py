"""Ray's HTTP API, as far as this application asks it: one session, a deadline on each question, a bound on each answer.

What comes back are Ray's own rows; ``jobs.ray_source`` translates them. Raises ``Unavailable`` (code
``ray_unavailable``) when nobody answers in time, ``NotFound`` for 404, ``UpstreamFailed`` for any other refusal.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn, Self
from urllib.parse import quote

import aiohttp
from yarl import URL

from serve_app.cluster.private import UnknownRay, dashboard_address, dashboard_headers
from serve_app.cluster.state_api import MAX_ROWS, filters, left_out
from serve_app.errors import NotFound, Unavailable, UpstreamFailed
from serve_app.redaction import redact

MAX_BYTES = 64 * 1024 * 1024
SUBMIT_TIMEOUT_S = 20.0
_CHUNK_BYTES = 65_536
_DETAIL_CHARS = 500
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d{1,18})-\d{1,18}|\*)/(?P<size>\d{1,18})")

Row = dict[str, Any]
Place = tuple[str | None, dict[str, str]]
# A value that is a list is sent as the same parameter several times.
Params = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Listing:
    """Rows of one of Ray's tables. ``note`` says what Ray left out, when it did."""

    rows: list[Any]
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes of a file from ``start`` on, the length of the whole file then, and its ``Last-Modified``."""

    data: bytes
    start: int
    size_bytes: int
    written_at: str | None = None


class DashboardClient:
    """A client of one Ray dashboard. The session opens with the first question, in the loop that asks it."""

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

    @classmethod
    def for_this_cluster(cls, timeout_s: float) -> Self:
        """A client of the cluster in which the calling replica runs."""
        return cls(None, timeout_s, locate=_this_cluster)

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

    async def post_json(self, path: str, body: Any, timeout_s: float | None = None) -> Any:
        """JSON of the answer to a POST."""
        return await self._ask("POST", path, body=body, timeout_s=timeout_s)

    async def jobs(self) -> list[Any]:
        """Submissions and drivers, all of them: Ray has no pages here (ray/dashboard/modules/job/job_head.py)."""
        rows = await self.get_json("/api/jobs/")
        if not isinstance(rows, list):
            raise UpstreamFailed("Ray's job list is not a list.")
        return rows

    async def job(self, submission_id: str) -> Row:
        """One job by submission or job id; raises ``NotFound``."""
        return _object(await self.get_json(f"/api/jobs/{quote(submission_id, safe='')}"), "job")

    async def submit_job(self, payload: Row) -> str:
        """Submit a job and return its submission id. A given id that is taken already is refused by Ray."""
        # The first submission starts Ray's job manager, which takes seconds (ray/dashboard/modules/job/job_agent.py).
        answer = _object(await self.post_json("/api/jobs/", payload, SUBMIT_TIMEOUT_S), "answer to a submission")
        return str(answer.get("submission_id") or answer.get("job_id") or "")

    async def stop_job(self, submission_id: str) -> bool:
        """Ask Ray to stop a submission; False when it had ended already."""
        path = f"/api/jobs/{quote(submission_id, safe='')}/stop"
        answer = _object(await self.post_json(path, {}), "answer to a stop")
        return answer.get("stopped") is True

    async def delete_job(self, submission_id: str) -> bool:
        """Have Ray forget a submission that is over; its log stays."""
        path = f"/api/jobs/{quote(submission_id, safe='')}"
        return _object(await self._ask("DELETE", path), "answer to a deletion").get("deleted") is True

    async def piece_of(self, url: str, start: int, most_bytes: int) -> Piece:
        """Part of a file that a node's agent serves, from byte ``start``, or its last bytes when that is negative.

        Raises ``NotFound`` when the agent has no such file, and ``Unavailable`` (``log_unavailable``) when it cannot
        be asked. This needs one HTTP range and no more memory than the piece, however long the file is.
        """
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{start + most_bytes - 1}"
        try:
            async with asyncio.timeout(self.timeout_s):
                _, headers = await self._where()
                asked = self._opened().get(
                    URL(url, encoded=True), headers={**headers, "Range": wanted}, allow_redirects=False
                )
                async with asked as answer:
                    return await _piece(answer, most_bytes)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable(
                f"The node that has the log cannot be asked ({type(error).__name__}).", code="log_unavailable"
            ) from None

    async def drivers_of_workers(self) -> Listing:
        """Rows of the worker table that are drivers, hidden ones too."""
        return await self._list("workers", {"detail": "True"}, worker_type="DRIVER")

    async def actors(self, **equals: str) -> Listing:
        """Actors, dead ones too, optionally those with ``state``, ``job_id`` or ``class_name`` equal to a value."""
        return await self._list("actors", {}, **equals)

    async def workers_of(self, pid: int) -> Listing:
        """Worker processes with this number, of all nodes; they know when they began, which actors do not."""
        return await self._list("workers", {"detail": "True"}, pid=str(pid))

    async def waiting_actors(self) -> Listing:
        """Actors that are not placed yet, with what they need."""
        return await self._list("actors", {"detail": "True"}, state="PENDING_CREATION")

    async def nodes(self) -> Listing:
        """Nodes, dead ones too."""
        return await self._list("nodes", {"detail": "True"})

    async def node_use(self) -> list[Any]:
        """What the agent of each node measured last, dead nodes too: physical figures (``metrics.utilisation``)."""
        answer = _object(await self.get_json("/nodes", {"view": "summary"}), "summary of nodes")
        data = answer.get("data")
        rows = data.get("summary") if answer.get("result") is True and isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise UpstreamFailed("Ray's summary of nodes has no nodes.")
        return rows

    async def serve_applications(self) -> Row:
        """Serve's account of itself; ``controller_info`` is empty while it does not run."""
        return _object(await self.get_json("/api/serve/applications/"), "account of Serve")

    async def tasks_summary(self, job_id: str) -> Row:
        """Tasks of a job by function name and state. Ray forgets the oldest tasks of a large job."""
        params: Params = {**filters(job_id=job_id), "summary_by": "func_name"}
        return _object(await self._state("/api/v0/tasks/summarize", params), "summary of tasks")

    async def rows_of(self, table: str, most_rows: int, **equals: str) -> Listing:
        """At most so many rows with all details of ``actors``, ``tasks`` or ``workers`` that have all these values."""
        return await self._list(table, {"detail": "True", "limit": str(most_rows)}, **equals)

    async def log_files(self, node_id: str, pattern: str) -> list[str]:
        """Names of files in the log directory of a node that match; raises when the node does not answer."""
        answer = _object(await self._state("/api/v0/logs", {"node_id": node_id, "glob": pattern}), "list of logs")
        groups = [group for group in answer.values() if isinstance(group, list)]
        return sorted(str(name) for group in groups for name in group)

    async def version(self) -> Row:
        """``ray_version`` and session name."""
        return _object(await self.get_json("/api/version"), "version")

    async def _list(self, table: str, params: Params, **equals: str) -> Listing:
        asked = {"limit": str(MAX_ROWS), **params, **filters(**equals)}
        answer = _object(await self._state(f"/api/v0/{table}", asked), f"list of {table}")
        rows = answer.get("result")
        if not isinstance(rows, list):
            raise UpstreamFailed(f"Ray's list of {table} has no rows.")
        return Listing(rows, left_out(answer))

    async def _state(self, path: str, params: Params) -> Any:
        """The state API wraps its answers (ray/dashboard/state_api_utils.py, ``do_reply``)."""
        answer = _object(await self.get_json(path, params), "answer")
        if answer.get("result") is not True:
            raise UpstreamFailed(f"Ray refused {path}: {redact(str(answer.get('msg')))[:_DETAIL_CHARS]}")
        return (answer.get("data") or {}).get("result")

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Any = None,
        timeout_s: float | None = None,
    ) -> Any:
        status, text = await self._fetch(method, path, params=params, body=body, timeout_s=timeout_s)
        if status != 200:
            _refused(status, path, text)
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
        try:
            async with asyncio.timeout(timeout_s):
                address, headers = await self._where()
                request = self._opened().request(
                    method, address + path, params=params, json=body, headers=headers, allow_redirects=False
                )
                async with request as answer:
                    text = await _bounded(answer, path)
        except TimeoutError:
            self._forget()
            self._unavailable(f"Ray's dashboard did not answer {path} within {timeout_s:g} s.")
        except aiohttp.ClientError as error:
            self._forget()
            self._unavailable(f"Ray's dashboard cannot be reached ({type(error).__name__}).")
        return answer.status, text

    async def _where(self) -> tuple[str, dict[str, str]]:
        if self._place is None and self._locate is not None:
            if self._locating is None or self._locating.done():
                self._locating = asyncio.create_task(asyncio.to_thread(self._locate))
            # Shielded: the thread cannot be cancelled, so the next question joins it instead of starting another.
            try:
                self._place = await asyncio.shield(self._locating)
            except UnknownRay as error:
                self._unavailable(str(error))
        address, headers = self._place or (None, {})
        if address is None:
            self._place = None
            self._unavailable("Ray does not say where its dashboard is; is the head's dashboard running?")
        return address, headers

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(connector=None if self._connector is None else self._connector())
        return self._session

    def _forget(self) -> None:
        if self._locate is not None:
            self._place = None

    def _unavailable(self, sentence: str) -> NoReturn:
        raise Unavailable(sentence, code="ray_unavailable") from None


def _this_cluster() -> Place:
    address = dashboard_address()
    return address, ({} if address is None else dashboard_headers())


async def _bounded(answer: aiohttp.ClientResponse, path: str) -> bytes:
    read = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        read += chunk
        if len(read) > MAX_BYTES:
            raise UpstreamFailed(f"Ray's answer to {path} is longer than {MAX_BYTES} bytes.")
    return bytes(read)


async def _piece(answer: aiohttp.ClientResponse, most_bytes: int) -> Piece:
    """What aiohttp's file server answers to a range: 206, 416 beyond the end, 200 for an empty file."""
    if answer.status == 404:
        raise NotFound("There is no such log.")
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if answer.status == 416 and found is not None:
        size = int(found["size"])
        return Piece(b"", size, size)
    if answer.status == 200 and answer.content_length == 0:
        return Piece(b"", 0, 0)
    if answer.status != 206 or found is None or found["start"] is None:
        raise UpstreamFailed(f"The node that has the log answered with HTTP {answer.status}.")
    read = bytearray()
    async for chunk in answer.content.iter_chunked(_CHUNK_BYTES):
        read += chunk
        if len(read) > most_bytes:
            raise UpstreamFailed("The node that has the log answered with more than was asked for.")
    return Piece(bytes(read), int(found["start"]), int(found["size"]), answer.headers.get("Last-Modified"))


def _refused(status: int, path: str, text: bytes) -> NoReturn:
    # A traceback says the most in its last line.
    lines = [line for line in redact(text[-4000:].decode(errors="replace")).splitlines() if line.strip()]
    said = lines[-1].strip()[:_DETAIL_CHARS] if lines else "no reason"
    if status == 404:
        raise NotFound(f"Ray does not know it: {said}")
    if status in (401, 403):
        raise UpstreamFailed("Ray's dashboard refused our token (RAY_AUTH_TOKEN).", code="ray_refused_token")
    if status in (429, 503):
        raise Unavailable(f"Ray is too busy for {path}: {said}", code="ray_unavailable")
    raise UpstreamFailed(f"Ray answered {path} with HTTP {status}: {said}")


def _object(answer: Any, what: str) -> Row:
    if not isinstance(answer, dict):
        raise UpstreamFailed(f"Ray's {what} is not an object.")
    return answer

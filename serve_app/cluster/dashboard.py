"""Ray's HTTP API, as far as this application asks it: every question to the dashboard and its state API.

What comes back are Ray's own rows; ``jobs.reading.rows`` and ``jobs.progress.rows`` translate them. Each question is
one HTTP request (``DashboardTransport``) with a deadline and a bound on the answer. It raises ``Unavailable`` (code
``ray_unavailable``) when nobody answers in time, ``NotFound`` for 404, ``UpstreamFailed`` for any other refusal.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from serve_app.cluster.private import read_autoscaler_report
from serve_app.cluster.rows import DETAIL_CHARS, read_object, restore_id
from serve_app.cluster.state_api import MAX_ROWS, build_filters, describe_left_out
from serve_app.cluster.transport import CHUNK_BYTES, DashboardTransport, Params
from serve_app.errors import NotFound, Unavailable, UpstreamFailed
from serve_app.redaction import list_secret_values, redact

SUBMIT_TIMEOUT_S = 20.0
MOST_FIGURES_BYTES = 16 * 1024 * 1024
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d{1,18})-\d{1,18}|\*)/(?P<size>\d{1,18})")

Row = dict[str, Any]


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


class DashboardClient(DashboardTransport):
    """Asks one Ray dashboard."""

    async def list_jobs(self) -> list[Any]:
        """Submissions and drivers, all of them: Ray has no pages here (ray/dashboard/modules/job/job_head.py)."""
        rows = await self.get_json("/api/jobs/")
        if not isinstance(rows, list):
            raise UpstreamFailed("Ray's job list is not a list.")
        return rows

    async def get_job(self, submission_id: str) -> Row:
        """One job by submission or job id; raises ``NotFound``."""
        return _require_object(await self.get_json(f"/api/jobs/{quote(restore_id(submission_id), safe='')}"), "job")

    async def submit_job(self, payload: Row) -> str:
        """Submit a job and return its submission id. A given id that is taken already is refused by Ray."""
        # The first submission starts Ray's job manager, which takes seconds (ray/dashboard/modules/job/job_agent.py).
        # Ray quotes what it does not understand, and an environment holds secrets.
        hidden = list_secret_values(read_object(read_object(payload.get("runtime_env")).get("env_vars")))
        told = await self.post_json("/api/jobs/", payload, SUBMIT_TIMEOUT_S, hidden)
        answer = _require_object(told, "answer to a submission")
        return str(answer.get("submission_id") or answer.get("job_id") or "")

    async def stop_job(self, submission_id: str) -> bool:
        """Ask Ray to stop a submission; False when it had ended already."""
        path = f"/api/jobs/{quote(restore_id(submission_id), safe='')}/stop"
        answer = _require_object(await self.post_json(path, {}), "answer to a stop")
        return answer.get("stopped") is True

    async def delete_job(self, submission_id: str) -> bool:
        """Have Ray forget a submission that is over; its log stays."""
        path = f"/api/jobs/{quote(restore_id(submission_id), safe='')}"
        return _require_object(await self._ask("DELETE", path), "answer to a deletion").get("deleted") is True

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece:
        """Part of a file that a node's agent serves, from byte ``start``, or its last bytes when that is negative.

        Raises ``NotFound`` when the agent has no such file, and ``Unavailable`` (``log_unavailable``) when it cannot
        be asked. This needs one HTTP range and no more memory than the piece, however long the file is.
        """
        wanted = f"bytes={start}" if start < 0 else f"bytes={start}-{start + most_bytes - 1}"
        try:
            async with asyncio.timeout(self.timeout_s):
                _, headers = await self._find_place()
                asked = self._open_session().get(
                    URL(url, encoded=True), headers={**headers, "Range": wanted}, allow_redirects=False
                )
                async with asked as answer:
                    return await _read_answered_piece(answer, most_bytes)
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable(
                f"The node that has the log cannot be asked ({type(error).__name__}).", code="log_unavailable"
            ) from None

    async def list_drivers(self) -> Listing:
        """Rows of the worker table that are drivers, hidden ones too."""
        return await self._list("workers", {"detail": "True"}, worker_type="DRIVER")

    async def list_actors(self, **equals: str) -> Listing:
        """Actors, dead ones too, optionally those with ``actor_id``, ``state``, ``job_id`` or ``class_name`` equal to a
        value."""
        return await self._list("actors", {}, **equals)

    async def list_workers(self, pid: int) -> Listing:
        """Worker processes with this number, of all nodes; they know when they began, which actors do not."""
        return await self._list("workers", {"detail": "True"}, pid=str(pid))

    async def list_waiting_actors(self) -> Listing:
        """Actors that are not placed yet, with what they need."""
        return await self._list("actors", {"detail": "True"}, state="PENDING_CREATION")

    async def list_nodes(self) -> Listing:
        """Nodes, dead ones too."""
        return await self._list("nodes", {"detail": "True"})

    async def list_node_use(self) -> list[Any]:
        """What the agent of each node measured last, dead nodes too: physical figures (``metrics.utilisation``)."""
        answer = _require_object(await self.get_json("/nodes", {"view": "summary"}), "summary of nodes")
        data = answer.get("data")
        rows = data.get("summary") if answer.get("result") is True and isinstance(data, dict) else None
        if not isinstance(rows, list):
            raise UpstreamFailed("Ray's summary of nodes has no nodes.")
        return rows

    async def get_serve_applications(self) -> Row:
        """Serve's account of itself; ``controller_info`` is empty while it does not run."""
        return _require_object(await self.get_json("/api/serve/applications/"), "account of Serve")

    async def get_autoscaler_status(self) -> Row:
        """What Ray's autoscaler wrote last, when there is one (``/api/cluster_status`` of reporter_head.py)."""
        told = _require_object(await self.get_json("/api/cluster_status"), "account of the autoscaler")
        if read_object(told.get("data")).get("clusterStatus"):
            return told
        report = await asyncio.to_thread(read_autoscaler_report)
        return told if report is None else {"result": True, "data": report}

    async def summarize_tasks(self, job_id: str) -> Row:
        """Tasks of a job by function name and state. Ray forgets the oldest tasks of a large job."""
        params: Params = {**build_filters(job_id=job_id), "summary_by": "func_name"}
        return _require_object(await self._ask_state_api("/api/v0/tasks/summarize", params), "summary of tasks")

    async def list_rows(self, table: str, most_rows: int, **equals: str) -> Listing:
        """At most so many rows with all details of ``actors``, ``tasks`` or ``workers`` that have all these values."""
        return await self._list(table, {"detail": "True", "limit": str(most_rows)}, **equals)

    async def list_log_files(self, node_id: str, pattern: str) -> list[str]:
        """Names of files in the log directory of a node that match; raises when the node does not answer."""
        answer = _require_object(
            await self._ask_state_api("/api/v0/logs", {"node_id": node_id, "glob": pattern}), "list of logs"
        )
        groups = [group for group in answer.values() if isinstance(group, list)]
        return sorted(str(name) for group in groups for name in group)

    async def list_matching(
        self, table: str, filters: Iterable[tuple[str, str, str]], most_rows: int
    ) -> tuple[list[Any], int]:
        """At most so many rows with all details, and how many match; each filter is name, ``=`` or ``!=``, value."""
        asked: list[tuple[str, str]] = [("detail", "1"), ("limit", str(most_rows))]
        for name, predicate, value in filters:
            asked += [("filter_keys", name), ("filter_predicates", predicate), ("filter_values", value)]
        # Several filters go as repeated parameters, in their order (ray/dashboard/state_api_utils.py).
        answer = read_object(await self.get_json(f"/api/v0/{table}?{urlencode(asked)}"))
        result = read_object(_reply(answer, f"its list of {table}"))
        rows = result.get("result")
        if not isinstance(rows, list):
            raise UpstreamFailed(f"Ray's list of {table} has no rows.")
        matching = result.get("num_filtered")
        return rows, matching if isinstance(matching, int) else len(rows)

    async def is_profiling_enabled(self) -> bool:
        """Whether stacks can be had (``/api/profiling_enabled`` of reporter_head.py)."""
        answer = await self.get_json("/api/profiling_enabled")
        data = answer.get("data") if isinstance(answer, dict) else None
        return isinstance(data, dict) and data.get("profilingEnabled") is True

    async def get_worker_stack(self, node_id: str, pid: int) -> tuple[int, str]:
        """HTTP status and text of py-spy's look at one process: a refusal says why, and is no JSON."""
        return await self.get_text("/worker/traceback", {"pid": str(pid), "node_id": node_id})

    async def get_node_detail(self, node_id: str) -> Any:
        """What a node's agent measured last of its worker processes; None when Ray has nothing of that node.

        From its cache the dashboard answers what it answered last, however long ago (``aiohttp_cache``).
        """
        answer = await self.get_json(f"/nodes/{quote(node_id, safe='')}?nocache=1")
        data = answer.get("data") if isinstance(answer, dict) else None
        return data.get("detail") if isinstance(data, dict) else None

    async def read_figures(self, url: str) -> str:
        """What the agent of a node tells Prometheus (``metricsExportPort`` of the node's row): no secret, no token."""
        try:
            async with asyncio.timeout(self.timeout_s), self._open_session().get(url, allow_redirects=False) as answer:
                read = bytearray()
                async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
                    read += chunk
                    if len(read) > MOST_FIGURES_BYTES:
                        raise UpstreamFailed(f"The figures of a node are longer than {MOST_FIGURES_BYTES} bytes.")
        except (TimeoutError, aiohttp.ClientError) as error:
            raise Unavailable(f"The figures of a node cannot be read ({type(error).__name__}).") from None
        return read.decode(errors="replace") if answer.status == 200 else ""

    async def _list(self, table: str, params: Params, **equals: str) -> Listing:
        asked = {"limit": str(MAX_ROWS), **params, **build_filters(**equals)}
        answer = _require_object(await self._ask_state_api(f"/api/v0/{table}", asked), f"list of {table}")
        rows = answer.get("result")
        if not isinstance(rows, list):
            raise UpstreamFailed(f"Ray's list of {table} has no rows.")
        return Listing(rows, describe_left_out(answer))

    async def _ask_state_api(self, path: str, params: Params) -> Any:
        """The state API wraps its answers (ray/dashboard/state_api_utils.py, ``do_reply``)."""
        answer = _require_object(await self.get_json(path, params), "answer")
        return _reply(answer, path)


async def _read_answered_piece(answer: aiohttp.ClientResponse, most_bytes: int) -> Piece:
    """What aiohttp's file server answers to a range: 206, 416 beyond the end, 200 for an empty file."""
    if answer.status == 404:
        raise NotFound("There is no such log.")
    found = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if answer.status == 416 and found is not None:
        size = int(found["size"])
        return Piece(b"", size, size)
    if answer.status == 200 and answer.content_length == 0:
        return Piece(b"", 0, 0)
    if answer.status == 200 and answer.content_type == "text/html":
        # The agent shows what is in a directory (`show_index`, ray/dashboard/modules/log/log_agent.py).
        raise NotFound("There is no such log: a directory stands in its place.", code="log_is_directory")
    if answer.status != 206 or found is None or found["start"] is None:
        raise UpstreamFailed(f"The node that has the log answered with HTTP {answer.status}.")
    read = bytearray()
    async for chunk in answer.content.iter_chunked(CHUNK_BYTES):
        read += chunk
        if len(read) > most_bytes:
            raise UpstreamFailed("The node that has the log answered with more than was asked for.")
    return Piece(bytes(read), int(found["start"]), int(found["size"]), answer.headers.get("Last-Modified"))


def _require_object(answer: Any, what: str) -> Row:
    if not isinstance(answer, dict):
        raise UpstreamFailed(f"Ray's {what} is not an object.")
    return answer


def _reply(answer: Mapping[str, Any], what: str) -> Any:
    """The content of an answer of the state API, which wraps it (ray/dashboard/state_api_utils.py, ``do_reply``)."""
    if answer.get("result") is not True:
        raise UpstreamFailed(f"Ray refused {what}: {redact(str(answer.get('msg')))[:DETAIL_CHARS]}")
    return read_object(answer.get("data")).get("result")

"""The dashboard client against a server on a unix socket: deadlines, bounds, refusals, and finding the address."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from serve_app.cluster import transport
from serve_app.cluster.dashboard import DashboardClient, Listing, Piece
from serve_app.cluster.private import UnknownRay
from serve_app.cluster.state_api import build_filters
from serve_app.errors import AppError, NotFound, Unavailable, UpstreamFailed

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Ray:
    """A dashboard that answers what a test says, and remembers what it was asked."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.asked: list[tuple[str, str, dict[str, str], Any, str | None]] = []
        self.handler: Handler = self.nothing
        self.over = asyncio.Event()

    async def nothing(self, request: web.Request) -> web.Response:
        return web.json_response({})

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.json() if request.can_read_body else None
        token = request.headers.get("Authorization")
        self.asked.append((request.method, request.raw_path.split("?")[0], dict(request.query), body, token))
        return await self.handler(request)

    def answers(self, body: Any = None, *, status: int = 200, text: str | None = None) -> None:
        async def handler(request: web.Request) -> web.Response:
            return web.json_response(body, status=status) if text is None else web.Response(status=status, text=text)

        self.handler = handler

    def client(self, timeout_s: float = 5, **kwargs: Any) -> DashboardClient:
        address = None if "locate" in kwargs else "http://ray/"
        return DashboardClient(address, timeout_s, connector=lambda: aiohttp.UnixConnector(str(self.socket)), **kwargs)


@pytest.fixture
async def ray() -> AsyncIterator[Ray]:
    with tempfile.TemporaryDirectory() as directory:
        made = Ray(Path(directory) / "s")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", made.handle)
        runner = web.AppRunner(app, shutdown_timeout=0)
        await runner.setup()
        await web.UnixSite(runner, str(made.socket)).start()
        yield made
        made.over.set()
        await runner.cleanup()


def listed(rows: list[Any], **changes: Any) -> dict[str, Any]:
    counts = {"total": len(rows), "num_after_truncation": len(rows), "num_filtered": len(rows)}
    return {"result": True, "msg": "", "data": {"result": {"result": rows, **counts, **changes}}}


FILTERED = {"filter_predicates": "=", "limit": "10000"}


@pytest.mark.parametrize(
    ("ask", "answer", "value", "request_"),
    [
        (lambda ray: ray.list_jobs(), [1], [1], ("GET", "/api/jobs/", {}, None)),
        (lambda ray: ray.get_job("a/b c"), {"id": 1}, {"id": 1}, ("GET", "/api/jobs/a%2Fb%20c", {}, None)),
        (
            lambda ray: ray.submit_job({"entrypoint": "x"}),
            {"submission_id": "s"},
            "s",
            ("POST", "/api/jobs/", {}, {"entrypoint": "x"}),
        ),
        (lambda ray: ray.stop_job("s"), {"stopped": True}, True, ("POST", "/api/jobs/s/stop", {}, {})),
        (lambda ray: ray.stop_job("s"), {"stopped": False}, False, ("POST", "/api/jobs/s/stop", {}, {})),
        (
            lambda ray: ray.list_drivers(),
            listed([1]),
            Listing([1]),
            (
                "GET",
                "/api/v0/workers",
                {"detail": "True", "filter_keys": "worker_type", "filter_values": "DRIVER", **FILTERED},
                None,
            ),
        ),
        (lambda ray: ray.list_actors(), listed([1]), Listing([1]), ("GET", "/api/v0/actors", {"limit": "10000"}, None)),
        (
            lambda ray: ray.list_actors(state="ALIVE"),
            listed([]),
            Listing([]),
            ("GET", "/api/v0/actors", {"filter_keys": "state", "filter_values": "ALIVE", **FILTERED}, None),
        ),
        (
            lambda ray: ray.list_nodes(),
            listed([]),
            Listing([]),
            ("GET", "/api/v0/nodes", {"detail": "True", "limit": "10000"}, None),
        ),
        (
            lambda ray: ray.list_node_use(),
            {"result": True, "msg": "", "data": {"summary": [1], "nodeLogicalResources": {}}},
            [1],
            ("GET", "/nodes", {"view": "summary"}, None),
        ),
        (
            lambda ray: ray.list_rows("tasks", 7),
            listed([1]),
            Listing([1]),
            ("GET", "/api/v0/tasks", {"detail": "True", "limit": "7"}, None),
        ),
        (
            lambda ray: ray.list_log_files("n1", "worker-*"),
            {"result": True, "data": {"result": {"worker_err": ["b", "a"], "internal": ["c"], "odd": 1}}},
            ["a", "b", "c"],
            ("GET", "/api/v0/logs", {"node_id": "n1", "glob": "worker-*"}, None),
        ),
        (lambda ray: ray.get_serve_applications(), {"a": 1}, {"a": 1}, ("GET", "/api/serve/applications/", {}, None)),
        (
            lambda ray: ray.summarize_tasks("01000000"),
            {"result": True, "data": {"result": {"b": 1}}},
            {"b": 1},
            (
                "GET",
                "/api/v0/tasks/summarize",
                {
                    "filter_keys": "job_id",
                    "filter_predicates": "=",
                    "filter_values": "01000000",
                    "summary_by": "func_name",
                },
                None,
            ),
        ),
    ],
)
async def test_questions(
    ray: Ray, ask: Callable[[DashboardClient], Awaitable[Any]], answer: Any, value: Any, request_: tuple[Any, ...]
) -> None:
    ray.answers(answer)
    client = ray.client()
    assert await ask(client) == value
    assert ray.asked == [(*request_, None)]
    await client.close()


def test_several_filters_are_the_same_parameters_again() -> None:
    asked = build_filters(job_id="01000000", state="FAILED")
    assert str(URL("/x").with_query(asked)) == (
        "/x?filter_keys=job_id&filter_keys=state&filter_predicates=%3D&filter_predicates=%3D"
        "&filter_values=01000000&filter_values=FAILED"
    )


@pytest.mark.parametrize(
    ("counts", "note"),
    [
        ({}, None),
        ({"total": 12_000, "num_after_truncation": 10_000}, "Ray lists 10000 of 12000 rows."),
        ({"num_filtered": 10_001, "total": 10_001, "num_after_truncation": 10_001}, "Ray lists 10000 of 10001 rows."),
        ({"partial_failure_warning": "1 of 3 nodes; token=abc"}, "1 of 3 nodes; token=[redacted]"),
        ({"total": "x", "num_filtered": None}, None),
    ],
)
async def test_what_ray_left_out_is_noted(ray: Ray, counts: dict[str, Any], note: str | None) -> None:
    ray.answers(listed([], **counts))
    client = ray.client()
    assert (await client.list_nodes()).note == note
    await client.close()


@pytest.mark.parametrize(
    ("status", "text", "error", "code", "detail"),
    [
        (404, "Job x does not exist", NotFound, "not_found", "Ray does not know it: Job x does not exist"),
        (401, "who?", UpstreamFailed, "ray_refused_token", "Ray's dashboard refused our token (RAY_AUTH_TOKEN)."),
        (403, "no", UpstreamFailed, "ray_refused_token", "Ray's dashboard refused our token (RAY_AUTH_TOKEN)."),
        (503, "the GCS is down", Unavailable, "ray_unavailable", "Ray is too busy for /api/jobs/: the GCS is down"),
        (429, "", Unavailable, "ray_unavailable", "Ray is too busy for /api/jobs/: no reason"),
        (
            500,
            "Traceback:\n  File x\nValueError: token=abc\n\n",
            UpstreamFailed,
            "upstream_failed",
            "Ray answered /api/jobs/ with HTTP 500: ValueError: token=[redacted]",
        ),
        (302, "", UpstreamFailed, "upstream_failed", "Ray answered /api/jobs/ with HTTP 302: no reason"),
        (200, "no json", UpstreamFailed, "upstream_failed", "Ray's answer to /api/jobs/ is not JSON."),
        (200, "{}", UpstreamFailed, "upstream_failed", "Ray's job list is not a list."),
    ],
)
async def test_refusals(ray: Ray, status: int, text: str, error: type[AppError], code: str, detail: str) -> None:
    ray.answers(status=status, text=text)
    client = ray.client()
    with pytest.raises(error) as refused:
        await client.list_jobs()
    assert (refused.value.code, refused.value.detail) == (code, detail)
    await client.close()


async def test_text_comes_as_it_is_and_so_do_refusals(ray: Ray) -> None:
    client = ray.client()
    for status, text in ((200, "Thread 1"), (403, "Profiling is disabled"), (500, "py-spy is not installed")):
        ray.answers(status=status, text=text)
        assert await client.get_text("/worker/traceback", {"pid": "7"}) == (status, text)
    await client.close()
    assert ray.asked[-1][:3] == ("GET", "/worker/traceback", {"pid": "7"})


@pytest.mark.parametrize(
    "body", [[], {"result": False, "msg": "bad filter"}, {"result": True}, {"result": True, "data": {}}]
)
async def test_state_lists_that_are_none(ray: Ray, body: Any) -> None:
    ray.answers(body)
    client = ray.client()
    with pytest.raises(UpstreamFailed):
        await client.list_actors()
    await client.close()


@pytest.mark.parametrize(
    "body",
    [[], {"result": False, "msg": "no"}, {"result": True}, {"result": True, "data": []}, {"result": True, "data": {}}],
)
async def test_a_summary_of_nodes_that_is_none(ray: Ray, body: Any) -> None:
    ray.answers(body)
    client = ray.client()
    with pytest.raises(UpstreamFailed):
        await client.list_node_use()
    await client.close()


async def test_the_deadline_holds_for_headers_and_for_the_body(ray: Ray) -> None:
    async def never(request: web.Request) -> web.StreamResponse:
        await ray.over.wait()
        return web.Response()

    async def half(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"[")
        return await never(request)

    client = ray.client(timeout_s=0.05)
    for ray.handler in (never, half):
        with pytest.raises(Unavailable) as refused:
            await client.list_jobs()
        assert refused.value.code == "ray_unavailable"
        assert refused.value.detail == "Ray's dashboard did not answer /api/jobs/ within 0.05 s."
    await client.close()


async def test_an_endless_answer_is_cut_off(ray: Ray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "MAX_BYTES", 100_000)
    ray.answers(text="[" + "1," * 100_000)
    client = ray.client()
    with pytest.raises(UpstreamFailed, match="longer than 100000 bytes"):
        await client.list_jobs()
    await client.close()


async def test_nobody_there(ray: Ray) -> None:
    client = ray.client()
    ray.socket.unlink()
    with pytest.raises(Unavailable, match="cannot be reached"):
        await client.list_jobs()
    await client.close()


async def test_the_address_is_looked_for_once_and_again_after_nobody_answered(ray: Ray) -> None:
    found: list[tuple[str | None, dict[str, str]]] = [(None, {}), ("http://ray", {"Authorization": "Bearer ray-token"})]
    asked = 0

    def locate() -> tuple[str | None, dict[str, str]]:
        nonlocal asked
        asked += 1
        return found.pop(0) if len(found) > 1 else found[0]

    ray.answers([])
    client = ray.client(locate=locate)
    with pytest.raises(Unavailable, match="does not say where its dashboard is"):
        await client.list_jobs()
    await asyncio.gather(*(client.list_jobs() for _ in range(5)))
    assert (asked, {token for *_, token in ray.asked}) == (2, {"Bearer ray-token"})

    async def gone(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    ray.handler = gone
    with pytest.raises(Unavailable):
        await client.list_jobs()
    ray.answers([])
    await client.list_jobs()
    assert asked == 3
    await client.close()


async def test_an_unknown_ray_is_named() -> None:
    def locate() -> tuple[str | None, dict[str, str]]:
        raise UnknownRay("Ray 3.0 is installed.")

    client = DashboardClient(None, 1, locate=locate)
    with pytest.raises(Unavailable, match=r"Ray 3\.0 is installed"):
        await client.list_jobs()


async def test_one_session_closed_and_opened_again(ray: Ray) -> None:
    ray.answers([])
    client = ray.client()
    await client.list_jobs()
    first = client._session
    await client.list_jobs()
    assert client._session is first
    await client.close()
    await client.close()
    assert first is not None
    assert first.closed
    await client.list_jobs()
    await client.close()


LOG = b"0123456789"


def serves_a_file(ray: Ray, data: bytes) -> None:
    """As aiohttp's file server does, with which the agents serve their logs."""

    file = ray.socket.parent / "log"
    file.write_bytes(data)

    async def handler(request: web.Request) -> web.StreamResponse:
        return web.FileResponse(file) if request.raw_path == "/logs/a%2Fb.log" else web.Response(status=404)

    ray.handler = handler


@pytest.mark.parametrize(
    ("data", "start", "most", "piece"),
    [
        (LOG, 0, 4, Piece(b"0123", 0, 10)),
        (LOG, 8, 4, Piece(b"89", 8, 10)),
        (LOG, 10, 4, Piece(b"", 10, 10)),
        (LOG, 99, 4, Piece(b"", 10, 10)),
        (LOG, -4, 4, Piece(b"6789", 6, 10)),
        (LOG, -40, 40, Piece(LOG, 0, 10)),
        (b"", -40, 40, Piece(b"", 0, 0)),
        (b"", 0, 40, Piece(b"", 0, 0)),
    ],
)
async def test_a_piece_of_a_log(ray: Ray, data: bytes, start: int, most: int, piece: Piece) -> None:
    serves_a_file(ray, data)
    client = ray.client()
    found = await client.read_piece("http://agent/logs/a%2Fb.log", start, most)
    assert replace(found, written_at=None) == piece
    assert (found.written_at is not None) == bool(piece.data)
    await client.close()


@pytest.mark.parametrize(
    ("status", "headers", "code"),
    [
        (404, {}, "not_found"),
        (403, {}, "upstream_failed"),
        (200, {}, "upstream_failed"),
        (200, {"Content-Type": "text/html; charset=utf-8"}, "log_is_directory"),
        (302, {"Location": "http://elsewhere/"}, "upstream_failed"),
        (206, {}, "upstream_failed"),
        (206, {"Content-Range": "bytes 0-9/10"}, "upstream_failed"),
    ],
)
async def test_a_piece_that_is_none(ray: Ray, status: int, headers: dict[str, str], code: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, body=LOG, headers=headers)

    ray.handler = handler
    client = ray.client()
    with pytest.raises(AppError) as refused:
        await client.read_piece("http://agent/logs/x", 0, 4)
    assert refused.value.code == code
    await client.close()


async def test_a_node_that_cannot_be_asked_is_not_the_dashboard(ray: Ray) -> None:
    client = DashboardClient("http://ray/", 5, connector=lambda: aiohttp.UnixConnector("/nowhere/s"))
    with pytest.raises(Unavailable) as refused:
        await client.read_piece("http://agent/logs/x", 0, 4)
    assert refused.value.code == "log_unavailable"
    await client.close()


async def test_delete(ray: Ray) -> None:
    ray.answers({"deleted": True})
    client = ray.client()
    assert await client.delete_job("a b") is True
    assert ray.asked[0][:2] == ("DELETE", "/api/jobs/a%20b")
    await client.close()

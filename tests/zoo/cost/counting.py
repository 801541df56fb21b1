"""Requests to Ray, counted: a proxy in front of its dashboard, and a dashboard that is made up."""

from __future__ import annotations

import asyncio
import re
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import aiohttp
from aiohttp import web

_ID = re.compile(r"(?<=/)(?:raysubmit_\w+|cost-[\w-]+|[0-9a-f]{8,})(?=/|$)")
_HOP_HEADERS = {"connection", "content-length", "content-encoding", "transfer-encoding", "host", "keep-alive"}
# Ray lists all workers and tasks in one answer.
_MOST_BYTES = 256 * 1024**2

Answerer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Counts:
    """How often each question was asked since ``clear``."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._bytes = 0

    def add(self, name: str, size: int) -> None:
        """One more."""
        self._counts[name] += 1
        self._bytes += size

    def clear(self) -> None:
        """Begin anew."""
        self._counts.clear()
        self._bytes = 0

    def read(self) -> tuple[dict[str, int], int]:
        """How often each was asked, the most frequent first, and bytes of all answers."""
        return dict(self._counts.most_common()), self._bytes


def name_question(method: str, path: str, filters: list[str]) -> str:
    """A question without the ids in it: ``GET /api/v0/tasks by job_id``."""
    by = f" by {', '.join(filters)}" if filters else ""
    return f"{method} {_ID.sub('*', path)}{by}"


@contextmanager
def run_proxy(port: int, target: str, counts: Counts) -> Iterator[None]:
    """Hand every request on to ``target`` and count it, on a port of loopback."""

    async def hand_on(request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_HEADERS}
        async with (
            aiohttp.ClientSession(auto_decompress=True) as session,
            session.request(
                request.method, f"{target}{request.rel_url}", headers=headers, data=await request.read() or None
            ) as answer,
        ):
            body = await answer.read()
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_HEADERS}
            return web.Response(status=answer.status, body=body, headers=kept)

    with serve(port, hand_on, counts):
        yield


@contextmanager
def serve(port: int, answer: Answerer, counts: Counts) -> Iterator[None]:
    """Answer on a port of loopback, in a thread, counting what is asked."""
    loop, ready = asyncio.new_event_loop(), threading.Event()

    async def count(request: web.Request) -> web.StreamResponse:
        try:
            answered = await answer(request)
        except aiohttp.ClientError as error:
            answered = web.Response(status=502, text=repr(error))
        size = len(answered.body) if isinstance(answered, web.Response) and isinstance(answered.body, bytes) else 0
        counts.add(name_question(request.method, request.path, request.query.getall("filter_keys", [])), size)
        return answered

    async def begin() -> web.AppRunner:
        app = web.Application(client_max_size=_MOST_BYTES)
        app.router.add_route("*", "/{tail:.*}", count)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        ready.set()
        return runner

    def work() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(begin())
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    if not ready.wait(10):
        raise OSError(f"nothing listens on port {port}")
    try:
        yield
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()

"""How fast and how well this API answers: measured where each request comes in and leaves, around every other layer.

Each ingress replica counts for itself and hands what is new to the inspector every few seconds (``ResponseDelivery``).
Labels are bounded: a group of routes, and the class of the status. ``/health`` and ``/ready`` are asked by machines
without pause and would drown the rest; an answer that is streamed has no end to be measured by; a caller who leaves
before any answer got none.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve_app.background import Loop
from serve_app.errors import AppError
from serve_app.metrics.histogram import Histogram
from serve_app.route_path import strip_route_prefix

log = logging.getLogger("ray.serve.seedcore")

GROUPS = ("tasks", "jobs", "cluster", "organism", "report", "other")
CLASSES = ("2xx", "3xx", "4xx", "5xx")
# The class of what went wrong here.
ERRORS = 5
PERIOD_S = 5.0
_LAST_TIMEOUT_S = 1.0

_UNMEASURED = frozenset({"/health", "/ready"})
_ASKED_S = "seedcore.asked_s"
_TASKS = "/organism/execute"
_FIRST_SEGMENTS = {
    "jobs": "jobs",
    "cluster": "cluster",
    "ray": "cluster",
    "organism": "organism",
    "report": "report",
}

Json = dict[str, Any]


class ResponseMeter:
    """What this replica has answered since it was last asked, by group and class."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._seen: dict[tuple[str, int], Histogram] = {}

    async def measure(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and count its answer."""
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        answer = _Watched(send)
        began = self._clock()
        try:
            await app(scope, receive, answer)
        except Exception:  # counted, and raised on
            # Nothing above us answers but the server, with 500, unless an answer had begun.
            answer.status = answer.status or 500
            raise
        finally:
            if answer.status and not answer.streamed:
                self._count(scope, answer.status, self._clock() - began - scope.get(_ASKED_S, 0.0))

    def take(self) -> Json:
        """All that was counted, as JSON, and begin anew; empty when there was nothing."""
        seen, self._seen = self._seen, {}
        by_label: dict[str, Histogram] = {}
        for (group, status), histogram in seen.items():
            by_label.setdefault(build_label(group, status), Histogram()).merge(histogram)
        return {label: histogram.to_json() for label, histogram in by_label.items()}

    def _count(self, scope: Scope, status: int, duration_s: float) -> None:
        group = classify_path(strip_route_prefix(scope))
        if group is not None:
            key = (group, status // 100)
            histogram = self._seen.get(key)
            if histogram is None:
                histogram = self._seen[key] = Histogram()
            histogram.observe(max(duration_s, 0.0))


def excuse_wait(scope: Scope, asked_s: float) -> None:
    """Of the answer to this request as much may be waiting that its caller asked for, and is no slowness of ours."""
    scope[_ASKED_S] = asked_s


class ResponseDelivery:
    """Hands deltas to the inspector. What was not taken for certain is sent again as it was, under the same number, so
    that it is neither lost nor counted twice; what is new waits meanwhile, and is bounded by its labels."""

    def __init__(
        self,
        meter: ResponseMeter,
        replica: str,
        send: Callable[[Json], Awaitable[Any]],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._meter = meter
        self._replica = replica
        self._send = send
        self._pause = pause
        self._number = 0
        self._undelivered: Json | None = None
        self._loop = Loop("delivering response times", self._run)

    def start(self) -> None:
        """Begin to deliver every ``PERIOD_S``; does nothing while that goes on."""
        try:
            self._loop.require_alive()
        except RuntimeError as error:
            log.error("delivering response times ended", extra={"action": "delivery_ended"}, exc_info=error)
            self._loop = Loop("delivering response times", self._run)
        self._loop.start()

    async def close(self) -> None:
        """End, and try once more to hand over what is left; no replica waits long for that."""
        if self._loop.is_begun:
            await self._loop.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_TIMEOUT_S):
                    await self.deliver()

    async def deliver(self) -> None:
        """Send what is due; a failure is no reason to stop."""
        if self._undelivered is None:
            taken = self._meter.take()
            if not taken:
                return
            self._number += 1
            self._undelivered = {"replica": self._replica, "number": self._number, "responses": taken}
        try:
            await self._send(self._undelivered)
        except AppError as error:
            log.debug("response times wait", extra={"action": "responses_wait", "reason": error.detail})
        else:
            self._undelivered = None

    async def _run(self) -> None:
        while True:
            await self._pause(PERIOD_S)
            await self.deliver()


def classify_path(path: str) -> str | None:
    """The group of a path; None when its answers are not counted."""
    if path.startswith(_TASKS):
        return "tasks"
    if path in _UNMEASURED:
        return None
    return _FIRST_SEGMENTS.get(path.split("/", 2)[1] if path.startswith("/") else "", "other")


def build_label(group: str, status_class: int) -> str:
    """The label of a series: ``tasks 2xx``."""
    return f"{group} {min(max(status_class, 2), 5)}xx"


class _Watched:
    """``send`` that remembers the status, and whether the answer came in pieces."""

    __slots__ = ("_send", "status", "streamed")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.streamed = False

    def __call__(self, message: Message) -> Awaitable[None]:
        # No coroutine of its own: on the way of every task, one more costs as much as all the rest here.
        if message["type"] == "http.response.start":
            self.status = message["status"]
        elif message.get("more_body"):
            self.streamed = True
        return self._send(message)

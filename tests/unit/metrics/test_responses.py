"""Every answer is measured around all layers, and each delta reaches the inspector once."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from typing import Any

import pytest

from serve_app.errors import DeadlineExceeded
from serve_app.metrics.histogram import Histogram
from serve_app.metrics.responses import GROUPS, ResponseDelivery, ResponseMeter, classify_path
from serve_app.settings import AppArgs
from tests.unit.fakes import ALL_TOKENS, ARGS, GONE, OPERATOR, asgi, piece, served

MANAGED = AppArgs.model_validate({**ARGS.model_dump(), "job_management": {"enabled": True}})

AS_OPERATOR = [(b"authorization", f"Bearer {OPERATOR}".encode())]
TASK = b'{"type": "task.plan"}'


def ticking() -> Any:
    """A clock on which everything takes a quarter of a second."""
    ticks = itertools.count()
    return lambda: next(ticks) / 4


def told(meter: ResponseMeter) -> dict[str, tuple[int, float | None]]:
    found = {label: Histogram.from_json(value) for label, value in meter.take().items()}
    return {label: (each.count, each.max_s) for label, each in found.items()}


@pytest.mark.parametrize(
    ("method", "path", "counted"),
    [
        ("POST", "/organism/execute/utility_organ_1", {"tasks 2xx": (1, 0.25)}),  # past FastAPI
        ("POST", "/organism/execute", {"tasks 2xx": (1, 0.25)}),
        ("POST", "/organism/execute/nobody", {"tasks 4xx": (1, 0.25)}),
        ("GET", "/organism/status", {"organism 2xx": (1, 0.25)}),
        ("HEAD", "/jobs", {"jobs 2xx": (1, 0.25)}),
        ("GET", "/cluster/nodes", {"cluster 2xx": (1, 0.25)}),
        ("GET", "/ray/status", {"cluster 2xx": (1, 0.25)}),
        ("GET", "/report", {"report 2xx": (1, 0.25)}),
        ("GET", "/nothing/here", {"other 4xx": (1, 0.25)}),
        ("GET", "/health", {}),
        ("GET", "/ready", {}),
    ],
)
async def test_what_is_counted(method: str, path: str, counted: dict[str, Any]) -> None:
    api = served(ALL_TOKENS).api
    api.meter = ResponseMeter(ticking())
    await asgi(api, method, path, piece(TASK), headers=AS_OPERATOR)
    assert told(api.meter) == counted
    assert api.meter.take() == {}


async def test_what_the_guard_refuses_is_counted_below_the_prefix() -> None:
    api = served(ALL_TOKENS).api
    api.meter = ResponseMeter(ticking())
    await asgi(api, "GET", "/seed/jobs", root_path="/seed")
    assert told(api.meter) == {"jobs 4xx": (1, 0.25)}


@pytest.mark.parametrize(
    ("path", "group"),
    [
        ("/", "other"),
        ("", "other"),
        ("jobs", "other"),
        ("/jobs/a/b", "jobs"),
        ("/jobsx", "other"),
        ("/docs", "other"),
        ("/health/x", "other"),
        ("/organism/execute/random", "tasks"),
    ],
)
def test_groups(path: str, group: str) -> None:
    assert classify_path(path) == group
    assert group in GROUPS


def sends(*messages: dict[str, Any], then: BaseException | None = None) -> Any:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)
        if then is not None:
            raise then

    return app


START = {"type": "http.response.start", "status": 200, "headers": []}
BODY = {"type": "http.response.body", "body": b"x"}


@pytest.mark.parametrize(
    ("app", "counted"),
    [
        (sends(START, BODY), {"jobs 2xx": (1, 0.25)}),
        (sends({**START, "status": 599}, BODY), {"jobs 5xx": (1, 0.25)}),
        (sends({**START, "status": 700}, BODY), {"jobs 5xx": (1, 0.25)}),
        (sends(START, {**BODY, "more_body": True}, BODY), {}),  # streamed
        (sends(then=RuntimeError()), {"jobs 5xx": (1, 0.25)}),
        (sends(START, then=RuntimeError()), {"jobs 2xx": (1, 0.25)}),
        (sends(then=asyncio.CancelledError()), {}),  # the caller has gone
    ],
)
async def test_answers(app: Any, counted: dict[str, Any]) -> None:
    meter = ResponseMeter(ticking())

    async def through(scope: Any, receive: Any, send: Any) -> None:
        await meter.measure(app, scope, receive, send)

    with contextlib.suppress(RuntimeError, asyncio.CancelledError):
        await asgi(through, "GET", "/jobs", GONE)
    assert told(meter) == counted


@pytest.mark.parametrize(("asked_s", "counted_s"), [(0.0, 0.25), (0.1, 0.15), (5.0, 0.0)])
async def test_waiting_that_was_asked_for_is_no_slowness(asked_s: float, counted_s: float) -> None:
    made = served(ALL_TOKENS, MANAGED, stop_job={"stopped": True})
    meter = made.api.meter = ResponseMeter(ticking())  # type: ignore[attr-defined]
    body = piece(f'{{"wait_s": {asked_s}}}'.encode())
    assert (await asgi(made.api, "POST", "/jobs/j/stop", body, headers=AS_OPERATOR)).status == 200
    assert told(meter) == {"jobs 2xx": (1, pytest.approx(counted_s))}


async def test_what_is_no_request_passes() -> None:
    passed: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append((scope, receive, send))

    meter = ResponseMeter()
    await meter.measure(app, {"type": "lifespan"}, 1, 2)  # type: ignore[arg-type]
    assert passed == [({"type": "lifespan"}, 1, 2)]
    assert meter.take() == {}


class Inspector:
    """Takes deltas, or fails before or after having taken them."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.failing: str | None = None
        self.hanging = False

    async def record_responses(self, delta: dict[str, Any]) -> None:
        if self.hanging:
            await asyncio.Event().wait()
        if self.failing != "before":
            self.taken.append(delta)
        if self.failing:
            raise DeadlineExceeded("JobInspector did not answer.")


async def answer_one(meter: ResponseMeter) -> None:
    await meter.measure(sends(START, BODY), {"type": "http", "path": "/jobs"}, None, _sink)  # type: ignore[arg-type]


async def _sink(message: Any) -> None: ...


@pytest.mark.parametrize("failing", ["before", "after"])
async def test_a_delta_is_sent_again_as_it_was(failing: str) -> None:
    meter, inspector = ResponseMeter(ticking()), Inspector()
    delivery = ResponseDelivery(meter, "r1", inspector.record_responses)
    await delivery.deliver()  # nothing to say
    await answer_one(meter)
    inspector.failing = failing
    await delivery.deliver()
    await answer_one(meter)
    await delivery.deliver()
    inspector.failing = None
    await delivery.deliver()
    await delivery.deliver()
    by_number = {delta["number"]: delta for delta in inspector.taken}
    counts = {number: Histogram.from_json(each["responses"]["jobs 2xx"]).count for number, each in by_number.items()}
    assert counts == {1: 1, 2: 1}
    assert [delta["number"] for delta in inspector.taken] == ([1, 2] if failing == "before" else [1, 1, 1, 2])
    assert {delta["replica"] for delta in inspector.taken} == {"r1"}


async def test_it_delivers_on_a_period_and_a_last_time() -> None:
    meter, inspector, pauses = ResponseMeter(ticking()), Inspector(), asyncio.Queue[float]()
    over = asyncio.Event()

    async def pause(seconds: float) -> None:
        pauses.put_nowait(seconds)
        if pauses.qsize() > 2:
            await over.wait()

    delivery = ResponseDelivery(meter, "r1", inspector.record_responses, pause=pause)
    await delivery.close()  # never begun: nothing to do
    await answer_one(meter)
    delivery.start()
    delivery.start()
    while pauses.qsize() <= 2:
        await asyncio.sleep(0)
    assert (pauses.get_nowait(), len(inspector.taken)) == (5.0, 1)
    await answer_one(meter)
    await delivery.close()
    assert [delta["number"] for delta in inspector.taken] == [1, 2]


async def test_a_replica_does_not_wait_long_for_its_last_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serve_app.metrics.responses._LAST_TIMEOUT_S", 0.01)
    meter, inspector = ResponseMeter(ticking()), Inspector()
    inspector.hanging = True

    async def pause(seconds: float) -> None:
        await asyncio.Event().wait()

    delivery = ResponseDelivery(meter, "r1", inspector.record_responses, pause=pause)
    delivery.start()
    await answer_one(meter)
    await delivery.close()
    assert inspector.taken == []


async def test_delivery_that_broke_begins_again(caplog: pytest.LogCaptureFixture) -> None:
    meter, tries = ResponseMeter(ticking()), 0

    async def pause(seconds: float) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise RuntimeError("broken")
        await asyncio.Event().wait()

    delivery = ResponseDelivery(meter, "r1", Inspector().record_responses, pause=pause)
    delivery.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    delivery.start()
    await asyncio.sleep(0)
    assert tries == 2
    assert [record.message for record in caplog.records] == ["delivering response times ended"]
    await delivery.close()

"""What one token may use at once, and how often it may ask: 429 with what is used and when to come again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from serve_app.api.guard import Guard
from serve_app.api.limits import Limits, Use, identify, recover
from serve_app.errors import TooBusy
from serve_app.settings import IngressConfig
from tests.unit.fakes import ALL_TOKENS, EXECUTOR, OPERATOR, READER, Served, asgi, piece, served

A, B = b"a", b"b"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def configure(**changes: Any) -> IngressConfig:
    return IngressConfig.model_validate(changes)


def limits(clock: Clock | None = None, **changes: Any) -> Limits:
    config = configure(**changes)
    return Limits(lambda: config, clock or Clock())


def refused(call: Any, *args: Any) -> tuple[Any, ...]:
    with pytest.raises(TooBusy) as found:
        call(*args)
    error = found.value
    return error.status, error.code, error.members["used"], error.members["limit"], error.retry_after_s


@pytest.mark.parametrize(
    ("used", "elapsed_s", "rate_per_s", "left"), [(0, 9, 1, 0), (5, 2, 1, 3), (5, 2, 0.5, 4), (5, 100, 1, 0)]
)
def test_requests_come_back(used: float, elapsed_s: float, rate_per_s: float, left: float) -> None:
    assert recover(used, elapsed_s, rate_per_s) == left


def test_without_a_rate_nothing_is_counted() -> None:
    made = limits(request_burst=1)
    for _ in range(1000):
        made.count_request(A)


def test_a_rate() -> None:
    clock = Clock()
    made = limits(clock, requests_per_s=0.5, request_burst=3)
    for _ in range(3):
        made.count_request(A)
    assert refused(made.count_request, A) == (429, "rate_limited", 3, 3, 2)
    made.count_request(B)
    clock.now = 1.0
    assert refused(made.count_request, A) == (429, "rate_limited", 3, 3, 1)
    clock.now = 2.0
    made.count_request(A)
    assert refused(made.count_request, A) == (429, "rate_limited", 3, 3, 2)


def test_callers_who_used_nothing_for_a_while_are_forgotten() -> None:
    clock = Clock()
    made = limits(clock, requests_per_s=1, request_burst=2)
    for number in range(1_000):
        made.count_request(str(number).encode())
    clock.now = 1.0
    made.count_request(A)
    assert list(made._asked) == [A]


def test_bytes_of_bodies_are_given_back() -> None:
    made = limits()
    uses = [Use(made) for _ in range(4)]
    for use in uses:
        use.count_request(A)
    for use in uses[:2]:
        use.hold(8_388_608)
    assert refused(uses[2].hold, 1) == (429, "too_many_bytes", 16_777_216, 16_777_216, 1)
    other = Use(made)
    other.count_request(B)
    other.hold(16_777_216)
    for use in uses[:3]:
        use.close()
        use.close()
    uses[3].hold(16_777_216)
    uses[3].close()
    other.close()
    assert not made._held_bytes


def test_streams_are_given_back() -> None:
    made = limits(streams_per_token=2)
    uses = [Use(made) for _ in range(4)]
    for use in uses[:2]:
        use.begin_stream()
    assert refused(uses[2].begin_stream) == (429, "too_many_streams", 2, 2, 1)
    uses[2].close()
    uses[0].close()
    uses[3].begin_stream()
    for use in uses:
        use.close()
    assert not made._streams


def test_a_new_configuration_holds_at_once() -> None:
    config = [configure()]
    made = Limits(lambda: config[0], Clock())
    made.count_request(A)
    config[0] = configure(requests_per_s=1, request_burst=1)
    made.count_request(A)
    assert refused(made.count_request, A)[1] == "rate_limited"


@pytest.mark.parametrize("header", ["Bearer x-token", "bearer x-token", "BEARER   x-token ", "Bearer \xa0x-token\x85"])
def test_a_token_is_one_caller_however_it_is_written(header: str) -> None:
    assert identify({b"authorization": header.encode("latin-1")}) == identify({b"authorization": b"Bearer x-token"})
    assert identify({b"authorization": b"Bearer y-token"}) != identify({b"authorization": b"Bearer x-token"})


def limited(**changes: Any) -> Served:
    made = served(ALL_TOKENS)
    made.api.state.deps.config = configure(**changes)
    return made


async def test_the_rate_is_one_for_all_routes_and_none_for_probes() -> None:
    api = limited(requests_per_s=0.1, request_burst=3)
    async with api.client(EXECUTOR) as client:
        assert (await client.get("/jobs")).status_code == 200
        assert (await client.post("/organism/execute", json={"type": "memory.get"})).status_code == 200
        assert (await client.post("/organism/execute/utility_organ_1", json={"type": "x"})).status_code == 200
        for answer in (
            await client.post("/organism/execute/utility_organ_1", json={"type": "x"}),
            await client.get("/jobs"),
            await client.get("/nowhere"),
        ):
            told = answer.json()
            assert (answer.status_code, told["code"], told["used"], told["limit"]) == (429, "rate_limited", 3, 3)
            assert answer.headers["retry-after"] == "10"
            assert "token of" not in answer.text
            assert EXECUTOR not in answer.text
        assert [(await client.get(path)).status_code for path in ("/health", "/ready")] == [200, 200]
    async with api.client(READER) as other:
        assert (await other.get("/jobs")).status_code == 200
        # What is refused for its role is not counted: it may not use up what another one has.
        assert (await other.post("/organism/initialize")).status_code == 403
    assert len(api.organs.tasks) == 2


async def test_without_tokens_all_are_one_caller() -> None:
    api = served()
    api.api.state.deps.config = configure(requests_per_s=0.1, request_burst=1)
    async with api.client() as client:
        first = await client.get("/jobs", headers={"Authorization": "Bearer one"})
        second = await client.get("/jobs", headers={"Authorization": "Bearer another"})
    assert (first.status_code, second.status_code) == (200, 429)


async def test_streams_of_a_token() -> None:
    api = limited(streams_per_token=1)
    begun, ended = asyncio.Event(), asyncio.Event()

    async def follow(*_: Any) -> Any:
        yield {"lines": []}
        begun.set()
        await ended.wait()

    api.part.follow_log = follow  # type: ignore[attr-defined]

    async def ask(token: str) -> Any:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        return await asgi(api.api, "GET", "/jobs/j/logs", piece(b""), headers=headers, query_string=b"follow=true")

    holding = asyncio.create_task(ask_open(api, ended))
    await begun.wait()
    answer = await ask(READER)
    assert (answer.status, answer.json()["code"], answer.json()["used"]) == (429, "too_many_streams", 1)
    assert (await ask(OPERATOR)).status == 200
    ended.set()
    await holding
    assert (await ask(READER)).status == 200


async def ask_open(api: Served, ended: asyncio.Event) -> None:
    """A reader that stays until ``ended``."""

    async def receive() -> Any:
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(_: Any) -> None: ...

    scope = {
        "type": "http", "http_version": "1.1", "method": "GET", "path": "/jobs/j/logs", "raw_path": b"/jobs/j/logs",
        "query_string": b"follow=true", "scheme": "http", "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 1),
        "headers": [(b"host", b"localhost"), (b"authorization", f"Bearer {READER}".encode())],
    }  # fmt: skip
    await api.api(scope, receive, send)


async def test_bodies_of_a_token_at_once() -> None:
    made = Limits(IngressConfig, Clock())
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        waiting.set()
        await go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(
        app, tokens=ALL_TOKENS, allowed_hosts=frozenset(), local_addresses=frozenset(), max_body_bytes=16_777_216,
        limits=made,
    )  # fmt: skip

    async def post(token: str) -> Any:
        headers = [(b"authorization", f"Bearer {token}".encode())]
        return await asgi(guard, "POST", "/x", piece(b"x" * 16_777_216), headers=headers)

    first = asyncio.create_task(post(OPERATOR))
    await waiting.wait()
    second = await post(OPERATOR)
    assert (second.status, second.json()["code"], second.json()["used"]) == (429, "too_many_bytes", 16_777_216)
    go_on.set()
    assert (await first).status == 200
    assert (await post(OPERATOR)).status == 200

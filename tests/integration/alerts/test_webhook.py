"""Webhooks against a real server on loopback; no Ray."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from aiohttp import web

from serve_app.alerts.settings import Webhook
from serve_app.alerts.webhook import Poster, WebhookFailed

TOKEN = "hook-token-0123456789"


class Server:
    """It answers by path, and notes what it was told."""

    def __init__(self) -> None:
        self.url = ""
        self.told: list[tuple[str, Any, str | None]] = []
        self.failures = 0

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.post("/{what}", self.answer)])
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def answer(self, request: web.Request) -> web.StreamResponse:
        what = request.match_info["what"]
        self.told.append((what, await request.json(), request.headers.get("Authorization")))
        if what == "fine":
            return web.Response(status=204)
        if what == "flaky" and self.failures == 0:
            self.failures += 1
            return web.Response(status=500, text="\x1b[31mnot now\0")
        if what == "busy":
            return web.Response(status=int(request.query["status"]), headers={"Retry-After": request.query["after"]})
        if what == "redirect":
            raise web.HTTPTemporaryRedirect("/fine")
        if what == "echo":
            return web.Response(status=401, text=f"no such token: {request.headers.get('Authorization')}")
        if what == "endless":
            return await self.endless(request)
        if what == "slow":
            await asyncio.sleep(30)
        return web.Response()

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=503)
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x" * 65_536)
        return response


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    runner = await made.start()
    yield made
    await runner.cleanup()


@pytest.fixture
async def poster() -> AsyncIterator[Poster]:
    made = Poster({"HOOK_TOKEN": TOKEN, "EMPTY": "", "BROKEN": "a\r\nX-Evil: 1"})
    yield made
    await made.close()


def hook(url: str, **changes: Any) -> Webhook:
    return Webhook.model_validate({"name": "ops", "url": url, "timeout_s": 2, **changes})


async def test_it_arrives_as_json_with_the_token(server: Server, poster: Poster) -> None:
    await poster.post(hook(f"{server.url}/fine", token_env="HOOK_TOKEN"), [{"a": "ü"}])
    await poster.post(hook(f"{server.url}/fine"), {})
    assert server.told == [("fine", [{"a": "ü"}], f"Bearer {TOKEN}"), ("fine", {}, None)]


@pytest.mark.parametrize(
    ("path", "code", "sentence"),
    [
        ("flaky", "webhook_refused", "ops answered 500: not now"),
        ("redirect", "webhook_redirects", "ops answered 307; redirects are not followed."),
        ("slow", "webhook_silent", "ops did not answer within 0.5 s."),
        ("endless", "webhook_refused", "ops answered 503: " + "x" * 200),
        ("echo", "webhook_refused", "ops answered 401: no such token: [redacted] [redacted]"),
    ],
)
async def test_what_is_no_success(server: Server, poster: Poster, path: str, code: str, sentence: str) -> None:
    with pytest.raises(WebhookFailed) as failed:
        await poster.post(hook(f"{server.url}/{path}", timeout_s=0.5, token_env="HOOK_TOKEN"), {})
    assert (failed.value.code, failed.value.detail) == (code, sentence)
    assert [what for what, *_ in server.told] == [path]


@pytest.mark.parametrize(
    ("status", "after", "wait_s"),
    [
        (429, "30", 30.0),
        (503, "30", 30.0),
        (503, "999999", 3600.0),
        (429, "Thu, 01 Jan 2026 12:00:45 GMT", 45.0),
        (429, "soon", None),
        # Others do not say by it when to come again.
        (500, "30", None),
    ],
)
async def test_when_it_asks_to_be_asked_again(server: Server, status: int, after: str, wait_s: float | None) -> None:
    poster = Poster({}, lambda: datetime(2026, 1, 1, 12, tzinfo=UTC))
    with pytest.raises(WebhookFailed) as failed:
        await poster.post(hook(f"{server.url}/busy?status={status}&after={quote(after)}"), {})
    assert (failed.value.code, failed.value.members.get("wait_s")) == ("webhook_refused", wait_s)
    await poster.close()


async def test_down_then_up_again(server: Server, poster: Poster) -> None:
    down = await Server().start()
    address = down.addresses[0]
    await down.cleanup()
    with pytest.raises(WebhookFailed) as failed:
        await poster.post(hook(f"http://{address[0]}:{address[1]}/fine?key=hidden"), {})
    assert failed.value.detail == "ops cannot be reached (ClientConnectorError)."
    assert failed.value.code == "webhook_unreachable"
    with pytest.raises(WebhookFailed):
        await poster.post(hook(f"{server.url}/flaky"), {"n": 1})
    await poster.post(hook(f"{server.url}/flaky"), {"n": 1})
    assert [body for _, body, _ in server.told] == [{"n": 1}, {"n": 1}]


async def test_a_slow_one_does_not_stop_another(server: Server, poster: Poster) -> None:
    slow = asyncio.create_task(poster.post(hook(f"{server.url}/slow", timeout_s=1), {}))
    await poster.post(hook(f"{server.url}/fine"), {})
    assert not slow.done()
    with pytest.raises(WebhookFailed, match="did not answer"):
        await slow


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("EMPTY", "ops: EMPTY is not set."),
        ("MISSING", "ops: MISSING is not set."),
        ("BROKEN", "ops: BROKEN is no token."),
    ],
)
async def test_without_its_token_nothing_is_sent(server: Server, poster: Poster, name: str, sentence: str) -> None:
    with pytest.raises(WebhookFailed) as failed:
        await poster.post(hook(f"{server.url}/fine", token_env=name), {})
    assert (failed.value.code, failed.value.detail, server.told) == ("webhook_token_missing", sentence, [])


async def test_neither_url_nor_token_is_logged(
    server: Server, poster: Poster, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    for path in ("flaky", "redirect", "echo"):
        with pytest.raises(WebhookFailed) as failed:
            await poster.post(hook(f"{server.url}/{path}?key=hidden", token_env="HOOK_TOKEN"), {})
        said.append(failed.value.detail)
    # the server of this test logs what it is asked
    said += [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]
    assert not [line for line in said if TOKEN in line or "hidden" in line]

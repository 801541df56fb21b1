"""``http.get`` against a real server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from organs.skills.contract import SkillDeadline, SkillRefused, SkillUpstreamFailed
from organs.skills.http import fetch
from organs.skills.ssrf import check_url


@pytest.fixture
async def server() -> AsyncIterator[str]:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="héllo", charset="latin-1")

    async def odd(_: web.Request) -> web.Response:
        return web.Response(body=b"\xff\xfe", headers={"Content-Type": "text/plain; charset=no-such-charset"})

    async def wide(_: web.Request) -> web.Response:
        return web.Response(body="hé".encode("utf-16"), headers={"Content-Type": "text/plain; charset=utf-16"})

    async def redirect(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://169.254.169.254/")

    async def big(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"x" * 1_000_000)

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async def seen(request: web.Request) -> web.Response:
        return web.json_response({"host": request.host, "cookie": request.headers.get("Cookie")})

    app = web.Application()
    app.add_routes([web.get(f"/{each.__name__}", each) for each in (hello, odd, wide, redirect, big, slow, seen)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize(
    ("path", "status", "body", "truncated"),
    [
        ("hello", 200, "héllo", False),
        ("odd", 200, "��", False),
        ("wide", 200, "hé", False),
        ("redirect", 302, None, False),
        ("big", 200, "x" * 1000, True),
    ],
)
async def test_an_answer_is_an_answer(server: str, path: str, status: int, body: str | None, truncated: bool) -> None:
    answer = await fetch(check_url(f"{server}/{path}", [server]), timeout_s=5, max_bytes=1000)
    assert (answer["status"], answer["truncated"]) == (status, truncated)
    if body is not None:
        assert answer["body"] == body
    if status == 302:
        assert answer["location"] == "http://169.254.169.254/"


async def test_what_is_not_listed_is_refused_before_it_is_asked(server: str) -> None:
    port = int(server.rsplit(":", 1)[1])
    for allowlist in ([], ["127.0.0.1"], [f"127.0.0.1:{port}"], ["http://127.0.0.1"], [f"http://localhost:{port}"]):
        with pytest.raises(SkillRefused):
            check_url(f"{server}/hello", allowlist)


async def test_a_name_for_an_address_that_is_not_public_is_refused(server: str) -> None:
    named = server.replace("127.0.0.1", "localhost")
    with pytest.raises(SkillRefused, match="not public"):
        await fetch(check_url(f"{named}/hello", [named]), timeout_s=5, max_bytes=1000)


async def test_the_host_is_kept(server: str) -> None:
    answer = await fetch(check_url(f"{server}/seen", [server]), timeout_s=5, max_bytes=1000)
    assert answer["body"] == f'{{"host": "{server.removeprefix("http://")}", "cookie": null}}'


async def test_a_slow_server_meets_the_deadline(server: str) -> None:
    with pytest.raises(SkillDeadline):
        await fetch(check_url(f"{server}/slow", [server]), timeout_s=0.3, max_bytes=1000)


async def test_nobody_there() -> None:
    with pytest.raises(SkillUpstreamFailed):
        await fetch(check_url("http://127.0.0.1:1/", ["http://127.0.0.1:1"]), timeout_s=2, max_bytes=1000)

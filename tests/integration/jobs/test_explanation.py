"""Words by a model, asked of a real server that speaks OpenAI's API on this machine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource
from serve_app.jobs.diagnosis.words.explanation import Explainer, ModelSettings

SECRET = "sk-abcdefghijklmnop1234"
LOG = f"Traceback (most recent call last):\n  File 'a.py', line 1\nValueError: no table; api_key={SECRET}\n".encode()
DIAGNOSIS = diagnose(Fields(status="FAILED"), [TextSource("job.log", SourceKind.DRIVER, [LOG])]).render_json()
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def _server(answer: Answer) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/chat/completions", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def _completion(content: Any) -> web.Response:
    return web.json_response({"choices": [{"message": {"role": "assistant", "content": content}}]})


async def test_a_model_may_write_the_words_and_is_named() -> None:
    asked: list[dict[str, Any]] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append({"key": request.headers.get("Authorization"), **await request.json()})
        return _completion("The table is missing. \x1b[31mpassword=hunter2secret")

    async with _server(answer) as url:
        words = Explainer(ModelSettings(url, "small", "the-key"))
        told = await words.explain(DIAGNOSIS, by_model=True)
        await words.close()
    assert told == {
        "text": "The table is missing. password=[redacted]",
        "written_by": "model",
        "model": "small",
        "reason": None,
    }
    assert (asked[0]["key"], asked[0]["model"], asked[0]["max_tokens"]) == ("Bearer the-key", "small", 400)
    assert SECRET not in json.dumps(asked)
    assert "ValueError: no table" in json.dumps(asked)


async def _error(_: web.Request) -> web.Response:
    return web.Response(status=500, text="no")


async def _no_json(_: web.Request) -> web.Response:
    return web.Response(text="<html>")


async def _too_long(_: web.Request) -> web.Response:
    return _completion("x" * 300_000)


async def _empty(_: web.Request) -> web.Response:
    return _completion("  ")


async def _no_text(_: web.Request) -> web.Response:
    return _completion([{"type": "image"}])


async def _elsewhere(_: web.Request) -> web.Response:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/"})


async def _never(_: web.Request) -> web.Response:
    await asyncio.Event().wait()
    return _completion("late")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (_error, "the model did not answer: status 500"),
        (_no_json, "the model did not answer: its answer is not that of a chat completion"),
        (_too_long, "the model did not answer: its answer is too long"),
        (_empty, "the model did not answer: its answer is empty"),
        (_no_text, "the model did not answer: its answer is empty"),
        (_elsewhere, "the model did not answer: status 307"),
        (_never, "the model did not answer within 0.3 s"),
    ],
)
async def test_when_it_fails_the_words_are_ours_and_it_is_left_alone(answer: Answer, reason: str) -> None:
    calls = 0

    async def counted(request: web.Request) -> web.StreamResponse:
        nonlocal calls
        calls += 1
        return await answer(request)

    async with _server(counted) as url:
        words = Explainer(ModelSettings(url, timeout_s=0.3), clock=lambda: 1_000.0)
        told = await words.explain(DIAGNOSIS, by_model=True)
        again = await words.explain(DIAGNOSIS, by_model=True)
        await words.close()
    assert (told["written_by"], told["model"], told["reason"]) == ("built-in", None, reason)
    assert "ValueError: no table" in told["text"]
    assert again["reason"] == "the model failed a short while ago; it is asked again in 60 s"
    assert calls == 1


async def test_a_server_that_is_not_there() -> None:
    words = Explainer(ModelSettings("http://127.0.0.1:9/v1", timeout_s=5))
    told = await words.explain(DIAGNOSIS, by_model=True)
    await words.close()
    assert told["written_by"] == "built-in"
    assert told["reason"].startswith("the model did not answer: Cannot connect")


async def test_nobody_is_asked_without_a_wish_or_an_address() -> None:
    words = Explainer(ModelSettings())
    assert (await words.explain(DIAGNOSIS, by_model=False))["reason"] is None
    assert (await words.explain(DIAGNOSIS, by_model=True))["reason"] == "no model is set: SEEDCORE_LLM_BASE_URL"

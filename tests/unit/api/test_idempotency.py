"""A request that is sent again under its key is answered, and not done again."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from serve_app.api import idempotency
from serve_app.errors import Unavailable
from tests.unit.api.test_app import served
from tests.unit.fakes import ALL_TOKENS, EXECUTOR, OPERATOR, KeptRequests, result

TASK = {"type": "memory.put", "parameters": {"key": "k", "value": 1}}
PATH = "/organism/execute/utility_organ_1"


@pytest.fixture
def requests() -> KeptRequests:
    return KeptRequests()


@pytest.fixture
def api(requests: KeptRequests) -> Any:
    made = served(ALL_TOKENS)
    made.part.begin_request, made.part.finish_request = requests.begin_request, requests.finish_request
    return made


def key(value: str, token: str = EXECUTOR) -> dict[str, str]:
    return {"Idempotency-Key": value, "Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("path", [PATH, "/organism/execute"])
async def test_the_same_again_is_answered_and_not_done(api: Any, path: str) -> None:
    async with api.client() as client:
        first = await client.post(path, json=TASK, headers=key("a"))
        again = await client.post(path, json=TASK, headers=key("a"))
        other = await client.post(path, json=TASK, headers=key("b"))
        of_another = await client.post(path, json=TASK, headers=key("a", OPERATOR))
    assert (first.status_code, again.status_code, again.content) == (200, 200, first.content)
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    assert again.headers["x-content-type-options"] == "nosniff"
    assert [other.status_code, of_another.status_code] == [200, 200]
    assert len(api.organs.tasks) == 3
    assert len(set(api.organs.requests)) == 3
    assert {request.partition(":")[0] for request in api.organs.requests} == {"key"}


async def test_another_body_under_the_same_key_is_refused(api: Any) -> None:
    async with api.client() as client:
        await client.post(PATH, json=TASK, headers=key("a"))
        other = await client.post(PATH, json={**TASK, "description": "another"}, headers=key("a"))
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(api.organs.tasks) == 1


async def test_one_that_is_being_done_is_not_done_beside_it(api: Any, requests: KeptRequests) -> None:
    async with api.client() as client:
        await client.post(PATH, json=TASK, headers=key("a"))
        [row] = requests.kept.values()
        row["state"] = "running"
        answer = await client.post(PATH, json=TASK, headers=key("a"))
        row.update(state="done", answer=None)
        too_long = await client.post(PATH, json=TASK, headers=key("a"))
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_in_progress")
    assert (too_long.status_code, too_long.json()["code"]) == (409, "idempotency_answer_not_kept")
    assert len(api.organs.tasks) == 1


async def test_a_long_one_says_that_it_is_at_work(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "_RENEWED_EVERY_S", 0.0)
    renewed: list[str] = []
    enough = asyncio.Event()

    async def renew(key: str) -> None:
        renewed.append(key)
        if len(renewed) == 3:
            enough.set()

    async def work(organ_id: str, task: Any) -> Any:
        await enough.wait()
        return {"agent_id": "a", "result": result("a")}

    api.part.renew_request, api.organs.execute = renew, work
    async with api.client() as client:
        answer = await client.post(PATH, json=TASK, headers=key("a"))
    assert (answer.status_code, len(set(renewed))) == (200, 1)


async def test_what_failed_may_be_sent_again_with_what_tells_it_apart(api: Any) -> None:
    api.organs.reply = Unavailable("Soon.")
    async with api.client() as client:
        failed = await client.post(PATH, json=TASK, headers=key("a"))
        api.organs.reply = None
        again = await client.post(PATH, json=TASK, headers=key("a"))
    assert (failed.status_code, again.status_code) == (503, 200)
    assert len(set(api.organs.requests)) == 1, "the store knows that it is the same"


async def test_without_a_store_nothing_with_a_key_is_done(api: Any) -> None:
    async def fail(*_: Any) -> Any:
        raise Unavailable("The store is unavailable.")

    api.part.begin_request = fail
    async with api.client() as client:
        answer = await client.post(PATH, json=TASK, headers=key("a"))
        without = await client.post(PATH, json=TASK, headers={"Authorization": f"Bearer {EXECUTOR}"})
    assert (answer.status_code, without.status_code, len(api.organs.tasks)) == (503, 200, 1)


@pytest.mark.parametrize("value", ["", "with space", "x" * 201])
async def test_a_key_that_is_none_is_refused(api: Any, value: str) -> None:
    async with api.client() as client:
        answer: httpx.Response = await client.post(PATH, json=TASK, headers=key(value))
    assert (answer.status_code, api.organs.tasks) == (422, [])


async def test_a_look_has_no_key(api: Any, requests: KeptRequests) -> None:
    async with api.client() as client:
        await client.get("/organism/status", headers=key("a"))
    assert requests.kept == {}

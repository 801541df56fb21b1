"""Settings in the store, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from organs.times import format_time
from serve_app.errors import InvalidInput
from serve_app.store.live.rows import MAX_SETTINGS_BYTES
from serve_app.store.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
GOOD = {"task_timeout_s": 5, "odd": "\0\ud800"}


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(database: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(database, now=clock)
    yield opened
    await opened.close()


def refusal(got: str, key: str = "user_config.task_timeout_s") -> dict[str, Any]:
    mistake = {"key": key, "got": got, "expected": "a valid number"}
    return {"mistakes": [mistake], "in_force": "Those of before stay in force."}


async def test_kept_by_application_and_deployment_until_others_are_good(store: Store, clock: Clock) -> None:
    assert await store.last_settings("seedcore", "Ingress") is None
    await store.note_settings("seedcore", "Ingress", GOOD, None)
    await store.note_settings("other", "Ingress", {}, None)
    assert await store.last_settings("seedcore", "Ingress") == GOOD
    assert await store.last_settings("other", "Ingress") == {}
    assert await store.last_settings("seedcore", "Alerts") is None

    await store.note_settings("seedcore", "Ingress", None, refusal("'x'"))
    clock.now += timedelta(seconds=5)
    await store.note_settings("seedcore", "Ingress", None, refusal("'x'"))  # another replica
    await store.note_settings("seedcore", "Alerts", None, refusal("'y'"))
    assert await store.last_settings("seedcore", "Ingress") == GOOD
    assert await store.last_settings("seedcore", "Alerts") is None
    assert await store.refused_settings("other") == []
    assert await store.refused_settings("seedcore") == [
        {"deployment": "Alerts", **refusal("'y'"), "since": format_time(NOON + timedelta(seconds=5))},
        {"deployment": "Ingress", **refusal("'x'"), "since": format_time(NOON)},
    ]
    await store.note_settings("seedcore", "Ingress", {"task_timeout_s": 6}, None)
    assert [each["deployment"] for each in await store.refused_settings("seedcore")] == ["Alerts"]
    assert await store.last_settings("seedcore", "Ingress") == {"task_timeout_s": 6}


async def test_good_ones_that_were_not_noted_yet_come_with_the_refusal(store: Store) -> None:
    await store.note_settings("seedcore", "Ingress", GOOD, refusal("'x'"))
    assert await store.last_settings("seedcore", "Ingress") == GOOD
    assert len(await store.refused_settings("seedcore")) == 1


async def test_a_refusal_is_told_without_secrets_and_cut(store: Store) -> None:
    secret = "https://user:hunter2@example.invalid/" + "x" * 3_000
    await store.note_settings("seedcore", "Alerts", None, refusal(repr(secret), "user_config.\0" + "k" * 900))
    (told,) = await store.refused_settings("seedcore")
    (mistake,) = told["mistakes"]
    assert "hunter2" not in str(told)
    assert (len(mistake["got"]), len(mistake["key"])) == (60, 300)


async def test_what_no_person_writes_is_refused(store: Store) -> None:
    with pytest.raises(InvalidInput, match="settings takes"):
        await store.note_settings("seedcore", "Alerts", {"a": "x" * MAX_SETTINGS_BYTES}, None)
    with pytest.raises(InvalidInput, match="application must have"):
        await store.note_settings("", "Alerts", {}, None)

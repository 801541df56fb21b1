"""The manager's answers while organs hang, and what it says when it cannot reconcile. Serve and Ray are not there."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from serve_app.errors import Unavailable
from serve_app.organism import manager
from serve_app.organism.manager import OrganismManager
from serve_app.organism.observation import Observation
from serve_app.organism.reconcile import Initialization
from serve_app.organism.settings import ManagerConfig

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def made(last: Observation | None) -> Any:
    made = object.__new__(OrganismManager)
    made._specs, made._organs, made._inspector = (), {}, None  # type: ignore[assignment]
    made._config = ManagerConfig()
    made._observation = last
    made._initialization = Initialization("succeeded", "3 organs answer.")
    made._looking = asyncio.Lock()
    made._asked_look = None
    made._trouble = None
    return made


def seen(word: str, ago_s: float) -> Observation:
    return Observation(({"organ_id": word},), NOON, time.monotonic() - ago_s)


@pytest.fixture
def release(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Looks end when it is set."""
    release = asyncio.Event()

    async def observe(*_: Any) -> Observation:
        await release.wait()
        return seen("new", 0)

    monkeypatch.setattr(manager, "observe", observe)
    monkeypatch.setattr(manager, "_PATIENCE_S", 0.01)
    return release


async def test_while_a_look_takes_long_the_last_one_is_told(release: asyncio.Event) -> None:
    organism = made(seen("old", 60))
    told, _ = await asyncio.gather(organism.status(), organism.status())
    assert len(asyncio.all_tasks()) == 2  # this test and one look
    assert (told["organs"], told["as_of"]) == ([{"organ_id": "old"}], NOON.isoformat())
    release.set()
    assert (await organism.status())["organs"] == [{"organ_id": "new"}]


async def test_the_first_look_is_waited_for(release: asyncio.Event) -> None:
    asked = asyncio.ensure_future(made(None).status())
    await asyncio.sleep(0)
    release.set()
    assert (await asked)["organs"] == [{"organ_id": "new"}]


async def test_that_it_cannot_reconcile_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    organism = made(None)
    turns: list[Exception | None] = [Unavailable("No store."), Unavailable("No store."), None, None]

    async def reconcile() -> None:
        if not turns:
            raise asyncio.CancelledError
        error = turns.pop(0)
        if error is not None:
            raise error

    async def pause(_: float) -> None:
        return

    monkeypatch.setattr(organism, "_reconcile", reconcile)
    monkeypatch.setattr(manager.asyncio, "sleep", pause)
    with caplog.at_level(logging.INFO, "ray.serve.seedcore"), pytest.raises(asyncio.CancelledError):
        await organism._reconcile_for_ever()
    assert [record.getMessage() for record in caplog.records] == ["reconciling waits: No store.", "reconciling goes on"]

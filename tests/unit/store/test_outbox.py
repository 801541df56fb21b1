"""What is to be told to webhooks, in a real SQLite file."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from serve_app.store.store import Store
from tests.unit.alerts.parts import NOON, alert


async def test_what_is_due_does_not_wait_for_a_clock_that_was_set_back(tmp_path: Path) -> None:
    now = [NOON]
    store = await Store.open(f"sqlite:///{tmp_path}/store.db", now=lambda: now[0])
    row = {"id": "a-fired-ops", "alert_id": "a", "webhook": "ops", "payload": {}, "created_at": NOON.isoformat()}
    await store.apply_alerts([replace(alert(), id="a").to_json()], [], [row])
    await store.notification_failed("a-fired-ops", "no", (NOON + timedelta(minutes=15)).isoformat())
    assert await store.due_notifications("ops", 10) == []
    now[0] -= timedelta(hours=3)
    assert [each["id"] for each in await store.due_notifications("ops", 10)] == ["a-fired-ops"]
    await store.close()

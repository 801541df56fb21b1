"""A database of an old version, and what replicas of it still send, met by the store of this one.

Both were made by the old code itself (``tests/upgrade/make_records.py``).
"""

from __future__ import annotations

import gzip
import json
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from organs.agent import AgentState
from serve_app.alerts.models import Alert
from serve_app.store.store import Store

RECORDED = Path(__file__).parents[2] / "upgrade" / "recorded" / "9652b36"
CALLS: list[tuple[str, list[Any]]] = json.loads((RECORDED / "calls.json").read_text())
EVERYTHING = {
    "kinds": [],
    "statuses": [],
    "outcomes": [],
    "verdicts": [],
    "since_us": None,
    "until_us": None,
    "text": "",
    "after": None,
    "limit": 501,
}
# The row of the API, as the old version kept it: what none of its readers may find changed.
KEPT = ("id", "job_id", "submission_id", "kind", "status", "outcome", "verdict", "reason", "duration_s", "metadata")
TIMES = ("started_at", "ended_at")


def unpack(directory: Path) -> Path:
    """The old database as a file."""
    path = directory / "seedcore.db"
    path.write_bytes(gzip.decompress((RECORDED / "seedcore.db.gz").read_bytes()))
    return path


def rows_of(path: Path, statement: str) -> list[Any]:
    with sqlite3.connect(path) as connection:
        return connection.execute(statement).fetchall()


def facts(row: dict[str, Any]) -> dict[str, Any]:
    """What is compared of a row: a time is the same, however it is written."""
    times = {name: row[name] and datetime.fromisoformat(row[name]) for name in TIMES}
    return {**{name: row[name] for name in KEPT}, **times}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return unpack(tmp_path)


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    """The old database, opened by this code."""
    opened = await Store.open(f"sqlite:///{path}")
    yield opened
    await opened.close()


def calls(method: str) -> list[list[Any]]:
    found = [args for name, args in CALLS if name == method]
    assert found, f"the old version never asked {method}"
    return found


@pytest.fixture
def recorded_jobs() -> dict[str, dict[str, Any]]:
    """What the old version wrote, by key."""
    return {record["key"]: record for _, records in calls("save_jobs") for record in records}


async def test_every_job_is_as_it_was(store: Store, recorded_jobs: dict[str, dict[str, Any]]) -> None:
    found = {row["key"]: row["row"] for row in await store.list_jobs(EVERYTHING)}
    assert len(recorded_jobs) == 39
    assert {key: facts(row) for key, row in found.items()} == {
        key: facts(record["content"]["row"]) for key, record in recorded_jobs.items()
    }


async def test_each_job_is_found_with_its_evidence_and_changes(
    store: Store, recorded_jobs: dict[str, dict[str, Any]]
) -> None:
    for key, record in recorded_jobs.items():
        found = await store.find_job(record["id"], record["session"])
        assert found is not None
        assert found["evidence"] == record["content"]["evidence"]
        changes = await store.job_transitions(key)
        assert [(each["outcome"], each["reason"]) for each in changes] == [(record["outcome"], record["reason"])]


async def test_diagnoses_and_kept_logs_are_there(store: Store) -> None:
    saved = dict(calls("save_diagnosis"))
    assert await store.diagnoses(list(saved)) == saved
    [(key, text)] = calls("save_log_excerpt")
    session, id = key.split("/")
    found = await store.find_job(id, session)
    assert found is not None
    assert found["log_excerpt"] == text


async def test_jobs_are_still_searched(store: Store) -> None:
    rows = await store.list_jobs({**EVERYTHING, "text": "no configuration"})
    assert [row["row"]["id"] for row in rows] == ["submission-no-ray"]


async def test_agents_go_on_from_what_they_knew(store: Store) -> None:
    for agent_id, _, state in calls("save_agent"):
        claimed = await store.claim_agent(agent_id, agent_id.removesuffix("_agent_0"), "new-replica")
        assert (claimed["epoch"], claimed["state"]) == (2, state)
        assert AgentState.from_json(claimed["state"]).tasks_processed == 3
        assert await store.save_agent(agent_id, 1, state) == "fenced"


async def test_memories_are_there(store: Store) -> None:
    [(key, value, tags, agent_id)] = calls("put_memory")
    found = await store.get_memory(key)
    assert found is not None
    assert (found["value"], found["tags"], found["agent_id"], found["revision"]) == (value, tags, agent_id, 1)
    assert (await store.search_memory("grÖSSE", ["kept"], 10))["total"] == 1


def _without_facts(alert: Alert) -> Alert:
    """As the old version had it: what the subject is was only in its words."""
    return replace(alert, subject_type=None, subject_id=None, session=None)


async def test_alerts_fire_on_and_who_was_not_told_is_told(store: Store) -> None:
    [(changed, _, outbox)] = calls("apply_alerts")
    firing, resolved = (Alert.from_json(row) for row in changed)
    [kept] = [Alert.from_json(row) for row in await store.active_alerts()]
    assert (kept.subject_type, kept.subject_id) == ("node", "node-1")
    assert _without_facts(kept) == firing
    history = await store.alert_history({"limit": 10})
    shown = {row["id"]: _without_facts(Alert.from_json(row)) for row in history}
    assert shown == {firing.id: firing, resolved.id: resolved}
    [due] = await store.due_notifications("hook", 10)
    assert (due["id"], due["payload"]) == (outbox[0]["id"], outbox[0]["payload"])


async def test_the_initialization_counts_and_samples_are_kept(store: Store) -> None:
    [(submission_id, generation)] = calls("begin_initialization")
    latest = await store.latest_initialization(generation)
    assert latest is not None
    assert (latest["submission_id"], latest["state"], latest["sentence"]) == (
        submission_id,
        "succeeded",
        "3 organs answer.",
    )
    [[[sample]]] = calls("save_samples")
    assert (await store.load_samples(0, None))["items"] == [sample]


async def test_a_second_opening_changes_nothing(path: Path) -> None:
    for _ in range(2):
        await (await Store.open(f"sqlite:///{path}")).close()
        jobs = rows_of(path, "SELECT * FROM jobs ORDER BY key")
        revision = rows_of(path, "SELECT version_num FROM alembic_version")
    await (await Store.open(f"sqlite:///{path}")).close()
    assert rows_of(path, "SELECT * FROM jobs ORDER BY key") == jobs
    assert rows_of(path, "SELECT version_num FROM alembic_version") == revision


async def test_what_an_old_replica_still_sends_is_taken(database: str) -> None:
    """While it drains, an old replica writes its last into the new store."""
    store = await Store.open(database)
    try:
        for method, args in CALLS:
            await getattr(store, method)(*args)
        rows = await store.list_jobs(EVERYTHING)
        assert len(rows) == 39
        assert [row["id"] for row in await store.active_alerts()] == ["a-firing"]
    finally:
        await store.close()

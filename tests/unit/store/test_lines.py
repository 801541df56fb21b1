"""What is imported: what any version exported, and nothing that wins for ever."""

from __future__ import annotations

import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from serve_app import history
from serve_app.queries.job_names import build_key
from serve_app.store.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOON_US = round(NOON.timestamp() * 1_000_000)


def make_line(id: str, **changes: Any) -> dict[str, Any]:
    row = {"id": id, "session": "s1", "kind": "user", "status": "SUCCEEDED", "outcome": "succeeded"}
    row |= {"verdict": "OK", "rule": "succeeded", "submission_id": id}
    return {
        "format": 1,
        "key": build_key("s1", id, NOON_US, is_submission=True),
        **row,
        "series": "user",
        "started_us": NOON_US,
        "name": id,
        "content": {"row": row, "evidence": []},
        "searchable": id,
        "first_seen_at": "2026-01-01T12:00:00+00:00",
        "updated_at": "2026-01-01T12:00:00+00:00",
        **changes,
    }


def read_jobs(path: Path) -> list[tuple[str, int, int]]:
    with sqlite3.connect(path) as connection:
        rows = connection.execute("SELECT kind, length(id), length(submission_id) FROM jobs ORDER BY length(id)")
        return rows.fetchall()


def test_a_line_that_cannot_be_is_named_and_the_rest_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.dumps(make_line(id)) for id in ("a", "x" * 3_000)]
    source = tmp_path / "jobs.jsonl"
    source.write_text("\n".join([lines[0], "nonsense", "", lines[1], "{}"]))
    monkeypatch.setenv("SEEDCORE_DATABASE_URL", f"sqlite:///{tmp_path}/store.db")
    assert history.main(["import", str(source)]) == 1
    said = capsys.readouterr().err.splitlines()
    named = [line for line in said if "near line" in line]
    assert [line.split(": ")[1] for line in named] == ["near line 2", "near line 5"]
    assert said[-1] == f"error: {source}: 2 lines were left out. 2 were imported."
    assert read_jobs(tmp_path / "store.db") == [("user", 1, 1), ("user", 600, 600)]


async def test_what_is_said_to_be_of_the_future_does_not_win_for_ever(tmp_path: Path) -> None:
    clock = [NOON + timedelta(days=1)]
    store = await Store.open(f"sqlite:///{tmp_path}/store.db", now=lambda: clock[0])

    async def import_as(kind: str, at: str) -> str:
        row = {**make_line("a")["content"]["row"], "kind": kind}
        await store.import_jobs([json.dumps(make_line("a", kind=kind, updated_at=at, content={"row": row}))])
        found = await store.find_job("a")
        assert found is not None
        return found["row"]["kind"]

    assert await import_as("old", "2026-01-01T12:00:00+00:00") == "old"
    assert await import_as("future", "9999-01-01T00:00:00+00:00") == "future"
    assert await import_as("newer", "2026-01-01T13:00:00+00:00") == "newer"
    assert await import_as("older", "2026-01-01T12:30:00+00:00") == "newer"
    await store.close()

"""Sessions of before end as soon as it is proven that their head is gone, and not before."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from serve_app.jobs.history.sessions import SessionStart
from serve_app.jobs.reading.head_place import HeadPlace
from serve_app.store.store import Store

HERE = HeadPlace("head-1/0123", "10.0.0.1:6379")


class Sessions:
    """A store in memory; ``places`` of the other sessions that are open."""

    def __init__(self, places: dict[str, str]) -> None:
        self.places = places
        self.word = "first"
        self.ended: list[str] = []
        self.begun: list[tuple[str, str]] = []

    async def opening(self) -> str:
        return self.word

    async def begin_session(self, session: str, place: str) -> list[str]:
        self.begun.append((session, place))
        return []

    async def open_sessions(self, current: str) -> list[dict[str, Any]]:
        return [{"session": session, "place": place} for session, place in self.places.items()]

    async def end_gone_sessions(self, names: Sequence[str]) -> None:
        self.ended += names


@pytest.mark.parametrize(
    ("place", "refused", "ended"),
    [
        ("head-1/0123 10.0.0.1:7000", True, ["old"]),  # this machine, and nothing listens there now
        ("head-1/0123 10.0.0.1:7000", False, []),  # another cluster of this machine
        ("head-2/0123 10.0.0.2:6379", True, []),  # another machine: perhaps only out of sight
        ("nonsense", True, []),
    ],
)
async def test_what_proves_that_a_head_is_gone(place: str, refused: bool, ended: list[str]) -> None:
    sessions = Sessions({"old": place})

    async def is_refused(address: str) -> bool:
        assert address == "10.0.0.1:7000"
        return refused

    start = SessionStart(sessions, "new", HERE, is_refused)
    assert await start.begin() is False
    assert sessions.ended == ended
    assert sessions.begun == [("new", "head-1/0123 10.0.0.1:6379")]


async def test_once_for_each_opening_of_the_database() -> None:
    sessions = Sessions({})
    start = SessionStart(sessions, "new", HERE)
    assert [await start.begin(), await start.begin()] == [False, False]
    sessions.word = "second"
    assert [await start.begin(), await start.begin()] == [True, False]
    assert len(sessions.begun) == 2


async def test_jobs_of_a_session_whose_address_another_has_do_not_run(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/store.db")
    try:
        for session in ("old", "elsewhere"):
            await store.begin_session(session, f"head-1/ {session}:1")
            await store.save_jobs(session, [make_record(f"job-of-{session}", session)])
        assert await store.begin_session("new", "head-1/ old:1") == ["old"]
        assert await outcomes(store) == {"job-of-old": "lost", "job-of-elsewhere": "running"}
        assert await store.open_sessions("new") == [{"session": "elsewhere", "place": "head-1/ elsewhere:1"}]
        await store.end_gone_sessions(["elsewhere"])
        assert await outcomes(store) == {"job-of-old": "lost", "job-of-elsewhere": "lost"}
        assert await store.open_sessions("new") == []
    finally:
        await store.close()


async def outcomes(store: Store) -> dict[str, str]:
    asked = {"kinds": [], "statuses": [], "outcomes": [], "verdicts": [], "since_us": None, "until_us": None}
    rows = await store.list_jobs({**asked, "text": "", "after": None, "limit": 10})
    return {row["row"]["id"]: row["row"]["outcome"] for row in rows}


def make_record(id: str, session: str) -> dict[str, Any]:
    row = {"id": id, "session": session, "kind": "user", "status": "RUNNING", "outcome": "running"}
    row |= {"verdict": "OK", "rule": "running"}
    return {
        **row, "key": f"{session}/{id}", "job_id": None, "submission_id": None, "reason": "It runs.", "series": "user",
        "cause": None, "started_us": 1, "name": f"{id}@{session}", "ended_us": None, "duration_s": None,
        "searchable": id, "content": {"row": row, "evidence": []},
    }  # fmt: skip

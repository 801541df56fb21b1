"""Alerts and their outbox on SQLite and on PostgreSQL alike: each test runs on both, on a database of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import InvalidInput
from serve_app.store.store import Store

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Clock:
    seconds = 0.0

    def __call__(self) -> datetime:
        return NOON + timedelta(seconds=self.seconds)


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def alert(name: str, state: str = "firing", fired: float | None = 0, **changes: Any) -> dict[str, Any]:
    return {
        "id": name,
        "fingerprint": f"of-{name}",
        "rule": "stuck-job",
        "subject": "job",
        "severity": "critical",
        "state": state,
        "sentence": "It hangs.",
        "action": "Stop it.",
        "value": None,
        "threshold": 0.8,
        "pending_since": at(0),
        "firing_since": None if fired is None else at(fired),
        "clear_since": None,
        "resolved_at": None,
        "notified": True,
        "silenced_by": None,
        "subject_type": "job",
        "subject_id": name,
        "session": "session_1",
        "reason": None,
        "told": None,
        **changes,
    }


def row(alert_id: str, kind: str = "fired", webhook: str = "ops", seconds: float = 0) -> dict[str, Any]:
    return {
        "id": f"{alert_id}-{kind}-{webhook}",
        "alert_id": alert_id,
        "webhook": webhook,
        "payload": {"event": kind, "text": "Grüße \0 \ud800"},
        "created_at": at(seconds),
    }


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(database: str, clock: Clock) -> AsyncIterator[Store]:
    opened = await Store.open(database, now=clock)
    yield opened
    await opened.close()


async def due(store: Store, webhook: str = "ops", limit: int = 10) -> list[str]:
    return [each["id"] for each in await store.due_notifications(webhook, limit)]


async def test_facts_of_a_subject_are_stored_whatever_they_hold_and_may_be_missing(store: Store) -> None:
    old = {name: value for name, value in alert("a").items() if name not in ("subject_type", "subject_id", "session")}
    longest = alert("c", subject_id="z" * 601)
    whole = alert("b", subject_id="x\0\ud800" + "y" * 597, session=None)
    await store.apply_alerts([old, whole, longest], [], [])
    facts = [(each["subject_type"], each["subject_id"], each["session"]) for each in await store.active_alerts()]
    # As long as the history keeps the id of a job, with which it is joined.
    assert facts == [
        (None, None, None),
        ("job", "x\N{REPLACEMENT CHARACTER}?" + "y" * 597, None),
        ("job", "z" * 600, longest["session"]),
    ]


async def test_written_read_and_written_over(store: Store) -> None:
    pending = alert("b", "pending", None, pending_since=at(1.000001), notified=False)
    await store.apply_alerts([alert("a", value=0.25, silenced_by="why", clear_since=at(3)), pending], [], [])
    before = alert("a", value=0.25, silenced_by="why", clear_since=at(3))
    assert await store.active_alerts() == [before, pending]
    over, mild = alert("a", "resolved", resolved_at=at(9)), alert("b", fired=5, severity="warning")
    await store.apply_alerts([over, mild], [], [])
    assert await store.active_alerts() == [mild]
    assert await store.alert_history({"limit": 10}) == [mild, over]


async def test_only_what_never_fired_is_dropped(store: Store) -> None:
    await store.apply_alerts([alert("a"), alert("b", "pending", None), alert("c", "pending", None)], [], [])
    await store.apply_alerts([], ["a", "b", "unknown"], [])
    assert [each["id"] for each in await store.active_alerts()] == ["a", "c"]


async def test_an_alert_and_its_notifications_are_written_together_or_not_at_all(store: Store) -> None:
    with pytest.raises(InvalidInput):
        await store.apply_alerts([alert("a")], [], [row("a"), {**row("a"), "id": "x" * 300}])
    assert (await store.active_alerts(), await due(store)) == ([], [])
    with pytest.raises(InvalidInput, match="payload takes"):
        await store.apply_alerts([alert("a")], [], [{**row("a"), "payload": "x" * 70_000}])
    with pytest.raises(InvalidInput, match="at most 500 alerts"):
        await store.apply_alerts([alert(str(number)) for number in range(501)], [], [])
    assert await store.active_alerts() == []


async def test_the_same_again_is_the_same(store: Store) -> None:
    for _ in range(2):
        await store.apply_alerts([alert("a")], ["b"], [row("a"), row("a", webhook="other")])
    assert await store.due_notifications("ops", 10) == [
        {
            "id": "a-fired-ops",
            "alert_id": "a",
            "payload": {"event": "fired", "text": "Grüße \0 \ud800"},
            "created_at": at(0),
            "attempts": 0,
        }
    ]
    await store.notification_delivered("a-fired-ops")
    await store.apply_alerts([alert("a")], [], [row("a")])
    assert (await due(store), await due(store, "other")) == ([], ["a-fired-other"])


async def test_due_again_later_in_order_and_given_up(store: Store, clock: Clock) -> None:
    await store.apply_alerts([alert("a"), alert("b")], [], [row("b", seconds=1), row("a", seconds=2)])
    assert await due(store) == ["b-fired-ops", "a-fired-ops"]
    assert await due(store, limit=1) == ["b-fired-ops"]
    await store.notification_failed("b-fired-ops", "It said no\0.", at(10))
    assert await due(store) == ["a-fired-ops"]
    clock.seconds = 10
    # What was tried least comes first: one that is never taken holds up no other.
    assert [each["attempts"] for each in await store.due_notifications("ops", 10)] == [0, 1]
    await store.notification_failed("b-fired-ops", "It said no.", None)
    assert await due(store) == ["a-fired-ops"]
    # what is settled stays so
    await store.notification_failed("b-fired-ops", "late", at(10))
    await store.notification_delivered("b-fired-ops")
    assert await due(store) == ["a-fired-ops"]
    with pytest.raises(InvalidInput, match="limit must be 1 to 500"):
        await due(store, limit=0)


async def test_that_it_is_over_waits_until_that_it_fires_was_told(store: Store, clock: Clock) -> None:
    rows = [row("a"), row("a", "resolved", seconds=5), row("a", webhook="other"), row("a", "resolved", "other", 5)]
    await store.apply_alerts([alert("a", "resolved", resolved_at=at(5))], [], rows)
    clock.seconds = 6
    assert await due(store) == ["a-fired-ops"]
    await store.notification_failed("a-fired-ops", "no", at(60))
    assert await due(store) == []
    await store.notification_delivered("a-fired-other")
    assert await due(store, "other") == ["a-resolved-other"]
    clock.seconds = 60
    await store.notification_failed("a-fired-ops", "no", None)
    assert await due(store) == ["a-resolved-ops"]


async def test_history_in_pages_that_neither_shift_nor_repeat(store: Store) -> None:
    await store.apply_alerts([alert(f"a{number}", fired=number // 2) for number in range(7)], [], [])
    seen: list[str] = []
    before: list[str] | None = None
    while True:
        rows = await store.alert_history({"before": before, "limit": 2})
        seen += [each["id"] for each in rows[:2]]
        if len(rows) < 3:
            break
        before = [rows[1]["firing_since"], rows[1]["id"]]
        await store.apply_alerts([alert(f"z{len(seen)}", fired=100)], [], [])
    assert seen == ["a6", "a5", "a4", "a3", "a2", "a1", "a0"]


HISTORY: list[tuple[dict[str, Any], list[str]]] = [
    ({}, ["c", "b", "a"]),
    ({"rule": "cpu-high"}, ["b"]),
    ({"state": "resolved"}, ["a"]),
    ({"state": "firing", "severity": "warning"}, ["c"]),
    ({"since": at(1)}, ["c", "b"]),
    ({"since": "2026-01-01T14:00:02+02:00"}, ["c"]),
    ({"rule": "cpu-high", "since": at(2)}, []),
]


async def test_history_filtered(store: Store) -> None:
    rows = [
        alert("a", "resolved", 0, resolved_at=at(9)),
        alert("b", fired=1, rule="cpu-high"),
        alert("c", fired=2, severity="warning"),
        alert("d", "pending", None),
    ]
    await store.apply_alerts(rows, [], [])
    found = [
        (query, [each["id"] for each in await store.alert_history({**query, "limit": 10})]) for query, _ in HISTORY
    ]
    assert found == HISTORY
    for query in ({"limit": 501}, {"limit": 1, "before": [at(0), "a\0"]}):
        with pytest.raises(InvalidInput):
            await store.alert_history(query)


async def test_old_and_surplus_history_is_forgotten_with_its_notifications(store: Store, clock: Clock) -> None:
    day = 86_400.0
    ended = [alert(f"a{number}", "resolved", number, resolved_at=at(number * day)) for number in range(6)]
    untold = alert("untold", "resolved", 0, resolved_at=at(0))
    await store.apply_alerts([*ended, alert("firing"), untold], [], [row("a0"), row("untold", seconds=5 * day)])
    await store.notification_delivered("a0-fired-ops")
    clock.seconds = 5 * day
    assert await store.prune_alerts(100, 3.5, 24.0) == {"given_up": 0, "forgotten": 2}
    assert await store.prune_alerts(2, 3.5, 24.0) == {"given_up": 0, "forgotten": 2}
    left = [each["id"] for each in await store.alert_history({"limit": 10})]
    assert left == ["a5", "a4", "untold", "firing"]
    clock.seconds = 7 * day
    assert await store.prune_alerts(2, 30, 24.0) == {"given_up": 1, "forgotten": 1}
    assert await due(store) == []


async def test_replicas_that_write_at_once_lose_nothing(store: Store, database: str) -> None:
    other = await Store.open(database)
    try:
        await asyncio.gather(
            *(
                each.apply_alerts([alert("same"), alert(f"a{number}")], [], [row("same"), row(f"a{number}")])
                for number, each in enumerate([store, other] * 10)
            )
        )
        assert len(await store.active_alerts()) == 21
    finally:
        await other.close()


def told(name: str, **changes: Any) -> dict[str, Any]:
    whole = {"id": name, "reason": "why", "subject": "job ü", "at": at(1), "count": 2, "size": 3, "untold": 1}
    return {**whole, **changes}


async def test_what_is_told_together_is_kept_with_the_alert(store: Store) -> None:
    one = alert("a", reason="pending-infeasible: GPU", told=told("a"))
    await store.apply_alerts([one, alert("b", told=told("a", at=None))], [], [])
    assert await store.active_alerts() == [one, alert("b", told=told("a", at=None))]
    # A version of before writes neither, and leaves what is there.
    of_before = {name: value for name, value in one.items() if name not in ("reason", "told")}
    await store.apply_alerts([of_before | {"sentence": "It hangs on."}], [], [])
    assert (await store.active_alerts())[0]["sentence"] == "It hangs on."


async def test_what_began_a_message_is_not_forgotten_while_that_is_open(store: Store, clock: Clock) -> None:
    """More is told under its id: what it refers to must be there."""
    over = [alert(name, "resolved", resolved_at=at(10), told=told("a")) for name in "ac"]
    await store.apply_alerts([*over, alert("b", told=told("a"))], [], [])
    clock.seconds = 10 * 86_400
    assert (await store.prune_alerts(100, 1.0, 24.0))["forgotten"] == 1
    await store.apply_alerts([alert("b", "resolved", resolved_at=at(20), told=told("a"))], [], [row("a", "resolved")])
    assert await due(store) == ["a-resolved-ops"]
    await store.notification_delivered("a-resolved-ops")
    assert (await store.prune_alerts(100, 1.0, 24.0))["forgotten"] == 2


async def test_receivers_that_fail_are_kept_until_they_answer(store: Store) -> None:
    trouble = {"failures": 3, "failing_since": at(0), "next_at": at(20), "last_error": "It said no.", "code": "refused"}
    await store.save_receiver("ops", {**trouble, "failures": 2})
    await store.save_receiver("ops", trouble)
    await store.save_receiver("another", {**trouble, "last_error": "no\0."})
    assert await store.load_receivers() == [
        {"name": "another", **trouble, "last_error": "no\ufffd."},
        {"name": "ops", **trouble},
    ]
    await store.save_receiver("ops", None)
    await store.save_receiver("never heard of", None)
    assert [each["name"] for each in await store.load_receivers()] == ["another"]

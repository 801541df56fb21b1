"""The replica: parts that are away, restarts, a store that comes back, and who is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from organs.times import format_time
from serve_app.alerts import state as watch
from serve_app.alerts.deployment import Alerts
from serve_app.errors import InvalidInput, Unavailable
from serve_app.store.errors import StoreUnavailable
from tests.unit.alerts.fakes import Clock, Handle, Listener, MemoryStore, Part
from tests.unit.alerts.parts import alert, at, finding, inputs, organism

AWAY = StoreUnavailable("The store is unavailable: the database cannot be reached.")
HOOKS = [{"name": "one", "url": "http://one/"}, {"name": "two", "url": "http://two/"}]
BAD = {"findings": [finding()]}


class World:
    """Everything around the replica; ``restart`` gives a new replica of the same world."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.inspector = Part(inputs())
        self.manager = Part(organism())
        self.store = MemoryStore(self.clock)
        self.listener = Listener()
        self.config: dict[str, Any] = {"webhooks": HOOKS, "stale_after_s": 3600}
        self.replica = self.restart()

    def restart(self) -> Alerts:
        self.replica = Alerts(
            Handle(self.manager),
            Handle(self.inspector),
            Handle(self.store),
            self.listener,
            self.clock.now,
            self.clock.monotonic,
            self._never,
            lambda: 0.0,
        )
        return self.replica

    async def at(self, seconds: float, *, tell: bool = True, **said: Any) -> None:
        """One turn of both loops."""
        self.clock.seconds = seconds
        self.inspector.answer = inputs(as_of=at(seconds).isoformat(), **said)
        if isinstance(self.manager.answer, dict):
            self.manager.answer["as_of"] = at(seconds).isoformat()
        self.configure()
        await self.replica.look()
        if tell:
            await self.tell()

    async def tell(self) -> None:
        await self.replica.tell()
        await self.replica._delivery.finish()

    def configure(self) -> None:
        self.replica._config = type(self.replica._config).model_validate(self.config)

    async def states(self) -> list[tuple[str, str]]:
        return [(each["rule"], each["state"]) for each in (await self.replica.alerts({}))["items"]]

    async def _never(self, _: float) -> None:
        await asyncio.Event().wait()


@pytest.fixture
def world() -> World:
    return World()


async def test_from_a_finding_to_the_webhooks_and_the_history(world: World) -> None:
    await world.at(0, **BAD)
    assert await world.states() == [("stuck-job", "firing")]
    assert (world.listener.events("one"), world.listener.events("two")) == (["fired"], ["fired"])
    await world.at(10, **BAD)
    await world.at(20)
    await world.at(80)
    assert await world.states() == []
    assert (world.listener.events("one"), world.listener.events("two")) == (["fired", "resolved"],) * 2
    past = await world.replica.alert_history({"limit": 1})
    assert [(each["state"], each["resolved_at"]) for each in past["items"]] == [("resolved", format_time(at(80)))]
    assert (past["next_cursor"], past["as_of"]) == (None, format_time(at(80)))


async def test_an_answer_is_as_agreed(world: World) -> None:
    await world.at(0, **BAD)
    answer = await world.replica.alerts({"rule": "stuck-job", "limit": 10})
    assert answer == {
        "items": [
            {
                "id": answer["items"][0]["id"],
                "rule": "stuck-job",
                "subject": "raysubmit_1",
                "severity": "critical",
                "state": "firing",
                "sentence": "It has printed nothing for 2 h.",
                "action": "Stop it.",
                "value": None,
                "threshold": None,
                "pending_since": format_time(at(0)),
                "firing_since": format_time(at(0)),
                "resolved_at": None,
                "silenced_by": None,
                "subject_type": "job",
                "subject_id": "raysubmit_1",
                "session": "session_1",
                "reason": None,
                "silenced": False,
            }
        ],
        "next_cursor": None,
        "as_of": format_time(at(0)),
        "degraded": [],
        "receivers": [],
    }


async def test_before_the_first_look_nothing_is_said(world: World) -> None:
    with pytest.raises(Unavailable, match="not been looked at"):
        await world.replica.alerts({})


async def test_only_what_changes_is_written(world: World) -> None:
    await world.at(0, **BAD)
    for second in (5, 10, 15):
        await world.at(second, **{"findings": [finding(sentence=f"Nothing for {second} s.")]})
    assert world.store.writes == 1
    assert (await world.replica.alerts({}))["items"][0]["sentence"] == "Nothing for 15 s."


async def test_a_part_that_is_away_leaves_its_alerts_as_they_are(world: World) -> None:
    await world.at(0, **BAD)
    world.manager.answer = Unavailable("OrganismManager has no running replica.")
    world.clock.seconds = 500
    world.inspector.answer = Unavailable("JobInspector has no running replica.")
    await world.replica.look()
    answer = await world.replica.alerts({})
    assert [each["state"] for each in answer["items"]] == ["firing"]
    assert answer["degraded"] == [
        "JobInspector has no running replica.",
        "OrganismManager has no running replica.",
        "Not known now: api-slow, circling-job, cpu-high, ignored-options, job-failure-rate, leftover-actors, "
        "memory-high, missing-job, organ-not-responding, past-deadline, refused-setting, stuck-job.",
    ]
    world.manager.answer = organism("not_responding")
    await world.at(510, **BAD)
    await world.at(525, **BAD)
    assert sorted(await world.states()) == [("organ-not-responding", "firing"), ("stuck-job", "firing")]


async def test_what_could_not_be_looked_for_is_not_over(world: World) -> None:
    await world.at(0, **BAD)
    await world.at(60, unknown_findings=["stuck-job"])
    await world.at(120, unknown_findings=["stuck-job"])
    assert await world.states() == [("stuck-job", "firing")]
    await world.at(125)
    await world.at(185)
    assert await world.states() == []


async def test_one_job_that_cannot_be_looked_at_keeps_its_own_alert_and_no_other(world: World) -> None:
    both = [finding("stuck-job", "job a"), finding("stuck-job", "job b")]
    await world.at(0, findings=both)
    await world.at(60, unknown_subjects={"stuck-job": ["job a"]})
    await world.at(120, unknown_subjects={"stuck-job": ["job a"]})
    assert [(each["subject"], each["state"]) for each in (await world.replica.alerts({}))["items"]] == [
        ("job a", "firing")
    ]


async def test_a_restart_neither_forgets_nor_tells_again(world: World) -> None:
    await world.at(0, **BAD)
    before = (await world.replica.alerts({}))["items"]
    world.restart()
    await world.at(100, **BAD)
    assert (await world.replica.alerts({}))["items"] == before
    assert world.listener.events("one") == ["fired"]
    world.restart()
    await world.at(200)
    await world.at(260)
    assert world.listener.events("one") == ["fired", "resolved"]


async def test_a_pending_alert_waits_on_over_a_restart(world: World) -> None:
    hot = {"nodes": [{"node_id": "n1", "cpu_ratio": 0.9, "memory_ratio": 0.1}]}
    await world.at(0, **hot)
    world.restart()
    await world.at(60, **hot)
    assert await world.states() == [("cpu-high", "firing")]
    world.restart()
    await world.at(61, **hot)
    assert world.listener.events("one") == ["fired"]


async def test_pending_that_vanishes_leaves_no_row(world: World) -> None:
    await world.at(0, nodes=[{"node_id": "n1", "cpu_ratio": 0.9, "memory_ratio": 0.1}])
    assert len(world.store.alerts) == 1
    await world.at(5)
    assert (world.store.alerts, world.listener.told) == ({}, [])


async def test_without_the_store_judging_goes_on_and_nothing_is_lost(world: World) -> None:
    await world.at(0)
    world.store.failure = AWAY
    await world.at(5, **BAD)
    answer = await world.replica.alerts({})
    assert [each["state"] for each in answer["items"]] == ["firing"]
    assert answer["degraded"] == [f"1 changes of alerts are not saved yet: {AWAY.detail}"]
    await world.at(10)
    await world.at(70)
    await world.at(80, findings=[finding(subject="another")])
    assert (world.store.alerts, world.listener.told) == ({}, [])
    with pytest.raises(StoreUnavailable):
        await world.replica.alert_history({})
    world.store.failure = None
    await world.at(85, findings=[finding(subject="another")])
    assert [row["state"] for row in world.store.alerts.values()] == ["resolved", "firing"]
    assert sorted(world.listener.events("one")) == ["fired", "fired", "resolved"]
    assert (await world.replica.alerts({}))["degraded"] == []


async def test_a_store_that_is_away_at_the_start_is_joined_later(world: World) -> None:
    await world.at(0, **BAD)
    first = (await world.replica.alerts({}))["items"][0]["id"]
    world.restart()
    world.store.failure = AWAY
    await world.at(100, findings=[finding(), finding(subject="another")])
    assert len(await world.states()) == 2
    world.store.failure = None
    await world.at(110, findings=[finding(), finding(subject="another")])
    assert first in {each["id"] for each in (await world.replica.alerts({}))["items"]}
    assert len(world.store.alerts) == 2
    assert world.listener.events("one") == ["fired", "fired"]


async def test_nothing_is_written_beside_alerts_that_could_not_be_read(world: World) -> None:
    await world.at(0, **BAD)
    world.restart()
    world.store.fail_only, world.store.failure = {"active_alerts"}, AWAY
    await world.at(100, **BAD)
    assert (len(world.store.alerts), world.store.writes) == (1, 1)


async def test_a_dead_webhook_stops_nobody_and_is_tried_again_until_the_end(world: World) -> None:
    world.listener.dead = {"one"}
    await world.at(0, **BAD)
    assert (world.listener.events("one"), world.listener.events("two")) == ([], ["fired"])
    answer = await world.replica.alerts({})
    # It is no gap of observation.
    assert (answer["degraded"], answer["receivers"]) == (
        [],
        [
            {
                "name": "one",
                "sentence": "one answered 500.",
                "action": "See in what it answered, or in the log of one, why it refuses: a wrong token or address, or "
                "too much for it. What it is to be told waits for up to 24 h.",
                "failing_since": format_time(at(0)),
                "failures": 1,
                "next_at": format_time(at(5)),
            }
        ],
    )
    asked = world.listener.asked
    await world.at(4, **BAD)
    assert world.listener.asked == asked
    await world.at(5, **BAD)
    assert world.listener.asked == asked + 1
    world.listener.dead = set()
    await world.at(15, **BAD)
    assert world.listener.events("one") == ["fired"]
    answer = await world.replica.alerts({})
    assert (answer["degraded"], answer["receivers"], world.store.receivers) == ([], [], {})


async def test_it_is_given_up_in_the_end(world: World) -> None:
    world.config["give_up_after_h"] = 1
    world.listener.dead = {"one"}
    for second in range(0, 3700, 5):
        await world.at(second, **BAD)
    row = next(row for row in world.store.outbox.values() if row["webhook"] == "one")
    assert (row["attempts"], row["next_at"], row["last_error"]) == (11, None, "one answered 500.")


async def test_a_dead_webhook_is_asked_once_in_a_round(world: World) -> None:
    world.config["webhooks"] = HOOKS[:1]
    world.listener.dead = {"one"}
    await world.at(0, findings=[finding(subject=str(number)) for number in range(30)])
    assert world.listener.asked == 1


async def test_a_round_that_hangs_holds_up_no_other(world: World) -> None:
    release = asyncio.Event()
    told = world.listener.post

    async def post(webhook: Any, body: Any) -> None:
        if webhook.name == "one":
            await release.wait()
        await told(webhook, body)

    world.listener.post = post  # type: ignore[method-assign]
    await world.at(0, tell=False, **BAD)
    for second in (0, 60):
        await world.at(second, tell=False)
        await world.replica.tell()
        for _ in range(20):
            await asyncio.sleep(0)
    assert (world.listener.events("one"), world.listener.events("two")) == ([], ["fired", "resolved"])
    release.set()
    await world.replica._delivery.finish()
    await world.tell()
    assert world.listener.events("one") == ["fired", "resolved"]


async def test_what_was_delivered_but_not_marked_is_not_sent_again(world: World) -> None:
    world.config["webhooks"] = HOOKS[:1]
    world.store.fail_only = {"notification_delivered"}
    world.store.failure = AWAY
    await world.at(0, **BAD)
    await world.at(5, **BAD)
    assert world.listener.events("one") == ["fired"]
    world.store.failure = None
    await world.at(10, **BAD)
    assert world.listener.events("one") == ["fired"]
    assert [row["next_at"] for row in world.store.outbox.values()] == [None]


async def test_an_alertmanager_is_told_again_what_still_fires(world: World) -> None:
    world.config["webhooks"] = [{"name": "am", "url": "http://am/", "format": "alertmanager"}]
    for second in range(0, 130, 5):
        await world.at(second, **BAD)
    # at noon it was told by the outbox as well
    ends = [body[0]["endsAt"] for _, body in world.listener.told]
    assert ends == [format_time(at(each)) for each in (240, 240, 300, 360)]


async def test_what_is_over_meanwhile_is_not_told_again(world: World) -> None:
    world.config["webhooks"] = [{"name": "am", "url": "http://am/", "format": "alertmanager"}]
    release, told = asyncio.Event(), world.listener.post

    async def post(webhook: Any, body: Any) -> None:
        await release.wait()
        await told(webhook, body)

    world.listener.post = post  # type: ignore[method-assign]
    # The round that tells of it is slow, and it is over before the round comes to what still fires.
    await world.at(0, tell=False, **BAD)
    await world.replica.tell()
    for second in (5, 65):
        await world.at(second, tell=False)
    release.set()
    await world.replica._delivery.finish()
    await world.tell()
    assert [body[0]["endsAt"] for _, body in world.listener.told] == [format_time(at(245)), format_time(at(65))]


async def test_the_tables_are_kept_within_bounds_now_and_then(world: World) -> None:
    for second in (0, 5, 3599, 3600):
        await world.at(second)
    assert world.store.pruned == [(10_000, 90.0, 24.0)] * 2


async def test_a_silence_is_taken_over_without_a_restart(world: World) -> None:
    world.config["silences"] = [{"reason": "known", "subject": "raysubmit_*"}]
    await world.at(0, **BAD)
    item = (await world.replica.alerts({}))["items"][0]
    assert (item["silenced"], item["silenced_by"], world.listener.told) == (True, "known", [])
    world.config["silences"] = []
    await world.at(5, **BAD)
    assert world.listener.events("one") == ["fired"]


@pytest.mark.parametrize(
    "query",
    [
        {"kind": "user"},
        {"rule": "no-such"},
        {"state": "resolved"},
        {"severity": "bad"},
        {"since": "2026-01-01T00:00:00Z"},
        {"limit": 0},
        {"cursor": "x"},
    ],
)
async def test_a_filter_that_means_nothing_is_refused(world: World, query: dict[str, Any]) -> None:
    await world.at(0)
    with pytest.raises(InvalidInput):
        await world.replica.alerts(query)
    if "since" not in query and query != {"state": "resolved"}:
        with pytest.raises(InvalidInput):
            await world.replica.alert_history(query)


@pytest.mark.parametrize("query", [{"since": "today"}, {"since": "2026-01-01T00:00:00"}, {"state": "pending"}])
async def test_a_filter_of_the_history_that_means_nothing_is_refused(world: World, query: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        await world.replica.alert_history(query)


async def test_pages_of_active_alerts(world: World) -> None:
    for number in range(5):
        said = [finding(subject=str(each), verdict="WARN" if each % 2 else "BAD") for each in range(number + 1)]
        await world.at(number, findings=said)
    first = await world.replica.alerts({"limit": 2})
    rest = await world.replica.alerts({"limit": 3, "cursor": first["next_cursor"]})
    assert [each["subject"] for each in first["items"] + rest["items"]] == ["4", "3", "2", "1", "0"]
    assert rest["next_cursor"] is None
    mild = await world.replica.alerts({"severity": "warning", "state": "firing"})
    assert [each["subject"] for each in mild["items"]] == ["3", "1"]


async def test_a_loop_that_dies_is_seen(world: World) -> None:
    await world.replica.check_health()
    await world.replica.reconfigure({"period_s": 1})
    await world.replica.check_health()
    await world.replica.reconfigure({"period_s": 2})
    judging, *_ = world.replica._loops._workers
    await judging.close()
    with pytest.raises(RuntimeError, match="has ended"):
        await world.replica.check_health()
    await world.replica.close()


class TestWatch:
    def test_what_waits_for_the_store_is_bounded_and_active_alerts_stay(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(watch, "MAX_UNSAVED", 3)
        watching = watch.AlertsState()
        for number in range(6):
            watching._changed[str(number)] = alert(subject=str(number), state="resolved" if number else "firing")
            watching._outbox[str(number)] = [{}]
        watching._drop_oldest()
        assert list(watching._changed) == ["0", "4", "5"]
        assert (list(watching._outbox), watching.lost) == (["0", "4", "5"], 3)

    def test_a_rule_of_another_version_is_left_alone(self) -> None:
        watching = watch.AlertsState()
        watching.load([{**alert().to_json(), "rule": "moon-phase"}, alert().to_json()], at(0))
        assert watching.active == (alert(),)

    def test_what_changed_while_it_was_written_is_written_again(self) -> None:
        watching = watch.AlertsState()
        old, new = alert(), alert(state="resolved", resolved_at=at(1))
        watching._changed[old.id] = old
        batch = watching.take_batch()
        watching._changed[old.id] = new
        watching.confirm_saved(batch)
        assert watching.take_batch().changed == (new,)
        watching.confirm_saved(watching.take_batch())
        assert not watching.take_batch()

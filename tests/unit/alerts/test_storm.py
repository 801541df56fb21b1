"""A storm: 150 jobs for one reason are one message, told again within bounds, and once when it is over."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from organs.times import format_time
from serve_app.alerts.lifecycle import adopt, advance_alerts
from serve_app.alerts.models import Alert, Condition, Event, Told
from serve_app.alerts.settings import AlertsConfig, Rule, Silence, Webhook
from serve_app.alerts.state import AlertsState
from serve_app.alerts.webhook import WebhookFailed
from serve_app.store.errors import StoreUnavailable
from tests.unit.alerts.parts import CONFIG, NOON, alert, at, condition, finding, inputs, organism
from tests.unit.alerts.test_deployment import World

WHY = "pending-infeasible: GPU"
AWAY = StoreUnavailable("The store is unavailable: the database cannot be reached.")


@pytest.fixture
def world() -> World:
    made = World()
    made.config["webhooks"] = [{"name": "one", "url": "http://one/"}]
    return made


def jobs(count: int, first: int = 0, reason: str | None = WHY) -> list[Any]:
    return [finding(subject=f"job {number:03}", reason=reason) for number in range(first, first + count)]


def told(world: World, name: str = "one") -> list[tuple[str, int]]:
    return [(body["event"], body["count"]) for hook, body in world.listener.told if hook == name]


async def test_150_jobs_that_wait_for_one_thing_are_one_message_and_one_when_it_is_over(world: World) -> None:
    await world.at(0, findings=jobs(150))
    for second in range(5, 600, 45):
        await world.at(second, findings=jobs(150))
    assert told(world) == [("fired", 150)]
    body = world.listener.told[0][1]
    assert (body["reason"], body["subjects"][:2], len(body["subjects"])) == (WHY, ["job 000", "job 001"], 10)
    assert body["summary"].startswith("150 alike (job 000, job 001, job 002, job 003, job 004 and 145 more): ")
    await world.at(600)
    await world.at(660)
    assert told(world) == [("fired", 150), ("resolved", 150)]
    assert len((await world.replica.alerts({"limit": 500}))["items"]) == 0
    assert len((await world.replica.alert_history({"limit": 500}))["items"]) == 150


async def test_a_clock_that_was_set_back_keeps_no_message_waiting(world: World) -> None:
    await world.at(7_200, findings=jobs(3))
    await world.at(30, findings=jobs(5))
    assert told(world) == [("fired", 3), ("updated", 5)]


async def test_a_storm_that_grows_is_told_again_within_bounds(world: World) -> None:
    """150 in 45 s: when it begins, a minute later, and when it is over; of those that come slowly, every 5 minutes."""
    for second in range(0, 50, 5):
        await world.at(second, findings=jobs(15 + second * 3))
    assert told(world) == [("fired", 15)]
    for second in range(50, 125, 5):
        await world.at(second, findings=jobs(150))
    assert told(world) == [("fired", 15), ("updated", 150)]
    for second in range(125, 800, 15):
        await world.at(second, findings=jobs(150 + second // 60))
    assert told(world)[2:] == [("updated", 156), ("updated", 161)]
    await world.at(900)
    await world.at(960)
    assert told(world)[4:] == [("resolved", 163)]


async def test_some_that_end_while_others_go_on_are_no_news(world: World) -> None:
    await world.at(0, findings=jobs(10))
    for second in range(5, 900, 5):
        await world.at(second, findings=jobs(1, first=9))
    assert told(world) == [("fired", 10)]
    await world.at(900)
    await world.at(960)
    assert told(world) == [("fired", 10), ("resolved", 10)]


async def test_each_reason_and_each_rule_is_told_by_itself_and_what_has_none_too(world: World) -> None:
    said = [*jobs(3), *jobs(2, first=10, reason="pending-infeasible: TPU"), *jobs(2, first=20, reason=None)]
    late = [finding("past-deadline", subject=f"late {number}", reason=WHY) for number in range(2)]
    await world.at(0, findings=[*said, *late])
    assert sorted(told(world)) == [("fired", 1), ("fired", 1), ("fired", 2), ("fired", 2), ("fired", 3)]


async def test_a_storm_goes_on_over_restarts(world: World) -> None:
    await world.at(0, findings=jobs(20))
    world.restart()
    await world.at(10, findings=jobs(20))
    await world.at(20, findings=jobs(50))
    assert told(world) == [("fired", 20)]
    world.restart()
    await world.at(61, findings=jobs(50))
    assert told(world) == [("fired", 20), ("updated", 50)]
    # Those that began it are over, and it goes on.
    await world.at(100, findings=jobs(10, first=40))
    await world.at(160, findings=jobs(10, first=40))
    assert len((await world.replica.alerts({"limit": 500}))["items"]) == 10
    world.restart()
    await world.at(170, findings=jobs(10, first=40))
    await world.at(180)
    world.restart()
    await world.at(240)
    assert told(world) == [("fired", 20), ("updated", 50), ("resolved", 50)]
    assert len({body["id"].split("-fired")[0].split("-updated")[0].split("-resolved")[0] for _, body in
                world.listener.told}) == 1  # fmt: skip


async def test_with_the_store_away_nothing_of_a_storm_is_lost_or_told_twice(world: World) -> None:
    await world.at(0)
    world.store.failure = AWAY
    for second in (5, 70, 75):
        await world.at(second, findings=jobs(300 if second > 5 else 3))
    await world.at(80, findings=jobs(290, first=10))
    await world.at(140, findings=jobs(290, first=10))
    await world.at(200)
    await world.at(260)
    assert (told(world), world.store.alerts) == ([], {})
    world.store.failure = None
    await world.at(265)
    await world.at(270)
    assert told(world) == [("fired", 3), ("updated", 300), ("resolved", 300)]


async def test_a_storm_of_before_this_version_is_told_to_be_over_as_it_was_told(world: World) -> None:
    """Each was told by itself; what fires for the same reason now is told together."""
    await world.at(0, findings=jobs(3, reason=None))
    for row in world.store.alerts.values():
        row.pop("told"), row.pop("reason")
    world.restart()
    await world.at(10, findings=jobs(3))
    await world.at(20, findings=jobs(10))
    assert told(world) == [("fired", 1)] * 3 + [("fired", 7)]
    await world.at(30)
    await world.at(90)
    assert sorted(told(world)[4:]) == [("resolved", 1)] * 3 + [("resolved", 7)]


def test_what_is_silenced_is_not_counted_and_a_message_that_is_silenced_ends_all_the_same() -> None:
    conditions = [condition(subject=f"job {number}", reason=WHY) for number in range(4)]
    silenced = AlertsConfig(silences=(Silence(reason="known", subject="job 3"),))
    first = advance_alerts((), conditions, frozenset(), silenced, NOON)
    assert [(each.kind, each.count, each.subjects) for each in first.events] == [
        ("fired", 3, ("job 0", "job 1", "job 2"))
    ]
    all_silenced = AlertsConfig(silences=(Silence(reason="known"),))
    after = advance_alerts(first.active, conditions, frozenset(), all_silenced, at(400))
    assert after.events == ()
    gone = advance_alerts(after.active, (), frozenset(), all_silenced, at(405))
    over = advance_alerts(gone.active, (), frozenset(), all_silenced, at(465))
    assert [(each.kind, each.count) for each in over.events] == [("resolved", 3)]


def test_one_whose_reason_changes_stays_in_its_message() -> None:
    first = advance_alerts((), [condition(reason=WHY)], frozenset(), CONFIG, NOON)
    changed = advance_alerts(first.active, [condition(reason="another")], frozenset(), CONFIG, at(5))
    (alive,) = changed.active
    assert (alive.reason, alive.told, changed.events) == ("another", Told(alive.id, WHY, "job", NOON, 1, 1), ())
    more = advance_alerts(
        changed.active, [condition(reason="another"), condition(subject="b", reason="another")], frozenset(), CONFIG,
        at(10),
    )  # fmt: skip
    assert [(each.kind, each.count, each.subjects) for each in more.events] == [("fired", 1, ("b",))]


def test_what_was_told_under_an_alert_that_another_took_the_place_of_is_told_anew() -> None:
    """The store was away when this replica began, and had one of them all the time."""
    state = AlertsState()
    hooks = AlertsConfig(webhooks=(Webhook(name="one", url="http://one/"),), stale_after_s=3600)
    state.look(inputs(findings=jobs(2)), organism(), hooks, at(5))
    first = state.active[0]
    stored = replace(
        first, id=f"{first.fingerprint}-0", told=None, notified=True, pending_since=NOON, firing_since=NOON
    )
    state.load([stored.to_json()], at(10))
    state.look(inputs(findings=jobs(2)), organism(), hooks, at(15))
    batch = state.take_batch()
    assert {row["alert_id"] for row in batch.outbox} <= {each.id for each in batch.changed}
    assert [(row["payload"]["event"], row["payload"]["subjects"]) for row in batch.outbox] == [("fired", ["job 001"])]


def test_what_began_a_message_goes_with_what_is_told_in_it() -> None:
    """No transaction has a notification of an alert that the store does not have."""
    state = AlertsState()
    hooks = AlertsConfig(webhooks=(Webhook(name="one", url="http://one/"),), stale_after_s=3600)
    for second, count in ((0, 1), (100, 450)):
        state.look(inputs(findings=jobs(count)), organism(), hooks, at(second))
    known: set[str] = set()
    kinds = []
    while batch := state.take_batch():
        known |= {each.id for each in batch.changed}
        assert {row["alert_id"] for row in batch.outbox} <= known
        kinds += [row["payload"]["event"] for row in batch.outbox]
        state.confirm_saved(batch)
    assert (kinds, len(known)) == (["fired", "updated"], 450)


async def test_a_receiver_that_is_down_is_left_alone_whatever_waits_for_it(world: World) -> None:
    """Twelve messages wait; it is not asked every 5 s with the next of them."""
    world.listener.dead = {"one"}
    asked = []
    for second in range(0, 3600, 5):
        before = world.listener.asked
        await world.at(second, findings=jobs(12, reason=None))
        asked += [second] if world.listener.asked > before else []
    assert asked == [0, 5, 15, 35, 75, 155, 315, 635, 1275, 2175, 3075]
    world.listener.dead = set()
    await world.at(3975, findings=jobs(12, reason=None))
    assert told(world) == [("fired", 1)] * 12


async def test_alerts_are_counted_for_prometheus_however_seldom_or_long_a_look_is(world: World) -> None:
    published: list[Any] = []
    world.replica._publish = published.append
    world.replica.count()
    assert published == []
    await world.at(0, findings=jobs(150))
    pauses = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise InterruptedError

    world.replica._pause = pause
    with pytest.raises(InterruptedError):
        await world.replica._count_for_ever()
    assert pauses == [5.0] * 3
    assert [each["alerts"]["stuck-job"] for each in published] == [{"pending": 0, "firing": 150}] * 3


async def test_a_restart_does_not_besiege_a_receiver_that_is_down(world: World) -> None:
    world.listener.dead = {"one"}
    for second in (0, 5, 15, 35):
        await world.at(second, findings=jobs(1))
    assert world.listener.asked == 4
    world.restart()
    for second in (40, 60, 74):
        await world.at(second, findings=jobs(1))
    assert world.listener.asked == 4
    assert (await world.replica.alerts({}))["receivers"][0]["failing_since"] == format_time(at(0))
    await world.at(75, findings=jobs(1))
    assert world.listener.asked == 5
    # With other settings it deserves an attempt at once, with what it was not asked to take yet.
    world.config["webhooks"] = [{"name": "one", "url": "http://elsewhere/"}]
    world.listener.dead = set()
    await world.at(80, findings=[*jobs(1), *jobs(1, first=1, reason=None)])
    assert (told(world), world.store.receivers) == ([("fired", 1)], {})
    await world.at(155, findings=[*jobs(1), *jobs(1, first=1, reason=None)])
    assert [body["subjects"] for _, body in world.listener.told] == [["job 001"], ["job 000"]]


async def test_what_a_receiver_asks_for_is_honoured(world: World) -> None:
    asked = []

    async def post(webhook: Any, body: Any) -> None:
        asked.append(world.clock.seconds)
        if world.clock.seconds < 30:
            raise WebhookFailed("one answered 429.", code="webhook_refused", wait_s=30.0)
        world.listener.told.append((webhook.name, body))

    world.listener.post = post  # type: ignore[method-assign]
    for second in range(0, 60, 5):
        await world.at(second, findings=jobs(3, reason=None))
    assert asked == [0, 30, 30, 30]


async def test_what_a_receiver_never_takes_holds_up_no_other(world: World) -> None:
    asked = 0

    async def post(webhook: Any, body: Any) -> None:
        nonlocal asked
        asked += body["subjects"] == ["job 000"]
        if body["subjects"] == ["job 000"]:
            raise WebhookFailed("one answered 400.", code="webhook_refused")
        world.listener.told.append((webhook.name, body))

    world.listener.post = post  # type: ignore[method-assign]
    for second in range(0, 600, 5):
        await world.at(second, findings=jobs(1 + (second >= 5) * 3, reason=None))
    assert [body["subjects"] for _, body in world.listener.told] == [["job 001"], ["job 002"], ["job 003"]]
    assert asked == 7


async def test_an_alertmanager_that_is_down_is_not_asked_again_to_hear_what_still_fires(world: World) -> None:
    world.config["webhooks"] = [{"name": "one", "url": "http://am/", "format": "alertmanager"}]
    world.listener.dead = {"one"}
    asked = []
    for second in range(0, 900, 5):
        before = world.listener.asked
        await world.at(second, findings=jobs(2))
        asked += [second] * (world.listener.asked - before)
    assert asked == [0, 5, 15, 35, 75, 155, 315, 635]


LOOK = st.tuples(st.integers(5, 200), st.sets(st.integers(0, 12), max_size=13))


@given(st.lists(LOOK, max_size=30))
def test_every_message_begins_once_and_ends_once_whatever_comes_and_goes(looks: list[Any]) -> None:
    active: tuple[Alert, ...] = ()
    now, messages = 0.0, {}
    for pause_s, numbers in looks:
        now += pause_s
        conditions: list[Condition] = [
            condition(subject=str(number), reason=f"why {number % 2}") for number in sorted(numbers)
        ]
        after = advance_alerts(active, conditions, frozenset(), CONFIG, at(now))
        again = advance_alerts(after.active, conditions, frozenset(), CONFIG, at(now))
        assert (again.active, again.events) == (after.active, ())
        # Kept and read back, nothing changes.
        assert [Alert.from_json(each.to_json()) for each in after.active] == list(after.active)
        assert set(adopt(after.active, (), at(now)).active) == set(after.active)
        for event in after.events:
            messages.setdefault(event.message, []).append((now, event))
        open_ones = {each.told.id for each in after.active if each.told is not None}
        assert open_ones == {name for name, told in messages.items() if told[-1][1].kind != "resolved"}
        keepers = [each.told.id for each in after.active if each.told is not None and each.told.at is not None]
        assert sorted(keepers) == sorted(open_ones)
        active = after.active
    for told_of in messages.values():
        _check_message(told_of)


def _check_message(told_of: list[tuple[float, Event]]) -> None:
    kinds = [event.kind for _, event in told_of]
    assert kinds[0] == "fired"
    assert set(kinds[1:-1]) <= {"updated"}
    assert kinds[-1] in ("fired", "updated", "resolved")
    times = [second for second, event in told_of if event.kind != "resolved"]
    assert all(later - sooner >= 60 for sooner, later in pairwise(times))
    assert len({alert(told=event.alert.told).told for _, event in told_of if event.kind == "fired"}) == 1


def test_the_rule_of_a_storm_is_that_of_its_alerts() -> None:
    first = advance_alerts((), [condition(Rule.CPU_HIGH, f"n{number}", reason="x") for number in range(3)],
                           frozenset(), AlertsConfig(hold_s=0), NOON)  # fmt: skip
    assert [(event.kind, event.count, event.alert.rule) for event in first.events] == [("fired", 3, Rule.CPU_HIGH)]

"""From pending to resolved: holds, flapping, gaps, silences, and that nothing is told twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.alerts.lifecycle import MAX_ACTIVE, adopt, advance_alerts, count_alerts
from serve_app.alerts.models import Alert, Condition, Gap, Told
from serve_app.alerts.settings import AlertsConfig, Rule, Silence
from tests.unit.alerts.parts import CONFIG, NOON, alert, at, condition

CPU = condition(Rule.CPU_HIGH, "n1", severity="warning", value=0.9, threshold=0.8)
STUCK = condition()
NONE: frozenset[Gap] = frozenset()


class Life:
    """A sequence of steps, each with what is active after it and what was told."""

    def __init__(self, config: AlertsConfig = CONFIG, active: Sequence[Alert] = ()) -> None:
        self.config = config
        self.active = tuple(active)
        self.last: Any = None

    def at(self, seconds: float, *conditions: Condition, unknown: frozenset[Gap] = NONE) -> tuple[list[str], list[str]]:
        self.last = advance_alerts(self.active, conditions, unknown, self.config, at(seconds))
        self.active = self.last.active
        states = [f"{each.rule.value} {each.state}" for each in (*self.last.active, *self.last.resolved)]
        return states, [event.kind for event in self.last.events]


def test_a_condition_that_holds_fires_once() -> None:
    life = Life()
    assert life.at(0, CPU) == (["cpu-high pending"], [])
    assert life.at(59, CPU) == (["cpu-high pending"], [])
    assert life.at(60, CPU) == (["cpu-high firing"], ["fired"])
    assert life.at(65, CPU) == (["cpu-high firing"], [])
    assert life.active == (
        Alert(
            id=f"{CPU.fingerprint}-{int(NOON.timestamp() * 1_000_000):x}",
            fingerprint=CPU.fingerprint,
            rule=Rule.CPU_HIGH,
            subject="n1",
            severity="warning",
            state="firing",
            sentence="It hangs.",
            action="Stop it.",
            value=0.9,
            threshold=0.8,
            pending_since=NOON,
            firing_since=at(60),
            notified=True,
            told=Told(f"{CPU.fingerprint}-{int(NOON.timestamp() * 1_000_000):x}", None, "n1", at(60), 1, 1),
        ),
    )


def test_what_does_not_hold_is_dropped_and_begins_anew() -> None:
    life = Life()
    assert life.at(0, CPU) == (["cpu-high pending"], [])
    first = life.active[0].id
    assert life.at(30) == ([], [])
    assert [each.id for each in life.last.dropped] == [first]
    assert life.at(31, CPU) == (["cpu-high pending"], [])
    assert life.active[0].id != first
    assert life.at(90, CPU) == (["cpu-high pending"], [])
    assert life.at(91, CPU) == (["cpu-high firing"], ["fired"])


def test_without_a_hold_it_fires_at_once_and_again_after_it_was_resolved() -> None:
    life = Life()
    assert life.at(0, STUCK) == (["stuck-job firing"], ["fired"])
    first = life.active[0].id
    assert life.at(5) == (["stuck-job firing"], [])
    assert life.active[0].clear_since == at(5)
    assert life.at(64) == (["stuck-job firing"], [])
    assert life.at(65) == (["stuck-job resolved"], ["resolved"])
    assert life.last.resolved[0].resolved_at == at(65)
    assert life.active == ()
    assert life.at(70, STUCK) == (["stuck-job firing"], ["fired"])
    assert life.active[0].id != first
    assert life.active[0].fingerprint == first.split("-")[0]


def test_flapping_is_one_alert() -> None:
    life = Life()
    assert life.at(0, STUCK)[1] == ["fired"]
    for second in range(10, 600, 20):
        assert life.at(second) == (["stuck-job firing"], [])
        assert life.at(second + 10, STUCK) == (["stuck-job firing"], [])
        assert life.active[0].clear_since is None


def test_no_data_neither_raises_nor_resolves() -> None:
    for unknown in (frozenset({Gap(Rule.CPU_HIGH)}), frozenset({Gap(Rule.CPU_HIGH, "n1")})):
        life = Life()
        life.at(0, CPU)
        assert life.at(100, unknown=unknown) == (["cpu-high pending"], [])
        assert life.at(110, CPU) == (["cpu-high firing"], ["fired"])
        assert life.at(1000, unknown=unknown) == (["cpu-high firing"], [])
        assert life.at(1005) == (["cpu-high firing"], [])
        assert life.at(2000, unknown=unknown) == (["cpu-high firing"], [])
        assert life.at(2005) == (["cpu-high resolved"], ["resolved"])


def test_a_gap_elsewhere_does_not_matter() -> None:
    elsewhere = frozenset({Gap(Rule.MEMORY_HIGH), Gap(Rule.STUCK_JOB, "another job")})
    life = Life(active=[alert(clear_since=NOON)])
    assert life.at(60, unknown=elsewhere) == (["stuck-job resolved"], ["resolved"])


def test_it_gets_worse_under_the_same_id() -> None:
    life = Life()
    life.at(0, replace(STUCK, severity="warning"))
    name = life.active[0].id
    assert life.at(5, replace(STUCK, sentence="It hangs for ever.")) == (["stuck-job firing"], [])
    assert (life.active[0].id, life.active[0].severity, life.active[0].sentence) == (
        name, "critical", "It hangs for ever.",
    )  # fmt: skip


def test_a_silenced_alert_is_tracked_and_told_when_the_silence_ends() -> None:
    silence = Silence(rule=Rule.STUCK_JOB, subject="jo*", until=at(100), reason="known")
    life = Life(AlertsConfig(silences=(silence,)))
    assert life.at(0, STUCK) == (["stuck-job firing"], [])
    assert life.active[0].silenced_by == "known"
    assert life.at(99, STUCK) == (["stuck-job firing"], [])
    # not seen now, so not told now
    assert life.at(100, unknown=frozenset({Gap(Rule.STUCK_JOB)})) == (["stuck-job firing"], [])
    assert life.at(101) == (["stuck-job firing"], [])
    assert life.at(102, STUCK) == (["stuck-job firing"], ["fired"])
    assert life.active[0].silenced_by is None


def test_what_nobody_was_told_of_is_not_told_to_be_over() -> None:
    life = Life(AlertsConfig(silences=(Silence(reason="all quiet"),)))
    life.at(0, STUCK)
    life.at(5)
    assert life.at(65) == (["stuck-job resolved"], [])


def test_a_silence_leaves_no_incident_open() -> None:
    life = Life()
    assert life.at(0, STUCK)[1] == ["fired"]
    life.config = AlertsConfig(silences=(Silence(reason="found it"),))
    life.at(5)
    assert life.at(65) == (["stuck-job resolved"], ["resolved"])


def test_silences_cover_what_they_name() -> None:
    cases: list[tuple[dict[str, Any], bool]] = [
        ({}, True),
        ({"rule": "cpu-high", "subject": "n?"}, True),
        ({"rule": "memory-high"}, False),
        ({"subject": "m*"}, False),
        ({"subject": "N1"}, False),
        ({"until": at(1)}, True),
        ({"until": NOON}, False),
    ]
    silences = [Silence.model_validate({"reason": "r", **given}) for given, _ in cases]
    assert [each.covers(Rule.CPU_HIGH, "n1", NOON) for each in silences] == [covered for _, covered in cases]


def test_there_is_a_bound_and_the_worst_come_first() -> None:
    many = [condition(subject=f"job-{number}", severity="warning") for number in range(MAX_ACTIVE)]
    life = Life()
    life.at(0, *many[:10], *many, condition(subject="the worst"))
    assert len(life.active) == MAX_ACTIVE
    assert life.active[0].subject == "the worst"
    assert life.last.note == "1 conditions are not tracked: there are 500 alerts already."
    assert life.at(5, *many)[1] == []


class TestAdopt:
    def test_a_restart_changes_nothing_and_tells_nothing_again(self) -> None:
        stored = (alert(), alert(Rule.CPU_HIGH, "n1", state="pending", firing_since=None, notified=False))
        adopted = adopt(stored, (), at(10))
        assert (set(adopted.active), adopted.resolved, adopted.dropped) == (set(stored), (), ())
        life = Life(active=adopted.active)
        assert life.at(10, STUCK, CPU) == (["stuck-job firing", "cpu-high pending"], [])
        assert life.at(60, STUCK, CPU) == (["stuck-job firing", "cpu-high firing"], ["fired"])

    def test_what_ended_meanwhile_is_resolved(self) -> None:
        life = Life(active=adopt([alert()], (), at(1000)).active)
        life.at(1000)
        assert life.at(1060) == (["stuck-job resolved"], ["resolved"])

    def test_the_stored_alert_takes_the_place_of_our_own(self) -> None:
        own, other = alert(pending_since=at(100)), alert(subject="other", pending_since=at(100))
        adopted = adopt([alert()], [own, other], at(110))
        assert adopted.active == (alert(), other)
        assert adopted.dropped == (own,)

    def test_of_two_stored_ones_the_older_goes_on(self) -> None:
        younger = alert(pending_since=at(1))
        adopted = adopt([younger, alert()], (), at(10))
        assert adopted.active == (alert(),)
        assert adopted.resolved == (replace(younger, state="resolved", resolved_at=at(10)),)

    def test_of_two_stored_ones_the_one_that_was_told_goes_on(self) -> None:
        untold, told = alert(notified=False, state="pending"), alert(pending_since=at(1))
        assert adopt([untold, told], (), at(10)).active == (told,)


def test_counts_name_every_rule() -> None:
    counted = count_alerts([alert(), alert(subject="b"), alert(Rule.CPU_HIGH, "n1", state="pending")])
    assert counted["stuck-job"] == {"pending": 0, "firing": 2}
    assert counted["cpu-high"] == {"pending": 1, "firing": 0}
    assert sorted(counted) == sorted(rule.value for rule in Rule)


def test_json_and_back() -> None:
    for each in (alert(), alert(resolved_at=at(5), clear_since=at(1), value=0.5, silenced_by="why", state="resolved")):
        assert Alert.from_json(each.to_json()) == each


KINDS = [(Rule.STUCK_JOB, "a"), (Rule.STUCK_JOB, "b"), (Rule.CPU_HIGH, "n1"), (Rule.ORGAN_NOT_RESPONDING, "o")]
LOOK = st.tuples(
    st.integers(1, 40),
    st.sets(st.sampled_from(KINDS)),
    st.sets(st.sampled_from([*(Gap(rule) for rule, _ in KINDS), *(Gap(*kind) for kind in KINDS)])),
    st.booleans(),
)


@given(st.lists(LOOK, max_size=40))
def test_the_same_again_changes_nothing_and_each_transition_is_told_once(looks: list[Any]) -> None:
    active: tuple[Alert, ...] = ()
    told: dict[str, list[str]] = {}
    now = 0.0
    for pause_s, kinds, unknown, silent in looks:
        now += pause_s
        config = AlertsConfig(silences=(Silence(reason="r"),) if silent else ())
        conditions = [condition(*kind) for kind in sorted(kinds)]
        after = advance_alerts(active, conditions, frozenset(unknown), config, at(now))
        again = advance_alerts(after.active, conditions, frozenset(unknown), config, at(now))
        assert (again.active, again.resolved, again.dropped, again.events) == (after.active, (), (), ())
        for event in after.events:
            told.setdefault(event.alert.id, []).append(event.kind)
        assert len({each.fingerprint for each in after.active}) == len(after.active)
        assert {each.id for each in active} <= {each.id for each in (*after.active, *after.resolved, *after.dropped)}
        assert all(each.notified is (each.id in told) for each in (*after.active, *after.resolved))
        active = after.active
    assert all(kinds in (["fired"], ["fired", "resolved"]) for kinds in told.values())


def test_an_alert_of_before_there_were_facts_learns_them_and_keeps_its_name() -> None:
    old, told = alert(), condition(subject_type="job", subject_id="raysubmit_1", session="session_1")
    life = Life(active=[old])
    assert life.at(5, told) == (["stuck-job firing"], [])
    (alive,) = life.active
    told_alone = Told(old.id, None, "job", NOON, 1, 1)
    facts = {"subject_type": "job", "subject_id": "raysubmit_1", "session": "session_1"}
    assert alive == replace(old, told=told_alone, **facts)  # type: ignore[arg-type]
    # That is worth writing.
    assert alive.select_lasting() != old.select_lasting()


def test_what_is_known_of_a_subject_is_not_forgotten_when_an_older_inspector_does_not_tell_it() -> None:
    life = Life(active=[replace(alert(), subject_type="job", subject_id="raysubmit_1", session="session_1")])
    life.at(5, condition(subject_type=None, subject_id=None, session=None))
    assert [(each.subject_type, each.subject_id, each.session) for each in life.active] == [
        ("job", "raysubmit_1", "session_1")
    ]
    # What is told anew is so.
    life.at(10, condition(subject_type="job", subject_id="raysubmit_1", session="session_2"))
    assert [each.session for each in life.active] == ["session_2"]


@pytest.mark.parametrize(
    ("looked_at", "states"),
    [("s2", ["stuck-job resolved"]), ("s1", ["stuck-job firing"]), (None, ["stuck-job firing"])],
)
def test_what_was_wrong_in_a_session_is_over_with_it(looked_at: str | None, states: list[str]) -> None:
    """A new inspector does not know yet which jobs move, and none of those it will know is of the old session."""
    fired = alert(Rule.STUCK_JOB, session="s1", state="firing", firing_since=at(0), notified=True)
    unknown, active = frozenset({Gap(Rule.STUCK_JOB)}), (fired,)
    for seconds in (0, 1_000):
        after = advance_alerts(active, (), unknown, CONFIG, at(seconds), looked_at)
        active = after.active
    assert [f"{each.rule.value} {each.state}" for each in (*after.active, *after.resolved)] == states


def test_a_clock_that_was_set_back_holds_no_alert_up() -> None:
    hold, resolve_hold = CONFIG.get_hold(Rule.CPU_HIGH), CONFIG.get_resolve_hold(Rule.CPU_HIGH)
    life = Life()
    assert life.at(3_600, CPU) == (["cpu-high pending"], [])
    assert life.at(0, CPU) == (["cpu-high pending"], [])
    assert life.at(hold, CPU) == (["cpu-high firing"], ["fired"])
    assert life.at(7_200) == (["cpu-high firing"], [])
    assert life.at(hold) == (["cpu-high firing"], [])
    assert life.at(hold + resolve_hold) == (["cpu-high resolved"], ["resolved"])

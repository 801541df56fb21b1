from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.zoo import answers
from tests.zoo.compare import (
    State,
    accepts,
    check_job,
    check_really,
    find_urgency_s,
    list_all_differences,
    list_differences,
)
from tests.zoo.model import ANY, NONE, SOME, Answer, Job, Really, Span
from tests.zoo.observation import Deep, Facts, Look, Trace

LIMIT_S = 20.0
T0 = 1_000.0
GOOD = Deep("running", "OK", "running", reported=NONE)
RUNNING = Look(T0, T0, "running", "OK", "running", joined=True)
STUCK = Look(
    T0, T0, "running", "WARN", "stuck", "app.get-timeout", joined=True, alerts=("stuck-job:warning",),
    deep=Deep("running", "WARN", "stuck", "app.get-timeout", "stuck", "app.get-timeout", reported="WARN",
              said="Left.meet waits"),
)  # fmt: skip


def at(look: Look, begin_s: float, until_s: float | None = None, **more: Any) -> Look:
    return replace(look, at_s=T0 + begin_s, until_s=T0 + (begin_s if until_s is None else until_s), **more)


def states(job: Job, looks: list[Look], now_s: float, armed_s: float | None = None) -> list[tuple[str, State]]:
    trace = Trace(tuple(looks), None if armed_s is None else T0 + armed_s, T0)
    return [(each.moment, each.state) for each in check_job(job, trace, LIMIT_S, T0 + now_s)]


@pytest.mark.parametrize(
    ("expected", "got", "right"),
    [
        ("OK", "OK", True),
        ("OK", "BAD", False),
        (("OK", "WARN"), "WARN", True),
        (("OK", "WARN"), "BAD", False),
        (None, None, True),
        (None, "unknown", False),
        (SOME, "unknown", True),
        (SOME, None, False),
        (ANY, None, True),
    ],
)
def test_a_word_is_what_was_expected(expected: str, got: str, right: bool) -> None:
    assert accepts(expected, got) is right


@pytest.mark.parametrize(
    ("alert", "alerts", "right"),
    [
        (NONE, (), True),
        (NONE, ("stuck-job:warning",), False),
        ("stuck-job:warning", ("stuck-job:warning",), True),
        ("stuck-job:warning", ("stuck-job:critical",), False),
        ("stuck-job:warning", (), False),
        # One alert, not two.
        ("stuck-job:warning", ("circling-job:critical", "stuck-job:warning"), False),
        ("stuck-job:warning", ("stuck-job:warning", "unusual:warning"), False),
        ((NONE, "stuck-job:warning"), (), True),
        (ANY, ("stuck-job:critical",), True),
    ],
)
def test_alerts_are_compared_whole(alert: str, alerts: tuple[str, ...], right: bool) -> None:
    answer = Answer("running", "OK", "running", alert=alert)
    assert (list_differences(answer, replace(RUNNING, alerts=alerts)) == []) is right


EXPECTED = answers.stick("WARN", says=("left.MEET",))


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({}, []),
        ({"verdict": "OK"}, ["detail: verdict: expected WARN, got OK"]),
        ({"rule": "running"}, ["detail: rule: expected stuck, got running"]),
        ({"code": None}, ["detail: code: expected app.get-timeout, got None"]),
        ({"motion": "moving"}, ["motion: expected stuck, got moving"]),
        ({"diagnosis": None}, ["diagnosis: expected app.get-timeout, got None"]),
        ({"reported": NONE}, ["report: expected WARN, got none"]),
        ({"reported": None}, []),
        ({"said": ""}, ["it does not say 'left.MEET'"]),
    ],
)
def test_every_answer_says_the_same(change: dict[str, Any], wrong: list[str]) -> None:
    look = replace(STUCK, deep=replace(STUCK.deep, **change))
    assert list_all_differences(EXPECTED, look) == wrong


@pytest.mark.parametrize(
    ("reported", "wrong"),
    [("WARN", []), (NONE, []), ("BAD", ["report: expected none|WARN, got BAD"])],
)
def test_a_report_may_tell_of_what_a_job_left(reported: str, wrong: list[str]) -> None:
    expected = replace(EXPECTED, reported=(NONE, "WARN"))
    look = replace(STUCK, deep=replace(STUCK.deep, reported=reported))
    assert list_all_differences(expected, look) == wrong


@pytest.mark.parametrize(
    ("answer", "deep", "wrong"),
    [
        (Answer("running", "OK", "running", lacks=("canary",)), {"said": "a CANARY"}, ["it says 'canary'"]),
        (Answer("running", "OK", "running", holds=(("CPU", 0.5),)), {"holds": {"CPU": 0.5}}, []),
        (Answer("running", "OK", "running", holds=(("CPU", 0.5),)), {}, ["holds: expected 0.5 CPU, got 0"]),
        (Answer("running", "OK", "running", unfinished=("hold",)), {}, ["unfinished: 'hold' is not told"]),
        (Answer("running", "OK", "running", logs_lack=("x",)), {"logs": "xyz"}, ["its log says 'x'"]),
        (
            Answer("running", "OK", "running", code=ANY, certainty="possible"),
            {"certainty": "certain"},
            ["certainty: at most possible, got certain"],
        ),
        (
            Answer("running", "OK", "running", code=ANY, diagnosis="app.stopped"),
            {},
            ["diagnosis: expected app.stopped, got None"],
        ),
        (
            Answer("running", "OK", "running", offline="memory.node-oom"),
            {},
            ["offline diagnosis: expected memory.node-oom, got None"],
        ),
    ],
)
def test_more_that_is_said(answer: Answer, deep: dict[str, Any], wrong: list[str]) -> None:
    assert list_all_differences(answer, replace(RUNNING, deep=replace(GOOD, **deep))) == wrong


HANG = answers.get_stuck("hang", ("Left.meet",), Really())
BAD = replace(
    STUCK, verdict="BAD", alerts=("stuck-job:critical",), deep=replace(STUCK.deep, verdict="BAD", reported="BAD")
)  # fmt: skip


def test_a_hang_that_is_told_in_time() -> None:
    looks = [at(RUNNING, 0, 19), at(STUCK, 21, 59), at(BAD, 61, 70)]
    assert states(HANG, looks, 70) == [
        ("before the limit", State.MET), ("one limit", State.MET), ("three limits", State.MET)
    ]  # fmt: skip


def test_a_hang_that_nobody_hears_of() -> None:
    looks = [at(RUNNING, 0, 200)]
    assert states(HANG, looks, 50)[1] == ("one limit", State.WAITING)
    assert states(HANG, looks, 200) == [
        ("before the limit", State.MET), ("one limit", State.MISSED), ("three limits", State.MISSED)
    ]  # fmt: skip


def test_an_answer_that_comes_too_soon_or_too_late() -> None:
    assert states(HANG, [at(RUNNING, 0, 5), at(STUCK, 6, 60)], 60)[0] == ("before the limit", State.MISSED)
    assert states(HANG, [at(RUNNING, 0, 110), at(STUCK, 111, 160)], 160)[1] == ("one limit", State.MISSED)


def test_the_list_alone_is_not_enough() -> None:
    looks = (at(RUNNING, 0, 19), at(STUCK, 21, 150, deep=None))
    (_, limit, _) = check_job(HANG, Trace(looks, begun_at_s=T0), LIMIT_S, T0 + 150)
    assert (limit.state, limit.wrong) == (State.MISSED, ("detail, report and diagnosis were not seen in time",))


@pytest.mark.parametrize(("deep_s", "state"), [(99, State.MET), (140, State.MET), (146, State.MISSED)])
def test_what_the_list_said_in_time_may_be_completed_later(deep_s: float, state: State) -> None:
    looks = [at(RUNNING, 0, 19), at(STUCK, 99, 139, deep=None), at(STUCK, deep_s)]
    assert states(HANG, looks, 150)[1] == ("one limit", state)
    late = [at(RUNNING, 0, 100), at(STUCK, 101, 139)]
    assert states(HANG, late, 150)[1] == ("one limit", State.MISSED)


def test_a_window_counts_from_its_origin() -> None:
    pending = Look(T0, T0, "pending", "OK", "pending")
    looks = [at(pending, 0, 38), at(RUNNING, 40, 60), at(STUCK, 62, 90)]
    assert states(HANG, looks, 90)[:2] == [("before the limit", State.MET), ("one limit", State.MET)]
    assert states(HANG, [at(pending, 0, 40)], 500)[1] == ("one limit", State.WAITING)
    assert check_job(HANG, Trace((RUNNING,)), LIMIT_S, T0 + 500)[0].state is State.WAITING


@pytest.mark.parametrize(("told_s", "state"), [(35, State.MET), (45, State.MET), (60, State.MISSED)])
def test_a_circle_counts_from_the_third_failure(told_s: float, state: State) -> None:
    job = answers.go_round("circle", answers.circle("app.exception"), "attempts", Really())
    round_ = Look(
        T0, T0, "running", "BAD", "circling", "app.exception", joined=True, alerts=("circling-job:critical",),
        deep=Deep("running", "BAD", "circling", "app.exception", "circling", "app.exception", reported="BAD"),
    )  # fmt: skip
    looks = [at(RUNNING, 0, told_s - 1), at(round_, told_s, 70)]
    assert states(job, looks, 70, armed_s=10) == [("30 s", state)]
    assert states(job, looks, 70) == [("30 s", State.WAITING)]


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ({}, State.MET),
        ({"verdict": "WARN", "rule": "resting"}, State.MISSED),
        ({"alerts": ("stuck-job:warning",)}, State.MISSED),
        ({"findings": ("stuck-job",)}, State.MISSED),
    ],
)
def test_of_an_innocent_there_is_never_a_word(change: dict[str, Any], state: State) -> None:
    job = answers.run_clean("twin")
    looks = [at(RUNNING, 0, 30), at(replace(RUNNING, **change), 30, 40), at(RUNNING, 41, 80)]
    assert states(job, looks, 80)[-1] == ("always", state)


def test_an_end_is_looked_at_once_it_was_diagnosed() -> None:
    job = answers.end_clean("twin")
    over = Look(T0, T0, "succeeded", "OK", "succeeded", joined=True)
    deep = Deep("succeeded", "OK", "succeeded", reported=NONE)
    assert states(job, [at(RUNNING, 0), at(over, 5)], 6)[0] == ("ended", State.WAITING)
    assert states(job, [at(RUNNING, 0), at(over, 5), at(over, 7, deep=deep)], 8)[0] == ("ended", State.MET)


@pytest.mark.parametrize(
    ("looks", "now_s", "left_s"),
    [
        ([], 0, None),
        ([at(RUNNING, 0, 10)], 10, None),  # before any window
        ([at(RUNNING, 0, 30)], 30, None),  # the list says otherwise, and there is time
        ([at(RUNNING, 0, 95)], 95, 5.0),  # the last word before it is missed
        ([at(RUNNING, 0, 20), at(STUCK, 21, 21, deep=None)], 21, 124.0),
        ([at(RUNNING, 0, 20), at(STUCK, 21)], 22, None),
    ],
)
def test_more_is_asked_only_when_it_matters(looks: list[Look], now_s: float, left_s: float | None) -> None:
    assert find_urgency_s(HANG, Trace(tuple(looks)), LIMIT_S, T0 + now_s, ("three limits",)) == left_s


def test_looks_that_say_the_same_are_one() -> None:
    trace = Trace()
    for look in (at(RUNNING, 0), at(RUNNING, 2, reason="for 2 s"), at(STUCK, 4), at(STUCK, 6, deep=None)):
        trace = trace.add(look)
    assert [(look.at_s - T0, look.until_s - T0, look.verdict) for look in trace.looks] == [(0, 2, "OK"), (4, 6, "WARN")]
    assert trace.arm(T0 + 3).arm(T0 + 9).armed_at_s == T0 + 3


def test_moments_can_be_left_out() -> None:
    job = answers.get_still("rest", Really())
    told = [each.moment for each in check_job(job, Trace((RUNNING,)), LIMIT_S, T0, (answers.SIX,))]
    assert told == ["before the limit", "one limit", "always"]


FACTS = Facts("RUNNING", None, {"shard": 3}, {"part": 9}, {"Left.meet": 1}, 3, 2, "a line")


@pytest.mark.parametrize(
    ("really", "wrong"),
    [
        (Really(("RUNNING",), None, (("shard", 3),), (("part", 3),), (("Left.meet", 1),), 2, ("line",)), []),
        (Really(("SUCCEEDED", "FAILED")), ["Ray's status: RUNNING, not SUCCEEDED or FAILED"]),
        (Really(exit_code=0), ["exit code: None, not 0"]),
        (Really(failed=(("shard", 4),)), ["failed shard: 3, not 4"]),
        (Really(finished=(("shard", 1),)), ["finished shard: 0, not 1"]),
        (Really(unfinished=(("Right.answer", 1),)), ["unfinished Right.answer: 0, not 1"]),
        (Really(restarts=3), ["restarts: 2, not 3"]),
        (Really(log=("word",)), ["Ray's log of it does not say 'word'"]),
    ],
)
def test_a_program_must_be_what_it_claims(really: Really, wrong: list[str]) -> None:
    assert check_really(really, FACTS) == wrong


@pytest.mark.parametrize(("by", "count"), [("attempts", 3), ("restarts", 2), ("failures", 3)])
def test_what_arms_a_circle(by: str, count: int) -> None:
    assert FACTS.count(by) == count


def test_a_span_counts_seconds_and_limits() -> None:
    assert Span(5, 2).measure_s(LIMIT_S) == 45

"""Whether what was seen is what was expected: pure, the time is handed in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tests.zoo.model import ANY, NONE, SOME, Answer, Job, Moment, Origin, Really, Words
from tests.zoo.observation import Deep, Facts, Look, Trace

_CERTAINTIES = ("possible", "likely", "certain")
_ON_ITS_WAY = ("pending", "running")
# So near to the end of its window the last word is asked for, right or wrong.
CLOSING_S = 8.0
# What list, findings and alerts said in time, the others may be asked for a little later: they take longer.
LATE_S = 45.0


class State(StrEnum):
    """How far a moment is."""

    WAITING = "waiting"
    MET = "met"
    MISSED = "missed"


@dataclass(frozen=True, slots=True)
class Checked:
    """One moment of one job: what was wrong when it was missed, and what was seen."""

    job: str
    moment: str
    state: State
    expected: str
    got: str = ""
    wrong: Words = ()
    at_s: float | None = None


def check_job(job: Job, trace: Trace, limit_s: float, now_s: float, left_out: Words = ()) -> list[Checked]:
    """Every moment but those that are left out, and what may be in no look."""
    checked = [
        _check_moment(job, moment, trace, limit_s, now_s) for moment in job.moments if moment.name not in left_out
    ]
    checked += [_check_always(job, trace)] if (job.clean or job.never) and trace.looks else []
    return checked


def find_urgency_s(job: Job, trace: Trace, limit_s: float, now_s: float, left_out: Words = ()) -> float | None:
    """Seconds left for a moment that a look at detail, report and diagnosis could meet now, or that is nearly missed.

    None: there is no such moment.
    """
    if not trace.looks:
        return None
    last, urgent = trace.looks[-1], []
    for moment in job.moments:
        window = find_window(job, moment, trace, limit_s)
        if moment.holds or moment.name in left_out or window is None:
            continue
        end_s = _find_last_s(moment, trace, window)
        if not window[0] <= now_s <= end_s or _check_moment(job, moment, trace, limit_s, now_s).state is State.MET:
            continue
        closing = end_s - now_s < CLOSING_S and (last.deep is None or now_s - last.at_s > CLOSING_S)
        if closing or not list_differences(moment.answer, last):
            urgent.append(end_s - now_s)
    return min(urgent, default=None)


def find_window(job: Job, moment: Moment, trace: Trace, limit_s: float) -> tuple[float, float] | None:
    """From when to when, in seconds since 1970; None while its origin is not known."""
    origin_s = _find_origin(job, moment.origin, trace)
    if origin_s is None:
        return None
    return origin_s + moment.begin.measure_s(limit_s), origin_s + moment.until.measure_s(limit_s)


def _find_last_s(moment: Moment, trace: Trace, window: tuple[float, float]) -> float:
    """Until when an answer counts: one that the list gave in time may be completed after it."""
    in_time = any(not list_differences(moment.answer, look) for look in _list_inside(trace, *window))
    return window[1] + (LATE_S if in_time else 0.0)


def _list_inside(trace: Trace, begin_s: float, end_s: float) -> list[Look]:
    return [look for look in trace.looks if look.until_s >= begin_s and look.at_s <= end_s]


def _find_origin(job: Job, origin: Origin, trace: Trace) -> float | None:
    if origin is Origin.ARMED:
        return trace.armed_at_s
    if origin is Origin.BEGUN:
        return trace.begun_at_s
    for look in trace.looks:
        joined = look.outcome == "running" and (look.joined or not job.joins)
        ended = look.outcome not in _ON_ITS_WAY
        if origin is Origin.START or (origin is Origin.JOINED and joined) or (origin is Origin.END and ended):
            return look.at_s
    return None


def _check_moment(job: Job, moment: Moment, trace: Trace, limit_s: float, now_s: float) -> Checked:
    expected, window = describe_answer(moment.answer), find_window(job, moment, trace, limit_s)
    if window is None:
        last = trace.looks[-1] if trace.looks else None
        got = "never seen" if last is None else describe_look(last)
        why = (f"its {moment.origin} was not seen",)
        return Checked(job.id, moment.name, State.WAITING, expected, got, why)
    if moment.holds:
        return _check_held(job, moment, _list_inside(trace, *window), expected, is_over=now_s > window[1])
    end_s = _find_last_s(moment, trace, window)
    inside = _list_inside(trace, window[0], end_s)
    for look in inside:
        if look.deep is not None and not list_all_differences(moment.answer, look):
            return Checked(job.id, moment.name, State.MET, expected, describe_look(look), (), look.at_s)
    state = State.MISSED if now_s > end_s else State.WAITING
    nearest = _find_nearest(moment.answer, inside)
    if nearest is None:
        return Checked(job.id, moment.name, state, expected, "no look in its time", ("no look in its time",))
    wrong = list_all_differences(moment.answer, nearest) or ("detail, report and diagnosis were not seen in time",)
    return Checked(job.id, moment.name, state, expected, describe_look(nearest), tuple(wrong), nearest.at_s)


def _find_nearest(answer: Answer, looks: list[Look]) -> Look | None:
    """Of those in its time the one that comes nearest, the latest of them; one with detail rather than one without."""
    deep = [look for look in looks if look.deep is not None] or looks
    return min(reversed(deep), key=lambda look: len(list_all_differences(answer, look)), default=None)


def _check_held(job: Job, moment: Moment, inside: list[Look], expected: str, is_over: bool) -> Checked:
    for look in inside:
        if wrong := list_differences(moment.answer, look):
            return Checked(job.id, moment.name, State.MISSED, expected, describe_look(look), tuple(wrong), look.at_s)
    got = describe_look(inside[-1]) if inside else "no look in its time"
    state = State.WAITING if not is_over else State.MET if inside else State.MISSED
    return Checked(job.id, moment.name, state, expected, got, () if inside else ("no look in its time",))


def _check_always(job: Job, trace: Trace) -> Checked:
    expected = "never a word about it" if job.clean else f"never {' or '.join(job.never)}"
    for look in trace.looks:
        wrong = [f"verdict {look.verdict} ({look.rule})"] if look.verdict in job.never else []
        if job.clean:
            wrong += [f"verdict {look.verdict} ({look.rule})"] if look.verdict != "OK" else []
            wrong += [f"alert {each}" for each in look.alerts] + [f"finding {each}" for each in look.findings]
        if wrong:
            return Checked(job.id, "always", State.MISSED, expected, describe_look(look), tuple(wrong), look.at_s)
    return Checked(job.id, "always", State.MET, expected, describe_look(trace.looks[-1]))


def list_differences(answer: Answer, look: Look) -> list[str]:
    """What list, findings and alerts say otherwise."""
    found = [
        _differ("outcome", answer.outcome, look.outcome),
        _differ("verdict", answer.verdict, look.verdict),
        _differ("rule", answer.rule, look.rule),
        _differ("code", answer.code, look.code),
        _differ_alert(answer.alert, look.alerts),
    ]
    return [each for each in found if each]


def list_all_differences(answer: Answer, look: Look) -> list[str]:
    """The same, and what detail, report and diagnosis say otherwise, if they were looked at."""
    found = list_differences(answer, look)
    return found if look.deep is None else [*found, *_list_deep_differences(answer, look, look.deep)]


def _list_deep_differences(answer: Answer, look: Look, deep: Deep) -> Iterable[str]:
    diagnosis = answer.code if answer.diagnosis == ANY else answer.diagnosis
    checks = [
        _differ("detail: outcome", answer.outcome, deep.outcome),
        _differ("detail: verdict", answer.verdict, deep.verdict),
        _differ("detail: rule", answer.rule, deep.rule),
        _differ("detail: code", answer.code, deep.code),
        _differ("motion", answer.motion, deep.motion),
        _differ("diagnosis", diagnosis, deep.diagnosis),
        _differ_report(look, deep) if answer.reported is None else _differ("report", answer.reported, deep.reported),
    ]
    if answer.offline != ANY:
        checks.append(_differ("offline diagnosis", answer.offline, deep.offline))
    if answer.certainty != ANY and deep.certainty is not None:
        least, most = _CERTAINTIES.index(deep.certainty), _CERTAINTIES.index(answer.certainty)
        checks.append(f"certainty: at most {answer.certainty}, got {deep.certainty}" if least > most else "")
    yield from (each for each in checks if each)
    yield from _differ_texts("it", answer.says, answer.lacks, deep.said)
    if deep.logs is not None:
        yield from _differ_texts("its log", answer.logs_say, answer.logs_lack, deep.logs)
    for name, amount in answer.holds:
        if abs(deep.holds.get(name, 0.0) - amount) > 1e-6:
            yield f"holds: expected {amount:g} {name}, got {deep.holds.get(name, 0.0):g}"
    yield from (f"unfinished: {name!r} is not told" for name in answer.unfinished if name not in deep.unfinished)


def _differ(what: str, expected: str | Words | None, got: str | None) -> str:
    if accepts(expected, got):
        return ""
    return f"{what}: expected {_describe(expected)}, got {got}"


def accepts(expected: str | Words | None, got: str | None) -> bool:
    """Whether a word is (one of) what was expected."""
    if expected == ANY:
        return True
    if expected == SOME:
        return got is not None
    return got in expected if isinstance(expected, tuple) else got == expected


def _differ_alert(expected: str | Words, got: Words) -> str:
    if expected == ANY:
        return ""
    wanted = expected if isinstance(expected, tuple) else (expected,)
    if (not got and NONE in wanted) or (len(got) == 1 and got[0] in wanted):
        return ""
    return f"alert: expected {_describe(expected)}, got {', '.join(got) or NONE}"


def _differ_report(look: Look, deep: Deep) -> str:
    """The report lists what is not OK, and what an alert is about; what it has no room for is not known."""
    if deep.reported is None or (deep.verdict == "OK" and look.alerts):
        return ""
    expected = NONE if deep.verdict == "OK" else deep.verdict
    return "" if deep.reported == expected else f"report: expected {expected}, got {deep.reported}"


def _differ_texts(who: str, says: Words, lacks: Words, text: str) -> Iterable[str]:
    lowered = text.casefold()
    yield from (f"{who} does not say {each!r}" for each in says if each.casefold() not in lowered)
    yield from (f"{who} says {each!r}" for each in lacks if each.casefold() in lowered)


def check_really(really: Really, facts: Facts) -> list[str]:
    """What Ray's own tables show otherwise than the program claims."""
    wrong = []
    if really.statuses and facts.status not in really.statuses:
        wrong.append(f"Ray's status: {facts.status}, not {' or '.join(really.statuses)}")
    if really.exit_code is not None and facts.exit_code != really.exit_code:
        wrong.append(f"exit code: {facts.exit_code}, not {really.exit_code}")
    if facts.restarts < really.restarts:
        wrong.append(f"restarts: {facts.restarts}, not {really.restarts}")
    for what, least, counts in (
        ("failed", really.failed, facts.failed),
        ("finished", really.finished, facts.finished),
        ("unfinished", really.unfinished, facts.unfinished),
    ):
        wrong += _list_missing(what, least, counts)
    return wrong + [f"Ray's log of it does not say {each!r}" for each in really.log if each not in facts.log]


def _list_missing(what: str, least: tuple[tuple[str, int], ...], counts: Mapping[str, int]) -> list[str]:
    return [
        f"{what} {name}: {counts.get(name, 0)}, not {count}" for name, count in least if counts.get(name, 0) < count
    ]  # fmt: skip


def describe_answer(answer: Answer) -> str:
    """In a line of a table."""
    return _join(answer.outcome, answer.verdict, answer.rule, answer.code, answer.alert)


def describe_look(look: Look) -> str:
    """The same of what was seen."""
    return _join(look.outcome, look.verdict, look.rule, look.code, look.alerts or NONE)


def _join(
    outcome: str | Words, verdict: str | Words, rule: str | Words, code: str | Words | None, alert: str | Words
) -> str:
    words = f"{_describe(outcome)} {_describe(verdict)} {_describe(rule)}"
    return f"{words}, {'no code' if code is None else _describe(code)}, alert {_describe(alert)}"


def _describe(expected: str | Words | None) -> str:
    if isinstance(expected, tuple):
        return "|".join(str(each) for each in expected)
    return {ANY: "any", SOME: "some", None: "null"}.get(expected, str(expected))

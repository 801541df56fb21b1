"""Whether a job moves, waits or is stuck: rules in order, the first that applies speaks. Pure.

What this looks at is asked for with the diagnosis of a job that has not ended. That a job takes longer than is normal
is another question: ``judging.verdicts`` decides it at each look, and ``judging.findings`` tells it as ``stuck-job``.

What cannot be reached proves nothing: without a signal that tells something the answer is ``unknown``, and there is no
advice to act. A log that grows, or a stack that changes, does not outweigh that nothing can be placed: programs and Ray
itself print while they wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from serve_app.jobs.judging.pending import BUSY as START_BUSY
from serve_app.jobs.judging.pending import INFEASIBLE as START_INFEASIBLE
from serve_app.jobs.models import Known
from serve_app.jobs.progress import advice as advising
from serve_app.jobs.progress import signals
from serve_app.jobs.progress.models import Look, Signal, State, Stillness, StillnessSubject
from serve_app.jobs.progress.obstacles import BUSY, INFEASIBLE, NEVER, Obstacle, Standing, take_stock
from serve_app.jobs.progress.stacks import waits_in_ray

# Less rest than this is what many programs take: for an answer, for a file, between two rounds.
QUIET_S = 60.0
GET = "app.get-timeout"
NODE_DIED = "node.died"

_CODES_OF_START = {START_INFEASIBLE: INFEASIBLE, START_BUSY: BUSY}
# Signs of work, and signs that something is said or done; the first kind proves more.
_WORK = (signals.TASKS, signals.PROCESSOR)
_NOISE = (signals.LOG, signals.STACKS)
_MOST_HOLDS_TOLD = 3


def judge_stillness(looks: Sequence[Look], subject: StillnessSubject) -> Stillness:
    """What the looks tell, oldest first and at least one. A service is judged by its probe, however old it is."""
    newest = looks[-1]
    if not subject.started:
        return _judge_not_started(newest.at, subject)
    if subject.probe is not None:
        return _judge_service(newest.at, subject.probe)
    standing = take_stock(newest)
    found = signals.build_signals(looks, standing, subject)
    by_name = {signal.name: signal for signal in found}
    state, code, sentence = _decide_verdict(looks, standing, by_name)
    settle = advising.choose_settling(state, looks, by_name)
    return Stillness(state, code, sentence, found, settle, advising.choose_advice(state, code))


def _judge_not_started(at: datetime, subject: StillnessSubject) -> Stillness:
    why = subject.waiting.sentence if subject.waiting is not None else "It has not started; Ray does not tell why."
    code = _CODES_OF_START.get(subject.waiting.rule) if subject.waiting is not None else None
    facts = "; ".join(each.fact for each in subject.waiting.evidence) if subject.waiting is not None else ""
    signal = signals.build_start_signal(at, subject.age_s, facts or why)
    told = () if subject.waiting is None or not subject.waiting.action else (subject.waiting.action,)
    settle = () if code is not None or told else advising.SETTLE_START
    return Stillness(State.WAITING, code, why, (signal,), settle, told or advising.choose_advice(State.WAITING, code))


def _judge_service(at: datetime, probe: tuple[bool, str]) -> Stillness:
    good, reason = probe
    state = State.MOVING if good else State.UNKNOWN
    sentence = f"It is meant to run on, so it is judged by its probe and not by its age: {reason}"
    settle = () if good else advising.SETTLE_SERVICE
    return Stillness(state, None, sentence, (signals.build_probe_signal(at, probe),), settle)


def _decide_verdict(
    looks: Sequence[Look], standing: Standing, by_name: dict[str, Signal]
) -> tuple[State, str | None, str]:
    twice = _is_far_apart(looks[0], looks[-1])
    works = [by_name[name] for name in _WORK if by_name[name].says == "moving"]
    if works:
        return State.MOVING, None, f"It moves: {_describe_signals(works)}.{_describe_exceptions(standing)}"
    if by_name[signals.DRIVER].value == "gone" and not _has_signal(by_name, "moving"):
        return _judge_gone(looks, by_name[signals.DRIVER])
    if standing.holds and not standing.working:
        return _judge_held(looks, standing)
    noise = [by_name[name] for name in _NOISE if by_name[name].says == "moving"]
    if noise:
        return State.MOVING, None, f"It moves: {_describe_signals(noise)}.{_describe_exceptions(standing)}"
    return _judge_quiet(looks, standing, by_name, twice)


def _judge_gone(looks: Sequence[Look], signal: Signal) -> tuple[State, str | None, str]:
    """Ray closes a job's row some seconds after its driver has ended, so this must have been seen before."""
    driver = looks[-1].driver
    code = NODE_DIED if isinstance(driver, Known) and driver.value.node_alive is False else None
    sentence = f"Ray says RUNNING, but its driver is gone: {signal.detail}."
    before = any(_is_gone(look) for look in looks[:-1] if _is_far_apart(look, looks[-1]))
    return (State.STUCK if before else State.UNKNOWN), code, sentence


def _is_gone(look: Look) -> bool:
    return isinstance(look.driver, Known) and False in (look.driver.value.alive, look.driver.value.node_alive)


def _is_far_apart(look: Look, newest: Look) -> bool:
    return (newest.at - look.at).total_seconds() >= signals.LEAST_SPAN_S


def _judge_held(looks: Sequence[Look], standing: Standing) -> tuple[State, str | None, str]:
    """Nothing of it works: it is stuck if nothing that is held can ever be placed, and was not when seen before."""
    worst = _find_worst(standing.holds)
    told = _describe_holds(standing.holds)
    if standing.nothing_can_come:
        others = len(standing.getting) + len(standing.behind)
        waits = f" What waits for it: {others} {'tasks' if others > 1 else 'task'}." if others else ""
        if _was_held_before(looks, standing):
            return State.STUCK, worst.code, f"It runs, but nothing of it can go on: {told}.{waits}"
        return State.UNKNOWN, worst.code, f"It may be stuck: {told}.{waits}"
    if any(hold.code in NEVER for hold in standing.holds):
        return State.WAITING, worst.code, f"It waits, in part for what never comes: {told}."
    return State.WAITING, worst.code, f"It runs, but nothing of it has a place yet: {told}."


def _was_held_before(looks: Sequence[Look], standing: Standing) -> bool:
    names = {hold.id for hold in standing.holds}
    return any(
        names <= {hold.id for hold in take_stock(look).holds} for look in looks[:-1] if _is_far_apart(look, looks[-1])
    )


def _judge_quiet(
    looks: Sequence[Look], standing: Standing, by_name: dict[str, Signal], twice: bool
) -> tuple[State, str | None, str]:
    """Nothing was seen to move, and nothing is known to be in its way: how long, and how well that is known."""
    still = [signal for signal in by_name.values() if signal.says == "still" and signal.name != signals.DURATION]
    if not still:
        return State.UNKNOWN, None, "Whether it moves is not known: nothing that was asked tells."
    quiet_s = _measure_quiet_s(looks, by_name)
    silent = by_name[signals.TASKS].says == "still" or by_name[signals.LOG].says == "still"
    resting = by_name[signals.PROCESSOR].says == "still" or by_name[signals.STACKS].says == "still"
    told = f"{_describe_signals(still)}, for {quiet_s:.0f} s"
    if not (twice and silent and resting) or quiet_s < QUIET_S:
        return State.UNKNOWN, None, f"Nothing was seen to move, which is not enough to call it stuck: {told}."
    never = [hold for hold in standing.holds if hold.code in NEVER]
    if never:
        return State.STUCK, _find_worst(never).code, f"It rests, and {_describe_holds(never)}: {told}."
    waits = _waits_in_ray(looks[-1]) or (bool(standing.getting) and not standing.working)
    if waits:
        return State.STUCK, GET, f"It waits in ray.get or ray.wait for results that nothing works on: {told}."
    return State.STUCK, None, f"It runs and does nothing: {told}."


def _measure_quiet_s(looks: Sequence[Look], by_name: dict[str, Signal]) -> float:
    """Seconds since the latest sign of life that is known of."""
    lived = [by_name[name].since for name in (signals.TASKS, signals.LOG) if by_name[name].says == "still"]
    known = [since for since in lived if since is not None]
    # The processor was seen to rest only while we looked, but what had been worked on would have been told.
    latest = max(known, default=looks[0].at)
    return max(0.0, (looks[-1].at - latest).total_seconds())


def _waits_in_ray(look: Look) -> bool:
    stacks = look.stacks.value if isinstance(look.stacks, Known) else ()
    return any(stack.role == "driver" and waits_in_ray(stack.text) for stack in stacks)


def _has_signal(by_name: dict[str, Signal], says: str) -> bool:
    return any(signal.says == says for signal in by_name.values())


def _find_worst(holds: Sequence[Obstacle]) -> Obstacle:
    """What never comes before what is in use, before what is being placed; the group before what it holds up."""
    return min(holds, key=lambda hold: (hold.code not in NEVER, hold.code is None))


def _describe_signals(found: Sequence[Signal]) -> str:
    return "; ".join(f"{signal.name}: {signal.detail}" for signal in found)


def _describe_holds(holds: Sequence[Obstacle]) -> str:
    ordered = sorted(holds, key=lambda hold: (hold.code not in NEVER, hold.code is None))
    more = f"; and {len(holds) - _MOST_HOLDS_TOLD} more" if len(holds) > _MOST_HOLDS_TOLD else ""
    return "; ".join(hold.sentence for hold in ordered[:_MOST_HOLDS_TOLD]) + more


def _describe_exceptions(standing: Standing) -> str:
    never = [hold for hold in standing.holds if hold.code in NEVER]
    return f" But {_describe_holds(never)}." if never else ""

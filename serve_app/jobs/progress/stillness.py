"""Whether a job on its way moves, as its diagnosis tells it: with the signals of looks at it alone. Pure.

What it says of a running job is what list, alerts and report say of it: the same ``MotionJudgement``. The looks add
what was measured of this one job just now, and what would settle a doubt; they decide nothing, and no stack does.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from serve_app.jobs.judging.motion_rules import advise
from serve_app.jobs.judging.pending import BUSY as START_BUSY
from serve_app.jobs.judging.pending import INFEASIBLE as START_INFEASIBLE
from serve_app.jobs.motion import MotionJudgement
from serve_app.jobs.progress import advice as advising
from serve_app.jobs.progress import signals
from serve_app.jobs.progress.models import Look, State, Stillness, StillnessSubject
from serve_app.jobs.progress.obstacles import BUSY, INFEASIBLE, take_stock

_CODES_OF_START = {START_INFEASIBLE: INFEASIBLE, START_BUSY: BUSY}
_NOT_LOOKED_AT = "Whether it moves is not known: the rounds over running jobs have not come to it yet."


def describe_stillness(
    looks: Sequence[Look], subject: StillnessSubject, judged: MotionJudgement | None = None
) -> Stillness:
    """What the looks tell, oldest first and at least one. A service is judged by its probe, however old it is, unless
    it goes in circles.
    """
    newest = looks[-1]
    if not subject.started:
        return _describe_start(newest.at, subject)
    if subject.probe is not None:
        return _describe_service(newest.at, subject.probe, judged)
    found = signals.build_signals(looks, take_stock(newest), subject)
    state = State.UNKNOWN if judged is None else State(judged.state)
    code = None if judged is None else judged.code
    sentence = _NOT_LOOKED_AT if judged is None else judged.sentence
    settle = advising.choose_settling(state, looks, {signal.name: signal for signal in found})
    advice = advising.choose_advice(state, code)
    if judged is not None and judged.motion.circles:
        advice = (advise(judged.motion.circles[0]),)
    return Stillness(state, code, sentence, found, settle, advice)


def _describe_start(at: datetime, subject: StillnessSubject) -> Stillness:
    why = subject.waiting.sentence if subject.waiting is not None else "It has not started; Ray does not tell why."
    code = _CODES_OF_START.get(subject.waiting.rule) if subject.waiting is not None else None
    facts = "; ".join(each.fact for each in subject.waiting.evidence) if subject.waiting is not None else ""
    signal = signals.build_start_signal(at, subject.age_s, facts or why)
    told = () if subject.waiting is None or not subject.waiting.action else (subject.waiting.action,)
    settle = () if code is not None or told else advising.SETTLE_START
    return Stillness(State.WAITING, code, why, (signal,), settle, told or advising.choose_advice(State.WAITING, code))


def _describe_service(at: datetime, probe: tuple[bool, str], judged: MotionJudgement | None) -> Stillness:
    good, reason = probe
    signal = signals.build_probe_signal(at, probe)
    if judged is not None and judged.motion.circles:
        advice = (advise(judged.motion.circles[0]),)
        return Stillness(State.CIRCLING, judged.code, judged.sentence, (signal,), (), advice)
    state = State.MOVING if good else State.UNKNOWN
    sentence = f"It is meant to run on, so it is judged by its probe and not by its age: {reason}"
    settle = () if good else advising.SETTLE_SERVICE
    return Stillness(state, None, sentence, (signal,), settle)

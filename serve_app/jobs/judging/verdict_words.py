"""What a rule of ``verdicts`` says of a job; when it applies, ``verdicts`` and ``case`` say. Pure."""

from __future__ import annotations

from serve_app.jobs.judging.case import Case
from serve_app.jobs.judging.contradiction import describe_unfinished, may_leave_tasks
from serve_app.jobs.judging.expectations import PENDING_LIMIT_S
from serve_app.jobs.judging.motion_rules import CIRCLING, IN_PART, MOTION_RULES, describe_circle, describe_past
from serve_app.jobs.models import PastRuns
from serve_app.outcomes import OPEN_OUTCOMES, JobOutcome


def add_note(case: Case, rule: str, sentence: str) -> str:
    """What is known beside: since when a job is quiet; of one that ended, whatever ended it, what went in circles."""
    outcome = case.conclusion.outcome
    if case.circle is not None and outcome not in OPEN_OUTCOMES:
        ended = "was stopped" if outcome is JobOutcome.STOPPED else "ended"
        return join_sentences(sentence, ";", f"{describe_past(case.circle, ended)}.")
    if case.motion is None or not case.motion.note or rule in (*MOTION_RULES, CIRCLING, IN_PART):
        return sentence
    return join_sentences(sentence, ";", f"{case.motion.note}.")


def say_circle(case: Case) -> str:
    """What goes in circles."""
    return "" if case.circle is None else describe_circle(case.circle)


def say_motion(case: Case) -> str:
    """What is thought of its standstill."""
    return "" if case.motion is None else case.motion.sentence


def join_sentences(first: str, sign: str, second: str) -> str:
    """Two as one."""
    return f"{first.rstrip('.')}{sign} {second[:1].lower()}{second[1:]}"


def say_conclusion(case: Case) -> str:
    """What became of it."""
    return case.conclusion.sentence


def interpret(case: Case) -> str:
    """What that means for its kind."""
    meaning = case.expectation.meanings.get(case.conclusion.outcome)
    return case.conclusion.sentence if meaning is None else meaning.sentence


def say_both(case: Case) -> str:
    """What it means, and what became of it."""
    meaning = case.expectation.meanings.get(case.conclusion.outcome)
    # That it was lost with its node is said once.
    alone = meaning is None or case.conclusion.outcome is JobOutcome.LOST
    return (
        case.conclusion.sentence
        if meaning is None or alone
        else join_sentences(meaning.sentence, ":", case.conclusion.sentence)
    )


def say_late(case: Case) -> str:
    """How long it has been on its way, and how long it may."""
    late = f"It has been {case.conclusion.outcome} for {case.age_s:.0f} s; expected are {case.limit_s:g} s."
    return late if case.waiting is None else f"{late} {case.waiting.sentence}"


def say_wait(case: Case) -> str:
    """Why it has not started, and how long that has been so."""
    sentence = interpret(case) if case.waiting is None else case.waiting.sentence
    return sentence if case.age_s is None else join_sentences(sentence, ";", f"so far for {case.age_s:.0f} s.")


def say_waited(case: Case) -> str:
    """How long it has waited to start."""
    waited = f"It has waited to start for {case.age_s:.0f} s; usual are {PENDING_LIMIT_S:g} s."
    # Without a fact it only says that it has not started.
    return waited if case.waiting is None or not case.waiting.evidence else f"{waited} {case.waiting.sentence}"


def say_tasks(case: Case) -> str:
    """What became of its tasks."""
    if case.tasks is None:
        return case.conclusion.sentence
    failed = f"{case.tasks.failed} of its {case.tasks.total} tasks failed."
    told = describe_unfinished(case.tasks) if case.tasks.unfinished and not may_leave_tasks(case.job) else failed
    return join_sentences(case.conclusion.sentence, ";", told)


def say_unusual(case: Case) -> str:
    """How long runs like it took."""
    past = case.past or PastRuns()
    return (
        f"It has run for {case.age_s:.0f} s; of {past.count} earlier runs like it, "
        f"99 in 100 took at most {past.p99_s:.0f} s."
    )


def say_deadline(case: Case) -> str:
    """By when it should have ended."""
    return f"It has been {case.conclusion.outcome} for {case.age_s:.0f} s; its deadline is {case.deadline_s:g} s."

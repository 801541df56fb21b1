"""What the motion of one job has to say in its verdict: conditions and sentences of ``verdicts``. Pure."""

from __future__ import annotations

from collections.abc import Callable

from serve_app.jobs.judging.case import Case
from serve_app.jobs.judging.kinds import COA_INITIALIZATION
from serve_app.jobs.judging.motion.circle_rules import CIRCLING, IN_PART, describe_circle, describe_past
from serve_app.jobs.judging.motion.motion_rules import MOTION_RULES
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


def circles_wholly(case: Case) -> bool:
    """Whether it goes in circles and nothing else of it succeeds."""
    return case.circle is not None and not case.circle.others_succeed


def circles_in_part(case: Case) -> bool:
    """Whether the rest of it succeeds. What is worse is said first: that it is past its deadline, or organs are not
    initialized in time.
    """
    late = case.past_deadline or (case.over_limit and case.family == COA_INITIALIZATION)
    return case.circle is not None and case.circle.others_succeed and not late


def say_circle(case: Case) -> str:
    """What goes in circles."""
    return "" if case.circle is None else describe_circle(case.circle)


def stands_still(rule: str) -> Callable[[Case], bool]:
    """What it cannot get for lack of resources is told as that."""
    return lambda case: case.motion is not None and case.motion.rule == rule and case.waiting is None


def say_motion(case: Case) -> str:
    """What is thought of its standstill."""
    return "" if case.motion is None else case.motion.sentence


def join_sentences(first: str, sign: str, second: str) -> str:
    """Two as one."""
    return f"{first.rstrip('.')}{sign} {second[:1].lower()}{second[1:]}"

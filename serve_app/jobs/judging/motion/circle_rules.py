"""A job that goes in circles, in words: what, how often, since when, why, who took most memory, what to do. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from organs.times import format_time
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import Evidence, JobFacts
from serve_app.jobs.motion import Circle, Culprit, Motion

CIRCLE = "circle"
CIRCLING, IN_PART = "circling", "circling-in-part"
_FOR_MEMORY, _VANISHED = "memory.node-oom", "memory.process-killed"
_SOURCES = {"task": "task table", "actor": "actor table", "job": "task table"}
_MEANWHILE = {
    True: "; other tasks of it succeed",
    False: ", with no success of it since",
    None: "; whether other tasks of it succeed is not known",
}
_GB = 1_073_741_824


def select_own_motion(
    motion: Motion | None, job: JobFacts, drivers: Sequence[DriverRun], now: datetime
) -> Motion | None:
    """What was found of this run: motions are kept by the id of a row, which an earlier run may have had.

    ``drivers``: all of the job's own. Where none is known, nor its job id, only the time tells whose circles those are.
    """
    # A start that lies ahead was told by a clock that was set back since, and tells of no earlier run.
    if motion is None or (job.started_at is not None and motion.looked_at < job.started_at <= now):
        return None
    own = {id for id in (job.job_id, *(each.job_id for each in drivers)) if id}
    if not own or all(circle.job_id in own for circle in motion.circles):
        return motion
    # A circle always says whose it is, but for one that was made of less.
    return replace(motion, circles=tuple(each for each in motion.circles if not each.job_id or each.job_id in own))


def find_worst(motion: Motion | None) -> Circle | None:
    """The circle that speaks for a job; they come with the worst first."""
    return motion.circles[0] if motion is not None and motion.circles else None


def describe_circle(circle: Circle) -> str:
    """The reason of a running job, in a sentence or two."""
    turns = f"{_describe_turns(circle)}{_describe_since(circle)}{_MEANWHILE[circle.others_succeed]}"
    if circle.what == "job":
        turns = f"{_describe_turns(circle)} in five minutes, more than succeeded"
    return f"It goes in circles: {turns} ({_describe_why(circle)}).{_describe_culprit(circle)}"


def describe_past(circle: Circle, ended: str) -> str:
    """The same of a job that has ended: a clause."""
    return f"before it {ended}, {_describe_turns(circle, had='had ')} ({circle.code})"


def build_evidence(circle: Circle) -> Evidence:
    """What the conclusion rests on."""
    victim = f"; last process {circle.victim_pid}" if circle.victim_pid else ""
    where = f" on node {circle.node_id}" if circle.node_id and circle.victim_pid else ""
    last = f", last at {format_time(circle.last_at)}" if circle.last_at else ""
    fact = f"{_describe_turns(circle)}{_describe_since(circle)}{last} ({_describe_why(circle)}){victim}{where}."
    return Evidence(CIRCLE, _SOURCES[circle.what], f"{fact}{_describe_culprit(circle)}")


def advise(circle: Circle, greedy: str = "") -> str:
    """What to do. ``greedy``: the job, and who answers for it, that took most memory, if that is another."""
    most = circle.greediest
    if circle.code == _FOR_MEMORY and most is not None and most.job_id != circle.job_id:
        whose = greedy or (f"job {most.job_id}" if most.job_id else "whoever runs it; it is no worker of Ray's")
        return f"{most.name} took most memory: tell {whose}; until then, stop this job or let it run elsewhere."
    if circle.code == _FOR_MEMORY:
        name = most.name if most is not None else circle.name
        return f"Stop it; let {name} take less memory, give it a `memory` request, or give the node more memory."
    what = "actor" if circle.what == "actor" else "task"
    if circle.code == _VANISHED:
        return (
            "Its worker went without a word: SIGKILL (by the kernel for memory, or others), a crash in native code, "
            "or os._exit. Stop it, and read the end of that worker's own log and the kernel's (`dmesg`) on its node; "
            f"then mend {what} {circle.name}, and limit its retries."
        )
    return f"Stop it, mend what fails in {what} {circle.name}, and limit its retries; Ray goes on by itself."


def _describe_turns(circle: Circle, had: str = "") -> str:
    if circle.what == "actor":
        return f"actor {circle.name} {had or 'was '}{'been ' if had else ''}restarted {circle.failures} times"
    if circle.what == "job":
        return f"{circle.failures} attempts of its tasks, most of {circle.name}, {had or 'have '}failed"
    return f"task {circle.name} {had or 'has '}failed {circle.failures} times"


def _describe_since(circle: Circle) -> str:
    return "" if circle.first_at is None else f" since {format_time(circle.first_at)}"


def _describe_why(circle: Circle) -> str:
    return f"{circle.code}: {circle.last_error.rstrip('.')}" if circle.last_error else circle.code


def _describe_culprit(circle: Circle) -> str:
    most = circle.greediest
    if most is None:
        return ""
    return f" Most memory was taken by {most.name}{_describe_use(most)}{_describe_owner(most, circle.job_id)}."


def _describe_use(most: Culprit) -> str:
    return "" if most.used_bytes is None else f" ({most.used_bytes / _GB:.2f} GB)"


def _describe_owner(most: Culprit, job_id: str) -> str:
    if most.job_id is None:
        return ", which is no worker of Ray's"
    return "" if most.job_id == job_id else f", of another job ({most.job_id})"

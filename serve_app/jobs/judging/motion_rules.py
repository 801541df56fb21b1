"""What to think of whether a running job moves: states in order, the first that applies speaks; and a job that goes in
circles, in words. Pure.

List, report, alerts and the diagnosis of a running job take it from here. Before its limit a quiet job is as it should
be, with a word on since when. After it, what Ray's tables prove is ``stuck``, and grows worse with time; what is asleep
or waits for what Ray does not know is ``resting``, of which nobody is told before six limits, unless the job is past
what earlier runs or its declaration allow; an entrypoint that never joined Ray cannot be seen inside. Of a circle is
told what goes round, how often, since when, why, who took most memory, and what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from organs.times import format_time
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.expectations import ENOUGH_RUNS
from serve_app.jobs.models import Evidence, JobFacts, PastRuns
from serve_app.jobs.motion import AwaitedWork, Circle, Culprit, Motion, MotionJudgement, Standstill
from serve_app.outcomes import Verdict

STUCK, RESTING, UNSEEN = "stuck", "resting", "unseen"
MOTION_RULES: Final = frozenset({STUCK, RESTING, UNSEEN})
# A proven standstill is bad after so many limits, and of another one people are told after so many.
BAD_LIMITS, TOLD_LIMITS = 3.0, 6.0
# Earlier runs make the limit no shorter than this.
SHORTEST_LIMIT_S = 60.0
# Quiet, or silent while busy, for less than this, or than half of its limit, is not worth a word.
_WORTH_SAYING_S = 60.0
# Who was not looked at for so long is not known to be quiet, or to move.
STALE_AFTER = timedelta(seconds=60)
# So far ahead of the clock only what was seen before it was set back is.
_AHEAD = timedelta(seconds=5)
_MOST_TOLD = 3
_LINE_CHARS = 160
_ID_CHARS = 16

_PROOFS = {
    "cycle": "calls of it wait for each other in a circle",
    "rank": "members of a group wait for one that never came",
    "gone": "it waits for a result whose maker is gone",
    "idle": "it waits for a result whose maker does nothing",
    "arguments": "its tasks wait for results that nothing makes",
    "never": "it waits for what no node can give",
}

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


@dataclass(frozen=True, slots=True)
class Allowance:
    """How long a job may be quiet, and whether it is past what earlier runs or its declaration allow.

    ``id`` is the job's, for the sentence; ``serves``: its kind is not meant to end.
    """

    id: str
    limit_s: float
    overdue: bool = False
    serves: bool = False


def find_quiet_limit_s(quiet_limit_s: float, past: PastRuns | None) -> float:
    """Seconds for which a job may be quiet: what is configured, or less where earlier runs took less."""
    if past is None or past.p99_s is None or past.count < ENOUGH_RUNS:
        return quiet_limit_s
    return min(quiet_limit_s, max(SHORTEST_LIMIT_S, past.p99_s))


def choose_motion_action(rule: str, id: str) -> str:
    """What to do about a job that stands still, by the rule that says so; empty for another."""
    if rule == STUCK:
        return f"See what waits for what: GET /jobs/{id}/diagnosis. Stop it, mend what it waits for, run it again."
    if rule not in MOTION_RULES:
        return ""
    return (
        f"See where it stands before it is stopped: GET /jobs/{id}/diagnosis. If it is meant to be quiet, declare how "
        "long (metadata `seedcore.expected_duration_s`), or its kind as one that is not meant to end."
    )


def decide_motion(motion: Motion, allowance: Allowance, now: datetime) -> MotionJudgement:
    """What to think of it now; without a rule, nothing: the other rules of verdicts speak."""
    limit_s = allowance.limit_s
    if motion.circles:
        worst = motion.circles[0]
        return MotionJudgement(motion, "circling", describe_circle(worst), limit_s, code=worst.code)
    if now - motion.looked_at > STALE_AFTER or motion.looked_at - now > _AHEAD:
        when = format_time(motion.looked_at) + (
            ", by a clock that was set back since" if motion.looked_at > now else ""
        )
        sentence = f"Whether it moves is not known: it was looked at last at {when}."
        return MotionJudgement(motion, "unknown", sentence, limit_s)
    quiet_s = 0.0 if motion.quiet_since is None else (motion.looked_at - motion.quiet_since).total_seconds()
    is_quiet = motion.quiet_since is not None and quiet_s >= min(_WORTH_SAYING_S, limit_s / 2)
    since = f"quiet since {format_time(motion.quiet_since)}" if motion.quiet_since is not None and is_quiet else ""
    judged = MotionJudgement(motion, "moving", "It moves.", limit_s)
    if is_quiet:
        sentence = f"It is {since}."
        judged = replace(judged, state="quiet", sentence=sentence, quiet_since=motion.quiet_since, note=since)
    if excuse := find_excuse(motion, allowance):
        told = f"{since}; {excuse}" if since else excuse
        return replace(judged, sentence=f"It is {told}.", note=told) if since else judged
    if motion.waits_for_resources:
        return _spare_unlooked(_judge_holds(judged, allowance))
    if not is_quiet:
        return _judge_moving(motion, limit_s)
    return judged if quiet_s < limit_s else _spare_unlooked(_judge_standstill(judged, allowance, quiet_s))


def _spare_unlooked(judged: MotionJudgement) -> MotionJudgement:
    """Who may serve is not told of before that is known, some rounds later."""
    if judged.rule is None or not judged.motion.may_serve:
        return judged
    sentence = f"It is {judged.note}; whether it serves is not known yet, its processes have not all been looked at."
    return MotionJudgement(judged.motion, "unknown", sentence, judged.limit_s, quiet_since=judged.quiet_since)


def find_excuse(motion: Motion, allowance: Allowance) -> str:
    """Why a job that rests may rest; empty: nothing says so. Who was paused goes on later, but not with what is proven
    never to come.
    """
    if motion.serving:
        return motion.serving
    if allowance.serves:
        return "it is not meant to end"
    return "it was paused on purpose" if motion.paused and not motion.proof else ""


def _judge_holds(judged: MotionJudgement, allowance: Allowance) -> MotionJudgement:
    """No task of it works, and something has no place: that comes when others are done, or never.

    Stuck is only who gives no sign of life either: a driver that works by itself may do without.
    """
    motion, limit_s = judged.motion, allowance.limit_s
    holds = "; ".join(each.state for each in motion.waits_for[:_MOST_TOLD])
    judged = replace(judged, state="waiting", code=motion.code)
    if motion.proof != "never" or motion.waits_since is None:
        return replace(judged, sentence=f"It runs, but nothing of it has a place yet: {holds}.")
    if motion.quiet_since is None:
        return replace(judged, sentence=f"It goes on, but some of its work can never have a place: {holds}.")
    waited_s = (motion.looked_at - max(motion.waits_since, motion.quiet_since)).total_seconds()
    if waited_s < limit_s:
        return replace(judged, sentence=f"It runs, but nothing of it can go on: {holds}.")
    verdict = Verdict.BAD if waited_s >= BAD_LIMITS * limit_s else Verdict.WARN
    sentence = (
        f"It cannot go on by itself: {_PROOFS['never']}, since {format_time(motion.waits_since)}, longer than "
        f"{limit_s:g} s: {holds}."
    )
    return replace(judged, state="stuck", sentence=sentence, rule=STUCK, verdict=verdict, alert=verdict)


def _judge_moving(motion: Motion, limit_s: float) -> MotionJudgement:
    if motion.standstill is not Standstill.BUSY or motion.spoke_at is None:
        return MotionJudgement(motion, "moving", "It moves.", limit_s)
    silent_s = (motion.looked_at - motion.spoke_at).total_seconds()
    if silent_s < min(_WORTH_SAYING_S, limit_s / 2):
        return MotionJudgement(motion, "moving", "It moves.", limit_s)
    used = f"{motion.gpu:.0%} of a GPU" if motion.gpu else f"{motion.cores or 0.0:.2f} cores"
    note = f"busy ({used}), without another sign since {format_time(motion.spoke_at)}"
    if silent_s < limit_s:
        return MotionJudgement(motion, "busy", f"It is {note}.", limit_s)
    return MotionJudgement(motion, "busy", f"It is {note}.", limit_s, note=note)


def _judge_standstill(quiet: MotionJudgement, allowance: Allowance, quiet_s: float) -> MotionJudgement:
    motion, limit_s = quiet.motion, allowance.limit_s
    told = _say_rest(motion, allowance, quiet.note)
    if motion.standstill is Standstill.PROVEN:
        verdict = Verdict.BAD if quiet_s >= BAD_LIMITS * limit_s else Verdict.WARN
        sentence = f"It cannot go on by itself: {_PROOFS.get(motion.proof, 'Ray tells so')}. {told}"
        return replace(
            quiet, state="stuck", sentence=sentence, rule=STUCK, verdict=verdict, alert=verdict, code=motion.code
        )
    alert = Verdict.WARN if allowance.overdue or quiet_s >= TOLD_LIMITS * limit_s else None
    quiet = replace(quiet, verdict=Verdict.WARN, alert=alert)
    if motion.standstill is Standstill.UNSEEN:
        why = "Its driver has left Ray, and its entrypoint goes on" if motion.driver_left else "It never joined Ray"
        sentence = f"{why}, so it cannot be seen inside; its log has not grown. {told}"
        return replace(quiet, state="unseen", sentence=sentence, rule=UNSEEN)
    sentence = f"It rests: asleep, polling, or blocked on something that Ray does not know. {told}"
    return replace(quiet, state="resting", sentence=sentence, rule=RESTING)


def _say_rest(motion: Motion, allowance: Allowance, since: str) -> str:
    waits = "; ".join(describe_awaited(each) for each in motion.waits_for[:_MOST_TOLD])
    more = len(motion.waits_for) - _MOST_TOLD
    waits += f"; and {more} more" if more > 0 else ""
    parts = [f"It is {since}, longer than {allowance.limit_s:g} s."]
    parts += [f"It waits for {waits}."] if waits else []
    parts += [f'Its last line: "{motion.last_line[:_LINE_CHARS]}".'] if motion.last_line else []
    return " ".join([*parts, _say_where_to_look(motion, allowance.id)])


def describe_awaited(awaited: AwaitedWork) -> str:
    """One thing that is waited for: what, who, where, since when, and who waits for it."""
    place = f", pid {awaited.pid}" if awaited.pid else ""
    place += _say_node(awaited.node_id)
    since = f" since {format_time(awaited.since)}" if awaited.since is not None else ""
    called = awaited.id[:_ID_CHARS]
    if awaited.what == "rank":
        why = "which is dead" if awaited.state == "DEAD" else "which has not come: no call of it is under way"
        return f"{awaited.name} (actor {called}{place}), {why}; {awaited.waiter} wait for it{since}"
    what = awaited.what.replace("-", " ").replace("actor call", "call")
    told = f"{what} {awaited.name or 'without a name'} ({awaited.state}{since}; {called}{place})"
    return f"{told}, called by {awaited.waiter}" if awaited.waiter else told


def _say_node(node_id: str | None) -> str:
    return f" on node {node_id[:_ID_CHARS]}" if node_id else ""


def _say_where_to_look(motion: Motion, id: str) -> str:
    """How to see where it stands; the switch is the administrator's."""
    pid = next((each.pid for each in motion.waits_for if each.pid), None) or motion.pid
    node_id = next((each.node_id for each in motion.waits_for if each.pid), None) or motion.node_id
    if motion.standstill is Standstill.UNSEEN or pid is None:
        return f"What it wrote: GET /jobs/{id}/logs."
    if motion.can_show_stacks is False:
        return (
            f"To see where it stands: `py-spy dump --pid {pid}`{_say_node(node_id)} "
            f"(GET /jobs/{id}/stacks needs RAY_DASHBOARD_ENABLE_PROFILING=1 where the head starts)."
        )
    return f"To see where it stands: GET /jobs/{id}/stacks (pid {pid}{_say_node(node_id)})."


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

"""Which jobs go in circles: one task that fails again and again, one actor that is restarted again and again, or more
that fails than succeeds. Pure; the clock is passed in.

An attempt that was made good is a count and never a circle, so nothing is said of a task or an actor that has succeeded
since. What stands still since long is no circle any more: it is looked at as a standstill, or goes on well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from serve_app.jobs.diagnosis.log.memory_kills import KILL_TEXT, MemoryKill, read_kill
from serve_app.jobs.motion import LEAST_TURNS, Circle, Culprit
from serve_app.jobs.progress.circles.attempts import Attempt, Successes
from serve_app.jobs.progress.circles.ledger import ActorHistory, TaskTurns
from serve_app.redaction import redact

LEAST_FAILED: Final = 5
WINDOW: Final = timedelta(minutes=5)
MOST_CIRCLES: Final = 10
_ERROR_CHARS: Final = 200
# So many of its own intervals without another failure, and a circle is over.
_QUIET_INTERVALS: Final = 3
_RAISED: Final = "TASK_EXECUTION_EXCEPTION"
_MEMORY: Final = "OUT_OF_MEMORY"
_DIED: Final = "ACTOR_DIED"
_ABSENT: Final = frozenset({"", "ACTOR_UNAVAILABLE", "WORKER_DIED"})
_WORKER: Final = "ray::"
_KILLED: Final = KILL_TEXT.decode()
_GB: Final = 1_073_741_824  # Ray writes GB and means GiB (src/ray/common/memory_monitor_utils.cc)

# Why an attempt failed: its code, from Ray's word and its message.
CodeChooser = Callable[[str, str], str]


@dataclass(frozen=True, slots=True)
class Turns:
    """All that is known of what failed, of all jobs, at ``now``.

    ``attempts``: those that Ray lists. ``tasks`` by id, ``actors`` by id. ``unfinished``: ids of tasks that have not
    ended, as far as listed; None: not known; of the jobs ``unlisted`` none is. ``successes`` by job; one without them:
    not known. ``exits``: Ray's words on how processes ended, by node and number, and what they wrote last. ``owners``:
    whose processes those are, by the same. ``untold``: ids of actors that did not circle, of whose successes nothing
    was told this time. ``told_now``: jobs of whose successes all were told that Ray knows of now; None: of all.
    """

    now: datetime
    attempts: tuple[Attempt, ...] = ()
    tasks: Mapping[str, TaskTurns] = field(default_factory=dict)
    actors: Mapping[str, ActorHistory] = field(default_factory=dict)
    unfinished: Collection[str] | None = None
    successes: Mapping[str, Successes] = field(default_factory=dict)
    exits: Mapping[tuple[str, int], str] = field(default_factory=dict)
    owners: Mapping[tuple[str, int], str] = field(default_factory=dict)
    untold: Collection[str] = frozenset()
    unlisted: Collection[str] = frozenset()
    told_now: Collection[str] | None = None


@dataclass(frozen=True, slots=True)
class Suspects:
    """Jobs that may be in trouble, and those of which something failed, without trouble."""

    troubled: frozenset[str]
    quiet: frozenset[str]


@dataclass(frozen=True, slots=True)
class JobTurns:
    """Of one job: its circles, the worst first, and how many failed attempts of it were made good."""

    circles: tuple[Circle, ...] = ()
    repaired: int = 0


def find_circles(turns: Turns, choose_code: CodeChooser) -> dict[str, JobTurns]:
    """By job, those with something to tell."""
    found: dict[str, list[Circle]] = {}
    circling_actors = set()
    for actor in turns.actors.values():
        if _is_circling_actor(actor, turns):
            circling_actors.add(actor.turns.actor_id)
            found.setdefault(actor.turns.job_id, []).append(_build_actor_circle(actor, turns, choose_code))
    for task in turns.tasks.values():
        # A call that fails because its actor dies again is told as that.
        if task.last.actor_id not in circling_actors and _is_circling_task(task, turns):
            found.setdefault(task.last.job_id, []).append(_build_task_circle(task, turns, choose_code))
    for job_id in {attempt.job_id for attempt in turns.attempts} - found.keys():
        circle = _find_failing_job(job_id, turns, choose_code)
        if circle is not None:
            found[job_id] = [circle]
    repaired = _count_repaired(turns)
    return {
        job_id: JobTurns(sort_circles(found.get(job_id, ())), repaired.get(job_id, 0))
        for job_id in {*found, *repaired}
    }


def list_suspects(turns: Turns) -> Suspects:
    """Jobs of which it has to be known what succeeded."""
    failed = Counter(attempt.job_id for attempt in turns.attempts if _is_recent(attempt.failed_at, turns.now))
    troubled = {task.last.job_id for task in turns.tasks.values() if task.failures >= LEAST_TURNS}
    troubled |= {actor.turns.job_id for actor in turns.actors.values() if actor.turns.restarts >= LEAST_TURNS}
    troubled |= {job_id for job_id, count in failed.items() if count >= LEAST_FAILED}
    return Suspects(frozenset(troubled), frozenset(each.job_id for each in turns.attempts) - troubled)


def sort_circles(circles: Iterable[Circle]) -> tuple[Circle, ...]:
    """The worst first, and no more than ``MOST_CIRCLES``."""
    return tuple(sorted(circles, key=_rank)[:MOST_CIRCLES])


def list_unsure(turns: Turns) -> frozenset[str]:
    """Jobs with an actor that had been restarted often before it was first seen, a while ago: whether that is a circle
    the next restart tells, or a success.
    """
    return frozenset(each.turns.job_id for each in turns.actors.values() if _may_circle(each, turns.now))


def _may_circle(actor: ActorHistory, now: datetime) -> bool:
    first = actor.sightings[0] if actor.sightings else None
    if first is None or first.restarts < LEAST_TURNS or now - first.first_at > _QUIET_INTERVALS * WINDOW:
        return False
    return actor.success_at is None or actor.success_at <= first.first_at


def is_past(circle: Circle, turns: Turns) -> bool:
    """Whether one that was found is over by time alone, where nobody could be asked what succeeded since."""
    listed = turns.unfinished is not None and circle.job_id not in turns.unlisted
    if circle.what == "task" and listed and circle.id not in (turns.unfinished or ()):
        return not _is_recent(circle.last_at, turns.now)
    return _is_over(circle.failures, circle.first_at, circle.last_at, turns.now)


def _rank(circle: Circle) -> tuple[int, int, str]:
    return (False, None, True).index(circle.others_succeed), -circle.failures, circle.id


def _is_circling_task(task: TaskTurns, turns: Turns) -> bool:
    if task.failures < LEAST_TURNS:
        return False
    done, id = turns.successes.get(task.last.job_id), task.last.task_id
    if done is not None and id in done.tasks:
        return False
    if turns.unfinished is not None and id in turns.unfinished:
        return not _is_over(task.failures, task.first_at, task.last.failed_at, turns.now)
    # Ray gave it up, or it has succeeded: only a whole list of now tells which.
    told = turns.told_now is None or task.last.job_id in turns.told_now
    return told and done is not None and done.all_retried and _is_recent(task.last.failed_at, turns.now)


def _is_circling_actor(actor: ActorHistory, turns: Turns) -> bool:
    # Restarts of which none was seen or told may be of long ago: a long call of it may be at work since.
    if actor.restarts < LEAST_TURNS or actor.last_at is None or actor.turns.actor_id in turns.untold:
        return False
    return not _is_over(actor.restarts, actor.first_at, actor.last_at, turns.now)


def _is_recent(at: datetime | None, now: datetime) -> bool:
    return at is not None and now - at <= WINDOW


def _is_over(failures: int, first_at: datetime | None, last_at: datetime | None, now: datetime) -> bool:
    if last_at is None:
        return False
    interval = (last_at - (first_at or last_at)) / max(1, failures - 1)
    return now - last_at > max(WINDOW, _QUIET_INTERVALS * interval)


def _build_task_circle(task: TaskTurns, turns: Turns, choose_code: CodeChooser) -> Circle:
    last = task.last
    others = _has_other_success(last.job_id, turns, task.first_at, but_task=last.task_id)
    reason = task.reason
    error_type, message = _find_reason(reason, turns)
    kill = _read_memory_kill(message)
    return Circle(
        "task",
        last.task_id,
        redact(last.name),
        task.failures,
        task.first_at,
        last.failed_at,
        choose_code(error_type, message),
        error_type,
        choose_line(error_type, message),
        others,
        reason.pid or _find_victim(kill, last.job_id),
        reason.node_id,
        _find_culprit(kill, reason.node_id, turns),
        last.job_id,
    )


def _build_actor_circle(actor: ActorHistory, turns: Turns, choose_code: CodeChooser) -> Circle:
    seen, dead = actor.turns, actor.dead_pid
    # What a call raised while it lived is not why it was restarted.
    calls = [each for each in turns.attempts if each.actor_id == seen.actor_id and each.error_type != _RAISED]
    last = max(calls, key=lambda each: _get_time_s(each.failed_at), default=None)
    error_type, message = ("", "") if last is None else (last.error_type, last.message)
    # Which word a call gets depends on when it came, and each says no more than that the actor is not there; its
    # process may tell why.
    if error_type in _ABSENT:
        message = _find_last_words(actor, turns) or message
    kill = _read_memory_kill(message)
    chosen = _MEMORY if kill is not None else _DIED if error_type in _ABSENT else error_type
    return Circle(
        "actor",
        seen.actor_id,
        redact(seen.name),
        actor.restarts,
        actor.first_at,
        actor.last_at,
        choose_code(chosen, message),
        error_type or chosen,
        choose_line(error_type, message),
        _has_other_success(seen.job_id, turns, actor.first_at),
        dead,
        seen.node_id,
        _find_culprit(kill, seen.node_id, turns),
        seen.job_id,
    )


def _find_last_words(actor: ActorHistory, turns: Turns) -> str:
    """How its latest process ended, or the one before, where that was killed for memory: a stop ends the latest one."""
    pids = (actor.dead_pid, actor.pid_before)
    told = [turns.exits.get((actor.turns.node_id or "", pid or 0), "") for pid in pids]
    return next((each for each in told if _KILLED in each), told[0])


def _find_failing_job(job_id: str, turns: Turns, choose_code: CodeChooser) -> Circle | None:
    """More attempts failed than succeeded. A first failure of a task that is being tried again is none yet."""
    done = turns.successes.get(job_id)
    if done is None or turns.unfinished is None or job_id in turns.unlisted:
        return None
    unfinished = turns.unfinished
    failed = [
        each
        for each in turns.attempts
        if each.job_id == job_id
        and _is_recent(each.failed_at, turns.now)
        and not (each.task_id in unfinished and _count_failures(each.task_id, turns) < 2)
    ]
    recent = sum(_is_recent(at, turns.now) for _, at in done.ended_at)
    # Of a list that was cut, the share of what was listed stands for the rest.
    succeeded = recent if done.complete else round(recent * done.total / max(1, len(done.ended_at)))
    if len(failed) < LEAST_FAILED or len(failed) <= succeeded:
        return None
    failed.sort(key=lambda each: _get_time_s(each.failed_at))
    telling = [each for each in failed if each.tells_why]
    reason = telling[-1] if 2 * len(telling) >= len(failed) else failed[-1]
    kill = _read_memory_kill(reason.message)
    name = Counter(each.name for each in failed).most_common(1)[0][0]
    error_type, message = _find_reason(reason, turns)
    return Circle(
        "job",
        job_id,
        redact(name),
        len(failed),
        failed[0].failed_at,
        failed[-1].failed_at,
        choose_code(error_type, message),
        error_type,
        choose_line(error_type, message),
        succeeded > 0,
        reason.pid or _find_victim(kill, job_id),
        reason.node_id,
        _find_culprit(kill, reason.node_id, turns),
        job_id,
    )


def _count_failures(task_id: str, turns: Turns) -> int:
    """What is remembered has bounds, and more may be listed."""
    task = turns.tasks.get(task_id)
    return 0 if task is None else task.failures


def _find_reason(attempt: Attempt, turns: Turns) -> tuple[str, str]:
    """Ray's word and message; of a worker that died without one, how its process ended."""
    if attempt.message or not attempt.node_id or not attempt.pid:
        return attempt.error_type, attempt.message
    return attempt.error_type, turns.exits.get((attempt.node_id, attempt.pid), "")


def _has_other_success(job_id: str, turns: Turns, since: datetime | None, *, but_task: str = "") -> bool | None:
    done = turns.successes.get(job_id)
    if done is None:
        return None
    earliest = turns.now - WINDOW if since is None else max(since, turns.now - WINDOW)
    return any(id != but_task and at > earliest for id, at in done.ended_at)


def _count_repaired(turns: Turns) -> Counter[str]:
    repaired: Counter[str] = Counter()
    for task in turns.tasks.values():
        done = turns.successes.get(task.last.job_id)
        if done is not None and task.last.task_id in done.tasks:
            repaired[task.last.job_id] += task.failures
    return repaired


def choose_line(error_type: str, message: str) -> str:
    """What of an error tells most, redacted: an exception's last line; of Ray's own words, which go on to advise, the
    first sentence.
    """
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    if not lines:
        return ""
    line = lines[-1] if error_type == _RAISED else lines[0].partition(". ")[0]
    return redact(line[:_ERROR_CHARS])


def _read_memory_kill(message: str) -> MemoryKill | None:
    lines = message.splitlines()
    begin = next((number for number, line in enumerate(lines) if _KILLED in line), None)
    return None if begin is None else read_kill(enumerate(lines[begin:], 1))


def _find_victim(kill: MemoryKill | None, job_id: str) -> int | None:
    killed = () if kill is None else kill.killed
    return next((each.pid for each in killed if each.job_id == job_id), None)


def _find_culprit(kill: MemoryKill | None, node_id: str | None, turns: Turns) -> Culprit | None:
    if kill is None or not kill.users:
        return None
    most = kill.users[0]
    job_id = most.job_id or turns.owners.get((node_id or "", most.pid))
    return Culprit(redact(most.name.removeprefix(_WORKER)), round(most.used_gb * _GB), job_id, most.pid)


def _get_time_s(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()

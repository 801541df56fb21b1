"""Signs that a job moves, or does not, from looks at it. Pure: the looks carry their times.

Each signal speaks for itself and says what was measured, and decides nothing. What a source did not tell is
``unknown``: that is neither motion nor stillness.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeVar

from serve_app.jobs.judging.expectations import ENOUGH_RUNS
from serve_app.jobs.models import Known, PastRuns, Section, Unknown
from serve_app.jobs.progress.models import LogFacts, Look, ProcessorFacts, Says, Signal, StillnessSubject, WorkFacts
from serve_app.jobs.progress.obstacles import Standing
from serve_app.jobs.progress.stacks import find_place, normalize_stack

# Two looks closer together than this say nothing of motion.
LEAST_SPAN_S = 2.0
T = TypeVar("T")
# An idle process of Ray uses up to 0.015 of a core for its own housekeeping (measured on 2.60).
_IDLE_CORES = 0.02
_BUSY_CORES = 0.05
# Figures that were the same so long ago are of another time. A node's clock is compared only with itself.
_MEASURED_WITHIN = timedelta(seconds=60)
_SHOWN = 3

DRIVER, TASKS, PENDING, ACTORS = "driver-process", "task-states", "pending-tasks", "pending-actors"
RESTARTING, GROUPS, PRODUCERS = "restarting-actors", "placement-groups", "waiting-on-producers"
LOG, PROCESSOR, STACKS, DURATION, PROBE = "log-size", "processor-time", "stacks", "duration", "probe"


def build_signals(looks: Sequence[Look], standing: Standing, subject: StillnessSubject) -> tuple[Signal, ...]:
    """All signals of the newest of ``looks`` (oldest first, at least one), whose ``standing`` is given."""
    return (
        _judge_driver(looks[-1]),
        _judge_task_states(looks),
        _judge_held(PENDING, "task", standing, looks[-1]),
        _judge_held(ACTORS, "actor", standing, looks[-1]),
        _judge_held(RESTARTING, "restarting actor", standing, looks[-1]),
        _judge_held(GROUPS, "placement group", standing, looks[-1]),
        _judge_producers(looks[-1], standing),
        _judge_log(looks),
        _judge_processor(looks),
        _judge_stacks(looks),
        _judge_duration(looks[-1], subject.age_s, subject.past),
    )


def build_probe_signal(at: datetime, probe: tuple[bool, str]) -> Signal:
    """The one by which a service is judged."""
    good, reason = probe
    return Signal(PROBE, "good" if good else "bad", "", at, None, "moving" if good else "unknown", reason)


def build_start_signal(at: datetime, age_s: float | None, why: str) -> Signal:
    """That a submission has not started, and why."""
    since = None if age_s is None else at - timedelta(seconds=age_s)
    return Signal("start", age_s, "s", at, since, "still", why)


def _judge_driver(look: Look) -> Signal:
    if isinstance(look.driver, Unknown):
        return _build_unknown(DRIVER, look, look.driver)
    driver = look.driver.value
    if driver.node_alive is False:
        return Signal(DRIVER, "gone", "", look.at, None, "still", f"node {driver.node_id}, which had it, is not alive")
    if driver.alive is False:
        return Signal(DRIVER, "gone", "", look.at, driver.ended_at, "still", f"process {driver.pid} has ended")
    if driver.alive is None:
        return Signal(DRIVER, None, "", look.at, None, "unknown", "Ray knows no process of it: it has not connected")
    return Signal(DRIVER, "alive", "", look.at, None, "unknown", f"process {driver.pid} lives, moving or not")


def _judge_task_states(looks: Sequence[Look]) -> Signal:
    newest = looks[-1]
    if isinstance(newest.work, Unknown):
        return _build_unknown(TASKS, newest, newest.work, "changes")
    unfinished = newest.work.value.unfinished
    changed_at = max((task.changed_at for task in unfinished if task.changed_at), default=None)
    before = _find_before(looks, lambda look: look.work)
    if before is None:
        return Signal(TASKS, None, "changes", newest.at, changed_at, "unknown", "seen once; only two looks tell")
    changes = _count_changes(before[1], newest.work.value)
    span = _describe_span(before[0], newest)
    if changes:
        return Signal(TASKS, changes, "changes", newest.at, before[0].at, "moving", f"tasks changed state in {span}")
    if not unfinished:
        return Signal(TASKS, 0, "changes", newest.at, before[0].at, "unknown", "it has no task that has not ended")
    note = f"; {newest.work.value.note}" if newest.work.value.note else ""
    same = f"{len(unfinished)} unfinished tasks, none of which changed state in {span}{note}"
    since = _find_unchanged_since(looks, lambda look: look.work, lambda one, other: not _count_changes(one, other))
    return Signal(TASKS, 0, "changes", newest.at, changed_at or since, "still", same)


def _count_changes(one: WorkFacts, other: WorkFacts) -> int:
    counted = sum(abs(one.counts.get(state, 0) - other.counts.get(state, 0)) for state in {*one.counts, *other.counts})
    before = {(task.task_id, task.attempt): task.state for task in one.unfinished}
    now = {(task.task_id, task.attempt): task.state for task in other.unfinished}
    return max(counted, sum(before.get(key) != state for key, state in now.items()), len(before.keys() - now.keys()))


def _judge_held(name: str, what: str, standing: Standing, look: Look) -> Signal:
    section = look.work if what == "task" else look.groups if what == "placement group" else look.actors
    if isinstance(section, Unknown):
        return _build_unknown(name, look, section, f"{what}s")
    holds = [hold for hold in standing.holds if hold.what == what]
    told = "; ".join(f"{hold.sentence} ({hold.code or 'no cause'})" for hold in holds[:_SHOWN])
    if len(holds) > _SHOWN:
        told += f"; and {len(holds) - _SHOWN} more"
    if what == "task" and standing.behind:
        told = "; ".join(filter(None, (told, f"{len(standing.behind)} wait for the results or the actors of others")))
    number = len(holds) + (len(standing.behind) if what == "task" else 0)
    says: Says = "still" if holds and all(hold.code for hold in holds) else "unknown"
    return Signal(name, number, f"{what}s", look.at, None, says, told or "none")


def _judge_producers(look: Look, standing: Standing) -> Signal:
    if standing.getting:
        names = ", ".join(sorted({task.name for task in standing.getting})[:_SHOWN])
        of_what = "of work that has not begun" if standing.holds or standing.behind else "that Ray does not name"
        told = f"{names}: begun, and waiting for results {of_what}"
        says: Says = "unknown" if standing.working else "still"
        return Signal(PRODUCERS, len(standing.getting), "tasks", look.at, None, says, told)
    if isinstance(look.references, Unknown):
        return _build_unknown(PRODUCERS, look, look.references, "tasks")
    return Signal(PRODUCERS, 0, "tasks", look.at, None, "unknown", "none that waits for work that has not begun")


def _judge_log(looks: Sequence[Look]) -> Signal:
    newest = looks[-1]
    if isinstance(newest.log, Unknown):
        return _build_unknown(LOG, newest, newest.log, "bytes")
    now = newest.log.value
    before = _find_before(looks, lambda look: look.log)
    if before is None:
        told = f"{now.size_bytes} bytes; seen once"
        return Signal(LOG, None, "bytes", newest.at, now.written_at, "unknown", told)
    then, span = before[1], _describe_span(before[0], newest)
    by_ray = now.by_ray_bytes - then.by_ray_bytes
    grown = now.size_bytes - then.size_bytes - by_ray
    noise = f"; Ray itself wrote {by_ray} bytes there" if by_ray else ""
    if grown:
        return Signal(LOG, grown, "bytes", newest.at, before[0].at, "moving", f"the log grew in {span}{noise}")
    since = now.written_at or _find_unchanged_since(looks, lambda look: look.log, _is_same_log)
    told = f"{now.size_bytes} bytes, and none more of the program in {span}{noise}"
    return Signal(LOG, 0, "bytes", newest.at, since, "still", told)


def _is_same_log(one: LogFacts, other: LogFacts) -> bool:
    return one.size_bytes - one.by_ray_bytes == other.size_bytes - other.by_ray_bytes


def _judge_processor(looks: Sequence[Look]) -> Signal:
    newest = looks[-1]
    if isinstance(newest.processor, Unknown):
        return _build_unknown(PROCESSOR, newest, newest.processor, "cores")
    now = newest.processor.value
    if _is_old(looks, now):
        told = "Ray has not measured its node for a minute"
        return Signal(PROCESSOR, None, "cores", newest.at, now.measured_at, "unknown", told)
    cores, since = _compute_cores(looks, now)
    idle = _IDLE_CORES * len(now.by_process)
    says: Says = "still" if cores <= idle else "moving" if cores >= idle + _BUSY_CORES else "unknown"
    told = f"{cores:.3f} cores in {len(now.by_process)} of its processes; up to {idle:.2f} is Ray's own housekeeping"
    return Signal(PROCESSOR, round(cores, 3), "cores", newest.at, since, says, told)


def _is_old(looks: Sequence[Look], now: ProcessorFacts) -> bool:
    return any(
        looks[-1].at - look.at > _MEASURED_WITHIN and look.processor.value.measured_at == now.measured_at
        for look in looks[:-1]
        if isinstance(look.processor, Known)
    )


def _compute_cores(looks: Sequence[Look], now: ProcessorFacts) -> tuple[float, datetime | None]:
    """From the seconds between two measurements if there are two, else the share that the agent measured."""
    for look in reversed(looks[:-1]):
        if not isinstance(look.processor, Known) or now.measured_at is None:
            continue
        then = look.processor.value
        common = now.by_process.keys() & then.by_process.keys()
        if then.measured_at is None or then.measured_at >= now.measured_at or not common:
            continue
        used_s = sum(now.by_process[key] - then.by_process[key] for key in common)
        # A process that is new since then has used all that it used in this time.
        used_s += sum(used for key, used in now.by_process.items() if key not in then.by_process)
        span_s = (now.measured_at - then.measured_at).total_seconds()
        return max(0.0, used_s / span_s), then.measured_at
    return now.cores, None


def _judge_stacks(looks: Sequence[Look]) -> Signal:
    newest = looks[-1]
    if isinstance(newest.stacks, Unknown):
        return _build_unknown(STACKS, newest, newest.stacks)
    now = newest.stacks.value
    where = "; ".join(f"{each.role} {each.pid}: {find_place(each.text)}" for each in now[:_SHOWN]) or "no process"
    before = _find_before(looks, lambda look: look.stacks)
    if before is None or not now:
        return Signal(STACKS, None, "", newest.at, None, "unknown", f"seen once; {where}")
    then = {(each.node_id, each.pid): normalize_stack(each.text) for each in before[1]}
    same = all(then.get((each.node_id, each.pid)) == normalize_stack(each.text) for each in now)
    span = _describe_span(before[0], newest)
    told = f"the same after {span}" if same else f"not the same after {span}"
    says: Says = "still" if same else "moving"
    return Signal(STACKS, "equal" if same else "different", "", newest.at, before[0].at, says, f"{told}; {where}")


def _judge_duration(look: Look, age_s: float | None, past: PastRuns | None) -> Signal:
    since = None if age_s is None else look.at - timedelta(seconds=age_s)
    if past is None or past.p99_s is None or past.count < ENOUGH_RUNS:
        count = 0 if past is None else past.count
        told = f"{count} earlier runs are known, too few to compare with"
        return Signal(DURATION, age_s, "s", look.at, since, "unknown", told)
    told = f"of {past.count} earlier runs, 99 in 100 took at most {past.p99_s:.0f} s"
    long = age_s is not None and age_s > past.p99_s
    return Signal(DURATION, age_s, "s", look.at, since, "still" if long else "unknown", told)


def _find_before(looks: Sequence[Look], section: Callable[[Look], Section[T]]) -> tuple[Look, T] | None:
    """The newest earlier look, far enough from the last, that knew this section."""
    for look in reversed(looks[:-1]):
        known = section(look)
        if isinstance(known, Known) and (looks[-1].at - look.at).total_seconds() >= LEAST_SPAN_S:
            return look, known.value
    return None


def _find_unchanged_since(
    looks: Sequence[Look], section: Callable[[Look], Section[T]], same: Callable[[T, T], bool]
) -> datetime | None:
    """When the oldest look was taken from which on nothing changed."""
    since, newest = None, section(looks[-1])
    for look in reversed(looks):
        known = section(look)
        if isinstance(known, Known) and isinstance(newest, Known):
            if not same(known.value, newest.value):
                break
            since = look.at
    return since


def _describe_span(one: Look, other: Look) -> str:
    return f"{(other.at - one.at).total_seconds():.0f} s"


def _build_unknown(name: str, look: Look, section: Unknown, unit: str = "") -> Signal:
    return Signal(name, None, unit, look.at, None, "unknown", f"not told: {section.reason}")

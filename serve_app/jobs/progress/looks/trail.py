"""What is remembered of a running job between two rounds, and when it last gave a sign of life. Pure.

A sign is a task that came, went or changed its state, an actor that did, a task that a process has done with, a line of
the program in its log, and processor or GPU use above what a process of Ray uses at rest. Ray's own retries and
restarts are none, nor is what Ray writes. All counters are kept, so that a trail from before a restart of this process
is continued: what moved meanwhile shows in them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, TypeGuard

from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.progress.looks.tables import ActorDetail, ProcessUse
from serve_app.jobs.progress.models import LogFacts, TaskFacts

_NOT_ASKED = Unknown("not asked")
# An idle process of Ray uses up to 0.015 of a core for its own housekeeping (measured on 2.60).
IDLE_CORES = 0.02
BUSY_CORES = 0.05
BUSY_GPU = 0.02
# More processes of one job are not remembered one by one.
MOST_KEPT = 200
# Ray's housekeeping comes in bursts: of a shorter span it looks like work.
LEAST_SPAN_S = 10.0
# A trail that lies so far ahead of a look was left by a clock that was set back since.
_AHEAD = timedelta(seconds=5)
# Of how many tasks a process has done, while it does not say.
NOT_TOLD = -1


@dataclass(frozen=True, slots=True)
class MeasuredProcess:
    """A process of the job: its node, when that was measured, and what was; ``load``: how many processes of that node
    wanted each core.
    """

    node_id: str
    measured_at: datetime | None
    use: ProcessUse
    load: float = 0.0

    @property
    def key(self) -> str:
        """What it is called in a trail."""
        return f"{self.node_id[:16]}:{self.use.pid}"


@dataclass(frozen=True, slots=True)
class Signs:
    """What one round saw of one job. ``tree_s``: processor time of those of its processes on the head that Ray's rows
    do not have; ``joined``: whether it has connected to Ray.
    """

    at: datetime
    work: Section[tuple[TaskFacts, ...]] = _NOT_ASKED
    actors: Section[tuple[ActorDetail, ...]] = _NOT_ASKED
    processes: Section[tuple[MeasuredProcess, ...]] = _NOT_ASKED
    log: Section[LogFacts] = _NOT_ASKED
    tree_s: float | None = None
    joined: bool = True

    @property
    def suffices(self) -> bool:
        """Whether enough was told to say that nothing moved."""
        if not self.joined:
            return isinstance(self.log, Known) or self.tree_s is not None
        return isinstance(self.work, Known) and isinstance(self.processes, Known)


@dataclass(frozen=True, slots=True)
class Measured:
    """Processor seconds of one process, and when that was, in seconds since 1970; and tasks that it has done by now."""

    at_s: float
    used_s: float
    finished: int


@dataclass(frozen=True, slots=True)
class Trail:
    """Times and counters. ``moved_at``: the latest sign of life; ``spoke_at``: the latest other than the use of a
    processor or GPU; ``worked_at``: the latest of its tasks and actors.

    ``busy_cores`` and ``busy_gpu``: what was in use in the latest span that was measured, None while that is not known.
    ``looked_at``: the latest round that told enough.
    """

    first_at: datetime
    looked_at: datetime
    moved_at: datetime
    spoke_at: datetime
    worked_at: datetime
    tasks: str = ""
    actors: str = ""
    processes: Mapping[str, Measured] = field(default_factory=dict)
    log_bytes: int | None = None
    log_by_ray_bytes: int = 0
    tree: Measured | None = None
    busy_cores: float | None = None
    busy_gpu: float | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a processor or GPU was in use when it was looked at last."""
        return bool(self.busy_cores) or bool(self.busy_gpu)

    @property
    def log(self) -> LogFacts | None:
        """The log as it was, for the next growth to be measured from."""
        return None if self.log_bytes is None else LogFacts(self.log_bytes, None, self.log_by_ray_bytes)


def follow_signs(before: Trail | None, signs: Signs) -> Trail:
    """The trail with one more round in it. Who is seen first has moved now: what was before is not known."""
    if before is None or before.looked_at - signs.at > _AHEAD:
        before = Trail(signs.at, signs.at, signs.at, signs.at, signs.at)
        worked_at = spoke_at = signs.at
    else:
        worked_at = max([before.worked_at, *_list_signs_of_work(before, signs)])
        spoke_at = max([before.spoke_at, worked_at, *_list_signs_of_speech(before, signs)])
    processes = _measure_processes(signs, before)
    tree = before.tree
    if signs.tree_s is not None:
        tree = _choose_base(tree, Measured(signs.at.timestamp(), signs.tree_s, 0))
    cores = _find_busy_cores(before, signs)
    gpu = _find_gpu(signs)
    busy_now = bool(cores) or bool(gpu)
    log = signs.log.value if isinstance(signs.log, Known) else None
    return Trail(
        first_at=before.first_at,
        # Where nothing was measured anew, a processor may be in use unseen.
        looked_at=signs.at if signs.suffices and (cores is not None or not signs.joined) else before.looked_at,
        moved_at=max(before.moved_at, spoke_at, signs.at if busy_now else before.moved_at),
        spoke_at=spoke_at,
        worked_at=worked_at,
        tasks=_digest_tasks(signs.work.value) if _is_whole(signs.work) else before.tasks,
        actors=_digest_actors(signs.actors.value) if _is_whole(signs.actors) else before.actors,
        processes=processes,
        log_bytes=before.log_bytes if log is None else log.size_bytes,
        log_by_ray_bytes=before.log_by_ray_bytes if log is None else log.by_ray_bytes,
        tree=tree,
        busy_cores=before.busy_cores if cores is None else cores,
        busy_gpu=gpu,
    )


def _is_whole(section: Section[Any]) -> TypeGuard[Known[Any]]:
    return isinstance(section, Known) and section.note is None


def _list_signs_of_work(before: Trail, signs: Signs) -> Iterable[datetime]:
    """When its tasks and actors gave signs of life since."""
    if isinstance(signs.work, Known):
        changed = [task.changed_at for task in signs.work.value if task.changed_at and not task.attempt]
        # A node's clock may be ahead of ours.
        yield from (min(at, signs.at) for at in changed)
        # Of a list that was cut, what comes and goes is not the job's doing.
        if before.tasks and signs.work.note is None and _digest_tasks(signs.work.value) != before.tasks:
            yield signs.at
    if _is_whole(signs.actors) and before.actors and _digest_actors(signs.actors.value) != before.actors:
        yield signs.at
    if isinstance(signs.processes, Known) and _count_finished(before, signs.processes.value):
        yield signs.at


def _list_signs_of_speech(before: Trail, signs: Signs) -> Iterable[datetime]:
    """When the program wrote to its log since."""
    if isinstance(signs.log, Known) and before.log_bytes is not None:
        log = signs.log.value
        if log.size_bytes - log.by_ray_bytes != before.log_bytes - before.log_by_ray_bytes:
            yield min(log.written_at or signs.at, signs.at)


def _count_finished(before: Trail, processes: Iterable[MeasuredProcess]) -> int:
    """Tasks that its processes have done since. A process that is new has done what it has done since then."""
    if len(before.processes) >= MOST_KEPT:
        known = [each for each in processes if each.key in before.processes]
    else:
        known = list(processes)
    done = 0
    for each in known:
        then, now = before.processes.get(each.key), each.use.finished
        if now is None or (then is not None and then.finished == NOT_TOLD):
            continue
        if then is None:
            done += now if before.processes else 0
        else:
            done += max(0, now - then.finished)
    return done


def _measure_processes(signs: Signs, before: Trail) -> Mapping[str, Measured]:
    """Since when and from what on processor time is counted, for each process; of a short span it is not yet."""
    if isinstance(signs.processes, Unknown):
        return before.processes
    found: dict[str, Measured] = {}
    for each in _choose_kept(signs.processes.value, before):
        if each.use.used_s is not None:
            then, finished = before.processes.get(each.key), each.use.finished
            if finished is None:
                finished = NOT_TOLD if then is None else then.finished
            now = Measured((each.measured_at or signs.at).timestamp(), each.use.used_s, finished)
            found[each.key] = _choose_base(then, now)
    return found


def _choose_kept(processes: Sequence[MeasuredProcess], before: Trail) -> Sequence[MeasuredProcess]:
    """Of too many those that work by their latest measurement, which a longer span then proves, and those known."""
    if len(processes) <= MOST_KEPT:
        return processes

    def rank(each: MeasuredProcess) -> tuple[float, bool]:
        return -each.use.cores if each.use.cores >= IDLE_CORES + BUSY_CORES else 0.0, each.key not in before.processes

    return sorted(processes, key=rank)[:MOST_KEPT]


def _choose_base(then: Measured | None, now: Measured) -> Measured:
    return now if then is None or now.at_s - then.at_s >= LEAST_SPAN_S else replace(then, finished=now.finished)


def _find_busy_cores(before: Trail, signs: Signs) -> float | None:
    """Cores in use by processes that are above rest; 0.0 when all rest, None when no span was long enough to say.

    Where many want the same core, one that works gets no more than its part of it.
    """
    spans, busy = [], []
    for each in signs.processes.value if isinstance(signs.processes, Known) else ():
        then, at_s = before.processes.get(each.key), (each.measured_at or signs.at).timestamp()
        if then is not None and each.use.used_s is not None and at_s - then.at_s >= LEAST_SPAN_S:
            share = (each.use.used_s - then.used_s) / (at_s - then.at_s)
            spans.append(share)
            if share >= max(IDLE_CORES, (IDLE_CORES + BUSY_CORES) / max(1.0, each.load)):
                busy.append(share)
    # However many rest, together they stay below this.
    if not busy and sum(spans) >= IDLE_CORES * len(spans) + BUSY_CORES:
        busy = [sum(spans)]
    if before.tree is not None and signs.tree_s is not None:
        span_s = signs.at.timestamp() - before.tree.at_s
        if span_s >= LEAST_SPAN_S:
            share = (signs.tree_s - before.tree.used_s) / span_s
            busy += [share] if share >= BUSY_CORES else []
            # Of one that Ray knows, the processes that Ray has must have been measured, too.
            spans += [] if signs.joined else [share]
    return round(sum(busy), 3) if busy or spans else None


def _find_gpu(signs: Signs) -> float | None:
    """The most that one of its processes uses of a GPU; None where Ray tells of none."""
    if isinstance(signs.processes, Unknown):
        return None
    shares = [each.use.gpu for each in signs.processes.value if each.use.gpu is not None]
    return round(max(shares), 3) if shares and max(shares) >= BUSY_GPU else (0.0 if shares else None)


def _digest_tasks(tasks: Iterable[TaskFacts]) -> str:
    """Which tasks there are and their states; of one that Ray tries again only that it is there."""
    return _digest(f"{task.task_id} {'again' if task.attempt else task.state}" for task in tasks)


def _digest_actors(actors: Iterable[ActorDetail]) -> str:
    return _digest(f"{actor.actor_id} {'again' if actor.restarts else actor.state}" for actor in actors)


def _digest(words: Iterable[str]) -> str:
    # Not empty for none: empty is what was never told.
    return hashlib.blake2s("\n".join(sorted(words)).encode(), digest_size=8).hexdigest()

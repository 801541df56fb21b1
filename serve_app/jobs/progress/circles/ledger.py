"""What is remembered of failed attempts and restarts from one round to the next, because Ray forgets. Pure.

Ray keeps so many attempts of all jobs, and fewer of one (``RAY_task_events_max_num_task_in_gcs``): how often a task
failed is counted here, and what is known of it stays until its job is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from serve_app.jobs.progress.circles.attempts import ActorTurns, Attempt, Successes

# Most tasks that are remembered, of all jobs: those that failed last.
MOST_TASKS = 5_000
MOST_SIGHTINGS = 32
_BURST = timedelta(seconds=0.5)
_RESTARTING = "RESTARTING"
# Ray's words for a call that was lost with its actor; one that raises leaves the actor alive.
_LOST_WITH_ACTOR = frozenset({"ACTOR_DIED", "ACTOR_UNAVAILABLE", "WORKER_DIED", "OUT_OF_MEMORY", "NODE_DIED"})


@dataclass(frozen=True, slots=True)
class TaskTurns:
    """How often one task failed, between when and when; ``last`` is its latest failed attempt.

    ``told``: in how many of them Ray said why; ``last_told``: the latest of those.
    """

    failures: int
    first_at: datetime | None
    last: Attempt
    told: int = 0
    last_told: Attempt | None = None

    @property
    def reason(self) -> Attempt:
        """The attempt that stands for why it fails: the latest that tells, unless most tell nothing."""
        return self.last if self.last_told is None or 2 * self.told < self.failures else self.last_told


@dataclass(frozen=True, slots=True)
class Sighting:
    """How often an actor had been restarted, from when to when it was seen to be so."""

    first_at: datetime
    last_at: datetime
    restarts: int


@dataclass(frozen=True, slots=True)
class ActorHistory:
    """An actor over the rounds. ``restarts``: how often it was restarted with no success of a call since.

    ``first_at`` and ``last_at``: of those restarts, as far as one was seen or told. ``pid_before``: of the process that
    it had before the present one. ``success_at``: the latest success of a call that was ever told.
    """

    turns: ActorTurns
    sightings: tuple[Sighting, ...] = ()
    restarts: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    pid_before: int | None = None
    success_at: datetime | None = None

    @property
    def dead_pid(self) -> int | None:
        """A process of it that has ended, if one is known."""
        return self.pid_before if self.turns.state == "ALIVE" else self.turns.pid or self.pid_before


def add_attempts(known: Mapping[str, TaskTurns], attempts: Iterable[Attempt]) -> dict[str, TaskTurns]:
    """What is known by task, with the attempts that Ray lists now."""
    by_task: dict[str, list[Attempt]] = {}
    for attempt in attempts:
        by_task.setdefault(attempt.task_id, []).append(attempt)
    merged = dict(known)
    for task_id, listed in by_task.items():
        listed.sort(key=lambda each: each.number)
        before = known.get(task_id)
        new = [each for each in listed if before is None or each.number > before.last.number]
        failures = max(len(listed), len(new) + (0 if before is None else before.failures))
        times = [each.failed_at for each in listed if each.failed_at is not None]
        earlier = [] if before is None or before.first_at is None else [before.first_at]
        last = listed[-1] if before is None or listed[-1].number >= before.last.number else before.last
        telling = [each for each in listed if each.tells_why]
        told = max(len(telling), sum(each.tells_why for each in new) + (0 if before is None else before.told))
        last_told = telling[-1] if telling else None if before is None else before.last_told
        merged[task_id] = TaskTurns(failures, min([*earlier, *times], default=None), last, told, last_told)
    if len(merged) <= MOST_TASKS:
        return merged
    newest = sorted(merged.items(), key=lambda item: _get_time_s(item[1].last.failed_at), reverse=True)
    return dict(newest[:MOST_TASKS])


def add_actors(
    known: Mapping[str, ActorHistory],
    actors: Iterable[ActorTurns],
    attempts: Iterable[Attempt],
    successes: Mapping[str, Successes],
    now: datetime,
    listed_before_at: datetime | None = None,
) -> dict[str, ActorHistory]:
    """What is known by actor, with the actors that Ray lists now; those that it lists no more are forgotten.

    Ray does not say when an actor was restarted: calls of it that failed tell, or that it was seen to have been.
    ``listed_before_at``: when actors were listed last; one that is new since was restarted since.
    """
    failed: dict[str, list[datetime]] = {}
    for attempt in attempts:
        if attempt.actor_id and attempt.failed_at is not None and attempt.error_type in _LOST_WITH_ACTOR:
            failed.setdefault(attempt.actor_id, []).append(attempt.failed_at)
    return {
        each.actor_id: _add_actor(
            known.get(each.actor_id),
            each,
            failed.get(each.actor_id, []),
            successes.get(each.job_id, Successes()).last_by_actor.get(each.actor_id),
            now,
            listed_before_at,
        )
        for each in actors
    }


def _add_actor(
    before: ActorHistory | None,
    turns: ActorTurns,
    failed: list[datetime],
    told_at: datetime | None,
    now: datetime,
    listed_before_at: datetime | None,
) -> ActorHistory:
    earlier = () if listed_before_at is None else (Sighting(listed_before_at, listed_before_at, 0),)
    sightings = _add_sighting(earlier if before is None else before.sightings, turns.restarts, now)
    # Ray forgets successes, too.
    remembered_at = None if before is None else before.success_at
    success_at = max((at for at in (told_at, remembered_at) if at is not None), default=None)
    since = sorted(at for at in failed if success_at is None or at > success_at)
    seen = [each.first_at for each in sightings[1:] if success_at is None or each.first_at > success_at]
    # When it was first seen with restarts it had them already, nobody knows since when.
    restarts, begun_at = turns.restarts, sightings[0].last_at if seen and not sightings[0].restarts else None
    if success_at is not None:
        # What it was when it was next seen; calls that failed later, each burst with a process, may tell of more.
        then = next((each for each in sightings if each.last_at >= success_at), sightings[-1])
        restarts = max(turns.restarts - then.restarts, min(_count_bursts(since), turns.restarts))
        begun_at = then.last_at
    pid_before = None
    if before is not None:
        moved = before.turns.pid is not None and turns.pid != before.turns.pid
        pid_before = before.turns.pid if moved else before.pid_before
    if restarts <= 0:
        return ActorHistory(turns, sightings, pid_before=pid_before, success_at=success_at)
    first = [*since, *filter(None, (begun_at,))]
    if before is not None and before.first_at is not None and success_at == before.success_at:
        first.append(before.first_at)
    # One that is being restarted now is seen to be.
    last = [*since, *seen] or ([now] if turns.state == _RESTARTING else [])
    first_at, last_at = min(first, default=None), max(last, default=None)
    return ActorHistory(turns, sightings, restarts, first_at, last_at, pid_before, success_at)


def _add_sighting(sightings: tuple[Sighting, ...], restarts: int, now: datetime) -> tuple[Sighting, ...]:
    if sightings and sightings[-1].restarts == restarts:
        return (*sightings[:-1], replace(sightings[-1], last_at=now))
    return (*sightings, Sighting(now, now, restarts))[-MOST_SIGHTINGS:]


def _count_bursts(times: list[datetime]) -> int:
    """All calls that wait for an actor fail at once with it."""
    return sum(number == 0 or at - times[number - 1] > _BURST for number, at in enumerate(times))


def _get_time_s(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()

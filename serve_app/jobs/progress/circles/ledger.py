"""What is remembered of failed attempts and restarts from one round to the next, because Ray forgets. Pure.

Ray keeps so many attempts of all jobs, and fewer of one (``RAY_task_events_max_num_task_in_gcs``): how often a task
failed is counted here, and what is known of it stays until its job is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from serve_app.jobs.progress.circles.attempts import ActorTurns, Attempt, Successes

# Most tasks that are remembered, of all jobs: those that failed last.
MOST_TASKS = 5_000


@dataclass(frozen=True, slots=True)
class TaskTurns:
    """How often one task failed, between when and when; ``last`` is its latest failed attempt."""

    failures: int
    first_at: datetime | None
    last: Attempt


@dataclass(frozen=True, slots=True)
class ActorHistory:
    """An actor over the rounds. ``before``: its restarts when a call of it last succeeded, or 0.

    ``first_at`` and ``last_at``: of the restarts since then, as far as known. ``pid_before``: of the process that it
    had before the present one.
    """

    turns: ActorTurns
    before: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    pid_before: int | None = None

    @property
    def restarts(self) -> int:
        """How often it was restarted with no success since."""
        return self.turns.restarts - self.before

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
        merged[task_id] = TaskTurns(failures, min([*earlier, *times], default=None), last)
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
) -> dict[str, ActorHistory]:
    """What is known by actor, with the actors that Ray lists now; those that it lists no more are forgotten.

    Ray does not say when an actor was restarted: calls of it that failed tell, or that it was seen to have been.
    """
    failed: dict[str, list[datetime]] = {}
    for attempt in attempts:
        if attempt.actor_id and attempt.failed_at is not None:
            failed.setdefault(attempt.actor_id, []).append(attempt.failed_at)
    return {
        each.actor_id: _add_actor(
            known.get(each.actor_id),
            each,
            failed.get(each.actor_id, []),
            successes.get(each.job_id, Successes()).last_by_actor.get(each.actor_id),
            now,
        )
        for each in actors
    }


def _add_actor(
    before: ActorHistory | None, turns: ActorTurns, failed: list[datetime], success_at: datetime | None, now: datetime
) -> ActorHistory:
    since = [at for at in failed if success_at is None or at > success_at]
    restarted = before is None or turns.restarts > before.turns.restarts
    if before is None:
        # Its calls that failed after its last success were each a restart at most.
        done = 0 if success_at is None else max(0, turns.restarts - len(since))
        history = ActorHistory(turns, done)
    else:
        last = before.last_at
        succeeded = success_at is not None and (last is None or success_at > last)
        moved = turns.pid != before.turns.pid and before.turns.pid is not None
        history = replace(
            before,
            turns=turns,
            before=max(before.before, turns.restarts - len(since)) if succeeded else before.before,
            first_at=None if succeeded else before.first_at,
            pid_before=before.turns.pid if moved else before.pid_before,
        )
    if history.restarts <= 0:
        return replace(history, first_at=None)
    first_at = min([*since, *([history.first_at] if history.first_at else [])], default=now)
    last_at = max(
        [*since, *([now] if restarted and not since else []), *([history.last_at] if history.last_at else [])]
    )
    return replace(history, first_at=first_at, last_at=last_at)


def _get_time_s(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()

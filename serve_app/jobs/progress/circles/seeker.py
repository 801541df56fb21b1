"""Seeks circles, round after round: asks the little that a round's tables do not tell, remembers what Ray forgets."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from serve_app.jobs.models import Known, Section
from serve_app.jobs.motion import LEAST_TURNS
from serve_app.jobs.progress.circles.attempts import ActorTurns, Attempt, Successes
from serve_app.jobs.progress.circles.circles import (
    CodeChooser,
    JobTurns,
    Turns,
    find_circles,
    is_past,
    list_suspects,
    list_unsure,
    sort_circles,
)
from serve_app.jobs.progress.circles.ledger import ActorHistory, TaskTurns, add_actors, add_attempts

T = TypeVar("T")
# So many jobs in trouble are asked about in one round, and a few of the others: first those that were asked about
# longest ago.
MOST_SUSPECTS = 16
LEAST_OTHERS = 2
MOST_ACTORS = 8
MOST_EXITS = 8
# Ray forgets the oldest of very many: that their number stays tells nothing then.
_MANY_CALLS = 10_000
_AT_ONCE = 4
_KEPT_EXITS = 1_000
_MOST_MISSING = 2_000
# What succeeded says nothing of now when it was asked so long ago.
_KNOWN_FOR = timedelta(seconds=90)
# What a process says of its tasks comes a second later (``RAY_task_events_report_interval_ms``), of a busy one later.
SETTLED = timedelta(seconds=5)
# So often it is asked what had succeeded of a job that ended; one timeout must not lose its circle.
_MOST_TRIES = 5
_DIED = "WORKER_DIED"


class SuccessQuestions(Protocol):
    """What is asked beside the tables (``questions.AttemptQuestions``)."""

    @property
    def requests(self) -> int: ...

    async def ask_successes(self, job_id: str) -> Section[Successes]: ...

    async def ask_calls(self, actor_id: str) -> Section[Successes]: ...

    async def ask_exit(self, node_id: str, pid: int, names: tuple[str, str] | None = None) -> str: ...


@dataclass(frozen=True, slots=True)
class Round:
    """What a round knows already. ``unfinished``: ids of tasks that have not ended; None: not known. Of jobs with very
    many some are listed, of the jobs ``unlisted`` none.

    ``actors`` None: not known; ``actors_cut``: some are not among them. ``running``: Ray's ids of jobs that run;
    ``ended``: when the others ended. ``owners``: whose a process is, by node and number.
    """

    at: datetime
    attempts: tuple[Attempt, ...]
    actors: tuple[ActorTurns, ...] | None
    unfinished: Collection[str] | None
    running: Collection[str]
    ended: Mapping[str, datetime]
    owners: Mapping[tuple[str, int], str] = field(default_factory=dict)
    unlisted: Collection[str] = frozenset()
    actors_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """``successes`` None: too old to tell of now."""

    at: datetime
    failures: int
    successes: Successes | None


class CircleSeeker:
    """Holds what is known of failures between rounds, in bounds, and what was found of jobs that have ended since.

    ``unsure``: jobs of which it is not known yet whether an actor goes in circles.
    """

    def __init__(self, questions: SuccessQuestions, choose_code: CodeChooser) -> None:
        self._questions = questions
        self._choose_code = choose_code
        self._tasks: dict[str, TaskTurns] = {}
        self._actors: dict[str, ActorHistory] = {}
        self._listed_at: datetime | None = None
        self._calls_asked: dict[str, datetime] = {}
        # By actor, how many of its calls succeeded, and since when there are so many.
        self._calls_counted: dict[str, tuple[int, datetime]] = {}
        self._asked: dict[str, _Asked] = {}
        # When each was last asked for, answered or not: one that fails must not take the turn of others.
        self._tried_at: dict[str, datetime] = {}
        self._exits: dict[tuple[str, int], str] = {}
        self._exits_tried_at: dict[tuple[str, int], datetime] = {}
        self._found: dict[str, JobTurns] = {}
        self._closed: set[str] = set()
        # Of jobs that ended, how often it was asked in vain.
        self._tries: dict[str, int] = {}
        self.unsure: frozenset[str] = frozenset()

    @property
    def requests(self) -> int:
        """Questions about failures and successes since the start."""
        return self._questions.requests

    @property
    def is_behind(self) -> bool:
        """Whether it has to be asked again about a job that ended."""
        return bool(self._tries)

    async def seek(self, round: Round) -> dict[str, JobTurns]:
        """By Ray's job id, what goes in circles: of jobs that run as it is now, of those that ended as it last was."""
        known = {*round.running, *round.ended}
        self._forget_others(known, round)
        live = replace(round, attempts=tuple(each for each in round.attempts if each.job_id in round.running))
        self._tasks = add_attempts(self._tasks, [each for each in live.attempts if not each.cut_off])
        turns = self._build_turns(live)
        troubled = await self._ask_suspects(turns)
        successes, told = await self._add_calls(turns, self._list_successes())
        self._actors = self._add_actors(live, successes)
        told_now = {id for id, each in self._asked.items() if each.at == round.at}
        untold = self._actors.keys() - told
        turns = replace(turns, successes=successes, actors=self._actors, untold=untold, told_now=told_now)
        self.unsure = list_unsure(turns)
        found = find_circles(replace(turns, exits=await self._ask_exits(turns)), self._choose_code)
        for job_id in round.running:
            own, before = found.get(job_id, JobTurns()), self._found.get(job_id, JobTurns())
            if job_id not in told_now:
                own = _keep_found(own, before, turns, is_told=job_id in turns.successes, in_trouble=job_id in troubled)
            self._found[job_id] = own
        await self._look_back(round)
        return self.recall()

    def recall(self) -> dict[str, JobTurns]:
        """What was found last: where Ray does not tell of failures, nothing has become good."""
        return {job_id: turns for job_id, turns in self._found.items() if turns != JobTurns()}

    async def _look_back(self, round: Round) -> None:
        """Jobs that ended before they were found circling: their attempts are judged as of their end, once. One that is
        stopped as soon as it fails for the third time ends between two rounds.
        """
        told = {job_id for job_id, each in self._found.items() if each.circles}
        unseen = {each.job_id for each in round.attempts if each.job_id in round.ended} - told
        settled = {job_id for job_id in unseen if round.at - round.ended[job_id] >= SETTLED}
        for job_id in sorted(settled - self._closed)[:MOST_SUSPECTS]:
            ended_at = round.ended[job_id]
            own = [each for each in round.attempts if each.job_id == job_id]
            failed = [each for each in own if not each.cut_off]
            before = tuple(each for each in failed if each.failed_at is None or each.failed_at <= ended_at)
            tasks = add_attempts({}, before)
            if not any(each.failures >= LEAST_TURNS for each in tasks.values()):
                self._closed.add(job_id)
                continue
            asked = await self._questions.ask_successes(job_id)
            tries = self._tries.pop(job_id, 0) + 1
            if not isinstance(asked, Known) and tries < _MOST_TRIES:
                self._tries[job_id] = tries
                continue
            self._closed.add(job_id)
            successes = {job_id: asked.value} if isinstance(asked, Known) else {}
            open_then = frozenset(each.task_id for each in own if each.cut_off)
            turns = Turns(ended_at, before, tasks, {}, open_then, successes, {}, round.owners)
            self._found[job_id] = find_circles(turns, self._choose_code).get(job_id, JobTurns())

    def _build_turns(self, round: Round) -> Turns:
        attempts = tuple(each for each in round.attempts if not each.cut_off)
        actors = dict(self._actors)
        if round.actors is not None:
            actors = {
                each.actor_id: replace(self._actors.get(each.actor_id) or ActorHistory(each), turns=each)
                for each in round.actors
            }
        unlisted = round.unlisted
        return Turns(round.at, attempts, self._tasks, actors, round.unfinished, owners=round.owners, unlisted=unlisted)

    def _add_actors(self, round: Round, successes: Mapping[str, Successes]) -> dict[str, ActorHistory]:
        if round.actors is None:
            return self._actors
        if round.actors_cut:
            # One that is not among them may come back with restarts of long ago, and is not new then.
            self._listed_at = None
            listed = add_actors(self._actors, round.actors, round.attempts, successes, round.at)
            missing = {
                id: each
                for id, each in self._actors.items()
                if id not in listed and each.turns.restarts and each.turns.job_id in round.running
            }
            return {**dict(list(missing.items())[-_MOST_MISSING:]), **listed}
        before_at, self._listed_at = self._listed_at, round.at
        return add_actors(self._actors, round.actors, round.attempts, successes, round.at, before_at)

    async def _ask_suspects(self, turns: Turns) -> Collection[str]:
        """Those in trouble in each round, the others when more of them failed; the former."""
        suspects = list_suspects(turns)
        failures: dict[str, int] = {}
        for task in turns.tasks.values():
            failures[task.last.job_id] = failures.get(task.last.job_id, 0) + task.failures
        asked_for = {job_id: each.failures for job_id, each in self._asked.items()}
        others = [each for each in suspects.quiet if asked_for.get(each) != failures.get(each)]
        chosen = sorted(suspects.troubled, key=self._get_asked_s)[:MOST_SUSPECTS]
        chosen += sorted(others, key=self._get_asked_s)[: max(LEAST_OTHERS, (MOST_SUSPECTS - len(chosen)) // 2)]
        self._tried_at |= dict.fromkeys(chosen, turns.now)
        asked = await _gather_few(self._questions.ask_successes(job_id) for job_id in chosen)
        for job_id, section in zip(chosen, asked, strict=True):
            if isinstance(section, Known):
                self._asked[job_id] = _Asked(turns.now, failures.get(job_id, 0), section.value)
        return suspects.troubled

    def _get_asked_s(self, job_id: str) -> float:
        return _get_time_s(self._tried_at.get(job_id))

    def _list_successes(self) -> dict[str, Successes]:
        return {job_id: each.successes for job_id, each in self._asked.items() if each.successes is not None}

    async def _add_calls(
        self, turns: Turns, successes: dict[str, Successes]
    ) -> tuple[dict[str, Successes], Collection[str]]:
        """Of a job with many successes, actors that were restarted often are asked about by themselves, a few in turn.

        With them come the actors that are judged this time: those of whose successes was told, and those that circled.
        """
        often = [each.turns for each in turns.actors.values() if each.turns.restarts >= LEAST_TURNS]
        whole = {id for id, done in successes.items() if done.complete and self._asked[id].at == turns.now}
        told = {each.actor_id for each in often if each.job_id in whole}
        told |= {each.id for own in self._found.values() for each in own.circles if each.what == "actor"}
        wanted = [each for each in often if each.job_id in successes and not successes[each.job_id].complete]
        self._calls_asked = {each.actor_id: at for each in often if (at := self._calls_asked.get(each.actor_id))}
        wanted = sorted(wanted, key=lambda each: _get_time_s(self._calls_asked.get(each.actor_id)))[:MOST_ACTORS]
        self._calls_asked |= {each.actor_id: turns.now for each in wanted}
        self._calls_counted = {id: each for id, each in self._calls_counted.items() if id in self._calls_asked}
        for actor, calls in zip(
            wanted, await _gather_few(self._questions.ask_calls(each.actor_id) for each in wanted), strict=True
        ):
            if isinstance(calls, Known) and (calls.value.complete or calls.value.total < _MANY_CALLS):
                last = self._count_calls(actor.actor_id, calls.value, turns.now)
                before = successes[actor.job_id]
                successes[actor.job_id] = replace(before, last_by_actor={**before.last_by_actor, **last})
                told.add(actor.actor_id)
        return successes, told

    def _count_calls(self, actor_id: str, calls: Successes, now: datetime) -> Mapping[str, datetime]:
        """When its latest call succeeded. Which of a cut list came last nobody knows, so how many there are is
        remembered, and since when.
        """
        if calls.complete:
            return calls.last_by_actor
        total, since = self._calls_counted.get(actor_id, (None, now))
        self._calls_counted[actor_id] = (calls.total, since if total == calls.total else now)
        return {actor_id: self._calls_counted[actor_id][1]}

    async def _ask_exits(self, turns: Turns) -> dict[tuple[str, int], str]:
        """How processes ended of which no message tells, each once."""
        wanted: dict[tuple[str, int], tuple[str, str] | None] = {}
        for task in turns.tasks.values():
            last = task.last
            silent = last.error_type == _DIED and not last.message
            if task.failures >= LEAST_TURNS and silent and last.pid and last.node_id:
                wanted[(last.node_id, last.pid)] = (last.worker_id, last.job_id) if last.worker_id else None
        for actor in turns.actors.values():
            if actor.restarts >= LEAST_TURNS and actor.dead_pid and actor.turns.node_id:
                wanted.setdefault((actor.turns.node_id, actor.dead_pid), None)
        self._exits_tried_at = {key: at for key in wanted if (at := self._exits_tried_at.get(key)) is not None}
        missing = [each for each in wanted if each not in self._exits]
        new = sorted(missing, key=lambda each: _get_time_s(self._exits_tried_at.get(each)))[:MOST_EXITS]
        self._exits_tried_at |= dict.fromkeys(new, turns.now)
        told = await _gather_few(self._questions.ask_exit(node_id, pid, wanted[node_id, pid]) for node_id, pid in new)
        self._exits |= {key: text for key, text in zip(new, told, strict=True) if text}
        for key in list(self._exits)[: max(0, len(self._exits) - _KEPT_EXITS)]:
            del self._exits[key]
        return dict(self._exits)

    def _forget_others(self, known: Collection[str], round: Round) -> None:
        """Of jobs that ended only what was found stays; lists of successes, which are long, while they tell of now."""
        self._tasks = {id: each for id, each in self._tasks.items() if each.last.job_id in round.running}
        self._asked = {
            job_id: each if timedelta(0) <= round.at - each.at <= _KNOWN_FOR else replace(each, successes=None)
            for job_id, each in self._asked.items()
            if job_id in round.running
        }
        self._tried_at = {job_id: at for job_id, at in self._tried_at.items() if job_id in round.running}
        self._found = {job_id: each for job_id, each in self._found.items() if job_id in known}
        self._closed &= set(known)
        self._tries = {job_id: tries for job_id, tries in self._tries.items() if job_id in round.ended}


def _keep_found(own: JobTurns, before: JobTurns, turns: Turns, *, is_told: bool, in_trouble: bool) -> JobTurns:
    """What is known of a job whose turn to be asked about has not come again: what was found stays until it does,
    or is past.

    Its actors have been judged by what is remembered of them. Whether others succeed is as it was last known.
    """
    known = {each.id: each.others_succeed for each in before.circles}
    found = own.circles
    if not is_told:
        found = tuple(replace(each, others_succeed=known.get(each.id)) for each in found)
    ids = {each.id for each in found}
    missing = [each for each in before.circles if each.what != "actor" and each.id not in ids] if in_trouble else []
    kept = [each for each in missing if not is_past(each, turns)]
    return JobTurns(sort_circles((*found, *kept)), own.repaired if is_told else before.repaired)


async def _gather_few(asked: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """A few at a time: the dashboard has other work."""
    free = asyncio.Semaphore(_AT_ONCE)

    async def wait_for(each: Coroutine[Any, Any, T]) -> T:
        async with free:
            return await each

    return await asyncio.gather(*map(wait_for, asked))


def _get_time_s(at: datetime | None) -> float:
    return 0.0 if at is None else at.timestamp()

"""What the unfinished work of one quiet job waits for, and whether Ray's own tables prove that it waits in vain. Pure.

Proven are four things: calls that wait for each other in a circle, a member of a group of actors that never came where
the others meet, a result whose maker is gone or idle, and work that no node can ever take. A call that runs and uses
nothing may be asleep, may poll or may wait for what Ray does not know: that proves nothing.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from serve_app.jobs.models import Known, Section, Unknown
from serve_app.jobs.motion import AwaitedWork
from serve_app.jobs.progress.looks.tables import ActorDetail, ProcessUse
from serve_app.jobs.progress.models import HeldReference, TaskFacts

_NOT_ASKED = Unknown("not asked")
# A node is measured every few seconds: a process that began since is not missing.
_MISSED_AFTER = timedelta(seconds=30)
MOST_AWAITED = 10
_CALL, _CREATION = "ACTOR_TASK", "ACTOR_CREATION_TASK"
_HANDED_OVER = frozenset({"SUBMITTED_TO_WORKER", "PENDING_ACTOR_TASK_ORDERING_OR_CONCURRENCY"})
_FOR_ARGUMENTS = "PENDING_ARGS_AVAIL"
# Where members of a group meet, by the names that people give to that, without what parts their words. Names that work
# has as well (``synchronize``, ``meet``) are not among them.
_MEETINGS = frozenset(
    {"barrier", "rendezvous", "allreduce", "allgather", "alltoall", "reducescatter", "broadcast", "arrive",
     "collective", "waitforall", "waitforothers", "waitforpeers", "joingroup"}
)  # fmt: skip
_BEFORE = frozenset({"wait", "for", "at", "enter", "do", "run", "call", "sync", "async"})
_AFTER = frozenset({"op", "sync", "async", "wait", "and"})
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_LEAST_MET = 2
# A driver's task is called by this and its job. The start of an actor begins with fewer of them.
_OF_A_DRIVER = "f" * 40

Proof = Literal["cycle", "rank", "gone", "idle", "arguments"]


@dataclass(frozen=True, slots=True)
class Waits:
    """What is waited for, the most telling first. ``proof`` None: nothing proves that it will not come."""

    awaited: tuple[AwaitedWork, ...] = ()
    proof: Proof | None = None


@dataclass(frozen=True, slots=True)
class Scene:
    """All that is known of one job's unfinished work.

    ``gets``: how many of its tasks, by name, are in ``ray.get`` or ``ray.wait``; ``references``: who refers to which
    result, ``driver_holds``: whose results its drivers refer to; any may be unknown. ``further_drivers``: the process
    numbers of those that live beside the one that speaks for it. ``dead``: actors of it that have died; ``processes``
    by node id and number, and when each node was measured; ``lost_nodes``: nodes that are not alive. ``partial``: more
    of its work is unfinished than is here, so that nothing is proven by what is not.
    """

    tasks: tuple[TaskFacts, ...]
    actors: tuple[ActorDetail, ...] = ()
    dead: tuple[ActorDetail, ...] = ()
    gets: Section[Mapping[str, int]] = _NOT_ASKED
    references: Section[tuple[HeldReference, ...]] = _NOT_ASKED
    driver_holds: Section[frozenset[str]] = _NOT_ASKED
    further_drivers: frozenset[int] = frozenset()
    processes: Mapping[tuple[str, int], ProcessUse] | None = None
    measured_at: Mapping[str, datetime] | None = None
    lost_nodes: frozenset[str] = frozenset()
    partial: bool = False


def find_waits(scene: Scene) -> Waits:
    """The first proof that applies, or else what is unfinished."""
    by_id = {task.task_id: task for task in scene.tasks}
    # Who is not seen to do something else may do it in a row that was cut off.
    if not scene.partial and (cycle := _find_cycle(scene, by_id)):
        return Waits(_describe_all(cycle, scene, by_id), "cycle")
    if not scene.partial and (ranks := _find_missing_ranks(scene, by_id)):
        return Waits(ranks, "rank")
    for proof, lost in (("gone", _list_gone(scene)), ("idle", _list_idle(scene))):
        if lost:
            return Waits(_describe_all(lost, scene, by_id), "gone" if proof == "gone" else "idle")
    if not scene.partial and _lacks_arguments(scene, by_id):
        return Waits(_describe_all(scene.tasks, scene, by_id), "arguments")
    parents = {task.parent_id for task in scene.tasks}
    last = [task for task in scene.tasks if task.task_id not in parents]
    return Waits(_describe_all(sorted(last, key=_get_since_s), scene, by_id))


def _find_cycle(scene: Scene, by_id: Mapping[str, TaskFacts]) -> list[TaskFacts]:
    """Calls that wait for each other: a task for what it has called, a call for what its actor is doing."""
    children: dict[str, list[TaskFacts]] = {}
    doing: dict[str, list[TaskFacts]] = {}
    running = Counter(task.name for task in scene.tasks if _runs(task))
    held = _list_held(scene)
    for task in scene.tasks:
        children.setdefault(task.parent_id, []).append(task)
        if _runs(task) and task.actor_id:
            doing.setdefault(task.actor_id, []).append(task)

    def list_awaited(task: TaskFacts) -> Sequence[TaskFacts]:
        if _runs(task):
            in_get = None
            if isinstance(scene.gets, Known):
                in_get = scene.gets.value.get(task.name, 0) >= running[task.name]
            return _list_hopes(task, children.get(task.task_id, ()), held.get(task.pid), in_get, by_id)
        if task.type == _CALL and task.state in _HANDED_OVER:
            return doing.get(task.actor_id, ())
        return ()

    waits = {id: list_awaited(task) for id, task in by_id.items()}
    blocked = _list_blocked(waits)
    done: set[str] = set()
    for start in sorted(blocked):
        found = _walk(by_id[start], lambda task: [one for one in waits[task.task_id] if one.task_id in blocked], done)
        if found:
            return found
    return []


def _list_held(scene: Scene) -> dict[int | None, set[str]]:
    """By process, whose results it refers to, as far as Ray's table of references tells."""
    found: dict[int | None, set[str]] = {}
    for each in scene.references.value if isinstance(scene.references, Known) else ():
        found.setdefault(each.pid, set()).add(each.producer_id)
    return found


def _list_hopes(
    task: TaskFacts,
    called: Sequence[TaskFacts],
    held: Collection[str] | None,
    in_get: bool | None,
    by_id: Mapping[str, TaskFacts],
) -> Sequence[TaskFacts]:
    """All that a task that runs may be waiting for in ``ray.get``; for which of it, Ray does not tell.

    ``in_get``: whether it is there, by Ray's count; where nobody counted, that it holds a result of what it has
    ``called`` says so. ``held`` None: Ray does not tell what its process refers to, so it may be any that it called.
    """
    if in_get is False or (held is None and not in_get):
        return ()
    if held is None:
        return called
    if all(child.task_id not in held for child in called):
        return ()
    if any(id not in by_id and not id.endswith(task.job_id) for id in held):
        # It may wait for another job, of which this one's tables tell nothing.
        return ()
    return [by_id[id] for id in held if id in by_id and not _is_of_a_neighbour(by_id[id], task, by_id)]


def _is_of_a_neighbour(child: TaskFacts, task: TaskFacts, by_id: Mapping[str, TaskFacts]) -> bool:
    """Whether another task that runs in the same process has called it."""
    parent = by_id.get(child.parent_id)
    return parent is not None and parent.task_id != task.task_id and parent.pid == task.pid and _runs(parent)


def _list_blocked(waits: Mapping[str, Sequence[TaskFacts]]) -> set[str]:
    """Those that cannot go on while all others of them cannot: as long as nothing of what they wait for ends.

    A call begins as soon as one slot of its actor is free; a task that runs may be waiting for any of its hopes.
    """
    left = [id for id, awaited in waits.items() if not awaited]
    blocked = set(waits).difference(left)
    waiters: dict[str, list[str]] = {}
    for id, awaited in waits.items():
        for each in awaited:
            waiters.setdefault(each.task_id, []).append(id)
    while left:
        for id in waiters.get(left.pop(), ()):
            if id in blocked:
                blocked.discard(id)
                left.append(id)
    return blocked


def _walk(start: TaskFacts, list_next: Callable[[TaskFacts], Sequence[TaskFacts]], done: set[str]) -> list[TaskFacts]:
    """The first circle that is reached from a task; without recursion, since chains of calls may be long."""
    path: list[tuple[TaskFacts, list[TaskFacts]]] = []
    on_path: dict[str, int] = {}
    task: TaskFacts | None = start
    while task is not None or path:
        if task is not None:
            if task.task_id in on_path:
                return [each for each, _ in path[on_path[task.task_id] :]]
            if task.task_id not in done:
                on_path[task.task_id] = len(path)
                path.append((task, list(list_next(task))))
            task = None
        if not path:
            break
        current, left = path[-1]
        if left:
            task = left.pop()
        else:
            path.pop()
            del on_path[current.task_id]
            done.add(current.task_id)
    return []


def _find_missing_ranks(scene: Scene, by_id: Mapping[str, TaskFacts]) -> tuple[AwaitedWork, ...]:
    """Members of a class of actors that do nothing, while all others, the greater part, wait in the same meeting.

    Where few have work and many have none, that is a pool.
    """
    calls: dict[str, list[TaskFacts]] = {}
    for task in scene.tasks:
        if task.actor_id:
            calls.setdefault(task.actor_id, []).append(task)
    by_class: dict[str, list[ActorDetail]] = {}
    for actor in scene.actors:
        by_class.setdefault(actor.class_name, []).append(actor)
    for name, living in by_class.items():
        # As many dead as live are those of an earlier try.
        dead = [actor for actor in scene.dead if actor.class_name == name]
        living += dead if len(dead) < len(living) else []
    for name, members in sorted(by_class.items()):
        came = [call for actor in members for call in calls.get(actor.actor_id, ()) if _runs(call)]
        missing = [actor for actor in members if not calls.get(actor.actor_id)]
        there = {call.actor_id for call in came}
        if not missing or len(there) < _LEAST_MET or len(there) <= len(missing):
            continue
        if len(there) + len(missing) < len(members) or len({call.name for call in came}) > 1:
            continue
        if all(_is_meeting(call, scene) for call in came):
            return tuple(_describe_rank(actor, name, came, len(members)) for actor in missing[:MOST_AWAITED])
    return ()


def _is_meeting(call: TaskFacts, scene: Scene) -> bool:
    called = [task.name for task in scene.tasks if task.parent_id == call.task_id]
    return any(_names_meeting(name.rsplit(".", 1)[-1]) for name in (call.name, *called))


def _names_meeting(method: str) -> bool:
    """Whether all of a method's name is that of a meeting, but for ``wait_for_``, ``enter_``, ``sync_`` … before it and
    ``_op``, ``_sync``, ``_and_wait`` … after it: ``broadcast_results`` and ``process_meeting`` are work.
    """
    words = [word.lower() for word in _WORD.findall(method)]
    first, last = 0, len(words)
    while first < last and words[first] in _BEFORE:
        first += 1
    while last > first and words[last - 1] in _AFTER:
        last -= 1
    return "".join(words) in _MEETINGS or "".join(words[first:last]) in _MEETINGS


def _describe_rank(actor: ActorDetail, name: str, came: Sequence[TaskFacts], members: int) -> AwaitedWork:
    since = max((call.changed_at for call in came if call.changed_at), default=None)
    waiter = f"{len({call.actor_id for call in came})} of {members} {name}, in {came[0].name}"
    return AwaitedWork(
        "rank", actor.name or name, actor.actor_id, actor.state, since, actor.pid, actor.node_id or None, waiter,
        came[0].task_id,
    )  # fmt: skip


def _list_gone(scene: Scene) -> list[TaskFacts]:
    """Tasks that run, says Ray, in a process that is not there, and calls of actors that are dead."""
    dead = {actor.actor_id for actor in scene.dead}
    found = [task for task in scene.tasks if task.actor_id and task.actor_id in dead]
    for task in scene.tasks:
        if not _runs(task) or not task.node_id or not task.pid or task in found:
            continue
        if task.node_id in scene.lost_nodes or _is_missed(task, scene):
            found.append(task)
    return found


def _is_missed(task: TaskFacts, scene: Scene) -> bool:
    measured = (scene.measured_at or {}).get(task.node_id)
    if scene.processes is None or measured is None or task.pid is None or task.changed_at is None:
        return False
    return (task.node_id, task.pid) not in scene.processes and measured - task.changed_at > _MISSED_AFTER


def _list_idle(scene: Scene) -> list[TaskFacts]:
    """Tasks that run, says the task table, in a process that says of itself that it runs none."""
    found = []
    for task in scene.tasks:
        use = (scene.processes or {}).get((task.node_id, task.pid or 0))
        measured = (scene.measured_at or {}).get(task.node_id)
        if not _runs(task) or use is None or use.is_driver or measured is None or task.changed_at is None:
            continue
        if use.running == 0 and measured - task.changed_at > _MISSED_AFTER:
            found.append(task)
    return found


def _lacks_arguments(scene: Scene, by_id: Mapping[str, TaskFacts]) -> bool:
    """Whether all of it waits for results that nothing of this job makes, and no other job may.

    For whose results, Ray does not tell: whoever calls a task refers to them, which is known of the driver alone.
    """
    if not scene.tasks or isinstance(scene.driver_holds, Unknown):
        return False
    if any(task.state != _FOR_ARGUMENTS or not _is_of_its_driver(task) for task in scene.tasks):
        return False
    made = [id for id in scene.driver_holds.value if id not in by_id]
    # The id of a task ends with that of its job; the drivers of one submission are several jobs to Ray.
    job_ids = tuple({task.job_id for task in scene.tasks})
    return bool(made) and all(id.endswith(job_ids) for id in made)


def _is_of_its_driver(task: TaskFacts) -> bool:
    """Whether the driver of its job has called it. A call of another job's is noted under the job of its actor, too:
    of what that waits for, this job's driver does not tell.
    """
    return bool(task.job_id) and task.parent_id == _OF_A_DRIVER + task.job_id


def _describe_all(tasks: Iterable[TaskFacts], scene: Scene, by_id: Mapping[str, TaskFacts]) -> tuple[AwaitedWork, ...]:
    """Those that have not begun first: they are what is waited for, the others who waits."""
    actors = {actor.actor_id: actor for actor in (*scene.actors, *scene.dead)}
    ordered = sorted(tasks, key=lambda task: (_runs(task), _get_since_s(task)))
    return tuple(_describe_task(task, actors, by_id) for task in ordered[:MOST_AWAITED])


def _describe_task(task: TaskFacts, actors: Mapping[str, ActorDetail], by_id: Mapping[str, TaskFacts]) -> AwaitedWork:
    actor, parent = actors.get(task.actor_id), by_id.get(task.parent_id)
    of_driver = _is_of_its_driver(task)
    pid = task.pid or (actor.pid if actor is not None else None)
    return AwaitedWork(
        what="actor-call" if task.type == _CALL else "actor" if task.type == _CREATION else "task",
        name=task.name,
        id=task.task_id,
        state=task.state,
        since=task.changed_at,
        pid=pid,
        node_id=task.node_id or (actor.node_id if actor is not None else "") or None,
        waiter=parent.name if parent is not None else "the driver" if of_driver else "",
        waiter_id=parent.task_id if parent is not None else task.job_id if of_driver else "",
    )


def _runs(task: TaskFacts) -> bool:
    return task.state.startswith("RUNNING")


def _get_since_s(task: TaskFacts) -> float:
    return 0.0 if task.changed_at is None else task.changed_at.timestamp()

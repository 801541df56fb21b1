"""What the unfinished work of a job waits for: what no node has, what is in use, or other unfinished work. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from serve_app.jobs.judging.pending import covers, describe_amounts, describe_most
from serve_app.jobs.models import Known
from serve_app.jobs.progress.models import GroupFacts, Look, TaskFacts, UnplacedActor

INFEASIBLE, BUSY = "scheduling.infeasible", "scheduling.waiting"
GROUP, AFFINITY = "scheduling.placement-group", "scheduling.node-affinity"
NEVER = frozenset({INFEASIBLE, GROUP, AFFINITY})

_IN_GET = frozenset({"RUNNING_IN_RAY_GET", "RUNNING_IN_RAY_WAIT"})
_FOR_A_PLACE = "PENDING_NODE_ASSIGNMENT"
_FOR_ARGUMENTS = "PENDING_ARGS_AVAIL"
_RUNS = "RUNNING"
_CREATES_AN_ACTOR = "ACTOR_CREATION_TASK"
_OF_A_NODE = "node:"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that has no place. ``code`` None: a place is free, or whether there is one is not known."""

    what: str
    name: str
    code: str | None
    sentence: str
    id: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where the unfinished work of a job stands: ``held`` by a hold, ``behind`` other unfinished work, or ``working``.

    ``getting``: tasks that have begun and wait for the result of one that is held or behind, or for any, says Ray.
    """

    holds: tuple[Obstacle, ...]
    behind: tuple[TaskFacts, ...]
    getting: tuple[TaskFacts, ...]
    working: tuple[TaskFacts, ...]

    @property
    def nothing_can_come(self) -> bool:
        """Whether nothing works, and nothing that is held can ever be placed."""
        return bool(self.holds) and not self.working and all(hold.code in NEVER for hold in self.holds)


def take_stock(look: Look) -> Standing:
    """What the sections of a look tell; what is not known is not counted."""
    groups = {group.group_id: group for group in look.groups.value} if isinstance(look.groups, Known) else {}
    actors = _list_unplaced(look)
    holds = [_find_group_hold(group, look) for group in groups.values()]
    holds += [hold for actor in actors if (hold := _find_actor_hold(actor, groups, look)) is not None]
    behind: list[TaskFacts] = []
    begun: list[TaskFacts] = []
    for task in _iterate_other_tasks(actors, look):
        if task.state != _FOR_A_PLACE or task.actor_id:
            waits = task.state in (_FOR_ARGUMENTS, _FOR_A_PLACE) or task.actor_id in _list_ids(actors)
            (behind if waits else begun).append(task)
        elif hold := _find_hold("task", task.name, task.task_id, task.required, task.group_id, groups, look):
            holds.append(hold)
        else:
            behind.append(task)
    waited_for = {hold.id for hold in holds} | {task.task_id for task in behind}
    getting = tuple(task for task in begun if task.state in _IN_GET or _has_producer(task, waited_for, look))
    working = tuple(task for task in begun if task not in getting)
    return Standing(tuple(holds), tuple(behind), getting, working)


def _list_unplaced(look: Look) -> tuple[UnplacedActor, ...]:
    """Actors without a place; one whose constructor runs has a place, though Ray calls it pending."""
    tasks = look.work.value.unfinished if isinstance(look.work, Known) else ()
    begun = {
        task.actor_id
        for task in tasks
        if task.type == _CREATES_AN_ACTOR and task.state not in (_FOR_A_PLACE, _FOR_ARGUMENTS)
    }
    actors = look.actors.value if isinstance(look.actors, Known) else ()
    return tuple(actor for actor in actors if actor.actor_id not in begun or actor.state == "RESTARTING")


def _iterate_other_tasks(actors: Iterable[UnplacedActor], look: Look) -> Iterable[TaskFacts]:
    """Tasks that have not ended, but not the starts of actors that are told of themselves."""
    unplaced = _list_ids(actors)
    tasks = look.work.value.unfinished if isinstance(look.work, Known) else ()
    return (task for task in tasks if task.type != _CREATES_AN_ACTOR or task.actor_id not in unplaced)


def _list_ids(actors: Iterable[UnplacedActor]) -> set[str]:
    return {actor.actor_id for actor in actors}


def _find_actor_hold(actor: UnplacedActor, groups: Mapping[str, GroupFacts], look: Look) -> Obstacle | None:
    if actor.state == "DEPENDENCIES_UNREADY":
        return None
    what = "restarting actor" if actor.state == "RESTARTING" else "actor"
    return _find_hold(what, actor.name, actor.actor_id, actor.required, actor.group_id, groups, look)


def _find_hold(
    what: str,
    name: str,
    id: str,
    needs: Mapping[str, float],
    group_id: str,
    groups: Mapping[str, GroupFacts],
    look: Look,
) -> Obstacle | None:
    """None: it waits for a placement group, which is a hold of its own."""
    called = f"{what} {name or 'without a name'}"
    if group_id:
        if group_id in groups:
            return None
        return Obstacle(what, name, BUSY, f"{called} waits for room in its placement group", id)
    wanted = describe_amounts(needs)
    alive = [node.resources for node in look.nodes.value if node.alive] if isinstance(look.nodes, Known) else []
    if not alive:
        return Obstacle(what, name, None, f"{called} waits for {wanted}; no node is known", id)
    if not any(covers(resources, needs) for resources in alive):
        most = describe_most(alive, needs)
        elsewhere = {key: amount for key, amount in needs.items() if not key.startswith(_OF_A_NODE)}
        if any(covers(resources, elsewhere) for resources in alive):
            return Obstacle(what, name, AFFINITY, f"{called} is pinned to a node that is not there", id)
        return Obstacle(what, name, INFEASIBLE, f"{called} needs {wanted}; {most}", id)
    if isinstance(look.free, Known) and not covers(look.free.value, needs):
        left = describe_amounts({key: look.free.value.get(key, 0.0) for key in needs})
        return Obstacle(what, name, BUSY, f"{called} waits for {wanted}; free in the whole cluster: {left}", id)
    return Obstacle(what, name, None, f"{called} waits for {wanted}, which a node has; it is being placed", id)


def _find_group_hold(group: GroupFacts, look: Look) -> Obstacle:
    what = "placement group"
    called = f"{what} {group.name or group.group_id[:8]}"
    bundles = " + ".join(describe_amounts(bundle) for bundle in group.bundles[:4]) or "nothing"
    more = f" and {len(group.bundles) - 4} more bundles" if len(group.bundles) > 4 else ""
    sentence = f"{called} is {group.state} with {bundles}{more}"
    alive = [node.resources for node in look.nodes.value if node.alive] if isinstance(look.nodes, Known) else []
    too_large = [bundle for bundle in group.bundles if alive and not any(covers(each, bundle) for each in alive)]
    if too_large:
        return Obstacle(what, group.name, GROUP, f"{sentence}; {describe_most(alive, too_large[0])}", group.group_id)
    if group.scheduling == "INFEASIBLE":
        return Obstacle(what, group.name, GROUP, f"{sentence}; Ray says that it is infeasible", group.group_id)
    if group.scheduling == "NO_RESOURCES" or _lacks_space(group.bundles, look):
        return Obstacle(what, group.name, BUSY, f"{sentence}; that is in use", group.group_id)
    return Obstacle(what, group.name, None, f"{sentence}; it is being placed", group.group_id)


def _lacks_space(bundles: Iterable[Mapping[str, float]], look: Look) -> bool:
    if not isinstance(look.free, Known):
        return False
    total: dict[str, float] = {}
    for bundle in bundles:
        for name, amount in bundle.items():
            total[name] = total.get(name, 0.0) + amount
    return not covers(look.free.value, total)


def _has_producer(task: TaskFacts, producers: set[str], look: Look) -> bool:
    """Ray's task table has no state for ``ray.get``; that a process has a reference to the result is the sign."""
    if task.state != _RUNS or not isinstance(look.references, Known):
        return False
    return any(each.pid == task.pid and each.producer_id in producers for each in look.references.value)

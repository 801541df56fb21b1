"""What to do about a job that does not move, and what would settle the doubt that is left. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from serve_app.jobs.models import Unknown
from serve_app.jobs.progress import signals
from serve_app.jobs.progress.models import Look, Signal, State
from serve_app.jobs.progress.obstacles import AFFINITY, BUSY, GROUP, INFEASIBLE
from serve_app.jobs.progress.processes import UNCONNECTED

SETTLE_START = ("Ask again: what it waits for shows in the actor table within seconds.",)
SETTLE_SERVICE = ("Read the status of Serve (GET /organism/status) and the logs of its replicas.",)

_AGAIN = "Ask again in {seconds:.0f} s: nothing that moved is missing from this answer, but too little time has passed."
_TWICE = "Ask again in a few seconds: one look tells where a job stands, not whether it moves."
_LOOK_INSIDE = "Look at where its processes are: GET /jobs/{id}/stacks."
_ENABLE = "Have its stacks taken; now they cannot be: {why}."
_REACH = "Find out why Ray did not tell its {what}: {why}"
_UNCONNECTED = "It does not use Ray, so only its log shows whether it moves: have it print its progress."
_PAST = "It takes longer than nearly all runs before it: compare what it was given with what they were."

_ADVICE: Mapping[str, tuple[str, ...]] = {
    INFEASIBLE: (
        "Ask for less: lower num_cpus, num_gpus, memory or the custom resources of that task, actor or entrypoint to "
        "what one node has.",
        "Or add a node that has it; with an autoscaler, a node type that has it (available_node_types, max_workers).",
        "Check the spelling: resource names are case-sensitive, and a node has only those it was started with.",
    ),
    BUSY: (
        "Wait until what is in use becomes free; GET /cluster/resources shows how much is.",
        "Or end what uses it, ask for less, or add nodes.",
        "If it is the job's own actors that use it, it waits for itself: let them ask for less, or make fewer.",
    ),
    GROUP: (
        "Make the bundles so small that each fits on one node; with STRICT_PACK all must fit on one.",
        "With STRICT_SPREAD there must be as many nodes as bundles.",
        "Remove groups that nobody uses (remove_placement_group), or add nodes.",
    ),
    AFFINITY: (
        "Take away the pin (NodeAffinitySchedulingStrategy, node:… resource, label selector), or set soft=True.",
        "Or bring back the node that it names.",
    ),
    "app.get-timeout": (
        "Look at what it waits for: GET /jobs/{id}/stacks shows the line, `ray list tasks` the producers.",
        "Give ray.get a timeout, so that the program says itself what it waits for.",
        "Where calls wait for each other: let no actor wait for a method of itself, nor two for each other.",
        "Where a member of a group has not come: see whether the driver calls it as it calls the others, and whether "
        "its call ended early.",
    ),
    "node.died": ("Stop it and submit it again; its node is gone, and with it its driver.",),
}
_STUCK = ("Look at its stacks and its log before anything is stopped: this says that it rests, not that it is wrong.",)


def choose_advice(state: State, code: str | None) -> tuple[str, ...]:
    """In order; nothing where it moves, or where it is not known that it does not."""
    if state in (State.MOVING, State.BUSY, State.QUIET, State.UNKNOWN):
        return ()
    if code is None:
        return _STUCK if state in (State.STUCK, State.RESTING) else ()
    return _ADVICE.get(code, ())


def choose_settling(state: State, looks: Sequence[Look], by_name: Mapping[str, Signal]) -> tuple[str, ...]:
    """What would settle the doubt; nothing where there is none."""
    if state in (State.MOVING, State.WAITING, State.CIRCLING):
        return ()
    return tuple(_list_doubts(state, looks, by_name))


def _list_doubts(state: State, looks: Sequence[Look], by_name: Mapping[str, Signal]) -> list[str]:
    newest, found = looks[-1], []
    if isinstance(newest.work, Unknown) and newest.work.reason == UNCONNECTED:
        return [_UNCONNECTED]
    if state is State.UNKNOWN:
        found.append(_TWICE if len(looks) < 2 else _AGAIN.format(seconds=60))
    if isinstance(newest.stacks, Unknown):
        found.append(_ENABLE.format(why=newest.stacks.reason.rstrip(".")))
    else:
        found.append(_LOOK_INSIDE)
    for what, section in (("tasks", newest.work), ("actors", newest.actors), ("log", newest.log)):
        if isinstance(section, Unknown) and state is State.UNKNOWN:
            found.append(_REACH.format(what=what, why=section.reason))
    if by_name[signals.DURATION].says == "still":
        found.append(_PAST)
    return found

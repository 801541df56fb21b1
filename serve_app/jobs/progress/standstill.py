"""From what was seen of a running job to its ``Motion``: the one place where that is made. Pure.

List, report, alerts and the diagnosis of a running job all rest on it; what to think of it, and when, is said by
``judging.motion_rules``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime

from serve_app.jobs.models import Known, Unknown
from serve_app.jobs.motion import AwaitedWork, Circle, Motion, Standstill
from serve_app.jobs.progress.looks.trail import Trail
from serve_app.jobs.progress.looks.waits import Scene, Waits, find_waits
from serve_app.jobs.progress.models import DriverFacts, Look, TaskFacts
from serve_app.jobs.progress.obstacles import NEVER, Obstacle, Standing, take_stock

GET, NODE_DIED = "app.get-timeout", "node.died"
# Where a command line names its program, which may be the script or module of a Python; its arguments are no names.
_PROGRAM = (
    r"(?:^|[;&|]\s*|\b(?:exec|nohup|run)\s+)"
    r"(?:(?:\S*/)?python[\d.]*(?:\s+-[XW]\s+\S+|\s+-(?![mcXW]\s)\S+)*\s+(?:-m\s+)?)?(?:\S*/)?"
)
_SERVES_NOTEBOOKS = r"(?:lab|notebook|console|kernel|server)"
# Programs in which a person types: a Python without a program, and kernels of notebooks.
_INTERACTIVE = re.compile(
    rf"^\(interactive_shell\)|{_PROGRAM}(?:(?:ipython|bpython|ptpython)3?|ipykernel(?:_launcher|/__main__)?|"
    rf"colab_kernel_launcher|jupyter-{_SERVES_NOTEBOOKS})(?:\.py)?(?=\s|$)|(?:^|[/\s])jupyter\s+{_SERVES_NOTEBOOKS}(?=\s|$)|"
    r"^(?:\S*/)?python[\d.]*(?:\s+-[iqIBEsSu]+)*$|"
    # ``python -i`` leaves a prompt behind whatever it was given.
    r"^(?:\S*/)?python[\d.]*(?:\s+-[qIBEsSu]+)*\s+-[qIBEsSu]*i[qIBEsSu]*(?:\s|$)"
)
_MOST_TOLD = 10


@dataclass(frozen=True, slots=True)
class SeenJob:
    """One job as a round saw it, beside its trail: who it is, its unfinished work, and what shows that it serves.

    ``look`` has the tables of where its work stands; ``scene`` the same for who waits for whom. ``listens``: a port on
    which a process of it waits for callers; ``unlooked``: whether there is one is not known yet. ``stopped``: its
    driver, or all of its workers, were stopped by a signal or a debugger.
    """

    entrypoint: str
    joined: bool
    driver: DriverFacts
    look: Look
    scene: Scene | None = None
    driver_left: bool = False
    circles: tuple[Circle, ...] = ()
    repaired: int = 0
    listens: int | None = None
    unlooked: bool = False
    stopped: bool = False
    last_line: str = ""


def find_motion(trail: Trail, seen: SeenJob) -> Motion:
    """Whether it moves, and if not what is known of why."""
    work = seen.look.work
    moves = trail.moved_at >= trail.looked_at
    motion = Motion(
        looked_at=trail.looked_at,
        quiet_since=None if moves else trail.moved_at,
        spoke_at=trail.spoke_at,
        circles=seen.circles,
        repaired=seen.repaired,
        serving=describe_serving(seen),
        may_serve=seen.unlooked,
        paused=seen.stopped,
        last_line=seen.last_line,
        driver_left=seen.driver_left,
        pid=seen.driver.pid,
        node_id=seen.driver.node_id,
        cores=trail.busy_cores,
        gpu=trail.busy_gpu,
        log_bytes=trail.log_bytes,
        unfinished=len(work.value.unfinished) if isinstance(work, Known) else None,
    )
    if not seen.joined:
        return _mark_busy(motion, trail) if moves else replace(motion, standstill=Standstill.UNSEEN)
    standing = take_stock(seen.look)
    if standing.holds and not standing.working:
        return _explain_holds(_mark_busy(motion, trail) if moves else motion, seen, standing, trail.worked_at)
    return _mark_busy(motion, trail) if moves else _explain_rest(motion, seen)


def _mark_busy(motion: Motion, trail: Trail) -> Motion:
    """Whether the use of a processor is its only sign."""
    silent = trail.is_busy and trail.spoke_at < trail.looked_at
    return replace(motion, standstill=Standstill.BUSY if silent else None)


def _explain_holds(motion: Motion, seen: SeenJob, standing: Standing, since: datetime) -> Motion:
    """No task of it works, and something waits for a place. A driver that works or prints meanwhile may do without."""
    never = standing.nothing_can_come
    worst = min(standing.holds, key=lambda hold: (hold.code not in NEVER, hold.code is None))
    rests = Standstill.PROVEN if never else Standstill.RESTING
    return replace(
        motion,
        standstill=motion.standstill if motion.quiet_since is None else rests,
        code=worst.code,
        proof="never" if never else "",
        waits_for=_describe_holds(standing, seen),
        waits_since=since,
        waits_for_resources=True,
    )


def _explain_rest(motion: Motion, seen: SeenJob) -> Motion:
    if seen.driver.alive is False or seen.driver.node_alive is False:
        code = NODE_DIED if seen.driver.node_alive is False else None
        gone = (_describe_driver(seen.driver),)
        return replace(motion, standstill=Standstill.PROVEN, code=code, proof="gone", waits_for=gone)
    waits = find_waits(_add_references(seen.scene, seen)) if seen.scene is not None else Waits()
    if waits.proof is None:
        return replace(motion, standstill=Standstill.RESTING, waits_for=waits.awaited)
    return replace(
        motion,
        standstill=Standstill.PROVEN,
        code=GET,
        proof=waits.proof,
        waits_for=waits.awaited,
        # Members of a group listen for each other, too: what is proven, a port does not refute.
        serving=describe_serving(replace(seen, listens=None)),
        may_serve=False,
    )


def _add_references(scene: Scene, seen: SeenJob) -> Scene:
    """With what its drivers refer to. A list that was cut does not tell what is held."""
    told = seen.look.references
    if isinstance(told, Unknown):
        return scene
    if told.note is not None:
        return replace(scene, references=Unknown(told.note))
    drivers = {seen.driver.pid, *scene.further_drivers}
    held = frozenset(each.producer_id for each in told.value if each.pid in drivers)
    return replace(scene, driver_holds=Known(held))


def describe_serving(seen: SeenJob) -> str:
    """The evidence that it serves, or waits for a person; empty: there is none."""
    if seen.listens is not None:
        return f"a process of it listens on port {seen.listens}"
    if _INTERACTIVE.search(seen.entrypoint):
        return "a person types in it (a terminal or the kernel of a notebook)"
    return ""


def _describe_driver(driver: DriverFacts) -> AwaitedWork:
    state = "on a node that is not alive" if driver.node_alive is False else "ended"
    return AwaitedWork("task", "its driver", "", state, driver.ended_at, driver.pid, driver.node_id)


def _describe_holds(standing: Standing, seen: SeenJob) -> tuple[AwaitedWork, ...]:
    work = seen.look.work
    tasks = {task.task_id: task for task in work.value.unfinished} if isinstance(work, Known) else {}
    return tuple(_describe_hold(hold, tasks.get(hold.id)) for hold in standing.holds[:_MOST_TOLD])


def _describe_hold(hold: Obstacle, task: TaskFacts | None) -> AwaitedWork:
    since: datetime | None = None if task is None else task.changed_at
    if hold.what == "placement group":
        return AwaitedWork("placement-group", hold.name, hold.id, hold.sentence, since)
    return AwaitedWork("actor" if "actor" in hold.what else "task", hold.name, hold.id, hold.sentence, since)

"""Killed for memory again and again (M1), and whose memory it was; each eater is alone in its wave."""

from __future__ import annotations

from tests.zoo.answers import (
    LINGERS,
    RUNS_OR_WAITS,
    armed,
    circle,
    end_clean,
    ended,
    fail,
    go_round,
)
from tests.zoo.model import ANY, Answer, Ask, Job, Moment, Origin, Program, Really, Span, Wait, World
from tests.zoo.writing import drive, submit

OOM = "memory.node-oom"
GB = "{gigabytes}"
STOP = Ask("POST", "/jobs/{id}/stop", {"wait_s": 20}, status=(200, 202))


def _name(text: str, id: str) -> Ask:
    return Ask("POST", text.replace("{id}", id), {"wait_s": 20}, status=(200, 202))


PROGRAMS = (
    Program(
        "memory-task",
        "a task of some GB is killed by Ray's monitor and tried again without limit (M1)",
        (submit("memory-task", "eaters.py", f"task {GB}"),),
        (
            go_round(
                "memory-task",
                circle(OOM, says=("shard", "memory")),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 3),)),
            ),
        ),
        # It stays known after the end, and offline, too.
        (
            _name("/jobs/{id}/stop", "memory-task"),
            Ask("GET", "/jobs/memory-task/diagnosis", says=(OOM, "shard"), within_s=60),
        ),
        world=World.MEMORY,
        wave="1",
        short=True,
    ),
    Program(
        "memory-task-stopped",
        "the same, stopped after three attempts: its cause stays known, in the history and in its log",
        (
            submit("memory-task-stopped", "eaters.py", f"task {GB}"),
            Wait("memory-task-stopped", "attempts", 240),
            _name("/jobs/{id}/stop", "memory-task-stopped"),
        ),
        (
            Job(
                "memory-task-stopped",
                (
                    ended(
                        Answer(
                            "stopped",
                            "OK",
                            "stopped",
                            code=ANY,
                            alert=LINGERS,
                            says=("memory",),
                            diagnosis=OOM,
                            offline=OOM,
                        )
                    ),
                ),
                really=Really(statuses=("STOPPED",), failed=(("shard", 3),)),
            ),
        ),
        world=World.MEMORY,
        wave="2",
    ),
    Program(
        "memory-task-twin",
        "killed once, and the second attempt takes little: a retry that repaired it",
        (submit("memory-task-twin", "eaters.py", f"task {GB} 3 2"),),
        (
            end_clean(
                "memory-task-twin", Really(statuses=("SUCCEEDED",), failed=(("shard", 1),), finished=(("shard", 1),))
            ),
        ),
        twin="memory-task",
        world=World.MEMORY,
        wave="3",
        short=True,
    ),
    Program(
        "memory-actor",
        "an actor is killed for memory in its method, restarted, and asked again",
        (submit("memory-actor", "eaters.py", f"actor {GB}"),),
        (
            go_round(
                "memory-actor",
                circle(OOM, says=("Cache", "memory")),
                "restarts",
                Really(statuses=("RUNNING",), restarts=3),
            ),
        ),
        world=World.MEMORY,
        wave="4",
    ),
    Program(
        "memory-neighbour",
        "the driver of one job holds most of the memory, and the smaller task of another is killed for it",
        (
            # By default Ray (since 2.56) kills several workers, those first that were called last, which are
            # supervisors; whoever holds most would soon go, too. It never kills a driver that was started by hand.
            drive("memory-greedy", "eaters.py", "holder {held gigabytes}"),
            Wait("memory-greedy", "running", 120),
            drive("memory-neighbour", "eaters.py", "task {held gigabytes}"),
        ),
        (
            go_round(
                "memory-neighbour",
                circle(OOM, says=("shard", "of another job")),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 3),)),
            ),
        ),
        world=World.MEMORY,
        wave="5",
    ),
    Program(
        "memory-once",
        "a task that is not tried again fails for memory: confirmed by Ray, the greedy task by name",
        (submit("memory-once", "eaters.py", f"task {GB} 0"),),
        (Job("memory-once", (ended(fail(OOM, says=("shard",))),), really=Really(statuses=("FAILED",))),),
        world=World.MEMORY,
        wave="6",
    ),
    Program(
        "memory-hearer",
        "hears of workers that were killed for the memory of another job, and fails for a reason of its own",
        (
            submit("memory-heard", "eaters.py", f"task {GB}"),
            submit("memory-hearer", "eaters.py", "hearer 75"),
        ),
        (
            Job(
                "memory-heard",
                (armed(circle(OOM)),),
                armed_by=("attempts", 3),
                really=Really(failed=(("shard", 3),)),
            ),
            Job(
                "memory-hearer",
                (
                    Moment("before its end", Origin.START, Span(), Span(60), RUNS_OR_WAITS, holds=True),
                    ended(fail("app.exception", says=("price",))),
                ),
                really=Really(statuses=("FAILED",)),
            ),
        ),
        world=World.MEMORY,
        wave="7",
    ),
)

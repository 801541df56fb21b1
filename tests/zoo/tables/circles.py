"""Tried again and again without a success, or repaired by it; on a head with memory enough."""

from __future__ import annotations

from tests.zoo.answers import (
    LINGERS,
    circle,
    circle_in_part,
    end_clean,
    ended,
    go_round,
    run_clean,
    within,
)
from tests.zoo.model import SOME, Answer, Job, Moment, Origin, Program, Really, Span
from tests.zoo.writing import submit

RAISED = ("app.task-exception", "app.exception")
WAVE = "circles"

PROGRAMS = (
    Program(
        "circle-raise",
        "a task raises, with retry_exceptions and without limit",
        (submit("circle-raise", "circles.py", "task raise"),),
        (
            go_round(
                "circle-raise",
                circle(RAISED, says=("shard", "no labels")),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 3),)),
            ),
        ),
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-raise-twin",
        "the same, but its third attempt succeeds",
        (submit("circle-raise-twin", "circles.py", "task raise 3"),),
        (
            end_clean(
                "circle-raise-twin", Really(statuses=("SUCCEEDED",), failed=(("shard", 2),), finished=(("shard", 1),))
            ),
        ),
        twin="circle-raise",
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-part",
        "one task raises without limit, beside others that succeed",
        (submit("circle-part", "circles.py", "beside"),),
        (
            go_round(
                "circle-part",
                circle_in_part(RAISED, says=("shard",)),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 3),), finished=(("part", 3),)),
            ),
        ),
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-part-twin",
        "thirty tasks that each fail once and succeed at the second attempt: a count, never a finding",
        (submit("circle-part-twin", "circles.py", "flaky 30"),),
        (
            end_clean(
                "circle-part-twin",
                Really(statuses=("SUCCEEDED",), exit_code=0, finished=(("flaky", 30),), failed=(("flaky", 30),)),
            ),
        ),
        twin="circle-part",
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-exit",
        "the worker of a task calls os._exit(1), without limit",
        (submit("circle-exit", "circles.py", "task exit"),),
        (
            go_round(
                "circle-exit",
                circle(SOME, says=("shard",)),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 3),)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "circle-segfault",
        "the worker of a task crashes in native code, without limit",
        (submit("circle-segfault", "circles.py", "task segfault"),),
        (
            go_round(
                "circle-segfault",
                circle(("app.native-crash", "memory.process-killed"), says=("shard",)),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 3),)),
            ),
        ),
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-segfault-twin",
        "its worker crashes twice, and the third attempt succeeds",
        (submit("circle-segfault-twin", "circles.py", "task segfault 3"),),
        (
            end_clean(
                "circle-segfault-twin",
                Really(statuses=("SUCCEEDED",), failed=(("shard", 2),), finished=(("shard", 1),)),
            ),
        ),
        twin="circle-segfault",
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-kill",
        "the worker of a task gets SIGKILL without a witness, without limit: never called out of memory",
        (submit("circle-kill", "circles.py", "task kill"),),
        (
            go_round(
                "circle-kill",
                circle("memory.process-killed", says=("shard",)),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 3),)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "circle-actor",
        "an actor dies in its method, is restarted and asked again, without limit",
        (submit("circle-actor", "circles.py", "actor exit"),),
        (
            go_round(
                "circle-actor",
                circle(SOME, says=("Fragile",)),
                "restarts",
                Really(statuses=("RUNNING",), restarts=3),
            ),
        ),
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-actor-twin",
        "an actor dies twice, and then answers",
        (submit("circle-actor-twin", "circles.py", "actor exit 3"),),
        (end_clean("circle-actor-twin", Really(statuses=("SUCCEEDED",), exit_code=0, restarts=2)),),
        twin="circle-actor",
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-stillborn",
        "an actor dies in its constructor and is restarted without limit",
        (submit("circle-stillborn", "circles.py", "stillborn"),),
        (
            go_round(
                "circle-stillborn",
                circle(SOME, says=("Stillborn",)),
                "restarts",
                Really(statuses=("RUNNING",), restarts=3),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "circle-all",
        "task after task fails once and is not tried again; none succeeds",
        (submit("circle-all", "circles.py", "many 0"),),
        (
            go_round(
                "circle-all",
                circle(RAISED, says=("once",)),
                "failures",
                Really(statuses=("RUNNING",), failed=(("once", 5),)),
                least=5,
            ),
        ),
        wave=WAVE,
        short=True,
    ),
    Program(
        "circle-most",
        "three of four tasks fail",
        (submit("circle-most", "circles.py", "many 4"),),
        (
            Job(
                "circle-most",
                # "over five minutes": whether they have to pass first is left open.
                (within(345, circle_in_part(RAISED, says=("once",))),),
                really=Really(statuses=("RUNNING",), failed=(("once", 6),), finished=(("once", 2),)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "circle-most-twin",
        "one of four tasks fails, again and again; the program takes note of it",
        (submit("circle-most-twin", "circles.py", "many -4"),),
        (
            run_clean(
                "circle-most-twin",
                really=Really(statuses=("RUNNING",), failed=(("once", 2),), finished=(("once", 6),)),
            ),
        ),
        twin="circle-most",
        wave=WAVE,
    ),
    Program(
        "circle-at-last",
        "six attempts, and then the job fails by itself",
        (submit("circle-at-last", "circles.py", "at-last 5"),),
        (
            Job(
                "circle-at-last",
                (ended(Answer("failed", "BAD", "failed", code=RAISED, alert=LINGERS, says=("no labels",))),),
                really=Really(statuses=("FAILED",), exit_code=1, failed=(("shard", 6),)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "circle-stays",
        "what goes round and round is still told after a while, by one alert",
        (submit("circle-stays", "circles.py", "task raise"),),
        (
            go_round(
                "circle-stays",
                circle(RAISED),
                "attempts",
                Really(statuses=("RUNNING",), failed=(("shard", 10),)),
                (Moment("and stays", Origin.ARMED, Span(60), Span(90), circle(RAISED), holds=True),),
            ),
        ),
        wave=WAVE,
    ),
)

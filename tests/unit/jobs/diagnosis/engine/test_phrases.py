"""What is said of causes whose evidence has more to tell than their code, and of what is not known."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.diagnosis.catalogue.built_in import CODES
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import DRIVER_PROCESS, Belongings, Diagnosis, Fields, SourceKind, TextSource

VANISHED = "SYSTEM_ERROR: Worker unexpectedly exits with a connection error code 2. End of file."
LEFT = "WORKER_DIED: Job finishes (2e000000) as driver exits. Marking all non-terminal tasks as failed.\n"
KEEP = "Keep the references that `.remote()` returns, and `ray.get` them before the program ends."
QUOTED = "Read the quoted lines, and the log around them."
PRINT = "Print the exception before the program exits, and do not write errors only to files of the node."
BY_HAND = "Ray keeps no output of a driver that was started by hand: look where it was started, or submit it as a job."
DROP = "Drop the outer quotes: `ray job submit -- python a.py --rows 3`, each word by itself."
ONE_WORD = "The whole command was given as one word, so that the shell looked for a program of that name."
SHELL = "A whole command was given as one word, so that the shell looked for a program of that name."


def of(fields: Fields, *texts: tuple[str, SourceKind, str]) -> Diagnosis:
    return diagnose(fields, [TextSource(name, kind, [text.encode()]) for name, kind, text in texts])


@pytest.mark.parametrize(
    ("fields", "texts", "sentence", "advice"),
    [
        (
            Fields(status="FAILED"),
            [("a.log", SourceKind.FILE, "step 3\n")],
            "The evidence does not tell why.",
            (QUOTED, PRINT),
        ),
        # Where nothing is quoted, nobody is sent to read it.
        (Fields(status="FAILED"), [], "The evidence does not tell why.", (PRINT,)),
        (Fields(status="FAILED", type="DRIVER"), [], "The evidence does not tell why.", (BY_HAND,)),
        # A driver that left before its tasks: a consequence, never the answer.
        (
            Fields(type="DRIVER"),
            [("task t1", SourceKind.RAY, LEFT)],
            "Tasks of it had not finished when its driver left; nothing else tells of a failure.",
            (KEEP, QUOTED, PRINT),
        ),
        (
            Fields(type="DRIVER", own=Belongings(left=24)),
            [],
            "24 of its tasks had not finished when its driver left; nothing else tells of a failure.",
            (KEEP, BY_HAND),
        ),
        (
            Fields(status="FAILED", type="DRIVER", own=Belongings(left=24)),
            [],
            "The evidence does not tell why. 24 of its tasks had not finished when its driver left.",
            (KEEP, BY_HAND),
        ),
    ],
)
def test_what_is_not_known(
    fields: Fields, texts: list[tuple[str, SourceKind, str]], sentence: str, advice: tuple[str, ...]
) -> None:
    found = of(fields, *texts)
    assert (found.code, found.title, found.certainty, found.sentence, found.advice) == (
        "unknown",
        "nothing tells why",
        None,
        sentence,
        advice,
    )


def test_that_a_driver_left_explains_no_other_failure() -> None:
    text = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    x()\nKeyError: 3\n'
    found = of(
        Fields(status="FAILED", driver_exit_code=1),
        ("a.log", SourceKind.DRIVER, text),
        ("task t1", SourceKind.RAY, LEFT),
    )
    assert (found.code, [step.code for step in found.chain], found.candidates) == (
        "app.exception",
        ["app.exception"],
        (),
    )


@pytest.mark.parametrize(
    ("type", "first"),
    [
        ("SUBMISSION", "Look at the end of its log: a crash in native code says so there."),
        (
            "DRIVER",
            "Look at its output where it was started, since Ray keeps no log of it: a crash in native code says so "
            "there, and its exit code tells what Ray does not know (139 or 134: a crash; 137: killed).",
        ),
    ],
)
def test_a_driver_that_vanished_is_not_first_a_matter_of_memory(type: str, first: str) -> None:
    found = of(Fields(status="FAILED", type=type), (DRIVER_PROCESS, SourceKind.RAY, VANISHED))
    assert (found.code, found.certainty, found.title) == ("memory.process-killed", "possible", "a driver that vanished")
    assert found.sentence == (
        "Its process vanished: the worker table does not tell a crash from a kill, or from os._exit."
    )
    assert found.advice[0] == first
    assert not [each for each in found.advice if "memory of the node" in each or "OOMKilled" in each]


@pytest.mark.parametrize(
    "texts",
    [
        # Of a worker it is what it was, and so it is where a log tells of a kill.
        [("worker ab", SourceKind.RAY, VANISHED)],
        [(DRIVER_PROCESS, SourceKind.RAY, VANISHED), ("job-driver-a.log", SourceKind.DRIVER, "Killed\n")],
    ],
)
def test_where_there_is_more_than_the_end_of_the_driver_the_words_are_those_of_the_code(texts: list[Any]) -> None:
    found = of(Fields(status="FAILED", type="DRIVER"), *texts)
    code = CODES["memory.process-killed"]
    assert (found.code, found.title, found.advice) == (code.code, code.title, code.advice)


def test_a_driver_that_raised_did_not_vanish() -> None:
    told = 'USER_ERROR: x\nTraceback (most recent call last):\n  File "a.py", line 3, in f\nValueError: x\n'
    found = of(Fields(status="FAILED", type="DRIVER"), (DRIVER_PROCESS, SourceKind.RAY, told))
    title = f"{CODES['app.task-exception'].title}: ValueError: x (a.py:3)"
    assert (found.code, found.title) == ("app.task-exception", title)


@pytest.mark.parametrize(
    ("entrypoint", "log", "exit_code", "sentence", "advice", "quote"),
    [
        ("'echo hello world'", "/bin/sh: 1: echo hello world: not found\n", 127, ONE_WORD, DROP,
         "entrypoint='echo hello world'"),
        ('"/opt/venv/bin/python -c \'print(1)\'"', "step\n", 127, ONE_WORD, DROP,
         "entrypoint=\"/opt/venv/bin/python -c 'print(1)'\""),
        # Without the row the log's line tells it.
        (None, "/bin/sh: 1: /opt/venv/bin/python -c 'print(1)': not found\n", None, SHELL, DROP,
         "/bin/sh: 1: /opt/venv/bin/python -c 'print(1)': not found"),
        # Twins: words by themselves, and quotes that are meant.
        ("trainer --rows 3", "/bin/sh: 1: trainer: not found\n", 127,
         "The command or the file of the entrypoint was not found, or may not be executed.",
         "Submit with `--working-dir`, so that the file is on the node that runs the driver.",
         "/bin/sh: 1: trainer: not found"),
        ("python -c 'print(1) or x'", "bash: line 1: python: command not found\n", 127,
         "The command or the file of the entrypoint was not found, or may not be executed.",
         "Submit with `--working-dir`, so that the file is on the node that runs the driver.",
         "bash: line 1: python: command not found"),
    ],
)  # fmt: skip
def test_a_whole_command_as_one_word(
    entrypoint: str | None, log: str, exit_code: int | None, sentence: str, advice: str, quote: str
) -> None:
    fields = Fields(status="FAILED", driver_exit_code=exit_code, entrypoint=entrypoint, type="SUBMISSION")
    found = of(fields, ("job-driver-a.log", SourceKind.DRIVER, log))
    assert (found.code, found.sentence, found.advice[0], found.evidence[0].quote) == (
        "app.entrypoint-not-found",
        sentence,
        advice,
        quote,
    )


def test_what_may_be_another_jobs_gives_way_to_the_programs_own_last_words() -> None:
    line = "(autoscaler +5s) Error: No available node types can fulfill resource request {'CPU': 64.0}. Add\n"
    fields = Fields(status="FAILED", driver_exit_code=3, type="SUBMISSION")
    found = of(fields, ("a.log", SourceKind.DRIVER, f"{line}FATAL: the licence server said no\n"))
    assert (found.code, found.certainty, [each.code for each in found.candidates]) == (
        "app.exception",
        "possible",
        ["scheduling.infeasible"],
    )
    alone = of(fields, ("a.log", SourceKind.DRIVER, f"{line}step 3\n"))
    assert (alone.code, alone.certainty) == ("scheduling.infeasible", "possible")


def test_a_quoted_message_ends_with_its_last_word() -> None:
    message = "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\nx\n"
    found = of(Fields(status="FAILED", message=message, driver_exit_code=1), ("a.log", SourceKind.DRIVER, "x\n"))
    assert [(each.source, each.quote) for each in found.evidence] == [
        ("message", "Job entrypoint command failed with exit code 1"),
        ("a.log", "x"),
    ]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Job supervisor actor could not be scheduled: x", "scheduling.node-affinity"),
        (
            "Job supervisor actor could not be scheduled: The actor is not schedulable: Could not create the actor "
            "because worker startup repeatedly failed.\nFailed to startup worker after retrying 5 times.",
            "env.setup-failed",
        ),
    ],
)
def test_a_general_sentence_is_not_bound_to_one_of_its_causes(message: str, code: str) -> None:
    found = of(Fields(status="FAILED", error_type="JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE", message=message))
    assert (found.code, found.certainty) == (code, "likely")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("bash: line 1: /opt/none/bin/python: No such file or directory [repeated 2x across cluster]",
         "/opt/none/bin/python: No such file or directory"),
        ("/bin/sh: 1: exec: /opt/venv/bin/python: cannot execute: required file not found",
         "/opt/venv/bin/python: cannot execute: required file not found"),
        ("sh: 1: /mnt/venv/bin/python3: Permission denied", "/mnt/venv/bin/python3: Permission denied"),
    ],
)  # fmt: skip
def test_a_python_that_cannot_be_started_is_named(line: str, told: str) -> None:
    own = Belongings(pythons=frozenset({told.partition(":")[0]}))
    found = of(Fields(status="FAILED", own=own), ("raylet.err", SourceKind.SYSTEM, f"{line}\n"))
    assert (found.code, found.certainty, found.title, found.sentence) == (
        "env.invalid",
        "certain",
        "a Python that cannot be started",
        f"Its Python cannot be started: {told}.",
    )

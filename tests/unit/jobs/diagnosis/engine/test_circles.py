"""Tasks that Ray kills for memory again and again: what a log alone says of them, and who is told to do what."""

# ruff: noqa: E501 (lines of logs, as long as they are)
from __future__ import annotations

from dataclasses import replace

import pytest

from serve_app.jobs.diagnosis.engine.circles import find_circles
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import (
    Belongings,
    Diagnosis,
    EvidenceLine,
    Fields,
    RepeatedFailure,
    SourceKind,
    TextSource,
)
from serve_app.jobs.motion import Circle

STILL = "".join(f"waiting for shard, {number} s\n" for number in range(30))
FAILED = Fields(status="FAILED", driver_exit_code=1, type="SUBMISSION")
TRACEBACK = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    run()\n'


def kill(
    task: str = "shard", *, users: str = "7\t5.38\tray::shard\n8\t0.05\tpython a.py\n", left: str = "infinite"
) -> str:
    return (
        f"(raylet) Task {task} failed due to oom. There are {left} oom retries remaining, so the task will be retried. "
        "Error: 1 worker(s) were killed due to the node running low on memory. Memory on the node (IP: 10.0.0.1, ID: 58) "
        "was 6.10GB used / 16.00GB limit (0.38)\nOOM kill reason: Memory usage exceeded threshold\n"
        "Object store memory usage: [- objects spillable: 0\n\n- objects received: 0]\nConsidered workers: [\n"
        f"Selected to kill: (Task: job ID=05000000, lease ID=00, task name={task}, required resources={{CPU: 1}}, pid=7, "
        "actual memory used=5.38GB, worker ID=b0)\n]\nTotal non-selected idle workers: 1\n"
        f"Top 10 memory users: PID\tMEM(GB)\tCOMMAND\n{users}"
        "Refer to the documentation on how to address the out of memory issue: https://docs.ray.io/x.html.\n"
    )


def of(text: str, fields: Fields = Fields()) -> Diagnosis:  # noqa: B008
    return diagnose(fields, [TextSource("a.log", SourceKind.FILE, [text.encode()])])


BIGGEST = "the biggest: ray::shard 5.38 GB (its node: 6.1 of 16 GB used)."
CIRCLE = f"Task shard was killed for memory {{}} times and was retried without limit; {BIGGEST}"


MAY_BE_CUT = "Nothing is wrong up to its last line; it may be cut, for it does not tell its end."


@pytest.mark.parametrize(
    ("text", "fields", "code", "sentence"),
    [
        (kill() * 3, Fields(), "memory.node-oom", CIRCLE.format(3)),
        (kill() * 4, Fields(status="RUNNING"), "memory.node-oom", CIRCLE.format(4).replace("was retried", "is retried")),
        # Whatever the program writes meanwhile: it waits.
        (kill() * 3 + STILL, Fields(), "memory.node-oom", CIRCLE.format(3)),
        (STILL + (kill() + STILL) * 5, Fields(), "memory.node-oom", CIRCLE.format(5)),
        # Somebody lost patience.
        (kill() * 4 + "Terminated\n", Fields(), "memory.node-oom", CIRCLE.format(4)),
        (
            kill() * 4 + TRACEBACK + "ray.exceptions.GetTimeoutError: Get timed out: some object(s) not ready.\n",
            FAILED,
            "memory.node-oom",
            CIRCLE.format(4),
        ),
        (
            kill() * 4,
            Fields(status="STOPPED"),
            "memory.node-oom",
            "The job was stopped by a request or by a signal. Until then it went in circles: " + CIRCLE.format(4),
        ),
        # Twins: twice is no circle, nor are two tasks; it recovered; it ended for another reason.
        (kill() * 2, Fields(), None, MAY_BE_CUT),
        (kill("a") * 2 + kill("b") * 2, Fields(), None, MAY_BE_CUT),
        (kill() * 3 + "all shards done\n", Fields(), None, "Nothing that was looked at tells of a failure."),
        (kill() * 3, Fields(status="SUCCEEDED", type="SUBMISSION"), None, "Ray says that it succeeded."),
        (
            kill() * 3 + TRACEBACK + "ValueError: no label in row 7\n",
            FAILED,
            "app.exception",
            "The entrypoint raised an exception that it did not handle.",
        ),
    ],
    ids=[
        "three", "running", "other words after it", "among other words", "ended by a signal", "timed out", "stopped",
        "twice", "two tasks", "recovered", "succeeded", "another end",
    ],
)  # fmt: skip
def test_a_log_alone(text: str, fields: Fields, code: str | None, sentence: str) -> None:
    found = of(text, fields)
    assert (found.code, found.sentence) == (code, sentence)


def test_an_empty_line_within_rays_message_does_not_cut_it() -> None:
    """The exception stays the end of the log although fifty lines of Ray follow it."""
    message = kill().partition("Error: ")[2]
    found = of(f"{TRACEBACK}ray.exceptions.OutOfMemoryError: {message}", FAILED)
    assert (found.code, found.certainty, found.title) == (
        "memory.node-oom",
        "certain",
        "a node that ran out of memory: ray::shard took 5.38 GB",
    )
    nested = f"{TRACEBACK}ray.exceptions.RayTaskError(KeyError): ray::f() (pid=7)\nKeyError: 'x'\n" + kill() * 2
    assert (of(nested, FAILED).code, of(nested, FAILED).certainty) == ("app.task-exception", "certain")


@pytest.mark.parametrize(
    ("users", "advice"),
    [
        (
            "7\t5.38\tray::shard\n",
            "Let ray::shard hold less, read in pieces or be split: it alone took 5.38 GB, so fewer at a time does not help.",
        ),
        (
            "".join(f"{pid}\t1.20\tray::shard\n" for pid in range(7, 12)),
            "Run fewer at a time: 5 of ray::shard took 6.00 GB together. Ask for more `num_cpus`, or for `memory`, in each.",
        ),
        (
            "9\t4.50\tpython /srv/other.py\n7\t0.20\tray::shard\n",
            "What took most is no task: python /srv/other.py, 4.50 GB. Move its work into tasks, or end it.",
        ),
        # Nobody stands out.
        (
            "7\t2.00\tray::shard\n8\t1.90\tray::load\n",
            "Run fewer tasks at a time on a node: ask for more `num_cpus` or for `memory` in each.",
        ),
    ],
    ids=["one greedy", "many", "no task", "nobody"],
)
def test_one_greedy_task_is_another_matter_than_many(users: str, advice: str) -> None:
    assert of(kill(users=users) * 3).advice[0] == advice


@pytest.mark.parametrize(
    ("own", "code", "certainty", "sentence"),
    [
        (
            Belongings(repeated=(RepeatedFailure("t1", "shard", 4, "OUT_OF_MEMORY"),)),
            "memory.node-oom",
            "certain",
            "Task shard was killed for memory 4 times and is retried without limit.",
        ),
        (
            Belongings(repeated=(RepeatedFailure("t1", "shard", 4, "WORKER_DIED"),)),
            "memory.process-killed",
            "possible",
            "Task shard lost its worker 4 times and is retried.",
        ),
        # What raises is told by its exception.
        (
            Belongings(repeated=(RepeatedFailure("t1", "shard", 4, "TASK_EXECUTION_EXCEPTION"),)),
            None,
            None,
            "Nothing that was looked at tells of a failure.",
        ),
    ],
)
def test_attempts_that_the_task_table_counts(
    own: Belongings, code: str | None, certainty: str | None, sentence: str
) -> None:
    found = of("step 1\n", Fields(status="RUNNING", own=own))
    assert (found.code, found.certainty, found.sentence) == (code, certainty, sentence)


CIRCLE_SEEN = Circle(
    what="actor",
    id="a1",
    name="Counter",
    failures=7,
    first_at=None,
    last_at=None,
    code="app.import-error",
    error_type="ACTOR_DIED",
    last_error="No module named 'x'",
    others_succeed=False,
)


@pytest.mark.parametrize(
    ("circle", "status", "told"),
    [
        (CIRCLE_SEEN, "STOPPED", ("app.import-error", ["app.stopped", "app.import-error"])),
        # A cause that is not known is none, and why a job failed its own tables and logs say.
        (replace(CIRCLE_SEEN, code="unknown"), "STOPPED", ("app.stopped", ["app.stopped"])),
        (CIRCLE_SEEN, "FAILED", ("unknown", [])),
        (None, "STOPPED", ("app.stopped", ["app.stopped"])),
        # Nobody knows how it ended; a team has taken its signature back.
        (CIRCLE_SEEN, None, ("app.import-error", ["app.import-error"])),
        (replace(CIRCLE_SEEN, code="acme.licence"), "STOPPED", ("app.stopped", ["app.stopped"])),
        (CIRCLE_SEEN, "SUCCEEDED", (None, [])),
    ],
)
def test_what_was_seen_while_it_ran_is_told_beside_the_stop(
    circle: Circle | None, status: str | None, told: tuple[str | None, list[str]]
) -> None:
    found = diagnose(Fields(status=status, circle=circle), [])
    assert (found.code, [step.code for step in found.chain]) == told


@pytest.mark.parametrize(
    ("code", "told"),
    [
        # Its workers' last words, which the type of an attempt lacks, and the same with more words.
        ("app.native-crash", ("app.native-crash", "Task shard failed 7 times.")),
        ("memory.process-killed", ("memory.process-killed", "Task shard lost its worker 4 times and was retried.")),
    ],
)
def test_what_was_seen_comes_before_what_is_counted(code: str, told: tuple[str, str]) -> None:
    own = Belongings(repeated=(RepeatedFailure("t1", "shard", 4, "WORKER_DIED"),))
    seen = replace(CIRCLE_SEEN, what="task", name="shard", code=code, error_type="WORKER_DIED")
    found = diagnose(Fields(status="STOPPED", circle=seen, own=own), [])
    assert (found.code, found.sentence.split("circles: ")[-1].split(" (")[0]) == told


def test_the_words_of_what_was_seen() -> None:
    found = diagnose(Fields(status="STOPPED", circle=CIRCLE_SEEN), [])
    assert found.sentence.endswith("Until then it went in circles: Actor Counter was restarted 7 times.")
    assert EvidenceLine("actor a1", 0, "Counter: No module named 'x'") in found.evidence


@pytest.mark.parametrize(
    ("code", "error_type", "certainty", "role"),
    [
        ("memory.node-oom", "OUT_OF_MEMORY", "certain", "cause"),
        ("memory.process-killed", "WORKER_DIED", "possible", "symptom"),
        ("node.died", "NODE_DIED", "possible", "symptom"),
        ("app.import-error", "TASK_EXECUTION_EXCEPTION", "certain", "cause"),
    ],
)
def test_who_counts_the_attempts_makes_a_code_no_surer(code: str, error_type: str, certainty: str, role: str) -> None:
    seen = replace(CIRCLE_SEEN, what="task", code=code, error_type=error_type)
    own = Belongings(repeated=(RepeatedFailure("t1", "shard", 4, error_type),))
    given = [Fields(status="STOPPED", circle=seen)]
    # What raises is told by its exception, and not by the count.
    given += [] if error_type == "TASK_EXECUTION_EXCEPTION" else [Fields(status="RUNNING", own=own)]
    for fields in given:
        (clue,) = find_circles(fields, [], [])
        assert (clue.code, clue.certainty, clue.role) == (code, certainty, role)


def test_what_is_no_proof_is_told_of_a_stopped_job_as_possible() -> None:
    seen = replace(CIRCLE_SEEN, code="memory.process-killed", error_type="WORKER_DIED", last_error="")
    found = diagnose(Fields(status="STOPPED", circle=seen), [])
    assert (found.code, found.certainty, found.candidates) == ("memory.process-killed", "possible", ())

"""Whole diagnoses of short logs: which clue wins, what the others are told, and what is no failure."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.engine import scan as reading
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.log.lines import LogLine
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource

FAILED = Fields(status="FAILED", error_type="JOB_ENTRYPOINT_COMMAND_ERROR", driver_exit_code=1, type="SUBMISSION")
HEAD = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    run()\n'
ON = "".join(f"step {number} of 40\n" for number in range(40))
TASK = HEAD + (
    "ray.exceptions.RayTaskError({0}): ray::load() (pid=7, ip=10.0.0.1)\n"
    '  File "a.py", line 9, in load\n    open(path)\n{0}: {1}\n'
)
ACTOR_DIED = HEAD + (
    "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.\n"
    "\tclass_name: Model\n\tpid: 12\nThe actor is dead because its worker process has died. Worker exit type: "
    "SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file. There are "
    "some potential root causes. (1) The process is killed by SIGKILL by OOM killer due to high memory usage.\n"
)
SEGFAULT = "\x1b[36m(Model pid=12)\x1b[0m *** SIGSEGV received at time=1700000000 on cpu 3 ***\n"
OOM = (
    "(raylet) 1 Workers (tasks / actors) killed due to memory pressure (OOM), 0 Workers crashed due to other reasons\n"
)


def _of(text: str, fields: Fields = Fields(), kind: SourceKind = SourceKind.FILE) -> Diagnosis:  # noqa: B008
    return diagnose(fields, [TextSource("log", kind, [text.encode()])])


@pytest.mark.parametrize(
    ("text", "fields", "code", "line"),
    [
        # The innermost cause, through what carries it.
        (HEAD + "ValueError: no such table\n", FAILED, "app.exception", 4),
        (TASK.format("ValueError", "bad row"), FAILED, "app.task-exception", 7),
        (TASK.format("FileNotFoundError", "[Errno 2] No such file or directory: '/x'"), FAILED, "app.data-access", 7),
        (TASK.format("ModuleNotFoundError", "No module named 'shards'"), FAILED, "app.import-error", 7),
        # Ray writes what nobody asked for without a traceback's first line.
        (
            'ERROR worker.py:79 -- Unhandled error: ray::load() (pid=7)\n  File "a.py", line 9, in load\n    x / 0\n'
            "ZeroDivisionError: division by zero\n",
            FAILED,
            "app.task-exception",
            4,
        ),
        (
            'ERROR worker.py:79 -- Unhandled error: ray::A.__init__() (pid=7)\n  File "a.py", line 9, in f\n    x / 0\n'
            "ZeroDivisionError: division by zero\n",
            FAILED,
            "app.actor-init-failed",
            4,
        ),
        ("ray::load() was called\nsomething else\nZeroDivisionError: division by zero\n", FAILED, "app.exception", 3),
        # What the program only warned of is not why it failed later, but is told where nothing else is known.
        ("INFO a.py:3 -- ImportError: no cupy\nrow 1\nrow 2\n" + HEAD + "KeyError: 'x'\n", FAILED, "app.exception", 7),
        ("ImportError: no apex, falling back to torch\n" + HEAD + "KeyError: 'x'\n", FAILED, "app.exception", 5),
        ("WARNING a.py:3 -- ImportError: no cupy here\n", FAILED, "app.import-error", 1),
        # A consequence never outranks a cause, whatever came first.
        (SEGFAULT + ACTOR_DIED, FAILED, "app.native-crash", 1),
        (ACTOR_DIED + OOM, FAILED, "memory.node-oom", 8),
        (OOM + ACTOR_DIED, FAILED, "memory.node-oom", 1),
        # Without a witness, a killed process is not "out of memory".
        (ACTOR_DIED, FAILED, "memory.process-killed", 7),
        ("step 1\n", Fields(status="FAILED", driver_exit_code=137), "memory.process-killed", 0),
        ("step 1\n" + OOM, Fields(status="FAILED", driver_exit_code=137), "memory.node-oom", 2),
        # What the program survived does not count.
        (HEAD + "ConnectionError: shard 3\n" + ON + HEAD + "ValueError: empty\n", FAILED, "app.exception", 48),
        (OOM + ON + HEAD + "ValueError: empty\n", FAILED, "app.exception", 45),
        # An exception that no signature knows ends the job by itself, when earlier errors were handled or are far.
        (HEAD + "FileNotFoundError: /tmp/cache\n" + HEAD + "ValueError: empty\n", FAILED, "app.exception", 8),
        (SEGFAULT + "x\n" * 9 + "(f pid=9) y\n" * 90 + HEAD + "ValueError: empty\n", FAILED, "app.exception", 104),
        # The driver's last traceback, when what follows it may be its good-bye; an end that it announces.
        (HEAD + "ValueError: empty\n" + "bye\n" * 20, FAILED, "app.exception", 4),
        (HEAD + "ValueError: empty\nCRITICAL shutting down\n" + ON, Fields(), "app.exception", 4),
        # What is only possible stands behind what is certain, whichever came first.
        (
            HEAD + "ConnectionRefusedError: [Errno 111] Connect call failed\n"
            "\nThe above exception was the direct cause of the following exception:\n\n"
            + HEAD
            + "ConnectionError: Failed to connect to Ray at address: http://10.0.0.1:8265.\n",
            FAILED,
            "cluster.not-found",
            11,
        ),
        # What carries an exception that no signature knows gives it its name.
        (
            "The deployment failed to start 3 times in a row. This may be due to a problem with its constructor or "
            "initial health check failing.\n" + HEAD + "ValueError: no such dtype\n",
            Fields(),
            "serve.constructor-failed",
            5,
        ),
        # A line of the program in a traceback is no evidence; an excerpt may be indented.
        (HEAD + '    raise RuntimeError("CUDA out of memory here")\nValueError: odd\n', FAILED, "app.exception", 5),
        (
            "".join(f"            {line}\n" for line in (HEAD + "ValueError: odd").split("\n")),
            Fields(),
            "app.exception",
            4,
        ),
        # The exit code alone.
        ("", Fields(status="FAILED", driver_exit_code=127), "app.entrypoint-not-found", 0),
        ("", Fields(status="FAILED", driver_exit_code=139), "app.native-crash", 0),
        ("Job entrypoint command failed with exit code 139, last available logs", Fields(), "app.native-crash", 0),
        ("", Fields(status="FAILED", driver_exit_code=143), "app.stopped", 0),
        (ON, Fields(status="STOPPED"), "app.stopped", 0),
        # A program's own last words; and none.
        (ON + "ERROR: the learning rate is negative\n", FAILED, "app.exception", 41),
        (ON, FAILED, "unknown", 38),
        (ON, Fields(status="FAILED"), "unknown", 38),
        ("ERROR: wrong usage\n", Fields(status="FAILED", driver_exit_code=2), "unknown", 1),
        # Environments.
        (
            HEAD + "FileNotFoundError: s3://b/x.zip\n",
            Fields(status="FAILED", error_type="RUNTIME_ENV_SETUP_FAILURE"),
            "env.package-missing",
            4,
        ),
        (
            "",
            Fields(status="FAILED", error_type="RUNTIME_ENV_SETUP_FAILURE", message="runtime_env setup failed: x"),
            "env.setup-failed",
            0,
        ),
        (
            "",
            Fields(
                status="FAILED",
                error_type="RUNTIME_ENV_SETUP_FAILURE",
                message="runtime_env setup failed: ERROR: No matching distribution found for nosuch==9",
            ),
            "env.pip-failed",
            1,
        ),
    ],
)
def test_the_cause(text: str, fields: Fields, code: str, line: int) -> None:
    found = _of(text, fields)
    assert (found.code, found.evidence[0].line if found.evidence else None) == (code, line)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (ON, Fields()),
        (HEAD + "ValueError: one bad row\n" + ON, Fields()),
        (OOM + ON, Fields()),
        (ACTOR_DIED + "the actor was replaced\n" + ON + "training completed\n", Fields()),
        (HEAD + "ValueError: no such table\n", Fields(status="SUCCEEDED", type="SUBMISSION")),
        ("errors: 0\nerror rate 0.0\nno error was found\n3 passed, 0 failed\n", Fields()),
        ("a.py:3: DeprecationWarning: this will raise an error in the future\n", Fields()),
        (ON + "(raylet) Final validation metrics: 0.3\n" + ACTOR_DIED.split("\n")[-2] + "\n", Fields()),
        ("connection refused, retrying in 3 s\n" + ON, Fields()),
        (HEAD + "ValueError: one bad row\nall rows were exported\n", Fields()),
        (OOM + "step 1\n" * 400, Fields()),
        ("OSError: [Errno 28] No space left on device, will retry\n" + "step 1\n" * 5, Fields()),
    ],
)
def test_what_is_no_failure_has_no_code(text: str, fields: Fields) -> None:
    found = _of(text, fields)
    assert (found.code, found.certainty, found.evidence, found.chain) == (None, None, (), ())


def test_a_driver_that_ray_calls_succeeded_is_not_believed() -> None:
    found = _of(HEAD + "ValueError: no such table\n", Fields(status="SUCCEEDED", type="DRIVER"))
    assert found.code == "app.exception"


def test_the_chain_leads_from_what_was_seen_to_the_cause_and_the_others_are_told_why_not() -> None:
    found = _of(SEGFAULT + ACTOR_DIED, FAILED)
    assert [step.code for step in found.chain] == ["actor.died", "memory.process-killed", "app.native-crash"]
    assert {each.code: each.why_not for each in found.candidates} == {
        "actor.died": "It is a consequence: app.native-crash.",
        "memory.process-killed": "It is a consequence: app.native-crash.",
    }
    assert (found.certainty, str(found.code_class), found.rule) == ("certain", "permanent", "sigsegv")
    assert found.evidence[0].quote == "*** SIGSEGV received at time=1700000000 on cpu 3 ***"
    assert found.advice
    assert found.docs


def test_what_was_survived_is_told_with_the_reason() -> None:
    found = _of(OOM + ON + HEAD + "ValueError: empty\n", FAILED)
    assert {each.code: each.why_not for each in found.candidates} == {
        "memory.node-oom": "It does not count: the program went on for 40 lines after it."
    }


@pytest.mark.parametrize(
    ("noise", "code"),
    [
        ("RuntimeError: CUDA error: out of memory (caught)\n", "app.import-error"),
        ("torch.OutOfMemoryError: CUDA out of memory, batch halved\n", "app.import-error"),
    ],
)
def test_what_was_written_again_and_again_did_not_end_it_when_its_own_traceback_has_another_cause(
    noise: str, code: str
) -> None:
    survived = (HEAD + "ValueError: row 3 has no key\n" + noise) * 6
    ending = HEAD + "ModuleNotFoundError: No module named 'fastshard'\n"
    assert _of(survived + ending, FAILED).code == code
    # Once, shortly before the end, it may be what the end came from.
    assert _of("step 1\n" + noise + ending, FAILED).code == "gpu.out-of-memory"


@pytest.mark.parametrize(
    "noise",
    [
        "RuntimeError: CUDA error: out of memory (caught)\n",
        "torch.OutOfMemoryError: CUDA out of memory, batch halved\n",
    ],
)
def test_of_a_job_that_goes_on_nothing_is_a_cause_that_it_wrote_again_and_again(noise: str) -> None:
    running = Fields(status="RUNNING")
    survived = ("step 1 of 9\n" * 5 + noise) * 8
    assert (_of(survived, running).code, _of(survived + "step 2 of 9\n" * 50, running).code) == (None, None)
    # Once, as the last that is known of it, it may be what comes next; and what it ended with is its end.
    assert _of("step 1 of 9\n" * 5 + noise, running).code == "gpu.out-of-memory"
    assert _of(survived, FAILED).code == "gpu.out-of-memory"


def test_rays_own_sentence_is_a_source_and_the_log_that_it_repeats_is_not_read_twice() -> None:
    message = (
        "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\n" + HEAD
    )
    fields = Fields(status="FAILED", message=message + "ValueError: no such table\n")
    alone = diagnose(fields, [])
    assert (alone.code, alone.evidence[0].source, alone.evidence[0].line) == ("app.exception", "message", 5)
    whole = diagnose(
        fields, [TextSource("driver", SourceKind.DRIVER, [(HEAD + "ValueError: no such table\n").encode()])]
    )
    assert [(each.source, each.line) for each in whole.evidence] == [("driver", 4)]


def test_what_could_not_be_looked_at_is_passed_on() -> None:
    assert diagnose(FAILED, [], unavailable=["The driver's log: gone."]).unavailable == ("The driver's log: gone.",)


def test_of_a_text_that_is_everywhere_no_more_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = 0
    parsed = reading.parse_line

    def counted(raw: bytes) -> LogLine:
        nonlocal looked_at
        looked_at += 1
        return parsed(raw)

    monkeypatch.setattr(reading, "parse_line", counted)
    _of("no Error here\n" * 50_000)
    assert looked_at < 1_000


@pytest.mark.parametrize(("status", "code"), [("RUNNING", "scheduling.waiting"), ("FAILED", "unknown")])
def test_that_something_waits_is_told_by_the_raylet_of_what_has_not_ended(status: str, code: str) -> None:
    line = "[2026-01-02 03:04:05,6 W 9 9] (raylet) main.cc:985: The lease with ID 01 cannot be scheduled right now.\n"
    sources = [
        TextSource("driver", SourceKind.DRIVER, [b"submitting\n"]),
        TextSource("raylet.out", SourceKind.SYSTEM, [line.encode()]),
    ]
    assert diagnose(Fields(status=status), sources).code == code


def test_what_rays_own_processes_wrote_is_no_exception_of_the_job() -> None:
    sources = [
        TextSource("driver", SourceKind.DRIVER, [(ON + "ERROR: giving up\n").encode()]),
        TextSource("raylet.out", SourceKind.SYSTEM, [(HEAD + "KeyError: 'x'\n").encode()]),
    ]
    assert [each.source for each in diagnose(FAILED, sources).evidence] == ["driver"]


def test_of_a_log_alone_with_several_causes_none_is_certain() -> None:
    disk = "OSError: [Errno 28] No space left on device\n"
    both = "ModuleNotFoundError: No module named 'fastshard'\n" + disk
    assert (_of(both).code, _of(both).certainty) == ("app.import-error", "likely")
    assert (_of(disk).code, _of(disk).certainty) == ("storage.disk-full", "certain")
    # What Ray's own process wrote of a job is no log that somebody sent.
    assert _of(both, FAILED, SourceKind.DRIVER).certainty == "certain"

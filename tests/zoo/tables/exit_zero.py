"""Exit code 0 beside what else is known of a job (F2, F6, F7), and drivers started by hand."""

from __future__ import annotations

from tests.zoo.answers import contradict, end_clean, ended
from tests.zoo.model import ANY, Answer, Ask, Job, Moment, Origin, Program, Really, Span
from tests.zoo.writing import drive, submit, submit_shell

WAVE = "zero"
ZERO = Really(statuses=("SUCCEEDED",), exit_code=0)


def _py(words: str) -> str:
    return f"{{python}} {{here}}/ends.py {words} zoo"


def _wrong(name: str, about: str, text: str, rule: str = "driver", says: tuple[str, ...] = ()) -> Program:
    job = Job(name, (ended(contradict(rule, says)),), really=ZERO)
    return Program(name, about, (submit_shell(name, text),), (job,), wave=WAVE)


def _right(name: str, about: str, text: str, twin: str, says: tuple[str, ...] = ()) -> Program:
    answer = Answer("succeeded", "OK", "succeeded", code=None, diagnosis=None, says=says)
    return Program(
        name, about, (submit_shell(name, text),), (end_clean(name, ZERO, answer),), twin=twin, wave=WAVE
    )  # fmt: skip


PROGRAMS = (
    _wrong(
        "zero-tee", "a crashed driver in front of a pipe", f"{_py('boom')} 2>&1 | tee /dev/null", says=("pipefail",)
    ),
    _right("zero-tee-twin", "a good one in front of a pipe", f"{_py('well')} 2>&1 | tee /dev/null", "zero-tee"),
    _wrong("zero-next", "a crashed driver, and then another command", f"{_py('boom')}; echo uploaded"),
    _right("zero-next-twin", "a good one, and then another command", f"{_py('well')}; echo uploaded", "zero-next"),
    _wrong("zero-true", "a crashed driver whose exit code is thrown away", f"{_py('boom')} || true"),
    _right(
        "zero-true-twin",
        "sys.exit(3), thrown away as well: Ray's tables have the same as of a good end, so the same answer",
        f"{_py('exit 3')} || true",
        "zero-true",
    ),
    _right("zero-plain-twin", "a command that fails, thrown away, and never Ray", "false || true", "zero-true"),
    _wrong("zero-killed", "a driver that gets SIGKILL in front of a pipe", f"{_py('kill')} | cat"),
    _wrong("zero-os-exit", "a driver that calls os._exit(1)", f"{_py('os-exit 1')} || true"),
    _wrong(
        "zero-two",
        "two drivers of two programs, the first of which crashes",
        f"{_py('boom')}; {{python}} {{here}}/hangs.py steps 3 zoo",
    ),
    _right(
        "zero-two-twin",
        "a crashed driver that a second run of the same program made good: a note",
        f"{_py('boom-once {mark}/once')} || {_py('boom-once {mark}/once')}",
        "zero-two",
    ),
    _wrong(
        "zero-shutdown",
        "all work done, and then a crash in the end of the interpreter",
        f"{_py('crash-at-exit')} | cat",
    ),
    _right(
        "zero-shutdown-twin", "tasks that fail, of which the program takes note", f"{_py('caught 3')}", "zero-shutdown"
    ),
    Program(
        "zero-leaves",
        "a driver that leaves before its 7 tasks are done",
        (submit("zero-leaves", "ends.py", "leave 7 3"),),
        (Job("zero-leaves", (ended(contradict("tasks", ("7 of its 7", "ray.get"))),), really=ZERO),),
        wave=WAVE,
    ),
    Program(
        "zero-leaves-declared",
        "the same, declared as meant",
        (submit("zero-leaves-declared", "ends.py", "leave 7 3", {"seedcore.may_leave_tasks": "true"}),),
        (end_clean("zero-leaves-declared", ZERO),),
        twin="zero-leaves",
        wave=WAVE,
    ),
    Program(
        "zero-leaves-twin",
        "a driver that waits for its 7 tasks",
        (submit("zero-leaves-twin", "ends.py", "well 7"),),
        (end_clean("zero-leaves-twin", ZERO),),
        twin="zero-leaves",
        wave=WAVE,
    ),
    Program(
        "zero-background",
        "a driver that its entrypoint puts into the background, and leaves (F6)",
        (
            submit_shell(
                "zero-background",
                f"setsid nohup {_py('long 600')}=zero-background > /dev/null 2>&1 < /dev/null & sleep 12",
            ),
        ),
        (
            Job(
                "zero-background",
                (
                    Moment(
                        "lives on",
                        Origin.START,
                        Span(10),
                        Span(90),
                        Answer("running", "WARN", "driver-lives-on", code=ANY, says=("pid",), lacks=("live on: Work",)),
                    ),
                ),
                never=("BAD", "UNKNOWN"),
                really=ZERO,
            ),
        ),
        (
            Ask("GET", "/cluster/leftovers", lacks=("zero-background",)),
            Ask("GET", "/jobs?outcome=running&limit=200", says=("zero-background",)),
        ),
        wave=WAVE,
    ),
    Program(
        "zero-background-twin",
        "a driver in the background for which its entrypoint waits",
        (submit_shell("zero-background-twin", f"{_py('long 8')}=zero-background-twin & wait"),),
        (end_clean("zero-background-twin", ZERO),),
        twin="zero-background",
        wave=WAVE,
    ),
    Program(
        "zero-detached",
        "it leaves a detached actor on purpose: it succeeded, and the actor is found",
        (submit("zero-detached", "ends.py", "detached"),),
        (
            Job(
                "zero-detached",
                (
                    ended(Answer("succeeded", "OK", "succeeded", alert=ANY)),
                    Moment(
                        "left",
                        Origin.END,
                        Span(55),
                        Span(200),
                        Answer("succeeded", "OK", "succeeded", alert="leftover-actors:warning"),
                    ),
                ),
                never=("WARN", "BAD"),
                really=ZERO,
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "drive-boom",
        "a driver started by hand that ends by an exception",
        (drive("drive-boom", "ends.py", "boom"),),
        (Job("drive-boom", (ended(Answer("failed", "BAD", "failed", code=ANY)),)),),
        wave=WAVE,
    ),
    Program(
        "drive-well",
        "a driver started by hand that ends well: success is not proven",
        (drive("drive-well", "ends.py", "well"),),
        (Job("drive-well", (ended(Answer("ended_unknown", "UNKNOWN", "ended-unknown", code=ANY)),), never=("BAD",)),),
        twin="drive-boom",
        wave=WAVE,
    ),
    Program(
        "drive-leaves",
        "a driver started by hand that leaves before its tasks are done (F7)",
        (drive("drive-leaves", "ends.py", "leave 7 3"),),
        (
            Job(
                "drive-leaves",
                (
                    ended(
                        Answer(
                            "ended_unknown",
                            "WARN",
                            ANY,
                            code=ANY,
                            says=("7 of its 7",),
                            lacks=("The evidence does not tell why",),
                        )
                    ),
                ),
                never=("BAD",),
            ),
        ),
        wave=WAVE,
    ),
)

"""At the rim: a Python that cannot start (F3), secrets (F5), ids (F9), long lines (F12), one word (F15), noise (M)."""

from __future__ import annotations

from tests.zoo.answers import end_clean, ended, fail
from tests.zoo.model import ANY, Answer, Ask, Job, Moment, Origin, Program, Really, Span, Submit, Wait
from tests.zoo.tables.places import STUCK_ALERTS
from tests.zoo.writing import line, submit

WAVE = "rim"
LAST = "z"  # a Python that cannot start makes other jobs wait for theirs
LONG_ID = "id-" + "x" * 257
NOT_FOUND = "app.entrypoint-not-found"
EVERYWHERE = ("/jobs?limit=200", "/jobs/secret-env", "/jobs/secret-env/logs", "/jobs/secret-env/diagnosis",
              "/report?format=html", "/report?format=text", "/report")  # fmt: skip

PROGRAMS = (
    Program(
        "noise-well",
        "a good job whose log is full of tracebacks, CUDA error, Killed, OutOfMemory",
        (submit("noise-well", "plain.py", "noisy well"),),
        (end_clean("noise-well", Really(statuses=("SUCCEEDED",), exit_code=0, log=("Killed",))),),
        twin="noise-fails",
        wave=WAVE,
    ),
    Program(
        "noise-fails",
        "the same noise, and then a module is missing",
        (submit("noise-fails", "plain.py", "noisy badly"),),
        (Job("noise-fails", (ended(fail("app.import-error", says=("fastshard",))),), really=Really(exit_code=1)),),
        wave=WAVE,
    ),
    Program(
        "secret-env",
        "values of env_vars are shown nowhere, also where the log repeats them (F5)",
        (
            Submit(
                "secret-env",
                line("plain.py", "secrets", "secret-env"),
                more=(
                    (
                        "runtime_env",
                        {"env_vars": {"X_U": "CANARY-04", "X_C": "Server=db;Uid=svc;Pwd=CANARY-05;", "LEVEL": "info"}},
                    ),
                ),
            ),
        ),
        (
            Job(
                "secret-env",
                # A value so short that it is a word of its own stays a word.
                (ended(fail(ANY, lacks=("CANARY-04", "CANARY-05"))),),
                really=Really(statuses=("FAILED",), exit_code=1),
            ),
        ),
        (
            *tuple(Ask("GET", path, status=200, lacks=("CANARY-0",)) for path in EVERYWHERE),
            Ask("GET", "/jobs/secret-env/logs", says=("level info",)),
        ),
        wave=WAVE,
    ),
    Program(
        "word-one",
        "the whole command as one word (F15)",
        (Submit("word-one", "'echo hello world'"),),
        (Job("word-one", (ended(fail(NOT_FOUND, says=("one word",))),), really=Really(exit_code=127)),),
        wave=WAVE,
    ),
    Program(
        "word-path",
        "the whole command as one word that begins with a path (F15)",
        (Submit("word-path", '"{python} -c 1"'),),
        (Job("word-path", (ended(fail(NOT_FOUND, says=("one word",))),), really=Really(exit_code=127)),),
        wave=WAVE,
    ),
    Program(
        "word-twin",
        "a command that is not there: not told to drop quotes that it has not",
        (Submit("word-twin", "ekko hello world"),),
        (Job("word-twin", (ended(fail(NOT_FOUND, lacks=("one word",))),), really=Really(exit_code=127)),),
        twin="word-one",
        wave=WAVE,
    ),
    Program(
        "log-long",
        "the reason quotes the last line, not the middle of a long one (F12)",
        (submit("log-long", "plain.py", "long"),),
        (
            Job(
                "log-long",
                (ended(fail(ANY, says=("FATAL: the licence server said no",))),),
                really=Really(exit_code=4),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "id-slash",
        "an id with a slash, which Ray notes and can never start (F9): addressed, and no alert for ever",
        (Submit("team/etl 2026", "echo zoo"),),
        (
            Job(
                "team/etl 2026",
                (
                    Moment(
                        "after 75 s",
                        Origin.START,
                        Span(75),
                        Span(140),
                        Answer(ANY, ANY, ANY, code=ANY, says=("refused",)),
                    ),
                ),
                joins=False,
            ),
        ),
        (
            Ask("GET", "/jobs/team%2Fetl%202026", status=200),
            Ask("GET", "/jobs/team%2Fetl%202026/diagnosis", status=200),
        ),
        wave=WAVE,
    ),
    Program(
        "id-long",
        "an id of 260 letters, whose log cannot be made (F9)",
        (Submit(LONG_ID, "echo zoo"),),
        (
            Job(
                LONG_ID,
                (
                    Moment(
                        "after 75 s",
                        Origin.START,
                        Span(75),
                        Span(140),
                        Answer(ANY, ANY, ANY, code=ANY, says=("refused",)),
                    ),
                ),
                joins=False,
            ),
        ),
        (Ask("POST", f"/jobs/{LONG_ID}/stop", {"wait_s": 1}, lacks=("look again",)),),
        wave=WAVE,
    ),
    Program(
        "id-twin",
        "an id with unicode, dots and digits: as any other",
        (Submit("größe.2026-11_b", "echo zoo"), Wait("größe.2026-11_b")),
        (end_clean("größe.2026-11_b"),),
        twin="id-slash",
        wave=WAVE,
    ),
    Program(
        "start-python",
        "a Python that is not there (F3)",
        (Submit("start-python", "echo hi", more=(("runtime_env", {"py_executable": "/nowhere/bin/python"}),)),),
        (
            Job(
                "start-python",
                (
                    Moment(
                        "100 s",
                        Origin.START,
                        Span(10),
                        Span(150),
                        Answer(
                            "pending",
                            ("WARN", "BAD"),
                            ANY,
                            code=ANY,
                            alert=STUCK_ALERTS,
                            says=("/nowhere/bin/python", "cannot be started"),
                            lacks=("is being built",),
                        ),
                    ),
                ),
            ),
        ),
        wave=LAST,
    ),
    Program(
        "start-python-twin",
        "a Python that is there",
        (Submit("start-python-twin", "echo hi", more=(("runtime_env", {"py_executable": "{python}"}),)),),
        (end_clean("start-python-twin"),),
        twin="start-python",
        wave=WAVE,
    ),
)

"""The same again: one id for two runs (F1), retries by name (F14), loops of a shell (M3), several drivers (F11)."""

from __future__ import annotations

from tests.zoo.answers import SUCCEEDED, ended, fail
from tests.zoo.model import ANY, NONE, SOME, Answer, Ask, Job, Program, Really, Submit, Wait
from tests.zoo.writing import submit, submit_shell

WAVE = "again"
FAILED = Really(statuses=("FAILED",))
MADE_GOOD = Answer("failed", "OK", "retry-succeeded", code=ANY)
SPEECHLESS = "{python} -c 'raise SystemExit(3)' zoo"


def _forget(id: str) -> Ask:
    # Ray goes on watching a job that has ended for a second, and takes a new one of its id for it.
    return Ask("DELETE", f"/api/jobs/{id}", ray=True, status=200, after_s=5.0)


def _loop(good_from: int, mark: str) -> str:
    attempt = f"{{python}} {{here}}/plain.py attempt {good_from} {{mark}}/{mark} zoo"
    return f'for i in 1 2 3 4 5; do {attempt} && exit 0; echo "attempt $i failed"; done; exit 9'


PROGRAMS = (
    Program(
        "again-id",
        "the same submission id again: what the first run said is no evidence of the second",
        (
            Submit("again-id", "{python} -c 'import fastshard' zoo"),
            Wait("again-id"),
            _forget("again-id"),
            Submit("again-id", SPEECHLESS),
            Wait("again-id"),
        ),
        (
            Job(
                "again-id",
                (
                    ended(
                        Answer(
                            "failed",
                            "BAD",
                            "failed",
                            code=("unknown", "app.exception", "app.usage-error"),
                            says=("exit code 3",),
                            lacks=("fastshard",),
                            logs_lack=(),
                        )
                    ),
                ),
                really=Really(statuses=("FAILED",), exit_code=3),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "again-id-twin",
        "the same submission id again, and the second run is fine",
        (
            Submit("again-id-twin", "{python} -c 'import fastshard' zoo"),
            Wait("again-id-twin"),
            _forget("again-id-twin"),
            Submit("again-id-twin", "echo second run is fine"),
            Wait("again-id-twin"),
        ),
        (
            Job(
                "again-id-twin",
                (ended(Answer("succeeded", "OK", "succeeded", diagnosis=None, lacks=("fastshard",))),),
                really=Really(statuses=("SUCCEEDED",), exit_code=0),
            ),
        ),
        twin="again-id",
        wave=WAVE,
    ),
    Program(
        "again-loop",
        "five attempts in one entrypoint, none of which succeeds (M3): the cause is theirs, not the shell's",
        (submit_shell("again-loop", _loop(0, "loop")),),
        (
            Job(
                "again-loop",
                (ended(fail(SOME, says=("the feature store does not answer",))),),
                really=Really(statuses=("FAILED",), exit_code=9, log=("attempt 5 failed",)),
            ),
        ),
        wave=WAVE,
    ),
    Program(
        "again-loop-twin",
        "the third of five attempts in one entrypoint succeeds",
        (submit_shell("again-loop-twin", _loop(3, "loop-twin")),),
        (
            Job(
                "again-loop-twin",
                (ended(SUCCEEDED),),
                clean=True,
                really=Really(statuses=("SUCCEEDED",), exit_code=0, log=("attempt 3 succeeded",)),
            ),
        ),
        twin="again-loop",
        wave=WAVE,
    ),
    Program(
        "again-submit",
        "a loop around `ray job submit`: the same entrypoint fails, and succeeds the next time (M3)",
        (
            Submit("again-submit-1", "{python} {here}/plain.py attempt 2 {mark}/submit zoo"),
            Wait("again-submit-1"),
            Submit("again-submit-2", "{python} {here}/plain.py attempt 2 {mark}/submit zoo"),
            Wait("again-submit-2"),
        ),
        (
            Job("again-submit-1", (ended(MADE_GOOD),), really=FAILED),
            Job("again-submit-2", (ended(SUCCEEDED),), clean=True, really=Really(statuses=("SUCCEEDED",))),
        ),
        wave=WAVE,
    ),
    Program(
        "again-submit-twin",
        "two commands that differ, one of which fails: nothing made it good",
        (
            Submit("again-other-1", "{python} {here}/plain.py attempt 0 {mark}/other zoo"),
            Wait("again-other-1"),
            Submit("again-other-2", "{python} {here}/plain.py echo done zoo"),
            Wait("again-other-2"),
        ),
        (
            Job("again-other-1", (ended(fail(SOME)),), really=FAILED),
            Job("again-other-2", (ended(SUCCEEDED),), clean=True, really=Really(statuses=("SUCCEEDED",))),
        ),
        twin="again-submit",
        wave=WAVE,
    ),
    Program(
        "again-named",
        "tried again by a user, who says so: `seedcore.retry_of` through POST /jobs (F14)",
        (
            Submit("again-named-1", "false"),
            Wait("again-named-1"),
            Ask(
                "POST",
                "/jobs",
                {
                    "submission_id": "again-named-2",
                    "entrypoint": ["true"],
                    "metadata": {"seedcore.retry_of": "again-named-1"},
                },
                status=201,
            ),
            Wait("again-named-2"),
        ),
        (Job("again-named-1", (ended(MADE_GOOD),), really=FAILED),),
        wave=WAVE,
    ),
    Program(
        "again-retry",
        "POST /jobs/{id}/retry refuses what would fail again: a missing module, a crash in native code (F13)",
        (
            Submit("again-retry-import", "{python} -c 'import fastshard' zoo"),
            submit("again-retry-crash", "ends.py", "segfault"),
            Wait("again-retry-import"),
            Wait("again-retry-crash"),
        ),
        (
            Job("again-retry-import", (ended(fail("app.import-error", says=("fastshard",))),), really=FAILED),
            Job("again-retry-crash", (ended(fail("app.native-crash")),), really=FAILED),
        ),
        (
            Ask("POST", "/jobs/again-retry-import/retry", {}, status=409),
            Ask("POST", "/jobs/again-retry-crash/retry", {}, status=409),
        ),
        wave=WAVE,
    ),
    Program(
        "again-twice",
        "two drivers of one process (F11): the first is the submission's, and what it left is told of it",
        (submit("again-twice", "ends.py", "twice"), Wait("again-twice")),
        (
            Job(
                "again-twice",
                (ended(Answer("succeeded", "OK", "succeeded", alert=ANY, reported=(NONE, "WARN"))),),
                never=("BAD", "UNKNOWN", "WARN"),
                really=Really(statuses=("SUCCEEDED",), exit_code=0),
            ),
        ),
        (
            Ask("GET", "/cluster/leftovers", says=("again-twice", "cache"), within_s=120),
            Ask("GET", "/jobs?kind=user&limit=200", lacks=('"entrypoint":""',)),
        ),
        wave=WAVE,
    ),
)

"""What the drivers and tasks of a submission say against its exit code: each case with its innocent twin."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.expectations import BUILT_IN
from serve_app.jobs.judging.findings import find_all
from serve_app.jobs.judging.judge import Memo, judge
from serve_app.jobs.models import DriverExit, JobRow, Known, TaskCounts, Unknown
from serve_app.jobs.reading.snapshot import drop_earlier_runs
from tests.unit.jobs.judging.test_judge import NOW, actor, ago, driver, snapshot, submission
from tests.unit.jobs.judging.test_outcome import node

CLEAN, KILLED = "INTENDED_USER_EXIT", "SYSTEM_ERROR"
HERE = node("ALIVE", node_id="n", is_head=True)
CODE_0 = "Its entrypoint exited with code 0"
PIPE = "use `set -o pipefail`, and `&&` instead of `;`"
# As a real Ray 2.60 wrote it (exit code 134, ``os.abort`` in an atexit handler, and 139 in the main module).
LATE_STACK = (
    "Job entrypoint command failed with exit code 134, last available logs (truncated to 20,000 chars):\n"
    "[2026-01-01 12:00:00,000 E 28981 28981] logging.cc:474: PC: @     0x7f28648a8eec  (unknown)  (unknown)\n"
    "Fatal Python error: Aborted\n\nStack (most recent call first):\n"
    '  File "/tmp/x.py", line 5 in end\n\nExtension modules: msgpack._cmsgpack (total: 1)\nAborted\n'
)
MAIN_STACK = LATE_STACK.replace("line 5 in end", 'line 5 in f\n  File "/tmp/x.py", line 9 in <module>')
NO_STACK = "Job entrypoint command failed with exit code 139, last available logs (truncated):\nSegmentation fault\n"


def run(number: int = 7, entrypoint: str = "python a.py", *, began: float = 60, took: float | None = 10) -> DriverRun:
    """A driver of submission ``a``; ``took`` None: it is still there."""
    ended = None if took is None else ago(began - took)
    job_id = f"{number:02}000000"
    return DriverRun(job_id, "a", entrypoint, ended is not None, 40 + number, "n", "10.0.0.7", ago(began), ended)


def row(run: DriverRun, exit_type: str | None = CLEAN) -> DriverExit:
    ended = None if exit_type is None else run.ended_at
    return DriverExit(run.job_id, exit_type is None, exit_type, None, 7, run.started_at, ended, "n")


def raised(run: DriverRun) -> DriverExit:
    return replace(row(run), pid=0, started_at=None)


def left(unfinished: int, total: int, *names: str) -> TaskCounts:
    return TaskCounts(total, 0, total - unfinished, 0, 0, unfinished, names)


def judged(*drivers: tuple[DriverRun, DriverExit | None], **changes: Any) -> JobRow:
    """Submission ``a`` with these drivers, of which Ray's list shows the last."""
    tasks, nodes = changes.pop("tasks", {}), changes.pop("nodes", [HERE])
    values: dict[str, Any] = {"status": "SUCCEEDED", "began": 90, "took": 60, "entrypoint": "bash x.sh", **changes}
    if drivers:
        values = {"job_id": drivers[-1][0].job_id, "pid": 1, **values}
    seen = snapshot(submission("a", **values), exits=[row for _, row in drivers if row], nodes=nodes)
    runs = tuple(each for each, _ in drivers)
    (found,) = [each for each in judge(replace(seen, drivers=Known({"a": runs}), tasks=tasks), NOW) if each.id == "a"]
    return found


def told(found: JobRow) -> tuple[str, str, str, str]:
    return found.outcome.value, found.verdict.value, found.rule, found.reason


SUCCEEDED = ("succeeded", "OK", "succeeded", f"{CODE_0}.")
A, B, LATER = run(7), run(8, "python b.py", began=45), run(9, began=45)


def contradict(what: str) -> tuple[str, str, str, str]:
    return "contradicted", "WARN", "contradicted-driver", f"{CODE_0}, but {what} (worker table); {PIPE}."


@pytest.mark.parametrize(
    ("drivers", "wanted"),
    [
        # An entrypoint that never joined Ray, and one whose driver left in order.
        ([], SUCCEEDED),
        ([(A, row(A))], SUCCEEDED),
        # `train | tee log`, `train; upload`, `train || true`: one picture in Ray's tables.
        ([(A, raised(A))], contradict("its driver (pid 47 on 10.0.0.7) ended by an uncaught exception")),
        (
            [(A, row(A, KILLED))],
            contradict("its driver (pid 47 on 10.0.0.7) died abnormally (crashed, was killed, or left by os._exit)"),
        ),
        (
            [(A, row(A, "NODE_OUT_OF_MEMORY"))],
            contradict("its driver (pid 47 on 10.0.0.7) was killed because its node ran out of memory"),
        ),
        ([(A, row(A, "USER_ERROR"))], contradict("its driver (pid 47 on 10.0.0.7) ended by an error in user code")),
        # An exception at a prompt that was left in order is none of the job's.
        ([(replace(A, entrypoint="(interactive_shell) python"), raised(A))], SUCCEEDED),
        # Two drivers of which one crashes, first or last, one after the other or side by side.
        (
            [(A, raised(A)), (B, row(B))],
            contradict(
                "1 of its 2 drivers did not end well: pid 47 on 10.0.0.7 (`python a.py`) ended by an uncaught exception"
            ),
        ),
        (
            [(A, row(A)), (B, raised(B))],
            contradict(
                "1 of its 2 drivers did not end well: pid 48 on 10.0.0.7 (`python b.py`) ended by an uncaught exception"
            ),
        ),
        (
            [(A, raised(A)), (run(9, began=55), row(run(9, began=55)))],
            contradict(
                "1 of its 2 drivers did not end well: pid 47 on 10.0.0.7 (`python a.py`) ended by an uncaught exception"
            ),
        ),
        # A later one of the same program made it good: another's success is none of this one's.
        (
            [(A, raised(A)), (LATER, row(LATER))],
            (
                "succeeded", "OK", "succeeded",
                f"{CODE_0}. 1 of its 2 drivers did not end well (pid 47 on 10.0.0.7 ended by an uncaught exception); a "
                "later one of the same program (pid 49 on 10.0.0.7) made it good.",
            ),
        ),
        (
            [(A, raised(A)), (run(9, "python a.py --shard 2", began=45), row(LATER))],
            contradict(
                "1 of its 2 drivers did not end well: pid 47 on 10.0.0.7 (`python a.py`) ended by an uncaught exception"
            ),
        ),
        # What no table tells is not concluded.
        ([(A, None)], SUCCEEDED),
    ],
)  # fmt: skip
def test_exit_code_0_against_the_worker_table(
    drivers: list[tuple[DriverRun, DriverExit | None]], wanted: tuple[str, str, str, str]
) -> None:
    assert told(judged(*drivers)) == wanted


RETRIED = (
    "succeeded", "OK", "succeeded",
    f"{CODE_0}. 1 of its 2 drivers did not end well (pid 47 on 10.0.0.7 ended by an uncaught exception); a later one "
    "of the same program (pid 49 on 10.0.0.7) made it good.",
)  # fmt: skip
JUST_ENDED = ("running", "OK", "running", "It runs.")


@pytest.mark.parametrize(
    ("since_s", "second", "wanted"),
    [
        # `a || a`: the row of the second is still open, or missing, or has been written.
        (4, row(LATER, None), JUST_ENDED),
        (4, None, JUST_ENDED),
        (4, row(LATER), RETRIED),
        (30, row(LATER), RETRIED),
        # What is not written after some seconds never will be.
        (
            6,
            None,
            contradict(
                "1 of its 2 drivers did not end well: pid 47 on 10.0.0.7 (`python a.py`) ended by an uncaught exception"
            ),
        ),
    ],
)
def test_a_retry_of_a_shell_is_judged_when_its_rows_are_written(
    since_s: float, second: DriverExit | None, wanted: tuple[str, str, str, str]
) -> None:
    assert told(judged((A, raised(A)), (LATER, second), took=90 - since_s)) == wanted


def test_without_the_job_table_the_last_driver_is_known_all_the_same() -> None:
    seen = snapshot(submission("a", "SUCCEEDED", job_id="07000000", pid=47), exits=[raised(A)])
    for drivers in (Known({}), Unknown("Ray did not say (RpcError).")):
        (found,) = judge(replace(seen, drivers=drivers), NOW)
        assert (found.outcome, found.rule) == ("contradicted", "contradicted-driver")
        assert "its driver (pid 47) ended by an uncaught exception" in found.reason


def test_what_is_contradictory_is_evidence_and_says_what_to_do() -> None:
    found = judged((A, raised(A)))
    assert [(each.rule, each.source, each.fact) for each in found.evidence[1:]] == [
        (
            "contradicted-driver",
            "worker table",
            "driver 07000000 (pid 47 on 10.0.0.7) ended by an uncaught exception",
        ),
        ("exit-code-0", "job list", "status SUCCEEDED, exit code 0"),
    ]
    assert found.action == (
        "Have the command end with the code of its driver: use `set -o pipefail`, and `&&` instead of `;`, no "
        "`|| true`. GET /jobs/{id}/diagnosis says why it did not end well."
    )


LEFT_REASON = (
    f"{CODE_0}, but 24 of its 24 tasks (part) had not finished when its driver left: keep the refs and ray.get them."
)


@pytest.mark.parametrize(
    ("drivers", "tasks", "metadata", "wanted"),
    [
        ([A], left(24, 24, "part"), {}, ("contradicted", "WARN", "contradicted-tasks", LEFT_REASON)),
        ([A], left(0, 24), {}, SUCCEEDED),
        ([A], None, {}, SUCCEEDED),
        # Tasks that failed are the program's affair: it asked for their results, or did not.
        ([A], TaskCounts(24, 3, 21, 0, 0), {}, SUCCEEDED),
        ([A], left(24, 24, "part"), {"seedcore.may_leave_tasks": "true"}, SUCCEEDED),
        (
            [A], left(24, 24, "part"), {"seedcore.may_leave_tasks": "no"},
            ("contradicted", "WARN", "contradicted-tasks", LEFT_REASON),
        ),
        # A first driver left them, and a later one of the same program left none.
        ([A, LATER], left(24, 24, "part"), {}, SUCCEEDED),
        ([A, B], left(24, 24, "part"), {}, ("contradicted", "WARN", "contradicted-tasks", LEFT_REASON)),
    ],
)  # fmt: skip
def test_exit_code_0_against_the_tasks(
    drivers: list[DriverRun], tasks: TaskCounts | None, metadata: dict[str, str], wanted: tuple[str, str, str, str]
) -> None:
    known = {} if tasks is None else {"07000000": tasks}
    assert told(judged(*((each, row(each)) for each in drivers), tasks=known, metadata=metadata)) == wanted


def test_of_a_driver_that_crashed_the_tasks_of_its_last_second_are_not_told() -> None:
    found = judged((A, row(A, KILLED)), tasks={"07000000": left(1, 5, "part")})
    assert (found.rule, "tasks" in found.reason) == ("contradicted-driver", False)


BACKGROUND = run(took=None)


@pytest.mark.parametrize(
    ("status", "since_s", "alive", "nodes", "wanted"),
    [
        (
            "SUCCEEDED", 30, BACKGROUND, [HERE],
            (
                "running", "WARN", "driver-lives-on",
                "It is over by Ray's word (SUCCEEDED), but its driver (pid 47 on 10.0.0.7) lives.",
            ),
        ),
        (
            "STOPPED", 30, BACKGROUND, [HERE],
            (
                "running", "WARN", "driver-lives-on",
                "It is over by Ray's word (STOPPED), but its driver (pid 47 on 10.0.0.7) lives.",
            ),
        ),
        # Tables are read one after the other.
        (
            "SUCCEEDED", 4, BACKGROUND, [HERE],
            ("running", "OK", "running", "It runs."),
        ),
        ("SUCCEEDED", 30, A, [HERE], SUCCEEDED),
        # The row of a driver stays alive for ever when its node dies; of a node that is not known nothing is said.
        ("SUCCEEDED", 30, BACKGROUND, [node("DEAD", node_id="n")], SUCCEEDED),
        ("SUCCEEDED", 30, BACKGROUND, [], SUCCEEDED),
        (
            "FAILED", 30, BACKGROUND, [HERE],
            ("failed", "BAD", "failed", "It failed with exit code 1. Its driver (pid 47 on 10.0.0.7) lives on."),
        ),
    ],
)  # fmt: skip
def test_a_driver_that_lives_on(
    status: str, since_s: float, alive: DriverRun, nodes: list[Any], wanted: tuple[str, str, str, str]
) -> None:
    exit_row = row(alive, CLEAN if alive.is_dead else None)
    assert told(judged((alive, exit_row), status=status, took=90 - since_s, nodes=nodes)) == wanted


def test_a_driver_that_lives_on_has_no_end_and_says_what_to_do() -> None:
    found = judged((BACKGROUND, row(BACKGROUND, None)))
    assert (found.ended_at, found.duration_s) == (None, 90.0)
    assert found.action.startswith("Wait for it, or have a person end pid 47 on 10.0.0.7: Ray stops only what it")
    ended = judged((BACKGROUND, row(BACKGROUND, None)), took=89)
    assert (ended.outcome, ended.rule) == ("running", "running")


def test_what_a_living_driver_uses_is_not_left_over() -> None:
    dead, lives = run(6, began=80), run(7, took=None)
    job = submission("a", "FAILED", began=200, took=60, job_id="07000000")
    seen = snapshot(
        job, exits=[row(dead), row(lives, None)], nodes=[HERE], actors=[actor("06000000"), actor("07000000")]
    )
    seen = replace(seen, drivers=Known({"a": (dead, lives)}))
    found = find_all(seen, judge(seen, NOW), BUILT_IN, {}, NOW)
    # That of its first driver is the submission's, and its own.
    assert [(each.subject, each.sentence) for each in found] == [
        ("job a", "It is over, and 1 of its actors live on: Worker.")
    ]


@pytest.mark.parametrize(
    ("code", "message", "exit_row", "tasks", "wanted"),
    [
        (134, LATE_STACK, row(A, KILLED), None, "Python's stack of the crash has no frame of its main module"),
        (-6, LATE_STACK, row(A, KILLED), left(1, 5), "Python's stack of the crash has no frame of its main module"),
        # In the middle of its work: the same code, the same row.
        (134, MAIN_STACK, row(A, KILLED), None, None),
        (139, NO_STACK, row(A, KILLED), left(0, 5), None),
        (1, LATE_STACK, row(A, KILLED), None, None),
        # It had said goodbye to Ray.
        (
            139, NO_STACK, row(A), TaskCounts(5, 0, 5, 0, 0),
            "its driver had left Ray in order, and 5 of its 5 tasks had finished",
        ),
        (139, NO_STACK, row(A), None, None),
        (139, NO_STACK, row(A), TaskCounts(0, 0, 0, 0, 0), None),
        (139, NO_STACK, row(A), TaskCounts(5, 1, 4, 0, 0), None),
        (139, NO_STACK, row(A), left(1, 5), None),
        (139, NO_STACK, raised(A), TaskCounts(5, 0, 5, 0, 0), None),
    ],
)  # fmt: skip
def test_a_crash_after_all_work_was_done(
    code: int, message: str, exit_row: DriverExit, tasks: TaskCounts | None, wanted: str | None
) -> None:
    known = {} if tasks is None else {"07000000": tasks}
    found = judged((A, exit_row), status="FAILED", exit_code=code, message=message, tasks=known)
    if wanted is None:
        assert (found.outcome, found.verdict, found.rule) == ("failed", "BAD", "failed")
        return
    reason = f"Its process (pid 47 on 10.0.0.7) crashed with exit code {code}, but after its work: {wanted}."
    assert told(found) == ("contradicted", "WARN", "contradicted-driver", reason)
    assert found.action.startswith("See whether its results are whole before it runs again")


def test_a_failure_tells_of_each_attempt_of_a_loop() -> None:
    runs = [run(each, began=100 - 10 * each, took=5) for each in range(1, 6)]
    found = judged(*((each, raised(each)) for each in runs), status="FAILED", message=None)
    assert told(found)[:3] == ("failed", "BAD", "failed")
    assert found.reason == (
        "It failed with exit code 1. Of its 5 drivers 5 did not end well: the first (pid 41 on 10.0.0.7) ended by an "
        "uncaught exception."
    )
    assert [each.fact.split(" (")[0] for each in found.evidence if each.rule == "driver-exception"] == [
        f"driver 0{each}000000" for each in range(1, 6)
    ]
    log = "Job entrypoint command failed with exit code 1, last available logs (truncated to 20,000 chars):\ngave up"
    quoted = judged(*((each, raised(each)) for each in runs), status="FAILED", message=log)
    assert "; the last line of its log: gave up. Of its 5 drivers 5 did not end well: " in quoted.reason
    clean = judged(*((each, row(each)) for each in runs), status="FAILED", message=None)
    assert clean.reason == "It failed with exit code 1. Of its 5 drivers all left in order, as far as Ray tells."


def test_first_drivers_are_no_jobs_of_their_own() -> None:
    first, last = run(6, began=80), run(7)
    job = submission("a", "SUCCEEDED", began=90, took=60, job_id="07000000")
    seen = snapshot(job, exits=[row(first), row(last)], actors=[actor("06000000"), actor("05000000", state="DEAD")])
    alone = {each.id for each in judge(seen, NOW)}
    assert alone == {"a", "06000000", "05000000"}
    together = {each.id for each in judge(replace(seen, drivers=Known({"a": (first, last)})), NOW)}
    assert together == {"a", "05000000"}


@pytest.mark.parametrize(
    ("own", "exit_code", "wanted"),
    [
        ((), 0, ("succeeded", "Its entrypoint exited with code 0.", None)),
        ((), 3, ("failed", "It failed with exit code 3.", None)),
        ((run(9, began=80),), 0, ("succeeded", "Its entrypoint exited with code 0.", "09000000")),
    ],
)
@pytest.mark.parametrize("earlier", [run(7, began=200), run(7, began=200, took=None)], ids=["raised", "lives"])
def test_drivers_of_a_run_before_with_its_id_are_not_its_own(
    earlier: DriverRun, own: tuple[DriverRun, ...], exit_code: int, wanted: tuple[str, str, str | None]
) -> None:
    """Ray never forgets a driver, knows it by the submission id alone, and names the one with the last id."""
    row_before = raised(earlier) if earlier.is_dead else row(earlier, None)
    ended = {"status": "FAILED" if exit_code else "SUCCEEDED", "exit_code": exit_code}
    told = submission("a", began=90, took=60, entrypoint="bash x.sh", job_id="07000000", pid=47, **ended)
    seen = snapshot(told, exits=[row_before, *(row(each) for each in own)], nodes=[HERE])
    every = {"a": (earlier, *own)}
    seen = drop_earlier_runs(replace(seen, drivers=Known(every)), every)
    found = next(each for each in judge(seen, NOW) if each.id == "a")
    assert (found.outcome.value, found.reason.split(" Ray's", 1)[0], found.job_id) == wanted
    assert seen.drivers == Known({"a": own})
    pid = seen.jobs.value[0].pid  # type: ignore[union-attr]
    assert pid == (own[-1].pid if own else None)


def test_a_table_that_is_silent_for_once_gives_back_no_driver_of_a_run_before() -> None:
    earlier = run(7, began=200)
    seen = replace(snapshot(submission("a", "SUCCEEDED", began=90, job_id="07000000")), drivers=Unknown("down"))
    cut = drop_earlier_runs(seen, {"a": (earlier,)})
    assert (cut.find_job("a").job_id, cut.drivers) == (None, Unknown("down"))  # type: ignore[union-attr]
    # Nothing to drop: the snapshot is the same object.
    for whole in ({"a": (run(7, began=90),)}, {"b": (earlier,)}, {"a": (replace(earlier, started_at=None),)}, {}):
        assert drop_earlier_runs(seen, whole) is seen


def test_what_was_proven_stays_when_a_table_falls_silent() -> None:
    job = submission("a", "SUCCEEDED", began=90, took=60, job_id="08000000")
    seen = snapshot(job, exits=[raised(A), row(B)], nodes=[HERE])
    seen = replace(seen, drivers=Known({"a": (A, B)}))
    memo = Memo()
    before = judge(seen, NOW, memo=memo)
    later = NOW + timedelta(hours=1)
    for silent in (
        replace(seen, drivers=Unknown("down")),
        replace(seen, driver_exits=Unknown("down")),
        replace(seen, driver_exits=Known({})),
    ):
        assert judge(silent, later, memo=memo) == before


def test_tasks_that_are_told_later_count() -> None:
    memo, job = Memo(), submission("a", "SUCCEEDED", began=90, took=60, job_id="07000000")
    seen = replace(snapshot(job, exits=[row(A)], nodes=[HERE]), drivers=Known({"a": (A,)}))
    assert judge(seen, NOW, memo=memo)[0].outcome == "succeeded"
    told_now = replace(seen, tasks={"07000000": left(3, 3)})
    assert judge(told_now, NOW, memo=memo)[0].outcome == "contradicted"


def test_a_plain_driver_is_told_where_its_output_is() -> None:
    job = driver("07000000", "SUCCEEDED", began=60)
    (found,) = judge(snapshot(job, exits=[raised(A)]), NOW)
    assert (found.outcome, found.action) == (
        "failed",
        "Read its output where it was started, mend the cause, run it again.",
    )

"""Submit, stop, retry and delete over jobs in memory."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import AppError, Unavailable, UpstreamFailed
from serve_app.jobs.actions.actions import Actions
from serve_app.jobs.actions.settings import JobManagement
from serve_app.jobs.actions.stop import read_grace_s, tell_force
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.models import JobType
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import NOW, Clock, FakeRay, driver, row

BODY: dict[str, Any] = {"entrypoint": ["true"], "submission_id": "j"}


def actions(ray: FakeRay, clock: Clock | None = None, **rules: Any) -> Actions:
    clock = clock or Clock()
    return Actions(
        ray, ray.find, JobManagement(**{"enabled": True, **rules}), now=clock.now, clock=clock, pause=clock.pause,
        make_id=lambda: "job-made", report_change=lambda: ray.asked.append(("changed", None)),
        list_drivers=ray.list_runs, find_diagnosis=ray.find_diagnosis, restore_judgement=ray.restore_judgement,
    )  # fmt: skip


async def refusal(asked: Any) -> AppError:
    with pytest.raises(AppError) as refused:
        await asked
    return refused.value


@pytest.mark.parametrize("asked", ["submit", "stop", "retry", "delete"])
async def test_off(asked: str) -> None:
    ray = FakeRay(rows={"j": row()})
    off = actions(ray, enabled=False)
    error = await refusal(
        {
            "submit": lambda: off.submit(BODY),
            "stop": lambda: off.stop("j", 1),
            "retry": lambda: off.retry("j", True),
            "delete": lambda: off.delete("j"),
        }[asked]()
    )
    assert (error.status, error.code, ray.asked) == (403, "job_management_off", [])


async def test_submit_once_twice_and_otherwise() -> None:
    ray = FakeRay()
    made = actions(ray)
    first = {"id": "j", "submission_id": "j", "state": "PENDING", "created": True}
    assert await made.submit(BODY) == first
    assert await made.submit(BODY) == {**first, "created": False}
    ray.jobs_by_id["j"]["status"] = "FAILED"
    assert await made.submit(BODY) == {**first, "created": False, "state": "FAILED"}
    error = await refusal(made.submit({**BODY, "entrypoint": ["false"]}))
    assert (error.status, error.code, error.members) == (409, "id_taken", {"submission_id": "j"})
    assert ray.count("submit") == 1
    assert (await made.submit({"entrypoint": ["true"]}))["id"] == "job-made"


@pytest.mark.parametrize("fail", [{}, {"submit": Unavailable("No answer.")}, {"submit": UpstreamFailed("Refused.")}])
async def test_whatever_ray_said_to_a_submission_it_may_have_been_taken(fail: dict[str, AppError]) -> None:
    ray = FakeRay(fail=fail)
    with contextlib.suppress(AppError):
        await actions(ray).submit(BODY)
    assert [what for what, _ in ray.asked].index("changed") > [what for what, _ in ray.asked].index("submit")


async def test_two_submit_the_same_at_once() -> None:
    ray = FakeRay()
    look = ray.get_job

    async def slow(id: str) -> Any:
        await asyncio.sleep(0)
        try:
            return await look(id)
        finally:
            await asyncio.sleep(0)

    ray.get_job = slow  # type: ignore[method-assign]
    both = await asyncio.gather(*(actions(ray).submit(BODY) for _ in range(2)))
    assert sorted(each["created"] for each in both) == [False, True]
    assert ray.count("submit") == 2


async def test_a_job_of_another_with_that_id() -> None:
    for metadata in (None, {}, {"seedcore.request_hash": "other"}):
        ray = FakeRay({"j": {"status": "RUNNING", "metadata": metadata}})
        assert (await refusal(actions(ray).submit(BODY))).code == "id_taken"


async def test_ray_does_not_answer_or_refuses() -> None:
    ray = FakeRay(fail={"submit": Unavailable("No answer.")})
    error = await refusal(actions(ray).submit(BODY))
    assert (error.status, error.code, error.members) == (504, "submission_unknown", {"submission_id": "j"})
    ray.fail = {"submit": UpstreamFailed("Refused.")}
    assert (await refusal(actions(ray).submit(BODY))).detail == "Refused."


# What the exception hook of a driver leaves, which may go on (a prompt).
OVERWRITTEN = {"pid": 0, "start_time_ms": 0}


def running(job_id: str | None = "02000000") -> FakeRay:
    return FakeRay(
        {"j": {"status": "RUNNING", "job_id": job_id}},
        [driver("02000000", alive=True)],
        rows={"j": row(status="RUNNING", outcome=JobOutcome.RUNNING)},
    )


async def test_a_stop_that_takes_its_time() -> None:
    ray = running()

    def happens(seconds: float) -> None:
        if seconds >= 3:
            ray.jobs_by_id["j"]["status"] = "STOPPED"
        if seconds >= 4:
            ray.drivers = [driver("02000000", alive=False)]

    done = await actions(ray, Clock(on_pause=happens)).stop("j", 10)
    assert done == {
        "id": "j",
        "submission_id": "j",
        "status": "STOPPED",
        "stopped": True,
        "already": False,
        "driver_gone": True,
        "by_force": None,
        "steps": [
            {"at": f"2026-01-01T12:00:{at}.000+00:00", "what": what}
            for at, what in (
                ("00", "Ray's supervisor was told: SIGTERM now, SIGKILL after 3 s."),
                ("00", "Ray says RUNNING."),
                ("03", "Ray says STOPPED."),
                ("04", "The worker table has the end of its driver."),
            )
        ],
        "sentence": "It is over (STOPPED), and its driver is gone.",
    }


@pytest.mark.parametrize(
    ("status", "job_id", "drivers", "stopped", "gone", "word"),
    [
        ("RUNNING", "02000000", [driver("02000000", alive=True)], False, False, "asking again does not hurry it"),
        ("PENDING", None, [], False, None, "only once it starts"),
        ("STOPPED", "02000000", [driver("02000000", alive=True)], False, False, "still alive by the worker table"),
        ("STOPPED", "02000000", [], False, None, "is not known"),
        ("STOPPED", None, [], True, None, "never connected to Ray"),
        ("STOPPED", "02000000", [{**driver("02000000", alive=False), **OVERWRITTEN}], False, None, "is not known"),
        ("SUCCEEDED", "02000000", [driver("02000000", alive=False)], True, True, "It is over (SUCCEEDED)"),
    ],
)
async def test_how_far_a_stop_got(
    status: str, job_id: str | None, drivers: list[Any], stopped: bool, gone: bool | None, word: str
) -> None:
    ray = running()
    clock = Clock(on_pause=lambda _: ray.jobs_by_id["j"].update(status=status, job_id=job_id))
    ray.drivers = drivers
    done = await actions(ray, clock).stop("j", 2)
    assert (done["stopped"], done["driver_gone"], done["status"]) == (stopped, gone, status)
    assert word in done["sentence"]
    assert clock.seconds <= 2.5


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("raw", "asked_at", "now", "grace_s", "forced"),
    [
        ({"status": "RUNNING"}, at(0), at(9), 3, None),
        ({"status": "FAILED"}, at(0), at(9), 3, False),
        ({"status": "STOPPED", "end_time": at(1).timestamp() * 1000}, at(0), at(1.5), 3, False),
        ({"status": "STOPPED", "end_time": at(2.9).timestamp() * 1000}, at(0), at(9), 3, False),
        ({"status": "STOPPED", "end_time": at(3).timestamp() * 1000}, at(0), at(9), 3, True),
        ({"status": "STOPPED", "end_time": at(3).timestamp() * 1000}, at(0), at(9), 5, False),
        ({"status": "STOPPED", "end_time": at(3).timestamp() * 1000}, None, at(9), 3, None),  # not asked for here
        ({"status": "STOPPED"}, at(0), at(9), 3, None),
        ({"status": "STOPPED", "end_time": True}, at(0), at(9), 3, None),
    ],
)
def test_whether_it_had_to_be_killed(
    raw: dict[str, Any], asked_at: datetime | None, now: datetime, grace_s: int, forced: bool | None
) -> None:
    assert tell_force(raw, asked_at, now, grace_s) is forced


@pytest.mark.parametrize(
    ("runtime_env", "environ", "grace_s"),
    [
        (None, {}, 3),
        (None, {"RAY_JOB_STOP_WAIT_TIME_S": "20"}, 20),
        ({"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "7"}}, {"RAY_JOB_STOP_WAIT_TIME_S": "20"}, 7),
        ({"env_vars": {"X": "7"}}, {}, 3),
        ({"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "soon"}}, {}, 3),
        ({"env_vars": None}, {}, 3),
    ],
)
def test_how_long_the_supervisor_waits(runtime_env: Any, environ: dict[str, str], grace_s: int) -> None:
    assert read_grace_s({"runtime_env": runtime_env}, environ) == grace_s


async def test_a_stop_by_force_is_told_also_when_it_is_asked_for_again() -> None:
    ray = running(None)
    ray.jobs_by_id["j"]["runtime_env"] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": "2"}}

    def happens(seconds: float) -> None:
        if seconds >= 2:
            ray.jobs_by_id["j"].update(status="STOPPED", end_time=at(2.1).timestamp() * 1000)

    clock = Clock(on_pause=happens)
    managed = actions(ray, clock)
    first, second = await managed.stop("j", 1), await managed.stop("j", 9)
    ray.rows["j"] = row(status="STOPPED", outcome=JobOutcome.STOPPED)
    third = await managed.stop("j", 9)
    assert [each["by_force"] for each in (first, second, third)] == [None, True, True]
    assert first["steps"][0]["what"] == "Ray's supervisor was told: SIGTERM now, SIGKILL after 2 s."
    assert second["sentence"] == (
        "It is over (STOPPED). It never connected to Ray, so only Ray's supervisor tells this. It was ended by force "
        "(SIGKILL): it had not ended 2 s after SIGTERM; RAY_JOB_STOP_WAIT_TIME_S in its env_vars gives it longer."
    )
    assert third["already"] is True


def run(number: int, *, dead: bool) -> DriverRun:
    return DriverRun(f"0{number}000000", "j", "python a.py", dead, 40 + number, "n1", "10.0.0.7")


EXCEPTION = {**driver("02000000", alive=False), **OVERWRITTEN}


@pytest.mark.parametrize(
    ("status", "exit_code", "drivers", "runs", "wanted"),
    [
        # The exception hook overwrote the row; the job table, or the exit code of the command, proves the end.
        ("FAILED", None, [EXCEPTION], [run(2, dead=True)], (True, True, "It is over (FAILED), and its driver is gone")),
        ("STOPPED", None, [EXCEPTION], [run(1, dead=True), run(2, dead=True)], (True, True, "It is over (STOPPED)")),
        ("FAILED", 1, [EXCEPTION], [], (True, True, "It is over (FAILED), and its driver is gone.")),
        ("STOPPED", None, [EXCEPTION], [], (False, None, "whether its driver is gone is not known")),
        # An exception at a prompt overwrites the row of a driver that lives.
        ("STOPPED", None, [EXCEPTION], [run(2, dead=False)], (False, False, "(pid 42 on 10.0.0.7) is still alive")),
        # A first driver lives on, though the last, which Ray's list shows, is gone.
        (
            "STOPPED", None, [driver("02000000", alive=False)], [run(1, dead=False), run(2, dead=True)],
            (False, False, "its driver (pid 41 on 10.0.0.7) is still alive by the worker table; look again. If it "
             "stays, a person can end it there"),
        ),
        # The worker table knew it first.
        ("STOPPED", None, [driver("02000000", alive=False)], [run(2, dead=False)], (True, True, "It is over")),
        ("RUNNING", None, [driver("02000000", alive=True)], [run(2, dead=True)], (False, True, "says RUNNING still")),
    ],
)  # fmt: skip
async def test_every_driver_of_it_must_be_gone(
    status: str, exit_code: int | None, drivers: list[Any], runs: list[DriverRun], wanted: tuple[bool, bool | None, str]
) -> None:
    ray = running()
    ray.drivers, ray.runs = drivers, tuple(runs)
    over = {"status": status, "driver_exit_code": exit_code}
    done = await actions(ray, Clock(on_pause=lambda _: ray.jobs_by_id["j"].update(over))).stop("j", 2)
    assert (done["stopped"], done["driver_gone"], wanted[2] in done["sentence"]) == (*wanted[:2], True), done[
        "sentence"
    ]


async def test_a_driver_that_lives_on_is_named_and_not_stopped() -> None:
    ray = FakeRay({"j": {"status": "SUCCEEDED"}}, rows={"j": row(status="SUCCEEDED", outcome=JobOutcome.RUNNING)})
    ray.runs = (run(1, dead=False), run(2, dead=True))
    error = await refusal(actions(ray).stop("j", 1))
    assert (error.code, error.members, ray.count("stop")) == ("driver_lives_on", {"node_id": "n1", "pid": 41}, 0)
    assert error.detail == (
        "Ray calls this job over (SUCCEEDED) and can stop only what it started, but its driver (pid 41 on 10.0.0.7) "
        "lives on. A person can end that process there."
    )


async def test_a_driver_of_a_run_before_with_its_id_is_none_of_its_own() -> None:
    before = replace(run(2, dead=False), started_at=at(-60))
    raw = {"status": "STOPPED", "job_id": "02000000", "start_time": at(0).timestamp() * 1000}
    ray = FakeRay({"j": raw}, [driver("02000000", alive=True)], rows={"j": row()})
    ray.runs = (before,)
    done = await actions(ray).stop("j", 1)
    assert (done["stopped"], done["driver_gone"]) == (True, None)
    assert done["sentence"].startswith("It was over already (STOPPED). It never connected to Ray")
    ray.rows["j"] = row(status="STOPPED", outcome=JobOutcome.RUNNING, started_at=at(0))
    assert (await refusal(actions(ray).stop("j", 1))).code == "supervisor_lost"


async def test_that_ray_does_not_answer_is_no_death() -> None:
    ray = running()
    ray.fail = {"drivers": Unavailable("Ray's dashboard cannot be reached.")}
    done = await actions(ray).stop("j", 1)
    assert (done["stopped"], done["driver_gone"], done["status"]) == (False, None, "")
    assert done["steps"][-1]["what"] == "Ray's dashboard cannot be reached."
    assert done["sentence"] == "Ray could not be asked what became of it; look again."


async def test_a_wait_is_bounded_and_a_supervisor_may_be_gone() -> None:
    ray, clock = running(), Clock()
    ray.supervised = False
    done = await actions(ray, clock).stop("j", 1e9)
    assert 30 <= clock.seconds <= 31
    assert "nobody to tell" in done["steps"][0]["what"]


async def test_stopping_what_is_over_changes_nothing() -> None:
    ray = FakeRay({"j": {"status": "FAILED", "job_id": None}}, rows={"j": row()})
    done = await actions(ray).stop("j", 10)
    assert (done["already"], done["stopped"], ray.count("stop")) == (True, True, 0)


async def test_what_ray_cannot_stop() -> None:
    plain = row(type=JobType.DRIVER, submission_id=None, job_id="02000000", outcome=JobOutcome.RUNNING)
    error = await refusal(actions(FakeRay(rows={"j": plain})).stop("j", 1))
    assert (error.status, error.code, error.members) == (409, "not_a_submission", {"node_id": "n1", "pid": None})
    lost = FakeRay({"j": {"status": "FAILED"}}, rows={"j": row(outcome=JobOutcome.RUNNING)})
    assert (await refusal(actions(lost).stop("j", 1))).code == "supervisor_lost"
    assert lost.count("stop") == 0
    assert (await refusal(actions(FakeRay()).stop("none", 1))).code == "job_not_found"


KILLED = {"status": "FAILED", "driver_exit_code": 137, "entrypoint": "x", "metadata": {"team": "a"}}


async def test_a_retry_and_the_same_again() -> None:
    ray = FakeRay({"j": dict(KILLED)}, rows={"j": row()})
    made = actions(ray)
    first = {
        "id": "j-retry-1", "submission_id": "j-retry-1", "state": "PENDING", "created": True, "retry_of": "j",
        "attempt": 1, "chance": "transient", "reason": "it was killed (exit code 137)",
    }  # fmt: skip
    assert await made.retry("j", False) == first
    assert await made.retry("j", False) == {**first, "created": False}
    assert ray.count("submit") == 1
    ray.jobs_by_id["j-retry-1"]["status"] = "FAILED"
    error = await refusal(made.retry("j", True))
    assert (error.code, error.members) == ("already_retried", {"submission_id": "j-retry-1"})


async def test_a_retry_of_an_earlier_run_with_its_id_is_passed_over() -> None:
    began = {"start_time": at(0).timestamp() * 1000}
    old = {"status": "SUCCEEDED", "start_time": began["start_time"] - 1, "metadata": {"seedcore.retry_of": "j"}}
    jobs = {"j": {**KILLED, **began}, "j-retry-1": old, "j-retry-2": old}
    ray = FakeRay(jobs, rows={"j": row(started_at=at(0))})
    made = actions(ray, max_attempts=1)
    first = await made.retry("j", False)
    assert (first["id"], first["attempt"], first["created"]) == ("j-retry-3", 3, True)
    assert ray.jobs_by_id["j-retry-3"]["metadata"]["seedcore.attempt"] == "3"
    # Of this run it is still made once.
    assert await made.retry("j", False) == {**first, "created": False}
    ray.jobs_by_id["j-retry-3"] |= {"status": "FAILED", **began}
    error = await refusal(made.retry("j", False))
    assert (error.code, error.members) == ("already_retried", {"submission_id": "j-retry-3"})


async def test_a_retry_does_not_take_the_job_of_another() -> None:
    ray = FakeRay({"j": dict(KILLED), "j-retry-1": {"status": "RUNNING", "metadata": {}}}, rows={"j": row()})
    assert (await refusal(actions(ray).retry("j", True))).code == "id_taken"


class Past:
    """Jobs that only the history knows."""

    def __init__(self, **sessions: str) -> None:
        self.rows = {id: {"id": id, "submission_id": id, "session": session} for id, session in sessions.items()}

    async def find(self, wanted: str) -> dict[str, Any] | None:
        row = self.rows.get(wanted)
        return None if row is None else {"key": f"{row['session']}/{wanted}", "row": row}

    async def forget(self, key: str) -> bool:
        return self.rows.pop(key.partition("/")[2], None) is not None


async def test_delete_what_only_the_history_knows() -> None:
    past = Past(old="s0", gone="s1")
    done = [await actions(FakeRay()).delete_past(id, past, "s1") for id in ("old", "gone")]
    assert [each["sentence"] for each in done] == [
        "It was of another session; the history has forgotten it: no list, figure or rate has it any more.",
        "Ray had forgotten it already; the history has forgotten it: no list, figure or rate has it any more.",
    ]
    assert past.rows == {}
    assert (await refusal(actions(FakeRay()).delete_past("old", past, "s1"))).code == "job_not_found"


NEVER = "Ray refused it after it had noted it; nobody will ever start it."


@pytest.mark.parametrize("id", ["team/etl 2026", "x" * 241])
async def test_what_never_starts_can_be_neither_stopped_nor_deleted(id: str) -> None:
    seen = row(id, status="PENDING", outcome=JobOutcome.PENDING, rule="pending-never-starts", reason=NEVER)
    ray = FakeRay({id: {"status": "PENDING"}}, rows={id: seen})
    for asked in (actions(ray).stop(id, 1), actions(ray).delete(id)):
        error = await refusal(asked)
        assert (error.status, error.code) == (409, "never_starts")
        assert error.detail == f"{NEVER} There is nothing to stop, and Ray deletes only what is over."
    assert (ray.count("stop"), ray.count("delete")) == (0, 0)


async def test_a_stop_that_found_nobody_to_tell_says_nothing_else() -> None:
    ray = FakeRay({"j": {"status": "PENDING"}}, rows={"j": row(status="PENDING", outcome=JobOutcome.PENDING)})
    ray.supervised = False
    done = await actions(ray).stop("j", 0)
    assert [step["what"] for step in done["steps"]] == [
        "Ray has no supervisor for it any more, so there was nobody to tell.",
        "Ray says PENDING.",
    ]
    assert done["sentence"] == "It has not started, and Ray has no supervisor for it that could be told; look again."


async def test_what_is_done_is_done_to_the_run_that_was_concluded() -> None:
    """Ray has another run under the id, and the latest look does not know it yet: nothing of the old one counts."""
    for asked in ("retry", "delete"):
        ray = FakeRay(
            {"j": {"status": "FAILED", "start_time": 2}}, rows={"j": row(started_at=datetime.fromtimestamp(1, UTC))}
        )
        doing = actions(ray).retry("j", True) if asked == "retry" else actions(ray).delete("j")
        error = await refusal(doing)
        assert (error.status, error.code) == (503, "not_concluded")
        assert (ray.count("submit"), ray.count("delete")) == (0, 0)


async def test_delete() -> None:
    ray = FakeRay({"j": dict(KILLED)}, rows={"j": row()})
    done = await actions(ray).delete("j")
    assert (done["deleted"], ray.jobs_by_id) == (True, {})
    assert done["sentence"] == (
        "Ray and the history have forgotten it: no list, figure or rate has it any more. Its log stays on its node "
        "until Ray's session ends."
    )
    for status in ("RUNNING", "FAILED"):
        ray = FakeRay({"j": {"status": status}}, rows={"j": row(status=status, outcome=JobOutcome.RUNNING)})
        assert (await refusal(actions(ray).delete("j"))).code == "still_on_its_way"
        assert ray.count("delete") == 0


@pytest.mark.parametrize(
    ("ended_s_ago", "waited_s"), [(None, 0.0), (9, 0.0), (3, 0.0), (0.5, 2.5), (0, 3.0), (-60, 3.0)]
)
async def test_what_has_just_ended_is_deleted_when_the_watcher_of_ray_has_seen_it(
    ended_s_ago: float | None, waited_s: float
) -> None:
    ended = None if ended_s_ago is None else (NOW - timedelta(seconds=ended_s_ago)).timestamp() * 1000
    ray = FakeRay({"j": {**KILLED, "end_time": ended}}, rows={"j": row()})
    clock = Clock()
    assert (await actions(ray, clock).delete("j"))["deleted"] is True
    assert clock.seconds == waited_s


@pytest.mark.parametrize("asked", ["delete", "retry"])
async def test_the_latest_look_may_be_older_than_what_ray_says(asked: str) -> None:
    ray = FakeRay({"j": dict(KILLED)}, rows={"j": row(status="RUNNING", outcome=JobOutcome.RUNNING)})
    clock = Clock(on_pause=lambda seconds: ray.rows.update(j=row()) if seconds >= 2 else None)
    made = actions(ray, clock)
    done = await (made.delete("j") if asked == "delete" else made.retry("j", False))
    assert (done.get("deleted") or done["created"], clock.seconds) == (True, 2)
    ray = FakeRay({"j": dict(KILLED)}, rows={"j": row(status="RUNNING", outcome=JobOutcome.RUNNING)})
    made = actions(ray)
    assert (await refusal(made.delete("j") if asked == "delete" else made.retry("j", True))).code == "not_concluded"
    assert ray.count("submit") + ray.count("delete") == 0


async def test_what_was_contradicted_may_be_tried_again_when_ray_has_forgotten_why() -> None:
    succeeded = row(status="SUCCEEDED", outcome=JobOutcome.SUCCEEDED)
    ray = FakeRay({"j": {"status": "SUCCEEDED", "entrypoint": "true"}}, rows={"j": succeeded})
    assert (await refusal(actions(ray).retry("j", False))).code == "succeeded"
    ray.restored["j"] = row(status="SUCCEEDED", outcome=JobOutcome.CONTRADICTED)
    made = await actions(ray).retry("j", False)
    assert (made["id"], made["chance"]) == ("j-retry-1", "unknown")

"""A log that holds several runs with one id: each is told by itself, and values of its environment are hidden."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from serve_app.errors import AppError
from serve_app.jobs.logs import logs as module
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import AGENT, Clock, FakeRay, row
from tests.unit.jobs.logs.test_logs import everything, logs_of

FIRST_AT, SECOND_AT = datetime(2026, 1, 1, 11, tzinfo=UTC), datetime(2026, 1, 1, 11, 30, tzinfo=UTC)
MARK = b"Running entrypoint for job j: python a.py\n"


def set_up(at: datetime) -> bytes:
    local = at.astimezone()
    return f"{local:%Y-%m-%d %H:%M:%S},007\tINFO job_manager.py:581 -- Runtime env is setting up.\n".encode()


FIRST = set_up(FIRST_AT) + MARK + b"ModuleNotFoundError: No module named 'fastshard'\n"
SECOND = set_up(SECOND_AT) + MARK
SHOWN = [SECOND.decode().splitlines()[0], "Running entrypoint for job j: python a.py"]


def ray_with(log: bytes, *, began: datetime = SECOND_AT, status: str = "FAILED", **changes: Any) -> FakeRay:
    raw = {"status": status, "driver_agent_http_address": AGENT, "start_time": int(began.timestamp() * 1000), **changes}
    seen = row(status=status, outcome=JobOutcome.FAILED, started_at=began)
    return FakeRay({"j": raw}, log=log, rows={"j": seen, seen.run: seen})


async def test_a_tail_is_of_the_last_run() -> None:
    logs = logs_of(ray_with(FIRST + SECOND + b"second\n"))
    found = await logs.read_tail("j", 200)
    assert found["lines"] == [*SHOWN, "second"]
    assert (found["truncated"], found["size_bytes"]) == (False, len(FIRST + SECOND) + 7)
    assert found["source"] == f"job-driver-j.log from byte {len(FIRST)}"
    short = await logs.read_tail("j", 1)
    assert (short["lines"], short["truncated"]) == (["second"], True)
    whole = await logs.read_tail("j", 200, all_runs=True)
    assert whole["lines"] == (FIRST + SECOND + b"second\n").decode().splitlines()
    assert (whole["truncated"], whole["source"]) == (False, "job-driver-j.log")


async def test_a_run_that_wrote_nothing_has_no_line_of_the_one_before() -> None:
    assert (await logs_of(ray_with(FIRST + SECOND)).read_tail("j", 200))["lines"] == SHOWN


async def test_what_is_read_for_a_tail_ends_where_the_run_begins() -> None:
    ray = ray_with(b"old\n" * 400_000 + SECOND + b"second\n")
    found = await logs_of(ray).read_tail("j", 10_000)
    assert (len(found["lines"]), found["truncated"]) == (3, False)
    assert [argument[2] for name, argument in ray.asked if name == "piece"] == [131_072]


async def refuse(asked: Any) -> str:
    with pytest.raises(AppError) as refused:
        await asked
    return f"{refused.value.status} {refused.value.code}: {refused.value.detail}"


AGAIN = "It was submitted again with the same id, and this was the log of the run before."


async def test_a_run_is_asked_for_by_its_start() -> None:
    ray = ray_with(FIRST + SECOND)
    first = row(status="FAILED", started_at=FIRST_AT)
    ray.rows[first.run] = first
    logs = logs_of(ray)
    assert await refuse(logs.read_tail(first.run, 5)) == f"404 another_run: {AGAIN}"
    assert (await logs.read_tail(ray.rows["j"].run, 5))["lines"] == SHOWN
    # By the id alone it is the newest, whichever the last look saw.
    ray.rows["j"] = first
    assert (await logs.read_tail("j", 5))["lines"] == SHOWN


async def test_following_begins_with_the_run() -> None:
    for after, lines in ((None, [*SHOWN, "x"]), (0, [*SHOWN, "x"]), (5, [*SHOWN, "x"]), (len(FIRST + SECOND), ["x"])):
        items = await everything(logs_of(ray_with(FIRST + SECOND + b"x\n"), Clock()).follow("j", 200, after))
        told = [text for item in items for text, _ in item.get("lines", [])]
        assert (after, told) == (after, lines)
        assert items[-1]["end"]["reason"] == "ended"


async def test_following_ends_where_another_run_begins() -> None:
    ray = ray_with(FIRST, began=FIRST_AT, status="RUNNING")

    def happens(seconds: float) -> None:
        if ray.log == FIRST and seconds > 2:
            ray.log = FIRST + SECOND + b"not its own\n"
            ray.jobs_by_id["j"] = {**ray.jobs_by_id["j"], "start_time": int(SECOND_AT.timestamp() * 1000)}

    clock = Clock()
    clock.on_pause = happens
    items = await everything(logs_of(ray, clock).follow("j", 1, None))
    assert [text for item in items for text, _ in item.get("lines", [])] == [FIRST.decode().splitlines()[-1]]
    assert items[-1] == {
        "end": {"id": "j", "reason": "log_gone", "status": "RUNNING", "outcome": None, "sentence": AGAIN}
    }


async def test_values_of_its_environment_are_hidden() -> None:
    env = {"env_vars": {"X_U": "CANARY-04", "X_C": "Server=db;Uid=svc;Pwd=CANARY-05;"}}
    said = b"no login with 'CANARY-04' via Server=db;Uid=svc;Pwd=CANARY-05; or CANARY-05\n"
    ray = ray_with(FIRST + SECOND + said, runtime_env=env)
    logs = logs_of(ray, Clock())
    wanted = "no login with '[redacted]' via [redacted] or [redacted]"
    assert (await logs.read_tail("j", 1))["lines"] == [wanted]
    for after in (None, 0, len(FIRST + SECOND)):
        items = await everything(logs_of(ray, Clock()).follow("j", 1, after))
        assert [text for item in items for text, _ in item.get("lines", [])][-1] == wanted


async def test_an_id_that_can_be_no_file() -> None:
    for id in ("team/etl 2026", "x" * 241, "a\\b"):
        ray = FakeRay(rows={id: row(id)})
        told = await refuse(logs_of(ray).read_tail(id, 1))
        assert told.startswith("404 no_driver_log: Ray keeps the log of a submission in a file that is named by its id")
    assert module.FEW_BYTES == 131_072

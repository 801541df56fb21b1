"""What Prometheus is told of jobs: from the look that there is, each ending once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.answers.metrics import Endings, JobMetrics
from serve_app.jobs.history.archive import Archive
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.watch import JobWatch
from tests.unit.jobs.judging.test_judge import snapshot, submission
from tests.unit.jobs.recordings import Replay, taken_at
from tests.unit.jobs.test_inspector import Clock, Here


def rows(*jobs: Any) -> Any:
    made = snapshot(*jobs)
    return judge(made, made.taken_at)


def test_each_ending_is_told_once() -> None:
    endings = Endings()
    old, running, done = submission("old", "FAILED"), submission("a", "RUNNING"), submission("a", "SUCCEEDED")
    assert endings.list_new(rows(old, running)) == []  # what had ended before is nobody's news
    assert endings.list_new(rows(old, running)) == []
    ((kind, outcome, duration_s),) = endings.list_new(rows(old, done, submission("b", "PENDING")))
    assert (kind, outcome, duration_s) == ("user", "succeeded", 5.0)
    assert endings.list_new(rows(old, done)) == []
    assert [each[1] for each in endings.list_new(rows(done, submission("short", "FAILED")))] == ["failed"]


def test_rows_that_are_no_jobs_do_not_end() -> None:
    endings = Endings()
    endings.list_new([])
    assert endings.list_new([replace(row, derived=True) for row in rows(submission("a", "FAILED"))]) == []


async def test_observed() -> None:
    ray, clock = Replay(), Clock()
    watch = JobWatch(ray, Here(), None, taken_at, clock)  # type: ignore[arg-type]
    metrics = JobMetrics(watch, Archive(None), clock)
    assert await metrics.read_observed() == {"degraded": ["Ray has not answered yet."]}
    assert ray.asked == []
    await watch.get()
    asked = len(ray.asked)
    clock.now += 3
    told = await metrics.read_observed()
    assert len(ray.asked) == asked
    assert (len(told["jobs"]), told["ended"], told["look_age_s"], told["degraded"]) == (39, [], 3.0, [])
    assert ("user", "failed", "BAD") in told["jobs"]
    assert set(told["ratios"]) == {"5m", "1h", "24h"}
    assert told["ratios"]["24h"] == {"success_ratio": 0.266667, "error_ratio": 0.733333}
    # Ray forgets a gauge that it is not told for 20 s: between two counts each look tells the last.
    for _ in range(20):
        clock.now += 5
        assert set((await metrics.read_observed())["ratios"]) == {"5m", "1h", "24h"}
    await watch.close()


async def test_a_store_that_hangs_keeps_no_gauge_waiting_and_what_it_counted_long_ago_is_not_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ray, clock = Replay(), Clock()
    watch = JobWatch(ray, Here(), None, taken_at, clock)  # type: ignore[arg-type]
    archive = Archive(None)
    metrics = JobMetrics(watch, archive, clock)
    await watch.get()
    assert "ratios" in await metrics.read_observed()
    monkeypatch.setattr("serve_app.jobs.answers.metrics._COUNT_TIMEOUT_S", 0.01)
    hangs = 0

    async def hang(*_: object, **__: object) -> None:
        nonlocal hangs
        hangs += 1
        await asyncio.Event().wait()

    monkeypatch.setattr(archive, "count_ended", hang)
    told = []
    for _ in range(30):
        clock.now += 5
        told.append("ratios" in await metrics.read_observed())
    # Told for two minutes, and asked for every 30 s, all windows at once.
    assert told == [True] * 23 + [False] * 7
    assert hangs == 15
    await watch.close()


async def test_a_list_that_is_not_known_says_nothing_of_jobs() -> None:
    ray, clock = Replay(), Clock()
    ray.fail["jobs"] = "Ray is too busy."
    watch = JobWatch(ray, Here(), None, taken_at, clock)  # type: ignore[arg-type]
    await watch.get()
    told = await JobMetrics(watch, Archive(None), clock).read_observed()
    assert set(told) == {"look_duration_s", "look_age_s", "degraded"}
    assert "Ray is too busy." in " ".join(told["degraded"])
    await watch.close()

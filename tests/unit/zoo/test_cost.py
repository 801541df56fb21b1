"""What is counted and shown of costs; nothing is started here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from tests.zoo.cost.__main__ import render_figures
from tests.zoo.cost.counting import Counts, name_question
from tests.zoo.cost.made_up import NODE, MadeUp


@pytest.mark.parametrize(
    ("path", "filters", "name"),
    [
        ("/api/jobs/", [], "GET /api/jobs/"),
        ("/api/jobs/raysubmit_00000000000000a7", [], "GET /api/jobs/*"),
        ("/api/jobs/cost-007/logs", [], "GET /api/jobs/*/logs"),
        (f"/nodes/{NODE}", [], "GET /nodes/*"),
        ("/nodes", [], "GET /nodes"),
        ("/api/v0/tasks", ["job_id", "state"], "GET /api/v0/tasks by job_id, state"),
    ],
)
def test_a_question_is_counted_without_its_ids(path: str, filters: list[str], name: str) -> None:
    assert name_question("GET", path, filters) == name


def test_questions_are_counted_since_the_last_begin() -> None:
    counts = Counts()
    counts.add("a", 1)
    counts.clear()
    for name in ("a", "b", "b"):
        counts.add(name, 10)
    assert counts.read() == ({"b": 2, "a": 1}, 30)
    assert list(counts.read()[0]) == ["b", "a"]


async def ask(made_up: MadeUp, path: str) -> tuple[int, Any]:
    answer = await made_up.answer(make_mocked_request("GET", path))
    assert isinstance(answer, web.Response)
    assert isinstance(answer.body, bytes)
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize(
    ("path", "count"),
    [
        ("/api/v0/workers?limit=10000", 6),
        ("/api/v0/workers?limit=2", 2),
        ("/api/v0/workers?limit=9&filter_keys=worker_type&filter_predicates=%3D&filter_values=DRIVER", 3),
        ("/api/v0/tasks?limit=9&filter_keys=state&filter_predicates=!%3D&filter_values=FINISHED", 3),
        (
            "/api/v0/tasks?limit=9&filter_keys=state&filter_predicates=%3D&filter_values=RUNNING"
            "&filter_keys=job_id&filter_predicates=%3D&filter_values=00000003",
            1,
        ),
        ("/api/v0/placement_groups?limit=9", 0),
    ],
)
async def test_tables_are_filtered_as_ray_filters_them(path: str, count: int) -> None:
    status, answer = await ask(MadeUp(3, 1_000.0), path)
    assert (status, len(answer["data"]["result"]["result"])) == (200, count)


async def test_the_jobs_run_and_their_processes_work() -> None:
    made_up = MadeUp(3, 1_000.0)
    _, jobs = await ask(made_up, "/api/jobs/")
    assert [job["status"] for job in jobs] == ["RUNNING"] * 3
    assert (await ask(made_up, f"/api/jobs/{jobs[1]['submission_id']}"))[1] == jobs[1]
    assert (await ask(made_up, "/api/jobs/none"))[0] == 404
    used = [
        (await ask(made_up, f"/nodes/{NODE}"))[1]["data"]["detail"]["workers"][0]["cpuTimes"]["user"] for _ in range(2)
    ]
    assert used[1] > used[0]


def test_sides_stand_beside_each_other() -> None:
    side: dict[str, Any] = {"simulated": {"cores": 0.05, "questions": {"GET /nodes": 12.0}}}
    other: dict[str, Any] = {"simulated": {"cores": 0.07, "questions": {"GET /nodes/*": 4.0}}}
    assert [line.split() for line in render_figures({"before": side, "here": other}).splitlines()] == [
        ["simulated", "before", "here"],
        ["cores", "0.05", "0.07"],
        ["a", "minute:", "GET", "/nodes", "12.0", "0"],
        ["a", "minute:", "GET", "/nodes/*", "0", "4.0"],
    ]

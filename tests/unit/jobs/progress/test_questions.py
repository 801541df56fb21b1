"""The questions about one job: what is asked, and what is said when there is no answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from serve_app.cluster.dashboard import DashboardClient, Piece
from serve_app.errors import AppError, NotFound, Unavailable
from serve_app.jobs.models import Known, Unknown
from serve_app.jobs.progress.models import LogFacts, Stack
from serve_app.jobs.progress.processes import UNCONNECTED
from serve_app.jobs.progress.questions import DISABLED, MOST_DRIVERS, JobQuestions
from serve_app.jobs.progress.stacks import NOT_INSTALLED, render_stack
from tests.unit.jobs.progress.examples import DUMP
from tests.unit.jobs.progress.test_rows import TASK


def listed(*rows: Any, matching: int | None = None) -> dict[str, Any]:
    return {"result": True, "data": {"result": {"result": list(rows), "num_filtered": matching or len(rows)}}}


@dataclass
class FakeDashboard(DashboardClient):
    """The real client, whose answers come by path; errors are raised."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, list[tuple[str, str]]]] = field(default_factory=list)

    async def get_json(self, path: str, params: Any = None) -> Any:
        parts = urlsplit(path)
        self.asked.append((parts.path, parse_qsl(parts.query)))
        return self._say(parts.path)

    async def get_text(self, path: str, params: Any) -> tuple[int, str]:
        self.asked.append((path, sorted(params.items())))
        answer: tuple[int, str] = self._say(f"{path} {params['pid']}")
        return answer

    async def summarize_tasks(self, job_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self._say("summary")
        return answer

    def _say(self, what: str) -> Any:
        answer = self.answers[what]
        if isinstance(answer, Exception):
            raise answer
        return answer


ON = {"data": {"profilingEnabled": True}}
DUMPED = {
    "/api/profiling_enabled": ON,
    "/worker/traceback 7": (200, DUMP),
    "/worker/traceback 8": (500, "py-spy is not installed"),
}
SUMMARY = {"result": {"node_id_to_summary": {"cluster": {"summary": {"f": {"state_counts": {"RUNNING": 1}}}}}}}


def questions(end: Any = None, **answers: Any) -> tuple[JobQuestions, FakeDashboard]:
    async def log_since(submission_id: str, after: int | None, most_bytes: int) -> Piece | None:
        if isinstance(end, AppError):
            raise end
        return end  # type: ignore[no-any-return]

    dashboard = FakeDashboard(answers)
    return JobQuestions(dashboard, log_since), dashboard


def filters(*wanted: tuple[str, str, str]) -> list[tuple[str, str]]:
    names = ("filter_keys", "filter_predicates", "filter_values")
    return [pair for each in wanted for pair in zip(names, each, strict=True)]


async def test_tasks_that_have_not_ended() -> None:
    ask, dashboard = questions(summary=SUMMARY, **{"/api/v0/tasks": listed(TASK, matching=3)})
    work = await ask.ask_work("03000000")
    assert isinstance(work, Known)
    assert (work.value.counts, [each.name for each in work.value.unfinished]) == ({"RUNNING": 1}, ["produce"])
    assert work.value.note == "1 of 3 unfinished tasks are looked at"
    wanted = filters(("job_id", "=", "03000000"), ("state", "!=", "FINISHED"), ("state", "!=", "FAILED"))
    assert dashboard.asked == [("/api/v0/tasks", [("detail", "1"), ("limit", "200"), *wanted])]


async def test_tasks_of_several_drivers_are_those_of_one_job() -> None:
    ask, dashboard = questions(summary=SUMMARY, **{"/api/v0/tasks": listed(TASK, matching=3)})
    ids = [f"{number:02}000000" for number in range(MOST_DRIVERS + 1)]
    work = await ask.ask_work(*ids[:2])
    assert isinstance(work, Known)
    assert (work.value.counts, [each.name for each in work.value.unfinished]) == ({"RUNNING": 2}, ["produce"] * 2)
    assert work.value.note == "2 of 6 unfinished tasks are looked at"
    wanted = [filters(("job_id", "=", id), ("state", "!=", "FINISHED"), ("state", "!=", "FAILED")) for id in ids[:2]]
    assert [asked[2:] for _, asked in dashboard.asked] == wanted
    dashboard.asked.clear()
    cut = await ask.ask_work(*ids)
    assert isinstance(cut, Known)
    assert len(dashboard.asked) == MOST_DRIVERS
    assert cut.value.note == (
        f"{MOST_DRIVERS} of {3 * MOST_DRIVERS} unfinished tasks are looked at; "
        f"tasks of {MOST_DRIVERS} of {len(ids)} drivers are looked at"
    )


@pytest.mark.parametrize(
    ("name", "table", "times"),
    [("actors", "actors", 2), ("groups", "placement_groups", 2), ("references", "objects", 1)],
)
async def test_tables_of_several_drivers(name: str, table: str, times: int) -> None:
    """Ray asks every node for references, so that is asked once."""
    ask, dashboard = questions(**{f"/api/v0/{table}": listed()})
    assert await getattr(ask, f"ask_{name}")("j", "k") == Known(())
    assert [path for path, _ in dashboard.asked] == [f"/api/v0/{table}"] * times
    refused, _ = questions(**{f"/api/v0/{table}": Unavailable("Ray is down.")})
    assert await getattr(refused, f"ask_{name}")("j", "k") == Unknown("Ray is down.")


@pytest.mark.parametrize(
    ("name", "table", "wanted"),
    [
        ("actors", "actors", (("job_id", "=", "j"), ("state", "!=", "ALIVE"), ("state", "!=", "DEAD"))),
        (
            "groups",
            "placement_groups",
            (("creator_job_id", "=", "j"), ("state", "!=", "CREATED"), ("state", "!=", "REMOVED")),
        ),
        ("references", "objects", (("type", "=", "WORKER"),)),
    ],
)
async def test_tables(name: str, table: str, wanted: Any) -> None:
    ask, dashboard = questions(**{f"/api/v0/{table}": listed()})
    assert await getattr(ask, f"ask_{name}")("j") == Known(())
    ((path, asked),) = dashboard.asked
    assert (path, asked[2:]) == (f"/api/v0/{table}", filters(*wanted))


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Unavailable("Ray is down."), "Ray is down."),
        ({"result": False, "msg": "no token=canary"}, "Ray refused its list of actors: no token=[redacted]"),
        ({"result": True, "data": {}}, "Ray's list of actors has no rows."),
        ([], "Ray refused its list of actors: None"),
    ],
)
async def test_what_is_no_answer(answer: Any, why: str) -> None:
    ask, _ = questions(**{"/api/v0/actors": answer})
    assert await ask.ask_actors("j") == Unknown(why)


@pytest.mark.parametrize(
    ("end", "submission_id", "section"),
    [
        (Piece(b"x", 9, 10), "s", Known(LogFacts(10))),
        (None, "s", Unknown("No node has begun with it, so there is no log yet.")),
        (NotFound("There is no such log."), "s", Unknown("There is no such log.")),
        (None, None, Unknown("Ray keeps no log of a driver that was started by hand")),
    ],
)
async def test_the_log(end: Any, submission_id: str | None, section: Any) -> None:
    ask, _ = questions(end)
    assert await ask.ask_log(submission_id, None) == section


async def test_processors_of_a_few_nodes() -> None:
    nodes = {f"/nodes/n{number}": {"data": {"detail": {"now": 5.0, "workers": []}}} for number in range(4)}
    ask, dashboard = questions(**nodes)
    many = {f"n{number}": [7] for number in range(9)}
    assert await ask.ask_processor(many) == Unknown(
        "Ray's figures of the node do not have its processes (they come every few seconds)."
    )
    assert dashboard.asked == [(f"/nodes/n{number}", [("nocache", "1")]) for number in range(4)]
    assert await ask.ask_processor({}) == Unknown(UNCONNECTED)


DRIVER, WORKER = ("driver", "n1", 7), ("worker of f", "n1", 8)


@pytest.mark.parametrize(
    ("answers", "processes", "section"),
    [
        (DUMPED, [DRIVER], Known((Stack(7, "n1", "driver", render_stack(DUMP)),))),
        # Some are better than none.
        (DUMPED, [DRIVER, WORKER], Known((Stack(7, "n1", "driver", render_stack(DUMP)),))),
        (DUMPED, [WORKER], Unknown(NOT_INSTALLED)),
        (DUMPED, [], Unknown(UNCONNECTED)),
        ({"/api/profiling_enabled": {"data": {"profilingEnabled": False}}}, [DRIVER], Unknown(DISABLED)),
        ({"/api/profiling_enabled": {}}, [DRIVER], Unknown(DISABLED)),
        ({"/api/profiling_enabled": Unavailable("Ray is down.")}, [DRIVER], Unknown("Ray is down.")),
        ({**DUMPED, "/worker/traceback 7": (403, "Profiling is disabled")}, [DRIVER], Unknown(DISABLED)),
        ({**DUMPED, "/worker/traceback 7": TimeoutError()}, [DRIVER], Unknown("Ray did not answer in time.")),
    ],
)
async def test_stacks(answers: Any, processes: Any, section: Any) -> None:
    ask, _ = questions(**answers)
    assert await ask.ask_stacks(processes) == section

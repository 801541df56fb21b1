"""Rows as Ray writes them, and rows as it never should: kept, marked, never raised."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serve_app.cluster.dashboard import Listing
from serve_app.jobs import views
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import DriverExit, JobFacts, JobType, TaskCounts
from serve_app.jobs.reading import rows
from serve_app.jobs.reading.rows import (
    find_start,
    parse_actors,
    parse_driver_exits,
    parse_job,
    parse_nodes,
    parse_submission_drivers,
    parse_task_counts,
    parse_waiting_actors,
)
from serve_app.jobs.reading.serve_rows import parse_autoscaler, parse_serve
from serve_app.jobs.reading.snapshot import collect
from serve_app.jobs.serve_facts import AutoscalerFacts, DeploymentFacts
from tests.unit.jobs.recordings import Replay

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = {"type": "SUBMISSION", "submission_id": "s", "status": "RUNNING", "start_time": 1_767_225_600_000}


def test_a_submission_row() -> None:
    row = {
        **GOOD,
        "job_id": "02000000",
        "status": "FAILED",
        "entrypoint": "TOKEN=abc python x.py",
        "message": "it said password=abc",
        "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR",
        "end_time": 1_767_225_660_000,
        "metadata": {"team": "ops", "api_key": "abc"},
        "runtime_env": {"env_vars": {"SECRET": "never shown"}},
        "driver_node_id": "n",
        "driver_info": {"id": "02000000", "node_ip_address": "127.0.0.1", "pid": "77"},
        "driver_exit_code": 1,
    }
    assert parse_job(row, {}) == JobFacts(
        id="s",
        type=JobType.SUBMISSION,
        status="FAILED",
        job_id="02000000",
        submission_id="s",
        entrypoint="TOKEN=[redacted] python x.py",
        message="it said password=[redacted]",
        error_type="JOB_ENTRYPOINT_COMMAND_ERROR",
        started_at=NOW,
        ended_at=datetime(2026, 1, 1, 0, 1, tzinfo=UTC),
        metadata={"team": "ops", "api_key": "[redacted]"},
        node_id="n",
        node_ip="127.0.0.1",
        pid=77,
        exit_code=1,
        runtime_env_keys=("env_vars",),
        environment="64a4da567620e9e7",
    )


def driver_of(submission_id: str, number: int, **changes: Any) -> dict[str, Any]:
    return {
        "job_id": f"0{number}000000", "submission_id": submission_id, "entrypoint": "python a.py --password=abc",
        "is_dead": True, "pid": 77, "node_id": "n", "node_ip": "10.0.0.7", "start_time": 1_767_225_600_000,
        "end_time": 1_767_225_660_000, **changes,
    }  # fmt: skip


def test_the_drivers_of_submissions_in_their_order() -> None:
    rows = [
        driver_of("s", 1, is_dead=False, end_time=0, start_time=1_767_225_600_001),
        driver_of("s", 2),
        driver_of("t", 4),
        {"job_id": "05000000"},
    ]
    found = parse_submission_drivers(rows, {})
    ended = datetime(2026, 1, 1, 0, 1, tzinfo=UTC)
    first = DriverRun(
        "02000000", "s", "python a.py --password=[redacted]", True, 77, "n", "10.0.0.7", started_at=NOW, ended_at=ended
    )
    began = NOW + timedelta(milliseconds=1)
    lives = replace(first, job_id="01000000", is_dead=False, started_at=began, ended_at=None)
    assert found == {"s": (first, lives), "t": (replace(first, job_id="04000000", submission_id="t"),)}
    # What says the same is the same, so that later comparisons cost nothing; what lives is read anew.
    again = parse_submission_drivers(rows, found)
    assert [again[id] is found[id] for id in "st"] == [True, True]
    later = parse_submission_drivers([*rows[1:], driver_of("s", 1, start_time=1_767_225_600_001)], found)
    assert (later["s"][0] is found["s"][0], later["s"][1].is_dead) == (True, True)


@pytest.mark.parametrize("env", [None, {}, [], "x", {"env_vars": {"A": "1"}}, {"env_vars": {"A": "2"}}])
def test_environments_are_told_apart_and_not_told(env: Any) -> None:
    same = {"working_dir": "gcs://x.zip", "env_vars": {"B": "1", "A": "2"}}
    turned = {"env_vars": {"A": "2", "B": "1"}, "working_dir": "gcs://x.zip"}
    found = [parse_job({**GOOD, "runtime_env": each}, {}).environment for each in (same, turned, env)]
    assert (found[0] == found[1], found[2] == found[0], len(found[0])) == (True, False, 16)
    assert bool(found[2]) is (isinstance(env, dict) and bool(env))


@pytest.mark.parametrize(
    ("row", "id", "marks"),
    [
        (GOOD, "s", ()),
        ({**GOOD, "status": "HELD"}, "s", ("status HELD is not known",)),
        ({**GOOD, "status": None}, "s", ("status (missing) is not known",)),
        ({**GOOD, "type": "CRON"}, "s", ("type CRON is not known",)),
        ({**GOOD, "start_time": "soon"}, "s", ("start_time is not a time",)),
        ({**GOOD, "end_time": 10**30}, "s", ("end_time is not a time",)),
        ({**GOOD, "end_time": 0}, "s", ()),
        ({**GOOD, "submission_id": "a\x1b[31m\u202eb"}, "a\\u{1b}[31m\\u{202e}b", ()),
        ({**GOOD, "metadata": ["x"], "driver_info": 3, "entrypoint": None}, "s", ()),
    ],
)
def test_odd_rows_are_kept_and_marked(row: dict[str, Any], id: str, marks: tuple[str, ...]) -> None:
    facts = parse_job(row, {})
    assert (facts.id, facts.marks) == (id, marks)


@pytest.mark.parametrize("row", [None, 3, "x", [], {}, {"status": "RUNNING"}])
def test_a_row_without_a_name_gets_one_that_stays(row: Any) -> None:
    facts = parse_job(row, {})
    assert facts.id.startswith("unnamed-")
    assert facts.id == parse_job(row, {}).id
    assert facts.marks


def test_driver_rows_are_found_by_the_job_id_in_their_worker_id() -> None:
    rows = [
        {
            "worker_id": "0a000000" + "f" * 48,
            "worker_type": "DRIVER",
            "is_alive": False,
            "exit_type": "SYSTEM_ERROR",
            "exit_detail": "End of file. Some common causes include: a page of them",
            "pid": 7,
            "node_id": "n",
            "start_time_ms": 1_767_225_600_000,
            "end_time_ms": 0,
        },
        {"worker_id": "ab" * 28, "worker_type": "WORKER", "is_alive": True},
        {"worker_type": "DRIVER"},
        "no row",
    ]
    assert parse_driver_exits(rows) == {
        "0a000000": DriverExit("0a000000", False, "SYSTEM_ERROR", "End of file.", 7, NOW, None, "n")
    }


def test_amounts_that_are_none_are_left_out() -> None:
    rows = [{"node_id": "n", "resources_total": {"CPU": 2.0, "GPU": None, "x": "2", "y": float("inf"), "z": True}}]
    assert parse_nodes(rows)[0].resources == {"CPU": 2.0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
JOB = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        (
            "type",
            "job_id",
            "submission_id",
            "status",
            "entrypoint",
            "message",
            "error_type",
            "start_time",
            "end_time",
            "metadata",
            "driver_info",
            "driver_node_id",
            "driver_exit_code",
        ),
        JSON,
    ),
)
DRIVER = st.fixed_dictionaries(
    {"worker_id": JSON},
    optional=dict.fromkeys(("worker_type", "is_alive", "exit_type", "exit_detail", "pid", "start_time_ms"), JSON),
)
ACTOR = st.fixed_dictionaries({}, optional=dict.fromkeys(("actor_id", "state", "job_id", "ray_namespace"), JSON))
NODE = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("node_id", "state", "is_head_node", "start_time_ms", "resources_total", "labels"), JSON)
)
SERVE = st.fixed_dictionaries({}, optional=dict.fromkeys(("applications", "controller_info"), JSON))


@given(
    jobs=st.lists(JOB | JSON, max_size=4),
    drivers=st.lists(DRIVER | JSON, max_size=3),
    actors=st.lists(ACTOR | JSON, max_size=3),
    nodes=st.lists(NODE | JSON, max_size=3),
    serve=SERVE,
)
async def test_nothing_that_ray_may_say_breaks_a_look(
    jobs: list[Any], drivers: list[Any], actors: list[Any], nodes: list[Any], serve: dict[str, Any]
) -> None:
    source = Replay(jobs=jobs, drivers=Listing(drivers), actors=Listing(actors), nodes=Listing(nodes), serve=serve)
    rows = judge(await collect(source, NOW), NOW)
    assert len(rows) >= len(jobs)
    assert all(isinstance(views.render_row(row)["reason"], str) for row in rows)


@given(JSON)
def test_no_summary_of_tasks_breaks_its_view(answer: Any) -> None:
    assert set(views.render_tasks(answer if isinstance(answer, dict) else {"result": answer})) == {
        "total",
        "by_state",
        "by_name",
        "truncated",
    }


@given(JSON)
def test_no_account_of_serve_breaks(details: Any) -> None:
    parse_serve({"applications": {"a": {"deployments": {"d": details}}}})
    parse_autoscaler({"data": details})
    parse_autoscaler({"data": {"autoscalingError": details, "clusterStatus": {"autoscalerReport": details}}})
    parse_actors([details])


@pytest.mark.parametrize(
    ("changes", "needs", "least"),
    [
        ({"required_resources": {"CPU": 64}}, ({"CPU": 64.0},), None),
        (
            {"required_resources": {"CPU": 1}, "deployment_config": {"autoscaling_config": {"min_replicas": 0}}},
            ({"CPU": 1.0},),
            0,
        ),
        (
            {"required_resources": {"A": 1}, "deployment_config": {"placement_group_bundles": [{"A": 1}, {"G": 4}]}},
            ({"A": 1.0}, {"G": 4.0}),
            None,
        ),
        ({"deployment_config": {"autoscaling_config": None, "placement_group_bundles": None}}, ({},), None),
    ],
)
def test_what_a_replica_needs_and_how_few_there_may_be(changes: dict[str, Any], needs: Any, least: int | None) -> None:
    told = {"status": "UPDATING", "message": "", "target_num_replicas": 1, "replicas": [], **changes}
    (app,) = parse_serve({"applications": {"a": {"deployments": {"d": told}}}}).applications
    assert app.deployments == (DeploymentFacts("d", "UPDATING", "", 1, (), needs, least),)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (
            {
                "autoscalingError": None,
                "clusterStatus": {
                    "autoscalerReport": {
                        "pendingLaunches": {"gpu": 2, "old": 0},
                        "pendingNodes": [["10.0.0.2", "gpu", "setting-up"], ["10.0.0.3", "big", "waiting"]],
                    }
                },
            },
            AutoscalerFacts({"gpu": 3, "big": 1}, None),
        ),
        ({"autoscalingError": "No quota.", "clusterStatus": None}, AutoscalerFacts({}, "No quota.")),
        ({}, AutoscalerFacts({}, None)),
    ],
)
def test_what_the_autoscaler_says(data: dict[str, Any], said: AutoscalerFacts) -> None:
    assert parse_autoscaler({"result": True, "data": data}) == said


def worker_row(**changes: Any) -> dict[str, Any]:
    values = {"worker_type": "DRIVER", "is_alive": False, "pid": 7, "exit_type": "INTENDED_USER_EXIT"}
    return {"worker_id": "05000000" + "f" * 48, "start_time_ms": "1767225600000", **values, **changes}


@pytest.mark.parametrize(
    ("later", "same"),
    [
        (worker_row(), True),
        # The exception hook may overwrite a row that had been seen already.
        (worker_row(pid=0, start_time_ms=0), False),
        (worker_row(exit_type="SYSTEM_ERROR"), False),
        (worker_row(is_alive=True, exit_type=None), False),
    ],
)
def test_a_dead_driver_is_read_again_only_when_its_row_says_something_else(later: dict[str, Any], same: bool) -> None:
    known = parse_driver_exits([worker_row()])
    found = parse_driver_exits([later], known)
    assert (found["05000000"] is known["05000000"]) is same
    assert found == parse_driver_exits([later])


def test_rows_of_actors_that_wait_and_counts_of_tasks() -> None:
    row = {"actor_id": "a", "name": "n", "required_resources": {"CPU": 1.0, "bad": "x", "nan": float("nan")}}
    (actor,) = parse_waiting_actors([row, None, {"name": "no id"}])
    assert (actor.actor_id, actor.required) == ("a", {"CPU": 1.0})
    summary = {
        "f": {"state_counts": {"FAILED": 2, "FINISHED": "3", "RUNNING_IN_RAY_GET": 1, "NIL": 4, "odd": None}},
        "g": 3,
    }
    answer = {"result": {"node_id_to_summary": {"cluster": {"summary": summary}}}}
    assert parse_task_counts(answer) == TaskCounts(total=10, failed=2, finished=3, pending=4, running=1)
    assert parse_task_counts({"result": None}) == TaskCounts(0, 0, 0, 0, 0)
    assert find_start("n", [{"node_id": "m", "start_time_ms": 1}, {"node_id": "n", "start_time_ms": "1000"}]) == (
        datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    )
    assert find_start("n", []) is None


def test_what_the_shell_put_into_the_command_of_a_driver_is_hidden() -> None:
    rows = [driver_of("s", 1, entrypoint="python a.py canary-0123"), driver_of("t", 2, entrypoint="python canary-0123")]
    told = parse_submission_drivers(rows, {}, {"s": ("canary-0123",)})
    assert [each.entrypoint for same in told.values() for each in same] == [
        "python a.py [redacted]",
        "python canary-0123",
    ]
    # What was read while the environment was not known is hidden as soon as it is; then it stays the same object.
    unhidden = parse_submission_drivers(rows, {})
    assert parse_submission_drivers(rows, unhidden, {"s": ("canary-0123",)}) == told
    assert parse_submission_drivers(rows, told, {"s": ("canary-0123",)})["s"] is told["s"]


def test_what_a_running_job_says_is_redacted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come every few seconds, and a hostile text costs the most there is."""
    asked: list[int] = []
    monkeypatch.setattr(rows, "redact", lambda text, values=(): asked.append(len(text)) or text)
    row = {
        **GOOD,
        "entrypoint": "of this test alone",
        "metadata": {f"of {n}": f"{n} http://}}" * 2_000 for n in range(5)},
    }
    first = parse_job(row, {})
    count = len(asked)
    # The name, the value and the entrypoint, each no longer than what is shown needs.
    assert (count, max(asked)) == (11, 6_000)
    assert parse_job(row, {}) == first
    assert len(asked) == count


def test_ids_that_control_characters_tell_apart_stay_apart() -> None:
    ids = ["night\x00ly", "nightly", "night\x1bly", "night\nly"]
    assert len({parse_job({**GOOD, "submission_id": id}, {}).id for id in ids}) == 4

"""What the inspector answers from a recorded cluster, and when Ray is gone."""

from __future__ import annotations

import json
import pickle
import pickletools
from collections.abc import AsyncIterator
from typing import Any

import pytest

from serve_app.cluster.dashboard import Listing
from serve_app.errors import AppError, InvalidInput, NotFound, Unavailable
from serve_app.jobs.inspector import JobInspector
from serve_app.jobs.serve_facts import HttpFacts
from serve_app.queries.job_names import hash_id
from tests.unit.jobs.reading.test_events import driver_defined
from tests.unit.jobs.recorded.test_jobs import EVERY_VERDICT
from tests.unit.jobs.recordings import Replay, answer, rows, taken_at

EMPTY: dict[str, Any] = {}
AS_OF = taken_at().isoformat(timespec="milliseconds")
TOLD = {"as_of": AS_OF, "degraded": []}


class Here:
    """A replica that runs in the recorded application's job."""

    job_id: str | None = "01000000"
    application = "hello"
    ray_version = "2.60.0"
    place = None
    session = "session_2026-01-01_12-00-00_000000_1"

    def __init__(self) -> None:
        self.fail: Exception | None = None
        self.drivers: list[dict[str, Any]] = []
        self.fail_drivers: Exception | None = None

    def read_resources(self) -> tuple[dict[str, float], dict[str, float]]:
        if self.fail is not None:
            raise self.fail
        return {"CPU": 2.0, "GPU": 1.0}, {"CPU": 0.5}

    def find_agent_address(self, node_id: str) -> str | None:
        return None

    def list_submission_drivers(self) -> list[dict[str, Any]]:
        if self.fail_drivers is not None:
            raise self.fail_drivers
        return self.drivers

    def list_exception_frames(self) -> dict[str, str]:
        return {job_of("driver-exception")["job_id"]: '  File "x.py", line 1\n    token="canary-9"\n'}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def job_of(case: str) -> dict[str, Any]:
    return next(row for row in answer("jobs") if (row["metadata"] or {}).get("case") == case)


@pytest.fixture
def ray() -> Replay:
    return Replay()


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def inspector(ray: Replay, here: Here, clock: Clock) -> AsyncIterator[JobInspector]:
    made = JobInspector(None, ray, here, taken_at, clock)  # type: ignore[arg-type]
    yield made
    await made.close()


async def test_the_list(inspector: JobInspector) -> None:
    page = await inspector.list_jobs({"limit": 5})
    rest = await inspector.list_jobs({"cursor": page["next_cursor"]})
    assert (len(page["items"]), len(rest["items"]), rest["next_cursor"]) == (5, len(EVERY_VERDICT) - 5, None)
    assert {key: page[key] for key in TOLD} == TOLD
    text = json.dumps([page, rest])
    assert [word for word in ("hunter2", "canary-key-1", "env_vars", "\\u001b") if word in text] == []


async def test_answers_hold_no_class_of_ours(inspector: JobInspector) -> None:
    """A replica of another version may not have it under that name: it could not unpickle the answer."""
    page = await inspector.list_jobs({"limit": 100})
    answers = [
        page,
        *[await inspector.get_job(row["id"]) for row in page["items"] if row["outcome"] != "running"],
        await inspector.summary({"window": "1h"}),
        await inspector.hierarchy({}),
        await inspector.cluster_actors({}),
        await inspector.current(),
        await inspector.lifecycle(),
        await inspector.findings(),
        await inspector.alert_inputs(),
        await inspector.ray_status(),
        await inspector.serve_details(),
        await inspector.cluster_resources(),
        await inspector.cluster_nodes(),
        await inspector.cluster_leftovers(),
    ]
    pickled = pickle.dumps(answers, protocol=0)
    assert [argument for opcode, argument, _ in pickletools.genops(pickled) if opcode.name == "GLOBAL"] == []


async def test_the_summary(inspector: JobInspector, ray: Replay) -> None:
    ray.answers["tasks"] = {}
    found = await inspector.summary({"window": "1h"})
    assert found["counts"] == {
        "total": 39,
        "by_kind": {
            "user": 30,
            "coa-initialization": 4,
            "application-server": 2,
            "observer": 1,
            "internal": 1,
            "cluster-initialization": 1,
        },
        "by_outcome": {"pending": 5, "running": 7, "succeeded": 6, "failed": 12, "ended_unknown": 7, "stopped": 2},
        "by_verdict": {"OK": 18, "BAD": 11, "UNKNOWN": 6, "WARN": 4},
    }
    # A failed initialization was made good by the next, and the client and the head are nobody's work.
    assert found["jobs"] == {
        "ended": 25,
        # The server that SUCCEEDED counts among them.
        "succeeded": 4,
        "failed": 11,
        "lost": 0,
        "stopped": 2,
        "contradicted": 0,
        "ended_unknown": 6,
        # That of its name, too, of which a later one succeeded.
        "repaired": 2,
        "success_ratio": round(4 / 15, 6),
        "error_ratio": round(11 / 15, 6),
    }
    assert found["failures_by_cause"] == [
        {"cause": "driver-exception", "count": 2, "example": job_of("driver-task-exception")["job_id"]},
        {"cause": "driver-killed", "count": 2, "example": job_of("driver-kill-9")["job_id"]},
        {"cause": "exit code 1", "count": 2, "example": "submission-no-ray"},
        {"cause": "exit code 137", "count": 1, "example": "submission-killed"},
        {"cause": "exit code 3", "count": 1, "example": "submission-exit-3"},
        {"cause": "job-supervisor-actor-died", "count": 1, "example": "supervisor-killed"},
        {"cause": "runtime-env-setup-failure", "count": 1, "example": "submission-env-broken"},
    ]
    assert (found["window_s"], found["duration_s"]["count"], sorted(found["by_kind"])) == (
        3600,
        11,
        ["application-server", "coa-initialization", "user"],
    )
    assert {key: found[key] for key in TOLD} == TOLD
    with pytest.raises(InvalidInput, match="window must be one of 5m, 1h, 24h, 7d"):
        await inspector.summary({"window": "2h"})


async def test_how_the_cluster_came_up(inspector: JobInspector) -> None:
    found = await inspector.lifecycle()
    assert [(step["step"], step["state"]) for step in found["steps"]] == [
        ("head-up", "done"),
        ("serve-controller", "done"),
        ("application-server", "done"),
        ("application", "done"),
        ("initialization", "done"),
        ("ready", "done"),
    ]
    after = [step["after_s"] for step in found["steps"] if step["after_s"] is not None]
    assert (after[:2], len(after), min(after)) == ([0.0, 5.0], 6, 0.0)


async def test_who_manages_what(inspector: JobInspector, ray: Replay) -> None:
    ray.answers["tasks"] = {}
    found = await inspector.hierarchy({})
    head = found["root"]["children"][0]
    assert [child["name"] for child in head["children"][:3]] == [
        "Ray Serve",
        "Ray Jobs API",
        "drivers that connected",
    ]
    text = (await inspector.hierarchy({"format": "text"}))["text"]
    assert f"job {job_of('driver-ok')['job_id']} user: ended_unknown UNKNOWN  [job list: type DRIVER]" in text
    assert "hunter2" not in text
    drawn = (await inspector.hierarchy({"format": "mermaid"}))["text"]
    assert drawn.startswith("flowchart LR\n")
    assert drawn.count("-->") == drawn.count("[") - 1
    with pytest.raises(InvalidInput, match="format must be one of"):
        await inspector.hierarchy({"format": "svg"})


async def test_options_that_serve_ignores_are_a_finding_and_an_input_of_alerts(
    ray: Replay, here: Here, clock: Clock
) -> None:
    in_force = (await ray.get_serve_applications())["http_options"]
    deployed = HttpFacts(port=in_force["port"] + 1)
    made = JobInspector(None, ray, here, taken_at, clock, deployed_http=deployed)  # type: ignore[arg-type]
    try:
        (found,) = (await made.findings())["items"]
        assert (found["rule"], found["subject"], found["verdict"]) == ("ignored-options", "application hello", "WARN")
        assert f"port {in_force['port']}; port {in_force['port'] + 1}" in found["sentence"]
        assert (await made.alert_inputs())["findings"] == [found]
    finally:
        await made.close()


async def test_findings_and_leftovers_of_a_cluster_in_order(inspector: JobInspector) -> None:
    assert (await inspector.findings())["items"] == []
    assert (await inspector.cluster_leftovers())["items"] == []


@pytest.mark.parametrize(
    "id", ["submission-no-ray", job_of("driver-kill-9")["job_id"], job_of("submission-ok")["job_id"]]
)
async def test_one_job_by_either_id(inspector: JobInspector, id: str) -> None:
    found = await inspector.get_job(id)
    assert id in (found["id"], found["job_id"])
    json.dumps(found)


async def test_a_submission_is_found_by_each_of_its_drivers(inspector: JobInspector, here: Here, ray: Replay) -> None:
    job = job_of("submission-ok")
    first = {
        "job_id": "70000000", "submission_id": job["submission_id"], "entrypoint": "python a.py", "is_dead": True,
        "pid": 7, "node_id": "n", "node_ip": "10.0.0.7", "start_time": job["start_time"], "end_time": job["end_time"],
    }  # fmt: skip
    later = {"start_time": job["end_time"], "job_id": job["job_id"], "pid": 8}
    here.drivers = [first, {**first, **later}]
    crashed = {"worker_id": "70000000" + "f" * 48, "worker_type": "DRIVER", "is_alive": False, "pid": 0}
    crashed |= {"exit_type": "INTENDED_USER_EXIT", "exit_detail": "Shutdown by ray.shutdown()."}
    ray.answers["drivers"] = Listing([*ray.answers["drivers"].rows, crashed])
    ray.answers["tasks"] = {}
    found = await inspector.get_job("70000000")
    assert found["id"] == job["submission_id"]
    assert (found["outcome"], "1 of its 2 drivers" in found["reason"]) == ("succeeded", True)
    assert [(each["job_id"], each["pid"], each["by_exception"]) for each in found["drivers"]] == [
        ("70000000", 7, True),
        (job["job_id"], 8, False),
    ]
    assert (found["drivers"][0]["exit_type"], found["drivers"][0]["alive"]) == ("INTENDED_USER_EXIT", False)
    text = (await inspector.hierarchy({"format": "text"}))["text"]  # type: ignore[typeddict-item]
    assert "driver driver of 70000000  [job table: job id 70000000]" in text
    with pytest.raises(NotFound):
        await inspector.get_job("71000000")


async def test_one_job_with_all_that_is_known(inspector: JobInspector) -> None:
    found = await inspector.get_job(job_of("driver-kill-9")["job_id"])
    row = next(row for row in rows("drivers") if row["worker_id"].startswith(found["id"]))
    assert found["expectation"] == {
        "purpose": "Someone's own work.",
        "must_end": None,
        "usual_duration_s": None,
        "limit_s": None,
        "deadline_s": None,
        "every_s": None,
        "allowed_failures": 0,
        "owner": None,
        "meaning": "It failed.",
        "action": "Read its output where it was started, mend the cause, run it again.",
    }
    assert [(each["rule"], each["source"]) for each in found["evidence"]] == [
        ("kind-by-default", "job list"),
        ("driver-killed", "worker table"),
        ("failed", "expectation"),
    ]
    assert found["driver"] == {
        "job_id": found["id"],
        "pid": row["pid"],
        "node_ip": row["ip"],
        "node_id": row["node_id"],
        "alive": False,
        "exit_type": "SYSTEM_ERROR",
        "exit_detail": "Worker unexpectedly exits with a connection error code 2. End of file.",
        "exception_frames": None,
    }
    assert {event["event"] for event in found["timeline"]} == {"driver connected", "started", "driver ended", "failed"}
    times = [event["at"] for event in found["timeline"]]
    assert times == sorted(times)
    assert found["actors"] == {"items": [], "total": 0, "truncated": False}
    assert (found["tasks"], found["tasks_reason"]) == (
        {"total": 0, "by_state": {}, "by_name": [], "truncated": False},
        None,
    )


async def test_the_tasks_of_a_job(inspector: JobInspector) -> None:
    found = await inspector.get_job(job_of("driver-task-exception")["job_id"])
    assert (found["tasks"], found["tasks_reason"]) == (
        {
            "total": 1,
            "by_state": {"FAILED": 1},
            "by_name": [{"name": "<lambda>", "type": "NORMAL_TASK", "states": {"FAILED": 1}}],
            "truncated": False,
        },
        None,
    )


async def test_one_job_by_when_it_began_or_by_the_hash_of_its_id(inspector: JobInspector, ray: Replay) -> None:
    (job,) = [each for each in answer("jobs") if each["submission_id"] == "submission-no-ray"]
    ray.answers["jobs"] = [*answer("jobs"), {**job, "submission_id": "a/b"}]
    row = await inspector.get_job("submission-no-ray")
    assert (await inspector.get_job(f"submission-no-ray@{row['started_at']}"))["id"] == "submission-no-ray"
    for wanted in ("a/b", f"a/b@{row['started_at']}", f"{hash_id('a/b')}@{row['session']}"):
        assert (await inspector.get_job(wanted))["id"] == "a/b"
    for wanted in ("submission-no-ray@2026-01-01T12:00:00.000Z", hash_id("a/b"), f"{hash_id('a/b')}@other"):
        with pytest.raises(NotFound):
            await inspector.get_job(wanted)


async def test_values_of_its_environment_are_not_where_an_exception_was(inspector: JobInspector, ray: Replay) -> None:
    job = job_of("driver-exception")
    env = {"env_vars": {"FOUND_IN": 'File "x.py", line 1'}}
    ray.answers["jobs"] = [{**each, "runtime_env": env} if each == job else each for each in answer("jobs")]
    found = await inspector.get_job(job["job_id"])
    assert found["driver"]["exception_frames"] == '  [redacted]\n    token="[redacted]"\n'


async def test_where_an_uncaught_exception_was_is_told_redacted(inspector: JobInspector) -> None:
    found = await inspector.get_job(job_of("driver-exception")["job_id"])
    assert found["driver"]["exception_frames"] == '  File "x.py", line 1\n    token="[redacted]"\n'
    # The worker row holds no pid any more, the job list still does.
    assert found["driver"]["pid"] == int(job_of("driver-exception")["driver_info"]["pid"])


async def test_tasks_that_cannot_be_had_are_null_with_the_reason(inspector: JobInspector, ray: Replay) -> None:
    ray.fail["tasks"] = "it is down"
    assert (await inspector.get_job(job_of("driver-ok")["job_id"]))["tasks_reason"] == "it is down"
    found = await inspector.get_job("submission-no-ray")
    assert (found["tasks"], found["tasks_reason"]) == (None, "It never connected to Ray, so it has no tasks.")


async def test_a_job_made_since_the_last_look_is_found_and_none_is_not(
    inspector: JobInspector, ray: Replay, clock: Clock
) -> None:
    await inspector.list_jobs({})
    ray.answers["jobs"] = [*answer("jobs"), {**job_of("submission-ok"), "submission_id": "just-made"}]
    clock.now += 1
    assert (await inspector.get_job("just-made"))["id"] == "just-made"
    looks = ray.asked.count("jobs")
    for _ in range(20):
        clock.now += 0.1
        with pytest.raises(NotFound) as refused:
            await inspector.get_job("TOKEN=abc")
    assert refused.value.detail == "There is no job 'TOKEN=[redacted]'."
    assert ray.asked.count("jobs") - looks <= 4, "in these two seconds, wrong ids make one look each half second"


async def test_the_job_that_we_run_in(inspector: JobInspector) -> None:
    found = await inspector.current()
    assert (found["job_id"], found["kind"], found["verdict"], found["hidden"]) == (
        "01000000",
        "application-server",
        "OK",
        True,
    )


async def test_ray_status(inspector: JobInspector) -> None:
    assert await inspector.ray_status() == {
        "ray_configured": True,
        "ray_available": True,
        "cluster_info": {
            "status": "initialized",
            "cluster_resources": {"CPU": 2.0, "GPU": 1.0},
            "available_resources": {"CPU": 0.5},
            "nodes": 1,
            "ray_version": "2.60.0",
            "session": Here.session,
        },
        "events": {"last_at": None, "not_understood": 0},
        # The source of these tests is asked past the transport, which counts.
        "cost": {"questions": 0, "look_s": 0.0, "rounds": 0, "round_s": 0.0},
        **TOLD,
    }


async def test_resources(inspector: JobInspector, here: Here) -> None:
    assert await inspector.cluster_resources() == {
        "total": {"CPU": 2.0, "GPU": 1.0},
        "available": {"CPU": 0.5},
        "used": {"CPU": 1.5, "GPU": 1.0},
        "as_of": AS_OF,
    }
    here.fail = RuntimeError("no GCS")
    with pytest.raises(Unavailable, match="RuntimeError"):
        await inspector.cluster_resources()
    assert (await inspector.ray_status())["degraded"] == ["resources: Ray did not say (RuntimeError)."]


async def test_nodes(inspector: JobInspector) -> None:
    recorded = rows("nodes")[0]
    found = await inspector.cluster_nodes()
    assert [(node["node_id"], node["is_head"], node["state"]) for node in found["items"]] == [
        (recorded["node_id"], True, "ALIVE")
    ]
    assert found["items"][0]["resources"] == recorded["resources_total"]
    assert {key: found[key] for key in ("next_cursor", *TOLD)} == {"next_cursor": None, **TOLD}


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        (EMPTY, len(rows("actors"))),
        ({"state": "alive"}, 8),
        ({"job_id": "01000000"}, 4),
        ({"class_name": "JobSupervisor", "state": "DEAD"}, 16),
        ({"class_name": "NoSuch"}, 0),
    ],
)
async def test_actors(inspector: JobInspector, query: dict[str, Any], wanted: int) -> None:
    found = await inspector.cluster_actors({**query, "limit": 500})
    assert len(found["items"]) == wanted
    states = [actor["state"] == "DEAD" for actor in found["items"]]
    assert states == sorted(states), "the living first"


async def test_actors_in_pages(inspector: JobInspector) -> None:
    every = [actor["actor_id"] for actor in (await inspector.cluster_actors({}))["items"]]
    first = await inspector.cluster_actors({"limit": 4})
    rest = await inspector.cluster_actors({"cursor": first["next_cursor"]})
    assert [actor["actor_id"] for page in (first, rest) for actor in page["items"]] == every
    for query in ({"name": "x"}, {"limit": 0}, {"cursor": "x"}):
        with pytest.raises(InvalidInput):
            await inspector.cluster_actors(query)


async def test_serve_details(inspector: JobInspector, here: Here) -> None:
    recorded = answer("serve")["applications"]["hello"]["deployments"]["Hello"]
    assert await inspector.serve_details() == {
        "Hello": {
            "status": "HEALTHY",
            "message": "",
            "target_num_replicas": 2,
            "running": 2,
            "least_replicas": None,
            "shortage": None,
            "replicas": [
                {key: replica[key] for key in ("replica_id", "state", "node_id", "pid")}
                for replica in recorded["replicas"]
            ],
        }
    }
    here.application = "another"
    assert await inspector.serve_details() == {}


async def test_what_no_node_can_hold_is_said_with_the_deployment(inspector: JobInspector, ray: Replay) -> None:
    organ = {"status": "UPDATING", "target_num_replicas": 1, "replicas": [], "required_resources": {"CPU": 6_400}}
    ray.answers["serve"] = {"applications": {"hello": {"deployments": {"o": organ}}}}
    shortage = (await inspector.serve_details())["o"]["shortage"]
    assert shortage is not None
    assert shortage["hopeless"]
    assert shortage["sentence"].startswith("o needs 6400 CPU for each replica; the most that a node has is ")


DOWN = dict.fromkeys(("jobs", "drivers", "actors", "nodes", "serve"), "connection refused")


async def test_ray_gone_before_the_first_look(inspector: JobInspector, ray: Replay) -> None:
    ray.fail = DOWN
    for asked in (
        inspector.list_jobs(EMPTY),
        inspector.get_job("x"),
        inspector.current(),
        inspector.summary(EMPTY),
        inspector.cluster_nodes(),
        inspector.cluster_actors(EMPTY),
        inspector.serve_details(),
    ):
        with pytest.raises(AppError) as refused:
            await asked
        assert (refused.value.status, refused.value.code) == (503, "ray_unavailable")
    assert await inspector.ray_status() == {
        "ray_configured": True,
        "ray_available": False,
        "cluster_info": {},
        "as_of": None,
        "degraded": ["connection refused"],
    }
    await inspector.check_health()


async def test_ray_gone_later(inspector: JobInspector, ray: Replay, clock: Clock) -> None:
    before = await inspector.list_jobs({})
    ray.fail = DOWN
    clock.now += 60
    after = await inspector.list_jobs({})
    assert after == {**before, "degraded": ["Ray has not answered for 60 s: connection refused"]}
    status = await inspector.ray_status()
    assert (status["ray_available"], status["as_of"]) == (False, AS_OF)


async def test_one_source_gone_is_said_and_the_rest_answers(inspector: JobInspector, ray: Replay) -> None:
    ray.fail = {"nodes": "no node table"}
    assert (await inspector.list_jobs({}))["degraded"] == ["node table: no node table"]
    with pytest.raises(Unavailable, match="no node table"):
        await inspector.cluster_nodes()


async def test_a_new_configuration_counts_from_the_next_look(
    inspector: JobInspector, ray: Replay, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspector._watch._latest, "start", lambda: None)
    await inspector.reconfigure({"retained_jobs": 100, "source_timeout_s": 0.5, "fresh_for_s": 1})
    assert ray.timeout_s == 0.5
    ray.answers["jobs"] = [{**job_of("submission-ok"), "submission_id": f"s{number}"} for number in range(150)]
    found = await inspector.list_jobs({"limit": 500, "kind": "user"})
    assert (len(found["items"]), found["degraded"]) == (
        100,
        ["job list: 100 of 150 jobs are kept: those on their way, and the newest."],
    )


class Down:
    """A store that does not answer; what is asked of its handle fails as `handles.call` says it."""

    def __getattr__(self, method: str) -> Any:
        async def refuse(*_: Any) -> Any:
            raise Unavailable("The store is unavailable: the disk of the database is full.")

        return refuse


@pytest.fixture
async def without_store(
    ray: Replay, here: Here, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[JobInspector]:
    monkeypatch.setattr("serve_app.jobs.inspector.connect", lambda *_, **__: Down())
    made = JobInspector("a handle", ray, here, taken_at, clock)  # type: ignore[arg-type]
    yield made
    await made.close()


async def test_without_the_store_everything_is_answered_from_memory_and_says_so(without_store: JobInspector) -> None:
    told = ["history: The store is unavailable: the disk of the database is full."]
    page = await without_store.list_jobs({"limit": 5})
    assert (len(page["items"]), page["degraded"]) == (5, told)
    rest = await without_store.list_jobs({"cursor": page["next_cursor"]})
    assert len(rest["items"]) == len(EVERY_VERDICT) - 5
    found = await without_store.summary({})
    assert (found["jobs"]["failed"], found["degraded"]) == (11, told)
    one = await without_store.get_job("submission-ok")
    assert (one["outcome"], one["degraded"]) == ("succeeded", told)
    assert (await without_store.alert_inputs())["degraded"] == told
    with pytest.raises(Unavailable, match="disk of the database is full"):
        await without_store.get_job("of-an-earlier-session")


async def written(inspector: JobInspector) -> None:
    """Have what waits written now, instead of when the writer gets to it."""
    recorder = inspector._watch._recorder
    assert recorder is not None
    await recorder.write_once()


async def test_a_history_that_is_not_written_is_told(without_store: JobInspector) -> None:
    await without_store.list_jobs({})
    await written(without_store)
    without_store._archive._store = None
    assert (await without_store.list_jobs({}))["degraded"] == [
        "history is not being written: The store is unavailable: the disk of the database is full."
    ]
    assert len(without_store._watch.unwritten) == len(EVERY_VERDICT)


async def test_a_job_that_is_deleted_waits_for_the_history_no_longer(without_store: JobInspector) -> None:
    await without_store.list_jobs({})
    watch = without_store._watch
    key = next(iter(watch.unwritten))
    with pytest.raises(Unavailable, match="disk of the database is full"):
        await without_store._archive.forget(key)
    assert key not in watch.unwritten
    assert len(watch.unwritten) == len(EVERY_VERDICT) - 1


async def test_events_are_taken_and_bring_a_look(inspector: JobInspector, monkeypatch: pytest.MonkeyPatch) -> None:
    nudged: list[bool] = []
    monkeypatch.setattr(inspector._watch._latest, "nudge", lambda: nudged.append(True))
    assert await inspector.take_events([{"eventType": "TASK_LIFECYCLE_EVENT"}]) == {"told": 0}
    assert nudged == []
    assert await inspector.take_events([driver_defined()]) == {"told": 1}
    assert nudged == [True]
    assert (await inspector.ray_status())["events"] == {"last_at": AS_OF, "not_understood": 0}


@pytest.mark.parametrize("error", [NotFound("There is no such log."), Unavailable("The node cannot be asked.")])
async def test_the_log_of_a_job_whose_node_is_gone_is_what_was_kept(
    inspector: JobInspector, monkeypatch: pytest.MonkeyPatch, error: AppError
) -> None:
    id = job_of("driver-exception")["job_id"]
    kept: dict[str, Any] = {"id": id, "source": "history", "lines": ["the end"]}

    async def tail(id: str, lines: int, *, all_runs: bool) -> dict[str, Any]:
        raise error

    async def kept_log(id: str, lines: int) -> dict[str, Any]:
        return kept

    monkeypatch.setattr(inspector._logs, "read_tail", tail)
    monkeypatch.setattr(inspector._jobs, "answer_kept_log", kept_log)
    assert await inspector.job_log(id, 5) == kept
    kept["lines"] = []
    with pytest.raises(type(error)):
        await inspector.job_log(id, 5)

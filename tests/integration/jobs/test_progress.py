"""Programs that wait, work or have not started, on a real cluster: each is told for what it is, from outside as by the
application. What hangs, and its innocent twin: `tests/zoo`.
"""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, datetime
from typing import Any

import pytest

from serve_app.cluster.dashboard import DashboardClient
from serve_app.cluster.private import build_dashboard_headers
from serve_app.jobs.logs.logs import Logs
from serve_app.jobs.progress.looks.head import HeadReader
from serve_app.jobs.progress.looks.sweep import Sweep
from serve_app.jobs.progress.questions import JobQuestions
from serve_app.jobs.progress.rounds import Rounds
from serve_app.jobs.progress.service import Stillnesses
from serve_app.jobs.settings import InspectorConfig
from serve_app.jobs.watch import JobWatch
from tests.integration.cluster import Cluster, wait_for

BEGIN = "import ray, time\nray.init()\n"
HANGS = f"""{BEGIN}
@ray.remote(num_cpus=0, resources=dict(nowhere=1))
def produce(): return 1
@ray.remote(num_cpus=0)
def consume(refs): return ray.get(refs[0])
made = produce.remote()
ray.get(consume.remote([made]))
"""
WAITS = f"""{BEGIN}
@ray.remote(num_cpus=1)
def work(): return 1
ray.get(work.remote())
"""
HOLDS = f"""{BEGIN}
@ray.remote(num_cpus=1)
class Holder:
    def hold(self): time.sleep(600)
holder = Holder.remote()
ray.get(holder.hold.remote())
"""
WORKS = f"""{BEGIN}
@ray.remote(num_cpus=0)
def step(): return sum(range(100_000))
while True:
    print(ray.get(step.remote()), flush=True)
    time.sleep(0.2)
"""
GROUP = f"""{BEGIN}
from ray.util.placement_group import placement_group
ray.get(placement_group([dict(CPU=500)]).ready())
"""
ACTOR = f"""{BEGIN}
@ray.remote(num_gpus=40)
class Large:
    def ask(self): return 1
ray.get(Large.remote().ask.remote())
"""
class HereByApi:
    """What a replica would know of itself, asked from outside."""

    job_id = None
    application = "seedcore"
    ray_version = "2.60"
    place = None
    session = "live"

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def read_resources(self) -> tuple[dict[str, float], dict[str, float]]:
        told = self._cluster.get("/cluster/resources")
        return told["total"], told["available"]

    def list_submission_drivers(self) -> list[dict[str, Any]]:
        return []

    def list_exception_frames(self) -> dict[str, str]:
        return {}


def submit(cluster: Cluster, id: str, code: str, **body: Any) -> str:
    with cluster.api() as api:
        entrypoint = [sys.executable, "-c", code]
        answer = api.post("/jobs", json={"entrypoint": entrypoint, "submission_id": id, **body})
    assert answer.status_code == 201, answer.text
    return id


def stop(cluster: Cluster, *ids: str) -> None:
    with cluster.api() as api:
        for id in ids:
            api.post(f"/jobs/{id}/stop", json={"wait_s": 10})


def begin_rounds(client: DashboardClient, watch: JobWatch, logs: Logs, config: InspectorConfig) -> Rounds:
    """Over all jobs of the cluster, as the inspector has them."""
    sweep, now = Sweep(client), lambda: datetime.now(UTC)
    rounds = Rounds(watch, sweep, JobQuestions(client, logs.read_growth), HeadReader(), now)
    rounds.config = config
    watch.configure(config)
    watch.provide_motions(rounds)
    return rounds


def told(cluster: Cluster, *ids: str, after_s: float = 0.0) -> dict[str, dict[str, Any]]:
    """The same as the inspector would answer of each job, from one watch."""

    async def ask() -> dict[str, dict[str, Any]]:
        now = lambda: datetime.now(UTC)  # noqa: E731
        client = DashboardClient(cluster.dashboard_url, 4.0, headers=build_dashboard_headers())
        watch = JobWatch(client, HereByApi(cluster), None, now)
        logs = Logs(client, watch.require, InspectorConfig)
        rounds = begin_rounds(client, watch, logs, InspectorConfig())
        stillnesses = Stillnesses(watch, JobQuestions(client, logs.read_growth), rounds, now)
        answers = {}
        try:
            for turn in range(2 if after_s else 1):
                await asyncio.sleep(after_s if turn else 0.0)
                for id in ids:
                    found = await watch.find(id)
                    assert found is not None, id
                    answers[id] = (await stillnesses.judge(found[1])).render_json()
        finally:
            await stillnesses.close()
            await watch.close()
            await client.close()
        return answers

    answers = asyncio.run(ask())
    for id, answer in answers.items():
        print(id, answer["state"], answer["code"], answer["sentence"])
        for signal in answer["signals"]:
            print("   ", signal["name"], signal["value"], signal["says"], signal["detail"])
        print("    settle:", answer["settle"])
    return answers


def verdicts(answers: dict[str, dict[str, Any]]) -> dict[str, tuple[str, str | None]]:
    return {id: (answer["state"], answer["code"]) for id, answer in answers.items()}


def running(cluster: Cluster, *ids: str) -> None:
    """Until they have connected and done what they do."""

    def connected() -> bool:
        return all(cluster.get(f"/jobs/{id}")["job_id"] for id in ids)

    wait_for("the drivers", connected)


def test_each_is_named_for_what_it_is(cluster: Cluster) -> None:
    wanted = {
        # That the task which runs waits for the other is looked into once it is quiet for half of its limit.
        "stuck-hangs": (HANGS, ("quiet", None)),
        # Their limit is not over: until then they wait.
        "stuck-actor": (ACTOR, ("waiting", "scheduling.infeasible")),
        "stuck-group": (GROUP, ("waiting", "scheduling.placement-group")),
        "stuck-works": (WORKS, ("moving", None)),
    }
    ids = [submit(cluster, id, code) for id, (code, _) in wanted.items()]
    try:
        running(cluster, *ids)

        def named() -> dict[str, Any] | None:
            # Only who has looked for a while can say that something is quiet, so it is the application that is asked.
            asked = {id: cluster.get(f"/jobs/{id}/diagnosis") for id in ids}
            found = verdicts({id: answer["stillness"] for id, answer in asked.items()})
            return asked if found == {id: verdict for id, (_, verdict) in wanted.items()} else None

        answers = wait_for("the names of all", named, timeout_s=180)
        assert {answer["diagnosis"] for answer in answers.values()} == {None}
    finally:
        stop(cluster, *ids)


def test_waiting_for_what_another_job_uses(cluster: Cluster) -> None:
    holder = submit(cluster, "stuck-holds", HOLDS)
    waiter = ""
    try:
        running(cluster, holder)
        wait_for("no CPU is left", lambda: cluster.get("/cluster/resources")["available"].get("CPU", 0.0) < 1.0)
        waiter = submit(cluster, "stuck-waits", WAITS)
        running(cluster, waiter)

        def waits() -> bool:
            return verdicts(told(cluster, waiter))[waiter] == ("waiting", "scheduling.waiting")

        wait_for("that it waits", waits, timeout_s=30)
    finally:
        stop(cluster, holder, waiter)


def test_a_submission_that_cannot_start(cluster: Cluster) -> None:
    id = submit(cluster, "stuck-pending", "print(1)", num_gpus=8)
    try:
        wait_for("its reason", lambda: verdicts(told(cluster, id)) == {id: ("waiting", "scheduling.infeasible")})
    finally:
        stop(cluster, id)


def test_a_service_is_not_stuck_for_being_old(cluster: Cluster) -> None:
    row = cluster.get("/jobs/current")
    answer = told(cluster, row["job_id"])[row["job_id"]]
    assert (answer["state"], answer["code"], [each["name"] for each in answer["signals"]]) == (
        "moving",
        None,
        ["probe"],
    )


@pytest.mark.parametrize("role", ["reader", "nobody"])
def test_stacks_are_switched_on_or_say_why_there_are_none(cluster: Cluster, role: str) -> None:
    id = cluster.get("/jobs/current")["job_id"]
    with cluster.api(role) as api:
        answer = api.get(f"/jobs/{id}/stacks")
        # `make up` switches them on; whether py-spy may look is this machine's affair.
        assert answer.status_code in ((401,) if role == "nobody" else (200, 409))
        if role == "reader":
            assert "stacks_disabled" not in answer.text
            assert api.get("/jobs/nothing/stacks").status_code == 404

"""What a look asks, and what it spares when Ray pushes events."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from serve_app.cluster.dashboard import Listing
from serve_app.jobs.models import Known, Snapshot, TaskCounts, Unknown
from serve_app.jobs.reading.snapshot import Looker
from serve_app.jobs.reading.thread_call import ThreadCall
from serve_app.jobs.serve_facts import AutoscalerFacts
from serve_app.jobs.settings import InspectorConfig
from tests.unit.jobs.reading.test_events import (
    ACTOR,
    actor_changed,
    actor_defined,
    b64,
    driver_changed,
    driver_defined,
    node_changed,
    worker_died,
)
from tests.unit.jobs.recordings import Replay, taken_at
from tests.unit.jobs.test_inspector import Here, job_of


class Clock:
    now = taken_at()

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def ray() -> Replay:
    return Replay()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def here() -> Here:
    return Here()


@pytest.fixture
def looker(ray: Replay, here: Here, clock: Clock) -> Looker:
    config = InspectorConfig(list_actors_up_to=0)
    return Looker(ray, here, ThreadCall(lambda: ({}, {"CPU": 1.0})), clock, config)  # type: ignore[arg-type]


async def test_the_tasks_of_jobs_whose_end_proves_nothing_are_asked_once(looker: Looker, ray: Replay) -> None:
    first = await looker.look(None)
    asked = ray.asked.count("tasks")
    second = await looker.look(first)
    third = await looker.look(second)
    assert first.tasks[job_of("driver-task-exception")["job_id"]] == TaskCounts(1, 1, 0, 0, 0)
    # Eight at a time, each once; of those that have tasks, how many is told.
    ended = [row for row in ray.answers["jobs"] if row["type"] == "DRIVER" and row["status"] == "SUCCEEDED"]
    assert (asked, ray.asked.count("tasks")) == (8, len(ended))
    assert first.session == Here.session
    ray.fail["tasks"] = "down"
    assert (await looker.look(None)).tasks == third.tasks


async def test_free_resources_and_waiting_actors_are_asked_while_a_job_waits(looker: Looker, ray: Replay) -> None:
    ray.answers.update(jobs=[job_of("submission-ok")], actors=Listing([]))
    await looker.look(None)
    assert "waiting" not in ray.asked
    ray.answers["jobs"] = [{**job_of("submission-ok"), "submission_id": "w", "status": "PENDING", "end_time": 0}]
    ray.answers["waiting"] = Listing([{"actor_id": "a", "required_resources": {"CPU": 2}}])
    seen = await looker.look(None)
    assert (seen.free, [actor.required for actor in seen.waiting.value]) == (Known({"CPU": 1.0}), [{"CPU": 2}])  # type: ignore[union-attr]


async def test_the_autoscaler_is_asked_while_serve_wants_what_no_node_can_hold(looker: Looker, ray: Replay) -> None:
    organ = {"status": "UPDATING", "target_num_replicas": 1, "replicas": [], "required_resources": {"CPU": 1}}
    ray.answers["serve"] = {"applications": {"seedcore": {"deployments": {"o": organ}}}}
    await looker.look(None)
    assert "autoscaler" not in ray.asked
    organ["required_resources"] = {"CPU": 6_400}
    ray.answers["autoscaler"] = {"data": {"autoscalingError": "No quota."}}
    assert (await looker.look(None)).autoscaler == Known(AutoscalerFacts({}, "No quota."))
    # That it does not answer is no gap of what is judged.
    ray.fail["autoscaler"] = "down"
    seen = await looker.look(None)
    assert (seen.autoscaler, seen.degraded) == (Unknown("down"), [])


async def test_the_drivers_of_submissions_are_asked_for_while_any_can_have_changed(
    here: Here, looker: Looker, ray: Replay
) -> None:
    def tell(*, dead: bool) -> None:
        here.drivers = [{"job_id": "09000000", "submission_id": "w", "is_dead": dead}]

    ended = {**job_of("submission-ok"), "submission_id": "w"}
    ray.answers["jobs"] = [ended]
    tell(dead=False)
    first = await looker.look(None)
    assert [each.job_id for each in first.list_drivers("w")] == ["09000000"]
    assert (first.list_drivers("x"), first.list_drivers(None), first.degraded) == ((), (), [])
    # One lives on, so it is asked for again, and then no more.
    tell(dead=True)
    second = await looker.look(first)
    assert [each.is_dead for each in second.list_drivers("w")] == [True]
    here.fail_drivers = RuntimeError("no GCS")
    third = await looker.look(second)
    assert third.drivers is second.drivers
    assert await looker.list_drivers("w") == ()
    # A submission that runs, or has ended since.
    ray.answers["jobs"] = [ended, {**ended, "submission_id": "v", "status": "RUNNING", "end_time": 0}]
    assert (await looker.look(third)).degraded == ["drivers of submissions: Ray did not say (RuntimeError)."]
    here.fail_drivers = None
    ray.answers["jobs"] = [ended, {**ended, "submission_id": "v"}]
    here.drivers.append({"job_id": "0a000000", "submission_id": "v", "is_dead": True})
    assert len((await looker.look(third)).list_drivers("v")) == 1
    assert [each.job_id for each in await looker.list_drivers("v")] == ["0a000000"]


async def test_drivers_of_a_run_before_with_its_id_are_left_out(here: Here, looker: Looker, ray: Replay) -> None:
    job = {**job_of("submission-ok"), "submission_id": "w", "job_id": "09000000"}
    ray.answers["jobs"] = [job]
    here.drivers = [{"job_id": "09000000", "submission_id": "w", "is_dead": True, "start_time": job["start_time"] - 1}]
    seen = await looker.look(await looker.look(None))
    assert (seen.find_job("w").job_id, seen.list_drivers("w"), seen.tasks) == (None, (), {})  # type: ignore[union-attr]
    # What is not told for once is not believed anew.
    here.fail_drivers = RuntimeError("no GCS")
    assert (await looker.look(seen)).find_job("w").job_id is None  # type: ignore[union-attr]


async def listed(looker: Looker, ray: Replay, previous: Snapshot | None) -> tuple[Snapshot, bool]:
    before = ray.asked.count("actors")
    seen = await looker.look(previous)
    return seen, ray.asked.count("actors") > before


async def test_many_actors_are_listed_once_a_minute_while_events_come(
    looker: Looker, ray: Replay, clock: Clock
) -> None:
    whole = ray.answers["actors"]
    seen, did = await listed(looker, ray, None)
    assert did
    # No event has come: nobody else would tell.
    seen, did = await listed(looker, ray, seen)
    assert did
    known = seen.actors.value[0]  # type: ignore[union-attr]
    dead = {**whole.rows[0], "actor_id": known.actor_id, "state": "DEAD", "name": "as Ray tells it"}
    ray.answers[f"actors actor_id={known.actor_id}"] = Listing([dead])
    ray.answers[f"actors actor_id={ACTOR}"] = Listing([])
    told = actor_changed("ALIVE")
    told["actorLifecycleEvent"]["actorId"] = b64(known.actor_id)
    looker.pushed.take([actor_defined(), told], clock.now)
    for age_s, lists in ((5, False), (54, False), (2, True)):
        clock.now += timedelta(seconds=age_s)
        looker.pushed.take([driver_defined()], clock.now)
        seen, did = await listed(looker, ray, seen)
        assert did is lists, age_s
        by_id = {actor.actor_id: (actor.name, actor.state) for actor in seen.actors.value}  # type: ignore[union-attr]
        # What Ray says of it counts, whatever the event said; and of which Ray knows nothing, there is nothing.
        assert ACTOR not in by_id
        assert (by_id[known.actor_id] == ("as Ray tells it", "DEAD")) is not lists
        assert len(by_id) == len(whole.rows)
    # Each was asked about once.
    assert sorted(each for each in ray.asked if each.startswith("actors ")) == sorted(
        [f"actors actor_id={known.actor_id}", f"actors actor_id={ACTOR}"]
    )


async def test_an_event_alone_makes_ends_and_blames_nothing(looker: Looker, ray: Replay, clock: Clock) -> None:
    """Whoever runs a job can read the key of the address to which Ray pushes."""
    ray.answers["jobs"] = [{**job_of("submission-ok"), "status": "RUNNING", "end_time": 0}]
    before = await looker.look(None)
    job_id = job_of("submission-ok")["job_id"]
    finished, killed = (
        driver_changed(("CREATED", 0), ("FINISHED", 4)),
        worker_died("SYSTEM_ERROR", f"{job_id}{'f' * 48}"),
    )
    finished["driverJobLifecycleEvent"]["jobId"] = b64(job_id)
    died = node_changed("DEAD")
    died["nodeLifecycleEvent"]["nodeId"] = b64(before.nodes.value[0].node_id)  # type: ignore[union-attr]
    looker.pushed.take([driver_defined(), finished, killed, died, actor_defined()], clock.now)
    after = await looker.look(before)
    assert (after.jobs, after.driver_exits, after.nodes, after.actors) == (
        before.jobs, before.driver_exits, before.nodes, before.actors,
    )  # fmt: skip


async def test_events_that_stop_coming_are_not_relied_on(looker: Looker, ray: Replay, clock: Clock) -> None:
    seen, _ = await listed(looker, ray, None)
    looker.pushed.take([actor_defined()], clock.now)
    clock.now += timedelta(seconds=61)
    assert (await listed(looker, ray, seen))[1]


async def test_few_actors_are_listed_each_time(looker: Looker, ray: Replay, clock: Clock) -> None:
    looker.config = InspectorConfig()
    seen, _ = await listed(looker, ray, None)
    looker.pushed.take([actor_defined()], clock.now)
    assert (await listed(looker, ray, seen))[1]


async def test_the_command_of_a_driver_does_not_tell_the_environment_of_its_submission(
    here: Here, looker: Looker, ray: Replay
) -> None:
    here.drivers = [{"job_id": "09000000", "submission_id": "w", "entrypoint": "python canary-0123456789"}]
    env = {"env_vars": {"PLACE": "canary-0123456789"}}
    ray.answers["jobs"] = [{**job_of("submission-ok"), "submission_id": "w", "runtime_env": env}]
    (told,) = (await looker.look(None)).list_drivers("w")
    assert told.entrypoint == "python [redacted]"

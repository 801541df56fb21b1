"""Rounds over many running jobs: what each costs, who is looked at when, and what is found."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

from serve_app.errors import Unavailable
from serve_app.jobs.models import Known, PastRuns
from serve_app.jobs.motion import Circle, Motion, Standstill
from serve_app.jobs.progress.circles.circles import JobTurns
from serve_app.jobs.progress.looks.suspects import MOST_LOGS
from serve_app.jobs.progress.looks.sweep import MOST_APART, MOST_NODES, MOST_TASKS, Sweep
from serve_app.jobs.progress.looks.trail_store import TrailArchive
from serve_app.jobs.progress.rounds import Rounds
from serve_app.jobs.settings import InspectorConfig
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.progress.looks.fakes import FakeCluster, FakeHead, FakeJob

PERIOD_S = 20.0
OWN_JOB = "99000000"


class FakeStore:
    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.writes = 0
        self.down = False

    async def save_trails(self, session: str, kept: Any) -> None:
        self._require_up()
        self.kept, self.writes = dict(kept), self.writes + 1

    async def load_trails(self, session: str) -> dict[str, Any]:
        self._require_up()
        return self.kept

    def _require_up(self) -> None:
        if self.down:
            raise Unavailable("The store is unavailable.")


class FakeSeeker:
    """Finds the same in each round, or fails."""

    requests = 0
    is_behind = False
    unsure: frozenset[str] = frozenset()

    def __init__(self, found: dict[str, JobTurns]) -> None:
        self.found = found
        self.broken = False
        self.sought = 0

    async def seek(self, round: Any) -> dict[str, JobTurns]:
        self.sought += 1
        if self.broken:
            raise KeyError("nobody foresaw this")
        return self.found

    def recall(self) -> dict[str, JobTurns]:
        return self.found


async def ask_attempts() -> Known[tuple[Any, ...]]:
    return Known(())


def circle_of(job_id: str | None) -> dict[str, JobTurns]:
    circle = Circle("task", "t", "shard", 3, None, None, "app.task-exception", "", "", False, job_id=job_id or "")
    return {job_id or "": JobTurns((circle,))}


def begin(
    cluster: FakeCluster, store: FakeStore | None = None, *, seeker: FakeSeeker | None = None, **config: Any
) -> Rounds:
    source = cast(Any, cluster)
    clock = cluster.clock
    rounds = Rounds(
        source, Sweep(source, ask_attempts), source, FakeHead(cluster), clock.now, seeker=seeker,
        keeper=None if store is None else TrailArchive(store, "s"), clock=clock, cpu=lambda: 0.0, pause=clock.pause,
    )  # fmt: skip
    rounds.config = InspectorConfig(**config)
    return rounds


async def look(cluster: FakeCluster, rounds: Rounds, times: int = 1) -> Counter[str]:
    """So many rounds, a period apart; what they asked."""
    cluster.asked.clear()
    for _ in range(times):
        cluster.clock.seconds += PERIOD_S
        await rounds.look_once()
    return Counter(cluster.asked)


def quiet(cluster: FakeCluster, rounds: Rounds, id: str = "job-0") -> float | None:
    motion: Motion = rounds.motions[id]
    return None if motion.quiet_since is None else (motion.looked_at - motion.quiet_since).total_seconds()


async def test_a_round_over_a_thousand_jobs_asks_as_much_as_one_over_one() -> None:
    """A question for each table and each node, whatever the number of jobs."""
    many = [FakeJob(number, f"n{number % 8}", tasks={f"t{number}": "RUNNING"}) for number in range(1_000)]
    costs = []
    for jobs in (many[:1], many):
        cluster = FakeCluster([replace(job, node_id="n0") for job in jobs] if len(jobs) > 1 else jobs, 8)
        rounds = begin(cluster)
        await look(cluster, rounds)
        costs.append(dict(await look(cluster, rounds)))
        assert len(rounds.motions) == len(jobs)
        assert cluster.most_at_once <= 4
    assert costs == [{"tasks": 1, "actors": 1, "placement_groups": 1, "node": 8}] * 2


async def test_a_thousand_quiet_jobs_cost_some_questions_more_and_are_all_looked_at_within_a_minute() -> None:
    jobs = [FakeJob(number, tasks={f"t{number}": "RUNNING"}) for number in range(1_000)]
    cluster = FakeCluster(jobs)
    rounds = begin(cluster, quiet_limit_s=80.0)
    await look(cluster, rounds, 4)
    # Who waits for whom is asked again after half a minute, so in every second round.
    assert await look(cluster, rounds, 2) == {
        "tasks": 2, "actors": 2, "placement_groups": 2, "node": 2, "objects": 1, "figures": 1, "profiling": 1,
    }  # fmt: skip
    now = cluster.clock.now()
    assert max((now - motion.looked_at).total_seconds() for motion in rounds.motions.values()) <= 60
    assert rounds.describe_gap(now) is None
    assert {motion.standstill for motion in rounds.motions.values()} == {Standstill.RESTING}
    assert (rounds.spent.rounds, rounds.spent.requests) == (6, 30)


async def test_two_hundred_jobs_elsewhere_are_looked_at_within_a_minute() -> None:
    """Their logs are asked for one by one, in turn; their tasks and processes are not."""
    jobs = [FakeJob(number, "n1") for number in range(200)]
    cluster = FakeCluster(jobs, 2)
    rounds = begin(cluster)
    await look(cluster, rounds, 3)
    assert await look(cluster, rounds) == {
        "tasks": 1, "actors": 1, "placement_groups": 1, "node": 2, "log": MOST_LOGS,
    }  # fmt: skip
    assert rounds.describe_gap(cluster.clock.now()) is None


async def test_jobs_elsewhere_that_never_joined_have_their_turn() -> None:
    """Of them nothing but the log is known, of which some are asked for in a round."""
    cluster = FakeCluster([FakeJob(number, "n1", joined=False) for number in range(3 * MOST_LOGS)], 2)
    rounds = begin(cluster)
    await look(cluster, rounds, 3)
    assert rounds.describe_gap(cluster.clock.now()) is None
    looked = {(cluster.clock.now() - each.looked_at).total_seconds() for each in rounds.motions.values()}
    assert looked == {0.0, 20.0, 40.0}
    await look(cluster, rounds, 3)
    assert {(cluster.clock.now() - each.looked_at).total_seconds() for each in rounds.motions.values()} == looked


async def test_one_job_with_many_tasks_hides_no_other() -> None:
    """The table is asked again without the job that fills it, and tells of the others."""
    noisy = FakeJob(0, tasks={f"a{number}": "RUNNING" for number in range(MOST_TASKS + 5)})
    others = [FakeJob(number, tasks={f"t{number}": "RUNNING"}) for number in range(1, 50)]
    cluster = FakeCluster([noisy, *others])
    rounds = begin(cluster)
    await look(cluster, rounds)
    assert (await look(cluster, rounds))["tasks"] == 2
    assert {id: motion.unfinished for id, motion in rounds.motions.items()} == {
        "job-0": MOST_TASKS, **{job.id: 1 for job in others},
    }  # fmt: skip


async def test_a_table_that_stays_cut_is_asked_for_single_jobs_in_turn_and_the_gap_is_told() -> None:
    filling = [FakeJob(number, tasks={f"a{number}-{i}": "RUNNING" for i in range(MOST_TASKS)}) for number in range(5)]
    others = [FakeJob(number) for number in range(5, 45)]
    cluster = FakeCluster([*filling, *others])
    rounds = begin(cluster)
    assert (await look(cluster, rounds))["tasks"] == 3 + MOST_APART
    await look(cluster, rounds, 5)
    gap = rounds.describe_gap(cluster.clock.now())
    assert gap is not None
    assert gap.startswith("motion: ")
    assert gap.endswith(" of 45 running jobs were not looked at for a minute")
    # All had their turn, none twice before another once.
    looked = {id: motion.looked_at for id, motion in rounds.motions.items()}
    assert len({job.id for job in others if looked[job.id] > min(looked.values())}) >= 4 * MOST_APART


async def test_nodes_beyond_the_most_have_their_turn() -> None:
    cluster = FakeCluster([FakeJob(0)], MOST_NODES + 30)
    rounds = begin(cluster)
    assert (await look(cluster, rounds))["node"] == MOST_NODES
    assert (await look(cluster, rounds))["node"] == MOST_NODES


async def test_quiet_since_the_latest_sign_and_again_after_one_more() -> None:
    job = FakeJob(0, tasks={"t": "RUNNING"})
    cluster = FakeCluster([job])
    rounds = begin(cluster)
    await look(cluster, rounds)
    assert quiet(cluster, rounds) is None
    await look(cluster, rounds, 3)
    assert quiet(cluster, rounds) == 60.0
    job.finished += 1
    await look(cluster, rounds)
    assert quiet(cluster, rounds) is None
    job.used_s += 19.0
    await look(cluster, rounds)
    assert (quiet(cluster, rounds), rounds.motions["job-0"].standstill) == (None, Standstill.BUSY)
    await look(cluster, rounds)
    assert quiet(cluster, rounds) == 20.0


async def test_a_run_with_the_id_of_an_earlier_one_has_not_been_quiet_since_before_it_began() -> None:
    job = FakeJob(0, tasks={"t": "RUNNING"})
    cluster = FakeCluster([job])
    rounds = begin(cluster)
    await look(cluster, rounds, 4)
    assert quiet(cluster, rounds) == 60.0
    job.started_at = cluster.clock.now() + timedelta(seconds=1)
    await look(cluster, rounds, 2)
    assert quiet(cluster, rounds) == 20.0


async def test_after_a_clock_was_set_back_what_runs_is_judged_and_kept() -> None:
    """Its start and what was written and learned lie ahead then."""
    store = FakeStore()
    job = FakeJob(0, tasks={"t": "RUNNING"})
    cluster = FakeCluster([job])
    rounds = begin(cluster, store, quiet_limit_s=60.0)
    # The clock that only goes on is another.
    rounds._clock = itertools.count().__next__
    cluster.clock.seconds += 3600
    job.started_at = cluster.clock.now() - timedelta(seconds=1800)
    await look(cluster, rounds, 6)
    assert (quiet(cluster, rounds), store.writes) == (100.0, 2)
    cluster.clock.seconds -= 3600
    asked = await look(cluster, rounds, 5)
    assert (quiet(cluster, rounds), store.writes, asked["objects"]) == (80.0, 5, 2)
    cluster.failing.add("node")
    cluster.clock.seconds += 100
    assert rounds.describe_gap(cluster.clock.now()) == "motion: 1 of 1 running jobs were not looked at for a minute"


async def test_a_store_that_could_not_be_read_is_not_written_over() -> None:
    store, cluster = FakeStore(), FakeCluster([FakeJob(0)])
    before = begin(cluster, store)
    await look(cluster, before, 6)
    await before.close()
    kept = store.kept
    rounds = begin(cluster, store)
    store.load_trails = refuse  # type: ignore[method-assign]
    await look(cluster, rounds, 6)
    assert store.kept == kept


async def refuse(session: str) -> dict[str, Any]:
    raise Unavailable("The store is unavailable.")


async def test_what_is_learned_of_a_suspect() -> None:
    """Half of its limit before, and no earlier."""
    cluster = FakeCluster([FakeJob(0), FakeJob(1)], listens={"job-1": 8080}, unlooked=frozenset({"job-0"}))
    rounds = begin(cluster, quiet_limit_s=200.0)
    await look(cluster, rounds, 4)
    assert (rounds.motions["job-0"].last_line, rounds.motions["job-1"].serving) == ("", "")
    await look(cluster, rounds, 3)
    first, second = rounds.motions["job-0"], rounds.motions["job-1"]
    assert (first.last_line, first.serving, first.can_show_stacks) == ("/s/logs: last line of job-0", "", False)
    assert second.serving == "a process of it listens on port 8080"
    assert (first.may_serve, second.may_serve) == (True, False)


async def test_earlier_runs_make_a_suspect_sooner() -> None:
    cluster = FakeCluster([FakeJob(0)], past=PastRuns(20, 60.0))
    rounds = begin(cluster)
    await look(cluster, rounds, 3)
    assert rounds.motions["job-0"].last_line != ""


async def test_a_job_that_never_joined_is_known_by_its_log() -> None:
    job = FakeJob(0, joined=False)
    cluster = FakeCluster([job])
    rounds = begin(cluster)
    await look(cluster, rounds, 3)
    assert (quiet(cluster, rounds), rounds.motions["job-0"].standstill) == (40.0, Standstill.UNSEEN)
    job.log_bytes += 1
    await look(cluster, rounds)
    assert quiet(cluster, rounds) is None


async def test_an_entrypoint_that_goes_on_after_its_driver_is_known_by_its_log() -> None:
    """``train; upload``: that its driver is gone proves nothing against it."""
    job = FakeJob(0)
    cluster = FakeCluster([job])
    rounds = begin(cluster)
    await look(cluster, rounds, 2)
    job.driver_alive = False
    await look(cluster, rounds, 2)
    motion = rounds.motions["job-0"]
    assert (quiet(cluster, rounds), motion.standstill, motion.driver_left) == (60.0, Standstill.UNSEEN, True)


async def test_what_cannot_be_told_is_not_known_and_counted() -> None:
    cluster = FakeCluster([FakeJob(0), FakeJob(1, joined=False)])
    rounds = begin(cluster)
    await look(cluster, rounds, 2)
    for table in ("tasks", "node"):
        cluster.failing = {table}
        before = rounds.motions["job-0"].looked_at
        await look(cluster, rounds, 4)
        assert rounds.motions["job-0"].looked_at == before
        assert rounds.describe_gap(cluster.clock.now()) is not None
        cluster.failing = set()
        await look(cluster, rounds)
        assert rounds.describe_gap(cluster.clock.now()) is None


async def test_services_and_what_does_not_run_are_no_subjects() -> None:
    running = FakeJob(0).build_row()
    others = [
        replace(running, id="service", kind="application-server"),
        replace(running, id="hidden", hidden=True),
        replace(running, id="node", derived=True),
        replace(running, id="over", outcome=JobOutcome.SUCCEEDED),
    ]
    cluster = FakeCluster([], more_rows=others)
    rounds = begin(cluster)
    # Where nothing runs, nothing is asked.
    assert await look(cluster, rounds) == {}
    assert rounds.motions == {}
    cluster.jobs = [FakeJob(0)]
    await look(cluster, rounds)
    assert set(rounds.motions) == {"job-0"}


async def test_what_was_seen_before_ray_fell_silent_is_not_seen_again() -> None:
    cluster = FakeCluster([FakeJob(0)])
    rounds = begin(cluster)
    await look(cluster, rounds, 2)
    cluster.answered = False
    assert await look(cluster, rounds) == {}
    assert quiet(cluster, rounds) == 20.0


async def test_silence_outlives_a_restart() -> None:
    store, cluster = FakeStore(), FakeCluster([FakeJob(0), FakeJob(1)])
    rounds = begin(cluster, store)
    await look(cluster, rounds, 6)
    await rounds.close()
    assert set(store.kept) == {"job-0", "job-1"}
    cluster.jobs[1].finished += 1
    again = begin(cluster, store)
    await look(cluster, again)
    assert (quiet(cluster, again), quiet(cluster, again, "job-1")) == (120.0, None)


async def test_since_when_one_that_is_busy_is_silent_outlives_a_restart() -> None:
    store, cluster = FakeStore(), FakeCluster([FakeJob(0)])
    before, rounds = begin(cluster, store), begin(cluster, store)
    for each in (before, rounds):
        for _ in range(6):
            cluster.jobs[0].used_s += PERIOD_S
            await look(cluster, each)
        await each.close()
    motion = rounds.motions["job-0"]
    assert motion.spoke_at is not None
    assert (motion.quiet_since, (motion.looked_at - motion.spoke_at).total_seconds()) == (None, 11 * PERIOD_S)


async def test_a_store_that_is_away_costs_nothing_but_memory() -> None:
    store, cluster = FakeStore(), FakeCluster([FakeJob(0)])
    before = begin(cluster, store)
    await look(cluster, before, 6)
    await before.close()
    store.down = True
    rounds = begin(cluster, store)
    await look(cluster, rounds)
    assert quiet(cluster, rounds) is None
    # What was begun meanwhile gives way to what is known, when it is known.
    store.down = False
    await look(cluster, rounds)
    assert quiet(cluster, rounds) == 140.0
    await rounds.close()


async def test_what_began_while_the_store_was_away_stays_known_when_it_is_back() -> None:
    store, cluster = FakeStore(), FakeCluster([FakeJob(0)])
    before = begin(cluster, store)
    await look(cluster, before, 6)
    await before.close()
    store.down = True
    cluster.jobs.append(FakeJob(1))
    rounds = begin(cluster, store)
    await look(cluster, rounds, 3)
    store.down = False
    await look(cluster, rounds)
    assert (quiet(cluster, rounds), quiet(cluster, rounds, "job-1")) == (180.0, 60.0)


async def test_a_job_that_ended_is_asked_about_again_without_any_that_runs() -> None:
    cluster, seeker = FakeCluster([]), FakeSeeker({})
    rounds = begin(cluster, seeker=seeker)
    await look(cluster, rounds, 2)
    assert seeker.sought == 1
    seeker.is_behind = True
    await look(cluster, rounds, 2)
    assert seeker.sought == 3


async def test_trails_are_written_now_and_then_and_only_of_quiet_jobs() -> None:
    store, cluster = FakeStore(), FakeCluster([FakeJob(0)])
    rounds = begin(cluster, store)
    await look(cluster, rounds, 2)
    assert store.writes == 0
    await look(cluster, rounds, 8)
    assert (store.writes, set(store.kept)) == (4, {"job-0"})
    # That it moves again is written once, so that nothing old is found after a restart.
    cluster.jobs[0].finished += 1
    await look(cluster, rounds, 2)
    assert (store.writes, store.kept) == (5, {})
    cluster.jobs[0].finished += 1
    await rounds.close()
    assert store.writes == 5


async def test_who_asks_again_at_once_costs_no_other_round() -> None:
    cluster = FakeCluster([FakeJob(0)])
    rounds = begin(cluster)
    await look(cluster, rounds)
    before = len(cluster.asked)
    await rounds.look_once(fresh_for_s=3.0)
    assert len(cluster.asked) == before
    cluster.clock.seconds += 3.0
    await rounds.look_once(fresh_for_s=3.0)
    assert len(cluster.asked) > before


async def test_a_round_that_fails_by_a_fault_of_ours_is_not_the_last() -> None:
    cluster = FakeCluster([FakeJob(0)])
    rounds = begin(cluster)
    broken = cluster.get
    turns: list[float] = []

    async def fail(**_: Any) -> Any:
        raise KeyError("nobody foresaw this")

    async def pause(seconds: float) -> None:
        turns.append(seconds)
        cluster.get = fail if len(turns) == 1 else broken  # type: ignore[assignment]
        await asyncio.sleep(0)

    rounds._pause = pause
    rounds.start()
    while len(turns) < 4:
        await asyncio.sleep(0)
    rounds.require_alive()
    assert rounds.spent.rounds >= 2
    await rounds.close()


async def test_a_service_circles_and_serve_does_not() -> None:
    service = replace(FakeJob(7).build_row(), id="service", kind="application-server")
    rows = [
        service,
        replace(service, id="of-serve", kind_rule="kind-by-serve"),
        replace(service, id="ours", job_id=OWN_JOB),
        replace(service, id="hidden", hidden=True),
        replace(service, id="node", derived=True),
    ]
    found = circle_of(service.job_id) | circle_of(OWN_JOB)
    cluster, seeker = FakeCluster([], more_rows=rows, own_job_id=OWN_JOB), FakeSeeker(found)
    rounds = begin(cluster, seeker=seeker)
    # Of what may circle it is sought, whatever else runs.
    for number in (1, 2):
        await look(cluster, rounds)
        expected = {"service": Motion(cluster.clock.now(), circles=found[str(service.job_id)].circles)}
        assert (seeker.sought, rounds.motions) == (number, expected)
    seeker.found = {}
    await look(cluster, rounds)
    assert rounds.motions == {}
    cluster.more_rows = rows[1:]
    assert await look(cluster, rounds) == {}


async def test_after_a_restart_it_is_not_known_yet_whether_an_actor_circles() -> None:
    cluster, seeker = FakeCluster([FakeJob(0), FakeJob(1)]), FakeSeeker({})
    rounds = begin(cluster, seeker=seeker)
    seeker.unsure = frozenset({str(cluster.jobs[1].job_id)})
    await look(cluster, rounds)
    assert {id: motion.may_circle for id, motion in rounds.motions.items()} == {"job-0": False, "job-1": True}


async def test_what_has_just_ended_is_looked_at_a_little_longer() -> None:
    job = FakeJob(0)
    cluster, seeker = FakeCluster([job]), FakeSeeker({})
    rounds = begin(cluster, seeker=seeker)
    await look(cluster, rounds)
    cluster.jobs = []
    cluster.more_rows = [replace(job.build_row(), outcome=JobOutcome.STOPPED, ended_at=cluster.clock.now())]
    seeker.found = circle_of(job.job_id)
    await look(cluster, rounds)
    assert (seeker.sought, set(rounds.motions)) == (2, {"job-0"})
    await look(cluster, rounds, 3)
    assert (seeker.sought, set(rounds.motions)) == (4, {"job-0"})
    assert await look(cluster, rounds) == {}


async def test_hangs_are_found_when_circles_cannot_be_sought(caplog: pytest.LogCaptureFixture) -> None:
    job = FakeJob(0)
    cluster, seeker = FakeCluster([job]), FakeSeeker(circle_of(job.job_id))
    rounds = begin(cluster, seeker=seeker)
    await look(cluster, rounds)
    seeker.broken = True
    await look(cluster, rounds, 3)
    assert (quiet(cluster, rounds), len(rounds.motions["job-0"].circles)) == (60.0, 1)
    (text,) = {record.getMessage() for record in caplog.records if record.levelname == "ERROR"}
    assert text == "circles were not sought: KeyError('nobody foresaw this')"


async def test_rounds_go_on_and_rest() -> None:
    cluster = FakeCluster([FakeJob(0)])
    rounds = begin(cluster)
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        cluster.clock.seconds += seconds
        if len(pauses) == 3:
            cluster.failing = {"tasks", "node", "actors", "placement_groups"}
        await asyncio.sleep(0)

    rounds._pause = pause
    rounds.start()
    while len(pauses) < 6:
        await asyncio.sleep(0)
    rounds.require_alive()
    await rounds.close()
    assert set(pauses) == {20.0}


async def test_a_driver_that_is_too_busy_to_say_whose_it_is() -> None:
    """Ray's row of it lacks the job then, of which the job list knows the process."""
    job = FakeJob(0)
    cluster = FakeCluster([job])
    rounds = begin(cluster)
    await look(cluster, rounds, 2)
    job.silent, job.used_s = True, job.used_s + 19.0
    await look(cluster, rounds)
    assert (quiet(cluster, rounds), rounds.motions["job-0"].cores) == (None, 0.95)

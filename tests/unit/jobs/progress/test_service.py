"""Looks on demand: how many, how far apart, what is kept, and what each asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from serve_app.errors import AppError, TooBusy
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.expectations import BUILT_IN, Expectation
from serve_app.jobs.judging.motion_rules import Allowance, advise, decide_motion, describe_circle
from serve_app.jobs.models import (
    ActorFacts,
    DriverExit,
    JobFacts,
    JobRow,
    JobType,
    Known,
    PastRuns,
    Snapshot,
    Unknown,
    Verdict,
    WaitingActor,
)
from serve_app.jobs.motion import Circle, Motion, MotionJudgement
from serve_app.jobs.progress import service as observing
from serve_app.jobs.progress.models import LogFacts, ProcessorFacts, WorkFacts
from serve_app.jobs.progress.processes import UNCONNECTED
from serve_app.jobs.progress.service import Stillnesses
from serve_app.jobs.reading.poll import Seen
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import Clock, row
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE, IN_PART
from tests.unit.jobs.progress.examples import DOWN, at, has, held, task

NODES = Known((replace(has(CPU=4.0), node_id="n1"),))
NOTHING: Known[tuple[Any, ...]] = Known(())
EXIT = DriverExit("03000000", True, None, None, 7, at(0), None, "n1")
JOB = JobFacts("j", JobType.SUBMISSION, "RUNNING", job_id="03000000", submission_id="j", node_id="n1", pid=7)


STUCK = MotionJudgement(Motion(at(0)), "stuck", "It cannot go on.", 600.0, code="scheduling.infeasible")


def running(id: str = "j", **changes: Any) -> JobRow:
    values = {
        "outcome": JobOutcome.RUNNING,
        "job_id": "03000000",
        "duration_s": 90.0,
        "session": "s",
        "verdict": Verdict.OK,
        "motion": STUCK,
    }
    return row(id, **{**values, **changes})


def two_drivers(*, first_dead: bool = False, last_alive: bool = False) -> dict[str, Any]:
    """What a watch sees of a submission with two drivers, of which its row names the last."""
    first = DriverRun("02000000", "j", "a.py", first_dead, pid=5, node_id="n1")
    last = DriverRun("03000000", "j", "b.py", not last_alive, pid=7, node_id="n1")
    own = replace(EXIT, job_id="02000000", is_alive=not first_dead, pid=5)
    return {
        "exits": {"02000000": own, "03000000": replace(EXIT, is_alive=last_alive)},
        "drivers": {"j": (first, last)},
    }


@dataclass
class FakeWatch:
    """A watch that always sees the same."""

    clock: Clock
    rows: list[JobRow]
    past: PastRuns | None = None
    waiting: Any = NOTHING
    nodes: Any = NODES
    seconds_a_look: float = 0.0
    answered: bool = True
    contracts: Any = BUILT_IN
    exits: Any = field(default_factory=lambda: {"03000000": EXIT})
    drivers: Any = field(default_factory=dict)

    def expect(self, kind: str) -> Expectation:
        expectation: Expectation = self.contracts.get_expectation(kind)
        return expectation

    async def get_resources(self) -> Any:
        return Known(({"CPU": 4.0}, {"CPU": 1.0}))

    async def get(self, *, fresh_for_s: float | None = None) -> Seen:
        await asyncio.sleep(0)
        self.clock.seconds += self.seconds_a_look if fresh_for_s is not None else 0.0
        actor = ActorFacts("a", "A", None, "ALIVE", "03000000", "", "n1", 9)
        other = replace(actor, job_id="04000000", pid=10)
        snapshot = Snapshot(
            self.clock.now(), Known((JOB,)), Known(self.exits), self.nodes, Known((actor, other)), DOWN,
            waiting=self.waiting, free=Known({"CPU": 1.0}), drivers=Known(self.drivers),
        )  # fmt: skip
        return Seen(snapshot, self.rows, {each.key: each for each in self.rows}, [], answered=self.answered)

    async def find(self, wanted: str) -> Any:
        found = next((each for each in self.rows if each.id == wanted), None)
        return None if found is None else (await self.get(), found)

    def find_past(self, series: str) -> PastRuns | None:
        return self.past


@dataclass
class FakeRounds:
    """Rounds that see what the row says already."""

    looks: int = 0

    async def look_once(self, *, fresh_for_s: float = 0.0) -> None:
        self.looks += 1


@dataclass
class FakeQuestions:
    """What was asked, and the same answers always."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[tuple[str, Any]] = field(default_factory=list)

    def __getattr__(self, method: str) -> Any:
        name = method.removeprefix("ask_")
        usual = {
            "work": Known(WorkFacts({}, ())), "actors": Known(()), "groups": Known(()), "references": Known(()),
            "log": Known(LogFacts(10)), "processor": Known(ProcessorFacts(at(0), {("n1", 7): 1.0}, 0.0)),
            "stacks": Unknown("off"),
        }  # fmt: skip

        async def ask(argument: Any, *more: Any) -> Any:
            others = () if name == "log" else more
            self.asked.append((name, (argument, *others) if others else argument))
            return self.answers.get(name, usual[name])

        return ask

    def count(self, name: str) -> int:
        return sum(each == name for each, _ in self.asked)


@dataclass
class Made:
    watch: FakeWatch
    questions: FakeQuestions
    clock: Clock
    rounds: FakeRounds
    stillnesses: Stillnesses


def made(*rows: JobRow, answers: dict[str, Any] | None = None, **watch: Any) -> Made:
    clock = Clock()
    seen, questions, rounds = FakeWatch(clock, list(rows), **watch), FakeQuestions(answers or {}), FakeRounds()
    stillnesses = Stillnesses(cast(Any, seen), cast(Any, questions), rounds, clock.now, clock=clock, pause=clock.pause)
    return Made(seen, questions, clock, rounds, stillnesses)


INFEASIBLE = {"work": Known(WorkFacts({}, (held("p", GPU=1),)))}


async def test_the_first_answer_takes_two_looks_and_the_next_one() -> None:
    it = made(running(), answers=INFEASIBLE)
    told = await it.stillnesses.judge(running())
    assert (told.state.value, told.code, it.clock.seconds) == ("stuck", "scheduling.infeasible", observing.SPAN_S)
    assert it.questions.count("work") == 2
    it.clock.seconds += 100
    again = await it.stillnesses.judge(running())
    assert (again.state.value, it.questions.count("work"), it.clock.seconds) == ("stuck", 3, 103.0)
    # At once again: not before the same time has passed.
    await it.stillnesses.judge(running())
    assert (it.questions.count("work"), it.clock.seconds) == (4, 106.0)
    await it.stillnesses.close()


async def test_looks_are_kept_for_an_hour_and_few() -> None:
    it = made(running(), answers=INFEASIBLE)
    for _ in range(6):
        await it.stillnesses.judge(running())
    assert len(it.stillnesses._kept["s/j"]) == observing.MOST_LOOKS
    it.clock.seconds += 3_601
    before = it.questions.count("work")
    await it.stillnesses.judge(running())
    assert it.questions.count("work") == before + 2


async def test_jobs_are_forgotten_oldest_first() -> None:
    rows = [running(f"j{number}", job_id=None) for number in range(observing.MOST_JOBS + 1)]
    it = made(*rows)
    for each in rows:
        await it.stillnesses.judge(each)
    assert len(it.stillnesses._kept) == observing.MOST_JOBS
    assert "s/j0" not in it.stillnesses._kept


async def test_a_slow_ray_leaves_one_look_and_the_answer_says_so() -> None:
    it = made(running(motion=None), answers=INFEASIBLE, seconds_a_look=10.0)
    told = await it.stillnesses.judge(running())
    assert (told.state.value, it.questions.count("work")) == ("unknown", 1)
    assert told.settle[0].startswith("Ask again in a few seconds")


async def test_who_asks_meanwhile_gets_the_same_answer() -> None:
    it = made(running(), answers=INFEASIBLE)
    one, other = await asyncio.gather(it.stillnesses.judge(running()), it.stillnesses.judge(running()))
    assert one is other
    assert it.questions.count("work") == 2


async def test_not_too_many_jobs_at_once() -> None:
    rows = [running(f"j{number}") for number in range(observing.MOST_AT_ONCE + 1)]
    it = made(*rows)
    told = await asyncio.gather(*(it.stillnesses.judge(each) for each in rows), return_exceptions=True)
    assert [type(each) for each in told if isinstance(each, AppError)] == [TooBusy]
    assert it.stillnesses._asking == {}


async def test_what_a_look_asks() -> None:
    """Processes of its own only; references only where they tell something."""
    runs = task("r", node_id="n1", pid=8)
    it = made(running(), answers={"work": Known(WorkFacts({}, (runs, held("p", GPU=1))))})
    await it.stillnesses.judge(running())
    first = it.questions.asked[: len(it.questions.asked) // 2]
    assert first == [
        ("work", "03000000"), ("actors", "03000000"), ("groups", "03000000"), ("log", "j"),
        ("processor", {"n1": [7, 8, 9]}),
        ("stacks", [("driver", "n1", 7), ("worker of r", "n1", 8), ("actor A", "n1", 9)]),
        ("references", "03000000"),
    ]  # fmt: skip
    alone = made(running(), answers={"work": Known(WorkFacts({}, (runs,)))})
    await alone.stillnesses.judge(running())
    assert alone.questions.count("references") == 0
    held_up = made(running(), answers=INFEASIBLE)
    await held_up.stillnesses.judge(running())
    assert held_up.questions.count("references") == 0


@pytest.mark.parametrize(
    ("first_dead", "last_alive", "drivers", "state"),
    [
        # ``a & b; wait``: b, which the row names, has ended, and a goes on; both go on; a has ended; both have.
        (False, False, [("driver", "n1", 5)], ("alive", "process 5 lives, moving or not")),
        (False, True, [("driver", "n1", 7), ("driver", "n1", 5)], ("alive", "process 7 lives, moving or not")),
        (True, True, [("driver", "n1", 7)], ("alive", "process 7 lives, moving or not")),
        (True, False, [], ("gone", "process 7 has ended")),
    ],
)
async def test_a_look_asks_every_driver(first_dead: bool, last_alive: bool, drivers: Any, state: Any) -> None:
    runs = task("r", node_id="n1", pid=8)
    answers = {"work": Known(WorkFacts({}, (runs, held("p", GPU=1))))}
    it = made(running(), answers=answers, **two_drivers(first_dead=first_dead, last_alive=last_alive))
    told = await it.stillnesses.judge(running())
    ids = "03000000" if first_dead else ("03000000", "02000000")
    processes = [*drivers, ("worker of r", "n1", 8), ("actor A", "n1", 9)]
    assert it.questions.asked[: len(it.questions.asked) // 2] == [
        ("work", ids), ("actors", ids), ("groups", ids), ("log", "j"),
        ("processor", {"n1": [pid for _, _, pid in processes]}), ("stacks", processes[:3]), ("references", ids),
    ]  # fmt: skip
    signal = next(each for each in told.signals if each.name == "driver-process")
    assert (signal.value, signal.detail) == state


async def test_a_program_that_does_not_use_ray() -> None:
    plain = running(job_id=None, motion=None)
    it = made(plain)
    told = await it.stillnesses.judge(plain)
    assert (told.state.value, told.code) == ("unknown", None)
    assert {name for name, _ in it.questions.asked} == {"log", "stacks"}
    assert any(UNCONNECTED in signal.detail for signal in told.signals)
    assert told.settle == ("It does not use Ray, so only its log shows whether it moves: have it print its progress.",)


@pytest.mark.parametrize(
    ("changes", "state"),
    [({}, "moving"), ({"verdict": Verdict.WARN, "reason": "Serve is UNHEALTHY."}, "unknown")],
)
async def test_a_service_is_not_looked_at(changes: dict[str, Any], state: str) -> None:
    service = running(kind="application-server", duration_s=9e6, **changes)
    it = made(service, past=PastRuns(30, 3.0))
    told = await it.stillnesses.judge(service)
    assert (told.state.value, told.code, it.questions.asked, it.clock.seconds) == (state, None, [], 0.0)


@pytest.mark.parametrize("circle", [CIRCLE, IN_PART])
async def test_a_service_that_circles_is_told_to_as_in_its_row(circle: Circle) -> None:
    judged = decide_motion(Motion(at(0), circles=(circle,)), Allowance("j", 600.0, serves=True), at(0))
    service = running(kind="application-server", verdict=Verdict.BAD, motion=judged, circle=circle)
    it = made(service)
    told = await it.stillnesses.judge(service)
    assert (told.state.value, told.code, told.sentence) == ("circling", circle.code, describe_circle(circle))
    assert (told.advice, told.settle) == ((advise(circle),), ())
    assert (it.questions.asked, it.clock.seconds) == ([], 0.0)
    # What fails of Serve itself, Serve replaces: its row has no circle, and is judged by its probe.
    of_serve = replace(service, circle=None, verdict=Verdict.OK)
    assert (await made(of_serve).stillnesses.judge(of_serve)).state.value == "moving"


async def test_a_submission_that_waits_is_not_looked_at() -> None:
    supervisor = WaitingActor("x", "_ray_internal_job_actor_j", "JobSupervisor", "01000000", "PENDING", {"GPU": 1.0})
    pending = running(outcome=JobOutcome.PENDING, job_id=None)
    it = made(pending, waiting=Known((supervisor,)))
    told = await it.stillnesses.judge(pending)
    assert (told.state.value, told.code) == ("waiting", "scheduling.infeasible")
    assert it.questions.asked == []


async def test_what_was_known_before_ray_fell_silent_proves_nothing() -> None:
    it = made(running(motion=None), answers=INFEASIBLE, answered=False)
    told = await it.stillnesses.judge(running(motion=None))
    assert (told.state.value, told.code, told.advice, it.questions.asked) == ("unknown", None, (), [])


async def test_the_answer_is_that_of_lists_and_alerts() -> None:
    """One more round is gone first, and what the row says then is said; the looks add what was measured."""
    it = made(running(), answers=INFEASIBLE)
    told = await it.stillnesses.judge(running(motion=None))
    assert (told.state.value, told.code, told.sentence, it.rounds.looks) == (
        "stuck", "scheduling.infeasible", "It cannot go on.", 1,
    )  # fmt: skip
    assert [signal.name for signal in told.signals][:2] == ["driver-process", "task-states"]


async def test_the_newest_row_counts() -> None:
    """What was pending when the caller looked runs now."""
    it = made(running(), answers=INFEASIBLE)
    told = await it.stillnesses.judge(running(outcome=JobOutcome.PENDING))
    assert told.state.value == "stuck"


async def test_an_unusual_duration_is_told() -> None:
    it = made(running(), past=PastRuns(30, 3.0))
    told = await it.stillnesses.judge(running())
    (duration,) = (signal for signal in told.signals if signal.name == "duration")
    assert (duration.value, duration.says) == (90.0, "still")


async def test_an_error_nobody_waits_for_is_no_noise() -> None:
    it = made(running())
    it.questions.answers["work"] = None
    asking = asyncio.ensure_future(it.stillnesses.judge(running()))
    await asyncio.sleep(0)
    asking.cancel()
    await it.stillnesses.close()
    assert it.stillnesses._asking == {}

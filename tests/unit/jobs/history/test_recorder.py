"""What is written to the history, when, and what happens while the store is down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from serve_app.errors import InvalidInput, Unavailable
from serve_app.jobs.history import recorder as recorder_module
from serve_app.jobs.history.recorder import BATCH, Recorder, build_record
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import JobRow, PastRuns
from serve_app.jobs.motion import Motion
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE
from tests.unit.jobs.judging.test_judge import NOW, ago, snapshot, submission

Json = dict[str, Any]
DOWN = Unavailable("The store does not answer.")
QUIET: list[Any] = [("save", []), ("close_sessions", ""), ("forget", 90.0, 100_000, 2_000)]


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


class FakeHistory:
    """A store that keeps the last state of each job, and a transition for each change of judgement."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.asked: list[Any] = []
        self.jobs: dict[str, Json] = {}
        self.transitions: list[str] = []
        self.open: list[str] = []
        self.over: list[str] = []
        self.runs: dict[str, Json] = {}
        self.during_save: Any = None
        self.closed = False
        self.refuses: set[str] = set()
        self.word = "first"
        self.sessions: list[Json] = []

    async def opening(self) -> str:
        if self.failure is not None:
            raise self.failure
        return self.word

    async def begin_session(self, session: str, place: str) -> list[str]:
        self._answer(("begin", session, place))
        return []

    async def open_sessions(self, current: str) -> list[Json]:
        return self.sessions

    async def end_gone_sessions(self, names: Sequence[str]) -> None:
        self._answer(("gone", list(names)))

    async def save_jobs(self, session: str, records: Sequence[Json]) -> bool:
        self._answer(("save", [record["key"] for record in records]))
        if any(record["key"] in self.refuses for record in records):
            raise InvalidInput("It holds a NUL character.")
        before = dict(self.jobs)
        for record in records:
            judged = [record[name] for name in ("status", "outcome", "verdict", "rule")]
            known = before.get(record["key"])
            if known is None or [known[name] for name in ("status", "outcome", "verdict", "rule")] != judged:
                self.transitions.append(f"{record['id']} {record['outcome']}")
            self.jobs[record["key"]] = record
        if self.during_save is not None:
            self.during_save()
        was_closed, self.closed = self.closed, False
        return was_closed

    async def open_runs(self, session: str) -> list[str]:
        self._answer(("open", session))
        return self.open

    async def close_unseen_jobs(self, session: str, keys: Sequence[str]) -> None:
        self._answer(("close", sorted(keys)))

    async def close_sessions(self, current: str) -> list[str]:
        self._answer(("close_sessions", current))
        return self.over

    async def forget_jobs(self, kept_days: float, kept_jobs: int, batch: int) -> int:
        self._answer(("forget", kept_days, kept_jobs, batch))
        return 0

    async def past_runs(self, series: Sequence[str]) -> dict[str, Json]:
        self._answer(("past", list(series)))
        return self.runs

    def _answer(self, asked: Any) -> None:
        if self.failure is not None:
            raise self.failure
        self.asked.append(asked)

    def told(self) -> list[Any]:
        """What was asked since the last time, the upkeep's questions aside."""
        asked, self.asked = self.asked, []
        return [each for each in asked if each not in QUIET and each != ("open", "")]


@pytest.fixture
def history() -> FakeHistory:
    return FakeHistory()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(history: FakeHistory, clock: Clock) -> Recorder:
    return Recorder(history, "", clock)


def rows(**statuses: str) -> list[JobRow]:
    return judge(snapshot(*(submission(id, status) for id, status in statuses.items())), NOW)


def key(id: str, began: float = 10) -> str:
    return f"/{id}@{1000 * int(ago(began).timestamp())}"


async def test_only_what_changed_is_written(recorder: Recorder, history: FakeHistory) -> None:
    same = rows(a="SUCCEEDED", b="RUNNING")
    found = []
    for offered in (same, same, rows(a="SUCCEEDED", b="RUNNING"), rows(a="SUCCEEDED", b="FAILED"), []):
        changed = recorder.offer(offered, complete=False)
        await recorder.write_once()
        found.append((changed, history.told()))
    assert found == [
        (True, [("save", [key("b"), key("a")])]),
        (False, []),
        (False, []),
        (True, [("save", [key("b")])]),
        (False, []),
    ]
    assert history.transitions == ["b running", "a succeeded", "b failed"]
    assert recorder.unwritten == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"metadata": {"seedcore.kind": "report"}},
        {"ended_at": ago(1)},
        {"started_at": ago(11)},
        {"exit_code": None},
    ],
)
async def test_what_pages_and_figures_depend_on_is_written_anew(
    recorder: Recorder, history: FakeHistory, changes: Json
) -> None:
    """A row that stood at another place, or counted elsewhere, must not stay so in the store."""
    values = {"status": "SUCCEEDED", **changes}
    for job in (submission("a", "SUCCEEDED"), submission("a", **values)):
        [row] = judge(snapshot(job), NOW)
        recorder.offer([row], complete=True)
        await recorder.write_once()
        assert history.jobs[row.key] == {**build_record(row), "seen_us": round(NOW.timestamp() * 1_000_000)}


async def test_what_is_learned_of_its_circle_is_written_too(recorder: Recorder, history: FakeHistory) -> None:
    """A new inspector sees a job that had ended before it knows that it had gone in circles."""
    for motions in ({}, {"a": Motion(NOW, circles=(CIRCLE,))}):
        seen = replace(snapshot(submission("a", "STOPPED")), motions=motions)
        recorder.offer(judge(seen, NOW), complete=True)
        await recorder.write_once()
    kept = history.jobs[key("a")]["content"]
    assert kept["row"]["code"] == "memory.node-oom"
    assert [each["source"] for each in kept["evidence"] if each["rule"] == "circle"] == ["task table"]


async def test_while_the_store_is_down_every_state_waits_its_turn(recorder: Recorder, history: FakeHistory) -> None:
    history.failure = DOWN
    for a, b in (("PENDING", "RUNNING"), ("RUNNING", "RUNNING"), ("RUNNING", "RUNNING"), ("FAILED", "RUNNING")):
        recorder.offer(rows(a=a, b=b), complete=True)
        await recorder.write_once()
        assert recorder.failure == "The store does not answer."
    unwritten = {name: row.outcome.value for name, row in recorder.unwritten.items()}
    assert unwritten == {key("a"): "failed", key("b"): "running"}
    history.failure = None
    await recorder.write_once()
    assert (recorder.failure, recorder.unwritten) == (None, {})
    assert history.transitions == ["b running", "a pending", "a running", "a failed"]
    assert history.told() == [("save", [key("b"), key("a")]), ("save", [key("a")]), ("save", [key("a")])]


async def test_of_one_job_only_so_many_states_wait(recorder: Recorder, history: FakeHistory) -> None:
    history.failure = DOWN
    for number in range(20):
        recorder.offer(rows(a="RUNNING" if number % 2 else "PENDING"), complete=True)
    recorder.offer(rows(a="FAILED"), complete=True)
    history.failure = None
    await recorder.write_once()
    assert history.transitions == [*["a pending", "a running"] * 3, "a pending", "a failed"]


async def test_of_jobs_that_ray_has_forgotten_only_so_many_wait(
    recorder: Recorder, history: FakeHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_MOST_FORGOTTEN", 2)
    for number in range(5):
        recorder.offer(rows(**{f"j{number}": "SUCCEEDED"}), complete=True)
    assert list(recorder.unwritten) == [key("j2"), key("j3"), key("j4")]
    assert recorder.given_up == 2


async def test_of_all_jobs_only_the_newest_wait_and_the_rest_is_counted_and_offered_again(
    recorder: Recorder, history: FakeHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "_MOST_WAITING", 3)
    history.failure = DOWN
    jobs = [submission(f"j{number}", "SUCCEEDED", began=100 - number) for number in range(7)]
    offered = judge(snapshot(*jobs), NOW)
    for _ in range(2):
        recorder.offer(offered, complete=True)
        await recorder.write_once()
        assert (sorted(recorder.unwritten), recorder.given_up) == ([key("j4", 96), key("j5", 95), key("j6", 94)], 4)
    history.failure = None
    await recorder.write_once()
    assert (recorder.given_up, len(history.jobs)) == (0, 3)
    monkeypatch.setattr(recorder_module, "_MOST_WAITING", 7)
    assert recorder.offer(offered, complete=True) is True
    await recorder.write_once()
    assert sorted(history.jobs) == [key(f"j{number}", 100 - number) for number in range(7)]


async def test_a_transition_is_of_the_time_when_it_was_judged(
    recorder: Recorder, history: FakeHistory, clock: Clock
) -> None:
    history.failure = DOWN
    for status, seen_at in (("RUNNING", ago(60)), ("RUNNING", ago(50)), ("FAILED", ago(40))):
        recorder.offer(rows(a=status), complete=True, seen_at=seen_at)
        await recorder.write_once()
    history.failure, times = None, []
    history.during_save = lambda: times.extend(each["seen_us"] for each in history.jobs.values())
    await recorder.write_once()
    assert times[:2] == [round(ago(seconds).timestamp() * 1_000_000) for seconds in (60, 40)]


async def test_what_the_store_refuses_is_set_aside_and_others_are_written(
    recorder: Recorder, history: FakeHistory, caplog: pytest.LogCaptureFixture
) -> None:
    history.refuses = {key("j3"), key("j17")}
    recorder.offer(rows(**{f"j{number}": "SUCCEEDED" for number in range(40)}), complete=True)
    await recorder.write_once()
    assert (recorder.failure, recorder.unwritten, recorder.refused) == (None, {}, 2)
    assert sorted(history.jobs) == sorted(key(f"j{number}") for number in range(40) if number not in (3, 17))
    told = [(record.action, record.job) for record in caplog.records if record.levelname == "WARNING"]  # type: ignore[attr-defined]
    assert sorted(told) == [("job_refused", key("j17")), ("job_refused", key("j3"))]
    assert len(history.told()) < 30, "it is searched for by halves"
    recorder.offer(rows(**{f"j{number}": "SUCCEEDED" for number in range(40)}), complete=True)
    await recorder.write_once()
    assert history.told() == [], "and not tried again"


@pytest.mark.parametrize("by_upkeep", [False, True])
async def test_open_jobs_are_written_again_when_the_session_had_been_closed(
    recorder: Recorder, history: FakeHistory, clock: Clock, by_upkeep: bool
) -> None:
    recorder.offer(rows(a="RUNNING", b="SUCCEEDED", c="RUNNING"), complete=True)
    await recorder.write_once()
    history.told()
    history.closed = True
    if by_upkeep:
        clock.now += timedelta(minutes=1)
        await recorder.write_once()
    else:
        recorder.offer(rows(a="FAILED", b="SUCCEEDED", c="RUNNING"), complete=True)
    await recorder.write_once()
    again = [("save", [key("c"), key("a")])] if by_upkeep else [("save", [key("a")]), ("save", [key("c")])]
    assert (history.told(), recorder.unwritten) == (again, {})


class TestDeletedJobs:
    async def test_what_waits_of_it_is_not_written(self, recorder: Recorder, history: FakeHistory) -> None:
        history.failure = DOWN
        offered = rows(a="FAILED", b="FAILED")
        recorder.offer(offered, complete=True)
        await recorder.write_once()
        await recorder.let_go(key("a"))
        history.failure = None
        # A look that was under way may have it still, and with another judgement.
        recorder.offer(offered, complete=True)
        recorder.offer(rows(a="STOPPED", b="FAILED"), complete=True)
        await recorder.write_once()
        assert list(history.jobs) == [key("b")]

    async def test_what_is_being_written_of_it_is_waited_for(self, recorder: Recorder, history: FakeHistory) -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()
        save_jobs = history.save_jobs

        async def slow(session: str, records: Sequence[Json]) -> bool:
            begun.set()
            await go_on.wait()
            return await save_jobs(session, records)

        history.save_jobs = slow  # type: ignore[method-assign]
        recorder.offer(rows(a="FAILED"), complete=True)
        writing = asyncio.create_task(recorder.write_once())
        await begun.wait()
        deleting = asyncio.create_task(recorder.let_go(key("a")))
        await asyncio.sleep(0)
        assert not deleting.done()
        go_on.set()
        await deleting
        assert list(history.jobs) == [key("a")], "so that the delete that follows finds it"
        await writing

    async def test_another_with_its_id_is_written(self, recorder: Recorder, history: FakeHistory) -> None:
        for began, status in ((20, "FAILED"), (10, "SUCCEEDED")):
            recorder.offer(judge(snapshot(submission("a", status, began=began)), NOW), complete=True)
            await recorder.write_once()
            assert history.jobs.pop(key("a", began))["outcome"] == status.lower()
            await recorder.let_go(key("a", began))
        recorder.offer([], complete=True)
        recorder.offer(judge(snapshot(submission("a", "SUCCEEDED", began=10)), NOW), complete=True)
        await recorder.write_once()
        assert list(history.jobs) == [key("a")]


async def test_a_job_that_is_submitted_again_is_another(recorder: Recorder, history: FakeHistory) -> None:
    for began, status in ((40, "RUNNING"), (40, "FAILED"), (10, "RUNNING"), (10, "SUCCEEDED")):
        recorder.offer(judge(snapshot(submission("a", status, began=began)), NOW), complete=True)
        await recorder.write_once()
    kept = {name: record["outcome"] for name, record in history.jobs.items()}
    assert kept == {key("a", 40): "failed", key("a"): "succeeded"}
    assert history.transitions == ["a running", "a failed", "a running", "a succeeded"]


async def test_a_run_whose_end_was_missed_is_closed(recorder: Recorder, history: FakeHistory) -> None:
    for began in (40, 10):
        recorder.offer(judge(snapshot(submission("a", "RUNNING", began=began)), NOW), complete=True)
        await recorder.write_once()
    assert ("close", [key("a", 40)]) in history.told()


async def test_what_changes_while_it_is_written_is_written_again(recorder: Recorder, history: FakeHistory) -> None:
    def change() -> None:
        history.during_save = None
        recorder.offer(rows(a="FAILED"), complete=True)

    history.during_save = change
    recorder.offer(rows(a="RUNNING"), complete=True)
    await recorder.write_once()
    assert (history.transitions, recorder.unwritten) == (["a running", "a failed"], {})


async def test_it_writes_in_batches(recorder: Recorder, history: FakeHistory) -> None:
    recorder.offer(rows(**{f"j{number}": "SUCCEEDED" for number in range(BATCH + 1)}), complete=True)
    await recorder.write_once()
    assert [len(keys) for what, keys in history.told() if what == "save"] == [BATCH, 1]


@pytest.mark.parametrize(
    ("complete", "offered", "wanted"),
    [
        (True, {"b": "RUNNING"}, [("close", [key("a"), key("old")])]),
        # Of an incomplete look, what is missing need not be gone.
        (False, {"b": "RUNNING"}, []),
        # Nor of one without any row.
        (True, {}, []),
        (True, {"a": "RUNNING", "b": "RUNNING"}, [("close", [key("old")])]),
    ],
)
async def test_what_ray_no_longer_lists_is_closed_when_the_look_was_complete(
    recorder: Recorder, history: FakeHistory, complete: bool, offered: dict[str, str], wanted: list[Any]
) -> None:
    history.open = [key("old")]
    recorder.offer(rows(a="RUNNING", b="RUNNING", c="FAILED"), complete=False)
    await recorder.write_once()
    history.told()
    recorder.offer(rows(**offered), complete=complete)
    await recorder.write_once()
    assert history.told() == wanted
    await recorder.write_once()
    assert history.told() == [], "it is closed once"


async def test_the_upkeep_is_done_once_a_minute(recorder: Recorder, history: FakeHistory, clock: Clock) -> None:
    asked = []
    for minutes in (0, 0.9, 0.2, 1):
        clock.now += timedelta(minutes=minutes)
        await recorder.write_once()
        asked.append([each for each in history.asked if each != ("open", "")])
        history.asked = []
    assert asked == [QUIET, [], QUIET, QUIET]


async def test_upkeep_that_failed_is_done_as_soon_as_the_store_is_back(
    recorder: Recorder, history: FakeHistory
) -> None:
    history.failure = DOWN
    await recorder.write_once()
    history.failure = None
    await recorder.write_once()
    assert history.asked == [("open", ""), *QUIET]


async def test_past_runs_are_asked_of_the_series_that_are_wanted(recorder: Recorder, history: FakeHistory) -> None:
    history.runs = {
        "x": {"durations_s": [3.0, 1.0], "last_started_us": 1_000_000, "last_succeeded_us": None},
        "y": {"durations_s": [], "last_started_us": None, "last_succeeded_us": -1},
    }
    recorder.offer([], complete=True, series=["x", "y", "x", *(f"s{number}" for number in range(200))])
    await recorder.write_once()
    [asked] = [series for what, series in history.told() if what == "past"]
    assert (asked[:3], len(asked)) == (["x", "y", "s0"], 100)
    assert recorder.past == {
        "x": PastRuns(2, 3.0, datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC), None),
        "y": PastRuns(),
    }


async def test_the_writer_goes_on_while_the_store_is_down(history: FakeHistory, clock: Clock) -> None:
    pauses: list[float] = []

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            history.failure = None
        await asyncio.sleep(0)

    recorder = Recorder(history, "", clock, pause=pause)
    history.failure = DOWN
    recorder.offer(rows(a="FAILED"), complete=True)
    recorder.start()
    recorder.start()
    while recorder.unwritten:
        await asyncio.sleep(0)
    recorder.require_alive()
    recorder.offer(rows(a="FAILED", b="FAILED"), complete=True)
    while recorder.unwritten:
        await asyncio.sleep(0)
    assert (pauses, sorted(history.jobs)) == ([2.0] * 3, [key("a"), key("b")])
    await recorder.close()


async def test_what_is_left_is_written_at_the_end_unless_the_store_is_down(history: FakeHistory, clock: Clock) -> None:
    for failure, wanted in ((None, [key("a")]), (DOWN, [])):
        history.jobs, history.failure = {}, failure
        recorder = Recorder(history, "", clock)
        await recorder.write_once()
        recorder.offer(rows(a="FAILED"), complete=True)
        await recorder.close()
        assert list(history.jobs) == wanted


async def test_health_fails_when_writing_has_ended(history: FakeHistory, clock: Clock) -> None:
    recorder = Recorder(history, "", clock)
    recorder.require_alive()
    history.failure = KeyError("a bug")
    recorder.start()
    await recorder._writer.wait_until_over()
    with pytest.raises(RuntimeError, match="writer of the history"):
        recorder.require_alive()
    await recorder.close()


async def test_into_a_database_that_was_opened_anew_all_that_ray_lists_is_written(
    recorder: Recorder, history: FakeHistory
) -> None:
    recorder.offer(rows(a="RUNNING", b="SUCCEEDED"), complete=True)
    await recorder.write_once()
    kept = set(history.jobs)
    assert len(kept) == 2
    history.jobs.clear()
    await recorder.write_once()
    assert history.jobs == {}, "what is written is not written again"
    history.word = "another"
    await recorder.write_once()
    assert set(history.jobs) == kept
    assert recorder.unwritten == {}

"""Diagnoses are made once, remembered, kept, and few at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from serve_app.errors import AppError, DeadlineExceeded, Unavailable
from serve_app.jobs.diagnosis import service as module
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.evidence.files import FilePieces
from serve_app.jobs.diagnosis.evidence.gather import DiagnosisSubject, GatheredEvidence
from serve_app.jobs.diagnosis.models import (
    DRIVER_PROCESS,
    Certainty,
    Diagnosis,
    EvidenceLine,
    Fields,
    SourceKind,
    TextSource,
)
from serve_app.jobs.diagnosis.service import Diagnoses
from serve_app.jobs.judging.expectations import READ_THE_LOG
from serve_app.jobs.judging.outcome import DELETED
from serve_app.jobs.models import JobFacts, JobRow, JobType, Known, Snapshot, Unknown
from serve_app.jobs.motion import Circle
from serve_app.jobs.reading.poll import Seen
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import NOW, row
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE

SNAPSHOT = Snapshot(NOW, *[Unknown("not asked")] * 5)
FOUND = Diagnosis(
    "app.import-error", "module not found", "It imports what is not there.", Certainty.CERTAIN,
    evidence=(EvidenceLine("a.log", 3, "No module named 'x'"),), advice=("Install x.", "Or do without."),
)  # fmt: skip


def waiting(*keys: str) -> JobFacts:
    return JobFacts("k", JobType.SUBMISSION, "PENDING", runtime_env_keys=keys)


@dataclass
class World:
    """The jobs, the history, the evidence and the engine in one."""

    rows: dict[str, JobRow] = field(default_factory=dict)
    stored: dict[str, dict[str, Any]] = field(default_factory=dict)
    shelf: dict[str, dict[str, Any]] = field(default_factory=dict)
    restored: dict[str, JobRow] = field(default_factory=dict)
    knows: bool = True
    store_fails: AppError | None = None
    gathered: list[str] = field(default_factory=list)
    engine_asked: list[tuple[Fields, int]] = field(default_factory=list)
    again: bool = False
    error: Exception | None = None
    gate: asyncio.Event | None = None
    seconds: float = 0.0
    snapshot: Snapshot = SNAPSHOT
    found: Diagnosis = FOUND

    async def find(self, wanted: str) -> tuple[Seen, JobRow] | None:
        found = self.rows.get(wanted.partition("@")[0])
        return None if found is None else (Seen(self.snapshot, [], {}, [], True), found)

    async def gather(self, subject: DiagnosisSubject) -> GatheredEvidence:
        self.gathered.append(subject.row.id)
        if self.gate is not None:
            await self.gate.wait()
        files = FilePieces(_no_piece, asyncio.get_running_loop(), 0.0, 0, not_read=["Not all."], again=self.again)
        return GatheredEvidence(Fields("FAILED"), files)

    def engine(self, fields: Fields, sources: Sequence[TextSource]) -> Diagnosis:
        self.engine_asked.append((fields, len(sources)))
        if self.error is not None:
            raise self.error
        return Diagnosis(None, "nothing is wrong", "") if fields.status == "SUCCEEDED" else self.found

    async def save_diagnosis(self, key: str, diagnosis: dict[str, Any]) -> bool:
        self._fail()
        if self.knows:
            self.shelf[key] = diagnosis
        return self.knows

    async def diagnoses(self, keys: Sequence[str]) -> dict[str, Any]:
        self._fail()
        return {key: self.shelf[key] for key in keys if key in self.shelf}

    def _fail(self) -> None:
        if self.store_fails is not None:
            raise self.store_fails


class PastOf:
    def __init__(self, world: World) -> None:
        self.world = world

    async def find(self, wanted: str) -> dict[str, Any] | None:
        return self.world.stored.get(wanted)

    async def restore_judgement(self, row: JobRow) -> JobRow:
        return self.world.restored.get(row.id, row)


async def _no_piece(url: str, start: int, most_bytes: int) -> Any:
    raise AssertionError("nothing is read here")


def diagnoses_of(world: World, *, shelf: bool = True) -> Diagnoses:
    return Diagnoses(
        world, PastOf(world), world, world.engine, world if shelf else None,  # type: ignore[arg-type]
        now=lambda: NOW + timedelta(seconds=world.seconds), clock=lambda: world.seconds,
    )  # fmt: skip


def failed(id: str = "j", ended_before_s: float = 60, **changes: Any) -> JobRow:
    return row(id, ended_at=NOW - timedelta(seconds=ended_before_s), **changes)


def answer(id: str = "j") -> dict[str, Any]:
    return {
        "id": id,
        "outcome": "failed",
        "diagnosis": {**FOUND.render_json(), "unavailable": ["Not all."]},
        "stillness": None,
        "as_of": "2026-01-01T12:00:00.000+00:00",
        "degraded": [],
    }


async def refusal(asked: Any) -> str:
    with pytest.raises(AppError) as refused:
        await asked
    return f"{refused.value.status} {refused.value.code}"


async def test_it_is_made_once_and_kept() -> None:
    world = World({"j": failed()})
    diagnoses = diagnoses_of(world)
    assert await diagnoses.diagnose("j") == answer()
    assert await diagnoses.diagnose("j") == answer()
    assert (world.gathered, world.shelf) == (["j"], {"/j": answer()})
    assert diagnoses.find_code("/j") == "app.import-error"
    # Another life of this replica: the log may be gone, the diagnosis is not.
    again = diagnoses_of(World(world.rows, shelf=world.shelf))
    assert await again.diagnose("j") == answer()
    assert await again.find_known(world.rows["j"]) == answer()["diagnosis"]
    assert again.find_code("/j") == "app.import-error"


async def test_a_job_that_became_something_else_is_diagnosed_anew() -> None:
    world = World({"j": failed(outcome=JobOutcome.LOST)}, shelf={"/j": answer()})
    diagnoses = diagnoses_of(world)
    assert (await diagnoses.diagnose("j"))["outcome"] == "lost"
    world.rows["j"] = failed()
    assert (await diagnoses.diagnose("j"))["outcome"] == "failed"
    assert world.gathered == ["j", "j"]


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize(
    ("outcome", "made_code", "circle", "told"),
    [
        (JobOutcome.STOPPED, "app.stopped", CIRCLE, "app.import-error"),
        # Nothing new: why it circled nobody knows; the cause is there already; it failed of something.
        (JobOutcome.STOPPED, "app.stopped", replace(CIRCLE, code="unknown"), "app.stopped"),
        (JobOutcome.STOPPED, "memory.node-oom", CIRCLE, "memory.node-oom"),
        (JobOutcome.STOPPED, "app.stopped", None, "app.stopped"),
        (JobOutcome.FAILED, "unknown", CIRCLE, "unknown"),
        (JobOutcome.ENDED_UNKNOWN, "unknown", CIRCLE, "app.import-error"),
        (JobOutcome.CONTRADICTED, "unknown", CIRCLE, "app.import-error"),
    ],
)
async def test_what_circled_before_a_stop_may_be_known_later(
    outcome: JobOutcome, made_code: str, circle: Circle | None, told: str, kept: bool
) -> None:
    world = World({"j": failed(outcome=outcome)}, found=replace(FOUND, code=made_code))
    first = diagnoses_of(world)
    await first.diagnose("j")
    diagnoses = diagnoses_of(world) if kept else first
    world.rows["j"], world.found = failed(outcome=outcome, circle=circle), FOUND
    known = await diagnoses.find_known(world.rows["j"])
    made_again = told == FOUND.code
    assert (known is None) == made_again
    assert (await diagnoses.diagnose("j"))["diagnosis"]["code"] == told  # type: ignore[index]
    assert (world.shelf["/j"]["diagnosis"]["code"], diagnoses.find_code("/j")) == (told, told)
    assert world.gathered == ["j", "j"] if made_again else ["j"]


@pytest.mark.parametrize(("again", "ended_before_s"), [(True, 60), (False, 1)])
async def test_what_may_be_better_later_is_not_kept(again: bool, ended_before_s: float) -> None:
    world = World({"j": failed(ended_before_s=ended_before_s)}, again=again)
    diagnoses = diagnoses_of(world)
    assert await diagnoses.diagnose("j") == await diagnoses.diagnose("j")
    assert (world.gathered, world.shelf) == (["j"], {})
    world.seconds, world.again = 20, False
    await diagnoses.diagnose("j")
    assert (world.gathered, list(world.shelf)) == (["j", "j"], ["/j"])


async def test_what_is_made_with_its_circle_is_not_made_again() -> None:
    world = World({"j": failed(outcome=JobOutcome.STOPPED, circle=CIRCLE)}, found=replace(FOUND, code="app.stopped"))
    diagnoses = diagnoses_of(world)
    assert await diagnoses.diagnose("j") == await diagnoses.diagnose("j")
    assert world.gathered == ["j"]


async def test_of_a_job_that_was_deleted_the_error_of_ray_is_not_read() -> None:
    world = World({"j": failed(outcome=JobOutcome.ENDED_UNKNOWN, rule=DELETED, status="FAILED")})
    await diagnoses_of(world).diagnose("j")
    assert (world.gathered, world.engine_asked) == ([], [(Fields(type="SUBMISSION", entrypoint="x"), 0)])


async def test_a_job_that_succeeded_is_not_read() -> None:
    world = World({"j": failed(outcome=JobOutcome.SUCCEEDED, status="SUCCEEDED")})
    said = await diagnoses_of(world).diagnose("j")
    assert (said["outcome"], said["diagnosis"]["code"]) == ("succeeded", None)
    assert (world.gathered, world.engine_asked) == ([], [(Fields("SUCCEEDED", type="SUBMISSION", entrypoint="x"), 0)])


async def test_a_job_that_has_not_ended() -> None:
    class Still:
        async def judge(self, row: JobRow) -> Any:
            return self

        def render_json(self) -> dict[str, Any]:
            return {"state": "moves"}

    world = World({"j": row(outcome=JobOutcome.RUNNING), "k": row("k", outcome=JobOutcome.PENDING)})
    diagnoses = diagnoses_of(world)
    said = await diagnoses.diagnose("j")
    assert (said["diagnosis"], said["stillness"]) == (None, None)
    assert said["degraded"] == ["Whether it makes progress is not looked at."]
    diagnoses._stillnesses = Still()
    said = await diagnoses.diagnose("k")
    assert (said["outcome"], said["stillness"], said["degraded"]) == ("pending", {"state": "moves"}, [])
    assert await diagnoses.find_known(world.rows["k"]) is None


@pytest.mark.parametrize(
    ("keys", "outcome", "code", "gathered"),
    [
        (("py_executable",), JobOutcome.PENDING, "app.import-error", ["k"]),
        (("pip",), JobOutcome.PENDING, None, []),
        ((), JobOutcome.PENDING, None, []),
        # It runs: what keeps its tasks from starting is another question.
        (("py_executable",), JobOutcome.RUNNING, None, []),
    ],
)
async def test_why_a_job_that_waits_can_never_start(
    keys: tuple[str, ...], outcome: JobOutcome, code: str | None, gathered: list[str]
) -> None:
    snapshot = replace(SNAPSHOT, jobs=Known((waiting(*keys),)))
    world = World({"k": row("k", outcome=outcome)}, snapshot=snapshot)
    said = await diagnoses_of(world).diagnose("k")
    assert (None if said["diagnosis"] is None else said["diagnosis"]["code"], world.gathered) == (code, gathered)
    # It is looked at anew each time, and kept nowhere.
    assert (world.shelf, diagnoses_of(world).find_code(world.rows["k"].key)) == ({}, None)


async def test_who_asks_meanwhile_waits_for_the_same_and_too_many_are_refused() -> None:
    world = World({id: failed(id) for id in "abc"}, gate=asyncio.Event())
    diagnoses = diagnoses_of(world)
    asked = [asyncio.create_task(diagnoses.diagnose(id)) for id in "aba"]
    await _settle()
    assert await refusal(diagnoses.diagnose("c")) == "429 too_busy"
    # Nobody waits for an automatic one: it comes when there is room.
    automatic = asyncio.create_task(diagnoses.make("c", last=False))
    await _settle()
    world.gate.set()  # type: ignore[union-attr]
    assert [each["id"] for each in await asyncio.gather(*asked)] == ["a", "b", "a"]
    assert await automatic is True
    assert world.gathered == ["a", "b", "c"]


async def test_one_that_takes_too_long_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DEADLINE_S", 0)
    world = World({"j": failed()}, gate=asyncio.Event())
    diagnoses = diagnoses_of(world)
    with pytest.raises(DeadlineExceeded):
        await diagnoses.diagnose("j")
    task = diagnoses._under_way["/j"]
    world.gate.set()  # type: ignore[union-attr]
    await task
    assert await diagnoses.diagnose("j") == answer()
    assert world.gathered == ["j"]


async def test_what_is_under_way_is_stopped_at_the_end() -> None:
    world = World({"j": failed()}, gate=asyncio.Event())
    diagnoses = diagnoses_of(world)
    asked = asyncio.create_task(diagnoses.diagnose("j"))
    await _settle()
    await diagnoses.close()
    await asyncio.gather(asked, return_exceptions=True)
    assert diagnoses._under_way == {}


async def test_a_fault_of_the_engine_is_seen_and_the_next_is_made(caplog: pytest.LogCaptureFixture) -> None:
    world = World({"j": failed()}, error=RuntimeError("engine"))
    diagnoses = diagnoses_of(world)
    with pytest.raises(RuntimeError):
        await diagnoses.diagnose("j")
    assert [record.message for record in caplog.records] == ["a diagnosis failed"]
    world.error = None
    assert await diagnoses.diagnose("j") == answer()


@pytest.mark.parametrize(
    ("world", "last", "done", "kept"),
    [
        (World(), False, True, True),
        (World(again=True), False, False, False),
        (World(again=True), True, True, True),
        (World(knows=False), True, False, False),
        (World(store_fails=Unavailable("down")), False, False, None),
    ],
)
async def test_made_without_being_asked(world: World, last: bool, done: bool, kept: bool | None) -> None:
    world.rows = {"j": failed()}
    assert await diagnoses_of(world).make("j@", last=last) is done
    assert ("/j" in world.shelf) is bool(kept)


async def test_nothing_is_made_of_what_is_gone_or_has_not_ended() -> None:
    world = World({"j": row(outcome=JobOutcome.RUNNING)})
    diagnoses = diagnoses_of(world)
    assert [await diagnoses.make(id, last=False) for id in ("j", "gone")] == [True, True]
    assert world.gathered == []


async def test_it_is_saved_when_the_store_is_back() -> None:
    world = World({"j": failed()}, store_fails=Unavailable("down"))
    diagnoses = diagnoses_of(world)
    assert await diagnoses.diagnose("j") == answer()
    world.store_fails = None
    assert await diagnoses.make("j", last=False) is True
    assert (world.gathered, list(world.shelf)) == (["j"], ["/j"])


async def test_another_job_may_have_the_id_of_one_that_was_deleted() -> None:
    world = World({"j": failed()})
    diagnoses = diagnoses_of(world, shelf=False)
    await diagnoses.diagnose("j")
    diagnoses.forget("/j")
    assert diagnoses.find_code("/j") is None
    await diagnoses.diagnose("j")
    assert world.gathered == ["j", "j"]


async def test_without_a_store_memory_is_all() -> None:
    world = World({"j": failed()})
    diagnoses = diagnoses_of(world, shelf=False)
    assert await diagnoses.make("j", last=False) is True
    assert await diagnoses.diagnose("j") == answer()
    assert (world.gathered, world.shelf) == (["j"], {})


async def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REMEMBERED", 2)
    monkeypatch.setattr(module, "_CODES", 3)
    world = World({id: failed(id) for id in "abcd"})
    diagnoses = diagnoses_of(world)
    for id in "abcd":
        await diagnoses.diagnose(id)
    assert (list(diagnoses._made), list(diagnoses._codes)) == (["/c", "/d"], ["/b", "/c", "/d"])


async def test_in_brief() -> None:
    world = World({"j": failed(), "fine": failed("fine", outcome=JobOutcome.SUCCEEDED)}, shelf={"/old": answer("old")})
    diagnoses = diagnoses_of(world)
    await diagnoses.diagnose("j")
    await diagnoses.diagnose("fine")
    brief = {
        "code": "app.import-error",
        "title": "module not found",
        "certainty": "certain",
        "class": None,
        "evidence": {"source": "a.log", "line": 3, "quote": "No module named 'x'"},
        "advice": "Install x.",
    }
    assert await diagnoses.list_briefs(["/j", "/fine", "/old", "/none"]) == {"/j": brief, "/old": brief}
    world.store_fails = Unavailable("down")
    assert await diagnoses.list_briefs(["/j", "/old"]) == {"/j": brief}


async def test_a_job_that_only_the_history_knows() -> None:
    row = {"id": "old", "outcome": "failed", "type": "SUBMISSION", "entrypoint": "x"}
    ending = {"error_type": "JOB_ENTRYPOINT_COMMAND_ERROR", "exit_code": 127, "rule": "failed"}
    past = {"row": {**row, **ending}, "log_excerpt": "end",
            # What is said of it is for people.
            "evidence": [{"rule": "submission-failed", "source": "job list",
                          "fact": "status FAILED, JOB_SUPERVISOR_ACTOR_DIED, exit code 1"}]}  # fmt: skip
    world = World(stored={"kept": {**past, "diagnosis": answer("old")}, "old": {**past, "diagnosis": None}})
    diagnoses = diagnoses_of(world)
    assert await diagnoses.diagnose("kept") == answer("old")
    assert world.engine_asked == []
    said = await diagnoses.diagnose("old")
    error = "JOB_ENTRYPOINT_COMMAND_ERROR"
    assert world.engine_asked == [(Fields("FAILED", error, 127, None, "SUBMISSION", "x"), 1)]
    assert said["diagnosis"]["unavailable"] == [
        "It is of an earlier session of the cluster, or Ray has forgotten it: of its driver's log only the last lines "
        "are left."
    ]
    assert await refusal(diagnoses.diagnose("none")) == "404 job_not_found"


async def test_what_was_contradicted_stays_when_ray_has_forgotten_why() -> None:
    doubted = failed(outcome=JobOutcome.CONTRADICTED, status="SUCCEEDED", reason="Its first driver crashed.")
    world = World({"j": replace(doubted, outcome=JobOutcome.SUCCEEDED)}, restored={"j": doubted})
    assert await diagnoses_of(world).diagnose("j") == {**answer(), "outcome": "contradicted"}
    assert world.gathered == ["j"]


async def test_a_contradicted_job_that_only_the_history_knows_is_told_as_that() -> None:
    kept = {"id": "old", "outcome": "contradicted", "type": "SUBMISSION", "entrypoint": "x", "error_type": None,
            "rule": "contradicted-tasks",
            "exit_code": 0, "reason": "Its first driver crashed.", "action": "Mend it."}  # fmt: skip
    stored = {"row": kept, "log_excerpt": None, "evidence": [], "diagnosis": None}
    world = World(stored={"old": stored, "older": {**stored, "row": {**kept, "action": None}}, "found": stored})
    diagnoses = diagnoses_of(world)
    # A cause that is found says more than the contradiction.
    assert (await diagnoses.diagnose("found"))["diagnosis"] == answer()["diagnosis"] | {
        "unavailable": ["It is of an earlier session of the cluster, or Ray has forgotten it: no log of it is left."]
    }
    world.engine = lambda fields, sources: Diagnosis(None, "nothing is wrong", "")  # type: ignore[method-assign]
    diagnoses = diagnoses_of(world)
    for id, action in (("old", "Mend it."), ("older", READ_THE_LOG)):
        said = (await diagnoses.diagnose(id))["diagnosis"]
        assert said is not None
        assert (said["code"], said["title"], said["sentence"], said["advice"]) == (
            None, "what is known of its end does not agree", "Its first driver crashed.", [action],
        )  # fmt: skip


async def test_a_driver_that_vanished_is_told_in_the_same_words_while_ray_knows_it_and_later() -> None:
    said = b"SYSTEM_ERROR: Worker unexpectedly exits with a connection error code 2. End of file."
    fields = Fields("FAILED", type="DRIVER")
    vanished = diagnose(fields, [TextSource(DRIVER_PROCESS, SourceKind.RAY, [said])])
    kept = {"id": "old", "outcome": "failed", "type": "DRIVER", "entrypoint": "x", "error_type": None,
            "rule": "driver-killed", "exit_code": None}  # fmt: skip
    stored = {"row": kept, "log_excerpt": None, "evidence": [], "diagnosis": None}
    world = World({"j": failed(submission_id=None)}, stored={"old": stored}, found=vanished)
    diagnoses = diagnoses_of(world)
    for id in ("j", "old"):
        told = (await diagnoses.diagnose(id))["diagnosis"]
        assert told is not None
        assert {**told, "unavailable": []} == vanished.render_json()


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)

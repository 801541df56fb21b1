"""The inspector's diagnoses, with the real engine, of jobs of a recorded cluster, as the API describes them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from serve_app.cluster.dashboard import Listing, Piece
from serve_app.errors import NotFound
from serve_app.jobs.diagnosis.models import Candidate, CauseStep, Certainty, Diagnosis, EvidenceLine
from serve_app.jobs.diagnosis.words import answers
from serve_app.jobs.inspector import JobInspector
from serve_app.jobs.progress.models import State, Stillness
from serve_app.queries.job_names import build_view_key
from tests.unit.api.test_openapi import validate
from tests.unit.jobs.recordings import Replay, answer, taken_at
from tests.unit.jobs.test_inspector import Clock, Here

LOG = b"""loading
Traceback (most recent call last):
  File "job.py", line 3, in <module>
    import no_such_module_of_ours
ModuleNotFoundError: No module named 'no_such_module_of_ours'
"""
AGENT = "http://127.0.0.1:52365"
QUOTED = "ModuleNotFoundError: No module named 'no_such_module_of_ours'"


class WithLogs(Replay):
    """The recording, and one log for every submission."""

    log: bytes | None = LOG

    async def get_job(self, submission_id: str) -> dict[str, Any]:
        self.asked.append(f"job {submission_id}")
        raw = next(row for row in answer("jobs") if row["submission_id"] == submission_id)
        return {**raw, "driver_agent_http_address": AGENT}

    async def read_piece(self, url: str, start: int, most_bytes: int) -> Piece:
        self.asked.append(f"piece {url}")
        if self.log is None:
            raise NotFound("There is no such log.")
        return Piece(self.log[start : start + most_bytes], start, len(self.log))

    async def list_rows(self, table: str, most_rows: int, **equals: str) -> Listing:
        return Listing([])

    async def list_log_files(self, node_id: str, pattern: str) -> list[str]:
        return []


@pytest.fixture
def ray() -> WithLogs:
    return WithLogs()


@pytest.fixture
async def inspector(ray: WithLogs) -> AsyncIterator[JobInspector]:
    made = JobInspector(None, ray, Here(), taken_at, Clock())  # type: ignore[arg-type]
    # Looking whether a job moves takes time and other questions, which have tests of their own.
    made._diagnoses._stillnesses = None
    yield made
    await made.close()


async def test_a_submission_that_failed(inspector: JobInspector, ray: WithLogs) -> None:
    assert (await inspector.get_job("submission-exit-3"))["diagnosis"] is None
    found = await inspector.diagnosis("submission-exit-3")
    validate(found, "DiagnosisAnswer")
    diagnosis = found["diagnosis"]
    evidence = {"source": "job-driver-submission-exit-3.log", "line": 5, "quote": QUOTED}
    assert evidence in diagnosis["evidence"]
    assert diagnosis["code"] is not None
    assert [each for each in ray.asked if "piece" in each] == [f"piece {AGENT}/logs/job-driver-submission-exit-3.log"]
    whole = await inspector.get_job("submission-exit-3")
    assert (whole["code"], whole["diagnosis"]) == (diagnosis["code"], diagnosis)
    rows = {row["id"]: row["code"] for row in (await inspector.list_jobs({"limit": 500}))["items"]}
    assert {id: code for id, code in rows.items() if code is not None} == {"submission-exit-3": diagnosis["code"]}
    causes = (await inspector.summary({"window": "1h"}))["failures_by_cause"]
    assert {"cause": diagnosis["code"], "count": 1, "example": "submission-exit-3"} in causes
    key = build_view_key(whole)
    brief = (await inspector.diagnoses([key, "no/such"]))["items"]
    assert [(name, each["code"]) for name, each in brief.items()] == [(key, diagnosis["code"])]


async def test_what_an_exit_code_hides_is_diagnosed(inspector: JobInspector, ray: WithLogs) -> None:
    """`train | tee log`: the worker table has the crash, and the log its cause."""
    job = next(row for row in answer("jobs") if row["submission_id"] == "submission-ok")
    crashed = {"worker_id": job["job_id"] + "f" * 48, "worker_type": "DRIVER", "is_alive": False, "pid": 0}
    ray.answers["drivers"] = Listing([{**crashed, "exit_type": "INTENDED_USER_EXIT"}])
    found = await inspector.diagnosis("submission-ok")
    validate(found, "DiagnosisAnswer")
    assert (found["outcome"], found["diagnosis"]["code"]) == ("contradicted", "app.import-error")
    ray.log = b"done\n"
    inspector._diagnoses.forget(build_view_key(await inspector.get_job("submission-ok")))
    quiet = (await inspector.diagnosis("submission-ok"))["diagnosis"]
    assert quiet["code"] is None
    assert quiet["sentence"].startswith("Its entrypoint exited with code 0, but its driver (pid ")
    whole = await inspector.get_job("submission-ok")
    assert (whole["verdict"], whole["rule"], whole["reason"]) == ("WARN", "contradicted-driver", quiet["sentence"])


async def test_without_its_log(inspector: JobInspector, ray: WithLogs) -> None:
    ray.log = None
    found = await inspector.diagnosis("submission-exit-3")
    validate(found, "DiagnosisAnswer")
    assert found["diagnosis"]["code"] is not None
    assert found["diagnosis"]["unavailable"] == [
        "The driver's log: its node does not have it any more; nothing of it was kept."
    ]


@pytest.mark.parametrize("outcome", ["running", "pending", "succeeded", "stopped", "ended_unknown"])
async def test_what_did_not_fail(inspector: JobInspector, ray: WithLogs, outcome: str) -> None:
    ray.log = b"done\n"
    rows = (await inspector.list_jobs({"outcome": outcome, "limit": 1}))["items"]
    found = await inspector.diagnosis(rows[0]["id"])
    validate(found, "DiagnosisAnswer")
    code = None if found["diagnosis"] is None else found["diagnosis"]["code"]
    assert code == ("app.stopped" if outcome == "stopped" else None)
    assert (found["diagnosis"] is None) is (outcome in ("running", "pending"))


async def test_a_deployment(inspector: JobInspector) -> None:
    assert await inspector.deployment_diagnosis("NoSuch", True) == {"diagnosis": None}


def test_everything_that_a_diagnosis_may_hold_is_in_the_document() -> None:
    line = EvidenceLine("a.log", 1, "quote")
    candidate = Candidate("x", "title", Certainty.LIKELY, "rule", (line,), "why")
    whole = Diagnosis(
        "x", "title", "sentence", Certainty.CERTAIN, None, "rule", (line,), (CauseStep("x", "s", line), CauseStep("y",
        "s")),
        (candidate,), ("advice",), "https://docs", ("gone",),
    )  # fmt: skip
    words = {"explanation": {"text": "t", "written_by": "built-in", "model": None, "reason": None}}
    validate({**answers.render_ended("j", "failed", whole, taken_at()), **words}, "DiagnosisAnswer")
    unended = answers.render_unended(
        "j", "running", Stillness(State.MOVING, None, "It moves.").render_json(), taken_at()
    )
    validate({**unended, "explanation": None}, "DiagnosisAnswer")


def test_what_is_too_long_loses_what_matters_least() -> None:
    line = EvidenceLine("a.log", 1, "q" * 9_000)
    candidates = tuple(Candidate("x", "t", Certainty.LIKELY, "r", (line,), "why") for _ in range(10))
    found = Diagnosis("x", "t", "s", evidence=(line,), candidates=candidates)
    made = answers.render_ended("j", "failed", found, taken_at())
    assert (made["diagnosis"]["candidates"], len(made["diagnosis"]["evidence"])) == ([], 1)
    chain = tuple(CauseStep("x", "s", line) for _ in range(10))
    made = answers.render_ended("j", "failed", Diagnosis("x", "t", "s", evidence=(line,) * 10, chain=chain), taken_at())
    assert (made["diagnosis"]["chain"], len(made["diagnosis"]["evidence"])) == ([], 1)
    assert len(json.dumps(made)) <= answers.MAX_CHARS

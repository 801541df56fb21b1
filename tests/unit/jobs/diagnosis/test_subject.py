"""What a diagnosis is told of its job."""

from __future__ import annotations

from dataclasses import replace

from serve_app.jobs.diagnosis.service import build_subject
from serve_app.jobs.drivers import DriverRun
from serve_app.jobs.judging.judge import judge
from serve_app.jobs.models import Known
from tests.unit.jobs.judging.test_judge import NOW, snapshot, submission


def run(job_id: str) -> DriverRun:
    return DriverRun(job_id, "a", "python a.py", True, 41, "n1", "10.0.0.7")


def test_the_drivers_before_the_last_are_named() -> None:
    seen = snapshot(submission("a", "FAILED", job_id="03000000"))
    seen = replace(seen, drivers=Known({"a": (run("01000000"), run("02000000"), run("03000000"))}))
    (row,) = (each for each in judge(seen, NOW) if each.id == "a")
    assert build_subject(seen, row).other_drivers == ("01000000", "02000000")
    assert build_subject(replace(seen, drivers=Known({})), row).other_drivers == ()

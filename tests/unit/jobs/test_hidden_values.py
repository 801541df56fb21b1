"""What a job was given in its environment is in nothing that is told of its motion."""

from __future__ import annotations

from dataclasses import replace

from serve_app.jobs.judging.judge import judge
from serve_app.jobs.motion import AwaitedWork, Culprit, Motion, Standstill
from serve_app.jobs.watch import add_motions
from serve_app.redaction import list_secret_values
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE
from tests.unit.jobs.judging.test_judge import NOW, ago, snapshot, submission

VALUE = "canary-of-the-environment-0123456789"
VALUES = list_secret_values({"PLACE": VALUE})
# As long as lines are shown, so cut in the midst of the value.
CUT = f"{'x' * 180} {VALUE}"[:200]
FAILS = replace(
    CIRCLE, name=f"load-{VALUE}", last_error=f"cannot open {VALUE}", greediest=Culprit(f"eat {VALUE}", 5, "02000000", 7)
)
AWAITED = AwaitedWork("task", f"load {VALUE}", "t1", "RUNNING", waiter=f"of {VALUE}", waiter_id="t2")


def test_a_job_that_stands_still_or_goes_in_circles_does_not_tell_them() -> None:
    rests = Motion(
        NOW, ago(9_000), Standstill.RESTING, waits_for=(AWAITED,), last_line=f"opens {VALUE}", spoke_at=ago(9_000)
    )
    for motion in (rests, replace(rests, last_line=CUT), Motion(NOW, circles=(FAILS,))):
        for status in ("RUNNING", "FAILED"):
            job = submission("a", status, began=10_000, job_id="02000000", secret_values=VALUES)
            (row,) = judge(add_motions(snapshot(job), {"a": motion}), NOW)
            assert "canar" not in repr(row)
            shown = repr(row)
            if status == "RUNNING" and motion is rests:
                assert "opens [redacted]" in row.reason
                assert "load [redacted]" in shown
            if status == "RUNNING" and motion.circles:
                assert row.circle is not None
                assert row.circle.last_error == "cannot open [redacted]"
                assert "task load-[redacted] has failed 4 times" in row.reason
    given = {"a": Motion(NOW, circles=(FAILS,))}
    assert add_motions(snapshot(submission("a", "RUNNING")), given).motions["a"] is given["a"]

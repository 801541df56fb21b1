"""The diagnosis of a running job that goes in circles says what its row says, and what to do."""

from __future__ import annotations

from serve_app.jobs.judging.motion_rules import Allowance, advise, decide_motion, describe_circle
from serve_app.jobs.motion import Motion
from serve_app.jobs.progress.models import Look, StillnessSubject
from serve_app.jobs.progress.stillness import describe_stillness
from tests.unit.jobs.judging.motion.test_circle_rules import CIRCLE
from tests.unit.jobs.judging.test_judge import NOW, ago


def test_the_diagnosis_says_what_the_row_says() -> None:
    # However long it was quiet: attempts come and go.
    motion = Motion(NOW, quiet_since=ago(9_000), circles=(CIRCLE,))
    judged = decide_motion(motion, Allowance("a", 600.0), NOW)
    assert (judged.state, judged.rule, judged.alert) == ("circling", None, None)
    told = describe_stillness([Look(NOW)], StillnessSubject(True), judged)
    assert (told.state, told.code, told.sentence) == ("circling", "memory.node-oom", describe_circle(CIRCLE))
    assert (told.advice, told.settle) == ((advise(CIRCLE),), ())

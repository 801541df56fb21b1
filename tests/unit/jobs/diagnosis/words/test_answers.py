"""What is said of a job whose end is contradicted."""

from __future__ import annotations

from dataclasses import replace

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields
from serve_app.jobs.diagnosis.words.answers import tell_contradiction


def test_what_does_not_agree_is_said_where_its_texts_tell_nothing() -> None:
    quiet = diagnose(Fields(type="SUBMISSION", driver_exit_code=0), [])
    told = tell_contradiction(quiet, "Exit code 0, but 3 tasks were left.", "Keep the refs.")
    assert (told.code, told.title, told.sentence, told.advice) == (
        None,
        "what is known of its end does not agree",
        "Exit code 0, but 3 tasks were left.",
        ("Keep the refs.",),
    )
    known = replace(quiet, code="app.exception")
    assert tell_contradiction(known, "x", "y") is known

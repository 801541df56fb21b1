"""What is said of a job whose end is contradicted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields
from serve_app.jobs.diagnosis.words.answers import complete_kept, tell_contradiction


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


@pytest.mark.parametrize(("code", "state"), [(None, "well"), ("unknown", "unknown"), ("node.died", "failed")])
def test_what_an_older_version_kept_has_the_later_fields(code: str | None, state: str) -> None:
    view: Any = replace(diagnose(Fields(), []), code=code).render_json()
    older = {name: value for name, value in view.items() if name not in ("state", "read_as", "program")}
    kept: Any = {"id": "j", "diagnosis": older}
    assert complete_kept(kept)["diagnosis"] == {**older, "state": state, "read_as": [], "program": None}
    whole: Any = {"id": "j", "diagnosis": view}
    assert complete_kept(whole) is whole
    nothing: Any = {"id": "j", "diagnosis": None}
    assert complete_kept(nothing) is nothing

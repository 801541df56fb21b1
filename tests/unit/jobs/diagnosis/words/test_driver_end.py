"""What is said of a driver of which only its end is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Diagnosis, Fields, SourceKind, TextSource
from serve_app.jobs.diagnosis.words.driver_end import tell_contradiction, tell_no_more

VANISHED = b"SYSTEM_ERROR: Worker unexpectedly exits with a connection error code 2. End of file."
KILLED = b"Killed\n"


def find(*sources: tuple[str, SourceKind, bytes]) -> Diagnosis:
    fields = Fields(status="FAILED", type="DRIVER", entrypoint="python a.py")
    return diagnose(fields, [TextSource(name, kind, [text]) for name, kind, text in sources])


@pytest.mark.parametrize(("submitted", "first"), [(True, "Look at the end of its log"), (False, "Look at its output")])
def test_a_process_that_vanished_is_no_lack_of_memory(submitted: bool, first: str) -> None:
    found = tell_no_more(find(("driver process", SourceKind.RAY, VANISHED)), submitted=submitted)
    assert (found.code, found.certainty) == ("memory.process-killed", "possible")
    assert (
        found.sentence == "Its process vanished: the worker table does not tell a crash from a kill, or from os._exit."
    )
    assert found.advice[0].startswith(first)
    assert not [each for each in found.advice if "memory of the node" in each or "OOMKilled" in each]


def test_where_there_is_evidence_its_advice_stays() -> None:
    found = find(("driver process", SourceKind.RAY, VANISHED), ("job-driver-a.log", SourceKind.DRIVER, KILLED))
    assert {each.source for each in found.evidence} != {"driver process"}
    assert tell_no_more(found, submitted=True) is found


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

"""What the diagnosis of a submission that has not started says to do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from serve_app.jobs.judging.pending import BUSY, NEVER_STARTS, NOT_KNOWN, Waiting
from serve_app.jobs.progress.advice import SETTLE_START
from serve_app.jobs.progress.models import Look, State, Stillness, StillnessSubject
from serve_app.jobs.progress.stillness import describe_stillness

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def told(waiting: Waiting | None) -> Stillness:
    return describe_stillness([Look(NOW)], StillnessSubject(False, 8.0, waiting=waiting))


@pytest.mark.parametrize(
    ("waiting", "code", "settle", "advice"),
    [
        (None, None, SETTLE_START, ()),
        (Waiting(NOT_KNOWN, "Why?"), None, SETTLE_START, ()),
        # Waiting is no help, so nobody is sent to ask again.
        (Waiting(NEVER_STARTS, "Refused.", (), "Submit it anew."), None, (), ("Submit it anew.",)),
    ],
)
def test_what_to_do_about_one_that_waits(
    waiting: Waiting | None, code: str | None, settle: tuple[str, ...], advice: tuple[str, ...]
) -> None:
    found = told(waiting)
    assert (found.state, found.code, found.settle, found.advice) == (State.WAITING, code, settle, advice)


def test_one_that_waits_for_what_is_in_use_has_its_code() -> None:
    found = told(Waiting(BUSY, "Busy."))
    assert (found.code, found.settle, found.advice[:1]) == (
        "scheduling.waiting",
        (),
        ("Wait until what is in use becomes free; GET /cluster/resources shows how much is.",),
    )

"""Whether something failed, waits, is well, or is not known."""

from __future__ import annotations

import pytest

from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import Fields, SourceKind, TextSource

WAITS = "WARNING worker.py:9 -- The actor or task with ID 01 cannot be scheduled right now. It requires {GPU: 1}\n"
RAISED = 'Traceback (most recent call last):\n  File "a.py", line 3, in <module>\n    run()\n'
NEVER = RAISED + "ray.exceptions.TaskUnschedulableError: The task is not schedulable: infeasible request\n"


@pytest.mark.parametrize(
    ("text", "fields", "code", "state"),
    [
        (WAITS, Fields(), "scheduling.waiting", "waiting"),
        (WAITS, Fields(status="PENDING"), "scheduling.waiting", "waiting"),
        # What the row says has failed does not wait.
        (WAITS, Fields(status="FAILED"), "scheduling.waiting", "failed"),
        (RAISED + "KeyError: 'row'\n", Fields(), "app.exception", "failed"),
        ("step 1 of 2\n", Fields(), None, "well"),
        ("step 1 of 2\n", Fields(status="SUCCEEDED", type="SUBMISSION"), None, "well"),
        ("step 1 of 2\n", Fields(status="FAILED"), "unknown", "failed"),
        ("step 1 of 2\n", Fields(status="STOPPED"), "app.stopped", "failed"),
        ("", Fields(), "unknown", "unknown"),
        # A traceback without its first and its last line.
        (
            '  File "a.py", line 3, in f\n    x()\n  File "b.py", line 4, in g\n    y()\n',
            Fields(),
            "unknown",
            "unknown",
        ),
    ],
)
def test_the_state(text: str, fields: Fields, code: str | None, state: str) -> None:
    found = diagnose(fields, [TextSource("log", SourceKind.FILE, [text.encode()])])
    assert (found.code, found.state) == (code, state)


def test_what_raised_because_it_can_never_be_placed_has_failed() -> None:
    found = diagnose(Fields(), [TextSource("log", SourceKind.FILE, [NEVER.encode()])])
    assert str(found.code).startswith("scheduling.")
    assert found.state == "failed"

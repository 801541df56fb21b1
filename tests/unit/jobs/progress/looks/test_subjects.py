"""What of the tables of a round is handed to those who seek circles."""

from __future__ import annotations

from typing import Any

import pytest

from serve_app.jobs.models import Known, Section, Snapshot, Unknown
from serve_app.jobs.progress.looks.subjects import Surroundings, build_round
from serve_app.jobs.progress.looks.tables import Tables
from serve_app.jobs.progress.models import TaskFacts
from serve_app.outcomes import JobOutcome
from tests.unit.jobs.actions.fakes import row
from tests.unit.jobs.progress.circles.examples import NOW

DOWN = Unknown("Ray did not answer in time.")
ROWS = [row(id, job_id=id, outcome=JobOutcome.RUNNING) for id in ("01", "02", "03")]
LISTED: Section[Any] = Known({"01": (TaskFacts("t1", "work", "NORMAL_TASK", "RUNNING"),)})

# The table of unfinished tasks: which ids are told, and of which jobs none.
TABLES: dict[str, tuple[dict[str, Any], frozenset[str] | None, frozenset[str]]] = {
    "whole": ({"unfinished": LISTED}, frozenset({"t1"}), frozenset()),
    "one job has very many": ({"unfinished": LISTED, "partial": frozenset({"01"})}, frozenset({"t1"}), frozenset()),
    "cut, and one was asked for by itself": (
        {"unfinished": LISTED, "partial": frozenset({"01"}), "whole": False, "asked_apart": frozenset({"02"})},
        frozenset({"t1"}),
        frozenset({"03"}),
    ),
    "not told": ({"unfinished": DOWN}, None, frozenset({"01", "02", "03"})),
}


@pytest.mark.parametrize(("tables", "unfinished", "unlisted"), TABLES.values(), ids=TABLES)
def test_unfinished_tasks(tables: dict[str, Any], unfinished: frozenset[str] | None, unlisted: frozenset[str]) -> None:
    snapshot = Snapshot(NOW, DOWN, DOWN, DOWN, DOWN, DOWN)
    around = Surroundings.build(snapshot, Tables(NOW, **tables), DOWN)
    round = build_round(around, (), ROWS, NOW)
    assert (round.unfinished, round.unlisted, round.actors) == (unfinished, unlisted, None)

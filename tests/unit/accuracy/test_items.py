"""The labelled logs of the world: those that rules may be tuned on, and those that are kept apart."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from serve_app.jobs.diagnosis.catalogue.built_in import CODES
from tests.accuracy.items import WORLD, WORLD_HELD_OUT, read_items

_KEYS = {"id", "source", "kind", "fields", "primary", "acceptable", "evidence", "state", "why", "basis", "text"}
_STATES = {"failed", "waiting", "well", "unknown"}


@pytest.mark.parametrize(("place", "least"), [(WORLD, 150), (WORLD_HELD_OUT, 140)])
def test_each_log_of_the_world_has_its_address_and_what_its_label_rests_on(place: Path, least: int) -> None:
    rows = [json.loads(line) for line in place.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == len({row["id"] for row in rows}) == len(read_items(place, "world")) >= least
    for row in rows:
        assert set(row) == _KEYS, row["id"]
        assert row["basis"] in ("thread", "two readings"), row["id"]
        assert row["source"], row["id"]
        assert row["state"] in _STATES, row["id"]
        assert len(row["acceptable"]) <= 2, row["id"]
        assert {row["primary"], *row["acceptable"]} <= {*CODES, "none", "unknown"}, row["id"]
        assert not row["evidence"] or row["evidence"] in row["text"], row["id"]


def test_no_log_is_in_both_halves() -> None:
    halves = [{item.id for item in read_items(place, "world")} for place in (WORLD, WORLD_HELD_OUT)]
    assert halves[0] & halves[1] == set()

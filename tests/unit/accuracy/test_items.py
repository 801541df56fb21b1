"""The labelled logs of the world that rules may be tuned on."""

from __future__ import annotations

import json

from serve_app.jobs.diagnosis.catalogue.built_in import CODES
from tests.accuracy.items import WORLD, world_items

_KEYS = {"id", "source", "kind", "fields", "primary", "acceptable", "evidence", "state", "why", "basis", "text"}
_STATES = {"failed", "waiting", "well", "unknown"}


def test_each_log_of_the_world_has_its_address_and_what_its_label_rests_on() -> None:
    rows = [json.loads(line) for line in WORLD.read_text(encoding="utf-8").split("\n") if line]
    assert len(rows) == len({row["id"] for row in rows}) == len(world_items()) >= 164
    for row in rows:
        assert set(row) == _KEYS, row["id"]
        assert row["basis"] in ("thread", "two readings"), row["id"]
        assert row["source"], row["id"]
        assert row["state"] in _STATES, row["id"]
        assert len(row["acceptable"]) <= 2, row["id"]
        assert {row["primary"], *row["acceptable"]} <= {*CODES, "none", "unknown"}, row["id"]
        assert not row["evidence"] or row["evidence"] in row["text"], row["id"]

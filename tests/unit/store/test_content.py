"""A row that another version or another hand wrote is shown as the published schema has it, or not at all."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from serve_app.jobs.judging.contradiction import CONTRADICTED_DRIVER, DRIVER_REPAIRED
from serve_app.jobs.judging.expectations import NOTHING
from serve_app.jobs.judging.kinds import APPLICATION_SERVER, CLUSTER_INITIALIZATION
from serve_app.jobs.judging.motion_rules import CIRCLE
from serve_app.schemas.jobs import EvidenceView, JobView
from serve_app.store.jobs import content as content_module
from serve_app.store.jobs import rows
from serve_app.store.jobs.content import SHOWN_COLUMNS, check_content, read_content

SCHEMA = TypeAdapter(JobView).json_schema()
EVIDENCE_SCHEMA = TypeAdapter(EvidenceView).json_schema()
COLUMNS: Any = {
    "id": "x", "session": "s1", "kind": "user", "status": "FAILED", "rule": "failed",
    "error_type": "E", "exit_code": 7, "code": "app.exception",
}  # fmt: skip
DEFAULTS = {
    "job_id": None, "submission_id": None, "type": "DRIVER", "entrypoint": "", "outcome": "ended_unknown",
    "verdict": "UNKNOWN", "reason": "", "scheduled_by": "", "managed_by": "", "started_at": None, "ended_at": None,
    "duration_s": None, "node_id": None, "metadata": {}, "derived": False, "hidden": False, "owner": None, "action": "",
    "quiet_since": None,
    **COLUMNS,
}  # fmt: skip
WHOLE = {
    "job_id": "01000000", "submission_id": "x", "type": "SUBMISSION", "entrypoint": "python a.py", "outcome": "failed",
    "verdict": "BAD", "reason": "It failed.", "scheduled_by": "Ray Jobs API", "managed_by": "Ray job supervisor",
    "started_at": "2026-01-01T12:00:00.000+00:00", "ended_at": "2026-01-01T12:00:05.000+00:00", "duration_s": 5.0,
    "node_id": "n1", "metadata": {"team": "a"}, "derived": True, "hidden": True, "owner": "data", "action": "Mend it.",
    "quiet_since": "2026-01-01T12:00:01.000+00:00",
    **COLUMNS,
}  # fmt: skip
FACT = {"rule": "failed", "source": "expectation", "fact": "user, failed: BAD"}


def read_row(content: str, columns: Any) -> JobView:
    return read_content(content, columns)["row"]


def kept(row: Any, evidence: Any = ()) -> str:
    return json.dumps({"row": row, "evidence": evidence})


def test_what_this_version_wrote_comes_back_as_it_was() -> None:
    assert read_row(kept(WHOLE), COLUMNS) == WHOLE
    assert read_content(kept(WHOLE, [FACT, FACT]), COLUMNS) == {"row": WHOLE, "evidence": [FACT, FACT]}
    assert check_content({"row": WHOLE, "evidence": [FACT]}) == {"row": WHOLE, "evidence": [FACT]}


def test_what_was_not_kept_has_its_default_and_what_nobody_knows_is_left_out() -> None:
    assert read_row(kept({}), COLUMNS) == DEFAULTS
    assert read_row(kept({"foo": 1}), COLUMNS) == DEFAULTS
    assert set(DEFAULTS) == set(SCHEMA["properties"])
    # Not shared between rows.
    first = read_row(kept({}), COLUMNS)
    first["metadata"]["a"] = "b"
    assert read_row(kept({}), COLUMNS) == DEFAULTS


def test_what_lists_are_filtered_by_is_what_they_show() -> None:
    assert read_row(kept({**WHOLE, **dict.fromkeys(SHOWN_COLUMNS, "other")}), COLUMNS) == WHOLE


def test_without_a_diagnosis_the_code_is_the_one_that_judging_knew() -> None:
    """Of a job that was stopped in the middle of a circle, nobody may ever ask for the diagnosis."""
    circled = {**WHOLE, "code": "memory.node-oom"}
    assert read_row(kept(circled), {**COLUMNS, "code": None})["code"] == "memory.node-oom"
    assert read_row(kept(circled), COLUMNS)["code"] == "app.exception"
    assert read_row(kept({**WHOLE, "code": 7}), {**COLUMNS, "code": None})["code"] is None


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("2026-01-01 00:00", "2026-01-01T00:00:00.000+00:00"),
        ("2026-01-01T12:00:00+02:00", "2026-01-01T10:00:00.000+00:00"),
        ("2026-01-01T12:00:00.123456Z", "2026-01-01T12:00:00.123+00:00"),
        ("2026-13-01T12:00:00.000+00:00x", None),
        ("noon", None),
        # Of a year that UTC has, and of one that it has not.
        ("0001-01-01T05:00:00+05:00", "0001-01-01T00:00:00.000+00:00"),
        ("9999-12-31T18:59:59.999999-05:00", "9999-12-31T23:59:59.999+00:00"),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59-05:00", None),
        (1767268780, None),
        (None, None),
    ],
)
def test_times(written: Any, shown: str | None) -> None:
    row = read_row(kept({**WHOLE, "started_at": written, "ended_at": written}), COLUMNS)
    assert (row["started_at"], row["ended_at"]) == (shown, shown)


@pytest.mark.parametrize(
    ("field", "broken"),
    [
        ("job_id", 7), ("submission_id", ["x"]), ("type", "ACTOR"), ("entrypoint", None), ("outcome", "superb"),
        ("verdict", "bad"), ("reason", 7), ("scheduled_by", None), ("managed_by", {}), ("duration_s", "long"),
        ("node_id", 7), ("metadata", {"a": 7}), ("metadata", []), ("derived", "yes"), ("hidden", 1), ("owner", 7),
        ("action", None), ("started_at", "9999-12-31T23:59:59-05:00"), ("ended_at", "0001-01-01T00:00:00+05:00"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_costs_its_field_and_is_not_imported(field: str, broken: Any) -> None:
    assert read_row(kept({**WHOLE, field: broken}), COLUMNS) == {**WHOLE, field: DEFAULTS[field]}
    with pytest.raises(ValueError, match=rf"^content\.row\.{field}"):
        check_content({"row": {**WHOLE, field: broken}})


def test_evidence_that_is_none_is_left_out_and_not_imported() -> None:
    broken = [None, "x", {"rule": "a"}, {**FACT, "fact": 7}]
    assert read_content(kept(WHOLE, [*broken, {**FACT, "more": 1}]), COLUMNS)["evidence"] == [FACT]
    for evidence in ("said", None, *([each] for each in broken)):
        assert read_content(kept(WHOLE, evidence), COLUMNS)["evidence"] == []
        with pytest.raises(ValueError, match=r"^content\.evidence"):
            check_content({"row": WHOLE, "evidence": evidence})


def test_half_a_character_is_replaced() -> None:
    assert read_row(kept({**WHOLE, "reason": "a\ud800b"}), COLUMNS) == {**WHOLE, "reason": "a?b"}


@pytest.mark.parametrize("content", ["", "[]", "no JSON", '{"row": 7}', "{}", '{"row": ' * 5_000])
def test_content_that_is_none(content: str) -> None:
    assert read_content(content, COLUMNS) == {"row": DEFAULTS, "evidence": []}


def nest(depth: int) -> str:
    return "[" * depth + "]" * depth


DEEP_PLACES = {
    "beside": ('{"row": ROW, "evidence": [FACT], "note": DEEP}', {}, [FACT]),
    "in the row": ('{"row": {"note": DEEP, ROW_INSIDE}, "evidence": [FACT]}', {}, [FACT]),
    "in a field": ('{"row": {ROW_INSIDE, "reason": DEEP}, "evidence": [FACT]}', {"reason": ""}, [FACT]),
    "in metadata": ('{"row": {ROW_INSIDE, "metadata": {"a": DEEP}}, "evidence": [FACT]}', {"metadata": {}}, [FACT]),
    "in evidence": ('{"row": ROW, "evidence": [DEEP, FACT, {"rule": DEEP}]}', {}, [FACT]),
}


def write_deep(place: str, depth: int) -> str:
    row, text = json.dumps(WHOLE), DEEP_PLACES[place][0]
    parts = {"ROW_INSIDE": row[1:-1], "ROW": row, "FACT": json.dumps(FACT), "DEEP": nest(depth)}
    for name, part in parts.items():
        text = text.replace(name, part)
    return text


@pytest.mark.parametrize("place", DEEP_PLACES)
def test_what_is_nested_deeply_costs_its_field(place: str) -> None:
    _, cost, evidence = DEEP_PLACES[place]
    for depth in (5, 150, 250):
        found = read_content(write_deep(place, depth), COLUMNS)
        assert found == {"row": {**WHOLE, **cost}, "evidence": evidence}


@pytest.mark.parametrize("place", DEEP_PLACES)
@pytest.mark.parametrize("depth", [900, 990, 100_000])
def test_what_is_nested_so_deeply_that_python_may_not_read_it_breaks_nothing(place: str, depth: int) -> None:
    _, cost, evidence = DEEP_PLACES[place]
    found = read_content(write_deep(place, depth), COLUMNS)
    # It depends on how deep the caller is.
    whole, nothing = {"row": {**WHOLE, **cost}, "evidence": evidence}, {"row": DEFAULTS, "evidence": []}
    assert found in ((whole, nothing) if depth < 1_000 else (nothing,))
    assert read_row(write_deep(place, depth), COLUMNS)["id"] == COLUMNS["id"]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(list(WHOLE.values()))
ANYTHING = st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(sorted(SCHEMA["properties"])) | st.text(), ANYTHING), ANYTHING)
def test_whatever_is_stored_what_is_shown_is_as_published(row: dict[str, Any], evidence: Any) -> None:
    found = read_content(kept({**row}, evidence), COLUMNS)
    jsonschema.validate(found["row"], SCHEMA)
    for fact in found["evidence"]:
        jsonschema.validate(fact, EVIDENCE_SCHEMA)


@pytest.mark.parametrize("field", ["type", "outcome", "verdict"])
def test_all_words_that_are_published_are_read(field: str) -> None:
    for word in SCHEMA["properties"][field]["enum"]:
        assert read_row(kept({field: word}), COLUMNS)[field] == word  # type: ignore[literal-required]


def test_the_words_that_the_store_has_of_judging() -> None:
    assert (rows._NOTHING, rows._HEAD, rows._SERVER) == (NOTHING, CLUSTER_INITIALIZATION, APPLICATION_SERVER)
    words = (rows._CONTRADICTED_DRIVER, rows._DRIVER_REPAIRED, content_module.CIRCLE)
    assert words == (CONTRADICTED_DRIVER, DRIVER_REPAIRED, CIRCLE)

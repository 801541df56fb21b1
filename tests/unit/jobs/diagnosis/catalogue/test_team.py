from __future__ import annotations

import re
import time
from typing import Any

import pytest
import yaml

from serve_app.jobs.diagnosis.catalogue.built_in import load_built_in
from serve_app.jobs.diagnosis.catalogue.team import MOST_SIGNATURES, build_catalogue, parse_signatures
from serve_app.jobs.diagnosis.engine.diagnose import diagnose
from serve_app.jobs.diagnosis.models import CodeClass, Fields, SourceKind, TextSource
from serve_app.jobs.settings import InspectorConfig

LICENCE: dict[str, Any] = {
    "name": "licence-expired",
    "code": "acme.licence",
    "title": "the solver's licence has expired",
    "class": "permanent",
    "contains": ["licence of the solver"],
    "pattern": r"expired \d+ days ago",
    "advice": ["Renew it."],
    "matches": ["E: licence of the solver expired 3 days ago", "licence of the solver expired 12 days ago"],
    "near_misses": ["licence of the solver expires in 3 days"],
}


def _yaml(*rows: dict[str, Any]) -> str:
    return yaml.safe_dump(list(rows))


def test_a_signature_of_ones_own_finds_its_cause() -> None:
    catalogue = build_catalogue(parse_signatures(_yaml(LICENCE)))
    log = b"start\n(f pid=1) licence of the solver expired 3 days ago\n"
    found = diagnose(Fields(), [TextSource("log", SourceKind.FILE, [log])], catalogue)
    assert (found.code, found.title, found.code_class, found.advice, found.rule) == (
        "acme.licence",
        "the solver's licence has expired",
        CodeClass.PERMANENT,
        ("Renew it.",),
        "licence-expired",
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"matches": LICENCE["matches"][:1]}, "signature 'licence-expired': matches: Tuple should have at least 2"),
        ({"near_misses": []}, "signature 'licence-expired': near_misses: Tuple should have at least 1 item"),
        (
            {"pattern": r"expired (?!0)\d+"},
            r"signature 'licence-expired': the pattern 'expired (?!0)\\d+' cannot be compiled: invalid perl operator: "
            "(?!; RE2 does not look around: write what must not be in the line as `unless:`",
        ),
        ({"pattern": r"expired (\d+)+ days"}, None),
        ({"unless": r"("}, "signature 'licence-expired': the pattern '(' cannot be compiled: missing ): ("),
        ({"pattern": "expired"}, None),
        ({"pattern": "expire"}, "it finds its near miss 'licence of the solver expires in 3 days'"),
        ({"contains": ["licence of a solver"]}, "it does not find its own example 'E: licence of the solver"),
        ({"contains": ["lic"]}, "signature 'licence-expired': contains.0: String should have at least 5 characters"),
        ({"title": ""}, "the code 'acme.licence' is not in the vocabulary, so it needs a title and a class"),
        ({"colour": "red"}, "signature 'licence-expired': colour: Extra inputs are not permitted"),
        ({"role": "guess"}, "signature 'licence-expired': role"),
    ],
)
def test_an_entry_that_is_not_right_is_refused_with_its_name(change: dict[str, Any], sentence: str | None) -> None:
    text = _yaml({**LICENCE, **change})
    if sentence is None:
        assert len(parse_signatures(text)) == 1
        return
    with pytest.raises(ValueError, match=re.escape(sentence)):
        parse_signatures(text)


# What took more than a minute for a line of 2.7 kB when a check of the pattern's text let it pass.
FOR_EVER = ["a{0,999}a{0,999}a{0,999}b", "(?=a*a*a*b)", ".{0,999}x.{0,999}y.{0,999}z"]


@pytest.mark.parametrize("pattern", FOR_EVER)
@pytest.mark.parametrize("unit", ["a", "xy", "axy", "x", "a\u00e9"])
def test_no_signature_of_the_configuration_takes_for_ever(pattern: str, unit: str) -> None:
    """As ``user_config`` has it, which the inspector takes and runs."""
    examples = ["solver aaabxyz", "solver ab x y z"]
    entry = {**LICENCE, "contains": ["solver"], "pattern": pattern, "matches": examples, "near_misses": ["solver"]}
    signatures = {"signatures": [entry]}
    if "?=" in pattern:
        with pytest.raises(ValueError, match="RE2 does not look around"):
            InspectorConfig.model_validate(signatures)
        return
    catalogue = build_catalogue(InspectorConfig.model_validate(signatures).signatures)
    log = f"solver {(unit * 2_700)[:2_700]}!\n".encode() * 20
    began = time.thread_time()
    diagnose(Fields(status="FAILED"), [TextSource("log", SourceKind.FILE, [log])], catalogue)
    # Not a measure of speed: what tries all ways one after the other takes longer than anybody waits.
    assert time.thread_time() - began < 10


def test_a_name_that_is_taken_is_refused() -> None:
    with pytest.raises(ValueError, match="signature 'licence-expired' is there already"):
        build_catalogue(parse_signatures(_yaml(LICENCE, LICENCE)))
    taken = load_built_in().signatures[0].name
    with pytest.raises(ValueError, match=f"signature '{taken}' is there already"):
        build_catalogue(parse_signatures(_yaml({**LICENCE, "name": taken})))


@pytest.mark.parametrize("text", ["{", "a: 1", "- 3", "!!python/object:os.system {}"])
def test_what_is_no_list_of_entries_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"signature"):
        parse_signatures(text)


def test_too_many_are_refused() -> None:
    rows = [{**LICENCE, "name": f"n-{number}"} for number in range(MOST_SIGNATURES + 1)]
    with pytest.raises(ValueError, match="at most 300 items"):
        parse_signatures(_yaml(*rows))


def test_no_file_and_an_empty_one_are_the_built_in_ones() -> None:
    assert build_catalogue(parse_signatures("")) is load_built_in()

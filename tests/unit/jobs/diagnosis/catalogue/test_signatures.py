"""Every built-in signature finds its examples and not its near misses."""

from __future__ import annotations

from collections import Counter

import pytest

from serve_app.jobs.diagnosis.catalogue.catalogue import built_in, finds
from serve_app.jobs.diagnosis.catalogue.signature import Signature
from serve_app.jobs.diagnosis.catalogue.vocabulary import CODES
from serve_app.jobs.diagnosis.pattern import compile_pattern

SIGNATURES = built_in().signatures


def test_there_are_signatures_and_their_names_are_their_own() -> None:
    assert len(SIGNATURES) >= 100
    assert [name for name, count in Counter(each.name for each in SIGNATURES).items() if count > 1] == []


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda each: each.name)
def test_a_signature_finds_its_examples_and_nothing_else(signature: Signature) -> None:
    assert signature.code in CODES
    assert len(signature.matches) >= 2
    assert len(signature.near_misses) >= 1
    assert all(len(each) >= 5 for each in signature.contains)
    assert [line for line in signature.matches if not finds(signature, line)] == []
    assert [line for line in signature.near_misses if finds(signature, line)] == []


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda each: each.name)
def test_no_pattern_can_take_for_ever(signature: Signature) -> None:
    compile_pattern(signature.pattern)
    compile_pattern(signature.unless)

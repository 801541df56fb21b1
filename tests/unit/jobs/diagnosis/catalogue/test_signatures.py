"""Every built-in signature finds its examples and not its near misses."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from serve_app.jobs.diagnosis.catalogue import signatures as package
from serve_app.jobs.diagnosis.catalogue.built_in import CODES, join_families, load_built_in
from serve_app.jobs.diagnosis.catalogue.catalogue import Catalogue, Signature, SignatureListError, matches_line
from serve_app.jobs.diagnosis.catalogue.pattern import compile_pattern

SIGNATURES = load_built_in().signatures


def test_there_are_signatures_and_their_names_are_their_own() -> None:
    assert len(SIGNATURES) >= 100
    assert len({each.name for each in SIGNATURES}) == len(SIGNATURES)


def test_every_file_of_signatures_is_listed_once() -> None:
    files = sorted(path.stem for path in Path(package.__file__).parent.glob("*.py") if path.stem != "__init__")
    assert list(package.FAMILIES) == [import_module(f"{package.__name__}.{name}").SIGNATURES for name in files]


def test_without_signatures_there_is_no_catalogue() -> None:
    with pytest.raises(SignatureListError, match="there are no signatures to diagnose with"):
        Catalogue(join_families([]), CODES)


def test_a_file_without_signatures_is_refused() -> None:
    with pytest.raises(SignatureListError, match="family 1 of the built-in signatures is empty"):
        join_families([SIGNATURES[:1], (), SIGNATURES[1:]])


def test_signatures_of_one_name_are_refused() -> None:
    first, second, third, *_ = SIGNATURES
    with pytest.raises(SignatureListError, match=f"signatures are listed twice: {first.name}$"):
        Catalogue([first, second, replace(third, name=first.name)], CODES)


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda each: each.name)
def test_a_signature_finds_its_examples_and_nothing_else(signature: Signature) -> None:
    assert signature.code in CODES
    assert len(signature.matches) >= 2
    assert len(signature.near_misses) >= 1
    assert all(len(each) >= 5 for each in signature.contains)
    assert [line for line in signature.matches if not matches_line(signature, line)] == []
    assert [line for line in signature.near_misses if matches_line(signature, line)] == []


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda each: each.name)
def test_no_pattern_can_take_for_ever(signature: Signature) -> None:
    compile_pattern(signature.pattern)
    compile_pattern(signature.unless)

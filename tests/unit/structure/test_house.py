from __future__ import annotations

from pathlib import Path

from tests.structure.counts import count_structure, list_breaches


# Strict: the day on which the tree obeys, this fails, and the mark goes.
def test_the_house_keeps_its_limits() -> None:
    assert list_breaches(count_structure(Path(__file__).resolve().parents[3])) == []

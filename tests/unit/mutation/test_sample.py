"""Which mutants are drawn, which are left out, and which tests must notice a file's mutants."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.mutants import Mutant
from tests.mutation.sample import ROOT, LeftOut, choose_tests, draw, leave_out, list_all, list_paths, read_left_out

MUTANTS = [Mutant("x.py", number, number, "f", "text", f"b{number}", "a") for number in range(50)]


def test_a_seed_draws_the_same_again_each_once_in_their_order() -> None:
    first = draw(MUTANTS, 20, 7)
    assert first == draw(MUTANTS, 20, 7)
    assert first != draw(MUTANTS, 20, 8)
    assert sorted(first, key=lambda each: each.number) == first
    assert len(set(first)) == 20
    assert draw(MUTANTS, 99, 7) == MUTANTS


def test_what_is_left_out_is_named_exactly() -> None:
    entry = LeftOut("x.py", "f", "b3", "a", "it changes nothing")
    assert leave_out(MUTANTS, [entry]) == [*MUTANTS[:3], *MUTANTS[4:]]
    with pytest.raises(ValueError, match="names 0 mutants"):
        leave_out(MUTANTS, [LeftOut("x.py", "f", "gone", "a", "it changes nothing")])
    with pytest.raises(ValueError, match="names 2 mutants"):
        leave_out([*MUTANTS, MUTANTS[3]], [entry])


@pytest.mark.parametrize(("count", "reason"), [(11, "why"), (1, "")])
def test_few_are_left_out_and_each_has_its_reason(tmp_path: Path, count: int, reason: str) -> None:
    path = tmp_path / "left_out.toml"
    entry = f'[[left_out]]\npath = "x"\nname = "f"\nbefore = "b"\nafter = "a"\nreason = "{reason}"\n'
    path.write_text(entry * count)
    with pytest.raises(ValueError, match="at most 10"):
        read_left_out(path)


def test_what_is_left_out_today_still_exists() -> None:
    left_out = read_left_out()
    every = list_all({each.path for each in left_out})
    assert len(leave_out(every, left_out)) == len(every) - len(left_out)


@pytest.mark.parametrize("path", list_paths())
def test_every_file_that_is_mutated_has_tests_that_exist(path: str) -> None:
    tests = choose_tests(path)
    assert tests
    assert all((ROOT / test).is_file() for test in tests)

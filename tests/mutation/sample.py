"""Which mutants are tried, with which tests: a sample drawn by a seed, without those that can change no answer."""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.mutants import Mutant, list_mutants

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("serve_app/jobs/judging/**/*.py", "serve_app/jobs/actions/retry.py", "serve_app/jobs/views.py")
MOST_LEFT_OUT = 10
TESTS = {
    "serve_app/jobs/judging/": ("tests/unit/jobs/judging", "tests/unit/jobs/recorded"),
    "serve_app/jobs/actions/": ("tests/unit/jobs/actions",),
    "serve_app/jobs/": ("tests/unit/jobs/test_views.py", "tests/unit/jobs/answers"),
}
"""Tests, or folders of them, by the beginning of a path of the product, the first that fits: its own must notice."""
_LEFT_OUT = Path(__file__).with_name("left_out.toml")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A mutant that can change no answer, by the file, the definition and the words of its change, and why."""

    path: str
    name: str
    before: str
    after: str
    reason: str

    def names(self, mutant: Mutant) -> bool:
        """Whether this mutant is meant."""
        return (self.path, self.name, self.before, self.after) == (
            mutant.path,
            mutant.name,
            mutant.before,
            mutant.after,
        )


def list_all(patterns: Iterable[str] = TARGETS) -> list[Mutant]:
    """All mutants of the files that are meant."""
    return [mutant for path in list_paths(patterns) for mutant in list_mutants(path, (ROOT / path).read_text("utf-8"))]


def list_paths(patterns: Iterable[str] = TARGETS) -> list[str]:
    """The files that are meant."""
    paths = {path for pattern in patterns for path in ROOT.glob(pattern) if path.name != "__init__.py"}
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def read_left_out(path: Path = _LEFT_OUT) -> list[LeftOut]:
    """The mutants that are left out; raises ``ValueError`` for more than ten or one without a reason."""
    entries = [LeftOut(**each) for each in tomllib.loads(path.read_text("utf-8")).get("left_out", [])]
    if len(entries) > MOST_LEFT_OUT or not all(each.reason for each in entries):
        raise ValueError(f"at most {MOST_LEFT_OUT} mutants may be left out, each with its reason")
    return entries


def leave_out(mutants: Sequence[Mutant], left_out: Iterable[LeftOut]) -> list[Mutant]:
    """The others; raises ``ValueError`` for an entry that names none of them, or more than one."""
    gone: set[Mutant] = set()
    for entry in left_out:
        meant = [mutant for mutant in mutants if entry.names(mutant)]
        if len(meant) != 1:
            raise ValueError(f"{entry} names {len(meant)} mutants")
        gone.update(meant)
    return [mutant for mutant in mutants if mutant not in gone]


def draw(mutants: Sequence[Mutant], count: int, seed: int) -> list[Mutant]:
    """So many of them, each as likely as any other, in the order of their files."""
    chosen = random.Random(seed).sample(range(len(mutants)), min(count, len(mutants)))
    return [mutants[index] for index in sorted(chosen)]


def choose_tests(path: str) -> list[str]:
    """The test files that are meant for this file of the product, those first that import it."""
    places = next(tests for start, tests in TESTS.items() if path.startswith(start))
    found = [test for place in places for test in _list_tests(ROOT / place)]
    imports = f"from {path.removesuffix('.py').replace('/', '.')} import"
    found.sort(key=lambda test: imports not in test.read_text("utf-8"))
    return [str(test.relative_to(ROOT)) for test in found]


def _list_tests(place: Path) -> list[Path]:
    return sorted(place.rglob("test_*.py")) if place.is_dir() else [place]

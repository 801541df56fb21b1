"""What a docstring or a comment names is there: modules of ours by their dotted names, and documents."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from organs.skills.table import BUILT_IN

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("serve_app/**/*.py"), *ROOT.glob("organs/**/*.py")])
DOTTED = re.compile(r"`([a-z_][a-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)+)`")
DOCUMENT = re.compile(r"`([A-Za-z0-9_./-]+\.md)`")
# These read as if a module had them: `memory.put`, `http.get`.
SKILLS = frozenset(skill.name for skill in BUILT_IN)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def words(path: Path) -> Iterator[str]:
    """Docstrings and comments."""
    text = path.read_text()
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, documented):
            yield ast.get_docstring(node, clean=False) or ""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.string


def is_module(place: Path) -> bool:
    return (place / "__init__.py").exists() or place.with_suffix(".py").exists()


def list_names(place: Path) -> set[str]:
    """What a module defines or imports at its top."""
    file = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    names: set[str] = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        else:
            names |= {each.id for each in ast.walk(node) if isinstance(each, ast.Name)}
    return names


def is_there(name: str, bases: list[Path]) -> bool:
    """Whether a module is there with what is named of it; so is what begins with no module of ours (``ray.get``)."""
    first, *rest = name.split(".")
    begun = [base / first for base in bases if is_module(base / first)]
    return not begun or any(_has(place, rest) for place in begun)


def _has(place: Path, rest: list[str]) -> bool:
    while rest and is_module(place / rest[0]):
        place, rest = place / rest[0], rest[1:]
    return not rest or rest[0] in list_names(place)


def bases_of(path: Path) -> list[Path]:
    """From where a name may begin: the checkout, the application, its jobs, and the packages that a file is in."""
    packages = [parent for parent in path.parents if parent.is_relative_to(ROOT)]
    return [ROOT / "serve_app", ROOT / "serve_app/jobs", *packages]


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_what_is_named_is_there(path: Path) -> None:
    named = {name for text in words(path) for name in DOTTED.findall(text)} - SKILLS
    assert [name for name in sorted(named) if not is_there(name, bases_of(path))] == []
    documents = {name for text in words(path) for name in DOCUMENT.findall(text)}
    assert [name for name in sorted(documents) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("name", "there"),
    [
        ("store.jobs.rows", True),
        ("store.jobs.rows.save", True),
        ("serve_app.store.jobs.content.SHOWN_COLUMNS", True),
        ("judging.verdicts", True),
        ("ray.get", True),
        ("store.jobs.save", False),
        ("store.job_pages.page", False),
        ("diagnosis.diagnosing", False),
    ],
)
def test_how_a_name_is_looked_for(name: str, there: bool) -> None:
    assert is_there(name, bases_of(ROOT / "serve_app/alerts/query.py")) is there

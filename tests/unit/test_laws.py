"""The laws that keep the code in one direction, read from its syntax trees."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("serve_app/**/*.py"), *ROOT.glob("organs/**/*.py")])
PURE = (
    *(str(path.relative_to(ROOT / "serve_app")) for path in sorted((ROOT / "serve_app/jobs/judging").glob("*.py"))),
    "jobs/models.py",
    "jobs/history/query.py",
    *(
        f"jobs/progress/{name}.py"
        for name in (
            "models",
            "obstacles",
            "signals",
            "stacks",
            "verdict",
            "advice",
            "processes",
            "rows",
            "log_growth",
        )
    ),
    *(f"alerts/{name}.py" for name in ("conditions", "lifecycle", "models", "notifications", "query", "state")),
    *(f"metrics/{name}.py" for name in ("histogram", "series", "utilisation", "figures", "exposition")),
)
LONGEST_FILE_LINES = 350
# Where a time becomes a text.
TIMES = ("serve_app/times.py", "organs/times.py")


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def breaks(path: Path, *forbidden: str) -> list[str]:
    return [name for name in imports(path) if any(name == each or name.startswith(f"{each}.") for each in forbidden)]


@pytest.mark.parametrize("path", [path for path in SOURCES if path.is_relative_to(ROOT / "organs")], ids=name_of)
def test_organs_know_nothing_of_the_application(path: Path) -> None:
    assert breaks(path, "serve_app", "fastapi") == []


@pytest.mark.parametrize("path", [ROOT / "serve_app" / name for name in PURE], ids=name_of)
def test_judging_is_pure(path: Path) -> None:
    assert breaks(path, "ray", "fastapi", "aiohttp", "sqlalchemy", "serve_app.store", "serve_app.cluster") == []
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert [call for call in calls if call in ("datetime.now", "time.time", "time.monotonic", "datetime.utcnow")] == []


API = [
    path
    for path in SOURCES
    if path.is_relative_to(ROOT / "serve_app/api")
    or (path.parent == ROOT / "serve_app" and path.stem in ("errors", "settings"))
]


@pytest.mark.parametrize("path", API, ids=name_of)
def test_the_api_does_not_know_ray(path: Path) -> None:
    assert breaks(path, "ray") == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_connects_to_ray(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node) == "ray.init"
    ] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_private_names_of_ray_stay_in_their_adapter(path: Path) -> None:
    private = [name for name in imports(path) if name.startswith(("ray.", "ray._")) and "._" in f".{name}"]
    if path != ROOT / "serve_app/cluster/private.py":
        assert private == []


@pytest.mark.parametrize("path", sorted((ROOT / "serve_app/api/routes").glob("*.py")), ids=name_of)
def test_a_route_never_catches(path: Path) -> None:
    assert [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Try)] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_a_catch_all_raises_again_or_says_why_it_is_there(path: Path) -> None:
    """Foreign code runs in one place, the organ; everywhere else an unknown failure must be seen."""
    lines = path.read_text().splitlines()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = "" if node.type is None else ast.unparse(node.type)
            if caught in ("", "Exception", "BaseException"):
                raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
                assert raises or "  # " in lines[node.lineno - 1], f"{name_of(path)}:{node.lineno}"


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE_LINES


def test_nobody_imports_the_wiring() -> None:
    assert [name_of(path) for path in SOURCES if path.name != "main.py" and breaks(path, "serve_app.main")] == []


@pytest.mark.parametrize("path", [path for path in SOURCES if name_of(path) not in TIMES], ids=name_of)
def test_times_are_written_in_one_place(path: Path) -> None:
    attributes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    assert [node.lineno for node in attributes if node.attr == "isoformat"] == []

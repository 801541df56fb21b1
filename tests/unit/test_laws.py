"""What only the text of a file can say of the laws; who may import whom stands in pyproject, for `make lint`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted([*ROOT.glob("serve_app/**/*.py"), *ROOT.glob("organs/**/*.py")])
PURE = (
    *(str(path.relative_to(ROOT / "serve_app")) for path in sorted((ROOT / "serve_app/jobs/judging").rglob("*.py"))),
    "jobs/models.py",
    "jobs/motion.py",
    "jobs/drivers.py",
    "jobs/serve_facts.py",
    "jobs/history/archive.py",
    *(
        f"jobs/progress/{name}.py"
        for name in (
            "models",
            "obstacles",
            "signals",
            "stacks",
            "stillness",
            "standstill",
            "circles/attempts",
            "circles/causes",
            "circles/circles",
            "circles/ledger",
            "circles/rows",
            "looks/tables",
            "looks/trail",
            "looks/waits",
            "looks/subjects",
            "advice",
            "processes",
            "rows",
            "log_growth",
        )
    ),
    *(f"alerts/{name}.py" for name in ("conditions", "lifecycle", "models", "notifications", "query", "state")),
    *(f"metrics/{name}.py" for name in ("histogram", "series", "utilisation", "figures", "exposition")),
)
JUDGING_IMPORTS = (
    "organs.times",
    "serve_app.jobs.judging.",
    "serve_app.jobs.models",
    "serve_app.jobs.motion",
    "serve_app.jobs.drivers",
    "serve_app.jobs.serve_facts",
    "serve_app.outcomes",
    "serve_app.parts",
    "serve_app.queries.job_names",
    "serve_app.strict",
)
LONGEST_FILE_LINES = 350
# The two that know private names of Ray: what organs need as well, and all else.
ADAPTERS = ("organs/private.py", "serve_app/cluster/private.py")
# Where a time becomes a text.
TIMES = ("organs/times.py",)


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def private_attributes(path: Path) -> Iterator[str]:
    """Of any object, as ``x._name`` or as a text (``getattr(x, "_name")``)."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            yield node.attr
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            texts = [each.value for each in node.args if isinstance(each, ast.Constant)]
            yield from (text for text in texts if isinstance(text, str) and is_private(text))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def own_names() -> Iterator[str]:
    """Names of functions and classes of ours, and of what is assigned anywhere, attributes included."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield node.name
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield node.attr
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


OWN_NAMES = frozenset(own_names())


@pytest.mark.parametrize("path", [ROOT / "serve_app" / name for name in PURE], ids=name_of)
def test_a_decision_is_handed_the_time(path: Path) -> None:
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert [call for call in calls if call in ("datetime.now", "time.time", "time.monotonic", "datetime.utcnow")] == []


@pytest.mark.parametrize("path", sorted((ROOT / "serve_app/jobs/judging").rglob("*.py")), ids=name_of)
def test_judging_imports_what_contributing_says(path: Path) -> None:
    ours = {name for name in imports(path) if name.startswith(("serve_app.", "organs."))}
    assert [name for name in sorted(ours) if not name.startswith(JUDGING_IMPORTS)] == []


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_of_ours_is_imported_by_its_name_as_a_text(path: Path) -> None:
    """The laws of who imports whom, in pyproject, see import statements. A user's skills come by their names."""
    by_text = ("importlib.import_module", "import_module", "__import__", "pkgutil.iter_modules", "runpy.run_module")
    calls = [ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    found = [call for call in calls if call in by_text]
    assert found == (["importlib.import_module"] if path == ROOT / "organs/catalog.py" else [])


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_nothing_connects_to_ray(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert [
        node for node in ast.walk(tree) if isinstance(node, ast.Attribute) and ast.unparse(node) == "ray.init"
    ] == []


@pytest.mark.parametrize("path", [path for path in SOURCES if name_of(path) not in ADAPTERS], ids=name_of)
def test_private_names_of_ray_stay_in_their_adapters(path: Path) -> None:
    """Modules, and attributes that no code of ours sets: those are Ray's, or of some other package."""
    assert [name for name in imports(path) if name.startswith(("ray.", "ray._")) and "._" in f".{name}"] == []
    assert [name for name in private_attributes(path) if name not in OWN_NAMES] == []


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_touches_private_names(name: str) -> None:
    assert [each for each in private_attributes(ROOT / name) if each not in OWN_NAMES] != []


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


@pytest.mark.parametrize("path", [path for path in SOURCES if name_of(path) not in TIMES], ids=name_of)
def test_times_are_written_in_one_place(path: Path) -> None:
    attributes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute)]
    assert [node.lineno for node in attributes if node.attr == "isoformat"] == []

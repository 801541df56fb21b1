"""The version of the code: what makes it another, and that a process keeps the one that it began with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from organs import replica, version
from organs.version import read_own_version, read_version

ROOT = Path(version.__file__).parents[1]


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    for path, text in {
        "serve_app/__init__.py": '"""It."""\n\n__version__ = "1.2.3"\n',
        "serve_app/report/templates/report.css": "b {}",
        "organs/organ.py": "A = 1\n",
    }.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


def write(path: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text(text)


def test_the_number_of_the_release_and_a_digest(sources: Path) -> None:
    number, digest = read_version(sources).split("+")
    assert (number, len(digest), int(digest, 16) >= 0) == ("1.2.3", 12, True)
    assert read_version(sources) == read_version(sources)


@pytest.mark.parametrize(
    ("edit", "is_other"),
    [
        (write("organs/organ.py", "A = 2\n"), True),
        (write("organs/other.py", ""), True),
        (write("serve_app/report/templates/report.css", "b { color: red }"), True),
        (lambda root: (root / "organs/organ.py").rename(root / "organs/moved.py"), True),
        (write("organs/notes.txt", "x"), False),
        (write("other.py", "x"), False),
        (write("serve_app/report/templates/draft.swp", "x"), False),
    ],
)
def test_an_edit_of_the_sources_makes_it_another(sources: Path, edit: Callable[[Path], object], is_other: bool) -> None:
    before = read_version(sources)
    edit(sources)
    assert (read_version(sources) != before) is is_other


def test_a_tree_without_a_number_has_none(sources: Path) -> None:
    (sources / "serve_app/__init__.py").write_text("")
    assert read_version(sources).startswith("0+")


def test_files_that_are_gone_are_no_version(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_version(tmp_path)


async def test_a_replica_tells_the_version_that_it_began_with(monkeypatch: pytest.MonkeyPatch) -> None:
    began_with = read_version(ROOT)
    read_own_version.cache_clear()
    made = replica.Versioned()
    # Whatever becomes of the files meanwhile.
    monkeypatch.setattr(version, "read_version", lambda root: "later")
    context = SimpleNamespace(replica_tag="abc12345")
    monkeypatch.setattr(replica.serve, "get_replica_context", lambda: context)
    assert await made.tell_version() == {"replica_id": "abc12345", "code_version": began_with}

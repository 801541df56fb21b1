from __future__ import annotations

from pathlib import Path

import pytest

from tests.structure.counts import Counts, count_structure, is_gerund, list_breaches
from tests.structure.table import render_table
from tests.structure.verbs import is_verb

FILES = {
    "serve_app/__init__.py": "",
    "serve_app/main.py": "def build(): ...\n",
    "serve_app/rides/told.py": "class Line: ...\nclass _Hidden: ...\n\n\ndef kind_of(job): ...\n",
    "serve_app/rides/rows.py": """\
class Line:
    class Inner: ...

    def __init__(self): ...

    @property
    def width(self): ...

    @width.setter
    def width(self, value): ...

    @functools.cached_property
    def height(self): ...

    @staticmethod
    async def _read(): ...

    def view(self):
        def kept(): ...
""",
    "serve_app/rides/signatures/one.py": "",
    "serve_app/rides/signatures/two.py": "",
    "organs/waiting_room.py": "class Inner: ...\n\n\ndef is_open(): ...\n\n\ndef age_of(): ...\n",
    "tests/unit/test_told.py": "class Line: ...\n\n\ndef whatever(): ...\n",
    "tests/unit/fakes.py": "",
    "tests/corpus/programs/shapes.py": "",
    "deploy/local/bootstrap.py": "",
}

COUNTS = Counts(
    modules=6,
    folders={
        "organs": 1,
        "serve_app": 1,
        "serve_app/rides": 2,
        "tests/unit": 2,
        "tests/corpus/programs": 1,
        "deploy/local": 1,
    },
    files={
        "organs/waiting_room.py": 7,
        "serve_app/__init__.py": 0,
        "serve_app/rides/rows.py": 19,
        "serve_app/rides/signatures/one.py": 0,
        "serve_app/rides/signatures/two.py": 0,
        "serve_app/rides/told.py": 5,
        "serve_app/main.py": 1,
    },
    forbidden=("serve_app/rides/told.py", "tests/unit/test_told.py"),
    doubles={"Line": ("serve_app/rides/rows.py", "serve_app/rides/told.py")},
    gerunds=("organs/waiting_room.py",),
    functions=7,
    verbs=3,
    of_names=("age_of", "kind_of"),
    other_names={"age_of": 1, "kind_of": 1, "view": 1, "kept": 1},
)


def write_tree(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_small_tree_is_counted(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    assert count_structure(tmp_path) == COUNTS


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        count_structure(tmp_path)


def test_each_limit_is_told_with_its_place(tmp_path: Path) -> None:
    write_tree(tmp_path, FILES)
    write_tree(tmp_path, {f"tests/unit/test_{number}.py": "" for number in range(14)})
    write_tree(tmp_path, {"organs/names.py": "\n".join(f"def name{number}_of(): ..." for number in range(18))})
    assert list_breaches(count_structure(tmp_path)) == [
        "tests/unit has 16 modules; at most 15 are allowed",
        "serve_app/rides/told.py bears a name that no stranger would guess",
        "tests/unit/test_told.py bears a name that no stranger would guess",
        "the class name Line has 2 meanings: serve_app/rides/rows.py, serve_app/rides/told.py",
        "12.0% of the functions begin with a verb; at least 60% must",
        "20 names of functions end in _of; at most 19 are allowed",
    ]


def test_a_tree_at_its_limits_breaks_none(tmp_path: Path) -> None:
    write_tree(tmp_path, {f"organs/part{number}.py": "" for number in range(15)})
    verbs, others = (f"def read_{number}(): ..." for number in range(30)), (f"def n{n}_of(): ..." for n in range(19))
    write_tree(tmp_path, {"serve_app/main.py": "\n".join([*verbs, *others, "def rest(): ..."])})
    assert list_breaches(count_structure(tmp_path)) == []


def test_the_table_sets_the_old_beside_the_new() -> None:
    lines = render_table({"old": COUNTS, "new": COUNTS}).splitlines()
    assert lines[0].split() == ["old", "new"]
    assert f"{'functions that begin with a verb':38}{'3 = 42.9%':>18}{'3 = 42.9%':>18}" in lines
    assert "  Line: serve_app/rides/rows.py, serve_app/rides/told.py" in lines


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("read_row", True),
        ("_parse", True),
        ("is_open", True),
        ("_covers", True),
        ("has_ended", True),
        ("told", False),
        ("_seen_at", False),
        ("kept_log", False),
        ("kind_of", False),
        ("to_json", False),
        ("readable", False),
        ("page", False),
    ],
)
def test_a_verb_is_the_first_word(name: str, expected: bool) -> None:
    assert is_verb(name) is expected


@pytest.mark.parametrize(
    ("name", "expected"), [("weighing", True), ("log_reading", True), ("ring", False), ("string", False)]
)
def test_a_gerund_ends_in_ing(name: str, expected: bool) -> None:
    assert is_gerund(name) is expected

"""Which small faults are put into a file, one after the other, and that the file itself stays as it is."""

from __future__ import annotations

import ast

import pytest

from tests.mutation.mutants import list_mutants, make_mutant


def change(source: str) -> list[tuple[str, str]]:
    return [(each.operator, each.after) for each in list_mutants("x.py", source)]


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("a < b", [("removed", "pass"), ("comparison", "a <= b")]),
        ("f(a is not b)", [("removed", "pass"), ("nothing", "f(None)"), ("comparison", "f(a is b)")]),
        ("x = a in b", [("nothing", "x = None"), ("comparison", "x = a not in b")]),
        ("x = a + b", [("nothing", "x = None"), ("calculation", "x = a - b")]),
        ("x = not a", [("nothing", "x = None"), ("sign", "x = a")]),
        (
            "x = a and b",
            [("nothing", "x = None"), ("junction", "x = a or b"), ("condition", "x = b"), ("condition", "x = a")],
        ),
        (
            "x = a if b else c",
            [("nothing", "x = None"), ("condition", "x = a if True else c"), ("condition", "x = a if False else c")],
        ),
        ("x = 7", [("nothing", "x = None"), ("number", "x = 8")]),
        ("x = True", [("truth", "x = False")]),
        ("x = None", [("nothing", "x = ''")]),
        ("x = 'ab'", [("nothing", "x = None"), ("text", "x = 'XXabXX'")]),
        ("x = ''", [("nothing", "x = None"), ("text", "x = 'XX'")]),
        (
            "x = f'a {b:g}'",
            [("nothing", "x = None"), ("text", "x = f'XXa XX{b:g}'"), ("format", "x = f'a {b}'"),
             ("text", "x = f'a {b:XXgXX}'")],
        ),
        ("x = f'{b!r}'", [("nothing", "x = None"), ("format", "x = f'{b}'")]),
        (
            "x = (a, b)", [("nothing", "x = None"), ("left out", "x = (b,)"), ("left out", "x = (a,)")],
        ),
        ("x = {a: b}", [("nothing", "x = None"), ("left out", "x = {}")]),
        ("(a, b) = c", [("nothing", "a, b = None")]),
        (
            "x = f(a, b=c)",
            [("nothing", "x = None"), ("nothing", "x = f(None, b=c)"), ("left out", "x = f(a)"),
             ("nothing", "x = f(a, b=None)")],
        ),
        ("x = f(*a)", [("nothing", "x = None")]),
        (
            "x = [a for a in b if c]", [("nothing", "x = None"), ("condition", "x = [a for a in b]")],
        ),
        ("x = a[:b]", [("nothing", "x = None"), ("left out", "x = a[:]")]),
        ("x = a.lstrip()", [("nothing", "x = None"), ("method", "x = a.rstrip()")]),
        ("x += a", [("calculation", "x -= a"), ("removed", "pass")]),
        ("raise a", [("removed", "pass")]),
        ("x = lambda: a", [("nothing", "x = None"), ("nothing", "x = lambda: None")]),
        # What can change no answer.
        ("x: int", []),
        ("Json = dict[str, int]", []),
        ("import a", []),
        ("if TYPE_CHECKING:\n    x = 1", [("condition", "if True:\n    x = 1"), ("condition", "if False:\n    x = 1")]),
        ("'''what it is for'''", []),
        ("@cache(7)\ndef f(a: 'b' = None) -> 'c':\n    '''d'''", []),
        ("def f():\n    return False", [("truth", "return True")]),
        ("def f():\n    return None", [("nothing", "return ''")]),
    ],
)  # fmt: skip
def test_the_faults_of_a_line(source: str, wanted: list[tuple[str, str]]) -> None:
    assert change(source) == [(operator, after.replace("\n", " ⏎ ")) for operator, after in wanted]


def test_loops_and_conditions() -> None:
    source = "for a in b:\n    if c:\n        continue\n    break\nwhile d:\n    f()"
    found = [(each.line, each.operator) for each in list_mutants("x.py", source)]
    assert found == [
        (2, "condition"), (2, "condition"), (3, "loop"), (4, "loop"), (5, "condition"), (6, "removed"),
    ]  # fmt: skip


def test_a_case_is_left_out() -> None:
    source = "match a:\n    case 1:\n        b = c\n    case _:\n        pass"
    trees = [ast.unparse(make_mutant(source, each.number)) for each in list_mutants("x.py", source)]
    assert "match a:\n    case _:\n        pass" in trees


SOURCE = "class A:\n    def f(self, a):\n        return a > 1\n\nB = 2\n"


def test_a_mutant_says_where_it_is_and_can_be_made_by_its_number() -> None:
    found = list_mutants("x.py", SOURCE)
    assert [(each.number, each.line, each.name) for each in found] == [
        (0, 3, "A.f"), (1, 3, "A.f"), (2, 3, "A.f"), (3, 5, "B"), (4, 5, "B"),
    ]  # fmt: skip
    for each in found:
        text = ast.unparse(make_mutant(SOURCE, each.number))
        assert each.after in text
        assert text != ast.unparse(ast.parse(SOURCE))
    with pytest.raises(LookupError):
        make_mutant(SOURCE, len(found))


def test_every_mutant_of_the_product_is_python() -> None:
    source = "\n".join(("def f(a, *b, c=1, **d):", "    x = [e for e in a if e and c]", "    return f(x, c=2) or 'g'"))
    for each in list_mutants("x.py", source):
        compile(make_mutant(source, each.number), "x.py", "exec")

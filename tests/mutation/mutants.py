"""All mutants of a file, found and made in one fixed order, so that a number names one of them. Pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from tests.mutation.operators import list_replacements

_SHOWN_CHARS = 160
# Never evaluated, or without a say in any answer.
_SKIPPED_FIELDS = frozenset({"annotation", "returns", "decorator_list", "type_ignores", "ctx"})
_TYPES = frozenset({"dict", "list", "tuple", "Mapping", "Callable", "Sequence"})
_SKIPPED_NODES = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One small fault in one file: ``number`` is its place among all of that file, ``name`` the definition it is in."""

    path: str
    number: int
    line: int
    name: str
    operator: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} {self.name} ({self.operator})\n    - {self.before}\n    + {self.after}"


def list_mutants(path: str, source: str) -> list[Mutant]:
    """All mutants of a file, in the order of its text."""
    return [
        Mutant(path, number, fault.line, fault.name, fault.operator, fault.before, fault.after)
        for number, fault in enumerate(_apply_each(ast.parse(source)))
    ]


def make_mutant(source: str, number: int) -> ast.Module:
    """The syntax tree of a file with its mutant of this number in it; raises ``LookupError`` when there is none."""
    tree = ast.parse(source)
    for each, _ in enumerate(_apply_each(tree)):
        if each == number:
            return ast.fix_missing_locations(tree)
    raise LookupError(f"there is no mutant {number}")


@dataclass(frozen=True, slots=True)
class _Fault:
    line: int
    name: str
    operator: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node hangs: a field of its parent, and for a list the index in it."""

    parent: ast.AST
    field: str
    index: int | None

    def put(self, node: ast.AST) -> None:
        if self.index is None:
            setattr(self.parent, self.field, node)
        else:
            getattr(self.parent, self.field)[self.index] = node


def _apply_each(tree: ast.Module) -> Iterator[_Fault]:
    """Put one fault after the other into the tree; each is taken out again when the next is asked for."""
    yield from _visit(tree, [], "")


def _visit(node: ast.AST, above: list[tuple[ast.AST, _Place]], name: str) -> Iterator[_Fault]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        name = f"{name}.{node.name}" if name else node.name
    for child, place in _list_children(node):
        name_here = name or _read_target(child)
        line = getattr(child, "lineno", None) or _read_line(above)
        path = [*above, (child, place)]
        for operator, other in list_replacements(child):
            shown = _choose_shown([each for each, _ in path])
            before = _show(shown)
            place.put(other)
            after = _show(other if shown is child else shown)
            yield _Fault(line, name_here, operator, before, after)
            place.put(child)
        yield from _visit(child, path, name_here)


def _list_children(node: ast.AST) -> list[tuple[ast.AST, _Place]]:
    found: list[tuple[ast.AST, _Place]] = []
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return found
    for field, value in ast.iter_fields(node):
        if field in _SKIPPED_FIELDS:
            continue
        parts = value if isinstance(value, list) else [value]
        for index, part in enumerate(parts):
            if isinstance(part, ast.AST) and not isinstance(part, _SKIPPED_NODES) and not _is_silent(part):
                found.append((part, _Place(node, field, index if isinstance(value, list) else None)))
    return found


def _choose_shown(path: list[ast.AST]) -> ast.AST:
    """The largest part around a fault that is still short: a statement of one line, or an expression."""
    plain = (each for each in path if isinstance(each, ast.expr | ast.stmt) and not _has_block(each))
    return next((each for each in plain if len(ast.unparse(each)) <= _SHOWN_CHARS), path[-1])


def _has_block(node: ast.AST) -> bool:
    return isinstance(getattr(node, "body", None), list) or isinstance(node, ast.Match)


def _is_silent(node: ast.AST) -> bool:
    """Docstrings, those of fields too, and names of types, which only annotations use."""
    if isinstance(node, ast.Expr):
        return isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    value = node.value if isinstance(node, ast.Assign) else None
    return isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name) and value.value.id in _TYPES


def _read_target(node: ast.AST) -> str:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return targets[0].id if isinstance(targets[0], ast.Name) else ""


def _read_line(above: list[tuple[ast.AST, _Place]]) -> int:
    return next((node.lineno for node, _ in reversed(above) if hasattr(node, "lineno")), 0)


def _show(node: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(node)).replace("\n", " ⏎ ")

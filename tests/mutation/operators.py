"""The small faults that may be put into a syntax tree, by the kind of node that they change. Pure.

What can change no answer is not touched: annotations (none is evaluated but pydantic's), decorators, imports,
docstrings and what only type checkers read.
"""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

P = TypeVar("P")
Replacement = tuple[str, ast.AST]
"""The operator's name, and what takes the node's place."""

_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_CALCULATIONS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Div,
    ast.Mod: ast.Div,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_METHODS = {
    "lower": "upper",
    "upper": "lower",
    "lstrip": "rstrip",
    "rstrip": "lstrip",
    "removeprefix": "removesuffix",
    "removesuffix": "removeprefix",
    "partition": "rpartition",
    "rpartition": "partition",
    "match": "search",
    "fullmatch": "match",
}
_SHORTENED = {ast.Tuple: "elts", ast.List: "elts", ast.Set: "elts", ast.Match: "cases"}
_CONDITIONAL = (ast.If, ast.IfExp, ast.While)


def list_replacements(node: ast.AST) -> Iterator[Replacement]:
    """All that may take the place of one node; the node itself stays as it is."""
    for kind, replace in _BY_KIND:
        if isinstance(node, kind):
            yield from replace(node)


def _replace_constant(node: ast.Constant) -> Iterator[Replacement]:
    match node.value:
        case bool():
            yield "truth", ast.Constant(not node.value)
        case int() | float():
            yield "number", ast.Constant(node.value + 1)
        case str():
            yield "text", ast.Constant(f"XX{node.value}XX" if node.value else "XX")


def _replace_comparison(node: ast.Compare) -> Iterator[Replacement]:
    for index, operator in enumerate(node.ops):
        if (other := _COMPARISONS.get(type(operator))) is not None:
            yield "comparison", _change(node, "ops", _put(node.ops, index, other()))


def _replace_calculation(node: ast.BinOp | ast.AugAssign) -> Iterator[Replacement]:
    if (other := _CALCULATIONS.get(type(node.op))) is not None:
        yield "calculation", _change(node, "op", other())


def _replace_sign(node: ast.UnaryOp) -> Iterator[Replacement]:
    yield "sign", node.operand


def _replace_junction(node: ast.BoolOp) -> Iterator[Replacement]:
    yield "junction", _change(node, "op", ast.Or() if isinstance(node.op, ast.And) else ast.And())


def _force_condition(node: ast.If | ast.IfExp | ast.While) -> Iterator[Replacement]:
    if not isinstance(node, ast.While):
        yield "condition", _change(node, "test", ast.Constant(True))
    yield "condition", _change(node, "test", ast.Constant(False))


def _shorten(node: ast.AST) -> Iterator[Replacement]:
    """Leave out one row of a table, or one case of a ``match``."""
    if isinstance(getattr(node, "ctx", None), ast.Store):
        return
    name = _SHORTENED[type(node)]
    parts = getattr(node, name)
    if len(parts) > 1 or not isinstance(node, ast.Match):
        for index in range(len(parts)):
            yield "left out", _change(node, name, _drop(parts, index))


def _shorten_junction(node: ast.BoolOp) -> Iterator[Replacement]:
    """Leave out one of several conditions."""
    for index in range(len(node.values)):
        left = _drop(list(node.values), index)
        yield "condition", _change(node, "values", left) if len(left) > 1 else left[0]


def _shorten_dict(node: ast.Dict) -> Iterator[Replacement]:
    for index in range(len(node.keys)):
        shorter = _change(node, "keys", _drop(node.keys, index))
        yield "left out", _change(shorter, "values", _drop(node.values, index))


def _shorten_comprehension(node: ast.comprehension) -> Iterator[Replacement]:
    for index in range(len(node.ifs)):
        yield "condition", _change(node, "ifs", _drop(node.ifs, index))


def _change_arguments(node: ast.Call) -> Iterator[Replacement]:
    """Each argument once as None; one with a name once left out, since it may have a default that nobody meant."""
    for name in ("args", "keywords"):
        arguments = getattr(node, name)
        for index, argument in enumerate(arguments):
            if isinstance(argument, ast.keyword):
                yield "left out", _change(node, name, _drop(arguments, index))
            value = argument.value if isinstance(argument, ast.keyword) else argument
            if isinstance(argument, ast.Starred) or _is_none(value):
                continue
            nothing = ast.Constant(None)
            changed = _change(argument, "value", nothing) if isinstance(argument, ast.keyword) else nothing
            yield "nothing", _change(node, name, _put(arguments, index, changed))


def _replace_method(node: ast.Attribute) -> Iterator[Replacement]:
    if node.attr in _METHODS:
        yield "method", _change(node, "attr", _METHODS[node.attr])


def _change_slice(node: ast.Slice) -> Iterator[Replacement]:
    for name in ("lower", "upper", "step"):
        if getattr(node, name) is not None:
            yield "left out", _change(node, name, None)


def _change_format(node: ast.FormattedValue) -> Iterator[Replacement]:
    if node.format_spec is not None:
        yield "format", _change(node, "format_spec", None)
    if node.conversion != -1:
        yield "format", _change(node, "conversion", -1)


def _empty_value(node: ast.Assign | ast.AnnAssign | ast.Return | ast.Lambda) -> Iterator[Replacement]:
    name = "body" if isinstance(node, ast.Lambda) else "value"
    value = getattr(node, name)
    # A truth has its opposite, and None is as false as False.
    if value is not None and not (isinstance(value, ast.Constant) and isinstance(value.value, bool)):
        yield "nothing", _change(node, name, ast.Constant("" if _is_none(value) else None))


def _remove_statement(node: ast.Expr | ast.AugAssign | ast.Raise) -> Iterator[Replacement]:
    yield "removed", ast.Pass()


def _turn_loop(node: ast.Break | ast.Continue) -> Iterator[Replacement]:
    yield "loop", ast.Continue() if isinstance(node, ast.Break) else ast.Break()


_BY_KIND: tuple[tuple[type[ast.AST] | tuple[type[ast.AST], ...], Callable[..., Iterator[Replacement]]], ...] = (
    (ast.Constant, _replace_constant),
    (ast.Compare, _replace_comparison),
    ((ast.BinOp, ast.AugAssign), _replace_calculation),
    (ast.UnaryOp, _replace_sign),
    (ast.BoolOp, _replace_junction),
    (ast.BoolOp, _shorten_junction),
    (_CONDITIONAL, _force_condition),
    (tuple(_SHORTENED), _shorten),
    (ast.Dict, _shorten_dict),
    (ast.comprehension, _shorten_comprehension),
    (ast.Call, _change_arguments),
    (ast.Attribute, _replace_method),
    (ast.Slice, _change_slice),
    (ast.FormattedValue, _change_format),
    ((ast.Assign, ast.AnnAssign, ast.Return, ast.Lambda), _empty_value),
    ((ast.Expr, ast.AugAssign, ast.Raise), _remove_statement),
    ((ast.Break, ast.Continue), _turn_loop),
)


def _change(node: ast.AST, name: str, value: object) -> ast.AST:
    changed = copy.copy(node)
    setattr(changed, name, value)
    return changed


def _put(parts: Sequence[ast.AST], index: int, part: ast.AST) -> list[ast.AST]:
    return [*parts[:index], part, *parts[index + 1 :]]


def _drop(parts: Sequence[P], index: int) -> list[P]:
    return [*parts[:index], *parts[index + 1 :]]


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None

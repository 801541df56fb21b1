"""Refusing regular expressions that can take for ever, before they meet a line that somebody else wrote. Pure.

``re`` tries again in other ways when a match fails. That is bounded by the line unless repetitions can share out the
same characters in many ways: a repetition within a repetition, alternatives that begin alike within one, two open
repetitions side by side. Such a pattern is refused, also when no line would ever show it: the rule must be explainable.
The tree is that of ``re._parser``, the standard library's own; a test holds what is used of it.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterable, Sequence
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

MOST_CHARS = 500
# A repetition of more than this is as good as open: a line is longer.
_OPEN = 1_000
# Each of these makes the time grow by one more power of the line's length.
_MOST_OPEN = 3
_ALL = frozenset(map(chr, range(256)))
_REPEATS = (kinds.MAX_REPEAT, kinds.MIN_REPEAT)
_CATEGORIES = {
    kinds.CATEGORY_DIGIT: frozenset(string.digits),
    kinds.CATEGORY_SPACE: frozenset(string.whitespace),
    kinds.CATEGORY_WORD: frozenset(each for each in _ALL if each.isalnum() or each == "_"),
}
_NEGATED = {
    kinds.CATEGORY_NOT_DIGIT: kinds.CATEGORY_DIGIT,
    kinds.CATEGORY_NOT_SPACE: kinds.CATEGORY_SPACE,
    kinds.CATEGORY_NOT_WORD: kinds.CATEGORY_WORD,
}

Node = tuple[Any, Any]


def require_safe(pattern: str) -> None:
    """Raise ``ValueError`` with a sentence when the pattern is no regular expression, or one that can take for ever."""
    if len(pattern) > MOST_CHARS:
        raise ValueError(f"the pattern has {len(pattern)} characters; {MOST_CHARS} are allowed")
    try:
        re.compile(pattern)
        tree = list(parser.parse(pattern))
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"the pattern is no regular expression: {error}") from error
    if sum(_is_open(node) for node in _all(tree)) > _MOST_OPEN:
        raise ValueError(f"the pattern has more than {_MOST_OPEN} open repetitions (`*`, `+`); bound them: `{{0,80}}`")
    _require_no_neighbours(tree)
    for node in _all(tree):
        _require_simple(node)


def _require_simple(node: Node) -> None:
    kind, value = node
    if kind in (kinds.GROUPREF, kinds.GROUPREF_EXISTS):
        raise ValueError("the pattern refers back to a group, which can take for ever")
    if kind not in _REPEATS or value[1] <= 1:
        return
    body = list(value[2])
    _require_no_neighbours(body)
    inner = [each for each in _all(body) if each[0] in _REPEATS and each[1][0] != each[1][1]]
    if any(not _is_parted(body, each) for each in inner):
        raise ValueError("the pattern repeats a repetition, which can take for ever; bound or part them by a character")
    for each_kind, branches in _all(body):
        if each_kind is kinds.BRANCH and _overlap([list(branch) for branch in branches[1]]):
            raise ValueError("the pattern repeats alternatives that begin alike, which can take for ever")


def _require_no_neighbours(nodes: Sequence[Node]) -> None:
    """Two open repetitions that can share out the same characters, with nothing between them that must be there."""
    open_before: frozenset[str] = frozenset()
    for node in _flat(nodes):
        if _is_open(node):
            here = _first_of(list(node[1][2]))
            if open_before & here:
                raise ValueError("the pattern has two open repetitions side by side for the same characters")
            # One that must take a character of another kind parts what is before it from what follows.
            open_before = here if node[1][0] > 0 else open_before | here
        elif _is_needed(node):
            open_before = frozenset()


def _is_parted(body: Sequence[Node], inner: Node) -> bool:
    """Whether the body begins or ends with a character that the inner repetition cannot take."""
    taken = _chars_of_all(list(inner[1][2]))
    flat = list(_flat(body))
    return any(
        edge is not inner and edge[0] not in _REPEATS and not (_chars(edge) & taken) and _is_needed(edge)
        for edge in (flat[0], flat[-1])
    )


def _all(nodes: Iterable[Node]) -> Iterable[Node]:
    for node in nodes:
        yield node
        for part in _parts(node):
            yield from _all(part)


def _parts(node: Node) -> list[list[Node]]:
    kind, value = node
    if kind in (*_REPEATS, kinds.POSSESSIVE_REPEAT):
        return [list(value[2])]
    if kind is kinds.SUBPATTERN:
        return [list(value[3])]
    if kind is kinds.BRANCH:
        return [list(branch) for branch in value[1]]
    if kind is kinds.ATOMIC_GROUP:
        return [list(value)]
    if kind in (kinds.ASSERT, kinds.ASSERT_NOT):
        return [list(value[1])]
    return []


def _flat(nodes: Iterable[Node]) -> Iterable[Node]:
    """The nodes of a sequence, groups opened."""
    for node in nodes:
        if node[0] is kinds.SUBPATTERN:
            yield from _flat(list(node[1][3]))
        else:
            yield node


def _is_open(node: Node) -> bool:
    return node[0] in _REPEATS and node[1][1] > _OPEN


def _is_needed(node: Node) -> bool:
    kind, value = node
    if kind in (*_REPEATS, kinds.POSSESSIVE_REPEAT):
        return bool(value[0] > 0) and not _is_open(node)
    return kind in (kinds.LITERAL, kinds.NOT_LITERAL, kinds.IN, kinds.ANY, kinds.BRANCH)


def _first_of(nodes: Sequence[Node]) -> frozenset[str]:
    """The characters with which a sequence can begin."""
    chars: frozenset[str] = frozenset()
    for node in _flat(nodes):
        chars |= _chars(node)
        if _is_needed(node) or (_is_open(node) and node[1][0] > 0):
            return chars
    return chars


def _chars_of_all(nodes: Sequence[Node]) -> frozenset[str]:
    return frozenset().union(*(_chars(node) for node in _all(nodes)))


def _overlap(branches: Sequence[Sequence[Node]]) -> bool:
    """Whether two alternatives can begin with the same character; one that can be empty begins like all others."""
    seen: frozenset[str] = frozenset()
    for branch in branches:
        each = _first_of(branch) or _ALL
        if seen & each:
            return True
        seen |= each
    return False


def _chars(node: Node) -> frozenset[str]:
    kind, value = node
    if kind is kinds.LITERAL:
        return frozenset({chr(value)})
    if kind is kinds.NOT_LITERAL:
        return _ALL - {chr(value)}
    if kind is kinds.ANY:
        return _ALL - {"\n"}
    if kind is kinds.IN:
        return _class(value)
    if kind in (*_REPEATS, kinds.POSSESSIVE_REPEAT):
        return _first_of(list(value[2]))
    if kind is kinds.BRANCH:
        return frozenset().union(*(_first_of(list(branch)) for branch in value[1]))
    return frozenset()


def _class(items: Sequence[Node]) -> frozenset[str]:
    chars: frozenset[str] = frozenset()
    for kind, value in items:
        if kind is kinds.LITERAL:
            chars |= {chr(value)}
        elif kind is kinds.RANGE:
            chars |= frozenset(map(chr, range(value[0], min(value[1], 0x10FFFF) + 1)))
        elif kind is kinds.CATEGORY:
            chars |= _CATEGORIES[value] if value in _CATEGORIES else _ALL - _CATEGORIES[_NEGATED[value]]
    negated = bool(items) and items[0][0] is kinds.NEGATE
    return _ALL - chars if negated else chars

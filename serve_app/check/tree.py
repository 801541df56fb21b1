"""A YAML file with the line of each of its keys, and the mistakes that YAML loaders pass over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.reader import ReaderError

from organs.live.mistakes import Path

# What aliases make of a file of a few lines may be more than any memory holds, and Serve is sent all of it as JSON. A
# list of signatures as long as it may be has some thousands.
MOST_VALUES = 100_000


@dataclass(frozen=True)
class Duplicate:
    """A key that one mapping has twice; loaders silently keep the last."""

    path: Path
    line: int
    first_line: int


@dataclass(frozen=True)
class Tree:
    """The value of a document, and where (1-based lines) its keys and items stand."""

    value: Any
    lines: dict[Path, int] = field(default_factory=dict)
    duplicates: tuple[Duplicate, ...] = ()

    def find_line(self, path: Path) -> int:
        """Line of that key, or of the nearest thing around it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


class NotYaml(Exception):
    """The text is not one YAML document. ``line`` is 1-based."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


def load(text: str) -> Tree:
    """Read one YAML document of plain values; raises ``NotYaml``."""
    try:
        loader = yaml.SafeLoader(text)
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise NotYaml(line, f"the character U+{ord(text[error.position]):04X}, which YAML does not allow") from None
    try:
        node = loader.get_single_node()
        lines: dict[Path, int] = {}
        duplicates: list[Duplicate] = []
        if node is not None:
            _count_values(node, {})
            _walk(node, (), lines, duplicates, set())
        value = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, error.problem or str(error)) from None
    except RecursionError:
        raise NotYaml(loader.line + 1, "lists or mappings that nest too deeply") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        # The last ones come of tags whose value is none of their kind (`!!bool abc`).
        raise NotYaml(1, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    finally:
        loader.dispose()
    return Tree(value, lines, tuple(duplicates))


def _count_values(node: yaml.Node, counted: dict[int, int]) -> int:
    """Of a node with all that its aliases stand for, which is what is looked through after this."""
    if id(node) in counted:
        return counted[id(node)]
    counted[id(node)] = 1  # what contains itself is refused later
    children: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        children = node.value
    elif isinstance(node, yaml.MappingNode):
        children = [each for pair in node.value for each in pair]
    total = 1 + sum(_count_values(child, counted) for child in children)
    if total > MOST_VALUES:
        what = f"more than {MOST_VALUES} values, with what aliases stand for"
        raise NotYaml(node.start_mark.line + 1, what)
    counted[id(node)] = total
    return total


def _walk(node: yaml.Node, path: Path, lines: dict[Path, int], duplicates: list[Duplicate], seen: set[int]) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if id(node) in seen:
        return  # an alias: its lines are those of its anchor, and it may contain itself
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _walk(item, (*path, index), lines, duplicates, seen)
    if not isinstance(node, yaml.MappingNode):
        return
    firsts: dict[str, int] = {}
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        line, name = key.start_mark.line + 1, str(key.value)
        if name in firsts and name != "<<":
            duplicates.append(Duplicate((*path, name), line, firsts[name]))
        firsts.setdefault(name, line)
        lines[(*path, name)] = line
        _walk(value, (*path, name), lines, duplicates, seen)
